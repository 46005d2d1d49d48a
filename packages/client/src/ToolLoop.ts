/**
 * Lets the model use tools until it is done: ask, carry out the calls, answer, ask again.
 *
 * A call is carried out only when its whole turn has come to a good end. Whatever goes wrong with a call (unknown name,
 * arguments that do not fit, a handler that fails) is answered to the model in words, and told to the program as a
 * typed event.
 *
 * @since 0.1.0
 */
import type { History, RoutingToken, Tool, Turn, TurnEvent } from "@effect-codex/schema"
import { Failure, Message, Usage } from "@effect-codex/schema"
import { ConversationId } from "@effect-codex/transport"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Codex from "./Codex.ts"
import type { CodexError } from "./CodexError.ts"
import * as FollowUp from "./internal/followUp.ts"

/**
 * What a handler gives back: text, or parts when there are images or documents to show.
 *
 * @since 0.1.0
 * @category models
 */
export type Output = string | ReadonlyArray<Message.Content>

/**
 * A tool with what carries it out.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handler<out E = never, out R = never> {
  readonly tool: Pick<Tool.Tool<unknown>, "name" | "spec">
  readonly handle: (call: Turn.ToolCall) => Effect.Effect<Output, E | Tool.InvalidToolArguments, R>
}

/**
 * Joins a tool and its handler, which gets the decoded arguments. A handler that may take long takes a time limit of
 * its own (`Effect.timeout`), and its failure is then answered like any other.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Tool } from "@effect-codex/schema"
 * import { ToolLoop } from "effect-codex"
 * import { Effect, Schema } from "effect"
 *
 * const clock = Effect.map(
 *   Tool.make({ name: "clock", parameters: Schema.Struct({ zone: Schema.String }) }),
 *   (tool) => ToolLoop.handler(tool, ({ zone }) => Effect.succeed(`It is noon in ${zone}.`))
 * )
 * ```
 */
export const handler = <A, E, R>(
  tool: Tool.Tool<A>,
  handle: (args: A, call: Turn.ToolCall) => Effect.Effect<Output, E, R>
): Handler<E, R> => ({
  tool,
  handle: (call) => Effect.flatMap(tool.decode(call), (args) => handle(args, call))
})

/**
 * The model called a tool that is not there: no tool has this name, kind and namespace.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownTool extends Failure.Class<UnknownTool>("effect-codex/UnknownTool")("UnknownTool", {
  name: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `There is no tool named "${this.name}". The tools are: ${this.known.join(", ")}.`
  }
}

/**
 * A call was not given to its handler: its arguments cannot be read (`unreadable`), or a call with the same id was
 * carried out before (`repeated`).
 *
 * @since 0.1.0
 * @category errors
 */
export class CallRejected extends Failure.Class<CallRejected>("effect-codex/CallRejected")("CallRejected", {
  name: Schema.String,
  reason: Schema.Literal("unreadable", "repeated")
}) {
  override get message(): string {
    return this.reason === "repeated"
      ? `The call of "${this.name}" repeats an earlier call; it was not carried out again.`
      : `The arguments of the call of "${this.name}" cannot be read; call it again with its arguments as one JSON object.`
  }
}

/**
 * A handler ended without a result: it has a bug (`defect`, in `cause`), interrupted itself (`interrupted`), or its output
 * cannot be sent (`output`; `problem` says why). The model gets the message, never the cause.
 *
 * @since 0.1.0
 * @category errors
 */
export class HandlerFailed extends Failure.Class<HandlerFailed>("effect-codex/HandlerFailed")("HandlerFailed", {
  name: Schema.String,
  reason: Schema.Literal("defect", "interrupted", "output"),
  problem: Schema.optionalWith(Schema.String, { exact: true }),
  cause: Schema.optionalWith(Schema.Defect, { exact: true })
}) {
  override get message(): string {
    const what = {
      defect: "failed unexpectedly",
      interrupted: "was interrupted",
      output: `gave an output that cannot be sent: ${this.problem ?? "neither text nor parts"}`
    }[this.reason]
    return `The tool "${this.name}" ${what}.`
  }
}

/**
 * What can come of a call besides the failures of its handler.
 *
 * @since 0.1.0
 * @category errors
 */
export type CallError = Tool.InvalidToolArguments | UnknownTool | CallRejected | HandlerFailed

/**
 * The loop reached its limit before the model was done. `items` is the history so far, to go on from.
 *
 * @since 0.1.0
 * @category errors
 */
export class LoopLimitReached extends Failure.Class<LoopLimitReached>("effect-codex/LoopLimitReached")(
  "LoopLimitReached",
  {
    limit: Schema.Literal("steps", "tokens", "time"),
    steps: Schema.Number,
    items: Schema.Redacted(Schema.Array(Schema.Unknown))
  }
) {
  override get message(): string {
    const what = { steps: "maxSteps", tokens: "maxTokens", time: "timeLimit" }[this.limit]
    return `The model was not done after ${this.steps} requests; raise ${what}, or ask for less.`
  }
}

/**
 * A call is being carried out.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolStarted {
  readonly _tag: "ToolStarted"
  readonly call: Turn.ToolCall
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
 * The model is done: its last turn, what all turns cost, how many there were, and the whole history.
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
  | ToolSucceeded
  | ToolFailed<E | CallError>
  | LoopCompleted

/**
 * What to ask, with which tools, within which limits.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<E, R> extends Omit<Codex.Request, "tools" | "routingToken" | "timeLimit"> {
  readonly tools: ReadonlyArray<Handler<E, R>>
  /** How many requests at the most; default 32. */
  readonly maxSteps?: number
  /** After how many tokens, of all turns together, no further request is made; default none. */
  readonly maxTokens?: number
  /** How long the whole loop may take, its tools included; default none. */
  readonly timeLimit?: Duration.DurationInput
  /** How many calls of one turn are carried out at once; default 8. */
  readonly concurrency?: number
}

const defaultSteps = 32
const defaultConcurrency = 8

/** What the model is told of a failure: its message, else its name. */
const messageOf = (error: unknown): string => {
  const { _tag, message } = Predicate.isRecord(error) ? error : { _tag: undefined, message: error }
  const texts = [message, _tag].filter((text): text is string => typeof text === "string" && text !== "")
  return texts[0] ?? "The tool failed."
}

/** How a handler ended that did not succeed. The loop's own interruption does not come here: it ends the loop. */
const failureOf = <E>(name: string, cause: Cause.Cause<E>): E | HandlerFailed => {
  const failed = Cause.failureOption(cause)
  if (Option.isSome(failed)) return failed.value
  return Cause.isInterruptedOnly(cause)
    ? new HandlerFailed({ name, reason: "interrupted" })
    : new HandlerFailed({ name, reason: "defect", cause: Cause.squash(cause) })
}

/** Why an output cannot be sent; handlers without types can give anything. */
const outputProblem = (output: unknown): string | undefined => {
  if (typeof output === "string") return undefined
  if (!Array.isArray(output) || !output.every(isContent)) return "it is neither text nor parts"
  const problem = output.map(Message.contentProblem).find((problem) => problem !== undefined)
  return problem
}

const isContent = Schema.is(Message.Content)

/**
 * Runs the loop, as a stream that ends with `LoopCompleted`. Interrupting it interrupts the tools that run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = <E = never, R = never>(
  options: Options<E, R>
): Stream.Stream<LoopEvent<E>, CodexError | LoopLimitReached, Codex.Codex | R> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const {
        concurrency = defaultConcurrency,
        input = [],
        maxSteps = defaultSteps,
        maxTokens,
        prompt,
        timeLimit,
        tools,
        ...request
      } = options
      const handlers = new Map(tools.map((handler) => [handler.tool.name, handler]))
      const conversationId = request.conversationId ?? (yield* ConversationId.random)
      const start = yield* Clock.currentTimeMillis
      const end = timeLimit === undefined ? undefined : start + Duration.toMillis(timeLimit)

      let history: ReadonlyArray<History.Entry> = [...input, ...(prompt === undefined ? [] : [Message.user(prompt)])]
      let usage = Usage.zero
      let steps = 0
      let routingToken: RoutingToken.RoutingToken | undefined
      let followUps = 0
      let over = false

      const limitReached = (limit: LoopLimitReached["limit"]) =>
        new LoopLimitReached({ limit, steps, items: Redacted.make(history) })

      const stop = (limit: LoopLimitReached["limit"]) => Effect.fail(Option.some(limitReached(limit)))

      /** Interrupts what still runs when the time is up. */
      const withinTime = <A, R1>(effect: Effect.Effect<A, never, R1>): Effect.Effect<A, LoopLimitReached, R1> =>
        end === undefined
          ? effect
          : Effect.flatMap(Clock.currentTimeMillis, (now) =>
              Effect.timeoutFail(effect, {
                duration: Duration.millis(Math.max(0, end - now)),
                onTimeout: () => limitReached("time")
              })
            )

      /** Ids of calls that were given to a handler: one call is carried out once. */
      const carriedOut = new Set<string>()

      const rejection = (call: Turn.ToolCall): UnknownTool | CallRejected | undefined => {
        const { callId, name, namespace, type, unreadable } = call
        if (carriedOut.has(callId)) return new CallRejected({ name, reason: "repeated" })
        const known = [...handlers.keys()]
        if (namespace !== undefined) return new UnknownTool({ name: `${namespace}.${name}`, known })
        if (handlers.get(name)?.tool.spec.type !== type) return new UnknownTool({ name, known })
        return unreadable === undefined ? undefined : new CallRejected({ name, reason: "unreadable" })
      }

      const carryOut = (call: Turn.ToolCall): Effect.Effect<Output, E | CallError, R> =>
        Effect.suspend((): Effect.Effect<Output, E | CallError, R> => {
          const { name } = call
          const rejected = rejection(call)
          const handler = handlers.get(name)
          if (rejected !== undefined || handler === undefined) {
            return Effect.fail(rejected ?? new UnknownTool({ name, known: [...handlers.keys()] }))
          }
          carriedOut.add(call.callId)
          const handled: Effect.Effect<Output, E | Tool.InvalidToolArguments, R> = Effect.withSpan(
            Effect.suspend(() => handler.handle(call)),
            `Tool.${name}`
          )
          return handled.pipe(
            Effect.catchAllCause((cause) => Effect.fail(failureOf(name, cause))),
            Effect.filterOrElse(
              (output) => outputProblem(output) === undefined,
              (output) => {
                const problem = outputProblem(output)
                return Effect.fail(new HandlerFailed({ name, reason: "output", ...(problem && { problem }) }))
              }
            )
          )
        })

      /** Carries out the calls of a turn and adds their answers to the history, in the order of the calls. */
      const answer = (turn: Turn.Turn): Stream.Stream<LoopEvent<E>, LoopLimitReached, R> => {
        const results: Array<Message.Message> = []
        const one = (call: Turn.ToolCall, index: number) =>
          Stream.concat(
            Stream.succeed<LoopEvent<E>>({ _tag: "ToolStarted", call }),
            Stream.fromEffect(
              Effect.map(withinTime(Effect.either(carryOut(call))), (outcome): LoopEvent<E> => {
                if (Either.isRight(outcome)) {
                  results[index] = Message.toolResult(call, outcome.right)
                  return { _tag: "ToolSucceeded", call, output: outcome.right }
                }
                const error = outcome.left
                // the first call of this id has an answer already
                const isRepeated = error instanceof CallRejected && error.reason === "repeated"
                if (!isRepeated) results[index] = Message.toolResult(call, messageOf(error), { isError: true })
                return { _tag: "ToolFailed", call, error }
              })
            )
          )
        const calls = turn.toolCalls.map((call, index) => ({ call, index }))
        return Stream.concat(
          Stream.flatMap(Stream.fromIterable(calls), ({ call, index }) => one(call, index), { concurrency }),
          Stream.suspend(() => {
            history = [...history, ...results.filter((result) => result !== undefined)]
            return Stream.empty
          })
        )
      }

      const step: Effect.Effect<
        Stream.Stream<LoopEvent<E>, CodexError | LoopLimitReached, R>,
        Option.Option<LoopLimitReached>
      > = Effect.gen(function* () {
        if (over) return yield* Effect.fail(Option.none())
        if (steps >= maxSteps) return yield* stop("steps")
        if (maxTokens !== undefined && usage.totalTokens >= maxTokens) return yield* stop("tokens")
        const now = yield* Clock.currentTimeMillis
        if (end !== undefined && now >= end) return yield* stop("time")
        steps++
        let finished: Turn.Turn | undefined
        const turn = codex
          .stream({
            ...request,
            conversationId,
            tools: tools.map(({ tool }) => tool),
            input: history,
            ...(routingToken !== undefined && { routingToken }),
            ...(end !== undefined && { timeLimit: Duration.millis(end - now) })
          })
          .pipe(
            Stream.map((event): LoopEvent<E> => {
              if (event._tag === "TurnCompleted") {
                finished = event.turn
                routingToken = event.turn.routingToken
                usage = Usage.add(usage, event.turn.usage ?? Usage.zero)
                history = [...history, ...event.turn.items]
              }
              return event
            }),
            Stream.catchTag("TimedOut", (error) =>
              Stream.unwrap(
                Effect.map(Clock.currentTimeMillis, (now) =>
                  Stream.fail(end !== undefined && now >= end ? limitReached("time") : error)
                )
              )
            )
          )
        const after = Stream.suspend((): Stream.Stream<LoopEvent<E>, LoopLimitReached, R> => {
          if (finished === undefined) return Stream.empty
          if (finished.toolCalls.length > 0) {
            followUps = 0
            return answer(finished)
          }
          if (FollowUp.isWanted(finished, followUps)) {
            followUps++
            return Stream.empty
          }
          over = true
          return Stream.succeed({ _tag: "LoopCompleted", turn: finished, usage, steps, items: history })
        })
        return Stream.concat(turn, after)
      })

      return Stream.flatten(Stream.repeatEffectOption(step))
    })
  )
