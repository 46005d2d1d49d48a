/**
 * The client: one service that asks the ChatGPT Codex backend for a turn, in whatever form it is wanted.
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
 * The client.
 *
 * @since 0.1.0
 * @category tags
 */
export class Codex extends Context.Tag("effect-codex/Codex")<Codex, Service>() {}

/**
 * What to ask for, and how to ask for this once. As small as `{ prompt: "…" }`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request extends TurnRequest.TurnRequest {
  /**
   * Which conversation the request belongs to; a new one when absent. One id is the session, the thread and the prompt
   * cache key, so that the server finds what it has cached.
   */
  readonly conversationId?: string | undefined
  /** Settings that hold for this request only. */
  readonly config?: CodexConfig.Options | undefined
  /** How long the whole request may take, retries included; no retry is waited for that would end later. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** The `routingToken` of the turn this request goes on from, when it answers the turn's tool calls. */
  readonly routingToken?: RoutingToken.RoutingToken | undefined
  /**
   * Whether a retry goes on from the items the broken attempt had finished, instead of asking for everything again.
   * Default `false`.
   */
  readonly keepItems?: boolean | undefined
}

/**
 * Which events of a stream a person gets to see, so that a retry may not repeat them.
 *
 * @since 0.1.0
 * @category models
 */
export type Shown = "everything" | "text" | "nothing"

/**
 * What is done ahead of a turn.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectOptions {
  /**
   * Sends the request without its answer (`generate: false`), so that the first turn sends only what is new. It may count
   * as a request. Default: `false`.
   */
  readonly warmUp?: boolean | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * A turn as it comes. When an attempt breaks after something was shown and may be tried again, the stream says
   * `TurnRestarted` and starts over: drop what was shown. With `onceShown: "fail"` it fails instead, and the error has
   * what had arrived in `partial`. Shown means what a person could have seen: text, reasoning, refusals, calls, items; a
   * silent retry may repeat `TurnStarted`.
   *
   * A program that shows less of the events can have more retries be silent: with `shown: "text"` only text and refusals
   * count as shown, with `shown: "nothing"` nothing does, for a program that waits for the end. What came before
   * a silent retry is then repeated after another `TurnStarted`.
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
  /** The finished turn. Broken attempts are retried without anybody having seen them. */
  readonly turn: (request: Request) => Effect.Effect<Turn.Turn, CodexError>
  /** The text of the answer as it comes. It never starts over: after the first word a failure is a failure. */
  readonly text: (request: Request) => Stream.Stream<string, CodexError>
  /**
   * The answer as a value of the schema, by structured output. A schema that JSON Schema cannot express fails before
   * anything is sent; an answer that does not fit, a refusal and an answer that was cut off are `InvalidOutput`.
   */
  readonly object: <A, I>(
    request: Omit<Request, "output">,
    schema: Schema.Schema<A, I>,
    options?: { readonly name?: string | undefined }
  ) => Effect.Effect<A, CodexError | OutputFormat.InvalidOutput | JsonSchema.UnsupportedSchema>
  /**
   * Opens the WebSocket of a conversation, so that its first turn does not wait for the handshake; with `warmUp` the server
   * also reads instructions, tools and input ahead. The conversation's WebSocket is closed with the scope; one with a turn
   * on it, when the turn is over. Does nothing where turns go by server-sent events.
   */
  readonly connect: (
    request: Request & { readonly conversationId: string },
    options?: ConnectOptions
  ) => Effect.Effect<void, CodexError, Scope.Scope>
  /** The models of the account, kept for a while; the bundled list while the server's cannot be had. */
  readonly models: Effect.Effect<Catalogue.Catalogue>
  /** How much of the plan's limits is used, asked of the server. */
  readonly usage: Effect.Effect<RateLimits.RateLimits, CodexError>
}

const never = () => false
const isText = (event: TurnEvent.TurnEvent) => event._tag === "TextDelta"
const isTextOrRefusal = (event: TurnEvent.TurnEvent) => event._tag === "TextDelta" || event._tag === "RefusalDelta"

/** What a person could have seen, or a program acted upon. */
const isVisible = (event: TurnEvent.TurnEvent): boolean => {
  switch (event._tag) {
    case "RequestRepaired":
    case "TurnStarted":
    case "UsageReported":
    case "RateLimitsUpdated":
    case "TurnCompleted":
      return false
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
 * The client over a transport and its configuration.
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

  /** Compiles and checks a request. Nothing is sent. */
  const prepare = (request: Request) =>
    Effect.gen(function* () {
      const settings = request.config === undefined ? config : yield* CodexConfig.override(config, request.config)
      const conversationId = request.conversationId ?? (yield* ConversationId.random)
      if (!ConversationId.isConversationId(conversationId)) {
        const problems = ["A conversation id is 1 to 64 visible ASCII characters, such as a UUID."]
        return yield* new ServiceError.InvalidRequest({ param: "conversationId", problems })
      }
      const { models } = yield* catalogue.known
      // only what was tagged can be known to come from another account
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
      // a variant that is only named like a listed model may have another window
      yield* ContextSize.check(body, ModelCatalogue.get(models, body.model))
      const now = yield* Clock.currentTimeMillis
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

  /** Adds what the catalogue knows to the failures it can explain, within the time the call has left. */
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
        // a request needs input, and there may be none yet
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
 * The client and the parts of it a program may want to watch: what is known of the plan's limits, and the last exchange
 * that failed.
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
 * The client over a `Carrier`. On Node the carrier of `@effect-codex/transport/node` costs least.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerCarrier: Layer.Layer<Parts, never, CodexConfig.CodexConfig | CodexAuth.CodexAuth | Carrier.Carrier> =
  Layer.provideMerge(Layer.effect(Codex, make), CodexTransport.layer)

/**
 * The client over any `HttpClient`: whatever the client was wrapped in sees every request. The configuration is chosen by
 * `CodexConfig.layer` or `CodexConfig.layerConfig`, the login by a Layer of `@effect-codex/auth`.
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
