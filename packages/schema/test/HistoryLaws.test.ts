/**
 * What holds for every history. The rules of the server are written down here a second time, by hand and in other words
 * than in the sources: `refusals` is what a strict server would answer.
 */
import { assert, describe, it } from "@effect/vitest"
import { History, Item, Message, Origin } from "@effect-codex/schema"
import { exhaustive } from "../../../test/exhaustive.ts"
import { type Arbitrary, draw, drawFrom } from "../../../test/property.ts"

// biome-ignore lint/suspicious/noExplicitAny: what comes of JSON.parse
type Json = Record<string, any>

const idPrefixes: Record<string, string> = {
  message: "msg_",
  agent_message: "amsg_",
  reasoning: "rs_",
  function_call: "fc_",
  function_call_output: "fco_",
  custom_tool_call: "ctc_",
  custom_tool_call_output: "ctco_",
  tool_search_call: "tsc_",
  tool_search_output: "tso_",
  web_search_call: "ws_",
  image_generation_call: "ig_",
  local_shell_call: "lsh_",
  compaction: "cmp_",
  compaction_summary: "cmp_",
  additional_tools: "at_"
}

const magics: Record<string, ReadonlyArray<RegExp>> = {
  "image/png": [/^89504e470d0a/],
  "image/jpeg": [/^ffd8ff/],
  "image/gif": [/^474946383761/, /^474946383961/],
  "image/webp": [/^52494646.{8}57454250/]
}

const canBeShown = (url: string): boolean => {
  if (/^https?:\/\/[^ /]/.test(url)) return true
  const [, type = "", data = ""] = /^data:([^;]+);base64,(.+)$/.exec(url) ?? []
  const bytes = Buffer.from(data, "base64")
  return bytes.toString("base64") === data && (magics[type] ?? []).some((magic) => magic.test(bytes.toString("hex")))
}

const partRefusals = (part: Json, allowed: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (typeof part["type"] !== "string") return ["part without type"]
  const known = ["input_text", "output_text", "refusal", "input_image", "input_file", "input_audio"]
  if (known.includes(part["type"]) && !allowed.includes(part["type"])) return [`Invalid value: '${part["type"]}'`]
  switch (part["type"]) {
    case "input_text":
    case "output_text":
      return typeof part["text"] === "string" && part["text"].length <= 10_485_760 ? [] : ["text"]
    case "refusal":
      return typeof part["refusal"] === "string" ? [] : ["refusal"]
    case "input_image":
      return typeof part["image_url"] === "string" && canBeShown(part["image_url"]) ? [] : ["Invalid image data"]
    case "input_file": {
      const url = part["file_data"] ?? part["file_url"]
      if (url === undefined) return part["file_id"] === undefined ? ["file without data"] : []
      return /^(https?:\/\/[^ ]|data:[\w.+-]+\/[\w.+-]+;base64,[A-Za-z0-9+/]+={0,2}$)/.test(url) ? [] : ["file"]
    }
    default:
      return []
  }
}

const blank = (part: Json): boolean => (part["text"] ?? part["refusal"]) === ""

const unpaired = (text: string): boolean => {
  try {
    encodeURIComponent(text)
    return false
  } catch {
    return true
  }
}

const textsOf = (value: unknown): ReadonlyArray<string> =>
  typeof value === "string"
    ? [value]
    : typeof value === "object" && value !== null
      ? Object.entries(value).flatMap(([key, inner]) => [key, ...textsOf(inner)])
      : []

const isName = (name: unknown): boolean => typeof name === "string" && /^[a-zA-Z0-9_-]{1,64}$/.test(name)

const answered = ["function_call", "custom_tool_call", "local_shell_call"]
const answers: Record<string, ReadonlyArray<string>> = {
  function_call: ["function_call_output"],
  local_shell_call: ["function_call_output"],
  custom_tool_call: ["custom_tool_call_output"],
  tool_search_call: ["function_call_output", "tool_search_output"]
}

/** What a strict server says to these items; they are read from their JSON text, as a server does. */
const refusals = (items: ReadonlyArray<Item.Item>): ReadonlyArray<string> => {
  const input: ReadonlyArray<Json> = JSON.parse(JSON.stringify(items))
  const found: Array<string> = []
  const ids = new Set<string>()
  const calls = new Map<string, { type: string; open: boolean; required: boolean }>()
  input.forEach((item, index) => {
    const refuse = (...problems: ReadonlyArray<string>) => found.push(...problems.map((text) => `${index}: ${text}`))
    if (textsOf(item).some(unpaired)) refuse("not JSON: unpaired surrogate")
    const id = item["id"]
    if (typeof id === "string") {
      const prefix = idPrefixes[item["type"]]
      if (id === "" || id.length > 64 || !id.startsWith(prefix ?? "")) refuse(`id ${id}`)
      if (prefix !== undefined && /[^\w-]/.test(id)) refuse(`id ${id}`)
      if (ids.has(id)) refuse(`id twice ${id}`)
      ids.add(id)
    } else if (id !== undefined && id !== null && idPrefixes[item["type"]] !== undefined) refuse("id is no string")
    const isSearch = item["type"] === "tool_search_call" && item["execution"] !== "server"
    const isCall =
      answered.includes(item["type"]) ||
      (isSearch && (item["execution"] === "client" || typeof item["call_id"] === "string"))
    if (isCall) {
      if (typeof item["call_id"] !== "string" || !/^[!-~]{1,64}$/.test(item["call_id"])) refuse("call_id")
      if (calls.has(item["call_id"])) refuse("call_id twice")
      calls.set(item["call_id"], { type: item["type"], open: true, required: true })
    } else if (typeof item["call_id"] === "string" && !item["type"].endsWith("_output")) {
      if (!calls.has(item["call_id"])) calls.set(item["call_id"], { type: "?", open: true, required: false })
    }
    const isOutput =
      item["type"] === "function_call_output" ||
      item["type"] === "custom_tool_call_output" ||
      (item["type"] === "tool_search_output" && item["execution"] !== "server" && typeof item["call_id"] === "string")
    if (isOutput) {
      const call = calls.get(item["call_id"])
      if (call === undefined) refuse(`No tool call found for function call output with call_id ${item["call_id"]}`)
      else if (!call.open) refuse("second output")
      else if (call.required && !answers[call.type]?.includes(item["type"])) refuse(`${item["type"]} for ${call.type}`)
      if (call !== undefined) call.open = false
    }
    switch (item["type"]) {
      case "message": {
        const ofAssistant = item["role"] === "assistant"
        if (typeof item["role"] !== "string" || item["role"] === "system") refuse("role")
        const isBlank = (part: Json) => /^(input_text|output_text|refusal)$/.test(part["type"]) && blank(part)
        if (!Array.isArray(item["content"]) || item["content"].every(isBlank)) refuse("empty")
        const allowed = ofAssistant
          ? ["output_text", "refusal"]
          : ["input_text", "input_image", "input_file", "input_audio"]
        for (const part of item["content"]) refuse(...partRefusals(part, allowed))
        break
      }
      case "reasoning": {
        if (typeof item["encrypted_content"] !== "string" || item["encrypted_content"] === "") refuse("not encrypted")
        if (!Array.isArray(item["summary"])) refuse("Missing required parameter: summary")
        const next = input.slice(index + 1).find(({ type }) => type !== "reasoning")
        const notOutput = ["configuration_update", "additional_tools", "compaction_trigger"]
        const follows =
          next !== undefined &&
          !next["type"].match(/^(function_call|custom_tool_call|tool_search)_output$/) &&
          !notOutput.includes(next["type"]) &&
          (next["type"] !== "message" || next["role"] === "assistant")
        if (!follows) refuse("reasoning without its following item")
        break
      }
      case "function_call":
        if (typeof item["arguments"] !== "string" || item["arguments"].length > 1_048_576) refuse("arguments")
        break
      case "custom_tool_call":
        if (typeof item["input"] !== "string" || item["input"].length > 1_048_576) refuse("input")
        break
      case "function_call_output":
      case "custom_tool_call_output":
        if (typeof item["output"] === "string") {
          if (item["output"].length > 10_485_760) refuse("output")
        } else if (Array.isArray(item["output"])) {
          const allowed = ["input_text", "input_image", "input_file", "input_audio"]
          for (const part of item["output"]) refuse(...partRefusals(part, allowed))
        } else refuse("output")
        break
      case "compaction":
      case "compaction_summary":
        if (typeof item["encrypted_content"] !== "string" || item["encrypted_content"] === "") refuse("not encrypted")
        break
      case "compaction_trigger":
        if (index < input.length - 1) refuse("trigger")
        break
    }
    if (item["type"] === "function_call" || item["type"] === "custom_tool_call") {
      if (!isName(item["name"])) refuse(`Invalid 'input[${index}].name'`)
    }
    if (answered.includes(item["type"]) || item["type"].match(/^(function|custom_tool)_call_output$/)) {
      for (const key of ["name", "namespace"]) {
        const name = item[key]
        if (name !== undefined && name !== null && item["type"] !== "local_shell_call" && !isName(name)) refuse(key)
      }
    }
  })
  for (const [callId, call] of calls) {
    if (call.open && call.required) found.push(`No tool output found for function call ${callId}`)
  }
  return found
}

describe("the strict check", () => {
  const call = { type: "function_call", call_id: "c", name: "f", arguments: "{}" }
  const answer = { type: "function_call_output", call_id: "c", output: "x" }
  it.each<[string, ReadonlyArray<object>]>([
    ["an illegal name", [{ ...call, name: "a.b" }, answer]],
    ["an unanswered call", [call]],
    ["an answer to nothing", [answer]],
    ["an unpaired surrogate", [{ type: "x", deep: [{ text: "\ud800" }] }]],
    [
      "an image it cannot read",
      [call, { ...answer, output: [{ type: "input_image", image_url: "data:image/png;base64,AQID" }] }]
    ],
    ["a foreign id", [{ ...call, id: "call_1" }, answer]],
    ["reasoning without summary", [{ type: "reasoning", encrypted_content: "gAAAA" }, call, answer]]
  ])("refuses %s", (_, items) => assert.isNotEmpty(refusals(items as never)))
})

const good = {
  png: "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==",
  jpeg: "data:image/jpeg;base64,/9j/4AAQSkZJRg==",
  gif: "data:image/gif;base64,R0lGODlhAQABAA==",
  webp: "data:image/webp;base64,UklGRiQAAABXRUJQVlA4IA=="
}

const urls = draw.constantFrom(
  ...Object.values(good),
  "https://example.org/a.png",
  " \n https://example.org/b.png",
  "data:image/png;base64,iVBORw0KGgoAAAAN\r\n SUhEUg",
  "data:image/jpeg;base64,_9j_4AAQSkZJRg",
  "DATA:Image/PNG;charset=utf-8;base64,iVBORw0KGgoAAAANSUhEUg==",
  "data:image/png;base64,/9j/4AAQSkZJRg==",
  "data:image/svg+xml;base64,PHN2Zz4=",
  "data:image/svg+xml,%3Csvg%3E",
  "data:image/heic;base64,AAAA",
  "data:image/png;base64,",
  "data:image/png;base64,AQID",
  "data:image/png;base64,%%%",
  "data:text/plain;base64,AQID",
  "file:///tmp/a.png",
  "/tmp/a.png",
  "blob:x",
  "iVBORw0KGgo",
  ""
)

const texts = draw.constantFrom("", "a", "b", "é 日本 😀", "cut \ud83d", "\udc00 low", "\ud800\ud800")
const names = draw.constantFrom(
  "ls",
  "a_b",
  "a.b",
  "a b",
  "",
  "   ",
  "run shell cmd",
  "functions.exec",
  "nul\0name",
  "é".repeat(3),
  "日本語",
  "x".repeat(64),
  "x".repeat(67),
  "lone\ud800",
  "multi_tool_use.parallel"
)
const callIds = draw.constantFrom("", "call_1", "call_2", "toolu_3", "y".repeat(64), "z".repeat(65), "é", "\ud800")
const encrypted = draw.constantFrom(null, "", "gAAAA", "gBBBB")
const big = "x".repeat(1_048_577)

const parts = draw.oneof(
  draw.record({ type: draw.constantFrom("input_text", "output_text"), text: texts }),
  draw.record({ type: draw.constant("output_text"), text: texts, annotations: draw.constant([]) }),
  draw.record({ type: draw.constant("refusal"), refusal: texts }),
  draw.record({ type: draw.constant("input_image"), image_url: urls }),
  draw.record({ type: draw.constant("input_file"), file_data: urls }),
  draw.record({ type: draw.constant("new_part"), text: texts })
)

const withId = <A extends object>(prefix: string, rest: Arbitrary<A>) =>
  draw
    .tuple(
      draw.constantFrom(undefined, null, "", `${prefix}1`, `${prefix}2`, "gen_1", `${prefix}é`, prefix.padEnd(70, "x")),
      rest
    )
    .map(([id, rest]) => (id === undefined ? rest : { id, ...rest }) as unknown as Item.Item)

const optional = <A>(arbitrary: Arbitrary<A>) => draw.option(arbitrary, { nil: null })

const plainItems: Arbitrary<Item.Item> = draw.oneof(
  withId(
    "msg_",
    draw.record({
      type: draw.constant("message"),
      role: draw.constantFrom("user", "assistant", "developer", "system"),
      content: draw.array(parts, { maxLength: 3 })
    })
  ),
  withId(
    "rs_",
    draw.record({
      type: draw.constant("reasoning"),
      summary: draw.constant([]),
      encrypted_content: encrypted
    })
  ),
  withId(
    "fc_",
    draw.record({
      type: draw.constant("function_call"),
      call_id: callIds,
      name: names,
      namespace: optional(names),
      arguments: draw.oneof({ weight: 20, arbitrary: texts }, { weight: 1, arbitrary: draw.constant(big) })
    })
  ),
  withId("ctc_", draw.record({ type: draw.constant("custom_tool_call"), call_id: callIds, name: names, input: texts })),
  withId(
    "lsh_",
    draw.record({
      type: draw.constant("local_shell_call"),
      call_id: optional(callIds),
      action: draw.constant({ type: "exec", command: ["ls"] })
    })
  ),
  withId(
    "tsc_",
    draw.record({
      type: draw.constant("tool_search_call"),
      call_id: optional(callIds),
      execution: draw.constantFrom("client", "server"),
      arguments: draw.constant({ query: "x" })
    })
  ),
  withId(
    "tso_",
    draw.record({
      type: draw.constant("tool_search_output"),
      call_id: optional(callIds),
      execution: draw.constantFrom("client", "server"),
      tools: draw.constant([])
    })
  ),
  withId(
    "fco_",
    draw.record(
      {
        type: draw.constantFrom("function_call_output", "custom_tool_call_output"),
        call_id: callIds,
        name: names,
        output: draw.oneof(texts, draw.array(parts, { maxLength: 3 }))
      },
      { requiredKeys: ["type", "call_id", "output"] }
    )
  ),
  withId("cmp_", draw.record({ type: draw.constant("compaction"), encrypted_content: encrypted })),
  draw.constantFrom<Item.Item>(
    { type: "compaction_trigger" },
    { type: "context_compaction" },
    { type: "new_thing", id: "x" } as unknown as Item.Item,
    { type: "new_call", call_id: "call_1" } as unknown as Item.Item,
    { type: "web_search_call", id: "ws_1", action: { type: "search", query: "x" } }
  )
)

const oddValues = draw.constantFrom<Array<unknown>>(
  null,
  5,
  Number.NaN,
  1n,
  "text",
  {},
  { a: [1] },
  [],
  [1],
  ["a"],
  [{ type: "input_text" }],
  true,
  undefined
)

const nested = (depth: number): unknown => {
  let value: unknown = "deep"
  for (let n = 0; n < depth; n++) value = n % 2 === 0 ? [value] : { value }
  return value
}

/** Items with one field that does not fit, that is missing, or that JSON cannot hold. */
const oddItems = draw
  .tuple(plainItems, draw.nat(), draw.oneof(oddValues, draw.constant("absent")))
  .map(([item, place, value]) => {
    const keys = Object.keys(item).filter((key) => key !== "type")
    const key = [...keys, "status", "phase", "extra"][place % (keys.length + 3)] as string
    const { [key]: _, ...rest } = item
    return (value === "absent" ? rest : { ...rest, [key]: value }) as Item.Item
  })

const origin: Origin.Origin = { account: "account-1", model: "gpt-5.5" }
const tagged = draw
  .tuple(plainItems, draw.constantFrom("account-1", "account-2"))
  .map(([item, account]) => Origin.tag([item], Origin.toTag({ ...origin, account }))[0] as Item.Item)

const items: Arbitrary<Item.Item> = draw.oneof(
  { weight: 8, arbitrary: plainItems },
  { weight: 2, arbitrary: oddItems },
  { weight: 2, arbitrary: tagged },
  { weight: 1, arbitrary: drawFrom(Item.Item) },
  { weight: 1, arbitrary: draw.constant({ type: "new_thing", deep: nested(700) } as unknown as Item.Item) }
)

const contents = draw.array(
  draw.oneof(
    texts.map(Message.text),
    urls.map((url): Message.Content => ({ _tag: "Image", url })),
    urls.map((url): Message.Content => ({ _tag: "Document", url }))
  ),
  { maxLength: 3 }
)

const messages: Arbitrary<Message.Message> = draw.oneof(
  texts.map(Message.system),
  contents.map(Message.user),
  draw
    .tuple(callIds, names)
    .map(([callId, name]) =>
      Message.assistant([Message.text("a"), Message.toolCall({ type: "function", callId, name, arguments: "{}" })])
    ),
  draw.tuple(callIds, contents).map(([callId, output]) => Message.toolResult(callId, output)),
  drawFrom(Message.Message)
)

const histories = draw.array(
  draw.oneof<Arbitrary<History.Entry>[]>(items, items, messages, draw.anything() as Arbitrary<never>),
  { maxLength: 14 }
)
const itemLists = draw.array(items, { maxLength: 14 })
const options: Arbitrary<History.Options> = draw.record(
  {
    account: draw.constant(origin.account),
    outputLimit: draw.record({
      mode: draw.constantFrom("tokens" as const, "bytes" as const),
      limit: draw.constantFrom(1, 300)
    })
  },
  { requiredKeys: [] }
)
const runs = { fastCheck: { numRuns: exhaustive ? 1000 : 100 } }

describe("compile", () => {
  it.prop(
    "is total, and a strict server refuses nothing of what it gives",
    [histories, options],
    ([history, options]) => {
      const { items, instructions } = History.compile(history, options)
      assert.deepStrictEqual(refusals(items), [])
      assert.deepStrictEqual(History.validate(items, options), [])
      assert.isFalse(unpaired(instructions))
    },
    runs
  )

  it.prop(
    "is idempotent",
    [histories, options],
    ([history, options]) => {
      const once = History.compile(history, options)
      const twice = History.compile(once.items, options)
      assert.deepStrictEqual(twice.repairs, [])
      assert.strictEqual(twice.instructions, "")
      once.items.forEach((item, index) => assert.strictEqual(twice.items[index], item))
      assert.strictEqual(twice.items.length, once.items.length)
    },
    runs
  )

  it.prop(
    "is deterministic, and leaves the history given as it was",
    [draw.array(draw.oneof<Arbitrary<History.Entry>[]>(items, messages), { maxLength: 14 })],
    ([history]) => {
      const before = structuredClone(history)
      const first = History.compile(history)
      assert.deepStrictEqual(first, History.compile(before))
      assert.deepStrictEqual(history, before)
    },
    runs
  )

  it.prop(
    "keeps the prefix of a growing conversation byte-identical",
    [histories, histories, options],
    ([history, more, options]) => {
      const begun = History.compile(history, options).items.filter(({ type }) => type !== "compaction_trigger")
      const grown = History.compile([...begun, ...more], options).items
      begun.forEach((item, index) => assert.strictEqual(grown[index], item))
    },
    runs
  )

  it.prop(
    "reports every repair: what is changed, dropped or added is named, and nothing else is",
    [itemLists],
    ([given]) => {
      const { items, repairs } = History.compile(given)
      const dropped = new Set([
        "EntryDropped",
        "EmptyMessageDropped",
        "DuplicateDropped",
        "OutputDropped",
        "ReasoningDropped",
        "CompactionDropped",
        "CompactionTriggerDropped"
      ])
      const at = (index: number) => repairs.filter((repair) => repair.index === index).map((repair) => repair._tag)
      let place = 0
      given.forEach((item, index) => {
        const done = at(index)
        if (done.some((tag) => dropped.has(tag))) return
        const sent = items[place++]
        if (done.length === 0 && sent !== item) {
          // An output follows its call's new id; the repair is reported with the call.
          const { call_id: was, ...rest } = item as Item.FunctionCallOutputItem
          const { call_id: is, ...same } = sent as Item.FunctionCallOutputItem
          assert.deepStrictEqual(same, rest)
          assert.isTrue(
            repairs.some((repair) => repair._tag === "CallIdRewritten" && repair.from === was && repair.to === is)
          )
        }
        if (done.includes("OutputAdded")) {
          const added = items[place++]
          assert.isTrue(added?.type.endsWith("_output"))
        } else if (done.length > 0) assert.notDeepEqual(sent, item)
      })
      assert.strictEqual(place, items.length)
    },
    runs
  )

  it.prop(
    "keeps the order of the remaining entries",
    [itemLists],
    ([given]) => {
      const marked = given.map((item, mark) => ({ ...item, mark }) as Item.Item)
      const marks = History.compile(marked).items.flatMap((item) => ("mark" in item ? [Number(item["mark"])] : []))
      assert.deepStrictEqual(
        marks,
        [...marks].sort((a, b) => a - b)
      )
    },
    runs
  )
})

describe("a valid history", () => {
  const turn = draw.record({
    text: draw.string({ unit: "grapheme", minLength: 1 }),
    image: draw.constantFrom(undefined, ...Object.values(good), "https://example.org/a.png"),
    thought: draw.boolean(),
    calls: draw.array(
      draw.record({
        kind: draw.constantFrom("function", "custom", "shell", "search"),
        name: draw.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/),
        output: draw.string({ unit: "grapheme" })
      }),
      { maxLength: 3 }
    )
  })

  type Call = { readonly kind: string; readonly name: string; readonly output: string }

  const call = ({ kind, name, output }: Call, id: string): ReadonlyArray<object> => {
    const call_id = `call_${id}`
    switch (kind) {
      case "function":
        return [
          { type: "function_call", id: `fc_${id}`, call_id, name, arguments: "{}", status: "completed" },
          { type: "function_call_output", call_id, output }
        ]
      case "custom":
        return [
          { name, input: "x", call_id, type: "custom_tool_call", id: `ctc_${id}` },
          { output: [{ type: "input_text", text: output }], type: "custom_tool_call_output", call_id }
        ]
      case "shell":
        return [
          { type: "local_shell_call", id: `lsh_${id}`, call_id, action: { type: "exec", command: ["ls"] } },
          { type: "function_call_output", call_id, output }
        ]
      default:
        return [
          { type: "tool_search_call", id: `tsc_${id}`, call_id, execution: "client", arguments: { query: name } },
          { type: "tool_search_output", call_id, execution: "client", status: "completed", tools: [{ name }] }
        ]
    }
  }

  it.prop(
    "passes unchanged, byte for byte",
    [draw.array(turn, { maxLength: 5 })],
    ([turns]) => {
      const history = turns.flatMap(({ calls, image, text, thought }, n) => {
        const answered = calls.map((one, index) => call(one, `${n}_${index}`))
        return [
          {
            role: "user",
            type: "message",
            content: [
              { text, type: "input_text" },
              ...(image === undefined ? [] : [{ type: "input_image", image_url: image, detail: "auto" }])
            ]
          },
          ...(thought
            ? [{ type: "reasoning", id: `rs_${n}`, summary: [], content: null, encrypted_content: "gAAAA" }]
            : []),
          { type: "message", id: `msg_${n}`, role: "assistant", content: [{ type: "output_text", text }] },
          ...answered.flatMap(([made]) => made ?? []),
          ...answered.flatMap(([, output]) => output ?? [])
        ]
      }) as unknown as ReadonlyArray<Item.Item>
      const bytes = JSON.stringify(history)
      assert.deepStrictEqual(refusals(history), [])
      const compiled = History.compile(history)
      assert.deepStrictEqual(compiled.repairs, [])
      assert.strictEqual(JSON.stringify(compiled.items), bytes)
      compiled.items.forEach((item, index) => assert.strictEqual(item, history[index]))
    },
    runs
  )
})

describe("withoutReasoning", () => {
  it.prop(
    "leaves a history that passes, without reasoning but that of the origin excepted",
    [histories, draw.constantFrom(undefined, origin)],
    ([history, except]) => {
      const { items } = History.withoutReasoning(History.compile(history).items, except)
      assert.deepStrictEqual(refusals(items), [])
      for (const item of items) {
        if (item.type === "reasoning") assert.isTrue(except !== undefined && Origin.isFrom(item, except))
      }
    },
    runs
  )
})
