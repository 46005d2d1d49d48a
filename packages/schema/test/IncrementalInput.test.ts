import { assert, describe, it } from "@effect/vitest"
import { IncrementalInput, type Item, ResponsesRequest } from "@effect-codex/schema"

const said = (text: string): Item.Item => ({ type: "message", role: "user", content: [{ type: "input_text", text }] })
const answer = (id: string): Item.Item =>
  ({
    type: "message",
    id,
    status: "completed",
    role: "assistant",
    content: [{ type: "output_text", text: "A", annotations: [] }]
  }) as Item.Item
const call: Item.Item = { type: "function_call", id: "fc_1", call_id: "call_1", name: "look", arguments: "{}" }
const output: Item.Item = { type: "function_call_output", call_id: "call_1", output: "seen" }
const request = (...input: ReadonlyArray<Item.Item>) => ResponsesRequest.make({ model: "gpt-5.5", input })
const after = (...items: ReadonlyArray<Item.Item>): IncrementalInput.Previous => ({
  request: request(said("one")),
  responseId: "resp_1",
  output: items
})
const full = (reason: "no_previous" | "field" | "input" | "output", at?: string): IncrementalInput.Decision => ({
  _tag: "Full",
  reason,
  ...(at !== undefined && { at })
})

describe("what of the input is sent", () => {
  it("is what follows the server's own output", () => {
    assert.deepStrictEqual(
      IncrementalInput.decide(after(answer("msg_1")), request(said("one"), answer("msg_1"), said("two"))),
      { _tag: "Incremental", previousResponseId: "resp_1", input: [said("two")] }
    )
    assert.deepStrictEqual(IncrementalInput.decide(after(call), request(said("one"), call, output)), {
      _tag: "Incremental",
      previousResponseId: "resp_1",
      input: [output]
    })
  })

  it("is not changed by an id that is left out because no request can carry it", () => {
    const { id: _, ...bare } = answer("x") as Item.Item & { readonly id: string }
    const sent = request(said("one"), bare as Item.Item, said("two"))
    assert.strictEqual(IncrementalInput.decide(after(answer("no prefix")), sent)._tag, "Incremental")
  })

  it("is everything without a finished response", () => {
    assert.deepStrictEqual(IncrementalInput.decide(undefined, request(said("one"))), full("no_previous"))
  })

  it("is everything when any other field has changed, but not when its metadata has", () => {
    const next = request(said("one"), answer("msg_1"), said("two"))
    const changes: ReadonlyArray<readonly [string, Partial<ResponsesRequest.ResponsesRequest>]> = [
      ["model", { model: "gpt-5.4" }],
      ["instructions", { instructions: "Be brief." }],
      ["tools", { tools: [{ type: "function", name: "look", parameters: {} }] }],
      ["reasoning", { reasoning: { effort: "high" } }],
      ["prompt_cache_key", { prompt_cache_key: "other" }],
      ["new_key", { extra: { new_key: 1 } }]
    ]
    for (const [field, change] of changes) {
      assert.deepStrictEqual(
        IncrementalInput.decide(after(answer("msg_1")), { ...next, ...change }),
        full("field", field)
      )
    }
    const metadata = { ...next, client_metadata: { a: "b" }, extra: { stream_options: {} } }
    assert.strictEqual(IncrementalInput.decide(after(answer("msg_1")), metadata)._tag, "Incremental")
  })

  it("is everything when the past is another one", () => {
    const decide = (...input: ReadonlyArray<Item.Item>) =>
      IncrementalInput.decide(after(answer("msg_1")), request(...input))
    assert.deepStrictEqual(decide(said("1"), answer("msg_1"), said("two")), full("input", "input[0]"))
    assert.deepStrictEqual(decide(said("one"), said("two")), full("output", "input[1]"))
    assert.deepStrictEqual(decide(said("one"), answer("msg_2"), said("two")), full("output", "input[1]"))
    assert.deepStrictEqual(decide(said("one")), full("output", "input[1]"))
    assert.deepStrictEqual(decide(), full("input", "input[0]"))
  })

  it("is everything when more output of a model follows, which the server may have already", () => {
    const reasoning = { type: "reasoning", summary: [], encrypted_content: "…" } as Item.Item
    for (const more of [answer("msg_2"), reasoning]) {
      const { _tag, ...why } = IncrementalInput.decide(
        after(answer("msg_1")),
        request(said("one"), answer("msg_1"), more, answer("msg_3"), said("two"))
      )
      assert.deepStrictEqual([_tag, why], ["Full", { reason: "output", at: "input[2]" }])
    }
    const later = request(said("one"), answer("msg_1"), said("two"), answer("msg_2"), said("three"))
    assert.strictEqual(IncrementalInput.decide(after(answer("msg_1")), later)._tag, "Incremental")
  })
})
