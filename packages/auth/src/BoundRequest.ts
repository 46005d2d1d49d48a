/**
 * Requests with secrets that are sent only to one origin.
 *
 * A client can follow redirects, log and retry. Secret headers are therefore added just before sending, and only if the
 * actual address has the right origin. A secret body is not sent to another origin. The response and the errors contain
 * the caller's original request.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import { defined } from "@effect-codex/schema/Defined"
import * as Redaction from "@effect-codex/schema/Redaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/**
 * The secrets of a request and their origin.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bound {
  /** Scheme, host and port. Any path is ignored. */
  readonly origin: string
  /** Secret headers, with lower-case names. */
  readonly headers?: Readonly<Record<string, string>>
  /** Whether the body is secret too. Default: `false`. */
  readonly isBodySecret?: boolean
}

const originOf = (url: string): string | undefined => (URL.canParse(url) ? new URL(url).origin : undefined)

/**
 * Whether the request goes to this origin.
 *
 * @since 0.1.0
 * @category guards
 */
export const isFor = (request: HttpClientRequest.HttpClientRequest, origin: string): boolean => {
  const own = originOf(request.url)
  return own !== undefined && own === (originOf(origin) ?? origin)
}

/** Mutates a request that the client is about to send. No other hook exists at that point. */
const change = (
  outgoing: HttpClientRequest.HttpClientRequest,
  { body, headers }: Pick<HttpClientRequest.HttpClientRequest, "headers" | "body">
): void => {
  Object.assign(outgoing, { headers, body })
}

const unseen =
  "The HTTP client does not call its hook before it sends a request. Build it with HttpClient.make, and apply withTracerDisabledWhen outside of the authorised client, not inside."

const elsewhere = "The HTTP client followed a redirect to another origin."

/**
 * Whether the request failed because the client followed a redirect to another origin, where its body must not be sent.
 *
 * @since 0.1.0
 * @category guards
 */
export const isRedirected = (error: HttpClientError.HttpClientError): boolean =>
  error._tag === "RequestError" && error.description === elsewhere

/**
 * Sends a request with its secrets. If the client follows a redirect to another origin, that request is sent without
 * the secrets. If the body is secret, it fails instead.
 *
 * The client must be built with `HttpClient.make`, like all of Effect's clients, and must not use
 * `withTracerDisabledWhen` inside. Otherwise no headers are added, and the request fails with a `RequestError` that
 * says so.
 *
 * @since 0.1.0
 * @category combinators
 */
export const execute = <R>(
  client: HttpClient.HttpClient.With<HttpClientError.HttpClientError, R>,
  request: HttpClientRequest.HttpClientRequest,
  { headers, isBodySecret = false, origin }: Bound
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError, R> =>
  Effect.withFiberRuntime((fiber) => {
    const isTraced =
      fiber.getFiberRef(FiberRef.currentTracerEnabled) &&
      !fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)(request)
    const secrets = headers ?? {}
    const names = Object.keys(secrets)
    let sent: "nowhere" | "home" | "elsewhere" = "nowhere"

    // `HttpClient.make` calls this predicate for every request, including redirects and retries, just before sending.
    // It always returns true, because the client's own span would contain the request.
    const isUntraced = (outgoing: HttpClientRequest.HttpClientRequest): boolean => {
      sent = isFor(outgoing, origin) ? "home" : "elsewhere"
      const plain = Headers.remove(outgoing.headers, names)
      if (sent === "home") change(outgoing, { headers: Headers.setAll(plain, secrets), body: outgoing.body })
      else change(outgoing, { headers: plain, body: isBodySecret ? HttpBody.empty : outgoing.body })
      return true
    }

    const failWith = (description: string) =>
      Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", description }))
    const { error, response } = rebinder(request, Object.values(secrets))
    // A copy, so that the caller's request is not changed.
    const sending = client.execute(HttpClientRequest.setHeaders(request, {})).pipe(
      Effect.locally(HttpClient.currentTracerDisabledWhen, isUntraced),
      Effect.withTracerEnabled(true),
      Effect.mapBoth({ onFailure: error, onSuccess: response }),
      Effect.tap(() =>
        sent === "nowhere" && names.length > 0
          ? failWith(unseen)
          : sent === "elsewhere" && isBodySecret
            ? failWith(elsewhere)
            : Effect.void
      )
    )
    if (!isTraced) return sending
    return sending.pipe(
      Effect.tap(({ status }) => Effect.annotateCurrentSpan("http.response.status_code", status)),
      Effect.withSpan(`http.client ${request.method}`, {
        kind: "client",
        captureStackTrace: false,
        attributes: { "http.request.method": request.method, "url.full": request.url }
      })
    )
  })

/**
 * Sets `redirect: "error"` for `fetch` and keeps its other settings: a redirect would send the secret to another host.
 *
 * @since 0.1.0
 * @category combinators
 */
export const refusingRedirects = <R>(context: Context.Context<R>): Context.Context<R> => {
  const init = Option.getOrUndefined(Context.getOption(context, FetchHttpClient.RequestInit))
  const refusing: Context.Context<R | FetchHttpClient.RequestInit> = Context.add(context, FetchHttpClient.RequestInit, {
    ...init,
    redirect: "manual"
  })
  return refusing as Context.Context<R>
}

/**
 * Runs the effect with {@link refusingRedirects}.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withoutRedirects = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.mapInputContext(self, refusingRedirects<R>)

/** Replaces the sent request by the caller's request in responses and errors. */
const rebinder = (request: HttpClientRequest.HttpClientRequest, values: ReadonlyArray<string>) => {
  const scrub = (text: string | undefined) => {
    if (text === undefined) return undefined
    const secrets = values
      .flatMap((value) => [value, value.replace(/^Bearer /, "")])
      // "true" is not a secret.
      .filter(({ length }) => length > 4)
    return Redaction.scrub(text, { secrets: secrets.flatMap(Redaction.forms) })
  }

  const cause = (value: unknown): unknown => (HttpClientError.isHttpClientError(value) ? error(value as never) : value)

  const error = (failure: HttpClientError.HttpClientError): HttpClientError.HttpClientError => {
    const shared = defined({
      cause: failure.cause === undefined ? undefined : cause(failure.cause),
      description: scrub(failure.description)
    })
    return failure._tag === "RequestError"
      ? new HttpClientError.RequestError({ request, reason: failure.reason, ...shared })
      : new HttpClientError.ResponseError({
          request,
          response: response(failure.response),
          reason: failure.reason,
          ...shared
        })
  }

  const response = (original: HttpClientResponse.HttpClientResponse): HttpClientResponse.HttpClientResponse =>
    original instanceof ReboundResponse ? original : new ReboundResponse(request, original, error)

  return { error, response }
}

class ReboundResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly #original: HttpClientResponse.HttpClientResponse
  readonly #rebind: (error: HttpClientError.HttpClientError) => HttpClientError.HttpClientError

  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    original: HttpClientResponse.HttpClientResponse,
    rebind: (error: HttpClientError.HttpClientError) => HttpClientError.HttpClientError
  ) {
    super()
    this.#original = original
    this.#rebind = rebind
  }

  private own<A>(effect: Effect.Effect<A, HttpClientError.ResponseError>) {
    return Effect.mapError(effect, (error) => this.#rebind(error) as HttpClientError.ResponseError)
  }

  get status() {
    return this.#original.status
  }
  get headers() {
    return this.#original.headers
  }
  get cookies() {
    return this.#original.cookies
  }
  get remoteAddress() {
    return this.#original.remoteAddress
  }
  get json() {
    return this.own(this.#original.json)
  }
  get text() {
    return this.own(this.#original.text)
  }
  get urlParamsBody() {
    return this.own(this.#original.urlParamsBody)
  }
  get arrayBuffer() {
    return this.own(this.#original.arrayBuffer)
  }
  get formData() {
    return this.own(this.#original.formData)
  }
  get stream() {
    return Stream.mapError(this.#original.stream, (error) => this.#rebind(error) as HttpClientError.ResponseError)
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}
