/**
 * Lets the model use tools until it is done: ask, carry out the calls, answer, ask again. It is for programs that keep no
 * conversation; `Conversation.run` does the same and remembers.
 *
 * A call is carried out only when its whole turn has come to a good end, and once. Whatever goes wrong with a call (unknown
 * name, arguments that do not fit, a handler that fails) is answered to the model in words, and told to the program as a
 * typed event.
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
 * A call is about to be carried out.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolStarted {
  readonly _tag: "ToolStarted"
  readonly call: Turn.ToolCall
}

/**
 * What a handler reported while it ran.
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
 * A call was carried out; `output` is what the model gets.
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
 * A call failed; the model gets the error's message.
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
 * The model is done: its last turn, what all turns cost, how many requests there were, and the whole history.
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
 * Everything a loop can tell: the events of its turns and those of its tools.
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
 * The answer to whether a call may be carried out. The model is told the reason of a denial.
 *
 * @since 0.1.0
 * @category models
 */
export type Approval = "run" | { readonly deny: string }

/**
 * The limits of a loop, and who decides about its calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits<out R = never> {
  /** How many requests at the most; default 32. */
  readonly maxSteps?: number | undefined
  /** After how many tokens, of all turns together, no further request is made; default none. */
  readonly maxTokens?: number | undefined
  /** How long the whole loop may take, its tools included; default none. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** How many calls of one turn are carried out at once; default 8. */
  readonly concurrency?: number | undefined
  /** Decides about each call before it is carried out, one call at a time; default all run. */
  readonly approve?: ((call: Turn.ToolCall) => Effect.Effect<Approval, never, R>) | undefined
}

/**
 * A tool of a loop: one with a handler, or one that is only declared, such as a web search of the server's.
 *
 * @since 0.1.0
 * @category models
 */
export type LoopTool<E, R> = Handler<E, R> | TurnRequest.ToolLike

/**
 * What to ask, with which tools, within which limits.
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
 * Runs the loop, as a stream that ends with `LoopCompleted`. Interrupting it interrupts the tools that run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = <E = never, R = never>(
  options: Options<E, R>
): Stream.Stream<LoopEvent<E>, CodexError | LoopLimitReached, Codex.Codex | R> =>
  Stream.unwrap(Effect.map(make(options), Loop.stream))

/**
 * Runs the loop to its end, for programs that show nothing before. It costs less than {@link run}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const complete = <E = never, R = never>(
  options: Options<E, R>
): Effect.Effect<LoopCompleted, CodexError | LoopLimitReached, Codex.Codex | R> =>
  Effect.flatMap(make(options), Loop.complete)
