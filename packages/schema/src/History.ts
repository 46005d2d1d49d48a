/**
 * Turns any conversation into input items the backend accepts (protocol C.5, N.9).
 *
 * One bad item makes the server refuse every further request of a conversation: a call without its output, an illegal
 * name, an image it cannot read, reasoning of another account. {@link compile} repairs all of these and reports each
 * change as a {@link Repair}. Valid items are passed through unchanged. It is the one way to mend a stored conversation
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

/**
 * One change made to a history. `index` is the place, in the history given, of what was changed.
 *
 * - `SystemMessageMoved`: a system message that is not at the head is sent as a developer message.
 * - `EmptyMessageDropped`: a message without content was left out.
 * - `EntryDropped`: an entry is neither a message nor an item, or lacks a field its type cannot do without.
 * - `DuplicateDropped`: the same item occurs twice.
 * - `FieldRepaired`: a field of an item had another type than the item's type says, or a value JSON cannot hold; it was
 *   left out, or replaced by what it says in the right type.
 * - `TextMadeWellFormed`: unpaired surrogates were replaced by U+FFFD.
 * - `PartRewritten`: a content part was brought into the form the backend reads: base64, media type, `input_text` or
 *   `output_text`.
 * - `ContentReplaced`: an image, document or sound cannot be sent; it was replaced by the words of `problem`.
 * - `TextCut`: the middle of a text was left out, and words say so. `too_long`: it is longer than the backend takes;
 *   `output_limit`: longer than {@link Options.outputLimit}.
 * - `IdRemoved`: an item's id was left out, because it is too long, has not the prefix of its type or other characters
 *   than it may have, is taken, or belongs to reasoning that was left out. The item itself stays.
 * - `CallIdRewritten`: a call and its output got another common id, because theirs was empty, illegal, too long or taken.
 * - `NameRewritten`: the name or namespace of a call is not one a tool can have; it was replaced by a legal name like it.
 *   A blank namespace was left out (`to` is `""`).
 * - `ArgumentsReplaced`: the arguments of a call were too long; they were replaced by a sentence.
 * - `OutputAdded`: a call had no output; a neutral one was put right after it.
 * - `OutputDropped`: an output answered no call, or one that had its answer already.
 * - `OutputTypeChanged`: an output of one kind of tool answered a call of another.
 * - `ReasoningDropped`: reasoning was left out that has no encrypted content, or too much, or that of another account, or
 *   that is not followed by the output it led to; or the caller asked for it ({@link withoutReasoning}).
 * - `CompactionDropped`: the same for a compaction. What was compacted is lost to the model.
 * - `CompactionTriggerDropped`: a compaction trigger was not the last item.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Repair = Schema.Union(
  Schema.TaggedStruct("SystemMessageMoved", { index: Schema.Number }),
  Schema.TaggedStruct("EmptyMessageDropped", { index: Schema.Number }),
  Schema.TaggedStruct("EntryDropped", { index: Schema.Number, problem: Schema.String }),
  Schema.TaggedStruct("DuplicateDropped", { index: Schema.Number, id: Schema.String }),
  Schema.TaggedStruct("FieldRepaired", { index: Schema.Number, field: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("TextMadeWellFormed", { index: Schema.Number }),
  Schema.TaggedStruct("PartRewritten", { index: Schema.Number, part: Schema.Number }),
  Schema.TaggedStruct("ContentReplaced", { index: Schema.Number, part: Schema.Number, problem: Schema.String }),
  Schema.TaggedStruct("TextCut", {
    index: Schema.Number,
    leftOut: Schema.Number,
    reason: Schema.Literal("too_long", "output_limit")
  }),
  Schema.TaggedStruct("IdRemoved", {
    index: Schema.Number,
    id: Schema.String,
    reason: Schema.Literal("too_long", "wrong_prefix", "illegal_characters", "taken", "reasoning_dropped")
  }),
  Schema.TaggedStruct("CallIdRewritten", { index: Schema.Number, from: Schema.String, to: Schema.String }),
  Schema.TaggedStruct("NameRewritten", { index: Schema.Number, from: Schema.String, to: Schema.String }),
  Schema.TaggedStruct("ArgumentsReplaced", { index: Schema.Number, callId: Schema.String, length: Schema.Number }),
  Schema.TaggedStruct("OutputAdded", { index: Schema.Number, callId: Schema.String, name: Schema.String }),
  Schema.TaggedStruct("OutputDropped", {
    index: Schema.Number,
    callId: Schema.String,
    reason: Schema.Literal("no_call", "answered_already")
  }),
  Schema.TaggedStruct("OutputTypeChanged", { index: Schema.Number, callId: Schema.String }),
  Schema.TaggedStruct("ReasoningDropped", {
    index: Schema.Number,
    reason: Schema.Literal("not_encrypted", "too_long", "other_account", "no_output_follows", "asked")
  }),
  Schema.TaggedStruct("CompactionDropped", {
    index: Schema.Number,
    reason: Schema.Literal("not_encrypted", "too_long", "other_account", "asked")
  }),
  Schema.TaggedStruct("CompactionTriggerDropped", { index: Schema.Number })
)

/**
 * @since 0.1.0
 * @category models
 */
export type Repair = typeof Repair.Type

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
  readonly repairs: ReadonlyArray<Repair>
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
): { readonly items: ReadonlyArray<Item.Item>; readonly repairs: ReadonlyArray<Repair> } => {
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
  repairs: ReadonlyArray<Repair>
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

const isProblem = (repair: Repair): boolean =>
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
