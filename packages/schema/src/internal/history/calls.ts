/**
 * Repairs calls and their outputs: every client call gets exactly one output after it, every pair a unique call id, and
 * names, arguments and outputs the backend accepts (protocol C.5, N.9).
 */
import type * as Item from "../../Item.ts"
import { fingerprint } from "../fingerprint.ts"
import { legalName, numbered } from "../names.ts"
import * as Truncation from "../truncation.ts"
import { maxTextLength } from "./content.ts"
import { maxIdLength, prefixes, withoutId } from "./ids.ts"
import type { Placed, Report } from "./placed.ts"

/** The maximum length of a call's arguments. */
const maxArgumentsLength = 1_048_576

type Call = Item.FunctionCallItem | Item.CustomToolCallItem | Item.LocalShellCallItem | Item.ToolSearchCallItem

type TextOutput = Item.FunctionCallOutputItem | Item.CustomToolCallOutputItem

type Output = TextOutput | Item.ToolSearchOutputItem

/** The calls that the caller answers. A search run by the server has its own output. */
const isCall = (item: Item.Item): item is Call => {
  switch (item.type) {
    case "function_call":
    case "custom_tool_call":
    case "local_shell_call":
      return true
    case "tool_search_call":
      return item.execution !== "server" && (item.execution === "client" || typeof item.call_id === "string")
    default:
      return false
  }
}

const isOutput = (item: Item.Item): item is Output => {
  switch (item.type) {
    case "function_call_output":
    case "custom_tool_call_output":
      return true
    case "tool_search_output":
      return item.execution !== "server" && typeof item.call_id === "string"
    default:
      return false
  }
}

/** An item of an unknown type may be a call; of the known types, also a search run by the server. */
const canBeCall = ({ type }: Item.Item): boolean =>
  type === "tool_search_call" ||
  !(prefixes.has(type) || type.endsWith("_output") || type === "context_compaction" || type === "configuration_update")

const nameOf = (call: Call): string => ("name" in call ? (call.name as string) : call.type.replace(/_call$/, ""))

/** The maximum output size in bytes; `undefined` for the backend's maximum. */
type OutputBytes = number | undefined

interface OpenCall extends Placed {
  /** True for an item of an unknown type with a call id, which may have an output but may not need one. */
  readonly optional: boolean
  /** Its position among all calls. */
  readonly order: number
  /** True once its output was found. */
  answered: boolean
}

/** The calls with the same type and call id, and how many of them have an output. */
interface Queue {
  readonly calls: Array<OpenCall>
  answered: number
}

/** The queues of one call id, by call type. Searching all calls for each output would take quadratic time. */
type Queues = Map<string, Queue>

/** The call an output belongs to: the first one of its type, else the first one that needs an output, else any. */
const callFor = (output: Output, queues: Queues): OpenCall | undefined => {
  const first = [...queues.values()]
    .flatMap(({ answered, calls }) => calls[answered] ?? [])
    .sort((a, b) => a.order - b.order)
  return (
    first.find((call) => !call.optional && isAnsweredBy(call.item, output)) ??
    first.find((call) => !call.optional) ??
    first[0]
  )
}

export const pairCalls = (
  items: ReadonlyArray<Placed>,
  missingOutput: string,
  outputBytes: OutputBytes,
  report: Report
): ReadonlyArray<Placed> => {
  const calls = new Map<string, Queues>()
  const taken = new Set<string>()
  const freeId = numbered((id) => taken.has(id))
  const paired: Array<Placed | OpenCall> = []
  const open = (callId: string, placed: Placed, optional: boolean) => {
    const call: OpenCall = { ...placed, optional, order: paired.length, answered: false }
    const queues: Queues = calls.get(callId) ?? new Map()
    calls.set(callId, queues)
    const queue = queues.get(call.item.type)
    if (queue === undefined) queues.set(call.item.type, { calls: [call], answered: 0 })
    else queue.calls.push(call)
    paired.push(call)
  }
  for (const placed of items) {
    const { index, item } = placed
    if (isCall(item)) {
      const callId = item.call_id ?? ""
      const to = isLegalId(callId) && !taken.has(callId) ? callId : freeId(`call_${fingerprint(callId)}`)
      if (to !== callId) report.push({ _tag: "CallIdRewritten", index, from: callId, to })
      taken.add(to)
      const call = fitCall(to === callId ? item : { ...item, call_id: to }, index, report)
      open(callId, { index, item: call }, false)
    } else if (isOutput(item)) {
      const callId = item.call_id ?? ""
      const queues = calls.get(callId)
      const call = queues && callFor(item, queues)
      const queue = call && queues.get(call.item.type)
      if (call === undefined || queue === undefined) {
        const reason = queues === undefined ? "no_call" : "answered_already"
        report.push({ _tag: "OutputDropped", index, callId, reason })
      } else {
        call.answered = true
        queue.answered++
        paired.push({ index, item: shorten(fitOutput(item, call.item, index, report), outputBytes, index, report) })
      }
    } else {
      const callId = (item as { readonly call_id?: unknown }).call_id
      // of an unknown type, nothing is known about its name
      const named = prefixes.has(item.type) ? { index, item: rename(item, index, report) } : placed
      if (typeof callId !== "string" || taken.has(callId) || !canBeCall(item)) paired.push(named)
      else {
        taken.add(callId)
        open(callId, named, true)
      }
    }
  }
  const complete: Array<Placed> = []
  for (const placed of paired) {
    complete.push(placed)
    if (!("answered" in placed) || placed.answered || placed.optional) continue
    const { index } = placed
    const item = placed.item as Call
    const callId = item.call_id ?? ""
    report.push({ _tag: "OutputAdded", index, callId, name: nameOf(item) })
    complete.push({ index, item: neutralOutput(item, callId, missingOutput) })
  }
  return complete
}

const isLegalId = (callId: string): boolean => /^[!-~]+$/.test(callId) && callId.length <= maxIdLength

const fitCall = (call: Call, index: number, report: Report): Call => {
  if (call.type === "tool_search_call" && call.execution !== "client") {
    report.push({ _tag: "FieldRepaired", index, field: "execution", problem: "does not say who runs the search" })
    return fitCall({ ...call, execution: "client" }, index, report)
  }
  const named = rename(call, index, report)
  if (named.type !== "function_call" && named.type !== "custom_tool_call") return named
  const length = named.type === "function_call" ? named.arguments.length : named.input.length
  if (length <= maxArgumentsLength) return named
  report.push({ _tag: "ArgumentsReplaced", index, callId: named.call_id, length })
  const words = `The arguments were removed because they had ${length} characters.`
  return named.type === "function_call"
    ? { ...named, arguments: JSON.stringify({ left_out: words }) }
    : { ...named, input: words }
}

/** Makes `name` and `namespace` legal, if present. */
const rename = <A extends Item.Item>(item: A, index: number, report: Report): A => {
  let renamed = item
  for (const key of ["name", "namespace"] as const) {
    const from = (item as { readonly name?: unknown; readonly namespace?: unknown })[key]
    if (typeof from !== "string") continue
    const to = key === "namespace" && from.trim() === "" ? "" : legalName(from)
    if (to === from && to !== "") continue
    report.push({ _tag: "NameRewritten", index, from, to })
    const { [key]: _, ...rest } = renamed as Item.FunctionCallItem
    renamed = (to === "" ? rest : { ...renamed, [key]: to }) as A
  }
  return renamed
}

/** The type of a call's text output. */
const outputType = (call: Item.Item): TextOutput["type"] =>
  call.type === "custom_tool_call" ? "custom_tool_call_output" : "function_call_output"

/** A search can be answered by the tools found or by text; an item of an unknown type by any output. */
const isAnsweredBy = (call: Item.Item, output: Output): boolean =>
  output.type === outputType(call) ||
  (call.type === "tool_search_call" && output.type === "tool_search_output") ||
  !(isCall(call) || output.type === "tool_search_output")

const neutralOutput = (call: Call, callId: string, missingOutput: string): Item.Item =>
  call.type === "tool_search_call"
    ? { type: "tool_search_output", call_id: callId, execution: "client", status: "completed", tools: [] }
    : { type: outputType(call), call_id: callId, output: missingOutput }

const fitOutput = (output: Output, call: Item.Item, index: number, report: Report): Output => {
  const callId = (call as { readonly call_id?: string }).call_id ?? ""
  const renamed = rename(output.call_id === callId ? output : { ...output, call_id: callId }, index, report)
  if (isAnsweredBy(call, output)) return renamed
  report.push({ _tag: "OutputTypeChanged", index, callId })
  const type = outputType(call)
  return renamed.type === "tool_search_output"
    ? { type, call_id: callId, output: JSON.stringify(renamed.tools) }
    : (withoutId({ ...renamed, type }) as Output)
}

const shorten = (output: Output, outputBytes: OutputBytes, index: number, report: Report): Output => {
  if (output.type === "tool_search_output") return output
  const bounded =
    typeof output.output === "string"
      ? cutOutput(output, maxTextLength, Truncation.characters, "too_long", index, report)
      : output
  return outputBytes === undefined
    ? bounded
    : cutOutput(bounded, outputBytes, Truncation.bytes, "output_limit", index, report)
}

const cutOutput = (
  item: TextOutput,
  limit: number,
  measure: Truncation.Measure,
  reason: "too_long" | "output_limit",
  index: number,
  report: Report
): TextOutput => {
  const { output } = item
  const texts = typeof output === "string" ? [output] : output.flatMap((part) => (isText(part) ? [part.text] : []))
  const cut = Truncation.cutMiddle(texts, limit, measure)
  if (cut === undefined) return item
  report.push({ _tag: "TextCut", index, leftOut: cut.leftOut, reason })
  if (typeof output === "string") return { ...item, output: cut.texts[0] ?? "" }
  let next = 0
  return {
    ...item,
    output: output.flatMap((part): ReadonlyArray<Item.ContentPart> => {
      if (!isText(part)) return [part]
      const text = cut.texts[next++]
      return text === undefined ? [] : [text === part.text ? part : { ...part, text }]
    })
  }
}

const isText = (part: Item.ContentPart): part is Item.InputText => part.type === "input_text"
