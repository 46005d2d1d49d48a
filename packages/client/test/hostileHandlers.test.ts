/** Handlers, approvals and limits of programs without types: the loop tells the model, and goes on. */
import { assert, describe, it } from "@effect/vitest"
import { Tool } from "@effect-codex/schema"
import { Script, TestCodex } from "@effect-codex/testing"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Toolkit, ToolLoop } from "effect-codex"
import { run } from "./support.ts"

const tool = Tool.unsafeMake({ name: "odd", parameters: Schema.Struct({}) })

const throwing = (what: () => unknown) =>
  new Proxy(
    {},
    {
      get: what,
      has: what as () => boolean,
      ownKeys: what as () => Array<string>,
      getPrototypeOf: what as () => object
    }
  )

const raise = (): never => {
  throw new Error("a trap")
}

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable([], {})
  revoke()
  return proxy
}

const cyclic = (() => {
  const value: Record<string, unknown> = {}
  value["self"] = value
  return value
})()

const deep = (() => {
  let value: unknown = "x"
  for (let n = 0; n < 20_000; n++) value = [value]
  return value
})()

const odd: ReadonlyArray<readonly [string, unknown]> = [
  ["undefined", undefined],
  ["null", null],
  ["a number", 5],
  ["a cycle", cyclic],
  ["a revoked proxy", revoked()],
  ["a proxy that throws", throwing(raise)],
  ["a list of proxies that throw", [throwing(raise)]],
  ["something deep", deep],
  ["a function", () => "x"],
  ["a symbol", Symbol("x")],
  ["a bigint", 5n],
  ["an error whose message throws", Object.defineProperty(new Error("x"), "message", { get: raise })],
  ["an object whose toString throws", { toString: raise, toJSON: raise, message: { toString: raise } }]
]

type Handle = (...args: ReadonlyArray<never>) => unknown

const attempts: ReadonlyArray<readonly [string, (value: unknown) => Handle]> = [
  ["returned as it is", (value) => () => value],
  ["succeeded with", (value) => () => Effect.succeed(value)],
  ["failed with", (value) => () => Effect.fail(value)],
  ["died of", (value) => () => Effect.die(value)],
  [
    "thrown",
    (value) => () => {
      throw value
    }
  ]
]

const layer = TestCodex.layer([
  Script.turn({
    toolCalls: [
      { name: "odd", callId: "call_a" },
      { name: "fine", callId: "call_b" }
    ]
  }),
  Script.turn({ text: "Done." })
])

const fine = Toolkit.handler(Tool.unsafeMake({ name: "fine", parameters: Schema.Struct({}) }), () =>
  Effect.succeed("fine")
)

const loop = (options: object) =>
  Effect.provide(
    Effect.map(
      run(Stream.runCollect(ToolLoop.run({ prompt: "Go", ...options } as ToolLoop.Options<never, never>))),
      (events) => [...events]
    ),
    layer
  )

const tags = (events: ReadonlyArray<{ readonly _tag: string }>) =>
  events.map(({ _tag }) => _tag).filter((tag) => /^Tool(Failed|Succeeded)$|^LoopCompleted$/.test(tag))

describe("a handler", () => {
  for (const [how, handle] of attempts) {
    it.effect.each(odd)(`that ${how} %s has failed, and its sibling has not`, ([, value]) =>
      Effect.gen(function* () {
        const handler = Toolkit.handler(tool, handle(value) as never)
        const events = yield* loop({ tools: [handler, fine], concurrency: 1 })
        assert.deepStrictEqual(tags(events), ["ToolFailed", "ToolSucceeded", "LoopCompleted"])
      })
    )
  }
})

describe("an approval", () => {
  for (const [how, approve] of attempts) {
    it.effect.each(odd)(`that ${how} %s lets nothing run`, ([, value]) =>
      Effect.gen(function* () {
        let ran = 0
        const handler = Toolkit.handler(tool, () => Effect.sync(() => String(++ran)))
        const events = yield* loop({ tools: [handler, fine], approve: approve(value) })
        assert.deepStrictEqual(tags(events), ["ToolFailed", "ToolFailed", "LoopCompleted"])
        assert.strictEqual(ran, 0)
      })
    )
  }
})

describe("a limit", () => {
  it.effect("of time that is no duration is an invalid request", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(loop({ tools: [fine], timeLimit: "soon" }))
      assert.deepInclude(error, { _tag: "InvalidRequest", param: "timeLimit" })
    })
  )

  it.effect.each(["maxSteps", "maxTokens"])("%s that is no number is reached at once", (limit) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(loop({ tools: [fine], [limit]: Number.NaN }))
      assert.strictEqual(error._tag, "LoopLimitReached")
    })
  )
})
