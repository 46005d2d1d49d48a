/**
 * Where credentials come from and how they stay valid.
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
   * Credentials for the next request. While the token is valid callers never wait: a refresh that is due runs in the
   * background. Evaluate it once per attempt.
   */
  readonly credentials: Effect.Effect<Credentials.Credentials, AuthError>
  /**
   * What to do after a 401: adopts a newer token of the same account from the store, else refreshes once, else fails.
   * Call it once per request with the credentials the backend refused, and with the error of the 401 as `cause`. Where
   * nothing can be done the failure carries its status, code, words and ids.
   */
  readonly recover: (
    rejected: Credentials.Credentials,
    cause?: Failure.Facts
  ) => Effect.Effect<Credentials.Credentials, AuthError>
}

/**
 * The environment variable an access token is taken from: `OPENAI_CODEX_ACCESS_TOKEN`.
 *
 * @since 0.1.0
 * @category configuration
 */
export const accessTokenVariable: string = Variables.accessTokenVariable

const environmentToken = Config.redacted(Variables.nonBlank(accessTokenVariable))

/**
 * An access token handed in by the program. It is never refreshed. Blanks, quotes and the word `Bearer` around it are
 * left out.
 *
 * @since 0.1.0
 * @category models
 */
export interface Token {
  readonly accessToken: Redacted.Redacted
  /** Needed only when the token does not name its account. */
  readonly accountId?: string | undefined
}

/**
 * Credentials from a token handed in. An unusable token shows when `credentials` is evaluated.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromToken = ({ accessToken, accountId }: Token): Service => {
  const text = textOf(accessToken)
  return {
    // Decoded once, not with every request.
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
 * Credentials from a store, refreshed five minutes before they end, once for all callers of this process and under the
 * store's lock for all other processes. A refresh that has begun is finished even when its caller goes away.
 *
 * A refresh ahead of time that fails is logged, while requests go on with the token that is still valid. Failures are
 * remembered: a transient one for three seconds, a refusal for five minutes, the end of the login until the store has
 * another one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeStore: Effect.Effect<Service, never, AuthStore | OAuth | Scope.Scope> = Effect.gen(function* () {
  return yield* Session.make({ store: yield* AuthStore, oauth: yield* OAuth, signals: yield* Signals })
})

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
 * `CodexAuth` from the first source that has something: the token handed in, `OPENAI_CODEX_ACCESS_TOKEN`, the
 * `AuthStore`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: {
  readonly token?: Token | undefined
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
 * The credentials are in what is sent, and nowhere else: responses and errors show the caller's own request. Redirects are
 * not followed by `fetch`; where the client follows them, the credentials stay at the origin (see `BoundRequest`). A
 * request that cannot be authorised fails with a `RequestError` whose cause is the `AuthError`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const authorize = (
  client: HttpClient.HttpClient,
  auth: Service,
  options?: {
    /** Scheme, host and port; what follows them does not count. Default: `codexOrigin`. */
    readonly origin?: string | undefined
  }
): HttpClient.HttpClient => {
  const origin = options?.origin ?? codexOrigin
  // The vendor has no use for our trace ids.
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

/** The response, also where the client takes a bad status for an error of its own. */
const responseOf = (
  outcome: Either.Either<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
): HttpClientResponse.HttpClientResponse | undefined =>
  Either.match(outcome, {
    onLeft: (error) => (error._tag === "ResponseError" && error.reason === "StatusCode" ? error.response : undefined),
    onRight: (response) => response
  })

/** Reads a little of a body, so that a short one leaves its connection free. A long one is cut off. */
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
  readonly origin?: string | undefined
}): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | CodexAuth> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function* () {
      return authorize(yield* HttpClient.HttpClient, yield* CodexAuth, options)
    })
  )
