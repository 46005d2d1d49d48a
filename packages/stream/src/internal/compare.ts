/** Compares two versions of the same item. */
import { type Item, Turn } from "@effect-codex/schema"
import type { Slot } from "./slot.ts"
import { asNonBlank, asObject, isBlank, isEmpty, isWithin, parse, type Raw } from "./values.ts"

/** Whether a call's status allows it to be executed. */
export const isCompleted = (status: unknown): boolean =>
  status === "completed" || status === undefined || status === null || (typeof status === "string" && isBlank(status))

/** The streamed arguments to use if the finished item has none, or has the same ones as an object. */
export const streamedArguments = (slot: Slot, value: unknown): string | undefined => {
  const shown = slot.arguments.value
  // free-form input is text, so an empty object means no input
  if (asObject(value) !== undefined && !(slot.callType === "custom" && isEmpty(value))) {
    const parsed = isBlank(shown) ? undefined : parse(shown)
    return isWithin(parsed, value) && isWithin(value, parsed) ? shown : undefined
  }
  if (!isBlank(shown)) return shown
  const begun = slot.begun === undefined ? undefined : Turn.callOf(slot.begun)
  return begun === undefined || begun.unreadable !== undefined || isBlank(begun.arguments) ? undefined : begun.arguments
}

/** Whether a later version of a call differs only in having arguments. */
export const hasArgumentsOf = (later: Turn.ToolCall, earlier: Turn.ToolCall): boolean =>
  later.unreadable === undefined &&
  !isBlank(later.arguments) &&
  later.type === earlier.type &&
  later.callId === earlier.callId

/** Whether an item of the terminal list is the same call. */
export const isSameCall = (done: Raw, call: Turn.ToolCall, item: Raw, again: Turn.ToolCall): boolean => {
  const differs = (a: string | undefined, b: string | undefined) => a !== undefined && b !== undefined && a !== b
  const [id, name, text] = [asNonBlank(item["id"]), asNonBlank(again.name), asNonBlank(again.arguments)]
  return (
    call.type === again.type &&
    !differs(asNonBlank(done["id"]), id) &&
    !differs(call.name, name) &&
    !differs(call.namespace, asNonBlank(item["namespace"])) &&
    (again.unreadable !== undefined || !differs(call.arguments, text))
  )
}

/** A key that is equal for two copies of one item, independent of ids. */
export const contentKey = (item: Item.Item): string => {
  const { id: _, status: __, ...rest } = item as unknown as Raw
  switch (item.type) {
    case "message":
      return textKey(item)
    case "reasoning":
      return textKey(item) + JSON.stringify(rest["encrypted_content"] ?? null)
    default:
      return JSON.stringify(rest)
  }
}

/** The same for the copies of an item of which only the texts have arrived. */
export const textKey = (item: Item.Item): string =>
  JSON.stringify([item.type, Turn.textsOf(item).map(({ kind, text }) => [kind, text])])
