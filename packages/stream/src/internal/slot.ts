/** One output item while it streams. */
import { type Item, Turn } from "@effect-codex/schema"
import * as Compare from "./compare.ts"
import { type Kind as PartKind, Parts } from "./parts.ts"
import { Text } from "./text.ts"
import { asNonBlank, asText, filledFrom, isBlank, isEmpty, type Raw } from "./values.ts"

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
  /** The texts of parts at their beginning. */
  readonly begunTexts: Array<Turn.ItemText> = []
  /** Whether the arguments are complete. */
  argumentsDone = false
  /** Whether an event contained the complete arguments. */
  hasFullArguments = false
  callType: "function" | "custom" = "function"
  callId: string | undefined
  name: string | undefined
  started = false
  /** Whether the finished item was compared with a second one. */
  isCompared = false
  /** Whether the finished item is an incomplete call by its status. */
  isIncomplete = false
  /** The call of the finished or incomplete item. */
  call: Turn.ToolCall | undefined
  /** Whether the call may be executed if the turn completes. */
  executable = false
  /** Whether the server has also stated a status of the executable call that is not completed. */
  isWithdrawn = false
  /** The tool of an unfinished hosted item. */
  tool: string | undefined

  constructor(
    readonly kind: Kind,
    /** Its index in events and blocks. */
    readonly index: number,
    /** Its position in the output; equals `index` unless it arrived late. */
    readonly order: number,
    /** Its index on the wire. */
    readonly wireIndex: number | undefined,
    opened: () => void
  ) {
    this.parts = new Parts(opened)
  }
}

/**
 * Keys not inherited from the added item: its status changes, its encrypted content can be incomplete, and its texts
 * are compared with their deltas.
 */
const notInherited: ReadonlySet<string> = new Set(["status", "encrypted_content", "content", "summary"])

/** The streamed text fields of hosted items. */
export const hostedText: Readonly<Record<string, string>> = { code_interpreter_call: "code", mcp_call: "arguments" }

/** Keys whose values must be strings. */
const names: ReadonlySet<string> = new Set(["id", "role", "phase", "namespace", "name", "call_id", "execution"])

/** Fills empty fields of the item from the added item and from its deltas. */
export const inherit = (slot: Slot, item: Raw): Raw => {
  let whole: Record<string, unknown> | undefined
  // two versions of a call are never mixed
  const isCall = Turn.callOf(item as unknown as Item.Item) !== undefined
  const given = (key: string, earlier: unknown): unknown => {
    const value = item[key]
    if (names.has(key)) return asNonBlank(value) ?? asNonBlank(earlier) ?? value
    return isCall && !isEmpty(value) ? value : filledFrom(value, earlier)
  }
  const give = (key: string, earlier: unknown) => {
    const value = given(key, earlier)
    if (value === item[key]) return
    whole ??= { ...item }
    whole[key] = value
  }
  const begun = slot.begun as Raw | undefined
  const text =
    slot.kind === "call" ? (slot.callType === "custom" ? "input" : "arguments") : hostedText[String(item["type"])]
  for (const key in begun) if (!notInherited.has(key) && key !== text) give(key, begun[key])
  if (slot.kind === "call") {
    give("name", whole?.["name"] ?? slot.name)
    give("call_id", whole?.["call_id"] ?? slot.callId)
  } else if (text !== undefined) give(text, slot.arguments.length > 0 ? slot.arguments.value : begun?.[text])
  return whole ?? item
}

/** The partial call of an unfinished item. */
export const unfinishedCall = (slot: Slot): Turn.ToolCall => {
  const begun = slot.begun as Raw | undefined
  const namespace = asNonBlank(begun?.["namespace"])
  return {
    type: slot.callType,
    callId: slot.callId ?? "",
    name: slot.name ?? "",
    ...(namespace !== undefined && { namespace }),
    arguments: slot.arguments.value
  }
}

/** Builds an item for streamed parts without one; their text is added later. */
export const rebuilt = (slot: Slot): Raw => {
  const begun: Raw = (slot.begun as Raw | undefined) ?? (slot.itemId === undefined ? {} : { id: slot.itemId })
  if (slot.kind === "message") return { type: "message", role: "assistant", ...begun, content: [] }
  // the encrypted content of an added item can be incomplete
  const { content, encrypted_content: _, ...rest } = begun
  return { type: "reasoning", ...rest, summary: [], ...(Array.isArray(content) && { content: [] }) }
}

/** Finds the slot of an item by what it says; `undefined` if nothing has arrived of that. */
export const contentKey = (slot: Slot): string | undefined => {
  if (slot.item !== undefined) return Compare.contentKey(slot.item)
  if (!slot.parts.hasText) return undefined
  return Compare.textKey(slot.parts.settle(rebuilt(slot) as unknown as Item.Item, () => {}).item)
}

/** Builds the item of a call with complete arguments but without an `output_item.done`. */
export const rebuiltCall = (slot: Slot): Raw => {
  const text = slot.arguments.value
  const isFunction = slot.callType === "function"
  return {
    ...(slot.begun ?? (slot.itemId !== undefined && { id: slot.itemId })),
    type: isFunction ? "function_call" : "custom_tool_call",
    call_id: slot.callId,
    name: slot.name,
    // without a finished item, blank arguments may have been lost
    [isFunction ? "arguments" : "input"]: isBlank(text) ? undefined : text
  }
}

/** Appends the blocks of an unfinished item. */
export const appendUnfinished = (slot: Slot, blocks: Array<Turn.Block>): void => {
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
