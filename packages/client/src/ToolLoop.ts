/**
 * Runs tool calls until the model is done: send a request, execute the calls, send the results, repeat. For programs
 * without a conversation. `Conversation.run` does the same and keeps the history.
 *
 * A call is executed once, and only after its turn has completed successfully. If a call fails (unknown name, invalid
 * arguments, a failing handler), the model receives the error message and the program receives a typed event.
 *
 * @since 0.1.0
 */
import type { History, Turn, TurnEvent, TurnRequest, Usage } from "@effect-codex/schema"
import { Message } from "@effect-codex/schema"
import { ConversationId } from "@effect-codex/transport"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Codex from "./Codex.ts"
import type { CodexError } from "./CodexError.ts"
import * as Loop from "./internal/loop.ts"
import type { LoopLimitReached, ToolError } from "./ToolError.ts"
import type { Handler, Output } from "./Toolkit.ts"

/**
 * A call is about to be executed.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolStarted {
  readonly _tag: "ToolStarted"
  readonly call: Turn.ToolCall
}

/**
 * Progress reported by a handler.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolProgress {
  readonly _tag: "ToolProgress"
  readonly call: Turn.ToolCall
  readonly progress: unknown
}

/**
 * A call succeeded. The model receives `output`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolSucceeded {
  readonly _tag: "ToolSucceeded"
  readonly call: Turn.ToolCall
  readonly output: Output
}

/**
 * A call failed. The model receives the error message.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolFailed<out E> {
  readonly _tag: "ToolFailed"
  readonly call: Turn.ToolCall
  readonly error: E
}

/**
 * The model is done. Contains its last turn, the usage of all turns, the number of requests, and the whole history.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoopCompleted {
  readonly _tag: "LoopCompleted"
  readonly turn: Turn.Turn
  readonly usage: Usage.Usage
  readonly steps: number
  readonly items: ReadonlyArray<History.Entry>
}

/**
 * All events of a loop: those of its turns and those of its tools.
 *
 * @since 0.1.0
 * @category models
 */
export type LoopEvent<E> =
  | TurnEvent.TurnEvent
  | TurnEvent.TurnRestarted
  | ToolStarted
  | ToolProgress
  | ToolSucceeded
  | ToolFailed<E | ToolError>
  | LoopCompleted

/**
 * Whether a call may run. The model receives the reason of a denial.
 *
 * @since 0.1.0
 * @category models
 */
export type Approval = "run" | { readonly deny: string }

/**
 * The limits of a loop, and the approval of its calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits<out R = never> {
  /** The maximum number of requests. Default: 32. */
  readonly maxSteps?: number | undefined
  /** No further request is sent after this many tokens in all turns together. Default: no limit. */
  readonly maxTokens?: number | undefined
  /**
   * The time limit of the whole loop, including its tools. A handler that cannot be interrupted runs to its end. Default:
   * none.
   */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** How many calls of one turn run concurrently. Default: 8. */
  readonly concurrency?: number | undefined
  /** Approves or denies each call before it runs, one call at a time. Default: all calls run. */
  readonly approve?: ((call: Turn.ToolCall) => Effect.Effect<Approval, never, R>) | undefined
}

/**
 * A tool of a loop: one with a handler, or one that is only declared, such as the server's web search.
 *
 * @since 0.1.0
 * @category models
 */
export type LoopTool<E, R> = Handler<E, R> | TurnRequest.ToolLike

/**
 * The request, the tools and the limits.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<E, R> extends Omit<Codex.Request, "tools" | "routingToken" | "timeLimit">, Limits<R> {
  readonly tools: ReadonlyArray<LoopTool<E, R>>
}

const make = <E, R>({
  approve,
  concurrency,
  conversationId,
  input = [],
  maxSteps,
  maxTokens,
  prompt,
  timeLimit,
  tools,
  ...request
}: Options<E, R>) =>
  Effect.gen(function* () {
    const codex = yield* Codex.Codex
    const entries = prompt === undefined ? input : [...input, Message.user(prompt)]
    return yield* Loop.make<E, R, never>({
      codex,
      request: { ...request, conversationId: conversationId ?? (yield* ConversationId.random) },
      tools,
      limits: { approve, concurrency, maxSteps, maxTokens, timeLimit },
      entries,
      routingToken: undefined,
      keep: () => {},
      save: Effect.void
    })
  })

/**
 * Runs the loop as a stream that ends with `LoopCompleted`. Interrupting the stream interrupts the running tools.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = <E = never, R = never>(
  options: Options<E, R>
): Stream.Stream<LoopEvent<E>, CodexError | LoopLimitReached, Codex.Codex | R> =>
  Stream.unwrap(Effect.map(make(options), Loop.stream))

/**
 * Runs the loop and returns only its result. Cheaper than {@link run}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const complete = <E = never, R = never>(
  options: Options<E, R>
): Effect.Effect<LoopCompleted, CodexError | LoopLimitReached, Codex.Codex | R> =>
  Effect.flatMap(make(options), Loop.complete)
