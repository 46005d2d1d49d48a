/** One output item while it grows. */
import type { Item, Turn } from "@effect-codex/schema"
import { type Kind as PartKind, Parts } from "./parts.ts"
import { Text } from "./text.ts"
import { asText, asWords, isBlank, isEmpty, type Raw } from "./values.ts"

export type Kind = "message" | "reasoning" | "call" | "item"

export const kindOf = (type: unknown): Kind => {
  switch (type) {
    case "message":
    case "reasoning":
      return type
    case "function_call":
    case "custom_tool_call":
      return "call"
    default:
      return "item"
  }
}

export class Slot {
  itemId: string | undefined
  /** The item of `output_item.added`. */
  begun: Item.Item | undefined
  /** The finished item. */
  item: Item.Item | undefined
  /** Whether the finished item belongs to the turn's items. */
  kept = false
  readonly parts: Parts
  readonly arguments = new Text()
  /** Whether an event said that the arguments are complete. */
  argumentsDone = false
  /** Whether an event gave the arguments as a whole. */
  argumentsStated = false
  callType: "function" | "custom" = "function"
  callId: string | undefined
  name: string | undefined
  started = false
  /** Whether the finished item was compared with a second one. */
  isCompared = false
  /** Whether its item was done but is half a call by its own status. */
  isHalf = false
  /** The call of the finished item, or of half a one. */
  call: Turn.ToolCall | undefined
  /** Whether the call may be carried out if the turn ends well. */
  executable = false
  /** The tool of a hosted item that has not finished. */
  tool: string | undefined

  constructor(
    readonly kind: Kind,
    /** Its place in events and blocks. */
    readonly index: number,
    /** Where it stands in the output; the same as `index` unless it came late. */
    readonly order: number,
    /** The index the wire gives it. */
    readonly wireIndex: number | undefined,
    opened: () => void
  ) {
    this.parts = new Parts(opened)
  }
}

/**
 * What an item does not have from the item it began as: its end is not its beginning, what it begins with of encrypted
 * content can be cut, and its texts are compared with their deltas.
 */
const own: ReadonlySet<string> = new Set(["status", "encrypted_content", "content", "summary"])

/** The texts of hosted items that come in deltas. */
export const hostedText: Readonly<Record<string, string>> = { code_interpreter_call: "code", mcp_call: "arguments" }

/** Keys that are no text where they are of another type. */
const names: ReadonlySet<string> = new Set(["id", "role", "phase", "namespace", "name", "call_id", "execution"])

/** The item with what it leaves empty and its beginning or its deltas have. */
export const inherit = (slot: Slot, item: Raw): Raw => {
  let whole: Record<string, unknown> | undefined
  const give = (key: string, earlier: unknown) => {
    if (names.has(key) ? asWords(earlier) === undefined || asWords(item[key]) !== undefined : !isEmpty(item[key]))
      return
    if (isEmpty(earlier)) return
    whole ??= { ...item }
    whole[key] = earlier
  }
  const begun = slot.begun as Raw | undefined
  const text =
    slot.kind === "call" ? (slot.callType === "custom" ? "input" : "arguments") : hostedText[String(item["type"])]
  for (const key in begun) if (!own.has(key) && key !== text) give(key, begun[key])
  if (slot.kind === "call") {
    give("name", whole?.["name"] ?? slot.name)
    give("call_id", whole?.["call_id"] ?? slot.callId)
  } else if (text !== undefined) give(text, slot.arguments.length > 0 ? slot.arguments.value : begun?.[text])
  return whole ?? item
}

/** What there is of a call that has no finished item. */
export const unfinishedCall = (slot: Slot): Turn.ToolCall => {
  const begun = slot.begun as Raw | undefined
  const namespace = asWords(begun?.["namespace"])
  return {
    type: slot.callType,
    callId: slot.callId ?? "",
    name: slot.name ?? "",
    ...(namespace !== undefined && { namespace }),
    arguments: slot.arguments.value
  }
}

/** The item for parts that have none; what was shown is put into it afterwards. */
export const rebuilt = (slot: Slot): Raw => {
  const begun: Raw = (slot.begun as Raw | undefined) ?? (slot.itemId === undefined ? {} : { id: slot.itemId })
  if (slot.kind === "message") return { type: "message", role: "assistant", ...begun, content: [] }
  // what an item begins with of encrypted content can be cut
  const { content, encrypted_content: _, ...rest } = begun
  return { type: "reasoning", ...rest, summary: [], ...(Array.isArray(content) && { content: [] }) }
}

/** The item of a call whose arguments are complete, though it was never done. */
export const rebuiltCall = (slot: Slot): Raw => {
  const text = slot.arguments.value
  const isFunction = slot.callType === "function"
  return {
    ...(slot.begun ?? (slot.itemId !== undefined && { id: slot.itemId })),
    type: isFunction ? "function_call" : "custom_tool_call",
    call_id: slot.callId,
    name: slot.name,
    // blank arguments of a call that has no item of its own may as well have been lost
    [isFunction ? "arguments" : "input"]: isBlank(text) ? undefined : text
  }
}

/** The blocks of what has not finished. */
export const growing = (slot: Slot, blocks: Array<Turn.Block>): void => {
  const begun = slot.begun as Raw | undefined
  const parts = slot.parts.inOrder()
  switch (slot.kind) {
    case "message": {
      const phase = asText(begun?.["phase"])
      for (const { annotations, kind, text } of parts) {
        blocks.push(
          kind === "refusal"
            ? { _tag: "Refusal", outputIndex: slot.index, text: text.value }
            : {
                _tag: "Text",
                outputIndex: slot.index,
                text: text.value,
                ...(phase !== undefined && { phase }),
                annotations: annotations?.slice() ?? []
              }
        )
      }
      return
    }
    case "reasoning": {
      const of = (wanted: PartKind) => parts.flatMap(({ kind, text }) => (kind === wanted ? [text.value] : []))
      blocks.push({ _tag: "Reasoning", outputIndex: slot.index, summary: of("summary"), content: of("content") })
      return
    }
    default: {
      const status = asText(begun?.["status"])
      const type = asText(begun?.["type"]) ?? slot.tool ?? ""
      blocks.push({ _tag: "Item", outputIndex: slot.index, type, ...(status !== undefined && { status }) })
    }
  }
}
