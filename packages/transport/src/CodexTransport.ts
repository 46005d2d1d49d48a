/**
 * One request, sent well: headers, credentials of this moment, time limits, and every failure typed.
 *
 * @since 0.1.0
 */

import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type { AuthError } from "@effect-codex/auth/AuthError"
import { CodexAuth } from "@effect-codex/auth/CodexAuth"
import type * as Credentials from "@effect-codex/auth/Credentials"
import * as RateLimits from "@effect-codex/schema/RateLimits"
import * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as ServiceError from "@effect-codex/schema/ServiceError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as CodexConfig from "./CodexConfig.ts"
import { Compression, minimumBytes } from "./Compression.ts"
import * as EncryptedReasoning from "./EncryptedReasoning.ts"
import * as FailureCapture from "./FailureCapture.ts"
import * as Headers from "./Headers.ts"
import * as HttpError from "./HttpError.ts"
import * as Body from "./internal/body.ts"
import * as Connection from "./internal/connection.ts"
import { defined } from "./internal/defined.ts"
import { secretsOf } from "./internal/secrets.ts"
import * as Metrics from "./Metrics.ts"
import * as RateLimitWatch from "./RateLimitWatch.ts"
import * as RetryPolicy from "./RetryPolicy.ts"
import { HttpFailure, TimedOut, type TransportError } from "./TransportError.ts"
import * as WorkspaceRouting from "./WorkspaceRouting.ts"

/**
 * Sends requests to the backend.
 *
 * @since 0.1.0
 * @category tags
 */
export class CodexTransport extends Context.Tag("@effect-codex/transport/CodexTransport")<
  CodexTransport,
  CodexTransport.Service
>() {}

/**
 * @since 0.1.0
 */
export declare namespace CodexTransport {
  /**
   * @since 0.1.0
   * @category models
   */
  interface Service {
    /**
     * Sends one request and waits for the headers of its 200. A 401 is recovered from once (new credentials, sent
     * again); nothing else is retried. The request lives as long as the Scope; closing it aborts the request.
     */
    readonly attempt: (
      request: ResponsesRequest.ResponsesRequest,
      options?: AttemptOptions
    ) => Effect.Effect<CodexResponse, TransportError | AuthError, Scope.Scope>
    /**
     * {@link attempt}, retried until the headers of a 200 arrive. A body that breaks afterwards is not sent again: only
     * the reader knows what of it was used.
     */
    readonly send: (
      request: ResponsesRequest.ResponsesRequest,
      options?: AttemptOptions
    ) => Effect.Effect<CodexResponse, TransportError | AuthError, Scope.Scope>
    /**
     * The JSON document at a path such as `/codex/models` or `/wham/usage`, with the same credentials, time limits and
     * retries.
     */
    readonly get: (path: string, options?: GetOptions) => Effect.Effect<JsonResponse, TransportError | AuthError>
  }
}

/**
 * What one request may say about itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface AttemptOptions {
  /** Keep it for the whole conversation. Default: the request's `prompt_cache_key`, else the configured ids. */
  readonly conversationId?: string
  /** The routing token of an earlier response of the same turn. Never keep it for the next turn (protocol B.5). */
  readonly turnState?: Redacted.Redacted
  /** Settings of this request alone. */
  readonly overrides?: CodexConfig.Options
  /** When the request with its body must be over, in milliseconds since 1970. */
  readonly deadline?: number
  /** Which attempt at the same request this is, from 1, for the span. */
  readonly attempt?: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface GetOptions extends Pick<AttemptOptions, "overrides" | "deadline"> {
  readonly query?: Readonly<Record<string, string>>
}

/**
 * What the headers of a response say. `model` is the one that really serves.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseMetadata {
  readonly requestId?: string
  readonly cfRay?: string
  readonly model?: string
  readonly modelsEtag?: string
  readonly etag?: string
  readonly rateLimits?: RateLimits.RateLimits
  readonly turnState?: Redacted.Redacted
  readonly contentType?: string
  /** Set when the request had to be sent without its reasoning items. */
  readonly reasoningDiscarded?: true
}

/**
 * A 200 whose body is still to come.
 *
 * @since 0.1.0
 * @category models
 */
export interface CodexResponse {
  readonly status: number
  readonly metadata: ResponseMetadata
  /** The bytes as they arrive; can be read once. */
  readonly body: Stream.Stream<Uint8Array, TransportError>
  /** To be called when decoded bytes were more than a keep-alive: restarts the `timeouts.progress` limit. */
  readonly progress: () => void
}

/**
 * A JSON document of the backend.
 *
 * @since 0.1.0
 * @category models
 */
export interface JsonResponse {
  readonly status: number
  readonly metadata: ResponseMetadata
  readonly json: unknown
}

/** Bytes of an error body, of a JSON document; how long an error body may take. */
const errorBodyLimit = 65_536
const documentLimit = 16_777_216
const errorBodyDuration = Duration.seconds(10)

/** A routing token longer than this is not worth a header. */
const turnStateLimit = 8192
const headerValue = /^[\x21-\x7e]+$/

const metadataOf = (headers: HttpError.Answer["headers"], now: number): ResponseMetadata => {
  const turnState = headers["x-codex-turn-state"]
  return defined({
    ...HttpError.ids(headers),
    model: headers["openai-model"],
    modelsEtag: headers["x-models-etag"],
    etag: headers["etag"],
    rateLimits: RateLimits.fromHeaders(headers, now),
    turnState:
      turnState !== undefined && turnState.length <= turnStateLimit && headerValue.test(turnState)
        ? Redacted.make(turnState)
        : undefined,
    contentType: headers["content-type"]
  })
}

/** A base URL without `/backend-api` has the account endpoints elsewhere (protocol A). */
const urlOf = (baseUrl: string, path: string, route?: WorkspaceRouting.Route): string => {
  const base = route?.origin === undefined ? baseUrl : `${route.origin}${new URL(baseUrl).pathname.replace(/\/$/, "")}`
  return path.startsWith("/wham/") && !baseUrl.includes("/backend-api")
    ? `${base}/api/codex${path.slice("/wham".length)}`
    : `${base}${path}`
}

/** Everything about a request that stays the same when it is sent again with other credentials. */
interface Plan {
  readonly config: CodexConfig.CodexConfig.Service
  readonly startedAt: number
  readonly deadline: number | undefined
  readonly url: (route: WorkspaceRouting.Route) => string
  readonly headers: (credentials: Credentials.Credentials, route: WorkspaceRouting.Route) => Record<string, string>
  readonly request: ResponsesRequest.ResponsesRequest | undefined
  readonly json: string | undefined
  readonly turnState: Redacted.Redacted | undefined
}

const encode = (request: ResponsesRequest.ResponsesRequest): Effect.Effect<string, ServiceError.InvalidRequest> =>
  Effect.try({
    try: () => ResponsesRequest.toJson(request),
    catch: () =>
      new ServiceError.InvalidRequest({
        problems: ["It cannot be written as JSON: remove cycles and BigInt values from `extra`, tools and items."]
      })
  })

/** The conversation id and the cache key are one: whichever is given fills the other. */
const conversationOf = (
  config: CodexConfig.CodexConfig.Service,
  request: ResponsesRequest.ResponsesRequest,
  options: AttemptOptions
): string | undefined => options.conversationId ?? request.prompt_cache_key ?? config.threadId ?? config.sessionId

const isEncodingRefusal = (error: TransportError): boolean =>
  "status" in error &&
  (error.status === 415 || (error.status === 400 && /content-?encoding|zstd|compress/i.test(error.serverMessage ?? "")))

/**
 * The transport over an `HttpClient`. Responses feed `RateLimitWatch`, failures `FailureCapture`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  CodexTransport.Service,
  never,
  | CodexConfig.CodexConfig
  | CodexAuth
  | HttpClient.HttpClient
  | RateLimitWatch.RateLimitWatch
  | FailureCapture.FailureCapture
> = Effect.gen(function* () {
  const base = yield* CodexConfig.CodexConfig
  const auth = yield* CodexAuth
  const watch = yield* RateLimitWatch.RateLimitWatch
  const failures = yield* FailureCapture.FailureCapture
  const compression = yield* Compression
  // The client's own span would record headers, and trace headers are not for the vendor; attempts have a span of ours.
  const client = (yield* HttpClient.HttpClient).pipe(
    HttpClient.withTracerDisabledWhen(() => true),
    HttpClient.withTracerPropagation(false),
    HttpClient.withScope
  )
  const uncompressedOnly = yield* Ref.make(false)
  const routes = yield* Ref.make<ReadonlyMap<string, WorkspaceRouting.Route>>(new Map())
  const routing = yield* Effect.makeSemaphore(1)

  const execute = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest) {
    const fetchInit = yield* Effect.serviceOption(FetchHttpClient.RequestInit)
    return yield* client.execute(request).pipe(
      // Fetch would follow redirects, and take the credentials along.
      Effect.provideService(FetchHttpClient.RequestInit, {
        ...Option.getOrElse(fetchInit, () => ({})),
        redirect: "manual"
      })
    )
  })

  const bodyOf = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest, plan: Plan) {
    if (plan.json === undefined) return request
    const bytes = new TextEncoder().encode(plan.json)
    const plain = HttpClientRequest.bodyUint8Array(request, bytes, "application/json")
    if (plan.config.compression === "off" || compression.zstd === undefined || bytes.length < minimumBytes) return plain
    if (yield* Ref.get(uncompressedOnly)) return plain
    return request.pipe(
      HttpClientRequest.bodyUint8Array(yield* compression.zstd(bytes), "application/json"),
      HttpClientRequest.setHeader("content-encoding", "zstd")
    )
  })

  const headersWithin = ({ config, deadline, startedAt }: Plan, now: number) => {
    const limit = Duration.toMillis(config.timeouts.headers)
    return deadline !== undefined && deadline - now < limit
      ? { duration: deadline - now, error: { phase: "total" as const, limitMillis: deadline - startedAt } }
      : { duration: limit, error: { phase: "headers" as const, limitMillis: limit } }
  }

  const capture = (plan: Plan, error: TransportError, response?: string) =>
    plan.config.failureCapture
      ? Effect.flatMap(Clock.currentTimeMillis, (at) =>
          failures.record(
            error,
            defined({
              provider: "openai-codex" as const,
              error: error._tag,
              model: plan.request?.model,
              status: "status" in error ? error.status : undefined,
              requestId: "requestId" in error ? error.requestId : undefined,
              cfRay: "cfRay" in error ? error.cfRay : undefined,
              request: plan.request && FailureCapture.outline(plan.request),
              response,
              at
            })
          )
        )
      : Effect.void

  interface Exchange {
    readonly response: HttpClientResponse.HttpClientResponse
    readonly metadata: ResponseMetadata
    readonly scope: Scope.CloseableScope
  }

  /** One HTTP request with these credentials, up to the headers of its 200. */
  const exchange = Effect.fnUntraced(function* (
    plan: Plan,
    credentials: Credentials.Credentials,
    route: WorkspaceRouting.Route
  ): Effect.fn.Return<Exchange, TransportError, Scope.Scope> {
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const empty = (plan.json === undefined ? HttpClientRequest.get : HttpClientRequest.post)(plan.url(route))
    const request = yield* bodyOf(HttpClientRequest.setHeaders(empty, plan.headers(credentials, route)), plan)
    const sentAt = yield* Clock.currentTimeMillis
    const within = headersWithin(plan, sentAt)
    yield* Metric.increment(Metrics.requests)

    const run = Effect.gen(function* () {
      const response = yield* execute(request).pipe(
        Scope.extend(scope),
        Effect.catchAll((error) =>
          // A client that takes a bad status for an error of its own still hands the response over.
          error._tag === "ResponseError" && error.reason === "StatusCode"
            ? Effect.succeed(error.response)
            : Effect.flatMap(Clock.currentTimeMillis, (now) =>
                Effect.fail(Connection.fromClientError(error, { phase: "headers", elapsedMillis: now - sentAt }))
              )
        ),
        Effect.timeoutFail({
          duration: within.duration,
          onTimeout: () => new TimedOut({ ...within.error, elapsedMillis: within.duration })
        }),
        Effect.tapError((error) => capture(plan, error))
      )
      const now = yield* Clock.currentTimeMillis
      yield* Metric.update(Metrics.timeToHeaders, now - sentAt)
      yield* Effect.annotateCurrentSpan("http.response.status_code", response.status)
      const metadata = metadataOf(response.headers, now)
      yield* watch.update(metadata.rateLimits)
      if (response.status === 200 && !/^text\/html\b/i.test(metadata.contentType ?? "")) {
        return { response, metadata, scope }
      }
      const { text } = yield* Body.readText(response.stream, { bytes: errorBodyLimit, duration: errorBodyDuration })
      const secrets = secretsOf(credentials, plan.request, plan.turnState)
      const error = HttpError.fromAnswer(
        { status: response.status, headers: response.headers, body: text },
        { now, model: plan.request?.model, secrets }
      )
      yield* capture(plan, error, FailureCapture.payload(text, secrets))
      return yield* Effect.fail(error)
    })
    return yield* Effect.onError(run, () => Scope.close(scope, Exit.void))
  })

  /** {@link exchange}, once more without compression when the server does not take it. */
  const compressedOrNot = (plan: Plan, credentials: Credentials.Credentials, route: WorkspaceRouting.Route) =>
    exchange(plan, credentials, route).pipe(
      Effect.catchIf(
        (error) => plan.config.compression !== "off" && compression.zstd !== undefined && isEncodingRefusal(error),
        (error) =>
          Effect.flatMap(Ref.getAndSet(uncompressedOnly, true), (already) =>
            already ? Effect.fail(error) : exchange(plan, credentials, route)
          )
      )
    )

  /** Sends with the credentials of this moment; after a 401 once more with those that recovery brings (protocol F.7). */
  const authorised = (plan: Plan): Effect.Effect<Exchange, TransportError | AuthError, Scope.Scope> => {
    const sendAs = (credentials: Credentials.Credentials) =>
      Effect.flatMap(routeFor(plan, credentials), (route) => compressedOrNot(plan, credentials, route))
    return Effect.flatMap(auth.credentials, (credentials) =>
      Effect.catchTag(sendAs(credentials), "Unauthorized", () =>
        Effect.annotateCurrentSpan("codex.auth.recovered", true).pipe(
          Effect.zipRight(auth.recover(credentials)),
          Effect.flatMap(sendAs)
        )
      )
    )
  }

  const document = ({ metadata, response, scope }: Exchange): Effect.Effect<JsonResponse, TransportError> =>
    Effect.gen(function* () {
      const { complete, text } = yield* Body.readText(response.stream, {
        bytes: documentLimit,
        duration: base.timeouts.idle
      })
      const json = yield* Effect.try({
        try: (): unknown => JSON.parse(text),
        catch: () =>
          new HttpFailure({
            ...HttpError.ids(response.headers),
            status: response.status,
            serverMessage: complete ? "a body that is not JSON" : "a body that is cut short or too large"
          })
      })
      return { status: response.status, metadata, json }
    }).pipe(Effect.ensuring(Scope.close(scope, Exit.void)))

  const planGet = (
    config: CodexConfig.CodexConfig.Service,
    path: string,
    query: Readonly<Record<string, string>> | undefined,
    times: Pick<Plan, "startedAt" | "deadline">
  ): Plan => ({
    ...times,
    config,
    url: () => {
      const search = new URLSearchParams(query).toString()
      return `${urlOf(config.baseUrl, path)}${search === "" ? "" : `?${search}`}`
    },
    headers: (credentials) => ({ ...Headers.forJson(config, credentials, path) }),
    request: undefined,
    json: undefined,
    turnState: undefined
  })

  /** The workspace's route, asked for once per account. */
  const routeFor = (
    plan: Plan,
    credentials: Credentials.Credentials
  ): Effect.Effect<WorkspaceRouting.Route, TransportError, Scope.Scope> => {
    if (!plan.config.workspaceRouting || plan.json === undefined) return Effect.succeed({})
    const accountId = Redacted.value(credentials.accountId)
    return Effect.gen(function* () {
      const known = (yield* Ref.get(routes)).get(accountId)
      if (known !== undefined) return known
      const { json } = yield* Effect.flatMap(
        exchange(planGet(plan.config, WorkspaceRouting.path, undefined, plan), credentials, {}),
        document
      )
      const route = yield* WorkspaceRouting.fromAnswer(json, accountId)
      yield* Ref.update(routes, (all) => new Map(all).set(accountId, route))
      return route
    }).pipe(routing.withPermits(1))
  }

  const tooLate = (deadline: number, startedAt: number) =>
    new TimedOut({ phase: "total", limitMillis: Math.max(0, deadline - startedAt) })

  const withinDeadline =
    (plan: Plan) =>
    <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | TimedOut, R> =>
      plan.deadline === undefined
        ? self
        : Effect.timeoutFail(self, {
            duration: plan.deadline - plan.startedAt,
            onTimeout: () => tooLate(plan.deadline ?? plan.startedAt, plan.startedAt)
          })

  const counted = <A, E extends { readonly _tag: string }, R>(self: Effect.Effect<A, E, R>) =>
    Effect.tapError(self, (error) =>
      Effect.zipRight(
        Metric.increment(Metric.tagged(Metrics.errors, "error.type", error._tag)),
        Effect.annotateCurrentSpan("error.type", error._tag)
      )
    )

  const spanAttributes = (config: CodexConfig.CodexConfig.Service, method: string, attempt: number) => {
    const url = new URL(config.baseUrl)
    return defined({
      "gen_ai.provider.name": "openai",
      "gen_ai.system": "openai",
      "http.request.method": method,
      "http.request.resend_count": attempt > 1 ? attempt - 1 : undefined,
      "server.address": url.hostname,
      "server.port": url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port)
    })
  }

  const attempt: CodexTransport.Service["attempt"] = Effect.fn("CodexTransport.attempt", { kind: "client" })(
    function* (request, options = {}) {
      const config = yield* CodexConfig.override(base, options.overrides)
      const startedAt = yield* Clock.currentTimeMillis
      const deadline = CodexConfig.deadline(config, startedAt, options.deadline)
      if (deadline !== undefined && deadline <= startedAt) return yield* tooLate(deadline, startedAt)
      const conversationId = conversationOf(config, request, options)
      const full =
        conversationId === undefined || request.prompt_cache_key !== undefined
          ? request
          : { ...request, prompt_cache_key: conversationId }
      yield* Effect.annotateCurrentSpan(
        defined({
          ...spanAttributes(config, "POST", options.attempt ?? 1),
          "gen_ai.operation.name": "chat",
          "gen_ai.request.model": request.model,
          "gen_ai.conversation.id": conversationId
        })
      )
      const plan: Plan = {
        config,
        startedAt,
        deadline,
        url: (route) => urlOf(config.baseUrl, "/codex/responses", route),
        headers: (credentials, route) => ({
          ...Headers.forTurn(config, credentials, {
            conversationId,
            turnState: options.turnState,
            routingOverride: route.override
          })
        }),
        request: full,
        json: yield* encode(full),
        turnState: options.turnState
      }
      const { metadata, response, scope } = yield* withinDeadline(plan)(authorised(plan))
      yield* Effect.annotateCurrentSpan(
        defined({ "gen_ai.response.model": metadata.model, "codex.request_id": metadata.requestId })
      )
      const { progress, stream } = yield* Body.watch({
        source: response.stream,
        requestScope: scope,
        startedAt,
        deadline,
        timeouts: config.timeouts,
        ids: HttpError.ids(response.headers)
      })
      const body = Stream.tapError(stream, (error) => capture(plan, error))
      return { status: response.status, metadata, body, progress }
    },
    (effect) => counted(effect)
  )

  /** Attempts until one succeeds or the policy ends; `once` gets the number of the attempt, from 1. */
  const retrying = Effect.fnUntraced(function* <A, E extends RetryPolicy.Failure, R>(
    config: CodexConfig.CodexConfig.Service,
    deadline: number | undefined,
    once: (attempt: number) => Effect.Effect<A, E, R>
  ): Effect.fn.Return<A, E, R> {
    const retries = yield* RetryPolicy.start(config.retry, { schedule: config.retrySchedule, deadline })
    const pause = Effect.fnUntraced(function* (error: E, attempt: number) {
      const delay = yield* retries.next(error)
      yield* Metric.increment(Metric.tagged(Metrics.retries, "error.type", error._tag))
      yield* Effect.logDebug("The request failed and is sent again").pipe(
        Effect.annotateLogs({ error: error._tag, attempt, delay: Duration.format(delay) })
      )
      yield* Effect.sleep(delay)
    })
    const from = (attempt: number): Effect.Effect<A, E, R> =>
      Effect.catchAll(once(attempt), (error) => Effect.flatMap(pause(error, attempt), () => from(attempt + 1)))
    return yield* from(1)
  })

  const send: CodexTransport.Service["send"] = Effect.fn("CodexTransport.send")(function* (request, options = {}) {
    const config = yield* CodexConfig.override(base, options.overrides)
    const deadline = CodexConfig.deadline(config, yield* Clock.currentTimeMillis, options.deadline)
    const attempts = (body: ResponsesRequest.ResponsesRequest) =>
      retrying(config, deadline, (n) => attempt(body, defined({ ...options, deadline, attempt: n })))
    return yield* Effect.catchAll(attempts(request), (error) =>
      Effect.gen(function* () {
        const shorter =
          EncryptedReasoning.isRefused(error) && config.discardReasoning
            ? EncryptedReasoning.discard(request)
            : undefined
        if (shorter === undefined) return yield* Effect.fail(error)
        yield* Effect.logWarning("The server refused the encrypted reasoning; the request is sent without it")
        const response = yield* attempts(shorter)
        return { ...response, metadata: { ...response.metadata, reasoningDiscarded: true as const } }
      })
    )
  })

  const get: CodexTransport.Service["get"] = Effect.fn("CodexTransport.get", { kind: "client" })(function* (
    path,
    options = {}
  ) {
    const config = yield* CodexConfig.override(base, options.overrides)
    const startedAt = yield* Clock.currentTimeMillis
    const deadline = CodexConfig.deadline(config, startedAt, options.deadline)
    if (deadline !== undefined && deadline <= startedAt) return yield* tooLate(deadline, startedAt)
    yield* Effect.annotateCurrentSpan({ ...spanAttributes(config, "GET", 1), "url.path": path })
    const plan = planGet(config, path, options.query, { startedAt, deadline })
    return yield* withinDeadline(plan)(
      retrying(config, deadline, () => counted(Effect.scoped(Effect.flatMap(authorised(plan), document))))
    )
  })

  return { attempt, send, get }
})

/**
 * The transport with its `RateLimitWatch` and `FailureCapture`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<
  CodexTransport | RateLimitWatch.RateLimitWatch | FailureCapture.FailureCapture,
  never,
  CodexConfig.CodexConfig | CodexAuth | HttpClient.HttpClient
> = Layer.provideMerge(Layer.effect(CodexTransport, make), Layer.merge(RateLimitWatch.layer, FailureCapture.layer))
