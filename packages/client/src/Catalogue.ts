/**
 * Which models the account has, and what each of them can do.
 *
 * @since 0.1.0
 */
import { type Model, ModelCatalogue } from "@effect-codex/schema"
import type { CodexTransport } from "@effect-codex/transport"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as SynchronizedRef from "effect/SynchronizedRef"

/**
 * The models known now. `source` tells the server's own list from the one bundled with this library, which is used
 * while the server's cannot be had.
 *
 * @since 0.1.0
 * @category models
 */
export interface Catalogue {
  readonly models: ReadonlyArray<Model.Model>
  readonly source: "server" | "bundled"
}

/**
 * The catalogue as a client keeps it: fetched when it is asked for, kept for five minutes, fetched again when a response
 * names another version of it (protocol G.4).
 *
 * @since 0.1.0
 * @category models
 */
export interface CatalogueCache {
  /**
   * The server's list, fetched unless it is fresh. If it cannot be had within five seconds, what was known before (at
   * first the bundled list) serves for the next half minute.
   */
  readonly get: Effect.Effect<Catalogue>
  /** The same, but no longer waited for than until the deadline (milliseconds since 1970). */
  readonly within: (deadline: number | undefined) => Effect.Effect<Catalogue>
  /** What is known without asking anybody. */
  readonly known: Effect.Effect<Catalogue>
  /** Takes note of the `x-models-etag` of a response. */
  readonly sawEtag: (etag: string) => Effect.Effect<void>
}

const timeToLive = Duration.toMillis("5 minutes")
const fetchLimit = Duration.toMillis("5 seconds")
/** From one failed fetch to the next: soon enough, but not with every call. */
const pause = Duration.toMillis("30 seconds")

const bundled: Catalogue = { models: ModelCatalogue.bundled, source: "bundled" }

/** Times in milliseconds since 1970; `askedAt` is when the server was last asked. */
interface State {
  readonly catalogue: Catalogue
  readonly etag: string | undefined
  readonly askedAt: number
  readonly freshUntil: number
}

/**
 * A cache over the transport's `get`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (transport: CodexTransport.Service, clientVersion: string): Effect.Effect<CatalogueCache> =>
  Effect.gen(function* () {
    const state = yield* SynchronizedRef.make<State>({ catalogue: bundled, etag: undefined, askedAt: 0, freshUntil: 0 })
    let seen: { readonly etag: string; readonly at: number } | undefined

    const fetch = (before: State, askedAt: number): Effect.Effect<State> =>
      transport.get("/codex/models", { query: { client_version: clientVersion }, deadline: askedAt + fetchLimit }).pipe(
        Effect.map(({ json, metadata }): State => {
          const { models } = ModelCatalogue.decode(json)
          if (models.length === 0) return { ...before, askedAt, freshUntil: askedAt + pause }
          const etag = metadata.etag ?? metadata.modelsEtag
          return { catalogue: { models, source: "server" }, etag, askedAt, freshUntil: askedAt + timeToLive }
        }),
        Effect.catchAll((error) =>
          Effect.as(Effect.logDebug("The model catalogue could not be fetched.", error._tag), {
            ...before,
            askedAt,
            freshUntil: askedAt + pause
          })
        )
      )

    /** What is known after the ETags that responses carried: the same version is fresh from then on, another one is not. */
    const afterEtag = (known: State): State => {
      if (seen === undefined || known.etag === undefined || seen.at <= known.askedAt) return known
      return { ...known, freshUntil: seen.etag === known.etag ? seen.at + timeToLive : 0 }
    }

    const update = SynchronizedRef.updateAndGetEffect(state, (before) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const known = afterEtag(before)
        return now < known.freshUntil ? Effect.succeed(known) : fetch(known, now)
      })
    )
    const get = Effect.map(update, ({ catalogue }) => catalogue)
    const known = Effect.map(SynchronizedRef.get(state), ({ catalogue }) => catalogue)
    return {
      get,
      known,
      within: (deadline) =>
        deadline === undefined
          ? get
          : Effect.flatMap(Clock.currentTimeMillis, (now) =>
              Effect.flatMap(Effect.timeoutOption(get, Math.max(0, deadline - now)), (found) =>
                Option.match(found, { onNone: () => known, onSome: Effect.succeed })
              )
            ),
      sawEtag: (etag) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          seen = { etag, at }
        })
    }
  })
