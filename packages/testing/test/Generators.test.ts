/** What is generated is valid, varied, and means the same to a client however it is sent. */
import { assert, describe, it } from "@effect/vitest"
import * as ResponseEvent from "@effect-codex/schema/ResponseEvent"
import * as Generators from "@effect-codex/testing/Generators"
import * as Script from "@effect-codex/testing/Script"
import * as TestCodex from "@effect-codex/testing/TestCodex"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Codex } from "effect-codex"
import { fewer } from "../../../test/exhaustive.ts"
import { type Arbitrary, forAll, forAllEffect, sample } from "../../../test/property.ts"
import * as ItemChecks from "../src/internal/strict/itemChecks.ts"

const turnOf = (step: Script.Step) =>
  Effect.flatMap(Codex.Codex, (codex) => codex.turn({ prompt: "Hi" })).pipe(
    Effect.provide(TestCodex.layer([step], { retry: { retries: 0 } }))
  )

/** How many of the samples have it: enough to be sure that it comes, and that it does not always. */
const assertVaried = <A>(arbitrary: Arbitrary<A>, features: Readonly<Record<string, (value: A) => boolean>>) => {
  const samples = sample(arbitrary, { runs: 300, seed: 7 })
  for (const [name, has] of Object.entries(features)) {
    const count = samples.filter(has).length
    assert.isTrue(count > 5 && count < 295, `${name}: ${count} of 300`)
  }
}

describe("turns", () => {
  it("are of every kind", () =>
    assertVaried(Generators.turn({ endings: ["completed", "incomplete", "failed"] }), {
      "with text": ({ text }) => text !== undefined,
      "with a refusal": ({ refusal }) => refusal !== undefined,
      "with reasoning": ({ reasoning }) => reasoning !== undefined && reasoning.length > 0,
      "with reasoning and no summary": ({ reasoning }) => reasoning?.length === 0,
      "with calls": ({ toolCalls }) => toolCalls !== undefined,
      "with custom calls": ({ toolCalls = [] }) => toolCalls.some((call) => "input" in call),
      "without usage": ({ usage }) => usage === null,
      incomplete: ({ incomplete }) => incomplete !== undefined,
      failed: ({ failed }) => failed !== undefined
    }))

  it("have events of the wire's schemas", () =>
    forAll([Generators.turn({ endings: ["completed", "incomplete", "failed"] })], (turn) => {
      for (const event of Script.turnEvents(turn)) {
        const schema = ResponseEvent.byType[event["type"] as keyof typeof ResponseEvent.byType]
        Schema.decodeUnknownSync(schema as Schema.Schema<unknown>)(event)
      }
    }))
})

describe("orders of events", () => {
  const ordered = Generators.turn().chain((turn) => {
    const events = Script.turnEvents(turn)
    return Generators.eventOrder(events).map((order) => ({ events, order }))
  })
  const typesOf = (events: ReadonlyArray<Script.Event>, index: number) =>
    events.filter((event) => event["output_index"] === index).map((event) => event["type"])

  it("keep the first and the last event, and the order within each item", () =>
    forAll([ordered], ({ events, order }) => {
      assert.strictEqual(order[0]?.["type"], "response.created")
      assert.strictEqual(order.at(-1)?.["type"], "response.completed")
      assert.deepStrictEqual(
        order.map((event) => event["sequence_number"]),
        order.map((_, n) => n)
      )
      assert.isAtLeast(order.length, events.length)
      for (let index = 0; index < 6; index++) assert.deepStrictEqual(typesOf(order, index), typesOf(events, index))
    }))

  it("are not always that of the script", () => {
    const calls = Script.turnEvents({ reasoning: "Hm", text: "Hi", toolCalls: [{ name: "a" }, { name: "b" }] })
    const indexes = (events: ReadonlyArray<Script.Event>) =>
      events.flatMap((event) => event["output_index"] ?? []).join("")
    assertVaried(Generators.eventOrder(calls), {
      "items one after the other": (order) => indexes(order) === indexes(calls),
      noise: (order) => order.length > calls.length
    })
  })
})

describe("bodies", () => {
  const sent = Generators.turn().chain((turn) =>
    Generators.eventOrder(Script.turnEvents(turn, { body: undefined }))
      .chain(Generators.framing)
      .chain(Generators.chunking)
      .map((chunks) => ({ turn, chunks }))
  )

  it("are cut in every way, and nothing of them is lost", () => {
    const bytes = new TextEncoder().encode("Grüße, 🌍")
    assertVaried(Generators.chunking(bytes), {
      "in one": (chunks) => chunks.length === 1,
      "byte by byte": (chunks) => chunks.every((chunk) => chunk.length === 1),
      "with empty chunks": (chunks) => chunks.some((chunk) => chunk.length === 0)
    })
    forAll([Generators.chunking(bytes)], (chunks) => {
      assert.deepStrictEqual(Buffer.concat([...chunks]).toString(), "Grüße, 🌍")
    })
  })

  it.effect("mean the same to the client however they are sent", () =>
    forAllEffect(
      [sent],
      ({ chunks, turn }) =>
        Effect.gen(function* () {
          const [plain, varied] = yield* Effect.all([turnOf(Script.turn(turn)), turnOf(Script.bytes(chunks))])
          assert.strictEqual(varied.text, plain.text)
          assert.strictEqual(plain.text, turn.text ?? "")
          assert.deepStrictEqual(
            varied.toolCalls.map(({ arguments: json, name }) => [name, json]),
            plain.toolCalls.map(({ arguments: json, name }) => [name, json])
          )
          assert.lengthOf(varied.toolCalls, turn.toolCalls?.length ?? 0)
          assert.deepStrictEqual(varied.usage, plain.usage)
        }),
      { runs: fewer(60) }
    )
  )
})

describe("histories", () => {
  it("are taken by the strict backend", () =>
    forAll(
      [Generators.history],
      (history) => {
        assert.deepStrictEqual(
          ItemChecks.check(history, () => true),
          undefined
        )
      },
      { runs: fewer(300) }
    ))

  it("are of every kind", () => {
    const has = (type: string) => (history: ReadonlyArray<{ readonly type: string }>) =>
      history.some((item) => item.type === type)
    assertVaried(Generators.history, {
      reasoning: has("reasoning"),
      calls: has("function_call"),
      "custom calls": has("custom_tool_call"),
      short: (history) => history.length < 4,
      long: (history) => history.length > 8
    })
  })
})
