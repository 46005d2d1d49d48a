/** A program in the manner of Effect's own documentation, unchanged but for its Layer, before the strict backend. */
import { Chat } from "@effect/ai"
import { assert, describe, it } from "@effect/vitest"
import { CodexLanguageModel } from "@effect-codex/ai"
import { Message } from "@effect-codex/schema"
import { PromptCache, Script, ScriptedBackend, StrictBackend, TestCodex } from "@effect-codex/testing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Conversation } from "effect-codex"
import { handlers, outline, rounds, sent } from "./support.ts"

const instructions = "You know the weather everywhere. Answer in one sentence, and use the tools you have."

/** The model: two tools side by side, then one that fails, then the answer. */
const model = PromptCache.responder(({ prompt, toolOutputs }): Script.Turn => {
  if (prompt !== "Where is it cold?") return { reasoning: [], text: `You said: ${prompt}` }
  switch (toolOutputs.length) {
    case 0:
      return {
        reasoning: [],
        toolCalls: [
          { name: "weather", arguments: { city: "Prague" } },
          { name: "clock", arguments: "" }
        ]
      }
    case 2:
      return { reasoning: [], toolCalls: [{ name: "weather", arguments: { city: "Atlantis" } }] }
    default:
      return { reasoning: [], text: "In Prague." }
  }
})

const prompts = ["Where is it cold?", "Thanks", "Bye"]

const cachedTokens = Effect.map(sent, (requests) =>
  requests.map((request, n) => PromptCache.usage(request, requests.slice(0, n)).cachedTokens)
)

describe("a chat of three rounds with two tools", () => {
  it.effect("passes the strict checks and hits the prompt cache at every request", () =>
    Effect.gen(function* () {
      const chat = yield* Chat.fromPrompt([{ role: "system", content: instructions }])
      const ran: Array<string> = []
      const texts = yield* Effect.forEach(prompts, (prompt) => Effect.provide(rounds(chat, prompt), handlers(ran)))
      assert.deepStrictEqual(texts, ["In Prague.", "You said: Thanks", "You said: Bye"])
      assert.deepStrictEqual(ran, ["weather Prague", "clock", "weather Atlantis"])
      const backend = yield* StrictBackend.StrictBackend
      assert.deepStrictEqual(yield* backend.refusals, [])
      const requests = yield* sent
      assert.strictEqual(
        outline(requests.at(-1)?.input ?? []),
        "user reasoning call:weather call:clock output output reasoning call:weather output reasoning assistant user reasoning assistant user"
      )
      const failed = requests[2]?.toolOutputs.at(-1)?.output
      assert.strictEqual(failed, 'Error: {"city":"Atlantis","_tag":"NoSuchCity"}')
    }).pipe(
      Effect.provide(
        Layer.provideMerge(CodexLanguageModel.layer({ model: "gpt-5.5" }), TestCodex.layerStrict({ script: model }))
      )
    )
  )

  it.effect("has as much of its prompts cached as a Conversation", () =>
    Effect.gen(function* () {
      const throughChat = yield* Effect.gen(function* () {
        const chat = yield* Chat.fromPrompt([{ role: "system", content: instructions }])
        yield* Effect.forEach(prompts, (prompt) => Effect.provide(rounds(chat, prompt), handlers()))
        return { tools: (yield* sent)[0]?.tools ?? [], cached: yield* cachedTokens }
      }).pipe(
        Effect.provide(
          Layer.provideMerge(CodexLanguageModel.layer({ model: "gpt-5.5" }), TestCodex.layerStrict({ script: model }))
        )
      )
      const throughConversation = yield* Effect.gen(function* () {
        const conversation = yield* Conversation.make({ model: "gpt-5.5", instructions, tools: throughChat.tools })
        for (const prompt of prompts) {
          let turn = yield* conversation.send(prompt)
          while (turn.toolCalls.length > 0) {
            turn = yield* conversation.sendToolResults(
              turn.toolCalls.map((call) =>
                call.name === "clock"
                  ? Message.toolResult(call, "noon")
                  : call.arguments.includes("Atlantis")
                    ? Message.toolResult(call, '{"city":"Atlantis","_tag":"NoSuchCity"}', { isError: true })
                    : Message.toolResult(call, '{"degrees":6}')
              )
            )
          }
        }
        return yield* cachedTokens
      }).pipe(Effect.provide(TestCodex.layerStrict({ script: model })))
      assert.deepStrictEqual(throughChat.cached, throughConversation)
      assert.isAbove(throughChat.cached.at(-1) ?? 0, 0)
    })
  )
})

describe("a chat whose stream failed", () => {
  it.effect("keeps the finished parts, and continues", () =>
    Effect.gen(function* () {
      const chat = yield* Chat.empty
      const error = yield* Effect.flip(Stream.runDrain(chat.streamText({ prompt: "Hi" })))
      assert.strictEqual(error._tag, "MalformedOutput")
      const { text } = yield* chat.generateText({ prompt: "Again" })
      assert.strictEqual(text, "Hello")
      const backend = yield* StrictBackend.StrictBackend
      assert.deepStrictEqual(yield* backend.refusals, [])
      assert.strictEqual(outline((yield* sent).at(-1)?.input ?? []), "user assistant user")
    }).pipe(
      Effect.provide(
        Layer.provideMerge(
          CodexLanguageModel.layer(),
          TestCodex.layerStrict({
            script: [
              Script.turn({ reasoning: "Hm.", text: "Half", toolCalls: [{ name: "clock" }] }).pipe(
                Script.truncateAfterEvents(broken)
              ),
              Script.turn({ text: "Hello" })
            ]
          })
        )
      )
    )
  )

  it.effect("was interrupted by its consumer: the request is aborted, the chat continues", () =>
    Effect.gen(function* () {
      const chat = yield* Chat.empty
      const first = yield* chat.streamText({ prompt: "Hi" }).pipe(
        Stream.filter((part) => part.type === "text-delta"),
        Stream.runHead
      )
      assert.strictEqual(first._tag, "Some")
      yield* Effect.flatMap(ScriptedBackend.ScriptedBackend, (backend) => backend.aborted(1))
      const { text } = yield* chat.generateText({ prompt: "Again" })
      assert.strictEqual(text, "Hello")
      assert.strictEqual(outline((yield* sent).at(-1)?.input ?? []), "user user")
    }).pipe(
      Effect.provide(
        Layer.provideMerge(
          CodexLanguageModel.layer(),
          TestCodex.layer([
            Script.turn({ text: "A long story" }).pipe(Script.silenceAfterEvents(6)),
            Script.turn({ text: "Hello" })
          ])
        )
      )
    )
  )
})

/** In the middle of the call, after the message. */
const broken = Script.turnEvents({ reasoning: "Hm.", text: "Half", toolCalls: [{ name: "clock" }] }).length - 2
