/**
 * Provides credentials and keeps them valid.
 *
 * @since 0.1.0
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { defined } from "@effect-codex/schema/Defined"
import type * as Failure from "@effect-codex/schema/Failure"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type AuthError, LoginExpired } from "./AuthError.ts"
import { AuthStore } from "./AuthStore.ts"
import * as BoundRequest from "./BoundRequest.ts"
import * as Credentials from "./Credentials.ts"
import { textOf, tokenIn } from "./internal/accessToken.ts"
import { because } from "./internal/because.ts"
import * as Session from "./internal/session.ts"
import { factsOf } from "./internal/statement.ts"
import * as Variables from "./internal/variables.ts"
import { OAuth } from "./OAuth.ts"
import { Signals } from "./Signals.ts"

/**
 * The source of credentials for requests.
 *
 * @since 0.1.0
 * @category tags
 */
export class CodexAuth extends Context.Tag("@effect-codex/auth/CodexAuth")<CodexAuth, Service>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Credentials for the next request. Callers never wait while the token is valid: a due refresh runs in the
   * background. Evaluate it once per attempt.
   */
  readonly credentials: Effect.Effect<Credentials.Credentials, AuthError>
  /**
   * Recovers from a 401: uses a newer token of the same account from the store, or refreshes once, or fails. Call it
   * once per request with the rejected credentials, and with the error of the 401 as `cause`. If recovery fails, the
   * error contains the status, code, message and ids of `cause`.
   */
  readonly recover: (
    rejected: Credentials.Credentials,
    cause?: Failure.Facts
  ) => Effect.Effect<Credentials.Credentials, AuthError>
}

/**
 * The environment variable of the access token: `OPENAI_CODEX_ACCESS_TOKEN`.
 *
 * @since 0.1.0
 * @category configuration
 */
export const accessTokenVariable: string = Variables.accessTokenVariable

const environmentToken = Config.redacted(Variables.nonBlank(accessTokenVariable))

/**
 * An access token passed by the program. It is never refreshed. Surrounding whitespace, quotes and the word `Bearer`
 * are removed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Token {
  readonly accessToken: Redacted.Redacted
  /** Required only if the token does not name its account. */
  readonly accountId?: string | undefined
}

/**
 * Credentials from a given token. An invalid token fails when `credentials` is evaluated.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromToken = ({ accessToken, accountId }: Token): Service => {
  const text = textOf(accessToken)
  return {
    credentials: Credentials.decode(
      defined({
        accessToken: text === undefined ? accessToken : Redacted.make(tokenIn(text)),
        accountId: accountId === undefined ? undefined : Redacted.make(accountId)
      })
    ),
    recover: (_rejected, cause) => Effect.fail(because(new LoginExpired({ reason: "notRefreshable" }), cause))
  }
}

/**
 * Credentials from a store, refreshed five minutes before they expire. All callers of this process share one refresh,
 * and the store's lock excludes other processes. A started refresh completes even if its caller is interrupted.
 *
 * If a refresh before expiry fails, the error is logged and requests continue with the current token. Errors are
 * cached: a transient one for three seconds, a refusal for five minutes, and an expired login until the store contains
 * another one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeStore: Effect.Effect<Service, never, AuthStore | OAuth | Scope.Scope> = Effect.gen(function* () {
  return yield* Session.make({ store: yield* AuthStore, oauth: yield* OAuth, signals: yield* Signals })
})

/**
 * `CodexAuth` from a given token.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerToken = (token: Token): Layer.Layer<CodexAuth> => Layer.succeed(CodexAuth, fromToken(token))

/**
 * `CodexAuth` from `OPENAI_CODEX_ACCESS_TOKEN`. Fails with `ConfigError` if it is missing.
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
 * `CodexAuth` from the first available source: the given token, `OPENAI_CODEX_ACCESS_TOKEN`, or the given layer, which
 * is built only if needed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOrElse = <E, R>(
  fallback: Layer.Layer<CodexAuth, E, R>,
  options?: { readonly token?: Token | undefined }
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
 * `CodexAuth` from the first available source: the given token, `OPENAI_CODEX_ACCESS_TOKEN`, or the `AuthStore`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: {
  readonly token?: Token | undefined
}): Layer.Layer<CodexAuth, ConfigError.ConfigError, AuthStore | OAuth> => layerOrElse(layerStore, options)

/**
 * The origin that receives the credentials.
 *
 * @since 0.1.0
 * @category configuration
 */
export const codexOrigin = "https://chatgpt.com"

/**
 * Authorises the requests of a client, but only those to the Codex origin: it adds `authorization`,
 * `chatgpt-account-id` and, if needed, `x-openai-fedramp` (protocol B.1). After a 401 it recovers and sends the request
 * again, once.
 *
 * The credentials appear only in the sent request: responses and errors contain the caller's original request. `fetch`
 * does not follow redirects. If the client follows them, the credentials are not sent to another origin (see
 * `BoundRequest`). A request that cannot be authorised fails with a `RequestError` whose cause is the `AuthError`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const authorize = (
  client: HttpClient.HttpClient,
  auth: Service,
  options?: {
    /** Scheme, host and port. Any path is ignored. Default: `codexOrigin`. */
    readonly origin?: string | undefined
  }
): HttpClient.HttpClient => {
  const origin = options?.origin ?? codexOrigin
  // Do not send trace ids to a third party.
  const untraced = HttpClient.withTracerPropagation(client, false)
  const send = (request: HttpClientRequest.HttpClientRequest) => {
    const attempt = (credentials: Credentials.Credentials) =>
      BoundRequest.execute(untraced, request, { origin, headers: Credentials.headers(credentials) })
    return Effect.gen(function* () {
      const credentials = yield* auth.credentials
      const first = yield* Effect.either(attempt(credentials))
      const response = responseOf(first)
      if (response?.status !== 401) return yield* first
      const { status, headers } = response
      const text = yield* readSome(response)
      const cause = factsOf({ status, headers, text }, secretsOf(credentials))
      return yield* Effect.flatMap(auth.recover(credentials, cause), attempt)
    }).pipe(
      Effect.mapError((error) =>
        HttpClientError.isHttpClientError(error)
          ? error
          : new HttpClientError.RequestError({
              request,
              reason: "Transport",
              cause: error,
              description: error.message
            })
      ),
      BoundRequest.withoutRedirects,
      Effect.locallyWith(Headers.currentRedactedNames, (names) => [...names, "chatgpt-account-id"])
    )
  }
  return HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
    Effect.flatMap((request) => (BoundRequest.isFor(request, origin) ? send(request) : client.execute(request))),
    Effect.succeed
  )
}

/** Returns the response even if the client fails on an error status. */
const responseOf = (
  outcome: Either.Either<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
): HttpClientResponse.HttpClientResponse | undefined =>
  Either.match(outcome, {
    onLeft: (error) => (error._tag === "ResponseError" && error.reason === "StatusCode" ? error.response : undefined),
    onRight: (response) => response
  })

/** Reads up to a limit, so that the connection can be reused after a short body. A longer body is cancelled. */
const readSome = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<string> =>
  response.stream.pipe(
    Stream.take(16),
    Stream.decodeText(),
    Stream.mkString,
    Effect.timeout("5 seconds"),
    Effect.orElseSucceed(() => "")
  )

const secretsOf = ({ accessToken, accountId, email, userId }: Credentials.Credentials) =>
  [accessToken, accountId, email, userId].filter((secret) => secret !== undefined)

/**
 * `authorize` as a Layer: an `HttpClient` that other OpenAI-compatible clients can use with Codex.
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
  readonly origin?: string | undefined
}): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | CodexAuth> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function* () {
      return authorize(yield* HttpClient.HttpClient, yield* CodexAuth, options)
    })
  )
