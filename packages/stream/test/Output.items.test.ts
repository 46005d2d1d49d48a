/** Items are kept as they came, in their order, and none is lost. */
import { assert, describe, it } from "@effect/vitest"
import { Turn } from "@effect-codex/schema"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { draw, forAll } from "../../../test/property.ts"
import { decodeText, frames, realistic, shown } from "./support.ts"

type Wire = Readonly<Record<string, unknown>> & { readonly type: string }
type Raw = Readonly<Record<string, unknown>>

const play = (...events: ReadonlyArray<Wire>) => decodeText(frames(events))

const added = (output_index: number, item: Raw): Wire => ({ type: "response.output_item.added", output_index, item })
const done = (output_index: number, item: Raw): Wire => ({ type: "response.output_item.done", output_index, item })
const end = (output: ReadonlyArray<unknown> = []): Wire => ({
  type: "response.completed",
  response: { id: "resp_1", status: "completed", output }
})
const message = (text: string, more: object = {}): Raw => ({
  type: "message",
  id: "msg_1",
  role: "assistant",
  content: [{ type: "output_text", text, annotations: [] }],
  ...more
})
const reasoning = (more: object = {}): Raw => ({ type: "reasoning", id: "rs_1", summary: [], ...more })
const delta = (text: string, more: object = {}): Wire => ({
  type: "response.output_text.delta",
  item_id: "msg_1",
  output_index: 0,
  content_index: 0,
  delta: text,
  ...more
})

describe("a known item with an odd field", () => {
  const odd: Readonly<Record<string, Raw>> = {
    "reasoning without a summary": { type: "reasoning", id: "rs_1", encrypted_content: "gAAAA" },
    "reasoning with a text as summary": {
      type: "reasoning",
      id: "rs_1",
      summary: "Thought.",
      encrypted_content: "gAAAA"
    },
    "a search without its kind": { type: "web_search_call", id: "ws_1", status: "completed", action: {} },
    "a search for a list": { type: "web_search_call", id: "ws_1", action: { type: "search", query: ["a"] } },
    "an image as an object": { type: "image_generation_call", id: "ig_1", status: "completed", result: { url: "x" } },
    "a message with plain content": { type: "message", id: "msg_1", role: "assistant", content: "plain" },
    "a message without a role": { type: "message", id: "msg_1", content: [{ type: "output_text", text: "Hi" }] },
    "a message with a part of null": { type: "message", id: "msg_1", role: "assistant", content: [null, 5] },
    "a compaction without content": { type: "compaction", id: "cmp_1" },
    "an id that is a number": { type: "web_search_call", id: 5 }
  }

  for (const [name, item] of Object.entries(odd)) {
    it(`is kept unchanged, and named in the drift: ${name}`, () => {
      for (const events of [[done(0, item), end()], [end([item])]]) {
        const { events: all, turn } = play(...events)
        assert.deepStrictEqual(turn?.items as unknown, [item])
        assert.isTrue(all.some((event) => event._tag === "ItemCompleted"))
        assert.lengthOf(turn?.diagnostics.drift ?? [], 1)
        const json = JSON.parse(JSON.stringify(Schema.encodeSync(Turn.Turn)(turn as Turn.Turn)))
        assert.deepStrictEqual(Schema.decodeUnknownSync(Turn.Turn)(json), turn as Turn.Turn)
      }
    })
  }

  it("is decoded except for its invalid fields", () => {
    const { events, turn } = play(done(0, odd["a message with plain content"] as Raw), end())
    assert.strictEqual(turn?.text, "plain")
    assert.strictEqual(shown(events), "plain")
    const thought = play(done(0, odd["reasoning with a text as summary"] as Raw), end()).turn
    assert.deepStrictEqual(thought?.blocks, [{ _tag: "Reasoning", outputIndex: 0, summary: ["Thought."], content: [] }])
  })

  it("survives any single change of it", () => {
    const values = draw.constantFrom<unknown>(null, true, 5, "x", [], {}, [[]], { type: 5 })
    const items: ReadonlyArray<Raw> = [
      message("Hi", { status: "completed", phase: "commentary" }),
      reasoning({ summary: [{ type: "summary_text", text: "a" }], encrypted_content: "gAAAA", content: null }),
      { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "x" } },
      { type: "image_generation_call", id: "ig_1", status: "completed", result: "AAAA" },
      { type: "compaction", id: "cmp_1", encrypted_content: "gAAAA" },
      { type: "from_the_future", id: "x_1", a: 1 }
    ]
    forAll([draw.constantFrom(...items), draw.nat(6), values], (item, n, value) => {
      const keys = Object.keys(item).filter((key) => key !== "type")
      const changed = { ...item, [keys[n % keys.length] as string]: value }
      assert.deepStrictEqual(play(done(0, changed), end()).turn?.items as unknown, [changed])
    })
  })
})

describe("items rebuilt from deltas", () => {
  it("keep status, namespace and unknown keys of what they began as", () => {
    const begun = { status: "in_progress", from_the_future: { a: [1] }, phase: "commentary" }
    const callBegun = { status: "in_progress", namespace: "mcp__fs", from_the_future: 1 }
    const call = { type: "function_call", id: "fc_1", call_id: "call_1", name: "ls", ...callBegun }
    const { turn } = play(
      added(0, message("", { content: [], ...begun })),
      delta("Hi"),
      added(1, { ...call, arguments: "" }),
      { type: "response.function_call_arguments.done", output_index: 1, item_id: "fc_1", arguments: "{}" },
      added(2, reasoning({ encrypted_content: "cut", from_the_future: 2 })),
      {
        type: "response.reasoning_summary_text.delta",
        output_index: 2,
        item_id: "rs_1",
        summary_index: 0,
        delta: "Hm"
      },
      end()
    )
    assert.deepStrictEqual(turn?.items as unknown, [
      message("", { ...begun, content: [{ type: "output_text", annotations: [], text: "Hi" }] }),
      { ...call, arguments: "{}" },
      // what an item begins with of encrypted content can be cut, so it is not replayed
      { type: "reasoning", id: "rs_1", from_the_future: 2, summary: [{ type: "summary_text", text: "Hm" }] }
    ])
    assert.deepStrictEqual(turn?.toolCalls, [
      { type: "function", callId: "call_1", name: "ls", namespace: "mcp__fs", arguments: "{}" }
    ])
  })

  it("are not finished items of a failed attempt", () => {
    const { decoder, failure } = decodeText(frames([added(0, message("", { content: [] })), delta("Hi")]))
    assert.strictEqual(failure?.partial?.text, "Hi")
    assert.isEmpty(Redacted.value(decoder.state.partial().items))
  })
})

describe("the terminal output", () => {
  const types = (turn: Turn.Turn | undefined) => turn?.items.map((item) => (item as Raw)["id"])

  it("adds an item whose index is taken, in order", () => {
    const thought = reasoning({ encrypted_content: "gAAAA" })
    const { events, turn } = play(done(0, message("Hi")), end([thought, message("Hi")]))
    assert.deepStrictEqual(turn?.items as unknown, [thought, message("Hi")])
    assert.strictEqual(shown(events), "Hi")
    assert.strictEqual(turn?.text, "Hi")
    const call = { type: "function_call", id: "fc_1", call_id: "call_1", name: "ls", arguments: "{}" }
    const search = { type: "web_search_call", id: "ws_1" }
    const mixed = play(
      done(0, call),
      done(1, message("Hi")),
      end([thought, call, search, message("Hi"), message("So", { id: "msg_2" })])
    )
    assert.deepStrictEqual(types(mixed.turn), ["rs_1", "fc_1", "ws_1", "msg_1", "msg_2"])
    assert.strictEqual(mixed.turn?.text, "HiSo")
    const indexes = mixed.turn?.blocks.map((block) => block.outputIndex) ?? []
    assert.strictEqual(new Set(indexes).size, indexes.length)
  })

  it("adds an item whose index another finished item of its kind holds", () => {
    const pairs: ReadonlyArray<readonly [Raw, Raw]> = [
      [message("Hi"), message("So", { id: "msg_2" })],
      [reasoning({ encrypted_content: "gAAAA" }), reasoning({ id: "rs_2", encrypted_content: "gAAAB" })],
      [
        { type: "web_search_call", id: "ws_1", action: { type: "search", query: "a" } },
        { type: "web_search_call", id: "ws_2", action: { type: "search", query: "b" } }
      ]
    ]
    for (const [first, second] of pairs) {
      assert.deepStrictEqual(types(play(done(0, first), end([second])).turn), [second["id"], first["id"]])
    }
  })

  it("adds nothing twice, for any item ids", () => {
    const ids = draw.constantFrom("same", "none", "other")
    const withId = (item: Raw, id: string, n: number): Raw =>
      id === "same" ? item : id === "none" ? { ...item, id: undefined } : { ...item, id: `new_${n}` }
    forAll([ids, ids, ids, draw.boolean()], (a, b, c, first) => {
      const items = [
        reasoning({ encrypted_content: "gAAAA" }),
        message("Hi"),
        message("Hi", { id: "msg_2" }),
        { type: "function_call", id: "fc_1", call_id: "call_1", name: "ls", arguments: "{}" },
        { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "x" } }
      ]
      const again = items.map((item, n) => withId(item, [a, b, c, a, b][n] as string, n))
      const extra = { type: "from_the_future", id: "x_1" }
      const { turn } = play(
        ...items.map((item, n) => done(n, item)),
        end(JSON.parse(JSON.stringify(first ? [extra, ...again] : [...again, extra])))
      )
      assert.deepStrictEqual(turn?.items as unknown, first ? [extra, ...items] : [...items, extra])
      assert.strictEqual(turn?.text, "HiHi")
      assert.lengthOf(turn?.toolCalls ?? [], 1)
    })
  })

  it("fills in what an item left out, and contradicts it only in the drift", () => {
    const empty = message("", { content: [] })
    const filled = play(done(0, empty), end([message("Hello")]))
    assert.strictEqual(filled.turn?.text, "Hello")
    assert.strictEqual(shown(filled.events), "Hello")
    const other = play(done(0, message("Hello")), end([message("Bye")]))
    assert.strictEqual(other.turn?.text, "Hello")
    assert.deepInclude(other.turn?.diagnostics.drift[0] as object, { field: "differs from its item" })
  })
})

describe("an item that is done twice", () => {
  it("is kept once, if repeated at any index", () => {
    for (const again of [0, 1, 7]) {
      const { events, turn } = play(done(0, message("Hi")), done(again, message("Hi")), end())
      assert.deepStrictEqual(turn?.items as unknown, [message("Hi")])
      assert.strictEqual(shown(events), "Hi")
      assert.strictEqual(turn?.diagnostics.driftCount, 0)
    }
  })

  it("and differs the second time is recorded", () => {
    const { turn } = play(done(0, message("Hi")), done(0, message("Ho")), end())
    assert.deepStrictEqual(turn?.items as unknown, [message("Hi")])
    assert.deepStrictEqual(turn?.diagnostics.drift, [
      { type: "response.output_item.done", field: "differs from its item" }
    ])
  })

  it("without ids is two items where the words differ", () => {
    const one = message("one", { id: undefined })
    const two = message("two", { id: undefined })
    const { turn } = play(done(0, one), done(0, one), done(0, two), done(1, one), end())
    assert.deepStrictEqual(
      turn?.items.map((item) => (item as Raw)["content"]),
      [one["content"], two["content"], one["content"]]
    )
  })

  it("late deltas and texts of it are not shown", () => {
    const late: ReadonlyArray<Wire> = [
      delta("more"),
      { type: "response.output_text.done", item_id: "msg_1", output_index: 0, content_index: 0, text: "Hi more" }
    ]
    const { events, turn } = play(done(0, message("Hi")), ...late, end())
    assert.strictEqual(shown(events), "Hi")
    assert.strictEqual(turn?.text, "Hi")
    assert.strictEqual(turn?.diagnostics.driftCount, 1)
  })
})

describe("the place of an event", () => {
  it("is that of its id, though its index is shifted", () => {
    const { turn } = play(
      added(0, message("", { content: [] })),
      delta("Hi", { output_index: 1 }),
      done(1, message("Hi")),
      end()
    )
    assert.strictEqual(turn?.text, "Hi")
    assert.lengthOf(turn?.items ?? [], 1)
  })

  it("is that of its index, though every event has another id", () => {
    const place = (n: number) => ({ item_id: `rotating_${n}`, output_index: 0 })
    const { turn } = play(
      added(0, message("", { id: "rotating_0", content: [] })),
      ...Array.from("Hello", (char, n) => delta(char, place(n + 1))),
      done(0, message("Hello", { id: "rotating_9" })),
      end([message("Hello", { id: "rotating_10" })])
    )
    assert.strictEqual(turn?.text, "Hello")
    assert.lengthOf(turn?.items ?? [], 1)
  })

  it("is that of its kind, though every item has the same index and none an id", () => {
    const { turn } = play(
      { type: "response.reasoning_summary_text.delta", output_index: 0, summary_index: 0, delta: "Hm" },
      { type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "Hi" },
      { type: "response.reasoning_summary_text.delta", output_index: 0, summary_index: 0, delta: "m" },
      done(0, reasoning({ id: undefined, summary: [{ type: "summary_text", text: "Hmm" }] })),
      done(0, message("Hi", { id: undefined })),
      end()
    )
    assert.deepStrictEqual(
      turn?.items.map((item) => String(item.type)),
      ["reasoning", "message"]
    )
    assert.strictEqual(turn?.diagnostics.driftCount, 0)
  })

  it("may be missing altogether", () => {
    const bare = realistic().map(
      ({ item_id: _, output_index: __, content_index: ___, summary_index: ____, ...event }) => event
    )
    const { turn } = decodeText(frames(bare))
    const whole = decodeText(frames(realistic())).turn
    assert.deepStrictEqual(turn?.items, whole?.items)
    assert.deepStrictEqual(turn?.toolCalls, whole?.toolCalls)
    assert.strictEqual(turn?.text, whole?.text)
  })
})
