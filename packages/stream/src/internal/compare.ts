/** When two forms of one item are the same, and which of them says more. */
import { type Item, Turn } from "@effect-codex/schema"
import type { Slot } from "./slot.ts"
import { asObject, asWords, isBlank, isEmpty, isWithin, parse, type Raw } from "./values.ts"

/** Whether a call's own status lets it be carried out. */
export const isCompleted = (status: unknown): boolean =>
  status === "completed" || status === undefined || status === null || (typeof status === "string" && isBlank(status))

/** The arguments that stand before an item which has none, or which has the same as an object. */
export const earlierArguments = (slot: Slot, value: unknown): string | undefined => {
  const shown = slot.arguments.value
  // free-form input is a text: an empty object says nothing there
  if (asObject(value) !== undefined && !(slot.callType === "custom" && isEmpty(value))) {
    const parsed = isBlank(shown) ? undefined : parse(shown)
    return isWithin(parsed, value) && isWithin(value, parsed) ? shown : undefined
  }
  if (!isBlank(shown)) return shown
  const begun = slot.begun === undefined ? undefined : Turn.callOf(slot.begun)
  return begun === undefined || begun.unreadable !== undefined || isBlank(begun.arguments) ? undefined : begun.arguments
}

/** Whether a later form of a call is the same but for its arguments, and has some. */
export const hasArgumentsOf = (later: Turn.ToolCall, earlier: Turn.ToolCall): boolean =>
  later.unreadable === undefined &&
  !isBlank(later.arguments) &&
  later.type === earlier.type &&
  later.callId === earlier.callId

/** Whether the terminal list only names a call once more. */
export const isSameCall = (done: Raw, call: Turn.ToolCall, item: Raw, again: Turn.ToolCall): boolean => {
  const differs = (a: string | undefined, b: string | undefined) => a !== undefined && b !== undefined && a !== b
  const [id, name, text] = [asWords(item["id"]), asWords(again.name), asWords(again.arguments)]
  return (
    call.type === again.type &&
    !differs(asWords(done["id"]), id) &&
    !differs(call.name, name) &&
    !differs(call.namespace, again.namespace) &&
    (again.unreadable !== undefined || !differs(call.arguments, text))
  )
}

/** What two copies of one item have in common, whatever their ids. */
export const contentKey = (item: Item.Item): string => {
  const raw = item as unknown as Raw
  switch (item.type) {
    case "message":
      return JSON.stringify(["message", Turn.textsOf(item).map(({ kind, text }) => [kind, text])])
    case "reasoning":
      return JSON.stringify([
        "reasoning",
        Turn.textsOf(item).map(({ kind, text }) => [kind, text]),
        raw["encrypted_content"]
      ])
    default: {
      const { id: _, status: __, ...rest } = raw
      return JSON.stringify(rest)
    }
  }
}
