/** A later, emptier value never erases an earlier, fuller one: every item type, every field, every event that closes. */
import { assert, describe, it } from "@effect/vitest"
import { decodeText, frames, shown } from "./support.ts"

type Raw = Readonly<Record<string, unknown>>

const samples: ReadonlyArray<Raw> = [
  {
    type: "message",
    id: "msg_1",
    role: "assistant",
    phase: "final_answer",
    channel: "main",
    content: [
      { type: "output_text", text: "Hello", annotations: [{ type: "url_citation", url: "https://example.org" }] }
    ]
  },
  {
    type: "reasoning",
    id: "rs_1",
    summary: [{ type: "summary_text", text: "I think." }],
    content: [{ type: "reasoning_text", text: "Raw." }],
    encrypted_content: "gAAAA",
    model: "m"
  },
  {
    type: "function_call",
    id: "fc_1",
    call_id: "call_1",
    name: "ls",
    namespace: "fs",
    arguments: '{"a":1}',
    created_by: { type: "agent" }
  },
  { type: "custom_tool_call", id: "ctc_1", call_id: "call_1", name: "sql", input: "SELECT 1", namespace: "db" },
  {
    type: "local_shell_call",
    id: "lsh_1",
    call_id: "call_1",
    action: { type: "exec", command: ["ls"], env: { A: "b" } }
  },
  { type: "tool_search_call", id: "ts_1", call_id: "call_1", execution: "client", arguments: { query: "x" } },
  { type: "web_search_call", id: "ws_1", action: { type: "search", query: "x", sources: [{ url: "u" }] } },
  { type: "image_generation_call", id: "ig_1", result: "AAAA", revised_prompt: "a cat", size: "1x1" },
  { type: "code_interpreter_call", id: "ci_1", code: "1+1", container_id: "c", outputs: [{ type: "logs", logs: "2" }] },
  {
    type: "mcp_call",
    id: "mcp_1",
    name: "get",
    server_label: "s",
    arguments: "{}",
    output: "found",
    error: { code: 1 }
  },
  { type: "from_the_future", id: "ff_1", payload: { deep: [{ x: 1 }] }, note: "n" }
]

const emptinesses: ReadonlyArray<readonly [string, (item: Raw, key: string) => Raw]> = [
  ["absent", (item, key) => Object.fromEntries(Object.entries(item).filter(([name]) => name !== key))],
  ...[null, "", " \n", [], {}].map(
    (empty) => [JSON.stringify(empty), (item: Raw, key: string): Raw => ({ ...item, [key]: empty })] as const
  )
]

const done = (item: Raw) => ({ type: "response.output_item.done", output_index: 0, item })
const added = (item: Raw) => ({ type: "response.output_item.added", output_index: 0, item })
const completed = (output: ReadonlyArray<Raw>) => ({
  type: "response.completed",
  response: { id: "resp_1", status: "completed", output }
})

const isCall = (item: Raw) => String(item["type"]).endsWith("_call") && "call_id" in item

/** Each way for a fuller and an emptier form of one item to come, and the fields that it must not cost. */
const ways: ReadonlyArray<
  readonly [string, (full: Raw, empty: Raw) => ReadonlyArray<Raw>, (item: Raw, key: string) => boolean]
> = [
  // what an item begins with of encrypted content can be cut
  [
    "begun, then done",
    (full, empty) => [added(full), done(empty), completed([])],
    (_, key) => key !== "encrypted_content"
  ],
  // without an id another form may be another item
  ["done, then done again", (full, empty) => [done(full), done(empty), completed([])], (_, key) => key !== "id"],
  ["done, then listed", (full, empty) => [done(full), completed([empty])], () => true],
  // the first form of a call counts, so that it is carried out once and as it was first said
  [
    "done, then done in full",
    (full, empty) => [done(empty), done(full), completed([])],
    (item, key) => !isCall(item) && key !== "id"
  ],
  ["done, then listed in full", (full, empty) => [done(empty), completed([full])], (item) => !isCall(item)]
]

describe("a later, emptier item", () => {
  for (const [way, events, holds] of ways) {
    it(`takes nothing away: ${way}`, () => {
      let compared = 0
      for (const full of samples) {
        for (const key of Object.keys(full)) {
          if (key === "type" || !holds(full, key)) continue
          for (const [emptiness, without] of emptinesses) {
            // arguments that are an object say what they are
            if (full["type"] === "function_call" && key === "arguments" && emptiness === "{}") continue
            const { failure, turn } = decodeText(frames(events(full, without(full, key))))
            const name = `${String(full["type"])}.${key} ${emptiness}`
            assert.isUndefined(failure, name)
            const items = turn?.items as unknown as ReadonlyArray<Raw>
            assert.lengthOf(items, 1, name)
            assert.deepStrictEqual(items[0]?.[key], full[key], name)
            compared++
          }
        }
      }
      assert.isAbove(compared, 120)
    })
  }

  it("takes nothing away from within a field", () => {
    const full = { type: "web_search_call", id: "ws_1", action: { type: "search", query: "x" } }
    for (const query of [null, "", undefined]) {
      const empty = { ...full, action: { type: "search", query } }
      for (const events of [
        [done(empty), done(full), completed([])],
        [done(empty), completed([full])]
      ]) {
        assert.deepStrictEqual(decodeText(frames(events)).turn?.items as unknown, [full])
      }
    }
  })

  it("takes a part of another type whole, or not at all", () => {
    const message = (...content: ReadonlyArray<unknown>) => ({
      type: "message",
      id: "msg_1",
      role: "assistant",
      content
    })
    const unknown = { type: "from_the_future", text: "z" }
    for (const [earlier, later, kept] of [
      [{ type: "output_text", text: "" }, unknown, unknown],
      [unknown, { type: "output_text", text: "" }, unknown],
      [{ type: "output_text", text: " " }, unknown, { type: "output_text", text: " " }]
    ]) {
      const { turn } = decodeText(frames([done(message(earlier)), completed([message(later)])]))
      assert.deepStrictEqual(turn?.items as unknown, [message(kept)])
    }
  })

  it("takes no text twice where the later one has fewer parts", () => {
    const message = (content: ReadonlyArray<unknown>) => ({ type: "message", id: "msg_1", role: "assistant", content })
    const full = message([{ type: "output_text", text: "Hel" }, null])
    for (const events of [
      [done(full), completed([message([null])])],
      [done(full), done(message([null])), completed([])]
    ]) {
      assert.deepStrictEqual(decodeText(frames(events)).turn?.items as unknown, [full])
    }
  })

  it("has the end of its own, not that of its beginning", () => {
    const begun = { type: "web_search_call", id: "ws_1", status: "in_progress" }
    const { turn } = decodeText(frames([added(begun), done({ type: "web_search_call", id: "ws_1" }), completed([])]))
    assert.deepStrictEqual(turn?.items as unknown, [{ type: "web_search_call", id: "ws_1" }])
  })

  it("shows the text that only its second form has, once", () => {
    const message = (content: ReadonlyArray<Raw>) => ({ type: "message", id: "msg_1", role: "assistant", content })
    const full = message([{ type: "output_text", text: "Hello" }])
    const { events, turn } = decodeText(frames([done(message([])), done(full), done(full), completed([full])]))
    assert.strictEqual(turn?.text, "Hello")
    assert.deepStrictEqual(
      events.flatMap((event) => (event._tag === "TextDelta" ? [event.delta] : [])),
      ["Hello"]
    )
  })

  it("keeps streamed code and arguments of a hosted tool", () => {
    for (const [type, part, key] of [
      ["code_interpreter_call", "code_interpreter_call_code", "code"],
      ["mcp_call", "mcp_call_arguments", "arguments"]
    ] as const) {
      const at = { output_index: 0, item_id: "x_1" }
      const deltas = [
        { type: `response.${part}.delta`, ...at, delta: "1+" },
        { type: `response.${part}.delta`, ...at, delta: "1" }
      ]
      const whole = { type: `response.${part}.done`, ...at, [key]: "1+1" }
      for (const events of [deltas, [...deltas, whole], [whole], [...deltas, { ...whole, [key]: "" }]]) {
        const item = { type, id: "x_1", [key]: "" }
        const { turn } = decodeText(frames([added(item), ...events, done({ ...item, [key]: null }), completed([])]))
        assert.deepStrictEqual(turn?.items as unknown, [{ type, id: "x_1", [key]: "1+1" }])
      }
    }
  })

  it("keeps the annotations of a part's done event", () => {
    const annotations = [{ type: "url_citation", url: "https://example.org" }]
    const part = { type: "output_text", text: "Hi", annotations }
    const message = (part: Raw) => ({ type: "message", id: "msg_1", role: "assistant", content: [part] })
    const { turn } = decodeText(
      frames([
        { type: "response.content_part.done", output_index: 0, item_id: "msg_1", content_index: 0, part },
        done(message({ type: "output_text", text: "Hi" })),
        completed([])
      ])
    )
    assert.deepStrictEqual(turn?.items as unknown, [message(part)])
  })
})

/** What came in deltas of one kind, and the events that close it. */
interface Kind {
  readonly event: string
  readonly key: string
  readonly place: Raw
  readonly partEvent?: string
  readonly part?: Raw
  readonly item: (value: unknown) => Raw
  readonly field: string
}

const messageOf = (content: unknown): Raw => ({ type: "message", id: "x_1", role: "assistant", content })
const reasoningWith = (field: string) => (value: unknown) => ({
  type: "reasoning",
  id: "x_1",
  summary: [],
  encrypted_content: "gAAAA",
  [field]: value
})
const callOf = (type: string, key: string) => (value: unknown) => ({
  type,
  id: "x_1",
  call_id: "call_1",
  name: "ls",
  [key]: value
})
const inContent = { place: { content_index: 0 }, partEvent: "response.content_part.done", field: "content" }

const whole = '{"a":1}'

const kinds: Readonly<Record<string, Kind>> = {
  text: {
    ...inContent,
    event: "response.output_text",
    key: "text",
    part: { type: "output_text", text: whole },
    item: messageOf
  },
  refusal: {
    ...inContent,
    event: "response.refusal",
    key: "refusal",
    part: { type: "refusal", refusal: whole },
    item: messageOf
  },
  summary: {
    event: "response.reasoning_summary_text",
    key: "text",
    place: { summary_index: 0 },
    partEvent: "response.reasoning_summary_part.done",
    part: { type: "summary_text", text: whole },
    item: reasoningWith("summary"),
    field: "summary"
  },
  reasoning: {
    ...inContent,
    event: "response.reasoning_text",
    key: "text",
    part: { type: "reasoning_text", text: whole },
    item: reasoningWith("content")
  },
  arguments: {
    event: "response.function_call_arguments",
    key: "arguments",
    place: {},
    item: callOf("function_call", "arguments"),
    field: "arguments"
  },
  input: {
    event: "response.custom_tool_call_input",
    key: "input",
    place: {},
    item: callOf("custom_tool_call", "input"),
    field: "input"
  }
}

/** Absent, empty, blank, and of types that hold no text. */
const values: ReadonlyArray<unknown> = [undefined, null, "", " \n", [], {}, 0, 5, true, false, [null]]

const withValue = (object: Raw, key: string, value: unknown): Raw =>
  Object.fromEntries(Object.entries({ ...object, [key]: value }).filter(([, value]) => value !== undefined))

/** Each place at which the end of this kind can say less. */
const closings = ({ event, field, item, key, part, partEvent, place }: Kind) => {
  const at = { output_index: 0, item_id: "x_1", ...place }
  const full = part === undefined ? whole : [part]
  const inItem = (value: unknown) => withValue(item(full), field, value)
  const atEnd = (output: unknown) => withValue({ type: "response.completed" }, "response", { ...response, output })
  const always: Readonly<Record<string, (value: unknown) => Raw>> = {
    "its own event": (value) => withValue({ ...at, type: `${event}.done` }, key, value),
    "the item": (value) => done(inItem(value)),
    "no item": (value) => withValue({ type: "response.output_item.done", output_index: 0 }, "item", value),
    "the listed item": (value) => atEnd([inItem(value)]),
    "the list": (value) => atEnd(value),
    "what is listed": (value) => atEnd([value ?? null])
  }
  if (part === undefined || partEvent === undefined) return always
  const ofPart = (type: string, part: unknown) => withValue({ ...at, type }, "part", part)
  return {
    ...always,
    "the part": (value: unknown) => ofPart(partEvent, value),
    "the text of the part": (value: unknown) => ofPart(partEvent, withValue(part, key, value)),
    "the type of the part": (value: unknown) => ofPart(partEvent, withValue(part, "type", value)),
    "a part of the item": (value: unknown) => done(item([value ?? null])),
    "the text of a part of the item": (value: unknown) => done(item([withValue(part, key, value)])),
    "the type of a part of the item": (value: unknown) => done(item([withValue(part, "type", value)])),
    "the text of a listed part": (value: unknown) => atEnd([item([withValue(part, key, value)])])
  }
}

const response = { id: "resp_1", status: "completed" }

describe("streamed output", () => {
  for (const [name, kind] of Object.entries(kinds)) {
    it(`is kept if a closing event has less: ${name}`, () => {
      const { event, field, item, part, place } = kind
      const deltas = [whole.slice(0, 3), whole.slice(3)].map((delta) => ({
        type: `${event}.delta`,
        output_index: 0,
        item_id: "x_1",
        ...place,
        delta
      }))
      const finished = done(item(part === undefined ? whole : [part]))
      let compared = 0
      for (const [closing, say] of Object.entries(closings(kind))) {
        for (const value of values) {
          // arguments that are an object say what they are
          if (name === "arguments" && value?.constructor === Object) continue
          const last = say(value)
          // a call that was never finished is not handed out
          const finishes = part !== undefined || closing === "the item" || closing === "the listed item"
          for (const before of finishes ? [deltas, [...deltas, finished]] : [[...deltas, finished]]) {
            const { failure, turn } = decodeText(frames([...before, last, completed([])]))
            const told = `${closing} ${JSON.stringify(value)} ${before.length}`
            assert.isUndefined(failure, told)
            const items = turn?.items as unknown as ReadonlyArray<Raw>
            assert.lengthOf(items, 1, told)
            assert.include(JSON.stringify(items[0]?.[field]), JSON.stringify(whole).slice(1, -1), told)
            compared++
          }
        }
      }
      assert.isAbove(compared, 70)
    })
  }
})

describe("what is said of a part", () => {
  const place = { output_index: 0, item_id: "msg_1", content_index: 0 }
  const delta = { type: "response.output_text.delta", ...place, delta: "Hi" }
  const part = (rest: Raw) => ({ type: "response.content_part.done", ...place, part: { type: "output_text", ...rest } })
  const message = (content: unknown) => done({ type: "message", id: "msg_1", role: "assistant", content })
  const contentOf = (events: ReadonlyArray<object>) => {
    const { failure, turn } = decodeText(frames([...events, completed([])]))
    assert.isUndefined(failure)
    return { content: (turn?.items[0] as Raw | undefined)?.["content"], drift: turn?.diagnostics.driftCount }
  }
  const hi = { type: "output_text", text: "Hi", annotations: [] }
  const [one, two] = [{ url: "1" }, { url: "2" }]

  it("is kept if its item has no part, or has it without that", () => {
    const fields = { logprobs: [{ token: "Hi", logprob: -1 }], new_field: { x: 1 } }
    for (const content of [null, [], "", [{ type: "output_text" }], [{ ...hi, logprobs: [], new_field: {} }]]) {
      assert.deepStrictEqual(contentOf([delta, part({ text: "Hi", ...fields }), message(content)]).content, [
        { ...hi, ...fields }
      ])
    }
    const textDone = { type: "response.output_text.done", ...place, text: "Hi", logprobs: fields.logprobs }
    assert.deepStrictEqual(contentOf([textDone, message([])]).content, [{ ...hi, logprobs: fields.logprobs }])
  })

  it("wins if it says more than before, and is noted if the item says less", () => {
    const annotation = { type: "response.output_text.annotation.added", ...place, annotation: one }
    const both = part({ text: "Hi", annotations: [one, two] })
    assert.deepStrictEqual(contentOf([delta, annotation, both, message([])]).content, [
      { ...hi, annotations: [one, two] }
    ])
    assert.strictEqual(contentOf([delta, both, message([{ ...hi, annotations: [one] }])]).drift, 1)
  })

  it("at its beginning is kept if nothing follows", () => {
    const added = { ...part({ text: "Hello" }), type: "response.content_part.added" }
    for (const content of [null, [], [{ type: "output_text", text: " " }]]) {
      for (const between of [[], [part({ text: "" })]]) {
        const { content: found } = contentOf([added, ...between, message(content)])
        assert.include(JSON.stringify(found), '"text":"Hello"')
      }
    }
    assert.deepStrictEqual(contentOf([added, delta, message([])]).content, [hi])
    assert.deepStrictEqual(contentOf([added, message([hi])]).content, [hi])
    const summary = {
      type: "response.reasoning_summary_part.added",
      output_index: 0,
      summary_index: 0,
      item_id: "rs_1",
      part: { type: "summary_text", text: "I think" }
    }
    const { turn } = decodeText(frames([summary, done({ type: "reasoning", id: "rs_1", summary: [] }), completed([])]))
    assert.deepInclude(turn?.items[0], { summary: [{ type: "summary_text", text: "I think" }] })
  })

  it("is kept in the depth of an item, but two versions of a call are not mixed", () => {
    const both = (added: Raw, finished: Raw) =>
      decodeText(
        frames([{ type: "response.output_item.added", output_index: 0, item: added }, done(finished), completed([])])
      ).turn?.items[0]
    const search = { type: "web_search_call", id: "ws_1", action: { type: "search", query: "q" } }
    const empty = { type: "search", query: "" }
    assert.deepInclude(both(search, { ...search, action: empty }), { action: search.action })
    const shell = { type: "local_shell_call", id: "lsh_1", call_id: "c", action: { type: "exec", command: ["a", "b"] } }
    const other = { type: "exec", command: ["a", ""] }
    assert.deepInclude(both(shell, { ...shell, action: other }), { action: other })
  })

  it("otherwise at the end is noted in items of every type", () => {
    const item = { type: "from_the_future", id: "x", note: "one" }
    const drift = (listed: Raw) =>
      decodeText(frames([done(item), completed([listed])])).turn?.diagnostics.drift.map(({ field }) => field)
    assert.deepStrictEqual(drift({ ...item, note: "two" }), ["differs from its item"])
    assert.deepStrictEqual(drift({ ...item, note: "", more: 1 }), [])
  })
})

describe("a blank text", () => {
  it("is no beginning of the text that follows", () => {
    const place = { output_index: 0, item_id: "msg_1", content_index: 0 }
    for (const blank of [" ", "\n", "\u00a0"]) {
      const { events, turn } = decodeText(
        frames([
          { type: "response.output_text.done", ...place, text: blank },
          done({ type: "message", id: "msg_1", role: "assistant", content: [{ type: "output_text", text: "Hello" }] }),
          completed([])
        ])
      )
      assert.strictEqual(turn?.text, "Hello")
      assert.strictEqual(shown(events).trim(), "Hello")
      assert.strictEqual(turn?.diagnostics.driftCount, 0)
    }
  })
})

describe("without ids or at other indexes", () => {
  const text = (output_index: number | undefined, item_id: string | undefined, delta: string) => ({
    type: "response.output_text.delta",
    content_index: 0,
    ...(output_index !== undefined && { output_index }),
    ...(item_id !== undefined && { item_id }),
    delta
  })
  const message = (words: string, id?: string) => ({
    type: "message",
    role: "assistant",
    content: [{ type: "output_text", text: words, annotations: [] }],
    ...(id !== undefined && { id })
  })
  const textsOf = (events: ReadonlyArray<object>) =>
    decodeText(frames(events)).turn?.items.map((item) => JSON.stringify((item as unknown as Raw)["content"]))

  it("an item that begins is not taken for an open one with another id", () => {
    const [one, two] = [message("One", "msg_1"), message("Two", "msg_2")]
    const events = [
      text(undefined, "msg_1", "One"),
      { type: "response.output_item.added", item: { ...two, content: [] } },
      text(undefined, "msg_2", "Two"),
      { type: "response.output_item.done", item: two },
      completed([one])
    ]
    assert.deepStrictEqual(
      textsOf(events),
      [one, two].map(({ content }) => JSON.stringify(content))
    )
  })

  it("a listed item is the one whose text has streamed", () => {
    const reasoning = { type: "reasoning", summary: [{ type: "summary_text", text: "R" }], encrypted_content: "gAAAA" }
    const summary = { type: "response.reasoning_summary_text.delta", output_index: 1, summary_index: 0, delta: "R" }
    const listed = [reasoning, message("One"), message("Two")]
    const { turn } = decodeText(
      frames([summary, text(2, undefined, "One"), text(3, undefined, "Two"), completed(listed)])
    )
    assert.deepStrictEqual(turn?.items, listed as never)
  })
})
