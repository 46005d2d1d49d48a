import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import { TurnDecoder } from "@effect-codex/stream"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Files from "../Files.ts"
import * as Screen from "../Screen.ts"

/** Converts a recording with one JSON event per line to server-sent events. */
const asEvents = (text: string): string =>
  /^\s*\{/.test(text)
    ? text
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line) => `data: ${line}\n\n`)
        .join("")
    : text

class NotARecording extends Data.TaggedError("NotARecording")<{ readonly file: string }> {
  override get message() {
    return `${this.file} is not a recording. It must contain server-sent events, or one JSON event per line.`
  }
}

const recording = Args.file({ name: "file" }).pipe(Args.withDescription("The file with the recording."))

export const replay = Command.make("replay", { file: recording }, ({ file }) =>
  Effect.gen(function* () {
    const decoder = new TurnDecoder.TurnDecoder()
    decoder.push(new TextEncoder().encode(asEvents(yield* Files.readText(file))))
    decoder.end()
    const { failure, turn } = decoder
    if (turn === undefined) {
      const partial = decoder.state.partial()
      if (partial.diagnostics.events === 0) return yield* new NotARecording({ file })
      if (partial.text !== "") yield* Screen.line(partial.text)
      return yield* failure === undefined ? Effect.void : Effect.fail(failure)
    }
    yield* Screen.line(turn.text)
    const { events, malformed, unknown } = turn.diagnostics
    const summary = `${turn.status}; ${events} events, ${unknown} unknown, ${malformed} malformed; ${turn.toolCalls.length} calls`
    yield* Screen.write(`${Screen.dim(summary)}\n`)
  })
).pipe(Command.withDescription("Replay a recorded stream: server-sent events, or one JSON event per line."))
