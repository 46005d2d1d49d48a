/**
 * Sends single requests with headers, current credentials, timeouts and typed errors.
 *
 * @since 0.1.0
 */
import type { AuthError } from "@effect-codex/auth/AuthError"
import { CodexAuth } from "@effect-codex/auth/CodexAuth"
import { defined } from "@effect-codex/schema/Defined"
import * as Failure from "@effect-codex/schema/Failure"
import * as Monotonic from "@effect-codex/schema/Monotonic"
import type * as RateLimits from "@effect-codex/schema/RateLimits"
import * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import type * as RoutingToken from "@effect-codex/schema/RoutingToken"
import * as ServiceError from "@effect-codex/schema/ServiceError"
import type * as Turn from "@effect-codex/schema/Turn"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Carrier from "./Carrier.ts"
import * as CodexConfig from "./CodexConfig.ts"
import * as ConversationId from "./ConversationId.ts"
import * as FailureCapture from "./FailureCapture.ts"
import * as Headers from "./Headers.ts"
import { BeginningReader } from "./internal/beginning.ts"
import * as Sender from "./internal/sender.ts"
import * as RateLimitWatch from "./RateLimitWatch.ts"
import type { Reader } from "./Reader.ts"
import * as RetryPolicy from "./RetryPolicy.ts"
import * as Tracing from "./Tracing.ts"
import { InvalidConfig, type TransportError } from "./TransportError.ts"
import { WebSocketConnector } from "./WebSocketConnector.ts"
import * as WorkspaceRouting from "./WorkspaceRouting.ts"

/**
 * Sends requests to the backend.
 *
 * @since 0.1.0
 * @category tags
 */
export class CodexTransport extends Context.Tag("@effect-codex/transport/CodexTransport")<CodexTransport, Service>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * One attempt at a turn; its body goes to the reader. Nothing is sent before the attempt is opened. Only a 401 is
   * retried, once, with new credentials.
   */
  readonly attempt: <A, E extends Failure.Failure>(
    request: ResponsesRequest.ResponsesRequest,
    reader: Reader<A, E>,
    options?: AttemptOptions
  ) => Attempt<A, E>
  /**
   * Opens the WebSocket of a conversation before its next turn. With `warmUp` the server also processes the request
   * without generating a response. Does nothing if turns use SSE, if the socket is already open, or in mode `auto` if
   * none can be opened.
   */
  readonly connect: (
    request: ResponsesRequest.ResponsesRequest,
    options: ConnectOptions
  ) => Effect.Effect<ResponseMetadata | undefined, TransportError | AuthError>
  /** Closes the WebSocket of a conversation, after its running turn. A later turn opens a new one. */
  readonly disconnect: (options: Pick<ConnectOptions, "conversationId" | "overrides">) => Effect.Effect<void>
  /** The account id of the login. */
  readonly account: Effect.Effect<Redacted.Redacted, AuthError>
  /** Fetches the JSON document at a path such as `/codex/models`, with the same credentials, timeouts and retries. */
  readonly get: (path: `/${string}`, options?: GetOptions) => Effect.Effect<JsonResponse, TransportError | AuthError>
}

/**
 * One attempt at a turn. Open it, pull until the reader is done, and always close it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempt<out A, out E> {
  /** Sends the request and waits for the headers of a 200. */
  readonly open: Effect.Effect<ResponseMetadata, TransportError | AuthError>
  /**
   * Waits for the reader's next values; returns none at the end of the body. With `hold`, it waits for the end and
   * returns none.
   */
  readonly pull: Effect.Effect<ReadonlyArray<A>, TransportError | E>
  /**
   * Ends the attempt. The request is aborted unless the reader is done: then the rest of the body is read in the
   * background for up to a second, so that the connection can be reused. Can be called at any time.
   */
  readonly close: Effect.Effect<void>
  /** The transport used, once known and if there was a choice. */
  readonly route: () => Turn.Route | undefined
}

/**
 * Options of an attempt.
 *
 * @since 0.1.0
 * @category models
 */
export interface AttemptOptions {
  /** Use the same id for the whole conversation. Default: the request's `prompt_cache_key`, else the configured ids. */
  readonly conversationId?: string
  /** The routing token of the turn, if an earlier response of the same turn had one (protocol B.5). */
  readonly routingToken?: RoutingToken.RoutingToken
  /** Settings for this request only. */
  readonly overrides?: CodexConfig.Options
  /** The deadline of the request including its body, a time of `Monotonic`. */
  readonly deadline?: number
  /** The number of this attempt, from 1, for the span. */
  readonly attempt?: number
  /**
   * Whether more turns of the conversation may follow, so that opening a socket is worthwhile (`transport: "auto"`) and
   * it is kept after the turn.
   */
  readonly inConversation?: boolean
  /** Do not emit values; only wait for the reader to finish. */
  readonly hold?: boolean
  /** Additional span attributes, evaluated when the span ends. */
  readonly attributes?: () => Readonly<Record<string, unknown>>
  /** What has arrived so far, for failures that do not have it from the reader. */
  readonly partial?: () => Turn.PartialTurn
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConnectOptions extends Pick<AttemptOptions, "overrides" | "deadline"> {
  readonly conversationId: string
  /** Whether the server processes the request before the turn (`generate: false`). Default: `false`. */
  readonly warmUp?: boolean | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface GetOptions extends Pick<AttemptOptions, "overrides" | "deadline"> {
  readonly query?: Readonly<Record<string, string>>
}

/**
 * Metadata from response headers. `model` is the model that serves the request.
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
  readonly routingToken?: RoutingToken.RoutingToken
  readonly contentType?: string
  /** The server's clock, in milliseconds since 1970, to the second. */
  readonly date?: number
  /** The account of the request. */
  readonly accountId?: Redacted.Redacted
}

/**
 * A JSON response of the backend.
 *
 * @since 0.1.0
 * @category models
 */
export interface JsonResponse {
  readonly metadata: ResponseMetadata
  readonly json: unknown
}

/** The account endpoints have other paths if the base URL lacks `/backend-api` (protocol A). */
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
        problems: ["It cannot be serialized to JSON: remove cycles and BigInt values from `extra`, tools and items."]
      })
  })

/** The conversation id and the cache key default to each other. */
const conversationOf = (
  config: CodexConfig.Service,
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

/** Whether a turn may or must use a WebSocket. */
const socketMode = (
  { transport }: CodexConfig.Service,
  { inConversation }: AttemptOptions
): Carrier.Turn["mode"] | undefined =>
  transport === "websocket" || (transport === "auto" && inConversation === true) ? transport : undefined

/** 15 s (protocol H.5), but at most half of the headers timeout, to leave time for a fallback to SSE. */
const handshakeLimit = ({ timeouts: { headers } }: CodexConfig.Service): number =>
  Math.min(15_000, Duration.toMillis(headers) / 2)

/** The span attributes of every request to this base URL. */
const serverAttributes = (config: CodexConfig.Service, method: string) => {
  const url = new URL(config.baseUrl)
  return {
    "gen_ai.provider.name": "openai",
    "gen_ai.system": "openai",
    "http.request.method": method,
    "server.address": url.hostname,
    "server.port": url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port)
  }
}

const planGet = (
  { config, deadline, startedAt }: Pick<Sender.Plan, "config" | "deadline" | "startedAt">,
  path: string,
  query?: Readonly<Record<string, string>>
): Sender.Plan => {
  const search = new URLSearchParams(query).toString()
  return {
    config,
    deadline,
    startedAt,
    isRouted: false,
    url: () => `${urlOf(config.baseUrl, path)}${search === "" ? "" : `?${search}`}`,
    headers: (credentials) => Headers.forJson(config, credentials, path)
  }
}

/**
 * The transport over a `Carrier`. It updates `RateLimitWatch` and `FailureCapture`. Closing the Scope stops running
 * requests.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  Service,
  never,
  | CodexConfig.CodexConfig
  | CodexAuth
  | Carrier.Carrier
  | RateLimitWatch.RateLimitWatch
  | FailureCapture.FailureCapture
  | Scope.Scope
> = Effect.gen(function* () {
  const base = yield* CodexConfig.CodexConfig
  const auth = yield* CodexAuth
  const connector = yield* WebSocketConnector
  const sender = yield* Sender.make({ auth, planRoute: (plan) => planGet(plan, WorkspaceRouting.path) })

  /** The settings, the start time and the deadline of a call. */
  const begin = (options: Pick<AttemptOptions, "overrides" | "deadline">) =>
    Effect.gen(function* () {
      const { overrides } = options
      const config = overrides === undefined ? base : yield* CodexConfig.override(base, overrides)
      const startedAt = yield* Monotonic.now
      return { config, startedAt, deadline: CodexConfig.deadline(config, startedAt, options.deadline) }
    })

  const beginTurn = (request: ResponsesRequest.ResponsesRequest, options: AttemptOptions) =>
    Effect.flatMap(begin(options), (begun) =>
      Effect.map(conversationOf(begun.config, request, options), (conversationId) => ({ conversationId, ...begun }))
    )

  /** Plans the request of a turn. */
  const planTurn = (
    request: ResponsesRequest.ResponsesRequest,
    options: AttemptOptions,
    { config, conversationId, ...times }: Effect.Effect.Success<ReturnType<typeof beginTurn>>,
    ahead?: Carrier.Turn["ahead"]
  ) =>
    Effect.gen(function* () {
      const full = conversationId === undefined ? request : { prompt_cache_key: conversationId, ...request }
      const mode = socketMode(config, options)
      if (mode === "websocket" && connector.connect === undefined) {
        return yield* new InvalidConfig({
          problems: ['transport: "websocket" needs a WebSocketConnector, such as that of the /node entry']
        })
      }
      const plan: Sender.Plan = {
        config,
        ...times,
        ...(mode !== undefined && {
          socket: { mode, ahead, single: options.inConversation !== true, handshakeLimit: handshakeLimit(config) }
        }),
        isRouted: config.workspaceRouting,
        url: (route) => urlOf(config.baseUrl, "/codex/responses", route),
        headers: (credentials, { override }) =>
          Headers.forTurn(config, credentials, {
            conversationId,
            routingToken: options.routingToken,
            routingOverride: override
          }),
        body: { request: full, bytes: yield* encode(full) },
        routingToken: options.routingToken
      }
      return plan
    })

  const attempt = <A, E extends Failure.Failure>(
    request: ResponsesRequest.ResponsesRequest,
    reader: Reader<A, E>,
    options: AttemptOptions = {}
  ): Attempt<A, E> => {
    const body = new BeginningReader(reader)
    const call = Sender.newCall({ reader: body, keep: options.hold !== true })
    let plan: Sender.Plan | undefined
    let ids: Pick<ResponseMetadata, "requestId" | "cfRay"> = {}

    const fail = <X extends Failure.Failure>(error: X): Effect.Effect<never, X> => {
      const whole = Failure.withFacts<Failure.Failure>(error, { partial: error.partial ?? options.partial?.() }) as X
      return Effect.catchAll(sender.fail(call, plan, whole), (error) =>
        Effect.zipRight(Tracing.end(call, Exit.fail(error)), Effect.fail(error))
      )
    }

    /** The server's texts can quote secrets. */
    const scrubbed = (attributes: Readonly<Record<string, unknown>> = {}) =>
      plan === undefined || call.span === undefined ? {} : sender.scrubAttributes(call, plan, attributes)
    const end = Effect.suspend(() => Tracing.end(call, Exit.void, () => scrubbed(options.attributes?.())))

    const open = Effect.gen(function* () {
      const begun = yield* beginTurn(request, options)
      const { config, conversationId } = begun
      call.span = yield* Tracing.start("CodexTransport.attempt", () => ({
        ...serverAttributes(config, "POST"),
        "http.request.resend_count":
          options.attempt === undefined || options.attempt < 2 ? undefined : options.attempt - 1,
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": request.model,
        "gen_ai.conversation.id": conversationId
      }))
      plan = yield* planTurn(request, options, begun)
      const metadata = yield* sender.send(call, plan)
      Tracing.annotate(
        call,
        scrubbed({ "gen_ai.response.model": metadata.model, "codex.request_id": metadata.requestId })
      )
      ids = defined({ requestId: metadata.requestId, cfRay: metadata.cfRay })
      return Object.assign({}, metadata, defined({ accountId: call.credentials?.accountId }))
    })

    const pulled = (values: ReadonlyArray<unknown>): Effect.Effect<ReadonlyArray<A>, TransportError | E> => {
      if (values.length > 0) return Effect.succeed(values as ReadonlyArray<A>)
      const { failure } = reader
      if (failure === undefined) return Effect.as(end, [])
      if (plan === undefined) return fail(failure)
      const text = body.otherText
      return text === undefined
        ? fail(Failure.withFacts<Failure.Failure>(failure, ids) as E)
        : Effect.flatMap(sender.refusal(call, plan, text), fail)
    }

    return {
      open: Effect.catchAll(open, fail),
      pull: Effect.suspend(() =>
        call.exchange === undefined
          ? Effect.succeed([])
          : Effect.matchEffect(call.exchange.pull, { onSuccess: pulled, onFailure: fail })
      ),
      close: Effect.suspend(() => {
        call.exchange?.close()
        return end
      }),
      route: () => call.route
    }
  }

  const connect: Service["connect"] = (request, { warmUp = false, ...rest }) =>
    Effect.gen(function* () {
      const options = { ...rest, inConversation: true }
      const begun = yield* beginTurn(request, options)
      const plan = yield* planTurn(request, options, begun, warmUp ? "warm_up" : "connect")
      if (plan.socket === undefined || connector.connect === undefined) return undefined
      const { call } = Sender.newDocument()
      const traced: Tracing.Traced = {
        span: yield* Tracing.start("CodexTransport.connect", () => serverAttributes(begun.config, "GET"))
      }
      call.span = traced.span
      return yield* sender.send(call, plan).pipe(
        Effect.catchAll((error) => sender.fail(call, plan, error)),
        Effect.ensuring(Effect.sync(() => call.exchange?.close())),
        Effect.onExit((exit) => Tracing.end(traced, exit))
      )
    })

  const disconnect: Service["disconnect"] = ({ conversationId, overrides }) =>
    Effect.sync(() => sender.leave(overrides?.threadId ?? base.threadId ?? conversationId))

  const get: Service["get"] = (path, options = {}) =>
    Effect.gen(function* () {
      // any other path could change the host when appended to an origin
      if (!/^\/[^/\\]/.test(path)) {
        return yield* new ServiceError.InvalidRequest({
          param: "path",
          problems: ["Use a path such as /codex/models."]
        })
      }
      const times = yield* begin(options)
      const { config, deadline } = times
      const retries = yield* RetryPolicy.start(config.retry, { schedule: config.retrySchedule, deadline })
      const plan = planGet(times, path, options.query)
      const traced: Tracing.Traced = {
        span: yield* Tracing.start("CodexTransport.get", () => ({
          ...serverAttributes(config, "GET"),
          "url.path": path
        }))
      }
      const once: Effect.Effect<JsonResponse, TransportError | AuthError> = Effect.suspend(() => {
        const { call, json } = Sender.newDocument()
        call.span = traced.span
        return Effect.flatMap(sender.send(call, plan), (metadata) =>
          Effect.map(
            json((text) => sender.refusal(call, plan, text)),
            (json) => ({ metadata, json })
          )
        ).pipe(
          Effect.catchAll((error) => sender.fail(call, plan, error)),
          Effect.ensuring(Effect.sync(() => call.exchange?.close()))
        )
      })
      const withRetries: typeof once = Effect.catchAll(once, (error) =>
        Effect.flatMap(retries.next(error), (delay) => Effect.zipRight(Effect.sleep(delay), withRetries))
      )
      return yield* Effect.onExit(Sender.withinDeadline(plan)(withRetries), (exit) => Tracing.end(traced, exit))
    })

  return { attempt, connect, disconnect, account: Effect.map(auth.credentials, ({ accountId }) => accountId), get }
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
  CodexConfig.CodexConfig | CodexAuth | Carrier.Carrier
> = Layer.provideMerge(Layer.scoped(CodexTransport, make), Layer.merge(RateLimitWatch.layer, FailureCapture.layer))
