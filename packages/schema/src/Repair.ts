/**
 * The changes made to a request so that the backend accepts it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ResponsesRequest from "./ResponsesRequest.ts"

/**
 * One change made to a history. `index` is the position of the changed entry in the given history.
 *
 * - `SystemMessageMoved`: a system message that is not at the start is sent as a developer message.
 * - `EmptyMessageDropped`: a message without content was removed.
 * - `EntryDropped`: an entry is neither a message nor an item, or lacks a required field.
 * - `DuplicateDropped`: the same item occurs twice.
 * - `FieldRepaired`: a field of an item had the wrong type, or a value JSON cannot represent; it was removed, or
 *   converted to the right type.
 * - `TextMadeWellFormed`: unpaired surrogates were replaced by U+FFFD.
 * - `PartRewritten`: a content part was normalized to the form the backend expects: base64, media type, an image's
 *   `detail`, `input_text` or `output_text`.
 * - `ContentReplaced`: an image, document or audio part cannot be sent; it was replaced by the text of `problem`.
 * - `TextCut`: a text was truncated in the middle, with a marker. `too_long`: it exceeds the backend's limit;
 *   `output_limit`: it exceeds the request's limit.
 * - `IdRemoved`: an item's id was removed because it is too long, lacks the prefix of its type, has illegal characters,
 *   is a duplicate, or belongs to reasoning that was removed. The item itself is kept.
 * - `CallIdRewritten`: a call and its output got a new shared id because theirs was empty, illegal, too long or a
 *   duplicate.
 * - `NameRewritten`: a call's name or namespace is not a legal tool name; it was replaced by a similar legal name. A
 *   blank namespace was removed (`to` is `""`).
 * - `ArgumentsReplaced`: the arguments of a call were too long; they were replaced by a sentence.
 * - `OutputAdded`: a call had no output; a neutral one was added right after it.
 * - `OutputDropped`: an output matched no call, or its call already had an output.
 * - `OutputTypeChanged`: an output did not match its call's type, so its type was changed.
 * - `ReasoningDropped`: reasoning was removed because it has no encrypted content, too much of it, or content of
 *   another account, because its output does not follow it, or because the caller asked for it
 *   (`History.withoutReasoning`).
 * - `CompactionDropped`: a compaction was removed for the same reasons. The model loses the compacted content.
 * - `CompactionTriggerDropped`: a compaction trigger was not the last item.
 *
 * @since 0.1.0
 * @category schemas
 */
export const HistoryRepair = Schema.Union(
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
export type HistoryRepair = typeof HistoryRepair.Type

/**
 * One change made while compiling a request: to the history, or to a parameter the model's catalogue entry does not
 * allow. `ParameterMadeWellFormed` names the body key in which unpaired surrogates were replaced. `SchemaChanged` names
 * a tool or an output format whose JSON Schema the server would refuse, so it is sent in the nearest accepted form.
 * `ToolDropped` names a tool without such a form; it is removed so that the others can be used
 * (`JsonSchema.normalize`).
 *
 * @since 0.1.0
 * @category schemas
 */
export const Repair = Schema.Union(
  ...HistoryRepair.members,
  Schema.TaggedStruct("EffortChanged", {
    model: Schema.String,
    requested: ResponsesRequest.Effort,
    sent: ResponsesRequest.Effort
  }),
  Schema.TaggedStruct("VerbosityDropped", { model: Schema.String, requested: ResponsesRequest.Verbosity }),
  Schema.TaggedStruct("ServiceTierDropped", { model: Schema.String, requested: ResponsesRequest.ServiceTier }),
  Schema.TaggedStruct("ParameterMadeWellFormed", { parameter: Schema.String }),
  Schema.TaggedStruct("SchemaChanged", { name: Schema.String, changes: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("ToolDropped", { name: Schema.String, problems: Schema.Array(Schema.String) })
)

/**
 * @since 0.1.0
 * @category models
 */
export type Repair = typeof Repair.Type
