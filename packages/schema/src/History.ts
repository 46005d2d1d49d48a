/**
 * Turns any conversation into input items the backend accepts (protocol C.5, N.9).
 *
 * One bad item makes the server refuse every further request of a conversation: a call without its output, an illegal
 * name, an image it cannot read, reasoning of another account. {@link compile} repairs all of these and reports each
 * change as a `Repair`. Valid items are passed through unchanged. Use it to repair stored conversations too: it is
 * idempotent.
 *
 * The server can read encrypted reasoning only for the account it was created for. See `Origin` for conversations that
 * continue under another login.
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

/** An item of a known type with an invalid field is also an entry: {@link compile} repairs it. */
const entry = Schema.Union(
  Message.Message,
  Item.Item,
  Wire.object({ type: Schema.String as unknown as Schema.Schema<Item.UnknownType, string> })
)

/**
 * An entry of a history: a message or an item. A history may mix both. Every JSON object with a `type` decodes as an
 * item, so stored conversations stay readable even with item types unknown to this library.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Entry: Schema.Schema<Entry, typeof entry.Encoded> = entry

/**
 * The maximum length of a tool output, in tokens (four bytes each, as in the Codex CLI) or in UTF-8 bytes. The
 * catalogue's `truncation_policy` has this form (protocol G.1). The minimum is 256 bytes.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface OutputLimit {
  readonly mode: "tokens" | "bytes"
  readonly limit: number
}

/**
 * Options for {@link compile}.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /**
   * Longer tool outputs are truncated in the middle. Default: only outputs that exceed the backend's limit are
   * truncated.
   */
  readonly outputLimit?: OutputLimit
  /** The account of the request: encrypted content tagged with another account is omitted (`Origin`). */
  readonly account?: string
}

/**
 * A history ready to send: the leading system messages joined by blank lines (`""` if there are none), the items, and
 * the repairs in order of position.
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
 * The output added for a call without one. It is neutral about the cause.
 *
 * @since 0.1.0
 * @category configuration
 */
export const missingOutput = "No output is available for this tool call."

/**
 * The maximum length of an item id or a call id.
 *
 * @since 0.1.0
 * @category configuration
 */
export const maxIdLength: number = Ids.maxIdLength

const bytesPerToken = 4

const inBytes = (limit: OutputLimit | undefined): number | undefined =>
  limit === undefined ? undefined : limit.mode === "tokens" ? limit.limit * bytesPerToken : limit.limit

/**
 * Splits a history into its leading system messages, joined by blank lines, and the remaining entries.
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
 * Compiles a history to the items to send: deterministic, total, idempotent. Messages become items; leading system
 * messages become `instructions`. The result for an item depends only on that item and the ones before it, except that
 * calls also depend on their output and reasoning on the item that follows it. So successive requests of a conversation
 * share a byte-identical prefix.
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
 * The items without reasoning, to retry a request that was refused because of unreadable encrypted content. With
 * `except`, reasoning known to come from this account and model is kept (see `Origin`). Compactions are always kept:
 * they hold the earlier conversation.
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
 * Lists everything in the items that the backend would refuse, one sentence with the item's index for each problem. The
 * problems are the repairs {@link compile} would make, so its result always passes.
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
 * Lists the problems of new input, one sentence with the entry's index for each: the repairs that {@link compile} made
 * to messages the model has not answered yet, which the caller can still change. Repairs of the earlier history and of
 * tool outputs are not problems, because the caller can no longer change those.
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

const isToolOutput = (entry: unknown): boolean =>
  Predicate.hasProperty(entry, "type")
    ? typeof entry.type === "string" && entry.type.endsWith("_output")
    : Predicate.hasProperty(entry, "role") && entry.role === "tool"
