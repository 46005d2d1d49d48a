import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { type PlatformError, SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeKeyValueStore from "@effect/platform-node/NodeKeyValueStore"
import { assert, describe, it } from "@effect/vitest"
import { History, type Item, Tool } from "@effect-codex/schema"
import { Script, TestCodex } from "@effect-codex/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Conversation, Snapshot, Toolkit } from "effect-codex"
import { draw, forAllEffect } from "../../../test/property.ts"
import { bundle } from "../../auth/test/support/bundle.ts"
import { bodies, run } from "./support.ts"

const says = (text: string) => Script.turn({ reasoning: "Hm.", text })
const readTool = Tool.unsafeMake({ name: "read", parameters: Schema.Struct({ path: Schema.String }) })
const read = Toolkit.handler(readTool, ({ path }) => Effect.succeed(`content of ${path}`))

const texts = Effect.flatMap(KeyValueStore.KeyValueStore, (store) =>
  Effect.map(Effect.all([store.get("holiday.0"), store.get("holiday.1")]), (all) => all.map(Option.getOrUndefined))
)

describe("Conversation.persisted", () => {
  it.effect("is saved after every finished turn and set of results, and goes on byte for byte", () =>
    Effect.gen(function* () {
      const first = yield* Conversation.persisted("holiday", { instructions: "Plan.", tools: [read] })
      const saved: Array<number> = []
      yield* run(
        Stream.runForEach(first.run("one"), (event) =>
          event._tag === "TurnCompleted" || event._tag === "LoopCompleted"
            ? Effect.map(texts, (all) => void saved.push(Math.max(...all.map(revisionOf))))
            : Effect.void
        )
      )
      assert.deepStrictEqual(saved, [1, 3, 3])
      const again = yield* Conversation.persisted("holiday", { instructions: "Other.", tools: [read] })
      assert.deepStrictEqual(yield* again.history, (yield* first.snapshot).items)
      yield* run(again.send("two"))
      const sent = yield* bodies
      assert.isTrue(JSON.stringify(sent[2]?.input).startsWith(JSON.stringify(sent[1]?.input).slice(0, -1)))
      assert.strictEqual(sent[2]?.["instructions"], "Plan.")
      assert.strictEqual(sent[2]?.["prompt_cache_key"], "holiday")
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.turn({ toolCalls: [{ name: "read", arguments: { path: "a" } }] }),
          says("A"),
          says("B")
        ])
      ),
      Effect.provide(KeyValueStore.layerMemory)
    )
  )

  it.effect("refuses to overwrite what a faster writer saved", () =>
    Effect.gen(function* () {
      const one = yield* Conversation.persisted("holiday")
      const two = yield* Conversation.persisted("holiday")
      yield* run(one.send("one"))
      const before = yield* texts
      const error = yield* run(Effect.flip(two.send("two")))
      assert.deepInclude(error, { _tag: "StoreFailed", reason: "conflict" })
      assert.include(error.message, "another writer saved it first")
      assert.deepStrictEqual(yield* texts, before)
      // what was paid for is still there
      assert.lengthOf(yield* two.history, 3)
      yield* run(one.send("three"))
      yield* run(one.send("four"))
      assert.strictEqual((yield* run(Effect.flip(two.send("five"))))._tag, "StoreFailed")
    }).pipe(Effect.provide(TestCodex.layer(Script.always(says("A")))), Effect.provide(KeyValueStore.layerMemory))
  )

  it.effect("a write that was cut off costs what was not saved yet, and nothing else", () =>
    Effect.gen(function* () {
      const store = yield* KeyValueStore.KeyValueStore
      const conversation = yield* Conversation.persisted("holiday")
      yield* run(conversation.send("one"))
      yield* run(conversation.send("two"))
      const newest = (yield* texts)[0] ?? ""
      yield* store.set("holiday.0", newest.slice(0, newest.length / 2))
      const again = yield* Conversation.persisted("holiday")
      assert.lengthOf(yield* again.history, 3)
      yield* run(again.send("three"))
      assert.lengthOf(yield* (yield* Conversation.persisted("holiday")).history, 6)
    }).pipe(Effect.provide(TestCodex.layer(Script.always(says("A")))), Effect.provide(KeyValueStore.layerMemory))
  )

  it.effect("a first write that was cut off has stored nothing, so the conversation begins", () =>
    Effect.gen(function* () {
      const store = yield* KeyValueStore.KeyValueStore
      yield* run((yield* Conversation.persisted("holiday")).send("one"))
      const first = (yield* texts)[1] ?? ""
      for (const length of [0, 5, 14, 30, first.length - 1]) {
        yield* store.set("holiday.1", first.slice(0, length))
        const conversation = yield* Conversation.persisted("holiday")
        assert.isEmpty(yield* conversation.history)
        yield* run(conversation.send("one"))
        assert.lengthOf(yield* (yield* Conversation.persisted("holiday")).history, 3)
      }
      // two that cannot be read were a conversation
      yield* store.set("holiday.0", "")
      yield* store.set("holiday.1", "")
      assert.strictEqual((yield* Effect.flip(Conversation.persisted("holiday")))._tag, "InvalidSnapshot")
    }).pipe(Effect.provide(TestCodex.layer(Script.always(says("A")))), Effect.provide(KeyValueStore.layerMemory))
  )

  it.effect("loses nothing after a revision that cannot grow", () =>
    Effect.forEach(["9".repeat(20), "9".repeat(400), "9007199254740991", "9007199254740990", "-1", "1.5"], (revision) =>
      Effect.gen(function* () {
        const store = yield* KeyValueStore.KeyValueStore
        yield* store.set(
          "holiday.1",
          `{"revision":${revision},"version":1,"id":"holiday","instructions":"","items":[]}`
        )
        const conversation = yield* Conversation.persisted("holiday")
        for (const prompt of ["one", "two", "three"]) {
          yield* run(conversation.send(prompt))
          assert.deepStrictEqual(
            yield* (yield* Conversation.persisted("holiday")).history,
            yield* conversation.history,
            revision
          )
        }
      }).pipe(Effect.provide(TestCodex.layer(Script.always(says("A")))), Effect.provide(KeyValueStore.layerMemory))
    )
  )

  it.effect("refuses what is nested too deeply in words, wherever it stands", () =>
    Effect.gen(function* () {
      const deep = "[".repeat(50_000) + "]".repeat(50_000)
      const whole = { version: 1, id: '"a"', instructions: '""', items: "[]" }
      for (const key of ["version", "id", "instructions"]) {
        const text = Object.entries({ ...whole, [key]: deep }).map(([name, json]) => `"${name}":${json}`)
        const error = yield* Effect.flip(Snapshot.fromJson(`{${text.join()}}`))
        assert.strictEqual(error._tag, "InvalidSnapshot")
        assert.isBelow(error.message.length, 700)
      }
      assert.strictEqual((yield* Effect.flip(Snapshot.fromJson(deep)))._tag, "InvalidSnapshot")
    })
  )

  it.effect("what is no conversation is refused, and a store that fails is named", () =>
    Effect.gen(function* () {
      const store = yield* KeyValueStore.KeyValueStore
      yield* store.set("holiday.0", "no conversation")
      assert.strictEqual((yield* Effect.flip(Conversation.persisted("holiday")))._tag, "InvalidSnapshot")

      let broken = false
      const disk = new SystemError({ reason: "Unknown", module: "KeyValueStore", method: "set" })
      const failing = {
        ...store,
        set: (key: string, value: string) => (broken ? Effect.fail(disk) : store.set(key, value))
      }
      const conversation = yield* Effect.provideService(
        Conversation.persisted("other"),
        KeyValueStore.KeyValueStore,
        failing as KeyValueStore.KeyValueStore
      )
      broken = true
      const error = yield* run(Effect.flip(conversation.send("one")))
      assert.deepInclude(error, { _tag: "StoreFailed", operation: "save", reason: "unavailable" })
      assert.include(error.message, "Check the store, such as the disk")
      // what was not saved can be gone on from
      assert.strictEqual(error.items?.length, 3)
      broken = false
      yield* run(conversation.send("two"))
      assert.lengthOf(yield* (yield* Conversation.persisted("other")).history, 6)
    }).pipe(Effect.provide(TestCodex.layer(Script.always(says("A")))), Effect.provide(KeyValueStore.layerMemory))
  )
})

describe("a store that breaks", () => {
  const disk = new SystemError({ reason: "Unknown", module: "KeyValueStore", method: "set" })
  const ways = {
    "before it writes": () => Effect.fail(disk),
    "half-way": (write: (share: number) => Effect.Effect<void, PlatformError>) => Effect.zipRight(write(0.5), disk),
    "after it has written": (write: (share: number) => Effect.Effect<void, PlatformError>) =>
      Effect.zipRight(write(1), disk),
    "and hangs before it writes": () => Effect.never,
    "and hangs after it has written": (write: (share: number) => Effect.Effect<void, PlatformError>) =>
      Effect.zipRight(write(1), Effect.never)
  }
  for (const [what, way] of Object.entries(ways)) {
    it.effect(`${what} loses nothing, and the conversation goes on`, () =>
      // the turn with the call, the result, the last turn
      Effect.forEach([1, 2, 3], (broken) =>
        Effect.gen(function* () {
          const store = yield* KeyValueStore.KeyValueStore
          let writes = 0
          const breaking: Partial<KeyValueStore.KeyValueStore> = {
            ...store,
            set: (key, value) =>
              Effect.suspend(() =>
                ++writes === broken
                  ? way((share) => store.set(key, value.slice(0, value.length * share)))
                  : store.set(key, value)
              )
          }
          const conversation = yield* Effect.provideService(
            Conversation.persisted("holiday", { tools: [read] }),
            KeyValueStore.KeyValueStore,
            breaking as KeyValueStore.KeyValueStore
          )
          const fiber = yield* Effect.fork(Effect.exit(conversation.complete("one")))
          yield* run(Effect.sleep("3 seconds"))
          const exit = yield* run(Fiber.interrupt(fiber))
          if (!what.includes("hangs")) assert.include(JSON.stringify(exit), "StoreFailed")
          yield* run(conversation.complete("two"))
          yield* run(conversation.complete("three"))
          assert.deepStrictEqual(
            yield* (yield* Conversation.persisted("holiday")).history,
            (yield* conversation.snapshot).items
          )
          // another writer is still told apart
          const other = yield* Conversation.persisted("holiday")
          yield* run(conversation.send("four"))
          assert.strictEqual((yield* run(Effect.flip(other.send("five"))))._tag, "StoreFailed")
        }).pipe(
          Effect.provide(
            TestCodex.layer(
              Script.toResponder(({ number, toolOutputs }) =>
                toolOutputs.length === 0
                  ? Script.turn({ toolCalls: [{ name: "read", callId: `call_${number}`, arguments: { path: "a" } }] })
                  : says("A")
              )
            )
          ),
          Effect.provide(KeyValueStore.layerMemory)
        )
      )
    )
  }
})

const revisionOf = (text: string | undefined): number => Number(/^\{"revision":(\d+)/.exec(text ?? "")?.[1] ?? 0)

/** The model of a random program: turn after turn, some with calls, some of which break. */
const plan = draw.array(
  draw.record({
    calls: draw.integer({ min: 0, max: 3 }),
    broken: draw.boolean(),
    stopAfter: draw.integer({ min: 0, max: 40 })
  }),
  { minLength: 1, maxLength: 5 }
)

describe("a random conversation", () => {
  it.effect("that is interrupted, fails and is taken up again stays sound, and runs no call twice", () =>
    forAllEffect(
      [plan],
      (rounds) =>
        Effect.scoped(
          Effect.gen(function* () {
            const ran = new Map<string, number>()
            let next = 0
            const script = Script.toResponder((request) => {
              const round = rounds[next % rounds.length]
              const input = (request.body as { readonly input: ReadonlyArray<{ readonly type: string }> }).input
              if (round === undefined || input.at(-1)?.type === "function_call_output") return says("Done.")
              if (round.broken) return Script.status(400)
              return Script.turn({
                reasoning: "Hm.",
                toolCalls: Array.from({ length: round.calls }, (_, n) => ({
                  name: "read",
                  callId: `call_${request.number}_${n}`,
                  arguments: { path: `${n}` }
                }))
              })
            })
            const tool = Toolkit.handler(readTool, ({ path }, { call }) =>
              Effect.delay(
                Effect.sync(() => {
                  ran.set(call.callId, (ran.get(call.callId) ?? 0) + 1)
                  return `content of ${path}`
                }),
                Number(path) % 2 === 0 ? "1 millis" : "3 millis"
              )
            )
            yield* Effect.gen(function* () {
              for (const { stopAfter } of rounds) {
                const conversation = yield* Conversation.persisted("random", { tools: [tool] })
                const stored = yield* conversation.history
                const fiber = yield* Effect.fork(
                  Effect.either(Stream.runDrain(Stream.take(conversation.run("Go"), stopAfter + 1)))
                )
                if (stopAfter % 3 === 0)
                  yield* Effect.zipRight(Effect.sleep(`${stopAfter / 3} millis`), Fiber.interrupt(fiber))
                else yield* Fiber.join(fiber)
                next++
                const history = yield* conversation.history
                assert.isTrue(JSON.stringify(history).startsWith(JSON.stringify(stored).slice(0, -1)))
                assert.isEmpty(History.validate(History.compile(history).items))
                const sent = yield* bodies
                for (const { input } of sent)
                  assert.isEmpty(History.validate(input as unknown as ReadonlyArray<Item.Item>))
              }
            }).pipe(Effect.provide(TestCodex.layer(script)))
            for (const times of ran.values()) assert.strictEqual(times, 1)
          }).pipe(Effect.provide(KeyValueStore.layerMemory))
        ),
      { runs: 30 }
    )
  )
})

describe("a conversation in a file", () => {
  it.live("outlives SIGKILL: what was stored is sound, and nothing stored runs again", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      const program = yield* bundle(fileURLToPath(new URL("fixtures/persisting.ts", import.meta.url)))
      const stored = Effect.provide(
        Effect.flatMap(Conversation.persisted("killed"), (conversation) => conversation.history),
        NodeKeyValueStore.layerFileSystem(`${directory}/store`)
      )
      let before: ReadonlyArray<History.Entry> = []
      for (let life = 0; life < 3; life++) {
        const child = yield* Effect.acquireRelease(
          Effect.sync(() => spawn(process.execPath, [program, directory], { stdio: "ignore" })),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        const ended = once(child, "exit")
        // it can be read while it is written
        const glance = Effect.orElseSucceed(stored, () => before)
        yield* Effect.repeat(Effect.zipRight(Effect.sleep("20 millis"), glance), {
          until: (history) => history.length >= before.length + 20
        })
        child.kill("SIGKILL")
        yield* Effect.promise(() => ended)
        const history = yield* stored
        assert.isEmpty(History.validate(history as ReadonlyArray<Item.Item>))
        assert.isTrue(JSON.stringify(history).startsWith(JSON.stringify(before).slice(0, -1)))
        before = history
      }
      const ran = (yield* files.readFileString(`${directory}/ran.txt`)).trim().split("\n")
      const results = before.flatMap((entry) =>
        "type" in entry && entry.type === "function_call_output" && entry.output === "noted" ? [entry.call_id] : []
      )
      assert.isAbove(results.length, 10)
      for (const callId of results)
        assert.lengthOf(
          ran.filter((line) => line === callId),
          1
        )
    }).pipe(Effect.scoped, Effect.provide(NodeContext.layer), Effect.provide(TestCodex.layer([])))
  )
})
