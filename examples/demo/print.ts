/** Shows a turn as it streams: reasoning dim, text plain, tool calls with their arguments. */
import type { Turn, TurnEvent } from "@effect-codex/schema"
import { Clock, Console, Effect, Stream } from "effect"
import type { CodexError } from "effect-codex"

const dim = (text: string) => (process.env["NO_COLOR"] ? text : `\u001b[2m${text}\u001b[22m`)

const write = (text: string) =>
  Effect.sync(() => {
    process.stdout.write(text)
  })

/** What the terminal shows for one event. */
const rendered = (event: TurnEvent.TurnEvent | TurnEvent.TurnRestarted): string => {
  switch (event._tag) {
    case "ReasoningDelta":
      return dim(event.delta)
    case "TextDelta":
    case "RefusalDelta":
      return event.delta
    case "ToolCallStarted":
      return `→ ${event.name} `
    case "ToolCallDelta":
      return event.delta
    case "ItemCompleted":
      return "\n"
    case "TurnRestarted":
      return `\n${dim(`(attempt ${event.attempt}: ${event.message})`)}\n`
    default:
      return ""
  }
}

export interface Shown {
  readonly turn: Turn.Turn
  /** Milliseconds from asking to the first thing shown. */
  readonly firstTokenMillis: number
}

/** Prints the events and returns the finished turn. */
export const show = <R>(
  events: Stream.Stream<TurnEvent.TurnEvent | TurnEvent.TurnRestarted, CodexError.CodexError, R>
): Effect.Effect<Shown, CodexError.CodexError, R> =>
  Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    let first: number | undefined
    let turn: Turn.Turn | undefined
    let part = 0
    yield* Stream.runForEach(events, (event) =>
      Effect.gen(function* () {
        if (event._tag === "TurnCompleted") turn = event.turn
        // a new part of the reasoning begins a new line
        const isNewPart = event._tag === "ReasoningDelta" && event.part !== part
        if (event._tag === "ReasoningDelta") part = event.part
        const text = `${isNewPart && event.part > 0 ? "\n" : ""}${rendered(event)}`
        if (text === "") return
        first ??= yield* Clock.currentTimeMillis
        yield* write(text)
      })
    )
    if (turn === undefined) return yield* Effect.dieMessage("a stream that ends well ends with TurnCompleted")
    return { turn, firstTokenMillis: (first ?? start) - start }
  })

export const line = (text: string) => Console.log(text)

/** The closing line: what it cost, how often it was asked for, how long the first word took. */
export const summary = (shown: ReadonlyArray<Shown>) => {
  const sum = (of: (turn: Turn.Turn) => number) => shown.reduce((total, { turn }) => total + of(turn), 0)
  return line(
    dim(
      [
        `${sum((turn) => turn.usage?.inputTokens ?? 0)} tokens in (${sum((turn) => turn.usage?.cachedTokens ?? 0)} cached)`,
        `${sum((turn) => turn.usage?.outputTokens ?? 0)} out (${sum((turn) => turn.usage?.reasoningTokens ?? 0)} reasoning)`,
        `${sum((turn) => turn.attempts ?? 1)} attempts in ${shown.length} requests`,
        `first token after ${shown[0]?.firstTokenMillis ?? 0} ms`
      ].join(" · ")
    )
  )
}
