/**
 * What was changed of a request so that the backend accepts it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ResponsesRequest from "./ResponsesRequest.ts"

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
 *   `output_limit`: longer than the request's limit.
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
 *   that is not followed by the output it led to; or the caller asked for it (`History.withoutReasoning`).
 * - `CompactionDropped`: the same for a compaction. What was compacted is lost to the model.
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
 * One change made on the way from the request to the body: to the history, or to a parameter the model's catalogue entry
 * does not allow. `ParameterMadeWellFormed` names the key of the body in which unpaired surrogates were replaced.
 * `SchemaChanged` names a tool or an output format whose JSON Schema the server would refuse and that is sent in the
 * nearest form it takes; `ToolDropped` a tool that has no such form, which is left out so that the others can be used
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
