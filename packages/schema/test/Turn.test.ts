/** Turns from finished items, and two parts of one turn as one. */
import { assert, describe, it } from "@effect/vitest"
import { type Item, Turn } from "@effect-codex/schema"

const message = (text: string, more: object = {}): Item.Item => ({
  type: "message",
  role: "assistant",
  content: [{ type: "output_text", text, annotations: [] }],
  ...more
})
const call = (callId: string): Turn.ToolCall => ({ type: "function", callId, name: "ls", arguments: "{}" })
const callItem = (callId: string): Item.Item => ({
  type: "function_call",
  call_id: callId,
  name: "ls",
  arguments: "{}"
})

const usage = (n: number) => ({
  inputTokens: n,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: n,
  reasoningTokens: 0,
  totalTokens: 2 * n
})

const turn = (text: string, more: Partial<Turn.Turn> = {}): Turn.Turn => ({
  ...Turn.fromItems([message(text)]),
  ...more
})

describe("fromItems", () => {
  it("reads every kind of item", () => {
    const annotation = { type: "url_citation", url: "https://example.com" }
    const items: ReadonlyArray<Item.Item> = [
      {
        type: "reasoning",
        summary: [{ type: "summary_text", text: "Hm" }],
        content: [{ type: "reasoning_text", text: "raw" }]
      },
      message("Hello", {
        phase: "commentary",
        content: [
          { type: "output_text", text: "Hello", annotations: [annotation] },
          { type: "from_the_future", a: 1 },
          { type: "refusal", refusal: "No." }
        ]
      }),
      { type: "web_search_call", status: "completed" },
      callItem("call_1"),
      { type: "custom_tool_call", call_id: "call_2", name: "patch", input: "x", namespace: "mcp__fs" },
      message(" and more")
    ]
    const turn = Turn.fromItems(items)
    assert.deepStrictEqual(turn.blocks, [
      { _tag: "Reasoning", outputIndex: 0, summary: ["Hm"], content: ["raw"] },
      { _tag: "Text", outputIndex: 1, text: "Hello", phase: "commentary", annotations: [annotation] },
      { _tag: "Refusal", outputIndex: 1, text: "No." },
      { _tag: "Item", outputIndex: 2, type: "web_search_call", status: "completed" },
      { _tag: "ToolCall", outputIndex: 3, call: call("call_1"), finished: true },
      {
        _tag: "ToolCall",
        outputIndex: 4,
        call: { type: "custom", callId: "call_2", name: "patch", namespace: "mcp__fs", arguments: "x" },
        finished: true
      },
      { _tag: "Text", outputIndex: 5, text: " and more", annotations: [] }
    ])
    assert.strictEqual(turn.text, "Hello and more")
    assert.strictEqual(turn.refusal, "No.")
    assert.strictEqual(turn.items, items)
    assert.strictEqual(turn.diagnostics.events, 0)
  })

  it("has no executable calls: items do not show how their turn ended", () => {
    const turn = Turn.fromItems([callItem("call_1")])
    assert.isEmpty(turn.toolCalls)
    assert.deepStrictEqual(turn.abandonedToolCalls, [call("call_1")])
  })

  it("of nothing is a turn of nothing", () => {
    const turn = Turn.fromItems([])
    assert.strictEqual(turn.text, "")
    assert.notProperty(turn, "refusal")
    assert.isEmpty(turn.blocks)
  })
})

describe("join", () => {
  it("adds output and cost, and takes the rest of the second", () => {
    const limits = (minutes: number) => ({
      limits: [{ limitId: "codex", windows: [{ usedPercent: minutes, windowMinutes: minutes }] }]
    })
    const first = turn("one", {
      responseId: "resp_1",
      model: "gpt-a",
      usage: usage(1),
      endTurn: false,
      attempts: 2,
      refusal: "No",
      rateLimits: limits(300),
      serviceTier: "flex",
      diagnostics: {
        events: 3,
        unknown: 1,
        malformed: 0,
        driftCount: 1,
        drift: [{ type: "a", field: "b" }],
        lastEventType: "x"
      }
    })
    const second = turn("two", {
      responseId: "resp_2",
      usage: usage(2),
      attempts: 1,
      refusal: ".",
      rateLimits: limits(10080),
      diagnostics: { events: 4, unknown: 0, malformed: 2, driftCount: 0, drift: [], lastEventType: "y" }
    })
    const joined = Turn.join(first, second)
    assert.strictEqual(joined.text, "onetwo")
    assert.strictEqual(joined.refusal, "No.")
    assert.deepStrictEqual(
      joined.blocks.map((block) => block.outputIndex),
      [0, 1]
    )
    assert.deepStrictEqual(joined.items, [...first.items, ...second.items])
    assert.deepStrictEqual(joined.usage, usage(3))
    assert.strictEqual(joined.attempts, 3)
    assert.deepInclude(joined, { responseId: "resp_2", model: "gpt-a", serviceTier: "flex", status: "completed" })
    assert.notProperty(joined, "endTurn")
    assert.lengthOf(joined.rateLimits?.limits[0]?.windows ?? [], 2)
    assert.deepStrictEqual(joined.diagnostics, {
      events: 7,
      unknown: 1,
      malformed: 2,
      driftCount: 1,
      drift: [{ type: "a", field: "b" }],
      lastEventType: "y"
    })
  })

  it("keeps what only one of both has", () => {
    const bare = turn("two")
    assert.deepStrictEqual(Turn.join(turn("one", { usage: usage(1), refusal: "No" }), bare).usage, usage(1))
    assert.strictEqual(Turn.join(turn("one", { refusal: "No" }), bare).refusal, "No")
    assert.strictEqual(Turn.join(bare, turn("one", { refusal: "No" })).refusal, "No")
    assert.notProperty(Turn.join(bare, bare), "attempts")
  })

  it("of kept items and the rest is the whole turn", () => {
    const kept = [message("Hel")]
    const rest = turn("lo", { toolCalls: [call("call_1")], attempts: 1 })
    const joined = Turn.join(Turn.fromItems(kept), rest)
    assert.strictEqual(joined.text, "Hello")
    assert.deepStrictEqual(joined.toolCalls, [call("call_1")])
    assert.isEmpty(joined.abandonedToolCalls)
  })

  it("hands out no call twice, and none if the second part did not complete", () => {
    const first = turn("one", { toolCalls: [call("call_0"), call("call_1")] })
    const second = turn("two", { toolCalls: [call("call_1"), call("call_2")], abandonedToolCalls: [call("call_3")] })
    const ids = (calls: ReadonlyArray<Turn.ToolCall>) => calls.map(({ callId }) => callId)
    const joined = Turn.join(first, second)
    assert.deepStrictEqual(ids(joined.toolCalls), ["call_0", "call_1", "call_2"])
    assert.deepStrictEqual(ids(joined.abandonedToolCalls), ["call_1", "call_3"])
    const cut = Turn.join(first, { ...second, status: "incomplete", incompleteReason: "expired", toolCalls: [] })
    assert.isEmpty(cut.toolCalls)
    assert.deepStrictEqual(ids(cut.abandonedToolCalls), ["call_0", "call_1", "call_3"])
    assert.strictEqual(cut.incompleteReason, "expired")
    assert.notProperty(
      Turn.join({ ...first, status: "incomplete", incompleteReason: "expired" }, second),
      "incompleteReason"
    )
  })

  it("is associative in what it adds", () => {
    const [a, b, c] = [turn("a", { usage: usage(1) }), turn("b"), turn("c", { usage: usage(2) })]
    assert.deepStrictEqual(Turn.join(Turn.join(a, b), c), Turn.join(a, Turn.join(b, c)))
  })
})

describe("callOf", () => {
  it("is nothing for items that ask for nothing", () => {
    const items: ReadonlyArray<Item.Item> = [
      message("Hi"),
      { type: "tool_search_call", execution: "server", arguments: {} },
      { type: "function_call_output", call_id: "call_1", output: "x" }
    ]
    for (const item of items) assert.isUndefined(Turn.callOf(item))
  })

  it("marks arguments that cannot be serialized", () => {
    let deep: unknown = {}
    for (let n = 0; n < 50_000; n++) deep = { a: deep }
    const item = { type: "function_call", call_id: "c", name: "f", arguments: deep } as unknown as Item.Item
    assert.deepInclude(Turn.callOf(item) as object, { unreadable: "too_deep", arguments: "null" })
  })
})
