/**
 * The client: a service that requests turns from the ChatGPT Codex backend, as a stream, as a whole turn, as text, or
 * as a decoded value.
 *
 * @since 0.1.0
 */

import type * as HttpClient from "@effect/platform/HttpClient"
import type { CodexAuth } from "@effect-codex/auth"
import {
  Defined,
  Failure,
  type JsonSchema,
  type Model,
  ModelCatalogue,
  Monotonic,
  Origin,
  OutputFormat,
  RateLimits,
  type ResponsesRequest,
  type RoutingToken,
  ServiceError,
  type Turn,
  type TurnEvent,
  TurnRequest
} from "@effect-codex/schema"
import { Pulling } from "@effect-codex/stream"
import {
  Carrier,
  CodexConfig,
  CodexTransport,
  ConversationId,
  type FailureCapture,
  RateLimitWatch,
  Tracing
} from "@effect-codex/transport"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Catalogue from "./Catalogue.ts"
import type { CodexError } from "./CodexError.ts"
import * as ContextSize from "./internal/contextSize.ts"
import * as Delivery from "./internal/delivery.ts"

/**
 * The client service.
 *
 * @since 0.1.0
 * @category tags
 */
export class Codex extends Context.Tag("effect-codex/Codex")<Codex, Service>() {}

/**
 * A request with its options. The smallest one is `{ prompt: "…" }`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request extends TurnRequest.TurnRequest {
  /**
   * The conversation of the request. Default: a new one. The same id is sent as session, thread and prompt cache key,
   * so that the server can use its prompt cache.
   */
  readonly conversationId?: string | undefined
  /** Settings for this request only. */
  readonly config?: CodexConfig.Options | undefined
  /** The time limit of the whole request, including retries. A retry whose delay would exceed it is not attempted. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** The `routingToken` of the previous turn, if this request answers the tool calls of that turn. */
  readonly routingToken?: RoutingToken.RoutingToken | undefined
  /**
   * Whether a retry keeps the items that the failed attempt completed, instead of starting over. Default `false`.
   */
  readonly keepItems?: boolean | undefined
}

/**
 * Which events count as shown to the user. After such an event a retry is no longer silent.
 *
 * @since 0.1.0
 * @category models
 */
export type Shown = "everything" | "text" | "nothing"

/**
 * Options of `connect`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectOptions {
  /**
   * Sends the request ahead of time without generating an answer (`generate: false`), so that the first turn sends only
   * the new input. It may count as a request. Default: `false`.
   */
  readonly warmUp?: boolean | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Streams the events of a turn. If an attempt fails after something was shown and can be retried, the stream emits
   * `TurnRestarted` and starts over: discard what was shown. With `onceShown: "fail"` the stream fails instead, and
   * `partial` of the error contains what had arrived. Text, refusals, visible reasoning, calls and other items count as
   * shown. A silent retry may repeat the events that do not.
   *
   * A program that shows fewer events can allow more silent retries. With `shown: "text"` only text and refusals count
   * as shown. With `shown: "nothing"` nothing does, for programs that wait for the end. The earlier events of a silent
   * retry are then repeated after another `TurnStarted`.
   */
  readonly stream: {
    (
      request: Request,
      options: { readonly onceShown: "fail"; readonly shown?: Shown | undefined }
    ): Stream.Stream<TurnEvent.TurnEvent, CodexError>
    (
      request: Request,
      options: { readonly onceShown?: "restart" | undefined; readonly shown: "nothing" }
    ): Stream.Stream<TurnEvent.TurnEvent, CodexError>
    (
      request: Request,
      options?: { readonly onceShown?: "restart" | undefined; readonly shown?: Shown | undefined }
    ): Stream.Stream<TurnEvent.TurnEvent | TurnEvent.TurnRestarted, CodexError>
  }
  /** Waits for the completed turn. Failed attempts are retried silently. */
  readonly turn: (request: Request) => Effect.Effect<Turn.Turn, CodexError>
  /** Streams the text of the answer. It never starts over: after the first delta nothing is retried. */
  readonly text: (request: Request) => Stream.Stream<string, CodexError>
  /**
   * The answer decoded with the schema, by structured output. A schema that JSON Schema cannot express fails before
   * anything is sent. A refusal, an incomplete answer, or an answer that does not match the schema fails with
   * `InvalidOutput`.
   */
  readonly object: <A, I>(
    request: Omit<Request, "output">,
    schema: Schema.Schema<A, I>,
    options?: { readonly name?: string | undefined }
  ) => Effect.Effect<A, CodexError | OutputFormat.InvalidOutput | JsonSchema.UnsupportedSchema>
  /**
   * Opens the WebSocket of a conversation, so that its first turn does not wait for the handshake. With `warmUp` the
   * server also processes instructions, tools and input ahead of time. The WebSocket is closed with the scope, or after
   * a turn that is still running. Does nothing if turns use server-sent events.
   */
  readonly connect: (
    request: Request & { readonly conversationId: string },
    options?: ConnectOptions
  ) => Effect.Effect<void, CodexError, Scope.Scope>
  /** The models of the account, cached. The bundled list while the server's is unavailable. */
  readonly models: Effect.Effect<Catalogue.Catalogue>
  /** Requests the current usage of the plan's limits from the server. */
  readonly usage: Effect.Effect<RateLimits.RateLimits, CodexError>
}

const never = () => false
const isText = (event: TurnEvent.TurnEvent) => event._tag === "TextDelta"
const isTextOrRefusal = (event: TurnEvent.TurnEvent) => event._tag === "TextDelta" || event._tag === "RefusalDelta"

/** Whether a user could have seen the event. */
const isVisible = (event: TurnEvent.TurnEvent): boolean => {
  switch (event._tag) {
    case "RequestRepaired":
    case "TurnStarted":
    case "UsageReported":
    case "RateLimitsUpdated":
    case "UnknownEvent":
    case "TurnCompleted":
      return false
    case "ItemCompleted":
      // what can be seen of reasoning are its deltas, and most reasoning has none
      return event.item.type !== "reasoning"
    default:
      return true
  }
}

const showing: Readonly<Record<Shown, (event: TurnEvent.TurnEvent) => boolean>> = {
  everything: isVisible,
  text: isTextOrRefusal,
  nothing: never
}

/** In milliseconds. */
const timeLimitOf = (timeLimit: Duration.DurationInput): Effect.Effect<number, ServiceError.InvalidRequest> =>
  Option.match(Duration.decodeUnknown(timeLimit), {
    onNone: () =>
      new ServiceError.InvalidRequest({
        param: "timeLimit",
        problems: ['A time limit is a duration, such as "30 seconds".']
      }),
    onSome: (limit) => Effect.succeed(Duration.toMillis(limit))
  })

/**
 * Creates the client from a transport and its configuration.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  Service,
  never,
  CodexTransport.CodexTransport | CodexConfig.CodexConfig | RateLimitWatch.RateLimitWatch
> = Effect.gen(function* () {
  const transport = yield* CodexTransport.CodexTransport
  const config = yield* CodexConfig.CodexConfig
  const watch = yield* RateLimitWatch.RateLimitWatch
  const catalogue = yield* Catalogue.make(transport, config.clientVersion)

  /** Compiles and validates a request without sending it. */
  const prepare = (request: Request) =>
    Effect.gen(function* () {
      const settings = request.config === undefined ? config : yield* CodexConfig.override(config, request.config)
      const conversationId = request.conversationId ?? (yield* ConversationId.random)
      if (!ConversationId.isConversationId(conversationId)) {
        const problems = ["A conversation id is 1 to 64 visible ASCII characters, such as a UUID."]
        return yield* new ServiceError.InvalidRequest({ param: "conversationId", problems })
      }
      const { models } = yield* catalogue.known
      // only tagged items can be recognised as another account's
      const account = Origin.isTagged(request.input ?? []) ? Redacted.value(yield* transport.account) : undefined
      const { reasoning, ...defaults } = settings
      const { body, repairs } = yield* TurnRequest.compile(
        Object.assign({}, request, { cacheKey: request.cacheKey ?? conversationId }),
        {
          models,
          ...defaults,
          ...Defined.defined({ account }),
          ...(reasoning !== undefined && { reasoning: { ...reasoning } })
        }
      )
      // a variant of a listed model may have a different context window, so only an exact match counts
      yield* ContextSize.check(body, ModelCatalogue.get(models, body.model))
      const now = yield* Monotonic.now
      const timeLimit = request.timeLimit === undefined ? undefined : yield* timeLimitOf(request.timeLimit)
      const deadline = CodexConfig.deadline(settings, now, timeLimit === undefined ? undefined : now + timeLimit)
      const attemptOptions: CodexTransport.AttemptOptions = {
        conversationId,
        inConversation: request.conversationId !== undefined,
        ...(request.config !== undefined && { overrides: request.config }),
        ...(request.routingToken !== undefined && { routingToken: request.routingToken }),
        ...(deadline !== undefined && { deadline })
      }
      return { body, repairs, attemptOptions, settings, model: ModelCatalogue.resolve(models, body.model) }
    })

  /** Adds facts from the catalogue to an error, within the remaining time of the call. */
  const explain = (
    error: CodexError,
    body: ResponsesRequest.ResponsesRequest,
    model: Model.Model | undefined,
    deadline: number | undefined
  ): Effect.Effect<CodexError> => {
    switch (error._tag) {
      case "ModelUnavailable":
        return Effect.map(catalogue.within(deadline), ({ models, source }) =>
          Failure.withFacts(error, {
            model: body.model,
            ...(source === "server" && { available: ModelCatalogue.listed(models).map(({ slug }) => slug) })
          })
        )
      case "ContextWindowExceeded":
        return Effect.succeed(
          typeof model?.context_window === "number" && error.contextWindow === undefined
            ? Failure.withFacts(error, {
                contextWindow: model.context_window,
                inputTokens: ContextSize.leastTokens(body)
              })
            : error
        )
      default:
        return Effect.succeed(error)
    }
  }

  const deliver = (
    request: Request,
    mode: Pick<Delivery.Delivery, "onceShown" | "isShown" | "onlyEnd">
  ): Effect.Effect<Pulling.Pulling<Delivery.Delivered, CodexError>, CodexError> =>
    Effect.gen(function* () {
      const { attemptOptions, body, model, repairs, settings } = yield* prepare(request)
      const { close, pull } = yield* Delivery.deliver({
        transport,
        ...mode,
        body,
        repairs,
        attemptOptions,
        policy: settings.retry,
        schedule: settings.retrySchedule,
        discardReasoning: settings.discardReasoning,
        keepItems: request.keepItems ?? false,
        onRateLimits: (limits) => watch.unsafeUpdate(limits),
        onResponse: ({ modelsEtag }) => (modelsEtag === undefined ? Effect.void : catalogue.sawEtag(modelsEtag))
      })
      const explained = Effect.catchAll(pull, (error) =>
        Effect.flatMap(explain(error, body, model, attemptOptions.deadline), Effect.fail)
      )
      if (repairs.length === 0) return { close, pull: explained }
      let announced = false
      const first: Delivery.Delivered = { _tag: "RequestRepaired", repairs }
      return {
        close,
        pull: Effect.suspend(() => {
          if (announced) return explained
          announced = true
          return Effect.succeed([first])
        })
      }
    })

  const turn: Service["turn"] = (request) =>
    Tracing.withSpan("Codex.turn")(
      Effect.flatMap(deliver(request, { onceShown: "restart", isShown: never, onlyEnd: true }), ({ close, pull }) => {
        const last: Effect.Effect<Turn.Turn, CodexError> = Effect.flatMap(pull, (events) => {
          const end = events.at(-1)
          return end?._tag === "TurnCompleted" ? Effect.succeed(end.turn) : last
        })
        return Effect.ensuring(last, close)
      })
    )

  return {
    stream: ((
      request: Request,
      {
        onceShown = "restart",
        shown = "everything"
      }: { onceShown?: "fail" | "restart" | undefined; shown?: Shown | undefined } = {}
    ) =>
      Pulling.toStream(deliver(request, { onceShown, isShown: showing[shown], onlyEnd: false }))) as Service["stream"],
    text: (request) =>
      Stream.mapChunks(
        Pulling.toStream(deliver(request, { onceShown: "fail", isShown: isText, onlyEnd: false })),
        Chunk.filterMap((event) => (event._tag === "TextDelta" ? Option.some(event.delta) : Option.none()))
      ),
    turn,
    object: (request, schema, options) =>
      Effect.gen(function* () {
        const output = yield* OutputFormat.make({ name: options?.name ?? "answer", schema })
        return yield* output.decode(yield* turn({ ...request, output }))
      }),
    connect: (request, { warmUp = false } = {}) =>
      Effect.gen(function* () {
        // a request needs input, and the conversation may have none yet
        const { attemptOptions, body } = yield* prepare({ ...request, prompt: "?" })
        const { conversationId } = request
        const options = { ...attemptOptions, conversationId, warmUp }
        yield* Effect.addFinalizer(() => transport.disconnect(options))
        const response = yield* transport.connect({ ...body, input: body.input.slice(0, -1) }, options)
        if (response?.modelsEtag !== undefined) yield* catalogue.sawEtag(response.modelsEtag)
      }),
    models: catalogue.get,
    usage: Effect.gen(function* () {
      const { json } = yield* transport.get("/wham/usage")
      return RateLimits.fromUsage(json, yield* Clock.currentTimeMillis)
    })
  }
})

/**
 * The client, and two services to observe it: the plan's rate limits, and the last failed exchange.
 *
 * @since 0.1.0
 * @category models
 */
export type Parts =
  | Codex
  | CodexTransport.CodexTransport
  | RateLimitWatch.RateLimitWatch
  | FailureCapture.FailureCapture

/**
 * The client over a `Carrier`. On Node the carrier of `@effect-codex/transport/node` is the fastest.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerCarrier: Layer.Layer<Parts, never, CodexConfig.CodexConfig | CodexAuth.CodexAuth | Carrier.Carrier> =
  Layer.provideMerge(Layer.effect(Codex, make), CodexTransport.layer)

/**
 * The client over any `HttpClient`. Middleware of that `HttpClient` sees every request. Provide the configuration with
 * `CodexConfig.layer` or `CodexConfig.layerConfig`, and the login with a Layer of `@effect-codex/auth`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { FetchHttpClient } from "@effect/platform"
 * import { CodexAuth } from "@effect-codex/auth"
 * import { Layer, Redacted } from "effect"
 * import { Codex, CodexConfig } from "effect-codex"
 *
 * const CodexLive = Codex.layer.pipe(
 *   Layer.provide(CodexConfig.layer({ model: "gpt-5.5" })),
 *   Layer.provide(CodexAuth.layerToken({ accessToken: Redacted.make("…") })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * ```
 */
export const layer: Layer.Layer<Parts, never, CodexConfig.CodexConfig | CodexAuth.CodexAuth | HttpClient.HttpClient> =
  Layer.provide(layerCarrier, Carrier.layerHttpClient)
