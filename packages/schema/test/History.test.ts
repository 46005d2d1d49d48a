import { assert, describe, it } from "@effect/vitest"
import { History, Item, Message } from "@effect-codex/schema"
import * as Arbitrary from "effect/Arbitrary"
import * as FastCheck from "effect/FastCheck"

const user = (text: string): Item.Item => ({ type: "message", role: "user", content: [{ type: "input_text", text }] })

const assistant = (id: string, text: string, phase: "commentary" | "final_answer" = "final_answer"): Item.Item => ({
  type: "message",
  id,
  role: "assistant",
  status: "completed",
  phase,
  content: [{ type: "output_text", text, annotations: [], logprobs: [] }]
})

const reasoning = (id: string, encrypted: string | null = "gAAAA"): Item.Item => ({
  type: "reasoning",
  id,
  summary: [{ type: "summary_text", text: "Hm" }],
  content: null,
  encrypted_content: encrypted
})

const call = (callId: string, id = "fc_1"): Item.Item => ({
  type: "function_call",
  id,
  call_id: callId,
  name: "ls",
  arguments: '{"path":"."}',
  status: "completed"
})

const output = (callId: string, text = "a.txt"): Item.Item => ({
  type: "function_call_output",
  call_id: callId,
  output: text
})

const toolCall = (callId: string, type: "function" | "custom" = "function") =>
  Message.toolCall({ type, callId, name: "ls", arguments: "{}" })

/** The tool round trip of protocol C.5, as a real client was seen to send it. */
const roundTrip: ReadonlyArray<Item.Item> = [
  user("List files"),
  reasoning("rs_1"),
  assistant("msg_1", "Looking.", "commentary"),
  call("call_1"),
  { type: "custom_tool_call", id: "ctc_1", call_id: "call_2", name: "note", input: "x", status: "completed" },
  output("call_1"),
  { type: "custom_tool_call_output", call_id: "call_2", output: [{ type: "input_text", text: "noted" }] }
]

const tags = (history: ReadonlyArray<History.Entry>) => History.compile(history).repairs.map((repair) => repair._tag)

describe("items that are right", () => {
  it("replay verbatim, in output order, with ids, phase and encrypted content", () => {
    const compiled = History.compile(roundTrip)
    assert.deepStrictEqual(compiled.items, roundTrip)
    assert.deepStrictEqual(compiled.repairs, [])
    compiled.items.forEach((item, index) => assert.strictEqual(item, roundTrip[index]))
  })

  it("keep keys and item types not known here", () => {
    const unknown = { type: "new_thing", id: "nt_1", payload: { a: [1] } } as unknown as Item.Item
    const extended = { ...roundTrip[2], internal: { turn: 1 } } as Item.Item
    assert.deepStrictEqual(History.compile([unknown, extended]).items, [unknown, extended])
  })

  it("keep assistant text that stands beside tool calls", () => {
    const { items } = History.compile([
      Message.user("go"),
      Message.assistant([Message.text("Let me look."), toolCall("call_1")]),
      Message.toolResult("call_1", "done")
    ])
    assert.deepStrictEqual(
      items.map((item) => item.type),
      ["message", "message", "function_call", "function_call_output"]
    )
  })

  it("may have the output of a call far behind it", () => {
    assert.deepStrictEqual(tags([call("call_1"), user("meanwhile"), output("call_1")]), [])
  })
})

describe("messages", () => {
  it("at the head, from the system, become instructions joined by blank lines", () => {
    const compiled = History.compile([Message.system("One."), Message.system("Two."), Message.user("hi")])
    assert.strictEqual(compiled.instructions, "One.\n\nTwo.")
    assert.deepStrictEqual(compiled.items, [user("hi")])
    assert.deepStrictEqual(compiled.repairs, [])
  })

  it("from the system, later, become developer items in their place", () => {
    const compiled = History.compile([Message.user("a"), Message.system("Now in French."), Message.user("b")])
    assert.strictEqual(compiled.instructions, "")
    assert.deepStrictEqual(compiled.items[1], {
      type: "message",
      role: "developer",
      content: [{ type: "input_text", text: "Now in French." }]
    })
    assert.deepStrictEqual(compiled.repairs, [{ _tag: "SystemMessageMoved", index: 1 }])
  })

  it("from the system never reach the input as such, not even as items", () => {
    const { items } = History.compile([
      { type: "message", role: "system", content: [{ type: "input_text", text: "x" }] }
    ])
    assert.deepStrictEqual(
      items.map((item) => (item.type === "message" ? item.role : item.type)),
      ["developer"]
    )
  })

  it("show text, images and documents in their wire form", () => {
    const { items } = History.compile([
      Message.user([
        Message.text("Look"),
        Message.image("https://example.org/a.png", "low"),
        Message.imageData(new Uint8Array([1, 2, 3]), "image/png"),
        Message.document("https://example.org/a.pdf", "a.pdf"),
        Message.documentData("AQID", "application/pdf")
      ])
    ])
    assert.deepStrictEqual(items, [
      {
        type: "message",
        role: "user",
        content: [
          { type: "input_text", text: "Look" },
          { type: "input_image", image_url: "https://example.org/a.png", detail: "low" },
          { type: "input_image", image_url: "data:image/png;base64,AQID" },
          { type: "input_file", file_url: "https://example.org/a.pdf", filename: "a.pdf" },
          { type: "input_file", file_data: "data:application/pdf;base64,AQID" }
        ]
      }
    ])
  })

  it("of the assistant keep the order of their blocks", () => {
    const { items, repairs } = History.compile([
      Message.assistant([
        { _tag: "Reasoning", id: "rs_1", summary: ["Hm"], encryptedContent: "gAAAA" },
        { _tag: "Text", text: "Looking.", phase: "commentary" },
        toolCall("call_1"),
        toolCall("call_2", "custom")
      ]),
      Message.toolResult("call_1", "1"),
      Message.toolResult("call_2", "2"),
      Message.assistant([{ _tag: "Compaction", id: "cmp_1", encryptedContent: "gBBBB" }])
    ])
    assert.deepStrictEqual(repairs, [])
    assert.deepStrictEqual(items, [
      {
        type: "reasoning",
        id: "rs_1",
        summary: [{ type: "summary_text", text: "Hm" }],
        encrypted_content: "gAAAA"
      },
      { type: "message", role: "assistant", phase: "commentary", content: [{ type: "output_text", text: "Looking." }] },
      { type: "function_call", call_id: "call_1", name: "ls", arguments: "{}" },
      { type: "custom_tool_call", call_id: "call_2", name: "ls", input: "{}" },
      { type: "function_call_output", call_id: "call_1", output: "1" },
      { type: "custom_tool_call_output", call_id: "call_2", output: "2" },
      { type: "compaction", id: "cmp_1", encrypted_content: "gBBBB" }
    ])
  })

  it("with tool results send text as it is, not as a JSON string", () => {
    const { items } = History.compile([call("c"), Message.toolResult("c", 'say "hi"')])
    assert.deepStrictEqual(items[1], output("c", 'say "hi"'))
  })

  it("with tool results can show images", () => {
    const shown = Message.toolResult("c", [Message.text("chart"), Message.image("https://example.org/c.png")])
    assert.deepStrictEqual(History.compile([call("c"), shown]).items[1], {
      type: "function_call_output",
      call_id: "c",
      output: [
        { type: "input_text", text: "chart" },
        { type: "input_image", image_url: "https://example.org/c.png" }
      ]
    })
  })

  it("with failed tool results say so in words", () => {
    const failed = Message.toolResult({ type: "function", callId: "c", name: "ls", arguments: "" }, "no such file", {
      isError: true
    })
    assert.deepStrictEqual(History.compile([call("c"), failed]).items[1], output("c", "Error: no such file"))
  })
})

describe("repairs", () => {
  it("give a call without output a neutral one, right after it", () => {
    const compiled = History.compile([call("call_1"), user("never mind")])
    assert.deepStrictEqual(compiled.items, [
      call("call_1"),
      output("call_1", History.missingOutput),
      user("never mind")
    ])
    assert.deepStrictEqual(compiled.repairs, [{ _tag: "OutputAdded", index: 0, callId: "call_1", name: "ls" }])
  })

  it("drop an output without a call, one before its call, and a second one", () => {
    assert.deepStrictEqual(History.compile([output("x"), user("hi")]).repairs, [
      { _tag: "OutputDropped", index: 0, callId: "x", reason: "no_call" }
    ])
    assert.deepStrictEqual(tags([output("c"), call("c")]), ["OutputDropped", "OutputAdded"])
    assert.deepStrictEqual(History.compile([call("c"), output("c"), output("c")]).repairs, [
      { _tag: "OutputDropped", index: 2, callId: "c", reason: "answered_already" }
    ])
  })

  it("fit the output's type to the call's", () => {
    const compiled = History.compile([
      call("c"),
      { type: "custom_tool_call_output", id: "ctco_1", call_id: "c", output: "x" }
    ])
    assert.deepStrictEqual(compiled.items[1], output("c", "x"))
    assert.deepStrictEqual(compiled.repairs, [{ _tag: "OutputTypeChanged", index: 1, callId: "c" }])
  })

  it("rewrite call ids that are empty, too long or taken, on call and output alike", () => {
    const long = "toolu_".padEnd(90, "x")
    const history = [
      call(long, "fc_1"),
      output(long, "1"),
      call("", "fc_2"),
      output("", "2"),
      call("c", "fc_3"),
      output("c", "3"),
      call("c", "fc_4"),
      output("c", "4")
    ]
    const { items, repairs } = History.compile(history)
    const ids = items.map((item) => ("call_id" in item ? String(item.call_id) : ""))
    for (let i = 0; i < ids.length; i += 2) assert.strictEqual(ids[i], ids[i + 1])
    assert.strictEqual(new Set(ids).size, 4)
    assert.isTrue(ids.every((id) => id.length > 0 && id.length <= 64))
    assert.deepStrictEqual(
      repairs.map(({ _tag, index }) => [_tag, index]),
      [
        ["CallIdRewritten", 0],
        ["CallIdRewritten", 2],
        ["CallIdRewritten", 6]
      ]
    )
    assert.deepStrictEqual(History.compile(history), { instructions: "", items, repairs })
  })

  it("rewrite call ids the same way when the history grows", () => {
    const history = [call("x".repeat(65)), output("x".repeat(65))]
    const grown = History.compile([...history, user("and now?")])
    assert.deepStrictEqual(grown.items.slice(0, 2), History.compile(history).items)
  })

  it("strip ids that are too long, foreign, or taken, and leave the rest of the item", () => {
    const { items, repairs } = History.compile([
      assistant("gen-123", "a"),
      assistant(`msg_${"x".repeat(61)}`, "b"),
      assistant("msg_1", "c"),
      assistant("msg_1", "d")
    ])
    assert.deepStrictEqual(
      items.map((item) => Item.id(item)),
      [undefined, undefined, "msg_1", undefined]
    )
    const { id: _, ...rest } = assistant("gen-123", "a") as Item.MessageItem
    assert.deepStrictEqual(items[0], rest)
    assert.deepStrictEqual(
      repairs.map((repair) => (repair._tag === "IdRemoved" ? repair.reason : repair._tag)),
      ["wrong_prefix", "too_long", "taken"]
    )
  })

  it("drop an item that stands there twice", () => {
    const compiled = History.compile([assistant("msg_1", "a"), user("x"), assistant("msg_1", "a")])
    assert.deepStrictEqual(compiled.items, [assistant("msg_1", "a"), user("x")])
    assert.deepStrictEqual(compiled.repairs, [{ _tag: "DuplicateDropped", index: 2, id: "msg_1" }])
  })

  it("drop reasoning without encrypted content, and the ids of what it led to", () => {
    const { items, repairs } = History.compile([reasoning("rs_1", null), call("c"), output("c")])
    const { id: _, ...bare } = call("c") as Item.FunctionCallItem
    assert.deepStrictEqual(items, [bare, output("c")])
    assert.deepStrictEqual(repairs, [
      { _tag: "ReasoningDropped", index: 0, reason: "not_encrypted" },
      { _tag: "IdRemoved", index: 1, id: "fc_1", reason: "reasoning_dropped" }
    ])
  })

  it("leave its id to an item of a type not known here, which may need it", () => {
    const approval = { type: "mcp_approval_request", id: "mcpr_1", name: "x" } as unknown as Item.Item
    assert.deepStrictEqual(History.compile([reasoning("rs_1", null), approval]).items, [approval])
  })

  it("drop reasoning that leads to nothing", () => {
    assert.deepStrictEqual(History.compile([reasoning("rs_1"), user("stop")]).repairs, [
      { _tag: "ReasoningDropped", index: 0, reason: "no_output_follows" }
    ])
    assert.deepStrictEqual(tags([user("hi"), reasoning("rs_1")]), ["ReasoningDropped"])
  })

  it("drop empty messages", () => {
    assert.deepStrictEqual(
      tags([
        Message.user(""),
        Message.assistant([]),
        { role: "tool", content: [] },
        { type: "message", role: "assistant", id: "msg_1", content: [] },
        user("hi")
      ]),
      ["EmptyMessageDropped", "EmptyMessageDropped", "EmptyMessageDropped", "EmptyMessageDropped"]
    )
  })

  it("drop a compaction trigger that is not the last item", () => {
    const trigger: Item.Item = { type: "compaction_trigger" }
    assert.deepStrictEqual(tags([trigger, user("hi")]), ["CompactionTriggerDropped"])
    assert.deepStrictEqual(tags([user("hi"), trigger]), [])
  })

  it("survive an item no JSON can hold", () => {
    const odd = { ...roundTrip[2], count: 1n } as Item.Item
    assert.deepStrictEqual(tags([odd, { ...odd }]), ["IdRemoved"])
  })
})

describe("withoutReasoning", () => {
  it("drops all reasoning, keeps compactions, and strips the ids that point at what is gone", () => {
    const compaction: Item.Item = { type: "compaction", id: "cmp_1", encrypted_content: "gAAAA" }
    const { items, repairs } = History.withoutReasoning([compaction, ...roundTrip])
    assert.deepStrictEqual(
      items.map((item) => [item.type, Item.id(item)]),
      [
        ["compaction", "cmp_1"],
        ["message", undefined],
        ["message", undefined],
        ["function_call", undefined],
        ["custom_tool_call", undefined],
        ["function_call_output", undefined],
        ["custom_tool_call_output", undefined]
      ]
    )
    assert.deepStrictEqual(
      repairs.map(({ _tag, index }) => [_tag, index]),
      [
        ["ReasoningDropped", 2],
        ["IdRemoved", 3],
        ["IdRemoved", 4],
        ["IdRemoved", 5]
      ]
    )
    assert.deepStrictEqual(History.validate(items), [])
  })
})

describe("validate", () => {
  it("finds nothing in a good history", () => assert.deepStrictEqual(History.validate(roundTrip), []))

  it.each<[string, ReadonlyArray<Item.Item>, RegExp]>([
    ["a call without output", [call("c")], /Item 0 \(function_call\) has no output: add one for "c"/],
    ["an output without call", [output("c")], /answers no call/],
    ["a second output", [call("c"), output("c"), output("c")], /a second time/],
    [
      "an output of the other kind",
      [call("c"), { ...output("c"), type: "custom_tool_call_output" } as Item.Item],
      /answers a function_call/
    ],
    ["a call id used twice", [call("c"), output("c"), call("c", "fc_2"), output("c")], /call id of an earlier call/],
    ["an empty call id", [call(""), output("")], /0 characters/],
    ["a long call id", [call("x".repeat(65)), output("x".repeat(65))], /65 characters/],
    ["an id used twice", [assistant("msg_1", "a"), assistant("msg_1", "b")], /has the id of item 0/],
    ["a long id", [assistant("msg_".padEnd(65, "x"), "a")], /65 characters/],
    ["a foreign id", [assistant("chatcmpl_1", "a")], /begin with "msg_"/],
    ["reasoning in clear", [reasoning("rs_1", null), assistant("msg_1", "a")], /no encrypted content/],
    ["reasoning without output", [reasoning("rs_1"), user("hi")], /not followed/],
    ["a system item", [{ ...user("hi"), role: "system" } as Item.Item], /"developer"/],
    ["an empty message", [user("")], /is empty/],
    ["a trigger in the middle", [{ type: "compaction_trigger" }, user("hi")], /not the last/],
    ["a misfit", [{ type: "function_call", call_id: 1 } as unknown as Item.Item], /do not fit/]
  ])("finds %s", (_, items, problem) => {
    const problems = History.validate(items)
    assert.isTrue(
      problems.some((text) => problem.test(text)),
      problems.join("\n")
    )
  })
})

describe("laws", () => {
  const ids = (prefix: string) =>
    FastCheck.constantFrom(undefined, null, "", `${prefix}1`, `${prefix}2`, "gen_1", `${prefix}${"x".repeat(70)}`)
  const callIds = FastCheck.constantFrom("", "call_1", "call_2", "toolu_3", "y".repeat(64), "z".repeat(65))
  const texts = FastCheck.constantFrom("", "a", "b")

  const withId = <A extends object>(prefix: string, rest: FastCheck.Arbitrary<A>) =>
    FastCheck.tuple(ids(prefix), rest).map(
      ([id, rest]) => (id === undefined ? rest : { id, ...rest }) as unknown as Item.Item
    )

  const items: FastCheck.Arbitrary<Item.Item> = FastCheck.oneof(
    withId(
      "msg_",
      FastCheck.record({
        type: FastCheck.constant("message"),
        role: FastCheck.constantFrom("user", "assistant", "developer", "system"),
        content: FastCheck.array(
          texts.map((text) => ({ type: "output_text", text })),
          { maxLength: 2 }
        )
      })
    ),
    withId(
      "rs_",
      FastCheck.record({
        type: FastCheck.constant("reasoning"),
        summary: FastCheck.constant([]),
        encrypted_content: FastCheck.constantFrom(null, "", "gAAAA")
      })
    ),
    withId(
      "fc_",
      FastCheck.record({
        type: FastCheck.constant("function_call"),
        call_id: callIds,
        name: FastCheck.constant("f"),
        arguments: texts
      })
    ),
    withId(
      "ctc_",
      FastCheck.record({
        type: FastCheck.constant("custom_tool_call"),
        call_id: callIds,
        name: FastCheck.constant("f"),
        input: texts
      })
    ),
    withId(
      "fco_",
      FastCheck.record({
        type: FastCheck.constantFrom("function_call_output", "custom_tool_call_output"),
        call_id: callIds,
        output: texts
      })
    ),
    FastCheck.constantFrom<Item.Item>(
      { type: "compaction_trigger" },
      { type: "compaction", encrypted_content: "gAAAA" },
      { type: "new_thing", id: "x" } as unknown as Item.Item
    ),
    Arbitrary.make(Item.Item)
  )

  const messages: FastCheck.Arbitrary<Message.Message> = FastCheck.oneof(
    texts.map(Message.system),
    texts.map(Message.user),
    callIds.map((callId) => Message.assistant([Message.text("a"), toolCall(callId)])),
    FastCheck.tuple(callIds, texts).map(([callId, text]) => Message.toolResult(callId, text)),
    Arbitrary.make(Message.Message)
  )

  const histories = FastCheck.array(FastCheck.oneof<FastCheck.Arbitrary<History.Entry>[]>(items, messages), {
    maxLength: 14
  })
  const itemLists = FastCheck.array(items, { maxLength: 14 })
  const runs = { numRuns: 1000 }

  it.prop(
    "total, and the result passes the validator",
    [histories],
    ([history]) => {
      assert.deepStrictEqual(History.validate(History.compile(history).items), [])
    },
    { fastCheck: runs }
  )

  it.prop(
    "idempotent",
    [histories],
    ([history]) => {
      const once = History.compile(history)
      assert.deepStrictEqual(History.compile(once.items), { instructions: "", items: once.items, repairs: [] })
    },
    { fastCheck: runs }
  )

  it.prop(
    "deterministic, and the history given stays as it was",
    [histories],
    ([history]) => {
      const before = structuredClone(history)
      const first = History.compile(history)
      assert.deepStrictEqual(first, History.compile(before))
      assert.deepStrictEqual(history, before)
    },
    { fastCheck: runs }
  )

  it.prop(
    "every repair reported: what is changed, dropped or added is named, and nothing else is",
    [itemLists],
    ([given]) => {
      const { items, repairs } = History.compile(given)
      const dropped = new Set([
        "EmptyMessageDropped",
        "DuplicateDropped",
        "OutputDropped",
        "ReasoningDropped",
        "CompactionTriggerDropped"
      ])
      const at = (index: number) => repairs.filter((repair) => repair.index === index).map((repair) => repair._tag)
      let place = 0
      given.forEach((item, index) => {
        const done = at(index)
        if (done.some((tag) => dropped.has(tag))) return
        const sent = items[place++]
        if (done.length === 0 && sent !== item) {
          // An output follows its call's new id; the repair stands with the call.
          const { call_id: was, ...rest } = item as Item.FunctionCallOutputItem
          const { call_id: is, ...same } = sent as Item.FunctionCallOutputItem
          assert.deepStrictEqual(same, rest)
          assert.isTrue(
            repairs.some((repair) => repair._tag === "CallIdRewritten" && repair.from === was && repair.to === is)
          )
        }
        if (done.includes("OutputAdded")) {
          const added = items[place++]
          assert.isTrue(added !== undefined && "output" in added && added.output === History.missingOutput)
        } else {
          if (done.length > 0) assert.notDeepEqual(sent, item)
        }
      })
      assert.strictEqual(place, items.length)
    },
    { fastCheck: runs }
  )

  it.prop(
    "order kept: what remains stands in the order it was given in",
    [itemLists],
    ([given]) => {
      const marked = given.map((item, mark) => ({ ...item, mark }) as Item.Item)
      const marks = History.compile(marked).items.flatMap((item) => ("mark" in item ? [Number(item["mark"])] : []))
      assert.deepStrictEqual(
        marks,
        [...marks].sort((a, b) => a - b)
      )
    },
    { fastCheck: runs }
  )

  it.prop(
    "calls and outputs stay paired: each kept output still answers the call it answered",
    [itemLists],
    ([given]) => {
      const { items } = History.compile(given)
      const named = new Map(
        items.flatMap((item) => (item.type.endsWith("_call") && "call_id" in item ? [[item.call_id, item]] : []))
      )
      for (const item of items) {
        if (item.type === "function_call_output" || item.type === "custom_tool_call_output") {
          assert.strictEqual(`${named.get(item.call_id)?.type}_output`, item.type)
        }
      }
    },
    { fastCheck: runs }
  )

  it.prop(
    "withoutReasoning leaves a history that passes the validator",
    [histories],
    ([history]) => {
      const { items } = History.withoutReasoning(History.compile(history).items)
      assert.deepStrictEqual(History.validate(items), [])
      assert.isFalse(items.some((item) => item.type === "reasoning"))
    },
    { fastCheck: runs }
  )
})
