/**
 * Converts the entries of a history to valid items: messages become items, invalid fields are corrected or removed, and
 * entries without a required field are dropped.
 */
import type * as Schema from "effect/Schema"
import * as Guard from "../../Guard.ts"
import * as Item from "../../Item.ts"
import * as Message from "../../Message.ts"
import * as Json from "../json.ts"
import { isTypeName } from "./content.ts"
import { messageItems } from "./messageItems.ts"
import type { Placed, Report } from "./placed.ts"

type Raw = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Raw => typeof value === "object" && value !== null && !Array.isArray(value)

const messageMisfit = Guard.make(Message.Message)

const itemMisfit = Guard.make(Item.Item)

/** The items from the given position of the history on. */
export const read = (
  history: ReadonlyArray<unknown>,
  from: number,
  missingOutput: string,
  report: Report
): ReadonlyArray<Placed> => {
  const placed: Array<Placed> = []
  const custom = new Set<string>()
  for (let index = from; index < history.length; index++) {
    const given = history[index]
    const isItem = isRecord(given) && typeof given["type"] === "string"
    const problem = isItem ? unsendable(given["type"]) : undefined
    if (problem !== undefined) {
      report.push({ _tag: "EntryDropped", index, problem })
      continue
    }
    const entry = isItem || messageMisfit(given) === undefined ? given : Json.asWritten(given)
    if (!isItem && messageMisfit(entry) !== undefined) {
      report.push({ _tag: "EntryDropped", index, problem: "has fields that fit neither a message nor an item" })
      continue
    }
    for (const raw of isItem ? [given] : messageItems(entry as Message.Message, custom)) {
      const read = readItem(raw, index, missingOutput, report)
      if (read === undefined) continue
      const item = read.type === "local_shell_call" ? withCallId(read, index, report) : read
      if (item.type === "custom_tool_call") custom.add(item.call_id)
      if (item.type === "function_call") custom.delete(item.call_id)
      placed.push({ index, item })
    }
  }
  return placed
}

/** An unknown type may be a new one of the server if it is a name. */
const unsendable = (type: unknown): string | undefined => {
  if (type === "item_reference") return "refers to an item, and the server has stored none"
  return isTypeName(type) ? undefined : "has a type that is no name"
}

/** The call id of a shell call without one is its item id. */
const withCallId = (item: Item.LocalShellCallItem, index: number, report: Report): Item.Item => {
  if ((item.call_id ?? "").trim() !== "" || typeof item.id !== "string") return item
  report.push({ _tag: "CallIdRewritten", index, from: item.call_id ?? "", to: item.id })
  return { ...item, call_id: item.id }
}

const readItem = (raw: unknown, index: number, missingOutput: string, report: Report): Item.Item | undefined => {
  const json = Json.isSerializable(raw) ? raw : readJson(raw, index, report)
  const known = withArguments(withRole(withKnownOutput(json, index, report), index, report))
  const readable = itemMisfit(known) === undefined ? known : Json.asWritten(known)
  const misfit = itemMisfit(readable)
  if (misfit === undefined) return readable as Item.Item
  const item = readable as Raw
  const type = String(item["type"])
  const mended = fixFields(itemMisfit, item, { ...fixes(missingOutput)[type] }, (field) =>
    report.push({ _tag: "FieldRepaired", index, field, problem: "does not fit the type of the item" })
  )
  if (mended !== undefined) return mended as unknown as Item.Item
  report.push({
    _tag: "EntryDropped",
    index,
    problem: `has the field "${misfit}", which does not fit the type ${type}`
  })
  return undefined
}

/** Other servers have an own output type for shell calls, with the call id in `id`. */
const withKnownOutput = (value: unknown, index: number, report: Report): unknown => {
  if (!isRecord(value) || value["type"] !== "local_shell_call_output") return value
  report.push({ _tag: "FieldRepaired", index, field: "type", problem: "is not one that the server takes" })
  const { call_id, id, output } = value
  return { type: "function_call_output", call_id: call_id ?? id, output }
}

const knownRoles: ReadonlySet<unknown> = new Set(["user", "assistant", "developer", "system"])

/** Assistant role names of other systems. The server refuses requests with an unknown role. */
const foreignRoles: ReadonlyMap<unknown, string> = new Map([
  ["ai", "assistant"],
  ["bot", "assistant"],
  ["model", "assistant"]
])

const withRole = (value: unknown, index: number, report: Report): unknown => {
  if (!isRecord(value) || value["type"] !== "message") return value
  if (typeof value["role"] !== "string" || knownRoles.has(value["role"])) return value
  const role = foreignRoles.get(value["role"]) ?? "user"
  report.push({ _tag: "FieldRepaired", index, field: "role", problem: "is unknown to the server" })
  return { ...value, role }
}

/** A field of any type may be `undefined`, which JSON omits. */
const withArguments = (value: unknown): unknown => {
  if (!isRecord(value) || value["type"] !== "tool_search_call" || value["arguments"] !== undefined) return value
  const { arguments: _, ...rest } = value
  return rest
}

const readJson = (raw: unknown, index: number, report: Report): unknown => {
  const { removed, surrogates, value } = Json.sanitize(raw)
  if (surrogates) report.push({ _tag: "TextMadeWellFormed", index })
  for (const { path, what } of removed) {
    report.push({ _tag: "FieldRepaired", index, field: path, problem: `is ${what}, which JSON cannot hold` })
  }
  return value
}

/** Corrects an invalid field; `undefined` removes the field. */
type Fix = (value: unknown) => unknown

const empty: Fix = () => ""

/** The required fields of each item type; other invalid fields are removed. */
const fixes = (missingOutput: string): Readonly<Record<string, Readonly<Record<string, Fix>>>> => {
  const output = { call_id: empty, output: (value: unknown) => outputOf(value, missingOutput) }
  return {
    message: { content: parts },
    agent_message: { content: parts },
    reasoning: { summary: summaries },
    function_call: { call_id: empty, name: empty, arguments: (value) => jsonText(value) ?? "{}" },
    function_call_output: output,
    custom_tool_call: { call_id: empty, name: empty, input: (value) => jsonText(value) ?? "" },
    custom_tool_call_output: output,
    tool_search_call: { arguments: () => ({}) },
    tool_search_output: { tools: () => [] },
    web_search_call: { action: inner(Item.WebSearchCallItem.fields.action.from) },
    local_shell_call: { action: inner(Item.LocalShellCallItem.fields.action) }
  }
}

/** Corrects fields one by one until all are valid; `undefined` if one cannot be corrected. */
const fixFields = (
  misfit: Guard.Guard,
  item: Raw,
  fixes: Readonly<Record<string, Fix>>,
  onMended: (field: string) => void
): Raw | undefined => {
  const mended = new Set<string>()
  let kept = item
  for (let path = misfit(kept); path !== undefined; path = misfit(kept)) {
    const field = path.split(".", 1)[0] ?? ""
    if (field === "" || mended.has(field)) return undefined
    mended.add(field)
    const value = fixes[field]?.(kept[field])
    const { [field]: _, ...rest } = kept
    kept = value === undefined ? rest : { ...kept, [field]: value }
  }
  mended.forEach(onMended)
  return kept
}

/** An object with only the valid fields. */
const inner = (schema: Schema.Schema.Any): Fix => {
  const misfit = Guard.make(schema)
  return (value) => (isRecord(value) ? fixFields(misfit, value, {}, () => {}) : undefined)
}

const asArray = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** The JSON text of an object or a list. */
const jsonText = (value: unknown): string | undefined =>
  typeof value === "object" && value !== null ? JSON.stringify(value) : undefined

const textOf = (value: unknown): string | undefined => {
  const text = isRecord(value) ? value["text"] : value
  return typeof text === "string" ? text : undefined
}

const summaries: Fix = (value) =>
  (Array.isArray(value) ? value : [value]).flatMap((part) => {
    const text = textOf(part)
    return text === undefined ? [] : [{ type: "summary_text", text }]
  })

const partMisfit = Guard.make(Item.ContentPart)

/** Other APIs wrap the URL in an object. */
const partFixes: Readonly<Record<string, Fix>> = {
  image_url: (value) => (isRecord(value) && typeof value["url"] === "string" ? value["url"] : undefined)
}

const part = (value: unknown): unknown => {
  if (isRecord(value) && typeof value["type"] === "string") return fixFields(partMisfit, value, partFixes, () => {})
  const text = textOf(value)
  return text === undefined ? undefined : { type: "input_text", text }
}

const parts: Fix = (value) => (typeof value === "string" ? [value] : asArray(value)).flatMap((one) => part(one) ?? [])

/** A list of parts if all are valid; otherwise the JSON text of the value, so that nothing is lost. */
const outputOf = (value: unknown, missingOutput: string): unknown => {
  if (value === undefined || value === null) return missingOutput
  if (!Array.isArray(value)) return jsonText(value) ?? String(value)
  const mended = value.map(part)
  return mended.includes(undefined) ? JSON.stringify(value) : mended
}
