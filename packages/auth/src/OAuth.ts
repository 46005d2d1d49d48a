/**
 * The login server's endpoints (protocol A.6, F.3, F.8, F.9, F.10).
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import { defined } from "@effect-codex/schema/Defined"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { LoginExpired, LoginFailed, RefreshFailed } from "./AuthError.ts"
import { withoutRedirects } from "./internal/redirects.ts"

/**
 * The login server.
 *
 * @since 0.1.0
 * @category tags
 */
export class OAuth extends Context.Tag("@effect-codex/auth/OAuth")<OAuth, OAuth.Service>() {}

/**
 * @since 0.1.0
 */
export declare namespace OAuth {
  /**
   * @since 0.1.0
   * @category models
   */
  interface Service {
    /** The page a person logs in on. */
    readonly authorizeUrl: (parameters: {
      readonly redirectUri: string
      readonly state: string
      readonly codeChallenge: string
      readonly workspaces?: ReadonlyArray<string>
    }) => string
    /** Turns the code of a login into tokens. */
    readonly exchange: (code: AuthorizationCode) => Effect.Effect<Tokens, LoginFailed>
    /**
     * Spends a refresh token. The caller must not be interrupted before it has stored the answer: the token that was
     * sent is worthless from the moment the server has read it.
     */
    readonly refresh: (
      refreshToken: Redacted.Redacted,
      reason: RefreshReason
    ) => Effect.Effect<Partial<Tokens>, LoginExpired | RefreshFailed>
    /** Starts a device login. */
    readonly deviceCode: Effect.Effect<DeviceCode, LoginFailed>
    /** Asks once whether the person has entered the code: `pending` while not, `slowDown` to ask less often. */
    readonly pollDevice: (code: DeviceCode) => Effect.Effect<AuthorizationCode | "pending" | "slowDown", LoginFailed>
    /** Makes a token worthless. A failure is of no use to anybody, so there is none. */
    readonly revoke: (token: Redacted.Redacted, kind: "access_token" | "refresh_token") => Effect.Effect<void>
  }
}

/**
 * Tokens as the login server hands them out.
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
 * Why a refresh is asked for, in the words of the token endpoint.
 *
 * @since 0.1.0
 * @category models
 */
export type RefreshReason = "proactive_expiry" | "unauthorized_recovery"

/**
 * A code that can be exchanged for tokens once.
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
  /** What the person types in on `verificationUrl`. */
  readonly userCode: string
  readonly verificationUrl: string
  /** Seconds between two polls. */
  readonly interval: number
}

/**
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /** Default: `https://auth.openai.com`. */
  readonly issuer?: string
  /** The OAuth client that logs in. Default: the Codex CLI's public client. */
  readonly clientId?: string
  /** Default: `openid profile email offline_access`. */
  readonly scope?: string
  /** Names the program to the server. Default: `effect-codex`. */
  readonly originator?: string
  /** Default: `effect-codex`. */
  readonly userAgent?: string
  /** How long a token endpoint may take. Generous, because a lost answer loses the login. Default: 1 minute. */
  readonly timeout?: Duration.DurationInput
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
  timeout: "1 minute"
} satisfies Options

const optionalString = Schema.optionalWith(Schema.String, { exact: true, nullable: true })

/** One odd field must not cost the others: the refresh token among them may be the only one that still works. */
const TokenAnswer = Schema.Record({ key: Schema.String, value: Schema.Unknown })

const ErrorAnswer = Schema.Struct({
  code: optionalString,
  error_description: optionalString,
  error: Schema.optionalWith(
    Schema.Union(Schema.String, Schema.Struct({ code: optionalString, message: optionalString })),
    { exact: true, nullable: true }
  )
})

const DeviceAnswer = Schema.Struct({
  device_auth_id: Schema.NonEmptyString,
  user_code: optionalString,
  usercode: optionalString,
  interval: Schema.optionalWith(Schema.Union(Schema.Number, Schema.NumberFromString), { exact: true, nullable: true })
})

const DeviceTokenAnswer = Schema.Struct({
  authorization_code: Schema.NonEmptyString,
  code_verifier: Schema.NonEmptyString
})

interface Answer {
  readonly status: number
  readonly text: string
}

const decodeAnswer = <A, I>(schema: Schema.Schema<A, I>) => Schema.decodeUnknownOption(Schema.parseJson(schema))
const decodeTokens = decodeAnswer(TokenAnswer)
const decodeError = decodeAnswer(ErrorAnswer)
const decodeDevice = decodeAnswer(DeviceAnswer)
const decodeDeviceToken = decodeAnswer(DeviceTokenAnswer)

const secret = (text: unknown): Redacted.Redacted | undefined =>
  typeof text === "string" && text !== "" ? Redacted.make(text) : undefined

const tokensOf = (answer: Answer): Partial<Tokens> => {
  const tokens = Option.getOrElse(decodeTokens(answer.text), (): typeof TokenAnswer.Type => ({}))
  return defined({
    accessToken: secret(tokens["access_token"]),
    refreshToken: secret(tokens["refresh_token"]),
    idToken: secret(tokens["id_token"])
  })
}

/** The server's error code, wherever it is (protocol F.5). */
const errorCode = (answer: Answer): string | undefined => {
  const error = Option.getOrUndefined(decodeError(answer.text))
  return (typeof error?.error === "object" ? error.error.code : error?.error) ?? error?.code
}

/** What the server says, without the secrets it was sent. */
const errorText = (answer: Answer, secrets: ReadonlyArray<Redacted.Redacted>): string => {
  const error = Option.getOrUndefined(decodeError(answer.text))
  const words = error?.error_description ?? (typeof error?.error === "object" ? error.error.message : undefined)
  const clean = secrets
    .map(Redacted.value)
    .filter((secret) => secret.length >= 4)
    .reduce((text, secret) => text?.replaceAll(secret, "<redacted>"), words ?? errorCode(answer))
  return `HTTP ${answer.status}${printable(clean)}`
}

/** What a server says is shown to people: one short line of it. */
const printable = (text: string | undefined): string =>
  text === undefined ? "" : `: ${text.replace(/[^\x20-\x7e]+/g, " ").slice(0, 200)}`

const permanent: Record<string, LoginExpired["reason"]> = {
  refresh_token_expired: "expired",
  refresh_token_reused: "reused",
  refresh_token_invalidated: "invalidated",
  invalid_grant: "unknown"
}

const refreshFailure = (answer: Answer): LoginExpired | RefreshFailed => {
  const { status } = answer
  const reason = status === 400 || status === 401 ? permanent[errorCode(answer) ?? ""] : undefined
  if (reason !== undefined) return new LoginExpired({ reason })
  return status === 401 ? new LoginExpired({ reason: "unknown" }) : new RefreshFailed({ reason: "status", status })
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<OAuth.Service, never, HttpClient.HttpClient> =>
  Effect.map(HttpClient.HttpClient, (httpClient) => {
    const { issuer, clientId, scope, originator, userAgent, timeout } = { ...defaults, ...options }
    const client = httpClient.pipe(
      // The span of the platform's client ends with the request, whose body is the secret.
      HttpClient.withTracerDisabledWhen(() => true),
      HttpClient.transform(withoutRedirects)
    )

    const send = (request: HttpClientRequest.HttpClientRequest, within: Duration.DurationInput = timeout) =>
      client
        .execute(
          request.pipe(
            HttpClientRequest.setHeaders({ originator, "user-agent": userAgent }),
            HttpClientRequest.acceptJson
          )
        )
        .pipe(
          Effect.flatMap((response: HttpClientResponse.HttpClientResponse) =>
            Effect.map(response.text, (text): Answer => ({ status: response.status, text }))
          ),
          // The platform's error holds the request and with it the token.
          Effect.mapError(() => "network" as const),
          Effect.timeoutFail({ duration: within, onTimeout: () => "timeout" as const })
        )

    const postJson = (path: string, body: Record<string, unknown>) =>
      HttpClientRequest.post(issuer + path).pipe(HttpClientRequest.bodyUnsafeJson(body))
    const postForm = (path: string, body: Record<string, string>) =>
      HttpClientRequest.post(issuer + path).pipe(HttpClientRequest.bodyUrlParams(UrlParams.fromInput(body)))

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
          postForm("/oauth/token", {
            grant_type: "authorization_code",
            client_id: clientId,
            code: Redacted.value(code),
            redirect_uri: redirectUri,
            code_verifier: Redacted.value(codeVerifier)
          })
        ).pipe(loginFailed)
        const { accessToken, ...rest } = tokensOf(answer)
        if (answer.status !== 200 || accessToken === undefined) {
          return yield* new LoginFailed({ reason: "exchange", description: errorText(answer, [code, codeVerifier]) })
        }
        return { accessToken, ...rest }
      }),

      refresh: Effect.fn("OAuth.refresh")(function* (refreshToken, reason) {
        const answer = yield* send(
          postJson("/oauth/token", {
            client_id: clientId,
            grant_type: "refresh_token",
            refresh_token: Redacted.value(refreshToken),
            refresh_reason: reason
          })
        ).pipe(Effect.mapError((why) => new RefreshFailed({ reason: why })))
        if (answer.status !== 200) return yield* refreshFailure(answer)
        const tokens = tokensOf(answer)
        if (Object.keys(tokens).length === 0) return yield* new RefreshFailed({ reason: "answer", status: 200 })
        return tokens
      }),

      deviceCode: Effect.gen(function* () {
        const answer = yield* send(postJson("/api/accounts/deviceauth/usercode", { client_id: clientId })).pipe(
          loginFailed
        )
        if (answer.status === 404) return yield* new LoginFailed({ reason: "unsupported" })
        const device = Option.getOrUndefined(decodeDevice(answer.text))
        const userCode = device?.user_code ?? device?.usercode
        if (answer.status !== 200 || device === undefined || userCode === undefined) {
          return yield* new LoginFailed({ reason: "exchange", description: errorText(answer, []) })
        }
        return {
          deviceAuthId: Redacted.make(device.device_auth_id),
          userCode,
          verificationUrl: `${issuer}/codex/device`,
          interval: device.interval !== undefined && device.interval > 0 ? device.interval : 5
        }
      }).pipe(Effect.withSpan("OAuth.deviceCode")),

      pollDevice: Effect.fn("OAuth.pollDevice")(function* ({ deviceAuthId, userCode }) {
        const answer = yield* send(
          postJson("/api/accounts/deviceauth/token", {
            device_auth_id: Redacted.value(deviceAuthId),
            user_code: userCode
          })
        ).pipe(loginFailed)
        const code = errorCode(answer)
        if (code === "slow_down") return "slowDown"
        if (answer.status === 403 || answer.status === 404 || code === "deviceauth_authorization_pending") {
          return "pending"
        }
        const granted = Option.getOrUndefined(decodeDeviceToken(answer.text))
        if (answer.status !== 200 || granted === undefined) {
          return yield* new LoginFailed({ reason: "exchange", description: errorText(answer, [deviceAuthId]) })
        }
        return {
          code: Redacted.make(granted.authorization_code),
          codeVerifier: Redacted.make(granted.code_verifier),
          redirectUri: `${issuer}/deviceauth/callback`
        }
      }),

      revoke: Effect.fn("OAuth.revoke")(function* (token, kind) {
        yield* send(
          postJson("/oauth/revoke", {
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
