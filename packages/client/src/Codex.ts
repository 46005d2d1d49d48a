/**
 * The client: one service that asks the ChatGPT Codex backend for a turn, in whatever form it is wanted.
 *
 * @since 0.1.0
 */

import type * as HttpClient from "@effect/platform/HttpClient"
import type { CodexAuth } from "@effect-codex/auth"
import type { Turn, TurnEvent } from "@effect-codex/schema"
import { TurnRequest } from "@effect-codex/schema"
import { StreamError } from "@effect-codex/stream"
import { CodexConfig, CodexTransport, ConversationId, type TransportError } from "@effect-codex/transport"
import * as Clock from "effect/Clock"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
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
  /** The `turnState` of the {@link TurnEvent.TurnCompleted} this request goes on from, when it answers its tool calls. */
  readonly turnState?: Redacted.Redacted<string>
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
  const background = yield* Effect.scope

  const prepare = Effect.fnUntraced(function* (request: Request) {
    const settings = request.config === undefined ? config : yield* CodexConfig.override(config, request.config)
    const conversationId = request.conversationId ?? (yield* ConversationId.random)
    const { reasoning, ...defaults } = settings
    const { body } = yield* TurnRequest.compile(
      { cacheKey: conversationId, ...request },
      { ...defaults, ...(reasoning !== undefined && { reasoning: { ...reasoning } }) }
    )
    const total = request.deadline ?? settings.timeouts.total
    const now = yield* Clock.currentTimeMillis
    const attemptOptions: CodexTransport.AttemptOptions = {
      conversationId,
      ...(request.config !== undefined && { overrides: request.config }),
      ...(request.turnState !== undefined && { turnState: request.turnState }),
      ...(total !== undefined && { deadline: now + Duration.toMillis(total) })
    }
    return { body, attemptOptions, policy: settings.retry, schedule: settings.retrySchedule }
  })

  const deliver = (
    request: Request,
    mode: "fail" | "restart",
    shows: (event: TurnEvent.TurnEvent) => boolean
  ): Stream.Stream<Delivery.Delivered, CodexError> =>
    Stream.unwrap(
      Effect.map(prepare(request), (prepared) => Delivery.deliver({ ...prepared, transport, mode, shows, background }))
    )

  return {
    stream: ((request: Request, options?: { readonly delivery?: "fail" | "restart" }) =>
      deliver(request, options?.delivery ?? "restart", all)) as Codex.Service["stream"],
    text: (request) =>
      Stream.mapConcat(deliver(request, "fail", text), (event) => (event._tag === "TextDelta" ? [event.delta] : [])),
    turn: Effect.fn("Codex.turn")(function* (request) {
      let turn: Turn.Turn | undefined
      yield* Stream.runForEachChunk(deliver(request, "restart", nothing), (events) =>
        Effect.sync(() => {
          for (const event of events) if (event._tag === "TurnCompleted") turn = event.turn
        })
      )
      return turn ?? (yield* new StreamError.StreamTruncated({ bytes: 0, events: 0 }))
    })
  }
})

/**
 * The client over a transport that is there already.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTransport: Layer.Layer<Codex, never, CodexTransport.CodexTransport | CodexConfig.CodexConfig> =
  Layer.scoped(Codex, make)

/**
 * The client with its transport, from options over the defaults. What it still needs is a login and an HTTP client.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: CodexConfig.Options
): Layer.Layer<Codex, TransportError.InvalidConfig, CodexAuth.CodexAuth | HttpClient.HttpClient> =>
  wire(CodexConfig.layer(options))

/**
 * The client with its transport, configured from the environment (see `CodexConfig.config`).
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<
  Codex,
  TransportError.InvalidConfig | ConfigError.ConfigError,
  CodexAuth.CodexAuth | HttpClient.HttpClient
> = Layer.suspend(() => wire(CodexConfig.layerConfig))

const wire = <E>(
  config: Layer.Layer<CodexConfig.CodexConfig, E>
): Layer.Layer<Codex, E, CodexAuth.CodexAuth | HttpClient.HttpClient> =>
  layerTransport.pipe(Layer.provide(CodexTransport.layer), Layer.provide(config))
