import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Demo, Script, ScriptedBackend, TestCodex } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Codex, CodexConfig } from "effect-codex"

describe("TestCodex", () => {
  it.effect("script, provide, assert", () =>
    Effect.gen(function* () {
      const turn = yield* (yield* Codex.Codex).turn({ prompt: "Hi" })
      assert.strictEqual(turn.text, "Hello")
    }).pipe(Effect.provide(TestCodex.layer([Script.turn({ text: "Hello" })])))
  )

  it.effect("every part of a scripted turn arrives as the client's own", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const turn = yield* codex.turn({ prompt: "What is here?" })
      assert.strictEqual(turn.text, "Let me look.")
      assert.deepStrictEqual(
        turn.toolCalls.map((call) => call.name),
        ["ls", "note"]
      )
      assert.deepInclude(turn.usage, { inputTokens: 1000, cachedTokens: 200, reasoningTokens: 10 })
      const backend = yield* ScriptedBackend.ScriptedBackend
      const [request] = yield* backend.requests
      assert.strictEqual(request?.headers["authorization"], `Bearer ${TestAuth.jwt()}`)
      assert.strictEqual(request?.headers["chatgpt-account-id"], "acc_test")
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.turn({
            reasoning: ["First.", "Second."],
            text: "Let me look.",
            toolCalls: [
              { name: "ls", arguments: { path: "." } },
              { name: "note", input: "free text" }
            ],
            usage: { inputTokens: 1000, cachedTokens: 200, reasoningTokens: 10 }
          })
        ])
      )
    )
  )

  it.effect("a retry waits for the test's clock", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const fiber = yield* Effect.fork(codex.turn({ prompt: "Hi" }))
      yield* TestClock.adjust("29 seconds")
      const backend = yield* ScriptedBackend.ScriptedBackend
      assert.lengthOf(yield* backend.requests, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).text, "At last")
      assert.lengthOf(yield* backend.requests, 2)
    }).pipe(
      Effect.provide(
        TestCodex.layer([Script.status(503, { headers: { "retry-after": "30" } }), Script.turn({ text: "At last" })])
      )
    )
  )

  it.effect("a request beyond the script fails at once and says which", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      yield* codex.turn({ prompt: "One" })
      const error = yield* Effect.flip(codex.turn({ prompt: "Two" }))
      assert.strictEqual(error._tag, "InvalidRequest")
      const { verify } = yield* ScriptedBackend.ScriptedBackend
      assert.include((yield* Effect.flip(verify)).message, '1 item, "Two") has no step: the script has 1.')
    }).pipe(Effect.provide(TestCodex.layer([Script.turn({ text: "One" })], {}, { onUnexpected: "answer" })))
  )

  it.scopedLive("the demo, streamed over a real socket", () =>
    Effect.gen(function* () {
      const backend = yield* BackendServer.make({ script: Demo.script, timeScale: 0.1 })
      const client = Codex.layer.pipe(
        Layer.provide(CodexConfig.layer({ baseUrl: backend.url })),
        Layer.provide([TestAuth.layer(), NodeHttpClient.layerUndici])
      )
      const text = yield* Effect.flatMap(Codex.Codex, (codex) =>
        Stream.runCollect(codex.text({ prompt: "Who is there?" }))
      ).pipe(Effect.provide(client))
      assert.isAbove(text.length, 5)
      assert.include(Chunk.join(text, ""), "Who is there?")
    })
  )
})
