/**
 * Repairs that need only one item or its id: triggers, empty messages, roles, ids, duplicates.
 */
import * as Item from "../../Item.ts"
import * as Origin from "../../Origin.ts"
import type { Placed, Report } from "./placed.ts"

/** The maximum length of an item id or a call id. */
export const maxIdLength = 64

/** The id prefixes of protocol C.4; ids of other types are not checked. */
export const prefixes: ReadonlyMap<string, string> = new Map([
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

export const withoutId = (item: Item.Item): Item.Item => {
  const { id: _, ...rest } = item as Item.MessageItem
  return rest as Item.Item
}

export const tidy = (items: ReadonlyArray<Placed>, report: Report): ReadonlyArray<Placed> => {
  const seen = new Map<string, Twin>()
  const kept: Array<Placed> = []
  items.forEach((placed, position) => {
    const { index, item } = placed
    if (item.type === "compaction_trigger" && position < items.length - 1) {
      report.push({ _tag: "CompactionTriggerDropped", index })
      return
    }
    if (item.type === "message" && isEmpty(item)) {
      report.push({ _tag: "EmptyMessageDropped", index })
      return
    }
    const isSystem = item.type === "message" && item.role === "system"
    if (isSystem) report.push({ _tag: "SystemMessageMoved", index })
    const same = isSystem ? { index, item: { ...item, role: "developer" } as Item.Item } : placed
    const id = Item.id(item)
    if (id === undefined) {
      kept.push(same)
      return
    }
    const twin = seen.get(id)
    if (twin !== undefined && isSame(twin, same.item)) {
      report.push({ _tag: "DuplicateDropped", index, id })
      return
    }
    const reason = twin === undefined ? badId(item.type, id) : "taken"
    if (reason === undefined) {
      seen.set(id, { item: same.item })
      kept.push(same)
    } else {
      report.push({ _tag: "IdRemoved", index, id, reason })
      kept.push({ index, item: withoutId(same.item) })
    }
  })
  return kept
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

/** An item whose id other items may share. Its JSON text is cached, so that a large item is serialized only once. */
interface Twin {
  readonly item: Item.Item
  text?: string
}

const textOf = (item: Item.Item): string => JSON.stringify(Origin.untag(item))

const isSame = (twin: Twin, item: Item.Item): boolean => {
  if (twin.item === item) return true
  twin.text ??= textOf(twin.item)
  return twin.text === textOf(item)
}

const badId = (type: string, id: string): "too_long" | "wrong_prefix" | "illegal_characters" | undefined => {
  if (id.length > maxIdLength) return "too_long"
  const prefix = prefixes.get(type)
  if (id === "" || (prefix !== undefined && !id.startsWith(prefix))) return "wrong_prefix"
  return prefix === undefined || /^[\w-]+$/.test(id) ? undefined : "illegal_characters"
}
