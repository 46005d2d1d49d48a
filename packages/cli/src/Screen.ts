/** Prints turns and tables. Terminals get colours and a spinner, other outputs plain text. */
import type * as RateLimits from "@effect-codex/schema/RateLimits"
import * as Redaction from "@effect-codex/schema/Redaction"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { Doctor, type ToolLoop } from "effect-codex"
import * as Completions from "./Completions.ts"

const isTerminal = process.stdout.isTTY === true
/** Whether both input and output are a terminal. */
export const isInteractive = isTerminal && process.stdin.isTTY === true
const isColourful = isTerminal && !process.env["NO_COLOR"]

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with a control character
const sequences = /\u001b\[[0-9;]*m/g

/** Removes the colours of help and usage errors if the output is not a terminal: `@effect/cli` always adds them. */
export const withConsole = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Console.consoleWith((usual) => {
    const printed = (print: Console.Console["log"], hasColours: boolean): Console.Console["log"] => {
      const text = (arg: string) => Completions.mended(hasColours ? arg : arg.replaceAll(sequences, "")).trimEnd()
      return (...args) => print(...args.map((arg) => (typeof arg === "string" ? text(arg) : arg)))
    }
    return Effect.withConsole(self, {
      ...usual,
      log: printed(usual.log, isColourful),
      error: printed(usual.error, isColourful && process.stderr.isTTY === true)
    })
  })

export const dim = (text: string): string => (isColourful ? `\u001b[2m${text}\u001b[22m` : text)

export const write = (text: string): Effect.Effect<void> => Effect.sync(() => void process.stdout.write(text))

/**
 * A text of the model, the server or a file for the screen. On a terminal it is without escape sequences and other
 * invisible characters, which could change the title, the clipboard or what was shown. A pipe gets it unchanged.
 */
const shown = (text: string, onTerminal = isTerminal): string => (onTerminal ? Redaction.visible(text) : text)

export const line = (text: string): Effect.Effect<void> => write(`${shown(text)}\n`)

const writeError = (text: string): Effect.Effect<void> => Effect.sync(() => void process.stderr.write(text))

/** Prints a note to standard error, because it is not part of the answer. */
export const note = (text: string): Effect.Effect<void> => {
  const isSeen = process.stderr.isTTY === true
  return writeError(`${isSeen ? dim(shown(text, true)) : text}\n`)
}

/** Prints the prompt for a line. */
export const prompt: Effect.Effect<void> = Effect.suspend(() => (isInteractive ? writeError("> ") : Effect.void))

const clear = "\r\u001b[K"
const frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

/** Shows the waiting time. Only on a terminal. */
const spinner: Effect.Effect<void> = Effect.iterate(0, {
  while: () => true,
  body: (tick) =>
    Effect.as(
      Effect.zipRight(
        writeError(`${clear}${dim(`${frames[tick % frames.length]} ${Math.floor(tick / 10)} s`)}`),
        Effect.sleep("100 millis")
      ),
      tick + 1
    )
}).pipe(Effect.ensuring(Effect.suspend(() => writeError(clear))), Effect.asVoid)

/** The text of an event. Reasoning and tools are shown only on a terminal. */
export const rendered = (event: ToolLoop.LoopEvent<unknown>, onTerminal = isTerminal): string => {
  const aside = (text: string) => (onTerminal ? dim(shown(text, true)) : "")
  switch (event._tag) {
    case "TextDelta":
    case "RefusalDelta":
      return shown(event.delta, onTerminal)
    case "ReasoningDelta":
      return aside(event.delta)
    case "ToolStarted":
      return aside(`[${event.call.name} ${event.call.arguments}]\n`)
    case "ToolFailed":
      return aside(`[${event.call.name} failed]\n`)
    case "ItemCompleted":
      return event.item.type === "message" || onTerminal ? "\n" : ""
    default:
      return ""
  }
}

/** What a reader of the answer should know about it, but what is not part of it. */
export const remark = (event: ToolLoop.LoopEvent<unknown>): string | undefined => {
  if (event._tag === "TurnRestarted") return "[the answer starts over]"
  return event._tag === "TurnCompleted" && event.turn.status === "incomplete"
    ? `[the answer is incomplete: ${event.turn.incompleteReason ?? "the server ended it early"}]`
    : undefined
}

/** Prints a turn while it streams. */
export const show = <E, R>(events: Stream.Stream<ToolLoop.LoopEvent<unknown>, E, R>): Effect.Effect<void, E, R> =>
  Effect.scoped(
    Effect.gen(function* () {
      const waiting = isTerminal ? yield* Effect.forkScoped(spinner) : undefined
      const stop = waiting === undefined ? Effect.void : Fiber.interrupt(waiting)
      let isMidLine = false
      yield* Stream.runForEach(events, (event) => {
        const said = remark(event)
        const text = said !== undefined && isMidLine ? "\n" : rendered(event)
        if (text !== "") isMidLine = !text.endsWith("\n")
        return Effect.when(
          Effect.zipRight(stop, Effect.zipRight(write(text), said === undefined ? Effect.void : note(said))),
          () => text !== "" || said !== undefined
        )
      }).pipe(Effect.ensuring(Effect.suspend(() => (isMidLine ? write("\n") : Effect.void))))
    })
  )

/** Reports afterwards when events arrived, and whether a proxy buffers them. */
export const timed = <E, R>(events: Stream.Stream<ToolLoop.LoopEvent<unknown>, E, R>) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const arrival = yield* Doctor.arrival
      const seconds = (millis = 0) => `${(millis / 1000).toFixed(2)} s`
      const report = Effect.gen(function* () {
        const { firstMillis, lastMillis } = yield* arrival.times
        if (firstMillis === undefined) return
        yield* note(`first event after ${seconds(firstMillis)}, last event after ${seconds(lastMillis)}`)
        for (const { advice, message } of yield* arrival.findings) yield* note(`${message} ${advice}`)
      })
      return Stream.ensuring(
        Stream.tap(events, () => arrival.saw),
        report
      )
    })
  )

const barWidth = 24

/** The usage of a window: `primary  ████░░░░  17 %  resets in 3 h 5 min`. */
export const bar = ({ resetsAt, usedPercent, windowMinutes }: RateLimits.RateLimitWindow, now: number): string => {
  const full = Math.round((Math.min(100, Math.max(0, usedPercent)) / 100) * barWidth)
  const name = windowMinutes === undefined ? "window" : duration(windowMinutes)
  const reset = resetsAt === undefined ? "" : `  resets in ${duration(Math.max(0, (resetsAt - now) / 60_000))}`
  return `${name.padEnd(10)} ${"█".repeat(full)}${"░".repeat(barWidth - full)} ${`${Math.round(usedPercent)} %`.padStart(5)}${reset}`
}

const duration = (minutes: number): string => {
  const whole = Math.round(minutes)
  const [days, hours, rest] = [Math.floor(whole / 1440), Math.floor((whole % 1440) / 60), whole % 60]
  const parts = [days > 0 && `${days} d`, hours > 0 && `${hours} h`, rest > 0 && `${rest} min`].filter(Boolean)
  return parts.length === 0 ? "0 min" : parts.join(" ")
}

/** The start of an identifier, enough to recognise it. */
export const hint = (value: Redacted.Redacted): string => `${Redacted.value(value).slice(0, 6)}…`

/** Aligns rows in columns. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}
