// A token endpoint that behaves like the real one: every refresh token works once, and using one again ends its family.

import { Script } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { accessToken } from "./jwt.ts"

export interface Options {
  /** How long access tokens live. Default: one hour. */
  readonly lifetimeMillis?: number
  /** How long an answer takes. Default: at once. */
  readonly delayMillis?: () => number
  /** Whether the answer to this refresh is lost after the rotation. Default: never. */
  readonly loses?: () => boolean
  readonly account?: string
}

interface Grant {
  readonly family: number
  readonly serial: number
}

/** One request with a token that was spent before. */
export interface Reuse {
  readonly token: string
  /** Who spent it first (its user agent), and whether that answer was lost on the way. */
  readonly spentBy: string
  readonly wasLost: boolean
  readonly usedBy: string
}

export interface TokenEndpoint {
  readonly url: string
  /** A new family, as after a login. */
  readonly login: () => { readonly access_token: string; readonly refresh_token: string }
  readonly refreshes: () => number
  readonly lost: () => number
  readonly reuses: () => ReadonlyArray<Reuse>
  readonly revoked: () => ReadonlyArray<string>
  /** Whether this refresh token would be taken. */
  readonly isAlive: (refreshToken: string) => boolean
}

export const make = (options: Options = {}) =>
  Effect.gen(function* () {
    const live = new Map<string, Grant>()
    const spent = new Map<string, { readonly by: string; readonly grant: Grant; readonly wasLost: boolean }>()
    const ended = new Set<number>()
    const reuses: Array<Reuse> = []
    const revoked: Array<string> = []
    let serial = 0
    let families = 0
    let refreshes = 0
    let lost = 0

    const grant = (family: number) => {
      const next = { family, serial: ++serial }
      const refresh_token = `rt_${family}_${next.serial}`
      live.set(refresh_token, next)
      const now = Date.now()
      return {
        access_token: accessToken({
          account: options.account ?? "acc_1",
          serial: next.serial,
          issuedAt: now,
          expiresAt: now + (options.lifetimeMillis ?? 3_600_000)
        }),
        refresh_token
      }
    }

    const script: Script.Responder = (request) => {
      const body = Object(request.body) as Readonly<Record<string, string>>
      if (request.path === "/login") return Script.status(200, { body: grant(++families) })
      if (request.path === "/oauth/revoke") {
        revoked.push(body["token"] ?? "")
        return Script.status(200, { body: {} })
      }
      const token = body["refresh_token"] ?? ""
      const usedBy = request.headers["user-agent"] ?? ""
      const before = spent.get(token)
      if (before !== undefined) {
        reuses.push({ token, spentBy: before.by, wasLost: before.wasLost, usedBy })
        ended.add(before.grant.family)
        return Script.status(401, { body: { error: { code: "refresh_token_reused", message: "already used" } } })
      }
      const known = live.get(token)
      if (known === undefined || ended.has(known.family)) {
        return Script.status(401, { body: { error: { code: "refresh_token_invalidated" } } })
      }
      live.delete(token)
      const wasLost = options.loses?.() ?? false
      spent.set(token, { by: usedBy, grant: known, wasLost })
      refreshes++
      if (wasLost) lost++
      const tokens = grant(known.family)
      const step = wasLost ? Script.resetBeforeHeaders : Script.status(200, { body: tokens })
      return step.pipe(Script.delay(Duration.millis(options.delayMillis?.() ?? 0)))
    }
    const { url } = yield* BackendServer.make({ script })
    const endpoint: TokenEndpoint = {
      url: new URL(url).origin,
      login: () => grant(++families),
      refreshes: () => refreshes,
      lost: () => lost,
      reuses: () => reuses,
      revoked: () => revoked,
      isAlive: (refreshToken) => {
        const known = live.get(refreshToken)
        return known !== undefined && !ended.has(known.family)
      }
    }
    return endpoint
  }).pipe(Effect.orDie)
