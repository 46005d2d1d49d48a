/**
 * Encrypted content, which only the server can read, and only for the account it was created for (protocol C.5).
 */
import * as Item from "../../Item.ts"
import * as Origin from "../../Origin.ts"
import { maxTextLength } from "./content.ts"
import { prefixes, withoutId } from "./ids.ts"
import type { Placed, Report } from "./placed.ts"

/** Why an item with encrypted content cannot be sent; `undefined` if it can. */
export type Refusal = "not_encrypted" | "too_long" | "other_account" | "asked" | undefined

/** Decides by the content itself and, if the account is known, by its origin. */
export const unreadable =
  (account: string | undefined) =>
  (item: Item.Item): Refusal => {
    const content = (item as { readonly encrypted_content?: string | null }).encrypted_content ?? ""
    if (content === "") return item.type === "context_compaction" ? undefined : "not_encrypted"
    if (content.length > maxTextLength) return "too_long"
    return account !== undefined && Origin.isForeign(item, account) ? "other_account" : undefined
  }

/** Whether the model produces items of this type, so that reasoning can belong to it. */
export const isModelOutput = (item: Item.Item): boolean => {
  switch (item.type) {
    case "message":
      return item.role === "assistant"
    case "reasoning":
    case "agent_message":
    case "compaction_trigger":
    case "configuration_update":
    case "additional_tools":
      return false
    default:
      // an output answers a call, also one of a type unknown here
      return !item.type.endsWith("_output")
  }
}

const isCompaction = (item: Item.Item): boolean =>
  item.type === "compaction" || item.type === "compaction_summary" || item.type === "context_compaction"

/**
 * Removes content the server cannot read, and reasoning that is not followed by its output. Output that follows removed
 * reasoning loses its ids, because the server would use them to look up the reasoning.
 */
export const dropUnreadable = (
  items: ReadonlyArray<Placed>,
  refusal: (item: Item.Item) => Refusal,
  report: Report
): ReadonlyArray<Placed> => {
  const readable = items.filter(({ index, item }) => {
    const reason = isCompaction(item) ? refusal(item) : undefined
    if (reason !== undefined) report.push({ _tag: "CompactionDropped", index, reason })
    return reason === undefined
  })
  const leads = leadsToOutput(readable)
  const kept: Array<Placed> = []
  let reasoningDropped = false
  let outputSince = false
  readable.forEach((placed, position) => {
    const { index, item } = placed
    if (item.type === "reasoning") {
      const reason = refusal(item) ?? (leads[position] === true ? undefined : "no_output_follows")
      if (reason === undefined) {
        // output after kept reasoning belongs to that reasoning
        if (outputSince) reasoningDropped = false
        kept.push(placed)
      } else {
        report.push({ _tag: "ReasoningDropped", index, reason })
        reasoningDropped = true
        outputSince = false
      }
      return
    }
    outputSince = true
    if (!isModelOutput(item)) reasoningDropped = false
    const id = Item.id(item)
    if (!reasoningDropped || id === undefined || !canLoseId(item)) {
      kept.push(placed)
      return
    }
    report.push({ _tag: "IdRemoved", index, id, reason: "reasoning_dropped" })
    kept.push({ index, item: withoutId(item) })
  })
  return kept
}

/** For each position, whether the next item that is not reasoning is model output. */
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
 * Items of unknown types may require their id, like `mcp_approval_request`. Compactions keep their id because it never
 * refers to reasoning.
 */
const canLoseId = (item: Item.Item): boolean => prefixes.has(item.type) && !isCompaction(item)
