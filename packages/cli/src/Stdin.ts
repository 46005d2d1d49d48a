/** What is piped in. */
import * as Readline from "node:readline"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** All of standard input; empty when a person sits at it. */
export const stdin: Effect.Effect<string> = Effect.suspend(() =>
  process.stdin.isTTY === true
    ? Effect.succeed("")
    : Effect.map(
        Effect.orElseSucceed(Stream.mkString(lines), () => ""),
        (text) => text.trimEnd()
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
