/** What the command line shows, without a process. */
import { assert, describe, it } from "@effect/vitest"
import { ServiceError, type Turn } from "@effect-codex/schema"
import { TransportError } from "@effect-codex/transport"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as Backend from "../src/Backend.ts"
import * as CtrlC from "../src/CtrlC.ts"
import * as ExitCode from "../src/ExitCode.ts"
import { UnreadableFile } from "../src/Files.ts"
import * as Screen from "../src/Screen.ts"

const hostile = "A\u001b[31mred\u001b]0;title\u0007\u001b[2J\u009b2J \u202Ereversed\rover"

describe("Screen", () => {
  const place = { outputIndex: 0, contentIndex: 0, part: 0 }
  const call: Turn.ToolCall = { type: "function", callId: "c", name: hostile, arguments: hostile }
  for (const event of [
    { _tag: "TextDelta", ...place, delta: hostile },
    { _tag: "RefusalDelta", ...place, delta: hostile },
    { _tag: "ReasoningDelta", ...place, kind: "summary", delta: hostile },
    { _tag: "ToolStarted", call },
    { _tag: "ToolFailed", call, error: undefined }
  ] as const) {
    it(`no ${event._tag} controls a terminal`, () => {
      const text = Screen.rendered(event, true)
      assert.include(text, "Ared")
      assert.notMatch(text, /(?!\n)[\p{Cc}\p{Bidi_Control}]/u)
    })
  }

  it("a pipe gets the answer unchanged", () => {
    assert.strictEqual(Screen.rendered({ _tag: "TextDelta", ...place, delta: hostile }, false), hostile)
  })

  it("says when an answer is incomplete or starts over", () => {
    const remark = (event: unknown) => Screen.remark(event as Parameters<typeof Screen.remark>[0])
    const turn: Partial<Turn.Turn> = { status: "incomplete", incompleteReason: "max_output_tokens" }
    assert.strictEqual(remark({ _tag: "TurnCompleted", turn }), "[the answer is incomplete: max_output_tokens]")
    assert.isUndefined(remark({ _tag: "TurnCompleted", turn: { status: "completed" } }))
    assert.strictEqual(remark({ _tag: "TurnRestarted" }), "[the answer starts over]")
  })
})

describe("--json", () => {
  for (const [name, error, reason, group] of [
    ["the backend", new ServiceError.ServerOverloaded({}), "ServerOverloaded", "later"],
    ["the settings", new TransportError.InvalidConfig({ problems: ["x"] }), "InvalidConfig", "account"],
    ["a variable", ConfigError.InvalidData(["X"], "not a number"), "ConfigError", "account"],
    ["a file", new UnreadableFile({ file: "x", cause: undefined as never }), "UnreadableFile", "request"]
  ] as const) {
    it(`ends with an event also if ${name} fails`, () => {
      assert.deepStrictEqual(ExitCode.event(error), { _tag: "Failed", reason, group })
    })
  }
})

describe("Ctrl-C", () => {
  it.effect("that takes longer says why, once", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const note = Effect.sync(() => void said.push("busy"))
      const slow = yield* Effect.fork(Effect.uninterruptible(Effect.sleep("3 seconds")))
      yield* TestClock.adjust("1 millis")
      const ending = yield* Effect.fork(CtrlC.end(slow, note))
      yield* TestClock.adjust("900 millis")
      assert.deepStrictEqual(said, [])
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(ending)
      assert.deepStrictEqual(said, ["busy"])
    })
  )

  it.effect("that ends the program at once says nothing", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const fiber = yield* Effect.fork(Effect.never)
      yield* CtrlC.end(
        fiber,
        Effect.sync(() => void said.push("busy"))
      )
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(said, [])
    })
  )
})

describe("Backend", () => {
  for (const [name, layer] of [
    ["login", Backend.login],
    ["whoami", Backend.auth(false)]
  ] as const) {
    it.scoped(`${name} goes through the proxy of the environment, or says why not`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Layer.build(layer as Layer.Layer<unknown, Error>))
        assert.include(error.message, "ALL_PROXY: this kind of SOCKS proxy is not supported")
      }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["ALL_PROXY", "socks5h://127.0.0.1:1"]]))))
    )
  }
})
