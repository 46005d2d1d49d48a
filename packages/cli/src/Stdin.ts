/** What is piped in. */
import * as Readline from "node:readline"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Screen from "./Screen.ts"

/** A pipe that nobody writes to and nobody closes is waited for; a person should know. */
const waiting = Effect.delay(
  Screen.note("Waiting for the end of standard input. Add `</dev/null` when there is nothing to read."),
  "2 seconds"
)

/** All of standard input; empty when it is a terminal. */
export const stdin: Effect.Effect<string> = Effect.suspend(() =>
  process.stdin.isTTY === true
    ? Effect.succeed("")
    : Effect.forkScoped(waiting).pipe(
        Effect.zipRight(Effect.orElseSucceed(Stream.mkString(lines), () => "")),
        Effect.scoped,
        Effect.map((text) => text.trimEnd())
      )
)

/** Standard input line by line, each with its end. Afterwards it keeps the process alive no longer. */
export const lines: Stream.Stream<string> = Stream.acquireRelease(
  Effect.sync(() => Readline.createInterface({ input: process.stdin, terminal: false })),
  (reader) => Effect.sync(() => reader.close())
).pipe(
  Stream.flatMap((reader) => Stream.fromAsyncIterable(reader, String)),
  Stream.map((line) => `${line}\n`),
  Stream.catchAll(() => Stream.empty)
)
