/**
 * Turns any conversation into input items the backend accepts (protocol C.5, N.9).
 *
 * One bad item makes the server refuse every further request of a conversation: a call without its output, an illegal
 * name, an image it cannot read, reasoning of another account. {@link compile} repairs all of these and reports each
 * change as a `Repair`. Valid items are passed through unchanged. It is the one way to mend a stored conversation
 * as well: compiling what was compiled changes nothing.
 *
 * Reasoning is readable only for the account it was made for; see `Origin` for what a conversation does that outlives
 * its login.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Guard from "./Guard.ts"
import * as Item from "./Item.ts"
import * as Calls from "./internal/history/calls.ts"
import { readable } from "./internal/history/content.ts"
import { describe } from "./internal/history/describe.ts"
import { dropUnreadable, isModelOutput, unreadable } from "./internal/history/encrypted.ts"
import * as Ids from "./internal/history/ids.ts"
import type { Report } from "./internal/history/placed.ts"
import { read } from "./internal/history/read.ts"
import { wellFormed } from "./internal/json.ts"
import * as Wire from "./internal/wire.ts"
import * as Message from "./Message.ts"
import * as Origin from "./Origin.ts"
import type * as Repair from "./Repair.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Entry = Message.Message | Item.Item

/** An item of a known type with a field that does not fit it is an entry as well: {@link compile} puts it right. */
const entry = Schema.Union(
  Message.Message,
  Item.Item,
  Wire.object({ type: Schema.String as unknown as Schema.Schema<Item.UnknownType, string> })
)

/**
 * An entry of a history: a message or an item. A history may mix both. Every JSON object with a `type` is read as an
 * item, so that a stored conversation can be read whatever the server put into it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Entry: Schema.Schema<Entry, typeof entry.Encoded> = entry

/**
 * How much of a tool's output is sent, in tokens (of four bytes each, as the Codex CLI counts them) or in bytes of
 * UTF-8. The catalogue's `truncation_policy` has this form (protocol G.1). Limits below 256 bytes count as 256 bytes.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface OutputLimit {
  readonly mode: "tokens" | "bytes"
  readonly limit: number
}

/**
 * What {@link compile} may know besides the history.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /** Outputs of tools longer than this are cut in the middle. Default: only what the backend would refuse is cut. */
  readonly outputLimit?: OutputLimit
  /** The account the request is for: encrypted content tagged with another account is left out (`Origin`). */
  readonly account?: string
}

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
  readonly repairs: ReadonlyArray<Repair.HistoryRepair>
}

/**
 * The output of a call that was never answered. It blames nobody.
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
export const maxIdLength: number = Ids.maxIdLength

const bytesPerToken = 4

const inBytes = (limit: OutputLimit | undefined): number | undefined =>
  limit === undefined ? undefined : limit.mode === "tokens" ? limit.limit * bytesPerToken : limit.limit

/**
 * The texts of the system messages at the head of a history, joined by blank lines, and the entries after them.
 *
 * @since 0.1.0
 * @category combinators
 */
export const splitInstructions = (
  history: ReadonlyArray<Entry>
): { readonly instructions: string; readonly entries: ReadonlyArray<Entry> } => {
  const end = history.findIndex((entry) => !isSystemMessage(entry))
  const head = end === -1 ? history : history.slice(0, end)
  const texts = head.flatMap((entry) => (isSystemMessage(entry) && entry.content !== "" ? [entry.content] : []))
  return { instructions: texts.join("\n\n"), entries: history.slice(head.length) }
}

const systemMessageMisfit = Guard.make(Message.SystemMessage)

const isSystemMessage = (entry: unknown): entry is Message.SystemMessage =>
  systemMessageMisfit(entry) === undefined && !("type" in (entry as Message.SystemMessage))

/**
 * The items to send for a history: deterministic, total, idempotent. Messages become items; system messages at the head
 * become `instructions`. What an item becomes depends on itself and on the items before it, and not on those after it,
 * except for calls that wait for their output and reasoning that waits for its result. So the requests of a conversation
 * begin with the same bytes.
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
export const compile = (history: ReadonlyArray<Entry>, options: Options = {}): Compiled => {
  const report: Report = []
  const head: Array<string> = []
  let rest = 0
  for (; rest < history.length; rest++) {
    const entry: unknown = history[rest]
    if (!isSystemMessage(entry)) break
    const content = wellFormed(entry.content)
    if (content !== entry.content) report.push({ _tag: "TextMadeWellFormed", index: rest })
    if (content !== "") head.push(content)
  }
  const items = dropUnreadable(
    Calls.pairCalls(
      Ids.tidy(readable(read(history, rest, missingOutput, report), report), report),
      missingOutput,
      inBytes(options.outputLimit),
      report
    ),
    unreadable(options.account),
    report
  )
  return {
    instructions: head.join("\n\n"),
    items: items.map(({ item }) => item),
    repairs: report.sort((a, b) => a.index - b.index)
  }
}

/**
 * The items without reasoning, for sending once more what was refused as encrypted content that cannot be read. With
 * `except`, reasoning that is known to come from this account and model stays (see `Origin`). Compactions always stay:
 * without them the conversation would lose its past.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withoutReasoning = (
  items: ReadonlyArray<Item.Item>,
  except?: Origin.Origin
): { readonly items: ReadonlyArray<Item.Item>; readonly repairs: ReadonlyArray<Repair.HistoryRepair> } => {
  const report: Report = []
  const kept = dropUnreadable(
    items.map((item, index) => ({ index, item })),
    (item) =>
      item.type === "reasoning" && !(except !== undefined && Origin.isFrom(item, except)) ? "asked" : undefined,
    report
  )
  return { items: kept.map(({ item }) => item), repairs: report }
}

/**
 * Everything in a list of items the backend would refuse, each as a sentence that names the item by its place; empty if
 * there is nothing. These are the repairs {@link compile} would make, and what it gives always passes.
 *
 * @since 0.1.0
 * @category guards
 */
export const validate = (items: ReadonlyArray<Item.Item>, options: Options = {}): ReadonlyArray<string> =>
  compile(items, options).repairs.flatMap((repair) => {
    const type = (items[repair.index] as { readonly type?: unknown } | null | undefined)?.type
    const name = typeof type === "string" ? type : "no item"
    const problem = describe(repair, name)
    return problem === undefined ? [] : [`Item ${repair.index} (${name}) ${problem}.`]
  })

/**
 * What is wrong with new input, as sentences that name the entry by its place: the repairs that {@link compile} had to
 * make to messages the model has not answered yet. Their writer can still change them. The history before them and the
 * outputs of tools are repaired without a problem, because nobody can change them any more.
 *
 * @since 0.1.0
 * @category guards
 */
export const newInputProblems = (
  history: ReadonlyArray<Entry>,
  repairs: ReadonlyArray<Repair.HistoryRepair>
): ReadonlyArray<string> => {
  const entries: ReadonlyArray<unknown> = history
  let lastAnswered = entries.length - 1
  while (lastAnswered >= 0 && !isAnswer(entries[lastAnswered])) lastAnswered--
  return repairs.flatMap((repair) => {
    if (repair.index <= lastAnswered || !isProblem(repair) || isToolOutput(entries[repair.index])) return []
    const problem = describe(repair, "")
    return problem === undefined ? [] : [`Entry ${repair.index} of the input ${problem}.`]
  })
}

const isProblem = (repair: Repair.HistoryRepair): boolean =>
  repair._tag === "EntryDropped" ||
  repair._tag === "FieldRepaired" ||
  repair._tag === "ContentReplaced" ||
  (repair._tag === "TextCut" && repair.reason === "too_long")

const isAnswer = (entry: unknown): boolean => {
  if (Predicate.hasProperty(entry, "type")) return typeof entry.type === "string" && isModelOutput(entry as Item.Item)
  return Predicate.hasProperty(entry, "role") && entry.role === "assistant"
}

/**
 * Whether the entry answers a call: an item that is an output, or a message of the role `tool`. Anything may be asked about.
 *
 * @since 0.1.0
 * @category guards
 */
export const isToolOutput = (entry: unknown): boolean =>
  Predicate.hasProperty(entry, "type")
    ? typeof entry.type === "string" && entry.type.endsWith("_output")
    : Predicate.hasProperty(entry, "role") && entry.role === "tool"
