/**
 * The main job of this repository, `npm start`:
 *
 *   npm start                          one turn with a tool call against an embedded backend on 127.0.0.1
 *   npm start -- --replay FILE.jsonl   a recorded stream over the same real HTTP, compared with its own ending
 *   npm start -- --live "prompt"       the real backend with your login; the only form that leaves the machine
 */
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import { embedded } from "./embedded.ts"
import { live } from "./live.ts"
import { replay } from "./replay.ts"

const usage = 'Usage: npm start [-- --replay FILE.jsonl | --live "prompt"]'

const main = Effect.gen(function* () {
  const { values } = yield* Effect.try(() =>
    parseArgs({ options: { replay: { type: "string" }, live: { type: "string" } } })
  )
  if (values.replay !== undefined) return yield* replay(values.replay)
  if (values.live !== undefined) return yield* live(values.live)
  return yield* embedded
}).pipe(
  Effect.catchTag("UnknownException", () => Effect.as(Console.error(usage), 2)),
  // failures are told in one line; the exit code says the rest
  Effect.catchAll((error) => Effect.as(Console.error(error.message), 1)),
  Effect.flatMap((exitCode) =>
    Effect.sync(() => {
      process.exitCode = exitCode
    })
  )
)

NodeRuntime.runMain(main)
