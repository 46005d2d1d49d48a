/**
 * One request, sent well: headers, credentials of this moment, time limits, and every failure typed.
 *
 * @since 0.1.0
 */

import type * as HttpClient from "@effect/platform/HttpClient"
import type { AuthError } from "@effect-codex/auth/AuthError"
import { CodexAuth } from "@effect-codex/auth/CodexAuth"
import type * as Credentials from "@effect-codex/auth/Credentials"
import { defined } from "@effect-codex/schema/Defined"
import type * as RateLimits from "@effect-codex/schema/RateLimits"
import * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as RoutingToken from "@effect-codex/schema/RoutingToken"
import * as ServiceError from "@effect-codex/schema/ServiceError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as CodexConfig from "./CodexConfig.ts"
import * as ConversationId from "./ConversationId.ts"
import * as EncryptedReasoning from "./EncryptedReasoning.ts"
import * as FailureCapture from "./FailureCapture.ts"
import * as Headers from "./Headers.ts"
import * as HttpError from "./HttpError.ts"
import * as Body from "./internal/body.ts"
import * as Exchange from "./internal/exchange.ts"
import * as Metrics from "./Metrics.ts"
import * as RateLimitWatch from "./RateLimitWatch.ts"
import * as RetryPolicy from "./RetryPolicy.ts"
import { HttpFailure, RoutingFailed, TimedOut, type TransportError } from "./TransportError.ts"
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
    readonly get: (path: `/${string}`, options?: GetOptions) => Effect.Effect<JsonResponse, TransportError | AuthError>
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
  readonly routingToken?: Redacted.Redacted
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
  readonly routingToken?: Redacted.Redacted
  readonly contentType?: string
  /** Set when the request had to be sent without its reasoning items. */
  readonly reasoningDiscarded?: true
}

/**
 * What a body said about its failure: the text of the event that ended it, and the id of the response.
 *
 * @since 0.1.0
 * @category models
 */
export interface FailureStatement {
  readonly payload?: string
  readonly responseId?: string
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
  /**
   * To be called with a failure the reader finds in the body: it is counted and captured as failures of the transport
   * are. Those of `body` itself are known already.
   */
  readonly failed: (error: { readonly _tag: string }, said?: FailureStatement) => Effect.Effect<void>
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

/** The most bytes of a JSON document. */
const documentLimit = 16_777_216

/** In milliseconds since 1970. */
interface Times {
  readonly startedAt: number
  readonly deadline: number | undefined
}

/** A base URL without `/backend-api` has the account endpoints elsewhere (protocol A). */
const urlOf = (baseUrl: string, path: string, route?: WorkspaceRouting.Route): string => {
  const base = route?.origin === undefined ? baseUrl : `${route.origin}${new URL(baseUrl).pathname.replace(/\/$/, "")}`
  return path.startsWith("/wham/") && !baseUrl.includes("/backend-api")
    ? `${base}/api/codex${path.slice("/wham".length)}`
    : `${base}${path}`
}

const encode = (request: ResponsesRequest.ResponsesRequest): Effect.Effect<Uint8Array, ServiceError.InvalidRequest> =>
  Effect.try({
    try: () => new TextEncoder().encode(ResponsesRequest.toJson(request)),
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
): Effect.Effect<string | undefined, ServiceError.InvalidRequest> => {
  const id = options.conversationId ?? request.prompt_cache_key ?? config.threadId ?? config.sessionId
  return id === undefined || ConversationId.isConversationId(id)
    ? Effect.succeed(id)
    : Effect.fail(
        new ServiceError.InvalidRequest({
          param: options.conversationId === undefined ? "prompt_cache_key" : "conversationId",
          problems: ["Use 1 to 64 visible ASCII characters, such as a UUID."]
        })
      )
}

/** Attempts until one succeeds or there is no further retry; `once` gets the number of the attempt, from 1. */
const retrying = <A, E extends RetryPolicy.Failure, R>(
  retries: RetryPolicy.Retries,
  once: (attempt: number) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const from = (attempt: number): Effect.Effect<A, E, R> =>
    Effect.catchAll(once(attempt), (error) =>
      retries.next(error).pipe(
        Effect.flatMap(Effect.sleep),
        Effect.flatMap(() => from(attempt + 1))
      )
    )
  return from(1)
}

const count = (error: { readonly _tag: string }): Effect.Effect<void> =>
  Metric.increment(Metric.tagged(Metrics.errors, "error.type", error._tag))

/** Counts the error and names it on the span. */
const counted = <A, E extends { readonly _tag: string }, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.tapError(self, (error) => Effect.zipRight(count(error), Effect.annotateCurrentSpan("error.type", error._tag)))

const tooLate = ({ deadline, startedAt }: Times) =>
  new TimedOut({ phase: "total", limitMillis: Math.max(0, (deadline ?? startedAt) - startedAt) })

const withinDeadline =
  (times: Times) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | TimedOut, R> => {
    const { deadline, startedAt } = times
    if (deadline === undefined) return self
    return deadline <= startedAt
      ? Effect.fail(tooLate(times))
      : Effect.timeoutFail(self, { duration: deadline - startedAt, onTimeout: () => tooLate(times) })
  }

const spanAttributes = (config: CodexConfig.CodexConfig.Service, method: string) => {
  const url = new URL(config.baseUrl)
  return {
    "gen_ai.provider.name": "openai",
    "gen_ai.system": "openai",
    "http.request.method": method,
    "server.address": url.hostname,
    "server.port": url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port)
  }
}

/** The whole of an answer as JSON; the request is over then. */
const document = Effect.fnUntraced(
  function* (
    { metadata, response, scope }: Exchange.Exchange,
    { config, deadline, startedAt }: Pick<Exchange.Plan, "config" | "deadline" | "startedAt">
  ): Effect.fn.Return<JsonResponse, TransportError, Scope.Scope> {
    const { status } = response
    const ids = HttpError.ids(response.headers)
    const { headers, idle } = config.timeouts
    const { stream } = yield* Body.watch({
      source: response.stream,
      requestScope: scope,
      startedAt,
      deadline,
      timeouts: { headers, idle },
      ids
    })
    const text = yield* Body.readWhole(stream, documentLimit)
    const json = yield* Effect.try({
      try: (): unknown => JSON.parse(text ?? ""),
      catch: () =>
        new HttpFailure({
          ...ids,
          status,
          serverMessage: text === undefined ? "a body that is too large" : "a body that is not JSON"
        })
    })
    return { status, metadata, json }
  },
  (effect, { scope }) => Effect.scoped(Effect.ensuring(effect, Scope.close(scope, Exit.void)))
)

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
  const { capture, exchange } = yield* Exchange.make
  const routes = yield* Ref.make<ReadonlyMap<string, WorkspaceRouting.Route>>(new Map())
  const routing = yield* Effect.makeSemaphore(1)

  /** The settings of one call, and when it began and has to be over. */
  const begin = Effect.fnUntraced(function* (options: Pick<AttemptOptions, "overrides" | "deadline">) {
    const { overrides } = options
    const config = overrides === undefined ? base : yield* CodexConfig.override(base, overrides)
    const startedAt = yield* Clock.currentTimeMillis
    return { config, startedAt, deadline: CodexConfig.deadline(config, startedAt, options.deadline) }
  })

  const planGet = (
    { config, deadline, startedAt }: Pick<Exchange.Plan, "config" | "deadline" | "startedAt">,
    path: string,
    query?: Readonly<Record<string, string>>
  ): Exchange.Plan => {
    const search = new URLSearchParams(query).toString()
    return {
      config,
      deadline,
      startedAt,
      url: () => `${urlOf(config.baseUrl, path)}${search === "" ? "" : `?${search}`}`,
      headers: (credentials) => Headers.forJson(config, credentials, path)
    }
  }

  /** Asks for the workspace's route, once per account. */
  const routeOf = Effect.fnUntraced(
    function* (plan: Exchange.Plan, credentials: Credentials.Credentials) {
      const accountId = Redacted.value(credentials.accountId)
      const known = (yield* Ref.get(routes)).get(accountId)
      if (known !== undefined) return known
      const answer = yield* exchange(planGet(plan, WorkspaceRouting.path), credentials, {})
      const { json } = yield* document(answer, plan)
      const route = yield* Effect.mapError(
        WorkspaceRouting.fromAnswer(json, accountId),
        ({ reason }) => new RoutingFailed({ ...HttpError.ids(answer.response.headers), reason })
      )
      yield* Ref.update(routes, (all) => new Map(all).set(accountId, route))
      return route
    },
    (effect) => routing.withPermits(1)(effect)
  )

  const sendAs = Effect.fnUntraced(function* (plan: Exchange.Plan, credentials: Credentials.Credentials) {
    const isRouted = plan.config.workspaceRouting && plan.body !== undefined
    return yield* exchange(plan, credentials, isRouted ? yield* routeOf(plan, credentials) : {})
  })

  /** Sends with the credentials of this moment; after a 401 once more with those that recovery brings (protocol F.7). */
  const authorised = Effect.fnUntraced(function* (plan: Exchange.Plan) {
    const credentials = yield* auth.credentials
    return yield* Effect.catchTag(sendAs(plan, credentials), "Unauthorized", () =>
      Effect.annotateCurrentSpan("codex.auth.recovered", true).pipe(
        Effect.zipRight(auth.recover(credentials)),
        Effect.flatMap((recovered) => sendAs(plan, recovered))
      )
    )
  })

  const attempt: CodexTransport.Service["attempt"] = Effect.fn("CodexTransport.attempt", { kind: "client" })(
    function* (request, options = {}) {
      const { config, ...times } = yield* begin(options)
      const conversationId = yield* conversationOf(config, request, options)
      const routingToken =
        options.routingToken &&
        RoutingToken.fromHeaders({ [RoutingToken.header]: Redacted.value(options.routingToken) })
      const resends = (options.attempt ?? 1) - 1
      yield* Effect.annotateCurrentSpan(
        defined({
          ...spanAttributes(config, "POST"),
          "http.request.resend_count": resends > 0 ? resends : undefined,
          "gen_ai.operation.name": "chat",
          "gen_ai.request.model": request.model,
          "gen_ai.conversation.id": conversationId
        })
      )
      const full: ResponsesRequest.ResponsesRequest = { ...defined({ prompt_cache_key: conversationId }), ...request }
      const plan: Exchange.Plan = {
        ...times,
        config,
        url: (route) => urlOf(config.baseUrl, "/codex/responses", route),
        headers: (credentials, route) =>
          Headers.forTurn(config, credentials, {
            conversationId,
            routingToken,
            routingOverride: route.override
          }),
        body: { request: full, bytes: yield* encode(full) },
        ...defined({ routingToken })
      }
      const { metadata, response, scope, secrets } = yield* withinDeadline(times)(authorised(plan))
      yield* Effect.annotateCurrentSpan(
        defined({ "gen_ai.response.model": metadata.model, "codex.request_id": metadata.requestId })
      )
      const { progress, stream } = yield* Body.watch({
        ...times,
        source: response.stream,
        requestScope: scope,
        timeouts: config.timeouts,
        ids: HttpError.ids(response.headers),
        onFirstBytes: (elapsed) => Metrics.timeToFirstEvent.unsafeUpdate(elapsed, [])
      })
      const failed: CodexResponse["failed"] = (error, said = {}) =>
        Effect.zipRight(count(error), capture(plan, error, { secrets, ...said }))
      return { status: response.status, metadata, body: Stream.tapError(stream, failed), failed, progress }
    },
    (effect) => counted(effect)
  )

  const send: CodexTransport.Service["send"] = Effect.fn("CodexTransport.send")(function* (request, options = {}) {
    const { config, deadline } = yield* begin(options)
    const retries = yield* RetryPolicy.start(config.retry, { schedule: config.retrySchedule, deadline })
    const attempts = (body: ResponsesRequest.ResponsesRequest) =>
      retrying(retries, (n) => attempt(body, defined({ ...options, deadline, attempt: n })))
    return yield* Effect.catchAll(
      attempts(request),
      Effect.fnUntraced(function* (error) {
        const mayDiscard = config.discardReasoning && EncryptedReasoning.isRefused(error)
        const shorter = mayDiscard ? EncryptedReasoning.discard(request) : undefined
        if (shorter === undefined) return yield* Effect.fail(error)
        yield* Effect.logWarning("The server refused the encrypted reasoning; the request is sent without it")
        const response = yield* attempts(shorter.request)
        return { ...response, metadata: { ...response.metadata, reasoningDiscarded: true as const } }
      })
    )
  })

  const get: CodexTransport.Service["get"] = Effect.fn("CodexTransport.get", { kind: "client" })(function* (
    path,
    options = {}
  ) {
    const call = yield* begin(options)
    const { config, deadline } = call
    yield* Effect.annotateCurrentSpan({ ...spanAttributes(config, "GET"), "url.path": path })
    const retries = yield* RetryPolicy.start(config.retry, { schedule: config.retrySchedule, deadline })
    const plan = planGet(call, path, options.query)
    const once = Effect.scoped(Effect.flatMap(authorised(plan), (answer) => document(answer, call)))
    return yield* withinDeadline(call)(retrying(retries, () => counted(once)))
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
