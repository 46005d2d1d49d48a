/** One HTTP request, from credentials to the headers of its 200 or to the error its answer stands for. */

import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Credentials from "@effect-codex/auth/Credentials"
import { defined } from "@effect-codex/schema/Defined"
import * as RateLimits from "@effect-codex/schema/RateLimits"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as RoutingToken from "@effect-codex/schema/RoutingToken"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import type { CodexConfig } from "../CodexConfig.ts"
import type { FailureStatement, ResponseMetadata } from "../CodexTransport.ts"
import { Compression, minimumBytes } from "../Compression.ts"
import * as FailureCapture from "../FailureCapture.ts"
import * as HttpError from "../HttpError.ts"
import * as Metrics from "../Metrics.ts"
import * as RateLimitWatch from "../RateLimitWatch.ts"
import { TimedOut, type TransportError } from "../TransportError.ts"
import type { Route } from "../WorkspaceRouting.ts"
import * as Body from "./body.ts"
import * as Connection from "./connection.ts"
import { secretsOf } from "./secrets.ts"

/** Everything about a request that stays the same when it is sent again with other credentials. */
export interface Plan {
  readonly config: CodexConfig.Service
  readonly startedAt: number
  readonly deadline: number | undefined
  readonly url: (route: Route) => string
  readonly headers: (credentials: Credentials.Credentials, route: Route) => Readonly<Record<string, string>>
  /** What is posted; without it the request is a GET. */
  readonly body?: { readonly request: ResponsesRequest.ResponsesRequest; readonly bytes: Uint8Array }
  readonly routingToken?: Redacted.Redacted
}

export interface Exchange {
  readonly response: HttpClientResponse.HttpClientResponse
  readonly metadata: ResponseMetadata
  /** Closing it aborts the request. */
  readonly scope: Scope.CloseableScope
  /** What must not appear in what is said about it. */
  readonly secrets: () => ReadonlyArray<string>
}

/** How much of an error body is read, and for how long. */
const errorBodyLimit = { bytes: 65_536, duration: Duration.seconds(10) }

const metadataOf = (headers: HttpError.Answer["headers"], now: number): ResponseMetadata => {
  return defined({
    ...HttpError.ids(headers),
    model: headers["openai-model"],
    modelsEtag: headers["x-models-etag"],
    etag: headers["etag"],
    rateLimits: RateLimits.fromHeaders(headers, now),
    routingToken: RoutingToken.fromHeaders(headers),
    contentType: headers["content-type"]
  })
}

/** A web page is no event stream, whatever its status; a missing content type is fine (protocol 0.3). */
const isWelcome = (status: number, contentType = "") => status === 200 && !/^text\/html\b/i.test(contentType)

const isEncodingRefusal = (error: TransportError): boolean =>
  "status" in error &&
  (error.status === 415 || (error.status === 400 && /content-?encoding|zstd|compress/i.test(error.serverMessage ?? "")))

/** The limit on the wait for the headers, and what it is called when it passes. */
const headersLimit = ({ config, deadline, startedAt }: Plan, now: number) => {
  const limit = Duration.toMillis(config.timeouts.headers)
  return deadline !== undefined && deadline - now < limit
    ? { wait: deadline - now, phase: "total" as const, limitMillis: deadline - startedAt }
    : { wait: limit, phase: "headers" as const, limitMillis: limit }
}

/** What the other side said, and the secrets to remove from it. */
export interface Said extends FailureStatement {
  readonly secrets: () => ReadonlyArray<string>
}

export interface Exchanger {
  readonly exchange: (
    plan: Plan,
    credentials: Credentials.Credentials,
    route: Route
  ) => Effect.Effect<Exchange, TransportError, Scope.Scope>
  /** Remembers a failed exchange, where the configuration wants it. */
  readonly capture: (plan: Plan, error: { readonly _tag: string }, said?: Said) => Effect.Effect<void>
}

export const make: Effect.Effect<
  Exchanger,
  never,
  HttpClient.HttpClient | RateLimitWatch.RateLimitWatch | FailureCapture.FailureCapture
> = Effect.gen(function* () {
  const watch = yield* RateLimitWatch.RateLimitWatch
  const failures = yield* FailureCapture.FailureCapture
  const { zstd } = yield* Compression
  // The client's own span would record headers, and trace headers are not for the vendor; attempts have a span of ours.
  const client = (yield* HttpClient.HttpClient).pipe(
    HttpClient.withTracerDisabledWhen(() => true),
    HttpClient.withTracerPropagation(false),
    HttpClient.withScope
  )
  const uncompressedOnly = yield* Ref.make(false)

  const capture: Exchanger["capture"] = Effect.fnUntraced(function* (plan, error, said) {
    if (!plan.config.failureCapture) return
    const request = plan.body?.request
    const facts: { readonly _tag: string; readonly cfRay?: string; requestId?: string; status?: number } = error
    const exchange: FailureCapture.FailedExchange = defined({
      provider: "openai-codex" as const,
      error: error._tag,
      model: request?.model,
      status: facts.status,
      requestId: facts.requestId,
      cfRay: facts.cfRay,
      request: request && FailureCapture.outline(request),
      responseId: said?.responseId,
      response: said?.payload === undefined ? undefined : FailureCapture.payload(said.payload, said.secrets()),
      at: yield* Clock.currentTimeMillis
    })
    yield* failures.record(error, exchange)
  })

  const execute = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest, sentAt: number) {
    const fetchInit = yield* Effect.serviceOption(FetchHttpClient.RequestInit)
    return yield* client.execute(request).pipe(
      // Fetch would follow redirects, and take the credentials along.
      Effect.provideService(FetchHttpClient.RequestInit, {
        ...Option.getOrElse(fetchInit, () => ({})),
        redirect: "manual"
      }),
      Effect.catchAll((error) =>
        // A client that takes a bad status for an error of its own still hands the response over.
        error._tag === "ResponseError" && error.reason === "StatusCode"
          ? Effect.succeed(error.response)
          : Effect.flatMap(Clock.currentTimeMillis, (now) =>
              Effect.fail(Connection.fromClientError(error, { phase: "headers", elapsedMillis: now - sentAt }))
            )
      )
    )
  })

  const send = Effect.fnUntraced(function* (
    plan: Plan,
    credentials: Credentials.Credentials,
    request: HttpClientRequest.HttpClientRequest
  ): Effect.fn.Return<Exchange, TransportError, Scope.Scope> {
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const secrets = () => secretsOf(credentials, plan.body?.request, plan.routingToken)
    const sentAt = yield* Clock.currentTimeMillis
    const { wait, ...limit } = headersLimit(plan, sentAt)
    yield* Metric.increment(Metrics.requests)
    return yield* Effect.gen(function* () {
      const response = yield* execute(request, sentAt).pipe(
        Scope.extend(scope),
        Effect.timeoutFail({ duration: wait, onTimeout: () => new TimedOut({ ...limit, elapsedMillis: wait }) }),
        Effect.tapError((error) => capture(plan, error))
      )
      const now = yield* Clock.currentTimeMillis
      yield* Metric.update(Metrics.timeToHeaders, now - sentAt)
      yield* Effect.annotateCurrentSpan("http.response.status_code", response.status)
      const metadata = metadataOf(response.headers, now)
      yield* watch.update(metadata.rateLimits)
      if (isWelcome(response.status, metadata.contentType)) return { response, metadata, scope, secrets }
      const text = yield* Body.readSome(response.stream, errorBodyLimit)
      const error = HttpError.fromAnswer(
        { status: response.status, headers: response.headers, body: text },
        { now, model: plan.body?.request.model, secrets: secrets() }
      )
      yield* capture(plan, error, { payload: text, secrets })
      return yield* Effect.fail(error)
    }).pipe(Effect.onError(() => Scope.close(scope, Exit.void)))
  })

  const exchange: Exchanger["exchange"] = Effect.fnUntraced(function* (plan, credentials, route) {
    const url = plan.url(route)
    const headers = plan.headers(credentials, route)
    if (plan.body === undefined) {
      return yield* send(plan, credentials, HttpClientRequest.setHeaders(HttpClientRequest.get(url), headers))
    }
    const empty = HttpClientRequest.setHeaders(HttpClientRequest.post(url), headers)
    const { bytes } = plan.body
    const plain = send(plan, credentials, HttpClientRequest.bodyUint8Array(empty, bytes, "application/json"))
    const wanted = plan.config.compression === "zstd" && bytes.length >= minimumBytes
    if (!wanted || zstd === undefined || (yield* Ref.get(uncompressedOnly))) return yield* plain
    const compressed = empty.pipe(
      HttpClientRequest.bodyUint8Array(yield* zstd(bytes), "application/json"),
      HttpClientRequest.setHeader("content-encoding", "zstd")
    )
    return yield* Effect.catchIf(send(plan, credentials, compressed), isEncodingRefusal, () =>
      Effect.zipRight(Ref.set(uncompressedOnly, true), plain)
    )
  })

  return { exchange, capture }
})
