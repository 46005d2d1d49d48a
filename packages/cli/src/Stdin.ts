/** Reads standard input. */
import * as Readline from "node:readline"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Screen from "./Screen.ts"

/** Tells the user what the program waits for: a pipe may never be written to or closed. */
const waiting = Effect.delay(
  Screen.note("Waiting for the end of standard input. Add `</dev/null` if there is no input."),
  "2 seconds"
)

/** All of standard input. Empty if it is a terminal. */
export const stdin: Effect.Effect<string> = Effect.suspend(() =>
  process.stdin.isTTY === true
    ? Effect.succeed("")
    : Effect.forkScoped(waiting).pipe(
        Effect.zipRight(Effect.orElseSucceed(Stream.mkString(lines), () => "")),
        Effect.scoped,
        Effect.map((text) => text.trimEnd())
      )
)

/** The lines of standard input, including line ends. Afterwards standard input no longer keeps the process alive. */
export const lines: Stream.Stream<string> = Stream.acquireRelease(
  Effect.sync(() => Readline.createInterface({ input: process.stdin, terminal: false })),
  (reader) => Effect.sync(() => reader.close())
).pipe(
  Stream.flatMap((reader) => Stream.fromAsyncIterable(reader, String)),
  Stream.map((line) => `${line}\n`),
  Stream.catchAll(() => Stream.empty)
)
