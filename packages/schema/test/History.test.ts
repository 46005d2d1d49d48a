import { assert, describe, it } from "@effect/vitest"
import { History, Item, Message, Origin } from "@effect-codex/schema"
import * as Schema from "effect/Schema"

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

/** The first bytes of a PNG. */
const png = "iVBORw0KGgoAAAANSUhEUg=="

const tags = (history: ReadonlyArray<History.Entry>) => History.compile(history).repairs.map((repair) => repair._tag)

class Unwritable {
  toJSON(): never {
    throw new Error("no")
  }
}

class Big {
  toJSON(): bigint {
    return 1n
  }
}

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

  it("keep assistant text next to tool calls", () => {
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
        { _tag: "Image", url: "https://example.org/a.png", detail: "low" },
        { _tag: "Image", url: `data:image/png;base64,${png}` },
        { _tag: "Document", url: "https://example.org/a.pdf", filename: "a.pdf" },
        { _tag: "Document", url: "data:application/pdf;base64,AQID" }
      ])
    ])
    assert.deepStrictEqual(items, [
      {
        type: "message",
        role: "user",
        content: [
          { type: "input_text", text: "Look" },
          { type: "input_image", image_url: "https://example.org/a.png", detail: "low" },
          { type: "input_image", image_url: `data:image/png;base64,${png}` },
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
    const shown = Message.toolResult("c", [Message.text("chart"), { _tag: "Image", url: "https://example.org/c.png" }])
    assert.deepStrictEqual(History.compile([call("c"), shown]).items[1], {
      type: "function_call_output",
      call_id: "c",
      output: [
        { type: "input_text", text: "chart" },
        { type: "input_image", image_url: "https://example.org/c.png" }
      ]
    })
  })

  it("report failed tool results as text", () => {
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

  it("rewrite the call id of a call whose id another kind of call has, and each keeps its own output", () => {
    const note: Item.Item = { type: "custom_tool_call", call_id: "c", name: "note", input: "x" }
    const noted: Item.Item = { type: "custom_tool_call_output", call_id: "c", output: "noted" }
    for (const [first, second] of [
      [
        [note, noted],
        [call("c"), output("c")]
      ],
      [
        [call("c"), output("c")],
        [note, noted]
      ]
    ] as const) {
      const { items, repairs } = History.compile([...first, ...second])
      assert.deepStrictEqual(items.slice(0, 2), [...first])
      const [again, answer] = items.slice(2) as ReadonlyArray<Item.FunctionCallItem>
      assert.notStrictEqual(again?.call_id, "c")
      assert.strictEqual(answer?.call_id, again?.call_id)
      assert.deepStrictEqual(
        repairs.map(({ _tag, index }) => [_tag, index]),
        [["CallIdRewritten", 2]]
      )
    }
  })

  it("assign outputs of calls that share an id to the call of their type, in any order", () => {
    const note: Item.Item = { type: "custom_tool_call", call_id: "c", name: "note", input: "x" }
    const noted: Item.Item = { type: "custom_tool_call_output", call_id: "c", output: "noted" }
    const { items } = History.compile([note, call("c"), output("c", "listed"), noted])
    const [, second, third] = items as ReadonlyArray<Item.FunctionCallOutputItem>
    assert.deepStrictEqual(
      [third?.type, third?.call_id, third?.output],
      ["function_call_output", second?.call_id, "listed"]
    )
    assert.deepStrictEqual(items[3], noted)
  })

  it("leave the call id of an item of a type not known here to that item", () => {
    const other = { type: "new_call", call_id: "c" } as unknown as Item.Item
    assert.deepStrictEqual(tags([other, output("c"), call("c"), output("c")]), ["CallIdRewritten"])
    // and to the call that had it before
    assert.deepStrictEqual(tags([call("c"), output("c"), other, output("c")]), ["OutputDropped"])
  })

  it("rewrite a call id consistently, also one with a space", () => {
    const idIn = (history: ReadonlyArray<Item.Item>, at: number) =>
      (History.compile(history).items[at] as Item.FunctionCallItem).call_id
    const alone = idIn([call("a b")], 0)
    assert.match(alone, /^[!-~]{1,64}$/)
    assert.strictEqual(idIn([call("a c"), output("a c"), call("a b")], 2), alone)
    assert.notStrictEqual(idIn([call("a c")], 0), alone)
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

  it("drop a duplicate item", () => {
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

  it("drop reasoning before what no model wrote", () => {
    const others = [
      { type: "agent_message", content: [{ type: "input_text", text: "x" }], author: "a", recipient: "b" },
      { type: "computer_call_output", call_id: "c", output: {} }
    ] as unknown as ReadonlyArray<Item.Item>
    for (const other of others) assert.deepStrictEqual(History.compile([reasoning("rs_1"), other]).items, [other])
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

  it("drop what no server can know by its type, at its place", () => {
    const odd = ["", "  ", "data:image/png", "a\u0000b", "-x"].map((type) => ({ type, id: "x_1" }))
    const all = [...odd, { type: "item_reference", id: "rs_1" }, 7, "text", true, undefined, null, [], user("hi")]
    const { items, repairs } = History.compile(all as unknown as ReadonlyArray<never>)
    assert.deepStrictEqual(items, [user("hi")])
    assert.deepStrictEqual(
      repairs.map(({ _tag, index }) => [_tag, index]),
      Array.from({ length: 12 }, (_, index) => ["EntryDropped", index])
    )
  })

  it("write texts and images of other APIs as this one does, and say where there is nothing to write", () => {
    const parts = [
      { type: "text", text: "a" },
      { type: "reasoning_text", text: "b" },
      { type: "image_url", image_url: { url: "https://x.test/a.png" } },
      { type: "image_url", image_url: "https://x.test/b.png" },
      { type: "image_url", image_url: { url: 5 } },
      { type: "" },
      { type: "input_new", text: "c" }
    ]
    const contents = History.compile([
      { type: "message", role: "user", content: parts },
      { type: "message", role: "assistant", content: parts }
    ] as unknown as ReadonlyArray<never>).items.map((item) =>
      (item as Item.MessageItem).content.map((part) => Object.values(part).slice(0, 2).join(" "))
    )
    assert.deepStrictEqual(contents, [
      [
        "input_text a",
        "input_text b",
        "input_image https://x.test/a.png",
        "input_image https://x.test/b.png",
        'input_text [The image cannot be sent: its URL is neither an https: nor a data: URL; give base64 as "data:image/png;base64,…".]',
        "input_text [The part cannot be sent: its type is no name.]",
        "input_new c"
      ],
      [
        "output_text a",
        "output_text b",
        ...Array.from(
          { length: 3 },
          () => "output_text [The image cannot be sent: an assistant message can contain only text.]"
        ),
        "output_text [The part cannot be sent: its type is no name.]",
        "input_new c"
      ]
    ])
  })

  it("give a shell call its output also where that has the type of other servers", () => {
    const action = { type: "exec", command: ["ls"] }
    const history = [
      { type: "local_shell_call", id: "lsh_1", call_id: "call_1", status: "completed", action },
      { type: "local_shell_call_output", call_id: "call_1", output: "a.txt" },
      { type: "local_shell_call", id: "lsh_2", status: "completed", action },
      { type: "local_shell_call_output", id: "lsh_2", output: [{ type: "input_text", text: "b.txt" }] },
      { type: "local_shell_call_output", call_id: "call_3", output: "nobody's" }
    ]
    const { items, repairs } = History.compile(history as unknown as ReadonlyArray<never>)
    assert.deepStrictEqual(items.slice(1, 2), [output("call_1")])
    assert.deepInclude(items[3], { type: "function_call_output", call_id: "lsh_2" })
    assert.lengthOf(items, 4)
    assert.strictEqual(repairs.at(-1)?._tag, "OutputDropped")
  })

  it("drop a compaction trigger that is not the last item", () => {
    const trigger: Item.Item = { type: "compaction_trigger" }
    assert.deepStrictEqual(tags([trigger, user("hi")]), ["CompactionTriggerDropped"])
    assert.deepStrictEqual(tags([user("hi"), trigger]), [])
  })
})

describe("names", () => {
  const named = (name: string, more: object = {}): Item.Item =>
    ({ type: "function_call", call_id: "c", name, arguments: "{}", ...more }) as Item.Item
  const nameOf = (item: Item.Item | undefined) => (item as Item.FunctionCallItem | undefined)?.name

  it.each([
    ["functions.exec", /^functions_exec_/],
    ["run shell cmd", /^run_shell_cmd_/],
    ["", /^unnamed_/],
    ["   ", /^unnamed_/],
    ["nul\0name", /^nul_name_/],
    ["café", /^cafe_/],
    ["日本", /^__/],
    ["x".repeat(67), /^x{50,}_/],
    ["cut\ud83d", /^cut/]
  ])("that the server refuses become legal ones like them: %j", (name, like) => {
    const { items, repairs } = History.compile([named(name), output("c")])
    const sent = nameOf(items[0]) ?? ""
    assert.match(sent, like)
    assert.match(sent, /^[a-zA-Z0-9_-]{1,64}$/)
    assert.deepInclude(repairs, {
      _tag: "NameRewritten",
      index: 0,
      from: name.replace("\ud83d", "\ufffd"),
      to: sent
    })
    assert.isNotEmpty(History.validate([named(name), output("c")]))
  })

  it("stay apart from each other and from the name of a tool", () => {
    const names = [
      "a.b",
      "a b",
      "a/b",
      "ａ.b",
      "a_b",
      "x".repeat(65),
      "x".repeat(66),
      "x".repeat(64),
      "日",
      "本",
      "",
      " "
    ]
    const sent = names.map((name) => nameOf(History.compile([named(name), output("c")]).items[0]))
    assert.strictEqual(new Set(sent).size, names.length)
    assert.strictEqual(sent[4], "a_b")
  })

  it("are the same in every request, independent of the rest of the history", () => {
    const alone = History.compile([named("a.b"), output("c")]).items
    const among = History.compile([user("hi"), named("a_b", { call_id: "d" }), output("d"), named("a.b"), output("c")])
    assert.deepStrictEqual(among.items.slice(3), alone)
  })

  it("are rewritten in every item of a known type", () => {
    const items = [
      { type: "tool_search_call", call_id: "s", execution: "client", arguments: {}, name: "f.g" },
      {
        type: "local_shell_call",
        call_id: "l",
        status: "completed",
        action: { type: "exec", command: ["ls"] },
        name: "f.g"
      },
      { type: "message", role: "user", content: [{ type: "input_text", text: "x" }], name: "f.g" }
    ] as unknown as ReadonlyArray<Item.Item>
    for (const item of items) {
      const { items, repairs } = History.compile([item])
      assert.match(nameOf(items[0]) ?? "", /^f_g_\w+$/)
      assert.deepInclude(repairs, { _tag: "NameRewritten", index: 0, from: "f.g", to: nameOf(items[0]) ?? "" })
    }
  })

  it("are rewritten in free-form calls, namespaces and outputs as well", () => {
    const { items } = History.compile([
      named("f.g", { namespace: "mcp.other" }),
      { ...output("c"), name: "f.g" } as Item.Item,
      { type: "custom_tool_call", call_id: "d", name: "f.g", input: "x" },
      { type: "custom_tool_call_output", call_id: "d", name: "f.g", output: "x" }
    ])
    const sent = new Set(items.map(nameOf))
    assert.strictEqual(sent.size, 1)
    assert.match([...sent][0] ?? "", /^f_g_/)
    assert.match(String((items[0] as Item.FunctionCallItem).namespace), /^mcp_other_/)
    const blank = History.compile([named("f", { namespace: " " }), output("c")])
    assert.deepStrictEqual(blank.items[0], named("f"))
    assert.deepStrictEqual(blank.repairs, [{ _tag: "NameRewritten", index: 0, from: " ", to: "" }])
  })
})

describe("sizes", () => {
  it("of arguments beyond the server's bound leave a sentence in their place", () => {
    const long = { ...call("c"), arguments: "x".repeat(1_048_577) } as Item.Item
    const custom: Item.Item = { type: "custom_tool_call", call_id: "d", name: "note", input: "x".repeat(1_048_577) }
    const { items, repairs } = History.compile([long, output("c"), custom])
    assert.match(JSON.parse((items[0] as Item.FunctionCallItem).arguments).left_out, /1048577 characters/)
    assert.match((items[2] as Item.CustomToolCallItem).input, /1048577 characters/)
    assert.deepInclude(repairs, { _tag: "ArgumentsReplaced", index: 0, callId: "c", length: 1_048_577 })
    assert.match(History.validate([long, output("c")]).join(), /arguments of 1048577 characters/)
    const just = { ...call("c"), arguments: "x".repeat(1_048_576) } as Item.Item
    assert.strictEqual(History.compile([just, output("c")]).items[0], just)
  })

  it("of outputs and texts beyond the server's bound lose their middle", () => {
    const text = `head${"x".repeat(10_485_760)}tail`
    const { items, repairs } = History.compile([call("c"), output("c", text), user(text)])
    const sent = (items[1] as Item.FunctionCallOutputItem).output as string
    assert.isAtMost(sent.length, 10_485_760)
    // without the long runs, which overflow the stack of a regular expression
    const middle = sent.indexOf("\n")
    assert.match(sent.slice(middle - 1, middle + 60), /^x\n\[\d+ characters are left out here\]\nx+$/)
    assert.isTrue(sent.startsWith("headx") && sent.endsWith("xtail"))
    assert.deepStrictEqual(
      repairs.map((repair) => [repair._tag, repair.index]),
      [
        ["TextCut", 1],
        ["TextCut", 2]
      ]
    )
    const just = output("c", "x".repeat(10_485_760))
    assert.strictEqual(History.compile([call("c"), just]).items[1], just)
  })

  it("of encrypted content beyond the server's bound cost the item", () => {
    const long = reasoning("rs_1", "x".repeat(10_485_761))
    assert.deepInclude(History.compile([long, assistant("msg_1", "a")]).repairs, {
      _tag: "ReasoningDropped",
      index: 0,
      reason: "too_long"
    })
  })
})

describe("the output limit", () => {
  const limited = (text: string, outputLimit: History.OutputLimit) =>
    History.compile([call("c"), output("c", text)], { outputLimit })
  const sent = (text: string, outputLimit: History.OutputLimit) =>
    (limited(text, outputLimit).items[1] as Item.FunctionCallOutputItem).output as string

  it("cuts the middle and says so", () => {
    const text = `${"a".repeat(2000)}${"b".repeat(2000)}`
    const cut = sent(text, { mode: "bytes", limit: 1000 })
    assert.match(cut, /^a+\n\[(\d+) characters are left out here\]\nb+$/)
    const kept = cut.replace(/[^ab]/g, "").length - "characters are left out here".replace(/[^ab]/g, "").length
    assert.strictEqual(Number(/\d+/.exec(cut)?.[0]), text.length - kept)
    assert.isAtMost(Buffer.byteLength(cut), 1000)
    assert.isAtLeast(Buffer.byteLength(cut), 990)
    assert.deepStrictEqual(limited(text, { mode: "bytes", limit: 1000 }).repairs, [
      { _tag: "TextCut", index: 1, leftOut: text.length - kept, reason: "output_limit" }
    ])
  })

  it("counts a token as four bytes of UTF-8, and never cuts a character in two", () => {
    for (const text of ["é", "日", "😀", "a"].map((character) => character.repeat(3000))) {
      const cut = sent(text, { mode: "tokens", limit: 200 })
      assert.isAtMost(Buffer.byteLength(cut), 800)
      assert.isAtLeast(Buffer.byteLength(cut), 780)
      assert.strictEqual(Buffer.from(cut).toString(), cut)
    }
  })

  it("leaves what fits, to the last byte", () => {
    const text = "é".repeat(400)
    assert.strictEqual(sent(text, { mode: "bytes", limit: 800 }), text)
    assert.notStrictEqual(sent(text, { mode: "bytes", limit: 799 }), text)
  })

  it("does not cut again what it cut, however small it is", () => {
    for (const limit of [-1, 0, 1, 100, 300, 5000]) {
      const once = limited("x".repeat(10_000), { mode: "bytes", limit })
      assert.deepStrictEqual(History.compile(once.items, { outputLimit: { mode: "bytes", limit } }).repairs, [])
    }
  })

  it("takes the texts of an output as one, and leaves its images", () => {
    const text = (text: string) => ({ type: "input_text" as const, text })
    const image = { type: "input_image" as const, image_url: `data:image/png;base64,${png}` }
    const shown: Item.Item = {
      type: "function_call_output",
      call_id: "c",
      output: [text("a".repeat(300)), image, text("b".repeat(300)), text("c".repeat(300)), image, text("d".repeat(300))]
    }
    const { items } = History.compile([call("c"), shown], { outputLimit: { mode: "bytes", limit: 700 } })
    const parts = (items[1] as Item.FunctionCallOutputItem).output as ReadonlyArray<Item.ContentPart>
    assert.deepStrictEqual(
      parts.map(({ type }) => type),
      ["input_text", "input_image", "input_text", "input_text", "input_image", "input_text"]
    )
    const texts = parts.flatMap((part) => (part.type === "input_text" ? [part.text] : []))
    assert.isAtMost(texts.join("").length, 700)
    assert.match(texts.join(""), /^a{300}b*\n\[\d+ characters are left out here\]\nc*d{300}$/)
  })
})

describe("texts", () => {
  it("are made well-formed wherever they are, and only where they are not", () => {
    const { instructions, items, repairs } = History.compile([
      Message.system("one \ud800"),
      Message.user("two \udc00"),
      { ...call("c"), arguments: '{"a":"\ud800"}', note: { "key\ud800": ["\udfff"] } } as Item.Item,
      output("c", "three \ud83d"),
      user("😀 fine")
    ])
    assert.strictEqual(instructions, "one \ufffd")
    assert.deepStrictEqual(items, [
      user("two \ufffd"),
      { ...call("c"), arguments: '{"a":"\ufffd"}', note: { "key\ufffd": ["\ufffd"] } } as Item.Item,
      output("c", "three \ufffd"),
      user("😀 fine")
    ])
    assert.deepStrictEqual(
      repairs,
      [0, 1, 2, 3].map((index) => ({ _tag: "TextMadeWellFormed" as const, index }))
    )
    assert.match(History.validate([output("c", "\ud83d")]).join(), /unpaired surrogates/)
  })
})

describe("parts", () => {
  const image = (image_url: string): Item.ContentPart => ({ type: "input_image", image_url })
  const shown = (...content: ReadonlyArray<Item.ContentPart>): Item.Item => ({ type: "message", role: "user", content })

  it("that the backend cannot read are replaced by text, in messages and outputs", () => {
    const svg = image("data:image/svg+xml;base64,PHN2Zz4=")
    const { items, repairs } = History.compile([
      shown({ type: "input_text", text: "Look" }, svg),
      call("c"),
      { type: "function_call_output", call_id: "c", output: [image("file:///tmp/a.png")] }
    ])
    const problem =
      "The image cannot be sent: its media type is image/svg+xml; the backend reads image/png, image/jpeg, image/gif, image/webp."
    assert.deepStrictEqual(
      items[0],
      shown({ type: "input_text", text: "Look" }, { type: "input_text", text: `[${problem}]` })
    )
    assert.match(JSON.stringify(items[2]), /cannot read a file: URL; read the file and give its bytes/)
    assert.deepStrictEqual(repairs[0], { _tag: "ContentReplaced", index: 0, part: 1, problem })
    assert.match(
      History.validate([shown(svg)]).join(),
      /Item 0 \(message\) has a part 0 that cannot be sent\. The image/
    )
  })

  it("are read as they were meant: base64 with line breaks, base64url, blanks around, other labels", () => {
    const good = image(`data:image/png;base64,${png}`)
    for (const url of [
      `data:image/png;base64,${png.slice(0, 10)}\r\n ${png.slice(10)}`,
      `  data:image/png;base64,${png}\n`,
      `data:image/png;base64,${png.replaceAll("=", "")}`,
      `DATA:Image/PNG;charset=utf-8;base64,${png}`,
      `data:image/jpeg;base64,${png}`,
      `data:image/png;base64,${png.replace(/=$/, "%3D").replace("==", "%3D%3D")}`
    ]) {
      const { items, repairs } = History.compile([shown(image(url))])
      assert.deepStrictEqual(items, [shown(good)])
      assert.deepStrictEqual(repairs, [{ _tag: "PartRewritten", index: 0, part: 0 }])
    }
    const jpeg = History.compile([shown(image("data:image/jpg;base64,_9j_4AAQ-A"))]).items
    assert.deepStrictEqual(jpeg, [shown(image("data:image/jpeg;base64,/9j/4AAQ+A=="))])
  })

  it("lose a level of detail that the backend does not have", () => {
    const url = "https://example.org/a.png"
    for (const detail of ["", "hd", "HIGH", "medium", " auto"]) {
      const image = { type: "input_image", image_url: url, detail } as const
      const { items, repairs } = History.compile([
        Message.user([{ _tag: "Image", url, detail }]),
        { type: "message", role: "user", content: [image] },
        { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" },
        { type: "function_call_output", call_id: "call_1", output: [image] }
      ])
      assert.notInclude(JSON.stringify(items), "detail")
      assert.deepStrictEqual(
        repairs,
        [0, 1, 3].map((index) => ({ _tag: "PartRewritten", index, part: 0 }))
      )
    }
    for (const detail of ["auto", "low", "high", "original"]) {
      assert.isEmpty(History.compile([Message.user([{ _tag: "Image", url, detail }])]).repairs)
    }
  })

  it("have the types their role allows", () => {
    const said = (role: "user" | "assistant", ...content: ReadonlyArray<Item.ContentPart>): Item.Item => ({
      type: "message",
      role,
      content
    })
    const { items } = History.compile([
      said("user", { type: "output_text", text: "a", annotations: [] }, { type: "refusal", refusal: "b" }),
      said("assistant", { type: "input_text", text: "c" }, image("https://example.org/a.png")),
      call("c"),
      { type: "function_call_output", call_id: "c", output: [{ type: "output_text", text: "d", annotations: [] }] }
    ])
    assert.deepStrictEqual(items[0], said("user", { type: "input_text", text: "a" }, { type: "input_text", text: "b" }))
    assert.deepStrictEqual(
      items[1],
      said(
        "assistant",
        { type: "output_text", text: "c" },
        {
          type: "output_text",
          text: "[The image cannot be sent: an assistant message can contain only text.]"
        }
      )
    )
    assert.deepStrictEqual((items[3] as Item.FunctionCallOutputItem).output, [{ type: "input_text", text: "d" }])
  })
})

describe("calls of the local shell and of a search of tools", () => {
  const shell = (call_id: string | null): Item.Item => ({
    type: "local_shell_call",
    id: "lsh_1",
    call_id,
    status: "completed",
    action: { type: "exec", command: ["ls"] }
  })
  const search: Item.Item = {
    type: "tool_search_call",
    id: "tsc_1",
    call_id: "call_s",
    execution: "client",
    arguments: { query: "x" }
  }
  const found: Item.Item = {
    type: "tool_search_output",
    call_id: "call_s",
    execution: "client",
    status: "completed",
    tools: []
  }

  it("keep the outputs that answer them", () => {
    const history = [user("go"), shell("call_l"), output("call_l"), search, output("call_s"), user("on")]
    assert.deepStrictEqual(History.compile(history).items, history)
    assert.deepStrictEqual(History.validate(history), [])
    assert.deepStrictEqual(History.validate([search, found]), [])
  })

  it("get a neutral output when they have none", () => {
    const { items, repairs } = History.compile([shell("call_l"), search, user("on")])
    assert.deepStrictEqual(items, [shell("call_l"), output("call_l", History.missingOutput), search, found, user("on")])
    assert.deepStrictEqual(repairs, [
      { _tag: "OutputAdded", index: 0, callId: "call_l", name: "local_shell" },
      { _tag: "OutputAdded", index: 1, callId: "call_s", name: "tool_search" }
    ])
    assert.match(History.validate([shell("call_l")]).join(), /\(local_shell_call\) has no output: add one for "call_l"/)
    assert.match(History.validate([search]).join(), /\(tool_search_call\) has no output/)
  })

  it("without a call id are answered by the id of their item", () => {
    const { items, repairs } = History.compile([shell(null), output("lsh_1")])
    assert.deepStrictEqual(items, [shell("lsh_1"), output("lsh_1")])
    assert.deepStrictEqual(repairs, [{ _tag: "CallIdRewritten", index: 0, from: "", to: "lsh_1" }])
    const { id: _, ...bare } = shell(null) as Item.LocalShellCallItem
    const callId = (History.compile([bare]).items[0] as Item.LocalShellCallItem).call_id ?? ""
    assert.match(callId, /^call_/)
  })

  it("need no output when the server runs the search", () => {
    const history: ReadonlyArray<Item.Item> = [
      { type: "tool_search_call", id: "tsc_1", call_id: null, execution: "server", arguments: {} },
      { type: "tool_search_output", id: "tso_1", call_id: null, execution: "server", tools: [] }
    ]
    assert.deepStrictEqual(History.compile(history).items, history)
  })

  it("and of types not known here keep the outputs that name their call id", () => {
    const history = [{ type: "new_call", call_id: "call_n" } as unknown as Item.Item, output("call_n")]
    assert.deepStrictEqual(History.compile(history).items, history)
  })

  it("drop the tools found for a search that is not there", () => {
    assert.deepStrictEqual(tags([found]), ["OutputDropped"])
  })
})

describe("odd fields", () => {
  const odd = (item: object) => History.compile([item as Item.Item, assistant("msg_9", "after"), output("c")])

  it.each<[string, object, object]>([
    [
      "reasoning without summary",
      { type: "reasoning", id: "rs_1", encrypted_content: "gAAAA" },
      { type: "reasoning", id: "rs_1", encrypted_content: "gAAAA", summary: [] }
    ],
    [
      "a summary that is a text",
      { type: "reasoning", summary: "Hm", encrypted_content: "gAAAA" },
      { type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }], encrypted_content: "gAAAA" }
    ],
    [
      "a search without an action",
      { type: "web_search_call", id: "ws_1", action: {} },
      { type: "web_search_call", id: "ws_1" }
    ],
    [
      "a search for a list",
      { type: "web_search_call", id: "ws_1", action: { type: "search", query: ["a"], queries: ["a"] } },
      { type: "web_search_call", id: "ws_1", action: { type: "search", queries: ["a"] } }
    ],
    [
      "an image that is an object",
      { type: "image_generation_call", id: "ig_1", result: { a: 1 } },
      { type: "image_generation_call", id: "ig_1" }
    ],
    [
      "a message that is a text",
      { type: "message", role: "assistant", content: "plain" },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "plain" }] }
    ],
    [
      "a part without text",
      { type: "message", role: "user", content: [{ type: "input_text" }, { type: "input_text", text: "a" }] },
      { type: "message", role: "user", content: [{ type: "input_text", text: "a" }] }
    ],
    [
      "arguments that are an object",
      { type: "function_call", call_id: "c", name: "f", arguments: { path: "/a" } },
      { type: "function_call", call_id: "c", name: "f", arguments: '{"path":"/a"}' }
    ],
    [
      "an id and a status of other types",
      { type: "function_call", id: 5, call_id: "c", name: "f", arguments: "{}", status: {} },
      { type: "function_call", call_id: "c", name: "f", arguments: "{}" }
    ],
    [
      "values JSON cannot hold",
      { type: "new_thing", a: 1n, b: [Number.NaN, 1], c: { d: () => 1, e: "x" } },
      { type: "new_thing", b: [null, 1], c: { e: "x" } }
    ],
    [
      "values whose JSON cannot be read",
      { type: "new_thing", a: new Unwritable(), b: [new Big(), new Date(0)], c: 1 },
      { type: "new_thing", b: [null, "1970-01-01T00:00:00.000Z"], c: 1 }
    ]
  ])("do not cost the item: %s", (_, item, sent) => {
    const { items, repairs } = odd(item)
    assert.deepStrictEqual(items[0], sent as Item.Item)
    assert.isTrue(repairs.some((repair) => repair._tag === "FieldRepaired" && repair.index === 0))
    assert.match(History.validate([item as Item.Item]).join(), /has a field/)
  })

  it("is what they write of themselves", () => {
    const { items, repairs } = History.compile([{ type: "new_thing", at: new Date(0) } as never, user("on")])
    assert.strictEqual(JSON.stringify(items[0]), '{"type":"new_thing","at":"1970-01-01T00:00:00.000Z"}')
    assert.isEmpty(repairs)
  })

  it("of outputs become text", () => {
    const sent = (value: unknown) => {
      const { items } = History.compile([call("c"), { ...output("c"), output: value } as Item.Item])
      return (items[1] as Item.FunctionCallOutputItem).output
    }
    assert.strictEqual(sent({ rain: true }), '{"rain":true}')
    assert.strictEqual(sent([1, 2]), "[1,2]")
    assert.strictEqual(sent(12), "12")
    assert.strictEqual(sent(null), History.missingOutput)
    assert.strictEqual(sent([]), "")
    assert.deepStrictEqual(sent(["a"]), [{ type: "input_text", text: "a" }])
  })

  it("cost the item only where it cannot do without them", () => {
    for (const item of [
      { type: "local_shell_call", call_id: "c" },
      { type: "compaction" },
      { type: "message", content: [{ type: "input_text", text: "of whom?" }] },
      { role: "user", content: "neither message nor item" },
      { type: 5 },
      null,
      undefined,
      "text",
      [user("a")]
    ]) {
      const { items, repairs } = History.compile([item as never, user("on")])
      assert.deepStrictEqual(items, [user("on")])
      assert.strictEqual(repairs.at(-1)?._tag, "EntryDropped")
      assert.isNotEmpty(History.validate([item as never]))
    }
  })

  it("nested beyond any parser's depth are cut off there", () => {
    let deep: unknown = "x"
    for (let n = 0; n < 100_000; n++) deep = [deep]
    const { items, repairs } = History.compile([{ type: "new_thing", id: "n", deep } as unknown as Item.Item])
    assert.isBelow(JSON.stringify(items).length, 5000)
    assert.strictEqual(repairs[0]?._tag, "FieldRepaired")
  })
})

describe("encrypted content of another account", () => {
  const here: Origin.Origin = { account: "acc-1", model: "gpt-5.5" }
  const there: Origin.Origin = { account: "acc-2", model: "gpt-5.5" }
  const compaction: Item.Item = { type: "compaction", id: "cmp_1", encrypted_content: "gAAAA" }
  const turn = (n: number, from: Origin.Origin | undefined) => {
    const items = [reasoning(`rs_${n}`), assistant(`msg_${n}`, "a")]
    return from === undefined ? items : Origin.tag(items, Origin.toTag(from))
  }

  it("is left out before the server refuses it, with the ids that refer to it", () => {
    const history = [
      ...Origin.tag([compaction], Origin.toTag(there)),
      ...turn(1, there),
      user("x"),
      ...turn(2, here),
      user("y")
    ]
    const { items, repairs } = History.compile(history, { account: here.account })
    assert.deepStrictEqual(
      items.map((item) => [item.type, Item.id(item)]),
      [
        ["message", undefined],
        ["message", undefined],
        ["reasoning", "rs_2"],
        ["message", "msg_2"],
        ["message", undefined]
      ]
    )
    assert.deepStrictEqual(repairs, [
      { _tag: "CompactionDropped", index: 0, reason: "other_account" },
      { _tag: "ReasoningDropped", index: 1, reason: "other_account" },
      { _tag: "IdRemoved", index: 2, id: "msg_1", reason: "reasoning_dropped" }
    ])
    assert.isNotEmpty(History.validate(history, { account: here.account }))
    assert.deepStrictEqual(History.validate(history), [])
  })

  it("is known by a tag that survives JSON and does not hold the account id", () => {
    const tagged = Origin.tag([compaction, ...turn(1, undefined)], Origin.toTag(there))
    const json = JSON.stringify(tagged)
    assert.notInclude(json, there.account)
    const read = Schema.decodeUnknownSync(Schema.Array(Item.Item))(JSON.parse(json))
    assert.deepStrictEqual(
      read.map((item) => [Origin.isFrom(item, there), Origin.isFrom(item, here), Origin.isForeign(item, here.account)]),
      [
        [true, false, true],
        [true, false, true],
        [false, false, false]
      ]
    )
    assert.deepStrictEqual(read.map(Origin.untag), [compaction, ...turn(1, undefined)])
    assert.deepStrictEqual(Origin.tag(read, Origin.toTag(here)), read)
  })

  it("does not make a second copy of an item out of the same one without a tag", () => {
    const [thought, said] = turn(1, undefined)
    const [tagged] = turn(1, here)
    assert.deepStrictEqual(tags([thought, said, tagged, user("x")] as ReadonlyArray<Item.Item>), ["DuplicateDropped"])
  })

  it("stays if its account is unknown", () => {
    const history = [...turn(1, undefined), ...turn(2, here)]
    assert.deepStrictEqual(History.compile(history, { account: here.account }).items, history)
    assert.deepStrictEqual(History.compile(turn(1, there)).items, turn(1, there))
  })

  it("is removed once refused, unless it is from this account and model", () => {
    const history = [...turn(1, undefined), ...turn(2, here), ...turn(3, { ...here, model: "gpt-6-sol" })]
    const { items, repairs } = History.withoutReasoning(history, here)
    assert.deepStrictEqual(
      items.map((item) => Item.id(item)),
      [undefined, "rs_2", "msg_2", undefined]
    )
    assert.deepStrictEqual(
      repairs.map(({ _tag, index }) => [_tag, index]),
      [
        ["ReasoningDropped", 0],
        ["IdRemoved", 1],
        ["ReasoningDropped", 4],
        ["IdRemoved", 5]
      ]
    )
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
      /answers a call of another type/
    ],
    ["a call id used twice", [call("c"), output("c"), call("c", "fc_2"), output("c")], /call id of an earlier call/],
    ["an empty call id", [call(""), output("")], /0 characters/],
    ["a long call id", [call("x".repeat(65)), output("x".repeat(65))], /65 characters/],
    ["an id used twice", [assistant("msg_1", "a"), assistant("msg_1", "b")], /has the id of an earlier item/],
    ["a long id", [assistant("msg_".padEnd(65, "x"), "a")], /65 characters/],
    ["a foreign id", [assistant("chatcmpl_1", "a")], /begin with "msg_"/],
    ["reasoning in clear", [reasoning("rs_1", null), assistant("msg_1", "a")], /no encrypted content/],
    ["reasoning without output", [reasoning("rs_1"), user("hi")], /not followed/],
    ["a system item", [{ ...user("hi"), role: "system" } as Item.Item], /"developer"/],
    ["an empty message", [user("")], /is empty/],
    ["a trigger in the middle", [{ type: "compaction_trigger" }, user("hi")], /not the last/],
    ["a misfit", [{ type: "function_call", call_id: 1 } as unknown as Item.Item], /"call_id" that does not fit/]
  ])("finds %s", (_, items, problem) => {
    const problems = History.validate(items)
    assert.isTrue(
      problems.some((text) => problem.test(text)),
      problems.join("\n")
    )
  })
})

describe("what only a caller can write", () => {
  it("has the roles of other systems as those of this one", () => {
    for (const [role, known] of [
      ["tool", "user"],
      ["human", "user"],
      ["critic", "user"],
      ["", "user"],
      ["model", "assistant"]
    ] as const) {
      const message = { type: "message", role, content: [{ type: "input_text", text: "a" }] } as unknown as Item.Item
      const { items, repairs } = History.compile([message])
      assert.deepInclude(items[0], { role: known })
      assert.deepInclude(repairs[0], { _tag: "FieldRepaired", field: "role" })
    }
  })

  it("is not a call only because it has a call id, if its type is known", () => {
    const answer = { type: "custom_tool_call_output", call_id: "c", output: "a" }
    for (const type of ["reasoning", "message", "compaction", "context_compaction", "web_search_call"]) {
      const entries = [{ type, call_id: "c", role: "user", content: [{ type: "input_text", text: "a" }] }, answer]
      const { items, repairs } = History.compile(entries as never)
      assert.notInclude(JSON.stringify(items), "custom_tool_call_output", type)
      assert.deepInclude(repairs.at(-1), { _tag: "OutputDropped", callId: "c" }, type)
    }
  })

  it("is a client search if it has a call id and no execution", () => {
    const { items, repairs } = History.compile([{ type: "tool_search_call", call_id: "c", arguments: {} } as never])
    assert.deepInclude(items[0], { execution: "client" })
    assert.deepInclude(repairs[0], { _tag: "FieldRepaired", field: "execution" })
  })

  it("has the arguments of a search, also where they are undefined", () => {
    const search = { type: "tool_search_call", call_id: "c", execution: "client", arguments: undefined }
    const { items } = History.compile([search as never])
    assert.deepInclude(items[0], { type: "tool_search_call", arguments: {} })
    assert.isEmpty(History.validate(JSON.parse(JSON.stringify(items))))
  })

  it("has no key whose value is undefined, which JSON omits", () => {
    const url = "https://example.org/a.png"
    const call = { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" }
    const answer = { _tag: "ToolResult", callId: "call_1", output: "x" }
    const image = { type: "input_image", image_url: url }
    const sound: ReadonlyArray<readonly [object, ReadonlyArray<string>]> = [
      [{ role: "user", content: [{ _tag: "Image", url }] }, ["detail"]],
      [{ role: "user", content: [{ _tag: "Document", url }] }, ["filename"]],
      [
        {
          role: "user",
          content: [
            { _tag: "Text", text: "\ud83d" },
            { _tag: "Image", url }
          ]
        },
        ["detail"]
      ],
      [{ role: "assistant", content: [{ _tag: "Text", text: "a" }] }, ["phase"]],
      [{ role: "tool", content: [answer] }, ["isError"]],
      [{ type: "message", role: "user", content: [image] }, ["id", "phase", "status", "detail"]],
      [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "a" }] }, ["id", "phase"]],
      [{ type: "function_call_output", call_id: "call_1", output: [image] }, ["id", "name", "detail"]]
    ]
    for (const [entry, keys] of sound) {
      const undefinedIn = (value: unknown): unknown =>
        Array.isArray(value)
          ? value.map(undefinedIn)
          : typeof value === "object" && value !== null
            ? {
                ...Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, undefinedIn(inner)])),
                ...Object.fromEntries(keys.map((key) => [key, undefined]))
              }
            : value
      const compiled = (entry: unknown) => History.compile([call, entry] as ReadonlyArray<History.Entry>)
      const [given, plain] = [compiled(undefinedIn(entry)), compiled(entry)]
      assert.strictEqual(JSON.stringify(given.items), JSON.stringify(plain.items))
      assert.deepStrictEqual(given.repairs, plain.repairs)
    }
  })

  it("is read where a property fails when it is read, and is never a defect", () => {
    const failing = { type: "message", role: "user", content: [{ type: "input_text", text: "a" }] }
    Object.defineProperty(failing, "more", {
      enumerable: true,
      get: () => {
        throw new Error("boom")
      }
    })
    const { items, repairs } = History.compile([failing as unknown as Item.Item])
    assert.deepInclude(items[0], { role: "user" })
    assert.deepInclude(repairs[0], { _tag: "FieldRepaired", field: "more" })
  })

  it("accepts images with a URL in an object, and reports invalid URLs", () => {
    const image = (image_url: unknown) =>
      History.compile([{ type: "message", role: "user", content: [{ type: "input_image", image_url }] } as never]).items
    const url = "https://example.org/a.png"
    assert.deepStrictEqual(image({ url, detail: "high" }), image(url))
    for (const bad of ["https://exa mple.org/a.png", "https://[::1/a.png", "http://a:99999/"]) {
      assert.include(JSON.stringify(image(bad)), "its URL is not valid")
    }
  })
})
