/**
 * From a conversation, however it was come by, to a list of input items the backend takes (protocol C.5).
 *
 * One bad item makes the server refuse every further request of a conversation: a call without its output, an id of
 * another provider, reasoning that only its maker can read. {@link compile} mends all of these, is total, and tells each
 * thing it did as a {@link Repair}. What is right already stays as it is, to the last key.
 *
 * @since 0.1.0
 */
import * as Hash from "effect/Hash"
import * as Schema from "effect/Schema"
import * as Item from "./Item.ts"
import { notJson } from "./internal/json.ts"
import * as Message from "./Message.ts"
import type * as Turn from "./Turn.ts"

/**
 * One change made to a history. `index` is the place, in the history given, of what was changed.
 *
 * - `SystemMessageMoved`: a system message that is not at the head went as a developer message.
 * - `EmptyMessageDropped`: a message without content was left out.
 * - `DuplicateDropped`: the same item stood there twice.
 * - `IdRemoved`: an item's id was left out, because it is too long, has not the prefix of its type, is taken, or belongs
 *   to reasoning that was left out. The item itself stays.
 * - `CallIdRewritten`: a call and its output got another common id, because theirs was empty, too long or taken.
 * - `OutputAdded`: a call had no output; a neutral one was put right after it.
 * - `OutputDropped`: an output answered no call, or one that had its answer already.
 * - `OutputTypeChanged`: an output of one kind of tool answered a call of the other.
 * - `ReasoningDropped`: reasoning without encrypted content, or without the output it led to, was left out; or the
 *   caller asked for it ({@link withoutReasoning}).
 * - `CompactionTriggerDropped`: a compaction trigger stood elsewhere than at the end.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Repair = Schema.Union(
  Schema.TaggedStruct("SystemMessageMoved", { index: Schema.Number }),
  Schema.TaggedStruct("EmptyMessageDropped", { index: Schema.Number }),
  Schema.TaggedStruct("DuplicateDropped", { index: Schema.Number, id: Schema.String }),
  Schema.TaggedStruct("IdRemoved", {
    index: Schema.Number,
    id: Schema.String,
    reason: Schema.Literal("too_long", "wrong_prefix", "taken", "reasoning_dropped")
  }),
  Schema.TaggedStruct("CallIdRewritten", { index: Schema.Number, from: Schema.String, to: Schema.String }),
  Schema.TaggedStruct("OutputAdded", { index: Schema.Number, callId: Schema.String, name: Schema.String }),
  Schema.TaggedStruct("OutputDropped", {
    index: Schema.Number,
    callId: Schema.String,
    reason: Schema.Literal("no_call", "answered_already")
  }),
  Schema.TaggedStruct("OutputTypeChanged", { index: Schema.Number, callId: Schema.String }),
  Schema.TaggedStruct("ReasoningDropped", {
    index: Schema.Number,
    reason: Schema.Literal("not_encrypted", "no_output_follows", "asked")
  }),
  Schema.TaggedStruct("CompactionTriggerDropped", { index: Schema.Number })
)

/**
 * @since 0.1.0
 * @category models
 */
export type Repair = typeof Repair.Type

/**
 * What a history is made of: messages, items, or both mixed.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Entry = Schema.Union(Message.Message, Item.Item)

/**
 * @since 0.1.0
 * @category models
 */
export type Entry = typeof Entry.Type

/**
 * A history ready to send: the system messages from its head joined by blank lines (`""` if there are none), the items,
 * and the repairs in the order of the places they were made at.
 *
 * @since 0.1.0
 * @category models
 */
export interface Compiled {
  readonly instructions: string
  readonly items: ReadonlyArray<Item.Item>
  readonly repairs: ReadonlyArray<Repair>
}

/**
 * What a call that was never answered gets as its output. It blames nobody.
 *
 * @since 0.1.0
 * @category configuration
 */
export const missingOutput = "No output is available for this tool call."

/**
 * The longest an item's id or a call id may be.
 *
 * @since 0.1.0
 * @category configuration
 */
export const maxIdLength = 64

/** Where an item came from: its place in the history given. */
interface Placed {
  readonly index: number
  readonly item: Item.Item
}

type Call = Item.FunctionCallItem | Item.CustomToolCallItem
type Output = Item.FunctionCallOutputItem | Item.CustomToolCallOutputItem

const isCall = (item: Item.Item): item is Call => item.type === "function_call" || item.type === "custom_tool_call"

const isOutput = (item: Item.Item): item is Output =>
  item.type === "function_call_output" || item.type === "custom_tool_call_output"

const outputType = (call: Call): Output["type"] =>
  call.type === "function_call" ? "function_call_output" : "custom_tool_call_output"

/** The id prefixes of protocol C.4; types without one are not checked. */
const prefixes: ReadonlyMap<string, string> = new Map([
  ["message", "msg_"],
  ["agent_message", "amsg_"],
  ["reasoning", "rs_"],
  ["function_call", "fc_"],
  ["function_call_output", "fco_"],
  ["custom_tool_call", "ctc_"],
  ["custom_tool_call_output", "ctco_"],
  ["tool_search_call", "tsc_"],
  ["tool_search_output", "tso_"],
  ["web_search_call", "ws_"],
  ["image_generation_call", "ig_"],
  ["local_shell_call", "lsh_"],
  ["compaction", "cmp_"],
  ["compaction_summary", "cmp_"],
  ["additional_tools", "at_"]
])

const withoutId = (item: Item.Item): Item.Item => {
  const { id: _, ...rest } = item as Item.MessageItem
  return rest as Item.Item
}

const isEmpty = (item: Item.MessageItem): boolean =>
  item.content.every((part) => {
    switch (part.type) {
      case "input_text":
      case "output_text":
        return part.text === ""
      case "refusal":
        return part.refusal === ""
      default:
        return false
    }
  })

/** Whether the model itself puts out such an item, so that reasoning can have led to it. */
const isModelOutput = (item: Item.Item): boolean => {
  switch (item.type) {
    case "message":
      return item.role === "assistant"
    case "reasoning":
    case "function_call_output":
    case "custom_tool_call_output":
    case "tool_search_output":
    case "compaction_trigger":
    case "configuration_update":
    case "additional_tools":
      return false
    default:
      return true
  }
}

/**
 * The items to send for a history: deterministic, total, and the same again for what it gave before. Messages become
 * items; system messages at the head become `instructions`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { History, Message } from "@effect-codex/schema"
 *
 * const call = { type: "function", callId: "call_1", name: "now", arguments: "{}" } as const
 * const compiled = History.compile([
 *   Message.system("Answer briefly."),
 *   Message.user("What time is it?"),
 *   Message.assistant([Message.toolCall(call)])
 * ])
 * compiled.instructions // "Answer briefly."
 * compiled.items.length // 3: the message, the call, and an output for it
 * compiled.repairs // [{ _tag: "OutputAdded", index: 2, callId: "call_1", name: "now" }]
 * ```
 */
export const compile = (history: ReadonlyArray<Entry>): Compiled => {
  const repairs: Array<Repair> = []
  const head = history.findIndex((entry) => "type" in entry || entry.role !== "system")
  const rest = head === -1 ? history.length : head
  const instructions = history
    .slice(0, rest)
    .flatMap((entry) => ("type" in entry || entry.role !== "system" || entry.content === "" ? [] : [entry.content]))
    .join("\n\n")
  const items = keepReadableReasoning(pairCalls(tidy(lower(history, rest), repairs), repairs), repairs, false)
  return {
    instructions,
    items: items.map(({ item }) => item),
    repairs: repairs.sort((a, b) => a.index - b.index)
  }
}

/**
 * The items without any reasoning, for sending once more what was refused as `invalid_encrypted_content`. Compactions
 * stay: without them the conversation would lose its past.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withoutReasoning = (
  items: ReadonlyArray<Item.Item>
): { readonly items: ReadonlyArray<Item.Item>; readonly repairs: ReadonlyArray<Repair> } => {
  const repairs: Array<Repair> = []
  const kept = keepReadableReasoning(
    items.map((item, index) => ({ index, item })),
    repairs,
    true
  )
  return { items: kept.map(({ item }) => item), repairs }
}

/** Messages as items, from the given place on; items as they are. */
const lower = (history: ReadonlyArray<Entry>, from: number): ReadonlyArray<Placed> => {
  const custom = new Set<string>()
  return history.slice(from).flatMap((entry, offset) => {
    const items = "type" in entry ? [entry] : lowerMessage(entry, custom)
    for (const item of items) {
      if (item.type === "custom_tool_call") custom.add(item.call_id)
      if (item.type === "function_call") custom.delete(item.call_id)
    }
    return items.map((item) => ({ index: from + offset, item }))
  })
}

/** `custom` holds the ids of the free-form calls so far; their outputs have a type of their own. */
const lowerMessage = (message: Message.Message, custom: ReadonlySet<string>): ReadonlyArray<Item.Item> => {
  switch (message.role) {
    case "system":
      return [{ type: "message", role: "system", content: [{ type: "input_text", text: message.content }] }]
    case "developer":
    case "user":
      return [{ type: "message", role: message.role, content: message.content.map(lowerContent) }]
    case "assistant":
      return message.content.length === 0 ? nothing : message.content.map(lowerOutput)
    case "tool":
      return message.content.length === 0
        ? nothing
        : message.content.map((result) => ({
            type: custom.has(result.callId) ? "custom_tool_call_output" : "function_call_output",
            call_id: result.callId,
            output: lowerResult(result)
          }))
  }
}

/** What a message without blocks becomes, to be left out and reported like every empty message. */
const nothing: ReadonlyArray<Item.Item> = [{ type: "message", role: "assistant", content: [] }]

const lowerContent = (content: Message.Content): Item.ContentPart => {
  switch (content._tag) {
    case "Text":
      return { type: "input_text", text: content.text }
    case "Image":
      return {
        type: "input_image",
        image_url: content.url,
        ...(content.detail === undefined ? {} : { detail: content.detail })
      }
    case "Document":
      return {
        type: "input_file",
        ...(content.url.startsWith("data:") ? { file_data: content.url } : { file_url: content.url }),
        ...(content.filename === undefined ? {} : { filename: content.filename })
      }
  }
}

const lowerOutput = (content: Message.AssistantContent): Item.Item => {
  switch (content._tag) {
    case "Text":
      return {
        type: "message",
        role: "assistant",
        ...(content.phase === undefined ? {} : { phase: content.phase }),
        content: [{ type: "output_text", text: content.text }]
      }
    case "Reasoning":
      return {
        type: "reasoning",
        ...(content.id === undefined ? {} : { id: content.id }),
        summary: content.summary.map((text) => ({ type: "summary_text", text })),
        ...(content.encryptedContent === undefined ? {} : { encrypted_content: content.encryptedContent })
      }
    case "ToolCall":
      return lowerCall(content.id, content.call)
    case "Compaction":
      return {
        type: "compaction",
        ...(content.id === undefined ? {} : { id: content.id }),
        encrypted_content: content.encryptedContent
      }
  }
}

const lowerCall = (id: string | undefined, call: Turn.ToolCall): Item.Item => {
  const common = {
    ...(id === undefined ? {} : { id }),
    call_id: call.callId,
    name: call.name,
    ...(call.namespace === undefined ? {} : { namespace: call.namespace })
  }
  return call.type === "function"
    ? { type: "function_call", ...common, arguments: call.arguments }
    : { type: "custom_tool_call", ...common, input: call.arguments }
}

const lowerResult = ({ isError, output }: Message.ToolResult): Item.ToolOutput => {
  if (typeof output === "string") return isError === true ? `Error: ${output}` : output
  const parts = output.map(lowerContent)
  return isError === true ? [{ type: "input_text", text: "Error:" }, ...parts] : parts
}

/** What can be judged item by item: roles, emptiness, ids, doubles. */
const tidy = (items: ReadonlyArray<Placed>, repairs: Array<Repair>): ReadonlyArray<Placed> => {
  const seen = new Map<string, Item.Item>()
  return items.flatMap(({ index, item }, position): ReadonlyArray<Placed> => {
    let kept = item
    if (kept.type === "compaction_trigger" && position < items.length - 1) {
      repairs.push({ _tag: "CompactionTriggerDropped", index })
      return []
    }
    if (kept.type === "message" && isEmpty(kept)) {
      repairs.push({ _tag: "EmptyMessageDropped", index })
      return []
    }
    if (kept.type === "message" && kept.role === "system") {
      repairs.push({ _tag: "SystemMessageMoved", index })
      kept = { ...kept, role: "developer" }
    }
    const id = Item.id(kept)
    if (id === undefined) return [{ index, item: kept }]
    const twin = seen.get(id)
    if (twin !== undefined && isSame(twin, kept)) {
      repairs.push({ _tag: "DuplicateDropped", index, id })
      return []
    }
    const reason = twin !== undefined ? "taken" : badId(kept.type, id)
    if (reason !== undefined) {
      repairs.push({ _tag: "IdRemoved", index, id, reason })
      return [{ index, item: withoutId(kept) }]
    }
    seen.set(id, kept)
    return [{ index, item: kept }]
  })
}

const isSame = (a: Item.Item, b: Item.Item): boolean =>
  a === b || (notJson([a, b]) === undefined && JSON.stringify(a) === JSON.stringify(b))

const badId = (type: string, id: string): "too_long" | "wrong_prefix" | undefined => {
  if (id.length > maxIdLength) return "too_long"
  return id.startsWith(prefixes.get(type) ?? "") && id !== "" ? undefined : "wrong_prefix"
}

interface OpenCall extends Placed {
  readonly item: Call
  /** Set once an output has been found for it. */
  answered: boolean
}

/** Gives every call exactly one output after it, and every pair an id of its own. */
const pairCalls = (items: ReadonlyArray<Placed>, repairs: Array<Repair>): ReadonlyArray<Placed> => {
  const calls = new Map<string, Array<OpenCall>>()
  const taken = new Set<string>()
  const paired = items.flatMap(({ index, item }): ReadonlyArray<Placed | OpenCall> => {
    if (isCall(item)) {
      const to = freeCallId(item.call_id, taken)
      if (to !== item.call_id) repairs.push({ _tag: "CallIdRewritten", index, from: item.call_id, to })
      taken.add(to)
      const call: OpenCall = { index, item: to === item.call_id ? item : { ...item, call_id: to }, answered: false }
      const namesakes = calls.get(item.call_id)
      if (namesakes === undefined) calls.set(item.call_id, [call])
      else namesakes.push(call)
      return [call]
    }
    if (!isOutput(item)) return [{ index, item }]
    const candidates = calls.get(item.call_id) ?? []
    const open = candidates.filter((call) => !call.answered)
    const call = open.find((call) => outputType(call.item) === item.type) ?? open[0]
    if (call === undefined) {
      const reason = candidates.length === 0 ? "no_call" : "answered_already"
      repairs.push({ _tag: "OutputDropped", index, callId: item.call_id, reason })
      return []
    }
    call.answered = true
    return [{ index, item: fitOutput(item, call.item, index, repairs) }]
  })
  return paired.flatMap((placed): ReadonlyArray<Placed> => {
    if (!("answered" in placed) || placed.answered) return [placed]
    const { index, item } = placed
    repairs.push({ _tag: "OutputAdded", index, callId: item.call_id, name: item.name })
    return [placed, { index, item: { type: outputType(item), call_id: item.call_id, output: missingOutput } }]
  })
}

const fitOutput = (output: Output, call: Call, index: number, repairs: Array<Repair>): Item.Item => {
  const renamed = output.call_id === call.call_id ? output : { ...output, call_id: call.call_id }
  if (output.type === outputType(call)) return renamed
  repairs.push({ _tag: "OutputTypeChanged", index, callId: call.call_id })
  return withoutId({ ...renamed, type: outputType(call) } as Item.Item)
}

/** The call id itself if it can stand; otherwise one made from it alone, numbered until it is free. */
const freeCallId = (callId: string, taken: ReadonlySet<string>): string => {
  if (callId !== "" && callId.length <= maxIdLength && !taken.has(callId)) return callId
  const base = `call_${(Hash.string(callId) >>> 0).toString(36)}`
  let free = base
  for (let n = 2; taken.has(free); n++) free = `${base}_${n}`
  return free
}

/** A type not known here may need its id; that of a compaction says nothing of reasoning. */
const canLoseId = (item: Item.Item): boolean => prefixes.has(item.type) && prefixes.get(item.type) !== "cmp_"

/**
 * Leaves out reasoning the server could not read or would miss the output of (all of it if `asked`). The ids of what
 * it led to go with it, since the server knows by them that the reasoning is missing.
 */
const keepReadableReasoning = (
  items: ReadonlyArray<Placed>,
  repairs: Array<Repair>,
  asked: boolean
): ReadonlyArray<Placed> => {
  const leads = new Array<boolean>(items.length)
  let outputFollows = false
  for (let i = items.length - 1; i >= 0; i--) {
    const item = items[i]?.item
    if (item === undefined) continue
    if (item.type !== "reasoning") outputFollows = isModelOutput(item)
    leads[i] = outputFollows
  }
  let bereft = false
  return items.flatMap(({ index, item }, position): ReadonlyArray<Placed> => {
    if (item.type === "reasoning") {
      const readable = (item.encrypted_content ?? "") !== ""
      if (!asked && readable && leads[position] === true) return [{ index, item }]
      repairs.push({
        _tag: "ReasoningDropped",
        index,
        reason: asked ? "asked" : readable ? "no_output_follows" : "not_encrypted"
      })
      bereft = true
      return []
    }
    if (!isModelOutput(item)) bereft = false
    const id = Item.id(item)
    if (!bereft || id === undefined || !canLoseId(item)) return [{ index, item }]
    repairs.push({ _tag: "IdRemoved", index, id, reason: "reasoning_dropped" })
    return [{ index, item: withoutId(item) }]
  })
}

/**
 * Everything in a list of items the backend would refuse by the rules of protocol C.5, each as a sentence that names
 * the item by its place; empty if there is nothing. What {@link compile} gives always passes.
 *
 * @since 0.1.0
 * @category guards
 */
export const validate = (items: ReadonlyArray<Item.Item>): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const ids = new Map<string, number>()
  const calls = new Map<string, { readonly index: number; readonly type: string; answered: boolean }>()
  items.forEach((item, index) => {
    const problem = (text: string) => problems.push(`Item ${index} (${item.type}) ${text}.`)
    if (!isItem(item)) problem("has fields that do not fit its type")
    const id = Item.id(item)
    if (id !== undefined) {
      const twin = ids.get(id)
      if (twin !== undefined) problem(`has the id of item ${twin}`)
      ids.set(id, index)
      if (id.length > maxIdLength) problem(`has an id of ${id.length} characters; ${maxIdLength} are allowed`)
      const prefix = prefixes.get(item.type) ?? ""
      if (id === "" || !id.startsWith(prefix)) problem(`has an id that does not begin with "${prefix}"`)
    }
    switch (item.type) {
      case "message":
        if (item.role === "system") problem('has the role "system"; use "developer"')
        if (isEmpty(item)) problem("is empty")
        break
      case "reasoning": {
        if ((item.encrypted_content ?? "") === "") problem("has no encrypted content")
        let next = index + 1
        while (items[next]?.type === "reasoning") next++
        const led = items[next]
        if (led === undefined || !isModelOutput(led)) problem("is not followed by the output it led to")
        break
      }
      case "function_call":
      case "custom_tool_call":
        if (item.call_id === "" || item.call_id.length > maxIdLength) {
          problem(`has a call id of ${item.call_id.length} characters; 1 to ${maxIdLength} are allowed`)
        }
        if (calls.has(item.call_id)) problem(`has the call id of an earlier call, "${item.call_id}"`)
        calls.set(item.call_id, { index, type: item.type, answered: false })
        break
      case "function_call_output":
      case "custom_tool_call_output": {
        const call = calls.get(item.call_id)
        if (call === undefined) problem(`answers no call: no call before it has the id "${item.call_id}"`)
        else if (call.answered) problem(`answers the call "${item.call_id}" a second time`)
        else if (`${call.type}_output` !== item.type) problem(`answers a ${call.type}, "${item.call_id}"`)
        if (call !== undefined) call.answered = true
        break
      }
      case "compaction_trigger":
        if (index !== items.length - 1) problem("is not the last item")
        break
    }
  })
  for (const [callId, call] of calls) {
    if (!call.answered) problems.push(`Item ${call.index} (${call.type}) has no output: add one for "${callId}".`)
  }
  return problems
}

const isItem = Schema.is(Item.Item)
