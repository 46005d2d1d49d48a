/**
 * Where credentials come from and how they stay valid.
 *
 * @since 0.1.0
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { defined } from "@effect-codex/schema/Defined"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type AuthError, LoginExpired } from "./AuthError.ts"
import { AuthStore } from "./AuthStore.ts"
import * as Credentials from "./Credentials.ts"
import { withoutRedirects } from "./internal/redirects.ts"
import * as Session from "./internal/session.ts"
import { OAuth } from "./OAuth.ts"

/**
 * The source of credentials for requests.
 *
 * @since 0.1.0
 * @category tags
 */
export class CodexAuth extends Context.Tag("@effect-codex/auth/CodexAuth")<CodexAuth, CodexAuth.Service>() {}

/**
 * @since 0.1.0
 */
export declare namespace CodexAuth {
  /**
   * @since 0.1.0
   * @category models
   */
  interface Service {
    /** Credentials for the next request, refreshed when they are about to end. Evaluate it once per attempt. */
    readonly credentials: Effect.Effect<Credentials.Credentials, AuthError>
    /**
     * What to do after a 401: adopts a newer token of the same account from the store, else refreshes once, else fails.
     * Call it once per request with the credentials the backend refused.
     */
    readonly recover: (rejected: Credentials.Credentials) => Effect.Effect<Credentials.Credentials, AuthError>
  }
}

/**
 * The environment variable an access token is taken from.
 *
 * @since 0.1.0
 * @category configuration
 */
export const accessTokenVariable = "OPENAI_CODEX_ACCESS_TOKEN"

const environmentToken = Config.redacted(Config.map(Config.nonEmptyString(accessTokenVariable), (text) => text.trim()))

/**
 * An access token handed in by the program. It is used as it is and never refreshed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Token {
  readonly accessToken: Redacted.Redacted
  /** Needed only when the token does not name its account. */
  readonly accountId?: string
}

/**
 * Credentials from a token handed in. An unusable token shows when `credentials` is evaluated.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromToken = (token: Token): CodexAuth.Service => ({
  credentials: Credentials.fromTokens(
    defined({
      accessToken: token.accessToken,
      accountId: token.accountId === undefined ? undefined : Redacted.make(token.accountId)
    })
  ),
  recover: () => Effect.fail(new LoginExpired({ reason: "notRefreshable" }))
})

/**
 * Credentials from a store, refreshed five minutes before they end, once for all callers of this process and under the
 * store's lock for all other processes. A refresh that has begun is finished even when its caller goes away.
 *
 * A refresh ahead of time that fails is logged and the request goes on with the token that is still valid. Failures are
 * remembered: a transient one for three seconds, a permanent one until the store has another login.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeStore: Effect.Effect<CodexAuth.Service, never, AuthStore | OAuth | Scope.Scope> = Effect.gen(
  function* () {
    return yield* Session.make({ store: yield* AuthStore, oauth: yield* OAuth })
  }
)

/**
 * `CodexAuth` from a token handed in.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerToken = (token: Token): Layer.Layer<CodexAuth> => Layer.succeed(CodexAuth, fromToken(token))

/**
 * `CodexAuth` from `OPENAI_CODEX_ACCESS_TOKEN`. A missing variable is a `ConfigError`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerEnvironment: Layer.Layer<CodexAuth, ConfigError.ConfigError> = Layer.effect(
  CodexAuth,
  Effect.map(environmentToken, (accessToken) => fromToken({ accessToken }))
)

/**
 * `CodexAuth` from the login in the `AuthStore`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStore: Layer.Layer<CodexAuth, never, AuthStore | OAuth> = Layer.scoped(CodexAuth, makeStore)

/**
 * `CodexAuth` from the first source that has something: the token handed in, `OPENAI_CODEX_ACCESS_TOKEN`, and else from
 * the layer given, which is built only then.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOrElse = <E, R>(
  fallback: Layer.Layer<CodexAuth, E, R>,
  options?: { readonly token?: Token }
): Layer.Layer<CodexAuth, E | ConfigError.ConfigError, R> =>
  options?.token !== undefined
    ? layerToken(options.token)
    : Layer.unwrapEffect(
        Effect.map(
          Config.option(environmentToken),
          Option.match({
            onNone: () => fallback,
            onSome: (accessToken) => layerToken({ accessToken })
          })
        )
      )

/**
 * `CodexAuth` from the first source that has something: the token handed in, `OPENAI_CODEX_ACCESS_TOKEN`, the
 * `AuthStore`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: {
  readonly token?: Token
}): Layer.Layer<CodexAuth, ConfigError.ConfigError, AuthStore | OAuth> => layerOrElse(layerStore, options)

/**
 * The origin that credentials are for.
 *
 * @since 0.1.0
 * @category configuration
 */
export const codexOrigin = "https://chatgpt.com"

/**
 * A client that authorises its requests to the Codex origin, and no others: `authorization`, `chatgpt-account-id` and,
 * where it applies, `x-openai-fedramp` (protocol B.1). A 401 is recovered from once, by sending the request again.
 *
 * Redirects are not followed, so that credentials stay where they belong. A request that cannot be authorised fails with a
 * `RequestError` whose cause is the `AuthError`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const authorize = (
  client: HttpClient.HttpClient,
  auth: CodexAuth.Service,
  options?: {
    /** Scheme, host and port; what follows them does not count. Default: `codexOrigin`. */
    readonly origin?: string
  }
): HttpClient.HttpClient => {
  const given = options?.origin ?? codexOrigin
  const origin = URL.canParse(given) ? new URL(given).origin : given
  // The vendor has no use for our trace ids.
  const untraced = HttpClient.withTracerPropagation(client, false)
  const send = (request: HttpClientRequest.HttpClientRequest) =>
    Effect.gen(function* () {
      const attempt = (credentials: Credentials.Credentials) => untraced.execute(withCredentials(request, credentials))
      const credentials = yield* auth.credentials
      const response = yield* attempt(credentials)
      if (response.status !== 401) return response
      yield* discard(response)
      return yield* Effect.flatMap(auth.recover(credentials), attempt)
    }).pipe(
      Effect.mapError((error) => {
        if (error._tag === "ResponseError") return error
        const { description, cause, reason } =
          error._tag === "RequestError"
            ? error
            : { description: error.message, cause: error, reason: "Transport" as const }
        // Without the credentials that the client's own error holds.
        return new HttpClientError.RequestError({ request, reason, cause, ...defined({ description }) })
      }),
      withoutRedirects,
      Effect.locallyWith(Headers.currentRedactedNames, (names) => [...names, accountHeader])
    )
  return HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
    Effect.flatMap((request) => (originOf(request) === origin ? send(request) : client.execute(request))),
    Effect.succeed
  )
}

const accountHeader = "chatgpt-account-id"

/** Reads a little of a body, so that a short one leaves its connection free; a long one is cut off. */
const discard = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  response.stream.pipe(Stream.take(16), Stream.runDrain, Effect.timeout("5 seconds"), Effect.ignore)

const originOf = (request: HttpClientRequest.HttpClientRequest): string | undefined =>
  URL.canParse(request.url) ? new URL(request.url).origin : undefined

const withCredentials = (
  request: HttpClientRequest.HttpClientRequest,
  { accessToken, accountId, isFedramp }: Credentials.Credentials
): HttpClientRequest.HttpClientRequest =>
  request.pipe(
    HttpClientRequest.bearerToken(accessToken),
    HttpClientRequest.setHeader(accountHeader, Redacted.value(accountId)),
    isFedramp ? HttpClientRequest.setHeader("x-openai-fedramp", "true") : (request) => request
  )

/**
 * `authorize` as a Layer: turns an `HttpClient` into one that other OpenAI-compatible clients can use for Codex.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { CodexAuth } from "@effect-codex/auth"
 * import * as NodeAuth from "@effect-codex/auth/node"
 * import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
 * import * as Layer from "effect/Layer"
 *
 * const AuthorizedClient = CodexAuth.httpClient().pipe(
 *   Layer.provide(NodeAuth.layer()),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * ```
 */
export const httpClient = (options?: {
  readonly origin?: string
}): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | CodexAuth> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function* () {
      return authorize(yield* HttpClient.HttpClient, yield* CodexAuth, options)
    })
  )
