/**
 * A chat with tools that is saved to disk. Ctrl-C cancels the turn, a second Ctrl-C ends the program. The conversation
 * is a file in the given folder (default `.chat`). Start the program again to continue it.
 */
import * as Readline from "node:readline"
import { FileSystem } from "@effect/platform"
import { NodeContext, NodeKeyValueStore } from "@effect/platform-node"
import { Script } from "@effect-codex/testing"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Conversation, Tool, Toolkit, type ToolLoop } from "effect-codex"
import { backend } from "./backend.ts"

const readFile = Toolkit.handler(
  Tool.unsafeMake({
    name: "read_file",
    description: "Reads a text file of this folder.",
    parameters: Schema.Struct({ path: Schema.String })
  }),
  ({ path }) => Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path)),
  { timeLimit: "10 seconds" }
)

/** Only files below this folder. */
const approve = (call: { readonly arguments: string }) =>
  Effect.succeed(/"(\/|[^"]*\.\.)/.test(call.arguments) ? { deny: "Stay in this folder." } : ("run" as const))

const show = (event: ToolLoop.LoopEvent<unknown>): Effect.Effect<void> => {
  switch (event._tag) {
    case "TextDelta":
      return Effect.sync(() => process.stdout.write(event.delta))
    case "ToolStarted":
      return Console.log(`[${event.call.name} ${event.call.arguments}]`)
    case "TurnRestarted":
      return Console.log("\n[once more]")
    case "LoopCompleted":
      return Console.log("")
    default:
      return Effect.void
  }
}

const ctrlC = Effect.async<void>((resume) => {
  const listener = () => resume(Effect.void)
  process.once("SIGINT", listener)
  return Effect.sync(() => process.off("SIGINT", listener))
})

const lines = Stream.suspend(() =>
  Stream.fromAsyncIterable(Readline.createInterface({ input: process.stdin, terminal: false }), String)
)

const program = Effect.gen(function* () {
  const conversation = yield* Conversation.persisted("chat", {
    instructions: "You help with the files of this folder.",
    tools: [readFile]
  })
  const { length } = yield* conversation.history
  yield* Console.log(length === 0 ? "A new conversation." : `Going on after ${length} entries.`)
  yield* Stream.runForEach(lines, (line) =>
    conversation.run(line, { approve }).pipe(
      Stream.runForEach(show),
      Effect.raceFirst(Effect.zipRight(ctrlC, Console.log("\n[cancelled]"))),
      Effect.catchAll((error) => Console.log(`[${error.group}] ${error.message}`))
    )
  )
})

const calls = Script.turn({ toolCalls: [{ name: "read_file", arguments: { path: "package.json" } }] })

const about = Script.turn({ text: "It is about examples." }).pipe(Script.drip("30 millis"))

const Live = Layer.mergeAll(
  backend(calls, about, Script.turn({ text: "You are welcome." })),
  NodeKeyValueStore.layerFileSystem(process.argv.slice(2).find((arg) => !arg.startsWith("--")) ?? ".chat"),
  NodeContext.layer
)

// not `runMain`, because it ends the program at the first Ctrl-C
Effect.runPromise(Effect.provide(program, Live))
