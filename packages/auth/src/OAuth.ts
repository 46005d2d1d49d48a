/**
 * The login server's endpoints (protocol A.6, F.3, F.8, F.9, F.10).
 *
 * @since 0.1.0
 */
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import { defined } from "@effect-codex/schema/Defined"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { LoginExpired, LoginFailed, RefreshFailed } from "./AuthError.ts"
import * as BoundRequest from "./BoundRequest.ts"
import { isJsonObject, type Json, numberIn, parseJson, textIn } from "./internal/json.ts"
import { type Answer, clean, codeOf, factsOf, readText } from "./internal/statement.ts"
import { isTransient } from "./internal/status.ts"

/**
 * The login server.
 *
 * @since 0.1.0
 * @category tags
 */
export class OAuth extends Context.Tag("@effect-codex/auth/OAuth")<OAuth, Service>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The address of the login page. */
  readonly authorizeUrl: (parameters: {
    readonly redirectUri: string
    readonly state: string
    readonly codeChallenge: string
    readonly workspaces?: ReadonlyArray<string>
  }) => string
  /** Exchanges an authorization code for tokens. */
  readonly exchange: (code: AuthorizationCode) => Effect.Effect<Tokens, LoginFailed>
  /**
   * Uses a refresh token. The caller must not be interrupted before it has stored the result: the sent token is invalid
   * as soon as the server has received it. For the same reason this waits for three times the `timeLimit`, longer than
   * callers should. The token and `secrets` are removed from the server's error message.
   */
  readonly refresh: (
    refreshToken: Redacted.Redacted,
    reason: RefreshReason,
    secrets?: ReadonlyArray<Redacted.Redacted>
  ) => Effect.Effect<Partial<Tokens>, LoginExpired | RefreshFailed>
  /** The time limit of callers for a refresh. Default: one minute. */
  readonly timeLimit?: Duration.DurationInput
  /** Starts a device login. */
  readonly deviceCode: Effect.Effect<DeviceCode, LoginFailed>
  /**
   * Polls once whether the user has entered the code: `pending` if not, `slowDown` to poll less often. Transient errors
   * (network, 5xx, 429) are mapped to one of the two.
   */
  readonly pollDevice: (code: DeviceCode) => Effect.Effect<AuthorizationCode | "pending" | "slowDown", LoginFailed>
  /** Revokes a token. Errors are ignored. */
  readonly revoke: (token: Redacted.Redacted, kind: "access_token" | "refresh_token") => Effect.Effect<void>
}

/**
 * The tokens returned by the login server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tokens {
  readonly accessToken: Redacted.Redacted
  readonly refreshToken?: Redacted.Redacted
  readonly idToken?: Redacted.Redacted
}

/**
 * The reason of a refresh, as the token endpoint names it.
 *
 * @since 0.1.0
 * @category models
 */
export type RefreshReason = "proactive_expiry" | "unauthorized_recovery"

/**
 * A code that can be exchanged for tokens, once.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthorizationCode {
  readonly code: Redacted.Redacted
  readonly codeVerifier: Redacted.Redacted
  readonly redirectUri: string
}

/**
 * A started device login.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeviceCode {
  readonly deviceAuthId: Redacted.Redacted
  /** The code that the user enters at `verificationUrl`. */
  readonly userCode: string
  readonly verificationUrl: string
  /** Seconds between two polls, from 1 to 60. */
  readonly interval: number
}

/**
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /** Default: `https://auth.openai.com`. */
  readonly issuer?: string | undefined
  /** The OAuth client id. Default: the Codex CLI's public client. */
  readonly clientId?: string | undefined
  /** Default: `openid profile email offline_access`. */
  readonly scope?: string | undefined
  /** Identifies the program to the server. Default: `effect-codex`. */
  readonly originator?: string | undefined
  /** Default: `effect-codex`. */
  readonly userAgent?: string | undefined
  /** The time limit of requests to the login server. A refresh that takes longer is still stored. Default: 1 minute. */
  readonly timeLimit?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category configuration
 */
export const defaults = {
  issuer: "https://auth.openai.com",
  clientId: "app_EMoamEEZ73f0CkXaXp7hrann",
  scope: "openid profile email offline_access",
  originator: "effect-codex",
  userAgent: "effect-codex",
  timeLimit: "1 minute"
} satisfies Options

/** The total wait for the response to a refresh, as a multiple of the time limit. */
const patience = 3

const secretIn = (json: Json, key: string): Redacted.Redacted | undefined => {
  const text = textIn(json, key)
  return text === undefined ? undefined : Redacted.make(text)
}

const jsonOf = (answer: Answer): Json => {
  const json = Either.getOrUndefined(parseJson(answer.text))
  return isJsonObject(json) ? json : {}
}

/** An invalid field does not discard the others: the refresh token may be the only valid one. */
const tokensOf = (answer: Answer): Partial<Tokens> => {
  const json = jsonOf(answer)
  return defined({
    accessToken: secretIn(json, "access_token"),
    refreshToken: secretIn(json, "refresh_token"),
    idToken: secretIn(json, "id_token")
  })
}

const permanent: Record<string, LoginExpired["reason"]> = {
  refresh_token_expired: "expired",
  refresh_token_reused: "reused",
  refresh_token_invalidated: "invalidated",
  invalid_grant: "unknown"
}

/** Proxies that change a response say 203. What was handed out counts, whichever success it came with. */
const isSuccess = ({ status }: Answer): boolean => status >= 200 && status < 300

const refreshFailure = (answer: Answer, secrets: ReadonlyArray<Redacted.Redacted>): LoginExpired | RefreshFailed => {
  const { status } = answer
  const facts = factsOf(answer, secrets)
  // some servers state an error in a success
  const isStated = isSuccess(answer) || status === 400 || status === 401
  const reason = isStated ? permanent[codeOf(answer) ?? ""] : undefined
  if (reason !== undefined) return new LoginExpired({ reason, ...facts })
  if (status === 401) return new LoginExpired({ reason: "unknown", ...facts })
  if (isSuccess(answer)) return new RefreshFailed({ reason: "answer", ...facts })
  return new RefreshFailed({ reason: isTransient(status) || status < 400 ? "status" : "refused", ...facts })
}

/** Codes for a denial by the user or an administrator (RFC 8628). */
const denials: ReadonlySet<string | undefined> = new Set(["access_denied", "deviceauth_denied"])
const pendings: ReadonlySet<string | undefined> = new Set(["deviceauth_authorization_pending", "authorization_pending"])

/** In seconds, clamped to the valid range (protocol F.9). */
const intervalIn = (json: Json): number => {
  const interval = numberIn(json, "interval")
  return interval === undefined || interval <= 0 ? 5 : Math.min(60, Math.max(1, interval))
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Service, never, HttpClient.HttpClient> =>
  Effect.map(HttpClient.HttpClient, (httpClient) => {
    const { issuer, clientId, scope, originator, userAgent, timeLimit } = { ...defaults, ...defined(options ?? {}) }
    const origin = URL.canParse(issuer) ? new URL(issuer).origin : issuer

    /** Posts a body that is sent only to the login server. */
    const send = (path: string, body: HttpBody.HttpBody, duration: Duration.DurationInput = timeLimit) =>
      BoundRequest.execute(
        httpClient,
        HttpClientRequest.post(issuer + path).pipe(
          HttpClientRequest.setHeaders({ originator, "user-agent": userAgent }),
          HttpClientRequest.acceptJson,
          HttpClientRequest.setBody(body)
        ),
        { origin, isBodySecret: true }
      ).pipe(
        // A client that fails on an error status still provides the response in its error.
        Effect.catchAll((error) =>
          error._tag === "ResponseError" && error.reason === "StatusCode"
            ? Effect.succeed(error.response)
            : Effect.fail(error)
        ),
        Effect.flatMap((response) =>
          Effect.map(
            readText(response),
            (text): Answer => ({ status: response.status, text, headers: response.headers })
          )
        ),
        Effect.mapError(() => "network" as const),
        Effect.timeoutFail({ duration, onTimeout: () => "timeout" as const }),
        BoundRequest.withoutRedirects,
        // The methods have their own spans.
        Effect.locally(HttpClient.currentTracerDisabledWhen, () => true),
        Effect.locally(HttpClient.currentTracerPropagation, false)
      )

    const form = (fields: Record<string, string>) => HttpBody.urlParams(UrlParams.fromInput(fields))

    const loginFailed = Effect.mapError((reason: "network" | "timeout") => new LoginFailed({ reason }))

    return {
      authorizeUrl: ({ redirectUri, state, codeChallenge, workspaces }) => {
        const url = new URL(`${issuer}/oauth/authorize`)
        url.search = new URLSearchParams({
          response_type: "code",
          client_id: clientId,
          redirect_uri: redirectUri,
          scope,
          code_challenge: codeChallenge,
          code_challenge_method: "S256",
          id_token_add_organizations: "true",
          codex_cli_simplified_flow: "true",
          state,
          originator,
          ...(workspaces === undefined ? {} : { allowed_workspace_id: workspaces.join(",") })
        }).toString()
        return url.href
      },

      exchange: Effect.fn("OAuth.exchange")(function* ({ code, codeVerifier, redirectUri }) {
        const answer = yield* send(
          "/oauth/token",
          form({
            grant_type: "authorization_code",
            client_id: clientId,
            code: Redacted.value(code),
            redirect_uri: redirectUri,
            code_verifier: Redacted.value(codeVerifier)
          })
        ).pipe(loginFailed)
        const { accessToken, ...rest } = tokensOf(answer)
        if (!isSuccess(answer) || accessToken === undefined) {
          return yield* new LoginFailed({ reason: "exchange", ...factsOf(answer, [code, codeVerifier]) })
        }
        return { accessToken, ...rest }
      }),

      refresh: Effect.fn("OAuth.refresh")(function* (refreshToken, reason, secrets = []) {
        const answer = yield* send(
          "/oauth/token",
          HttpBody.unsafeJson({
            client_id: clientId,
            grant_type: "refresh_token",
            refresh_token: Redacted.value(refreshToken),
            refresh_reason: reason
          }),
          Duration.times(timeLimit, patience)
        ).pipe(Effect.mapError((why) => new RefreshFailed({ reason: why })))
        const tokens = isSuccess(answer) ? tokensOf(answer) : {}
        if (Object.keys(tokens).length === 0) return yield* refreshFailure(answer, [refreshToken, ...secrets])
        return tokens
      }),

      timeLimit,

      deviceCode: Effect.gen(function* () {
        const answer = yield* send(
          "/api/accounts/deviceauth/usercode",
          HttpBody.unsafeJson({ client_id: clientId })
        ).pipe(loginFailed)
        if (answer.status === 404) return yield* new LoginFailed({ reason: "unsupported" })
        const json = jsonOf(answer)
        const deviceAuthId = secretIn(json, "device_auth_id")
        const userCode = clean(textIn(json, "user_code") ?? textIn(json, "usercode"))
        if (!isSuccess(answer) || deviceAuthId === undefined || userCode === undefined) {
          return yield* new LoginFailed({ reason: "exchange", ...factsOf(answer, []) })
        }
        return {
          deviceAuthId,
          userCode,
          verificationUrl: `${issuer}/codex/device`,
          interval: intervalIn(json)
        }
      }).pipe(Effect.withSpan("OAuth.deviceCode")),

      pollDevice: Effect.fn("OAuth.pollDevice")(function* ({ deviceAuthId, userCode }) {
        const polled = yield* send(
          "/api/accounts/deviceauth/token",
          HttpBody.unsafeJson({
            device_auth_id: Redacted.value(deviceAuthId),
            user_code: userCode
          })
        ).pipe(Effect.either)
        if (Either.isLeft(polled)) return "pending"
        const answer = polled.right
        const json = jsonOf(answer)
        const code = secretIn(json, "authorization_code")
        const codeVerifier = secretIn(json, "code_verifier")
        if (isSuccess(answer) && code !== undefined && codeVerifier !== undefined) {
          return { code, codeVerifier, redirectUri: `${issuer}/deviceauth/callback` }
        }
        const failure = codeOf(answer)
        const fail = (reason: "denied" | "timeout" | "exchange") =>
          new LoginFailed({ reason, ...factsOf(answer, [deviceAuthId]) })
        if (denials.has(failure)) return yield* fail("denied")
        if (failure === "expired_token") return yield* fail("timeout")
        if (failure === "slow_down" || answer.status === 429) return "slowDown"
        if (pendings.has(failure) || [403, 404, 408].includes(answer.status) || answer.status >= 500) return "pending"
        return yield* fail("exchange")
      }),

      revoke: Effect.fn("OAuth.revoke")(function* (token, kind) {
        yield* send(
          "/oauth/revoke",
          HttpBody.unsafeJson({
            token: Redacted.value(token),
            token_type_hint: kind,
            ...(kind === "refresh_token" ? { client_id: clientId } : {})
          }),
          "10 seconds"
        ).pipe(Effect.ignore)
      })
    }
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<OAuth, never, HttpClient.HttpClient> =>
  Layer.effect(OAuth, make(options))
