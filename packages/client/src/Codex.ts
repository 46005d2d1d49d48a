/**
 * The client: one service that asks the ChatGPT Codex backend for a turn, in whatever form it is wanted.
 *
 * @since 0.1.0
 */

import type * as HttpClient from "@effect/platform/HttpClient"
import type { CodexAuth } from "@effect-codex/auth"
import {
  type JsonSchema,
  type Model,
  ModelCatalogue,
  OutputFormat,
  RateLimits,
  type ResponsesRequest,
  ServiceError,
  type Turn,
  type TurnEvent,
  TurnRequest
} from "@effect-codex/schema"
import { StreamError } from "@effect-codex/stream"
import {
  CodexConfig,
  CodexTransport,
  ConversationId,
  type FailureCapture,
  RateLimitWatch,
  type TransportError
} from "@effect-codex/transport"
import * as Clock from "effect/Clock"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Catalogue from "./Catalogue.ts"
import type { CodexError } from "./CodexError.ts"
import * as Delivery from "./internal/delivery.ts"

/**
 * The client.
 *
 * @since 0.1.0
 * @category tags
 */
export class Codex extends Context.Tag("effect-codex/Codex")<Codex, Codex.Service>() {}

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
  readonly conversationId?: string
  /** Settings that hold for this request only. */
  readonly config?: CodexConfig.Options
  /** How long the whole request may take, retries included; no retry is waited for that would end later. */
  readonly deadline?: Duration.DurationInput
  /** The `routingToken` of the {@link TurnEvent.TurnCompleted} this request goes on from, when it answers its tool calls. */
  readonly routingToken?: Redacted.Redacted<string>
  /**
   * Whether a retry goes on from the items the broken attempt had finished, instead of asking for everything again.
   * Default `false`.
   */
  readonly keepItems?: boolean
}

/**
 * @since 0.1.0
 */
export declare namespace Codex {
  /**
   * @since 0.1.0
   * @category models
   */
  interface Service {
    /**
     * A turn as it comes. When an attempt breaks after it has shown something and may be tried again, the stream says
     * `TurnRestarted` and begins anew: drop what was shown. With `delivery: "fail"` it fails instead, and the error has
     * what had arrived in `partial`.
     */
    readonly stream: {
      (request: Request, options: { readonly delivery: "fail" }): Stream.Stream<TurnEvent.TurnEvent, CodexError>
      (
        request: Request,
        options?: { readonly delivery?: "restart" }
      ): Stream.Stream<TurnEvent.TurnEvent | TurnEvent.TurnRestarted, CodexError>
    }
    /** The finished turn. Broken attempts are tried again without anybody having seen them. */
    readonly turn: (request: Request) => Effect.Effect<Turn.Turn, CodexError>
    /** The text of the answer as it comes. It is never begun anew: after the first word a failure is a failure. */
    readonly text: (request: Request) => Stream.Stream<string, CodexError>
    /**
     * The answer as a value of the schema, by structured output. A schema that JSON Schema cannot say fails before
     * anything is sent; an answer that does not fit, a refusal and an answer that was cut off are `InvalidOutput`.
     */
    readonly object: <A, I>(
      request: Omit<Request, "output">,
      schema: Schema.Schema<A, I>,
      options?: { readonly name?: string }
    ) => Effect.Effect<A, CodexError | OutputFormat.InvalidOutput | JsonSchema.UnsupportedSchema>
    /** The models of the account, kept for a while; the bundled list while the server's cannot be had. */
    readonly models: Effect.Effect<Catalogue.Catalogue>
    /** How much of the plan's limits is used, asked of the server. */
    readonly usage: Effect.Effect<RateLimits.RateLimits, CodexError>
  }
}

const all = () => true
const text = (event: TurnEvent.TurnEvent) => event._tag === "TextDelta"
const nothing = () => false

/**
 * The client over a transport and its configuration. The scope is where the ends of finished bodies are read.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  Codex.Service,
  never,
  CodexTransport.CodexTransport | CodexConfig.CodexConfig | Scope.Scope
> = Effect.gen(function* () {
  const transport = yield* CodexTransport.CodexTransport
  const config = yield* CodexConfig.CodexConfig
  const watch = yield* Effect.serviceOption(RateLimitWatch.RateLimitWatch)
  const background = yield* Effect.scope

  const catalogue = yield* Catalogue.make(transport, config.clientVersion)

  const prepare = Effect.fnUntraced(function* (request: Request) {
    const settings = request.config === undefined ? config : yield* CodexConfig.override(config, request.config)
    const conversationId = request.conversationId ?? (yield* ConversationId.random)
    if (!ConversationId.isConversationId(conversationId)) {
      const problems = ["A conversation id is 1 to 64 visible ASCII characters, such as a UUID."]
      return yield* new ServiceError.InvalidRequest({ param: "conversationId", problems })
    }
    const { models } = yield* catalogue.known
    const model = ModelCatalogue.resolve(models, request.model ?? settings.model)
    const { reasoning, ...defaults } = settings
    const compiled = yield* TurnRequest.compile(
      { cacheKey: conversationId, ...request },
      { ...defaults, models, ...(reasoning !== undefined && { reasoning: { ...reasoning } }) }
    )
    const { body, repairs } = compiled
    // a variant that is only named like a listed model may have another window
    yield* checkSize(body, ModelCatalogue.get(models, body.model))
    const now = yield* Clock.currentTimeMillis
    const deadline = CodexConfig.deadline(
      settings,
      now,
      request.deadline === undefined ? undefined : now + Duration.toMillis(request.deadline)
    )
    const attemptOptions: CodexTransport.AttemptOptions = {
      conversationId,
      ...(request.config !== undefined && { overrides: request.config }),
      ...(request.routingToken !== undefined && { routingToken: request.routingToken }),
      ...(deadline !== undefined && { deadline })
    }
    const { discardReasoning, retry: policy, retrySchedule: schedule } = settings
    return { body, model, repairs, attemptOptions, policy, schedule, discardReasoning }
  })

  /** Adds what the catalogue knows to the failures it can explain. */
  const explain = (
    error: CodexError,
    body: ResponsesRequest.ResponsesRequest,
    model: Model.Model | undefined
  ): Effect.Effect<CodexError> => {
    switch (error._tag) {
      case "ModelUnavailable":
        return Effect.map(
          catalogue.get,
          ({ models, source }) =>
            new ServiceError.ModelUnavailable({
              ...ServiceError.failure({ ...error, message: error.serverMessage }),
              model: body.model,
              ...(source === "server" && { available: ModelCatalogue.listed(models).map(({ slug }) => slug) })
            })
        )
      case "ContextWindowExceeded":
        return Effect.succeed(
          typeof model?.context_window === "number" && error.contextWindow === undefined
            ? new ServiceError.ContextWindowExceeded({
                ...ServiceError.failure({ ...error, message: error.serverMessage }),
                contextWindow: model.context_window,
                inputTokens: leastTokens(body)
              })
            : error
        )
      default:
        return Effect.succeed(error)
    }
  }

  /** A turn to be pulled, and what was changed about its request. */
  const begin = Effect.fnUntraced(function* (
    request: Request,
    mode: "fail" | "restart",
    shows: (event: TurnEvent.TurnEvent) => boolean
  ) {
    const { model, repairs, ...prepared } = yield* prepare(request)
    const pull = yield* Delivery.deliver({
      ...prepared,
      transport,
      mode,
      shows,
      background,
      keepItems: request.keepItems ?? false,
      onRateLimits: (limits) => (Option.isSome(watch) ? watch.value.update(limits) : Effect.void),
      onResponse: ({ modelsEtag }) => (modelsEtag === undefined ? Effect.void : catalogue.sawEtag(modelsEtag))
    })
    const explained: Delivery.Pull = Effect.catchAll(pull, (end) =>
      Option.isNone(end)
        ? Effect.fail(end)
        : Effect.flatMap(explain(end.value, prepared.body, model), (error) => Effect.fail(Option.some(error)))
    )
    return { repairs, pull: explained }
  })

  const deliver = (
    request: Request,
    mode: "fail" | "restart",
    shows: (event: TurnEvent.TurnEvent) => boolean
  ): Stream.Stream<Delivery.Delivered, CodexError> =>
    Stream.unwrapScoped(
      Effect.map(begin(request, mode, shows), ({ pull, repairs }) => {
        const turn = Stream.repeatEffectChunkOption(pull)
        return repairs.length === 0
          ? turn
          : Stream.concat(Stream.succeed<Delivery.Delivered>({ _tag: "RequestRepaired", repairs }), turn)
      })
    )

  // pulled without a stream, whose start and end cost more than a small turn does
  const turn = Effect.fn("Codex.turn")(function* (
    request: Request
  ): Effect.fn.Return<Turn.Turn, CodexError, Scope.Scope> {
    const { pull } = yield* begin(request, "restart", nothing)
    while (true) {
      const events = yield* Effect.mapError(
        pull,
        Option.getOrElse(() => new StreamError.StreamTruncated({ bytes: 0, events: 0 }))
      )
      for (const event of events) if (event._tag === "TurnCompleted") return event.turn
    }
  }, Effect.scoped)

  return {
    stream: ((request: Request, options?: { readonly delivery?: "fail" | "restart" }) =>
      deliver(request, options?.delivery ?? "restart", all)) as Codex.Service["stream"],
    text: (request) =>
      Stream.mapConcat(deliver(request, "fail", text), (event) => (event._tag === "TextDelta" ? [event.delta] : [])),
    turn,
    object: Effect.fn("Codex.object")(function* (request, schema, options) {
      const output = yield* OutputFormat.make({ name: options?.name ?? "answer", schema })
      return yield* output.decode(yield* turn({ ...request, output }))
    }),
    models: catalogue.get,
    usage: Effect.gen(function* () {
      const { json } = yield* transport.get("/wham/usage")
      return RateLimits.fromUsage(json, yield* Clock.currentTimeMillis)
    }).pipe(Effect.withSpan("Codex.usage"))
  }
})

/** More characters than a token has on average in any language; images and documents count by their own rules. */
const charactersPerToken = 8

/** How many tokens the texts of the request are at the least. */
const leastTokens = (body: ResponsesRequest.ResponsesRequest, lengthOf = (text: string) => text.length): number => {
  const texts = body.input.flatMap((item) => {
    switch (item.type) {
      case "message":
        return item.content.map((part) => ("text" in part && typeof part.text === "string" ? part.text : ""))
      case "function_call":
        return [item.arguments]
      case "function_call_output":
      case "custom_tool_call_output":
        return [typeof item.output === "string" ? item.output : ""]
      default:
        return []
    }
  })
  const length = texts.reduce((sum, text) => sum + lengthOf(text), lengthOf(body.instructions))
  return Math.ceil(length / charactersPerToken)
}

/** The length with every run of one character, which can be a single token, no longer than twice a token. */
const lengthWithoutRuns = (text: string): number => text.replaceAll(/(.)\1{7}(?=\1)/gs, "").length

/** Refuses what cannot fit even into the model's largest window, without sending it. */
const checkSize = (
  body: ResponsesRequest.ResponsesRequest,
  model: Model.Model | undefined
): Effect.Effect<void, ServiceError.ContextWindowExceeded> => {
  const contextWindow = model?.max_context_window ?? model?.context_window
  if (typeof contextWindow !== "number" || leastTokens(body) <= contextWindow) return Effect.void
  const inputTokens = leastTokens(body, lengthWithoutRuns)
  return inputTokens <= contextWindow
    ? Effect.void
    : Effect.fail(new ServiceError.ContextWindowExceeded({ contextWindow, inputTokens }))
}

/**
 * The client over a transport that is there already.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTransport: Layer.Layer<Codex, never, CodexTransport.CodexTransport | CodexConfig.CodexConfig> =
  Layer.scoped(Codex, make)

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
 * The client with its transport, from options over the defaults. What it still needs is a login and an HTTP client.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: CodexConfig.Options
): Layer.Layer<Parts, TransportError.InvalidConfig, CodexAuth.CodexAuth | HttpClient.HttpClient> =>
  layerWith(CodexConfig.layer(options))

/**
 * The client with its transport, configured from the environment (see `CodexConfig.config`).
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<
  Parts,
  TransportError.InvalidConfig | ConfigError.ConfigError,
  CodexAuth.CodexAuth | HttpClient.HttpClient
> = Layer.suspend(() => layerWith(CodexConfig.layerConfig))

/**
 * The client with its transport over a Layer that gives the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWith = <E, R>(
  config: Layer.Layer<CodexConfig.CodexConfig, E, R>
): Layer.Layer<Parts, E, R | CodexAuth.CodexAuth | HttpClient.HttpClient> =>
  layerTransport.pipe(Layer.provideMerge(CodexTransport.layer), Layer.provide(config))
