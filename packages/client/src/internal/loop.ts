/**
 * The request loop: it continues unfinished turns, executes and answers tool calls, and keeps all completed work.
 */
import { Failure, type History, Message, Monotonic, Origin, Turn, Usage } from "@effect-codex/schema"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Codex from "../Codex.ts"
import type { CodexError } from "../CodexError.ts"
import { CallRejected, HandlerFailed, LoopLimitReached, type ToolError, UnknownTool } from "../ToolError.ts"
import type { Handler, Output } from "../Toolkit.ts"
import type { Limits, LoopCompleted, LoopEvent, LoopTool } from "../ToolLoop.ts"
import * as FollowUp from "./followUp.ts"

export interface Options<E, R, S> {
  readonly codex: Codex.Service
  readonly request: Omit<Codex.Request, "prompt" | "input" | "tools" | "routingToken">
  readonly tools: ReadonlyArray<LoopTool<E, R>>
  /** Without limits no call is executed: the loop ends with the first turn that contains calls. */
  readonly limits: Limits<R> | undefined
  /** The history and the new input. */
  readonly entries: ReadonlyArray<History.Entry>
  readonly routingToken: Codex.Request["routingToken"]
  /** Called after each completed turn and each result of a call. */
  readonly keep: (history: ReadonlyArray<History.Entry>, turn?: Turn.Turn) => void
  /** Runs after each completed turn and each set of results, even if the set was interrupted. */
  readonly save: Effect.Effect<void, S>
}

/** A running loop. */
export interface Loop<E, R, S> {
  readonly codex: Codex.Service
  /** The next request. */
  readonly next: Effect.Effect<Codex.Request, LoopLimitReached>
  /** Adds the turn of the request to the history. */
  readonly finished: (turn: Turn.Turn) => Effect.Effect<void, S>
  /** Whether the last completed turn ends the loop. */
  readonly isOver: () => boolean
  /** Executes the calls of the last completed turn. */
  readonly answer: (emit: (event: LoopEvent<E>) => void) => Effect.Effect<void, LoopLimitReached | S, R>
  readonly completed: () => LoopCompleted
  /** Adds the history so far to the error of a request. */
  readonly explain: (error: CodexError) => Effect.Effect<CodexError | LoopLimitReached>
}

const defaultSteps = 32
const defaultConcurrency = 8
/** How long an interruption waits for the results of tools to be saved. */
const saveLimit = Duration.seconds(5)

const isHandler = <E, R>(tool: LoopTool<E, R>): tool is Handler<E, R> => Predicate.hasProperty(tool, "prepare")

/** The error message for the model: the error's message, or its name. */
const messageOf = (error: unknown): string => {
  try {
    const { _tag, message } = Predicate.isRecord(error) ? error : { _tag: undefined, message: error }
    const texts = [message, _tag].filter((text): text is string => typeof text === "string" && text !== "")
    return texts[0] ?? "The tool failed."
  } catch {
    // a getter can throw
    return "The tool failed."
  }
}

/** Runs a callback of the program. Untyped programs can return anything, for example a promise. */
const invoke = <A, E, R>(callback: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    try {
      const given = callback()
      return Effect.isEffect(given)
        ? given
        : Effect.die(new Error("The function did not return an Effect. Wrap promises in Effect.tryPromise."))
    } catch (defect) {
      // Effect reads properties of a thrown value, which may throw again
      return Effect.die(defect)
    }
  })

/**
 * The error of a handler that did not succeed. An interruption of the loop itself does not reach this code: it ends the
 * loop.
 */
const failureOf = <E>(name: string, cause: Cause.Cause<E>): E | HandlerFailed => {
  const failed = Cause.failureOption(cause)
  if (Option.isSome(failed)) return failed.value
  return Cause.isInterruptedOnly(cause)
    ? new HandlerFailed({ name, reason: "interrupted" })
    : new HandlerFailed({ name, reason: "defect", cause: Cause.squash(cause) })
}

const isContent = Schema.is(Message.Content)

/** Why an output cannot be sent, as the end of a sentence. Untyped handlers can return anything. */
const outputProblem = (output: unknown): string | undefined => {
  if (typeof output === "string") return undefined
  if (!Array.isArray(output) || !output.every(isContent)) return "it is neither text nor parts"
  return output
    .map(Message.contentProblem)
    .find((problem) => problem !== undefined)
    ?.replace(/\.$/, "")
}

/** The ids of calls in the history, with or without a result: a call that was interrupted has none. */
const earlierCalls = (history: ReadonlyArray<History.Entry>): ReadonlyArray<string> =>
  history.flatMap((entry): ReadonlyArray<string> => {
    const { call_id: callId, content } = (entry ?? {}) as { readonly call_id?: unknown; readonly content?: unknown }
    const parts: ReadonlyArray<{ readonly callId?: unknown; readonly call?: { readonly callId?: unknown } } | null> =
      Array.isArray(content) ? content : []
    return [callId, ...parts.flatMap((part) => [part?.callId, part?.call?.callId])].filter(
      (id) => typeof id === "string"
    )
  })

export const make = <E, R, S>(options: Options<E, R, S>): Effect.Effect<Loop<E, R, S>> =>
  Effect.gen(function* () {
    const { codex, keep, request, save, tools } = options
    const {
      approve,
      concurrency = defaultConcurrency,
      maxSteps = defaultSteps,
      maxTokens,
      timeLimit
    } = options.limits ?? {}
    const start = yield* Monotonic.now
    const approvalLock = yield* Effect.makeSemaphore(1)
    // an invalid duration is rejected by the request
    const limit = timeLimit === undefined ? undefined : Option.getOrUndefined(Duration.decodeUnknown(timeLimit))
    const end = limit === undefined ? undefined : start + Duration.toMillis(limit)
    const handlers = new Map(tools.filter(isHandler).map((handler) => [handler.name, handler]))
    const known = [...handlers.keys()]

    let history = options.entries
    let turn: Turn.Turn | undefined
    let routingToken = options.routingToken
    let usage = Usage.zero
    let steps = 0
    let followUps = 0
    /** Ids of calls of earlier turns and of those that have an answer, so that a call is answered only once. */
    const answered = new Set(earlierCalls(history))

    const limitReached = (limit: LoopLimitReached["limit"]) =>
      new LoopLimitReached({ limit, steps, history: Redacted.make(history) }, Failure.trusted)

    const isTimeUp = Effect.map(Monotonic.now, (now) => end !== undefined && now >= end)

    /** Interrupts the effect at the time limit of the loop. */
    const withinTime = <A, E1, R1>(effect: Effect.Effect<A, E1, R1>): Effect.Effect<A, E1 | LoopLimitReached, R1> =>
      end === undefined
        ? effect
        : Effect.flatMap(Monotonic.now, (now) =>
            Effect.timeoutFail(effect, {
              duration: Duration.millis(Math.max(0, end - now)),
              onTimeout: () => limitReached("time")
            })
          )

    const isFollowUpWanted = () => turn !== undefined && FollowUp.isWanted(turn, followUps)

    const next = Effect.gen(function* () {
      if (options.limits !== undefined) {
        // negated, so that NaN counts as reached
        if (!(steps < maxSteps)) return yield* Effect.fail(limitReached("steps"))
        if (maxTokens !== undefined && !(usage.totalTokens < maxTokens))
          return yield* Effect.fail(limitReached("tokens"))
        if (yield* isTimeUp) return yield* Effect.fail(limitReached("time"))
      }
      const now = yield* Monotonic.now
      steps++
      return Object.assign({}, request, {
        tools,
        input: history,
        ...(routingToken !== undefined && { routingToken }),
        ...(timeLimit !== undefined && { timeLimit: end === undefined ? timeLimit : Duration.millis(end - now) })
      })
    })

    const finished = (latest: Turn.Turn): Effect.Effect<void, S> =>
      Effect.suspend(() => {
        const continues = isFollowUpWanted()
        followUps = continues ? followUps + 1 : 0
        turn = continues && turn !== undefined ? Turn.join(turn, latest) : latest
        routingToken = latest.routingToken
        usage = Usage.add(usage, latest.usage ?? Usage.zero)
        const { input, items, origin } = latest
        history = [
          ...(input === undefined ? history : Redacted.value(input)),
          ...(origin === undefined ? items : Origin.tag(items, origin))
        ]
        keep(history, turn)
        return save
      })

    const rejection = (call: Turn.ToolCall): UnknownTool | CallRejected | undefined => {
      const { callId, name, namespace, type, unreadable } = call
      if (answered.has(callId)) return new CallRejected({ name, reason: "repeated" })
      if (namespace !== undefined) return new UnknownTool({ name: `${namespace}.${name}`, known })
      if (handlers.get(name)?.spec.type !== type) return new UnknownTool({ name, known })
      return unreadable === undefined ? undefined : new CallRejected({ name, reason: "unreadable" })
    }

    const approved = (call: Turn.ToolCall): Effect.Effect<void, CallRejected, R> =>
      approve === undefined
        ? Effect.void
        : Effect.flatMap(approvalLock.withPermits(1)(invoke(() => approve(call))), (approval) =>
            approval === "run"
              ? Effect.void
              : Effect.fail(new CallRejected({ name: call.name, reason: "denied", problem: approval.deny }))
          )

    const handle = (
      handler: Handler<E, R>,
      call: Turn.ToolCall,
      report: (progress: unknown) => Effect.Effect<void>
    ): Effect.Effect<Output, E | ToolError, R> => {
      const { name, timeLimit } = handler
      const ready = Effect.zipLeft(
        Effect.suspend(() => handler.prepare(call)),
        approved(call)
      )
      return Effect.flatMap(ready, (execute) => {
        const output = Effect.withSpan(
          invoke(() => execute(report)),
          `Tool.${name}`
        )
        return timeLimit === undefined
          ? output
          : Effect.timeoutFail(output, {
              duration: timeLimit,
              onTimeout: () => new HandlerFailed({ name, reason: "time" })
            })
      }).pipe(
        Effect.flatMap((output) => {
          const problem = outputProblem(output)
          return problem === undefined
            ? Effect.succeed(output)
            : Effect.fail(new HandlerFailed({ name, reason: "output", problem }))
        }),
        Effect.catchAllCause((cause) => Effect.fail(failureOf(name, cause)))
      )
    }

    const execute = (
      call: Turn.ToolCall,
      report: (progress: unknown) => Effect.Effect<void>
    ): Effect.Effect<Output, E | ToolError, R> =>
      Effect.suspend((): Effect.Effect<Output, E | ToolError, R> => {
        const rejected = rejection(call)
        const handler = handlers.get(call.name)
        answered.add(call.callId)
        if (rejected !== undefined || handler === undefined) {
          return Effect.fail(rejected ?? new UnknownTool({ name: call.name, known }))
        }
        return handle(handler, call, report)
      })

    /** An interruption waits for the results to be saved, but not for a store that hangs. */
    const saved = (restore: <A, E2>(effect: Effect.Effect<A, E2>) => Effect.Effect<A, E2>): Effect.Effect<void, S> =>
      Effect.flatMap(Effect.forkDaemon(Effect.interruptible(save)), (saving) =>
        restore(Fiber.join(saving)).pipe(
          Effect.onInterrupt(() =>
            Effect.zipRight(
              Effect.timeoutOption(Effect.interruptible(Fiber.await(saving)), saveLimit),
              Fiber.interrupt(saving)
            )
          )
        )
      )

    const answer = (emit: (event: LoopEvent<E>) => void): Effect.Effect<void, LoopLimitReached | S, R> =>
      Effect.suspend(() => {
        const before = history
        const results: Array<Message.Message> = []
        /** Results keep the order of the calls, whichever finishes first. */
        const record = (index: number, result: Message.Message) => {
          results[index] = result
          history = [...before, ...results.filter((result) => result !== undefined)]
          keep(history)
        }
        const run = (call: Turn.ToolCall, index: number): Effect.Effect<void, never, R> =>
          Effect.suspend(() => {
            emit({ _tag: "ToolStarted", call })
            const report = (progress: unknown) => Effect.sync(() => emit({ _tag: "ToolProgress", call, progress }))
            return Effect.map(Effect.either(execute(call, report)), (outcome) => {
              if (Either.isRight(outcome)) {
                record(index, Message.toolResult(call, outcome.right))
                return emit({ _tag: "ToolSucceeded", call, output: outcome.right })
              }
              const error = outcome.left
              // the first call with this id has a result already
              const isRepeated = error instanceof CallRejected && error.reason === "repeated"
              if (!isRepeated) record(index, Message.toolResult(call, messageOf(error), { isError: true }))
              emit({ _tag: "ToolFailed", call, error })
            })
          })
        const all = withinTime(Effect.forEach(turn?.toolCalls ?? [], run, { concurrency, discard: true }))
        return Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(
            Effect.exit(restore(all)),
            (exit): Effect.Effect<void, LoopLimitReached | S> =>
              Exit.isSuccess(exit) ? saved(restore) : Effect.zipRight(Effect.exit(saved(Effect.interruptible)), exit)
          )
        )
      })

    const explain = (error: CodexError): Effect.Effect<CodexError | LoopLimitReached> =>
      Effect.map(isTimeUp, (isTimeUp) =>
        error._tag === "TimedOut" && isTimeUp
          ? limitReached("time")
          : Failure.withFacts(error, { history: Redacted.make(history) })
      )

    return {
      codex,
      next,
      finished,
      isOver: () =>
        !isFollowUpWanted() && (options.limits === undefined || turn === undefined || turn.toolCalls.length === 0),
      answer,
      completed: () => ({ _tag: "LoopCompleted", turn: turn ?? Turn.fromItems([]), usage, steps, items: history }),
      explain
    }
  })

/** Provides the environment of a tool's handler. */
export const provideHandler = <E, R>(tool: LoopTool<E, R>, context: Context.Context<R>): LoopTool<E, never> =>
  isHandler(tool)
    ? {
        ...tool,
        prepare: (call) =>
          Effect.map(tool.prepare(call), (execute) => (report) => Effect.provide(execute(report), context))
      }
    : tool

/**
 * The loop with all its events. The last one is `LoopCompleted`. `onOver` runs before the last `TurnCompleted`.
 */
export const stream = <E, R, S>(
  loop: Loop<E, R, S>,
  onOver: Effect.Effect<void> = Effect.void
): Stream.Stream<LoopEvent<E>, CodexError | LoopLimitReached | S, R> => {
  const events = (request: Codex.Request) =>
    loop.codex.stream(request).pipe(
      Stream.catchAll((error) => Stream.fromEffect(Effect.flatMap(loop.explain(error), Effect.fail))),
      Stream.tap((event) =>
        event._tag === "TurnCompleted"
          ? Effect.zipRight(
              loop.finished(event.turn),
              Effect.suspend(() => (loop.isOver() ? onOver : Effect.void))
            )
          : Effect.void
      )
    )
  const answers = Stream.asyncPush<LoopEvent<E>, LoopLimitReached | S, R>(
    (emit) =>
      loop
        .answer(emit.single)
        .pipe(Effect.matchCause({ onFailure: emit.halt, onSuccess: () => emit.end() }), Effect.forkScoped),
    { bufferSize: "unbounded" }
  )
  const rest: Stream.Stream<LoopEvent<E>, CodexError | LoopLimitReached | S, R> = Stream.suspend(() =>
    loop.isOver() ? Stream.succeed(loop.completed()) : Stream.concat(answers, step)
  )
  const step: typeof rest = Stream.concat(Stream.unwrap(Effect.map(loop.next, events)), rest)
  return step
}

/** Runs the loop and returns only its result. */
export const complete = <E, R, S>(
  loop: Loop<E, R, S>
): Effect.Effect<LoopCompleted, CodexError | LoopLimitReached | S, R> => {
  const step: Effect.Effect<LoopCompleted, CodexError | LoopLimitReached | S, R> = loop.next.pipe(
    Effect.flatMap((request) =>
      Effect.catchAll(loop.codex.turn(request), (error) => Effect.flatMap(loop.explain(error), Effect.fail))
    ),
    Effect.flatMap(loop.finished),
    Effect.flatMap(() =>
      loop.isOver()
        ? Effect.sync(loop.completed)
        : Effect.zipRight(
            loop.answer(() => {}),
            Effect.suspend(() => step)
          )
    )
  )
  return step
}
