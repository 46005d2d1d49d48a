/** The events of a turn as the parts of a stream. */
import { Chat, LanguageModel, type Response } from "@effect/ai"
import { assert, describe, it } from "@effect/vitest"
import { CodexLanguageModel } from "@effect-codex/ai"
import type { Turn, TurnEvent } from "@effect-codex/schema"
import { Generators, Script, TestCodex } from "@effect-codex/testing"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { fewer } from "../../../test/exhaustive.ts"
import * as Parts from "../src/internal/parts.ts"
import { outline, sent } from "./support.ts"

const layer = (script: Script.Script) => Layer.provideMerge(CodexLanguageModel.layer(), TestCodex.layer(script))

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

const textOf = (parts: ReadonlyArray<Response.AnyPart>) =>
  parts.map((part) => (part.type === "text-delta" ? part.delta : part.type === "text" ? part.text : "")).join("")

describe("a writer", () => {
  const text = (delta: string, outputIndex = 0): TurnEvent.TurnEvent => ({
    _tag: "TextDelta",
    outputIndex,
    contentIndex: 0,
    delta
  })

  it("makes one part of deltas that arrive together, and others of those that do not", () => {
    const writer = Parts.writer("", () => "")
    assert.deepStrictEqual(writer.write([text("a"), text("b")]), [
      { type: "text-start", id: "text_0" },
      { type: "text-delta", id: "text_0", delta: "ab" }
    ])
    assert.deepStrictEqual(writer.write([text("c")]), [{ type: "text-delta", id: "text_0", delta: "c" }])
    assert.deepStrictEqual(writer.end(), [{ type: "text-end", id: "text_0" }])
    assert.strictEqual(writer.text(), "abc")
  })

  it("keeps texts apart that are written at once, and joins them in the order they end", () => {
    const writer = Parts.writer("", () => "")
    const item = (id: string): Turn.Turn["items"][number] => ({ type: "message", id, role: "assistant", content: [] })
    const parts = writer.write([
      text("a1", 0),
      text("b1", 1),
      text("a2", 0),
      { _tag: "ItemCompleted", outputIndex: 1, item: item("msg_b") },
      { _tag: "ItemCompleted", outputIndex: 0, item: item("msg_a") }
    ])
    assert.deepStrictEqual(
      parts.map((part) => ("id" in part ? `${part.type} ${part.id}` : part.type)),
      [
        "text-start text_0",
        "text-delta text_0",
        "text-start text_1",
        "text-delta text_1",
        "text-delta text_0",
        "text-end text_1",
        "text-end text_0"
      ]
    )
    assert.strictEqual(writer.text(), "b1a1a2")
  })
})

it.effect.prop(
  "any turn: a stream has the words of the whole, ends what it begins, and is remembered",
  [Generators.turn({ endings: ["completed", "incomplete"] })],
  ([turn]) =>
    Effect.gen(function* () {
      const step = Script.turn(turn)
      const config = { prompt: "Go" }
      const whole = yield* Effect.provide(Effect.either(LanguageModel.generateText(config)), layer(Script.always(step)))
      yield* Effect.gen(function* () {
        const chat = yield* Chat.empty
        const streamed = yield* Effect.either(collect(chat.streamText(config)))
        assert.strictEqual(streamed._tag, whole._tag)
        if (streamed._tag === "Left" || whole._tag === "Left") return
        assert.strictEqual(textOf(streamed.right), textOf(whole.right.content))
        const open = new Set<string>()
        for (const part of streamed.right) {
          if (part.type === "text-start" || part.type === "reasoning-start") {
            assert.isFalse(open.has(part.id), "an id is used twice")
            open.add(part.id)
          }
          if (part.type === "text-delta" || part.type === "reasoning-delta") assert.isTrue(open.has(part.id))
          if (part.type === "text-end" || part.type === "reasoning-end") open.delete(part.id)
        }
        assert.strictEqual(open.size, 0)
        const before = yield* sent
        yield* Effect.either(chat.generateText({ prompt: "Go on" }))
        const kept = (yield* sent)[before.length]
        const finish = streamed.right.flatMap((part) => (part.type === "finish" ? [part] : []))[0]
        const items = finish?.metadata.codex?.turn.items ?? []
        const messages = items.filter((item) => "type" in item && item.type === "message")
        assert.strictEqual(
          kept?.input.filter((item) => item.type === "message" && item.role === "assistant").length,
          messages.length +
            items.filter((item) => "role" in item && !("type" in item) && item.role === "assistant").length,
          outline(kept?.input ?? [])
        )
      }).pipe(Effect.provide(layer(Script.always(step))))
    }),
  { fastCheck: { numRuns: fewer(30) } }
)

it.effect("a stream without response.created still has response metadata", () =>
  Effect.gen(function* () {
    const parts = yield* collect(LanguageModel.streamText({ prompt: "Hi" }))
    const metadata = parts.flatMap((part) => (part.type === "response-metadata" ? [part] : []))
    assert.strictEqual(metadata.length, 1)
    assert.include(metadata[0]?.id, { _tag: "Some", value: "resp_1" })
  }).pipe(
    Effect.provide(
      layer([
        Script.events(
          Script.turnEvents({ text: "Hello" }).filter(
            ({ type }) => type !== "response.created" && type !== "response.in_progress"
          )
        )
      ])
    )
  )
)
