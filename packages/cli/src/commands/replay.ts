import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import { TurnDecoder } from "@effect-codex/stream"
import * as Effect from "effect/Effect"
import * as Screen from "../Screen.ts"

/** A recording is server-sent events, or one JSON event a line. */
const asEvents = (text: string): string =>
  /^\s*\{/.test(text)
    ? text
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line) => `data: ${line}\n\n`)
        .join("")
    : text

export const replay = Command.make("replay", { file: Args.file({ name: "file", exists: "yes" }) }, ({ file }) =>
  Effect.gen(function* () {
    const { readFileString } = yield* FileSystem.FileSystem
    const decoder = new TurnDecoder.TurnDecoder()
    decoder.push(new TextEncoder().encode(asEvents(yield* readFileString(file))))
    decoder.end()
    const { failure, turn } = decoder
    if (turn === undefined) {
      const partial = decoder.state.partial()
      if (partial.text !== "") yield* Screen.line(partial.text)
      return yield* failure === undefined ? Effect.void : Effect.fail(failure)
    }
    yield* Screen.line(turn.text)
    const { events, malformed, unknown } = turn.diagnostics
    yield* Screen.line(
      Screen.dim(
        `${turn.status}; ${events} events, ${unknown} unknown, ${malformed} malformed; ${turn.toolCalls.length} calls`
      )
    )
  })
).pipe(Command.withDescription("Play a recorded stream: server-sent events, or one JSON event a line."))
