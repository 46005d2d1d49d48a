/**
 * Encrypted content, which only the server reads, and only for the account it was made for (protocol C.5).
 */
import * as Item from "../../Item.ts"
import * as Origin from "../../Origin.ts"
import { maxTextLength } from "./content.ts"
import { prefixes, withoutId } from "./ids.ts"
import type { Placed, Report } from "./placed.ts"

/** Why an item with encrypted content cannot be sent, if so. */
export type Refusal = "not_encrypted" | "too_long" | "other_account" | "asked" | undefined

/** Judges by the content itself and, where the account is known, by where it came from. */
export const unreadable =
  (account: string | undefined) =>
  (item: Item.Item): Refusal => {
    const content = (item as { readonly encrypted_content?: string | null }).encrypted_content ?? ""
    if (content === "") return item.type === "context_compaction" ? undefined : "not_encrypted"
    if (content.length > maxTextLength) return "too_long"
    return account !== undefined && Origin.isForeign(item, account) ? "other_account" : undefined
  }

/** Whether the model itself puts out such an item, so that reasoning can have led to it. */
export const isModelOutput = (item: Item.Item): boolean => {
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

const isCompaction = (item: Item.Item): boolean =>
  item.type === "compaction" || item.type === "compaction_summary" || item.type === "context_compaction"

/**
 * Leaves out what the server could not read, and reasoning without the output it led to. The output that dropped
 * reasoning led to loses its ids, by which the server would look for the reasoning.
 */
export const dropUnreadable = (
  items: ReadonlyArray<Placed>,
  refusal: (item: Item.Item) => Refusal,
  report: Report
): ReadonlyArray<Placed> => {
  const legible = items.filter(({ index, item }) => {
    const reason = isCompaction(item) ? refusal(item) : undefined
    if (reason !== undefined) report.push({ _tag: "CompactionDropped", index, reason })
    return reason === undefined
  })
  const leads = leadsToOutput(legible)
  const kept: Array<Placed> = []
  let bereft = false
  let outputSince = false
  legible.forEach((placed, position) => {
    const { index, item } = placed
    if (item.type === "reasoning") {
      const reason = refusal(item) ?? (leads[position] === true ? undefined : "no_output_follows")
      if (reason === undefined) {
        // output after reasoning that was kept belongs to that
        if (outputSince) bereft = false
        kept.push(placed)
      } else {
        report.push({ _tag: "ReasoningDropped", index, reason })
        bereft = true
        outputSince = false
      }
      return
    }
    outputSince = true
    if (!isModelOutput(item)) bereft = false
    const id = Item.id(item)
    if (!bereft || id === undefined || !canLoseId(item)) {
      kept.push(placed)
      return
    }
    report.push({ _tag: "IdRemoved", index, id, reason: "reasoning_dropped" })
    kept.push({ index, item: withoutId(item) })
  })
  return kept
}

/** For each place, whether the next item that is not reasoning is output of the model. */
const leadsToOutput = (items: ReadonlyArray<Placed>): ReadonlyArray<boolean> => {
  const leads = new Array<boolean>(items.length)
  let outputFollows = false
  for (let i = items.length - 1; i >= 0; i--) {
    const item = items[i]?.item
    if (item === undefined) continue
    if (item.type !== "reasoning") outputFollows = isModelOutput(item)
    leads[i] = outputFollows
  }
  return leads
}

/**
 * Items of unknown types may require their id, as `mcp_approval_request` does. No reasoning leads to a compaction, so
 * that its id refers to none.
 */
const canLoseId = (item: Item.Item): boolean => prefixes.has(item.type) && !isCompaction(item)
