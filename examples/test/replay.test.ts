/** `npm start -- --replay`: recordings agree with their own endings, and one that does not is told apart. */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Script } from "@effect-codex/testing"
import { Console, Effect } from "effect"
import { describeShared } from "../../test/shared.ts"
import { replay as printingReplay } from "../demo/replay.ts"

/** The replay prints what it folds; here only its exit code matters. */
const quiet = { [Console.TypeId]: Console.TypeId, log: () => Effect.void } as unknown as Console.Console

const replay = (file: string) => Effect.withConsole(printingReplay(file), quiet)

const withFile = (events: ReadonlyArray<object>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-codex-"))
      const file = Path.join(folder, "recording.jsonl")
      Fs.writeFileSync(file, events.map((event) => JSON.stringify(event)).join("\n"))
      return { file, folder }
    }),
    ({ folder }) => Effect.sync(() => Fs.rmSync(folder, { recursive: true }))
  )

/** A recording as servers write it that repeat the output in the last event. */
const recorded = (text: string, ending: string) =>
  Script.turnEvents({ text }).map((event) => {
    if (event["type"] !== "response.completed") return event
    const response = event["response"] as object
    const content = [{ type: "output_text", text: ending, annotations: [] }]
    return { ...event, response: { ...response, output: [{ type: "message", role: "assistant", content }] } }
  })

describe("replay", () => {
  it.scopedLive("agrees with a recording of its own making", () =>
    Effect.gen(function* () {
      const { file } = yield* withFile(recorded("Hello, world.", "Hello, world."))
      assert.strictEqual(yield* replay(file), 0)
    })
  )

  it.scopedLive("exits 1 when the ending says something else", () =>
    Effect.gen(function* () {
      const { file } = yield* withFile(recorded("Hello, world.", "Hello, moon."))
      assert.strictEqual(yield* replay(file), 1)
    })
  )

  it.scopedLive("exits 1 when there is no ending", () =>
    Effect.gen(function* () {
      const { file } = yield* withFile(Script.turnEvents({ text: "Hello." }).slice(0, -1))
      assert.strictEqual(yield* replay(file), 1)
    })
  )

  const replayed = (events: ReadonlyArray<object>) => Effect.flatMap(withFile(events), ({ file }) => replay(file))

  const done = (item: object) => ({ type: "response.output_item.done", output_index: 0, item })
  const call = (status: string) => ({
    type: "function_call",
    id: "fc_1",
    call_id: "call_1",
    name: "ls",
    arguments: "{}",
    status
  })
  const ending = (type: string, more: object = {}) => ({ type, response: { id: "resp_1", output: [], ...more } })

  it.scopedLive("takes this backend's empty list for what it is, and compares with the items as they were done", () =>
    Effect.gen(function* () {
      const events = Script.turnEvents({ text: "Hello." })
      assert.strictEqual(yield* replayed(events), 0)
      const other = events.map((event) =>
        event["type"] === "response.output_text.delta" ? { ...event, delta: "Bye." } : event
      )
      assert.strictEqual(yield* replayed(other.filter((event) => !/\.done$/.test(String(event["type"])))), 0)
      assert.strictEqual(yield* replayed([done(call("completed")), ending("response.completed")]), 0)
    })
  )

  it.scopedLive("knows all endings", () =>
    Effect.gen(function* () {
      const details = { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }
      assert.strictEqual(yield* replayed([done(call("completed")), ending("response.incomplete", details)]), 0)
      assert.strictEqual(yield* replayed([done(call("incomplete")), ending("response.incomplete", details)]), 0)
      assert.strictEqual(yield* replayed([done(call("completed")), ending("response.done")]), 0)
      assert.strictEqual(yield* replayed([ending("response.failed", { error: { message: "no" } })]), 0)
      assert.strictEqual(yield* replayed([{ type: "error", code: "server_error", message: "no" }]), 0)
      assert.strictEqual(yield* replayed([{ ...ending("response.completed"), error: { message: "no" } }]), 0)
    })
  )

  it.scopedLive("shows a cut recording as what it is", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const console = { [Console.TypeId]: Console.TypeId, log: (text: string) => Effect.sync(() => lines.push(text)) }
      const events = Script.turnEvents({ text: "Hello." }).slice(0, -1)
      const { file } = yield* withFile(events)
      const code = yield* Effect.withConsole(printingReplay(file), console as unknown as Console.Console)
      assert.strictEqual(code, 1)
      assert.include(lines.join("\n"), "CUT: the recording has no last event. So far: Hello.")
    })
  )

  describeShared("of a recording", { path: "recordings", count: 20 }, (recordings) => {
    for (const file of Fs.readdirSync(recordings)) {
      it.live(file, () =>
        Effect.gen(function* () {
          assert.strictEqual(yield* replay(Path.join(recordings, file)), 0)
        })
      )
    }
  })
})
