import { assert, describe, it } from "@effect/vitest"
import { History, Item, Turn } from "@effect-codex/schema"
import * as Schema from "effect/Schema"
import { draw } from "../../../test/property.ts"

/** One item of each type, with parts and a key of a later version. */
const samples: ReadonlyArray<Record<string, unknown>> = [
  {
    type: "message",
    id: "msg_1",
    role: "assistant",
    status: "completed",
    phase: "final_answer",
    content: [
      { type: "output_text", text: "a", annotations: [{ b: 1, a: 2 }], logprobs: [] },
      { type: "refusal", refusal: "no", new_key: 1 }
    ],
    new_key: { b: 1, a: 2 }
  },
  {
    type: "message",
    role: "user",
    content: [
      { type: "input_text", text: "a" },
      { type: "input_image", image_url: "https://example.org/a.png", detail: "low" },
      { type: "input_file", file_url: "https://example.org/a.pdf", filename: "a.pdf" },
      { type: "input_audio", audio_url: "data:audio/wav;base64,AQID" },
      { type: "new_part", b: 1, a: 2 }
    ]
  },
  {
    type: "reasoning",
    id: "rs_1",
    summary: [{ type: "summary_text", text: "a", new_key: 1 }],
    content: [{ text: "b", type: "reasoning_text" }],
    encrypted_content: "gAAAA"
  },
  { type: "function_call", id: "fc_1", call_id: "c", name: "f", namespace: "n", arguments: "{}", status: "completed" },
  { type: "function_call_output", call_id: "c", name: "f", output: [{ type: "input_text", text: "a", new_key: 1 }] },
  { type: "custom_tool_call", id: "ctc_1", call_id: "d", name: "g", input: "x", status: "completed" },
  { type: "custom_tool_call_output", call_id: "d", output: "x" },
  { type: "tool_search_call", call_id: "e", execution: "client", arguments: { b: 1, a: 2 }, status: "completed" },
  { type: "tool_search_output", call_id: "e", execution: "client", status: "completed", tools: [{ b: 1, a: 2 }] },
  { type: "web_search_call", id: "ws_1", action: { type: "search", query: "q", queries: ["q"] }, status: "completed" },
  { type: "image_generation_call", id: "ig_1", status: "completed", result: "AQID", revised_prompt: "p" },
  { type: "local_shell_call", call_id: "l", action: { type: "exec", command: ["ls"], env: { B: "1", A: "2" } } },
  { type: "compaction", id: "cmp_1", encrypted_content: "gAAAA" },
  { type: "context_compaction", encrypted_content: "gAAAA", new_key: 1 },
  { type: "compaction_trigger", new_key: 1 },
  { type: "configuration_update", reasoning: { effort: "high", new_key: 1 } },
  { type: "additional_tools", id: "at_1", role: "developer", tools: [{ b: 1, a: 2 }] },
  {
    type: "agent_message",
    author: "a",
    recipient: "b",
    content: [{ type: "encrypted_content", encrypted_content: "g" }]
  },
  { type: "new_thing", 10: "a", 9: "b", z: 1, a: { z: 1, a: 2 } },
  // known types with fields that do not fit them
  { type: "reasoning", encrypted_content: "gAAAA" },
  { type: "message", content: "plain", role: "assistant" },
  { type: "web_search_call", action: {}, id: 5 }
]

const shuffled = (value: unknown, random: () => number): unknown => {
  if (Array.isArray(value)) return value.map((inner) => shuffled(inner, random))
  if (typeof value !== "object" || value === null) return value
  const entries = Object.entries(value).map(([key, inner]) => [random(), key, shuffled(inner, random)] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => a - b).map(([, key, inner]) => [key, inner]))
}

const orders = draw.infiniteStream(draw.double({ min: 0, max: 1, noNaN: true })).map((stream) => {
  const values = stream[Symbol.iterator]()
  return () => values.next().value as number
})

describe("an item", () => {
  it("of every known type is among the samples", () => {
    const types = new Set(samples.map(({ type }) => String(type)))
    assert.deepStrictEqual(
      [...Item.knownTypes].filter((type) => !types.has(type)),
      ["compaction_summary"]
    )
  })

  it.prop(
    "keeps the order of its keys in decoding and encoding, alone and in a list: a conversation begins with the same bytes",
    [orders],
    ([random]) => {
      const wire = samples.slice(0, -3).map((sample) => shuffled(sample, random))
      const bytes = JSON.stringify(wire)
      const items = Schema.Array(Item.Item)
      const decoded = Schema.decodeUnknownSync(items)(JSON.parse(bytes))
      assert.strictEqual(JSON.stringify(decoded), bytes)
      assert.strictEqual(JSON.stringify(Schema.encodeSync(items)(decoded)), bytes)
      const entries = samples.map((sample) => shuffled(sample, random))
      assert.strictEqual(
        JSON.stringify(entries.map((entry) => Schema.decodeUnknownSync(History.Entry)(entry))),
        JSON.stringify(entries)
      )
      const { items: inTurn } = Turn.Turn.fields
      assert.strictEqual(JSON.stringify(Schema.encodeSync(inTurn)(Schema.decodeUnknownSync(inTurn)(wire))), bytes)
    }
  )

  it("that does not fit its type is an entry of a history all the same", () => {
    const misfits = samples.filter((sample) => !Schema.is(Item.Item)(sample))
    assert.deepStrictEqual(misfits, samples.slice(-3))
    for (const sample of samples) assert.isTrue(Schema.is(History.Entry)(sample))
  })
})
