/** A later, emptier value never beats an earlier, fuller one: every kind of text, every closing event, every emptiness. */
import { assert, describe, it } from "@effect/vitest"
import type { Item, Turn, TurnEvent } from "@effect-codex/schema"
import { draw, forAll } from "../../../test/property.ts"
import { decodeText, frames } from "./support.ts"

type Wire = Readonly<Record<string, unknown>> & { readonly type: string }
type Raw = Readonly<Record<string, unknown>>

/** One kind of text: where it stands in the events that bring it, and where in the turn. */
interface Kind {
  readonly delta: (delta: string) => Wire
  /** The events that close it, in the order in which they come. A value of `absent` leaves the key out. */
  readonly closing: ReadonlyArray<(value: unknown) => Wire>
  readonly item: (value: unknown) => Raw
  readonly shown: (event: TurnEvent.TurnEvent) => string
  readonly inTurn: (turn: Turn.Turn) => string
  readonly inItem: (item: Raw) => unknown
}

const absent = Symbol("absent")

/** Forms of nothing that only a list can have. */
const emptyLists = ["[]", "no list", "null list"]

const keyed = (key: string, value: unknown): Raw =>
  value === absent || emptyLists.includes(value as string) ? {} : { [key]: value }

const done = (item: Raw): Wire => ({ type: "response.output_item.done", output_index: 0, item })
const completed = (output: ReadonlyArray<Raw>): Wire => ({
  type: "response.completed",
  response: { id: "resp_1", status: "completed", output }
})
const at = (id: string) => ({ item_id: id, output_index: 0 })

/** The list of a message or a summary; it can also be empty itself. */
const list = (key: string, part: (value: unknown) => unknown) => (value: unknown) =>
  value === "[]"
    ? { [key]: [] }
    : value === "no list"
      ? {}
      : value === "null list"
        ? { [key]: null }
        : { [key]: [part(value)] }

const textKind = (
  name: string,
  type: string,
  key: string,
  list: (value: unknown) => Raw,
  rest: {
    readonly id: string
    readonly index: string
    readonly partDone?: string
    readonly part: (value: unknown) => Raw
    readonly item: Raw
  } & Pick<Kind, "shown" | "inTurn" | "inItem">
): readonly [string, Kind] => {
  const place = { ...at(rest.id), [rest.index]: 0 }
  const item = (value: unknown) => ({ ...rest.item, id: rest.id, ...list(value) })
  const { partDone } = rest
  return [
    name,
    {
      ...rest,
      delta: (delta) => ({ type: `${type}.delta`, ...place, delta }),
      item,
      closing: [
        (value) => ({ type: `${type}.done`, ...place, ...keyed(key, value) }),
        ...(partDone === undefined
          ? []
          : [(value: unknown) => ({ type: partDone, ...place, part: value === "no list" ? null : rest.part(value) })]),
        (value) => done(item(value)),
        (value) => completed([item(value)])
      ]
    }
  ]
}

const callKind = (name: string, type: string, key: string, item: (value: unknown) => Raw): readonly [string, Kind] => [
  name,
  {
    delta: (delta) => ({ type: `${type}.delta`, ...at("fc_1"), delta }),
    closing: [
      (value) => ({ type: `${type}.done`, ...at("fc_1"), ...keyed(key, value) }),
      (value) => done(item(value)),
      (value) => completed([item(value)])
    ],
    item,
    shown: (event) => (event._tag === "ToolCallDelta" ? event.delta : ""),
    inTurn: (turn) => turn.toolCalls.map((call) => call.arguments).join(""),
    inItem: (item) => item[key]
  }
]

const block = (tag: Turn.Block["_tag"], turn: Turn.Turn) => turn.blocks.filter((block) => block._tag === tag)

const outputText = (value: unknown) => ({ type: "output_text", annotations: [], ...keyed("text", value) })
const refusal = (value: unknown) => ({ type: "refusal", ...keyed("refusal", value) })
const summaryText = (value: unknown) => ({ type: "summary_text", ...keyed("text", value) })
const reasoningText = (value: unknown) => ({ type: "reasoning_text", ...keyed("text", value) })

const first = (list: unknown, key: string) => ((list as ReadonlyArray<Raw>)[0] as Raw)[key]

const reasoningShown = (event: TurnEvent.TurnEvent) => (event._tag === "ReasoningDelta" ? event.delta : "")

const kinds: Readonly<Record<string, Kind>> = Object.fromEntries([
  textKind("output text", "response.output_text", "text", list("content", outputText), {
    id: "msg_1",
    index: "content_index",
    partDone: "response.content_part.done",
    part: outputText,
    item: { type: "message", role: "assistant", status: "completed" },
    shown: (event) => (event._tag === "TextDelta" ? event.delta : ""),
    inTurn: (turn) => turn.text,
    inItem: (item) => first(item["content"], "text")
  }),
  textKind("refusal", "response.refusal", "refusal", list("content", refusal), {
    id: "msg_1",
    index: "content_index",
    partDone: "response.content_part.done",
    part: refusal,
    item: { type: "message", role: "assistant" },
    shown: (event) => (event._tag === "RefusalDelta" ? event.delta : ""),
    inTurn: (turn) => turn.refusal ?? "",
    inItem: (item) => first(item["content"], "refusal")
  }),
  textKind("reasoning summary", "response.reasoning_summary_text", "text", list("summary", summaryText), {
    id: "rs_1",
    index: "summary_index",
    partDone: "response.reasoning_summary_part.done",
    part: summaryText,
    item: { type: "reasoning", encrypted_content: "gAAAA" },
    shown: reasoningShown,
    inTurn: (turn) =>
      block("Reasoning", turn)
        .flatMap((block) => (block._tag === "Reasoning" ? block.summary : []))
        .join(""),
    inItem: (item) => first(item["summary"], "text")
  }),
  textKind("reasoning content", "response.reasoning_text", "text", list("content", reasoningText), {
    id: "rs_1",
    index: "content_index",
    part: reasoningText,
    item: { type: "reasoning", summary: [] },
    shown: reasoningShown,
    inTurn: (turn) =>
      block("Reasoning", turn)
        .flatMap((block) => (block._tag === "Reasoning" ? block.content : []))
        .join(""),
    inItem: (item) => first(item["content"], "text")
  }),
  callKind("arguments", "response.function_call_arguments", "arguments", (value) => ({
    type: "function_call",
    id: "fc_1",
    call_id: "call_1",
    name: "ls",
    ...keyed("arguments", value)
  })),
  callKind("custom input", "response.custom_tool_call_input", "input", (value) => ({
    type: "custom_tool_call",
    id: "fc_1",
    call_id: "call_1",
    name: "ls",
    ...keyed("input", value)
  }))
])

const play = (events: ReadonlyArray<Wire>) => decodeText(frames(events))

const isEnd = (event: Wire) => event.type === "response.completed"

const withEnd = (events: ReadonlyArray<Wire>) => (events.some(isEnd) ? events : [...events, completed([])])

const differences = (turn: Turn.Turn | undefined) =>
  turn?.diagnostics.drift.filter(({ field }) => field.startsWith("differs")) ?? []

for (const [name, kind] of Object.entries(kinds)) {
  const isCall = name === "arguments" || name === "custom input"
  const empties = ["", null, absent, "  ", "\n\t", ...(isCall ? [] : emptyLists)]
  const begin: ReadonlyArray<Wire> = isCall
    ? [{ type: "response.output_item.added", output_index: 0, item: { ...kind.item(""), status: "in_progress" } }]
    : []
  /** Which of the closing events come, and what each of them says: the whole text, or nothing in one of its forms. */
  const ends = draw.tuple(
    ...kind.closing.map(() => draw.option(draw.oneof(draw.constant(true), draw.constantFrom(...empties))))
  )
  const pieces = draw.array(draw.constantFrom("a", " b", "ü", "{", "\n", "世"), { minLength: 1, maxLength: 5 })

  describe(name, () => {
    it("is kept as streamed if closing events omit it", () => {
      forAll(
        [pieces, ends, draw.nat(5)],
        (pieces, ends, after) => {
          const full = `x${pieces.join("")}`
          // some of the deltas, so that a closing event can be the first to have the whole text
          const saysAll = ends.indexOf(true)
          const deltas = saysAll === -1 ? ["x", ...pieces] : ["x", ...pieces].slice(0, after)
          const closing = kind.closing.flatMap((close, n) => {
            const value = ends[n]
            if (value === null || value === undefined) return []
            // blanks are text where nothing came before them
            const isText = deltas.length === 0 && n < saysAll && (value === "  " || value === "\n\t")
            return [close(value === true ? full : isText ? "" : value)]
          })
          const { events, turn } = play(withEnd([...begin, ...deltas.map(kind.delta), ...closing]))
          // arguments are complete only when an event says so
          if (isCall && closing.length === 0) return assert.isEmpty(turn?.toolCalls ?? [0])
          assert.strictEqual(events.map(kind.shown).join(""), full)
          assert.strictEqual(turn && kind.inTurn(turn), full)
          assert.lengthOf(turn?.items ?? [], 1)
          assert.strictEqual(kind.inItem(turn?.items[0] as unknown as Raw), full)
          assert.isEmpty(differences(turn))
        },
        { runs: 300 }
      )
    })

    it("gives way to a different text that is not empty, which is noted", () => {
      kind.closing.forEach((close, n) => {
        const { turn } = play(
          withEnd([...begin, kind.delta("one"), close("two"), ...kind.closing.slice(n + 1).map((last) => last(""))])
        )
        assert.strictEqual(turn && kind.inTurn(turn), "two")
        assert.strictEqual(kind.inItem(turn?.items[0] as unknown as Raw), "two")
        assert.isNotEmpty(differences(turn))
      })
    })
  })
}

describe("names and call ids", () => {
  const item = (more: object) => ({
    type: "function_call",
    id: "fc_1",
    call_id: "call_1",
    name: "ls",
    namespace: "fs",
    arguments: "{}",
    ...more
  })
  const empties = draw.constantFrom<unknown>("", null, undefined, "  ", 5)

  it("outlive empty ones, in every later event", () => {
    forAll([empties, empties, empties, draw.boolean(), draw.boolean()], (callId, name, namespace, byItem, again) => {
      const nothing = { call_id: callId, name, namespace }
      const { events, turn } = play([
        { type: "response.output_item.added", output_index: 0, item: item({ arguments: "" }) },
        { type: "response.function_call_arguments.done", ...at("fc_1"), arguments: "{}", ...nothing },
        ...(byItem ? [done(item(nothing))] : []),
        completed(again ? [item(nothing)] : [])
      ])
      assert.deepStrictEqual(turn?.toolCalls, [
        { type: "function", callId: "call_1", name: "ls", namespace: "fs", arguments: "{}" }
      ])
      assert.deepInclude(turn?.items[0], { call_id: "call_1", name: "ls", namespace: "fs" } as object)
      assert.isEmpty(events.filter((event) => event._tag === "ToolCallRepeated"))
    })
  })

  it("give way to others, which is noted", () => {
    const { turn } = play([
      { type: "response.output_item.added", output_index: 0, item: item({ arguments: "" }) },
      done(item({ call_id: "call_2", name: "rm" })),
      completed([])
    ])
    assert.deepStrictEqual(
      turn?.toolCalls.map(({ callId, name }) => [callId, name]),
      [["call_2", "rm"]]
    )
    assert.lengthOf(differences(turn), 2)
  })

  it("ids, phases and models outlive empty ones as well", () => {
    const message = { type: "message", id: "msg_1", role: "assistant", phase: "commentary" }
    const { turn } = play([
      { type: "response.created", response: { id: "resp_1", model: "gpt-5.5" } },
      { type: "response.output_item.added", output_index: 0, item: { ...message, content: [] } },
      done({ ...message, id: "", phase: null, role: undefined, content: [{ type: "output_text", text: "Hi" }] }),
      { type: "response.completed", response: { id: "", model: null, status: "completed" } }
    ])
    assert.deepInclude(turn?.items[0] as Item.Item, { id: "msg_1", phase: "commentary", role: "assistant" } as object)
    assert.deepInclude(turn as object, { responseId: "resp_1", model: "gpt-5.5" })
    assert.deepInclude(turn?.blocks[0] as object, { phase: "commentary" })
  })
})

describe("what an item begins with", () => {
  const message = { type: "message", id: "msg_1", role: "assistant" }
  const content = [{ type: "output_text", text: "Hello", annotations: [] }]

  it("is used if nothing follows it", () => {
    for (const end of [[], [done({ ...message, content: [] })]]) {
      const { events, turn } = play([
        { type: "response.output_item.added", output_index: 0, item: { ...message, content } },
        ...end,
        completed([])
      ])
      assert.strictEqual(turn?.text, "Hello")
      assert.strictEqual(events.map((event) => (event._tag === "TextDelta" ? event.delta : "")).join(""), "Hello")
      assert.deepInclude(turn?.items[0] as object, { content })
    }
    const call = { type: "function_call", id: "fc_1", call_id: "call_1", name: "ls" }
    const { turn } = play([
      { type: "response.output_item.added", output_index: 0, item: { ...call, arguments: '{"a":1}' } },
      done({ ...call, arguments: null }),
      completed([])
    ])
    assert.deepInclude(turn?.toolCalls[0] as object, { arguments: '{"a":1}' })
    assert.notProperty(turn?.toolCalls[0], "unreadable")
  })

  it("does not count twice", () => {
    const { events, turn } = play([
      {
        type: "response.output_item.added",
        output_index: 0,
        item: { ...message, content: [{ type: "output_text", text: "Hel" }] }
      },
      kinds["output text"]?.delta("Hel") as Wire,
      kinds["output text"]?.delta("lo") as Wire,
      completed([])
    ])
    assert.strictEqual(turn?.text, "Hello")
    assert.strictEqual(events.map((event) => (event._tag === "TextDelta" ? event.delta : "")).join(""), "Hello")
  })
})

describe("an item that leaves out some of what was shown", () => {
  it("gets it back, part by part, annotations included", () => {
    const place = (content_index: number) => ({ ...at("msg_1"), content_index })
    const annotation = { type: "url_citation", url: "https://example.com" }
    const { turn } = play([
      { type: "response.output_text.delta", ...place(0), delta: "one" },
      { type: "response.output_text.delta", ...place(1), delta: "two" },
      { type: "response.output_text.annotation.added", ...place(1), annotation },
      { type: "response.refusal.delta", ...place(2), delta: "no" },
      done({
        type: "message",
        id: "msg_1",
        role: "assistant",
        content: [{ type: "output_text", text: "one", annotations: [] }]
      }),
      completed([])
    ])
    const content = [
      { type: "output_text", text: "one", annotations: [] },
      { type: "output_text", annotations: [annotation], text: "two" },
      { type: "refusal", refusal: "no" }
    ]
    assert.deepInclude(turn?.items[0] as object, { content })
    assert.strictEqual(turn?.text, "onetwo")
    assert.strictEqual(turn?.refusal, "no")
  })

  it("is unchanged if it has the same text elsewhere", () => {
    const summary = [{ type: "summary_text", text: "Think." }]
    const item = { type: "reasoning", id: "rs_1", summary, encrypted_content: "gAAAA" }
    for (const parts of [["Think."], ["Thi", "nk."]]) {
      const { events, turn } = play([
        ...parts.map((delta, content_index) => ({
          type: "response.reasoning_text.delta",
          ...at("rs_1"),
          content_index,
          delta
        })),
        done(item),
        completed([])
      ])
      assert.strictEqual(events.map(reasoningShown).join(""), "Think.")
      assert.deepStrictEqual(turn?.items as unknown, [item])
      assert.deepStrictEqual(turn?.blocks, [{ _tag: "Reasoning", outputIndex: 0, summary: ["Think."], content: [] }])
    }
    const content = [{ type: "output_text", text: "Hi", annotations: [] }]
    const message = { type: "message", id: "msg_1", role: "assistant", content }
    const shifted = play([
      { type: "response.output_text.delta", ...at("msg_1"), content_index: 1, delta: "Hi" },
      done(message),
      completed([])
    ])
    assert.strictEqual(shifted.turn?.text, "Hi")
    assert.strictEqual(shifted.events.map((event) => (event._tag === "TextDelta" ? event.delta : "")).join(""), "Hi")
    assert.deepStrictEqual(shifted.turn?.items as unknown, [message])
  })

  it("of another kind than its deltas is another item", () => {
    const call = { type: "function_call", id: "fc_1", call_id: "call_1", name: "ls", arguments: "{}" }
    const { turn } = play([
      { type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "Hi" },
      done(call),
      completed([])
    ])
    assert.strictEqual(turn?.text, "Hi")
    assert.lengthOf(turn?.toolCalls ?? [], 1)
    assert.deepStrictEqual(
      turn?.items.map((item) => String(item.type)),
      ["message", "function_call"]
    )
  })
})
