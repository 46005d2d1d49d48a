import { Chat, LanguageModel, type Prompt } from "@effect/ai"
import { assert, describe, it } from "@effect/vitest"
import { CodexLanguageModel } from "@effect-codex/ai"
import { Script, TestCodex } from "@effect-codex/testing"
import * as Array from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { handlers, outline, rounds, sent, tools } from "./support.ts"

const layer = (script: Script.Script, options?: CodexLanguageModel.Options) =>
  Layer.provideMerge(CodexLanguageModel.layer({ model: "gpt-5.5", ...options }), TestCodex.layer(script))

describe("generateText", () => {
  it.effect("gives the words of a turn, its usage and how it ended", () =>
    Effect.gen(function* () {
      const response = yield* LanguageModel.generateText({
        prompt: [
          { role: "system", content: "Be brief." },
          { role: "user", content: "Hi" }
        ]
      })
      assert.strictEqual(response.text, "Hello")
      assert.strictEqual(response.reasoningText, "Think.")
      assert.strictEqual(response.finishReason, "stop")
      assert.strictEqual(response.usage.inputTokens, 12)
      assert.strictEqual(response.usage.cachedInputTokens, 4)
      const [request] = yield* sent
      assert.strictEqual(request?.instructions, "Be brief.")
      assert.strictEqual(request?.model, "gpt-5.5")
      assert.strictEqual(outline(request?.input ?? []), "user")
    }).pipe(
      Effect.provide(
        layer([Script.turn({ reasoning: "Think.", text: "Hello", usage: { inputTokens: 12, cachedTokens: 4 } })])
      )
    )
  )
})

const ask = (...names: ReadonlyArray<string>): Script.Turn => ({
  reasoning: [],
  toolCalls: names.map((city) =>
    city === "clock" ? { name: "clock", arguments: "" } : { name: "weather", arguments: { city } }
  )
})

describe("a chat of several rounds", () => {
  const script = [
    Script.turn(ask("Prague", "clock")),
    Script.turn(ask("Atlantis")),
    Script.turn({ reasoning: [], text: "Cold." }),
    Script.turn({ text: "Bye." })
  ]

  it.effect("sends back the exact items of its turns", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const chat = yield* Chat.empty
      const text = yield* Effect.provide(rounds(chat, "Where is it cold?"), handlers(ran))
      assert.strictEqual(text, "Cold.")
      assert.deepStrictEqual(ran, ["weather Prague", "clock", "weather Atlantis"])
      yield* chat.generateText({ prompt: "Thanks" })
      const requests = yield* sent
      assert.deepStrictEqual(
        requests.map(({ input }) => outline(input)),
        [
          "user",
          "user reasoning call:weather call:clock output output",
          "user reasoning call:weather call:clock output output reasoning call:weather output",
          "user reasoning call:weather call:clock output output reasoning call:weather output reasoning assistant user"
        ]
      )
      assert.strictEqual(new Set(requests.map(({ headers }) => headers["session-id"])).size, 1)
      for (const item of requests.at(-1)?.input ?? []) {
        if (item.type === "reasoning") assert.isString(item.encrypted_content)
        if (item.type === "function_call") assert.isString(item.id)
      }
    }).pipe(Effect.provide(layer(script)))
  )

  it.effect("does so when it streams", () =>
    Effect.gen(function* () {
      const chat = yield* Chat.empty
      const ran: Array<string> = []
      const all = (prompt: Prompt.RawInput) =>
        chat.streamText({ prompt, toolkit: tools }).pipe(
          Stream.runCollect,
          Effect.map((parts) => Array.dedupe(Chunk.toReadonlyArray(parts).map(({ type }) => type))),
          Effect.provide(handlers(ran))
        )
      assert.deepStrictEqual(yield* all("Where is it cold?"), [
        "response-metadata",
        "tool-params-start",
        "tool-params-delta",
        "tool-params-end",
        "tool-call",
        "tool-result",
        "finish"
      ])
      yield* all([])
      yield* all([])
      yield* all("Thanks")
      assert.deepStrictEqual(
        (yield* sent).map(({ input }) => outline(input)).at(-1),
        "user reasoning call:weather call:clock output output reasoning call:weather output reasoning assistant user"
      )
    }).pipe(Effect.provide(layer(script)))
  )
})
