/**
 * Structured output: the answer as JSON of a given schema, decoded.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Failure from "./Failure.ts"
import * as JsonSchema from "./JsonSchema.ts"
import * as Redaction from "./Redaction.ts"
import type * as ResponsesRequest from "./ResponsesRequest.ts"
import * as ToolSpec from "./ToolSpec.ts"
import type * as Turn from "./Turn.ts"

/**
 * The format of an answer. `format` is sent with the request; `decode` decodes the answer of a finished turn.
 * `decodeEncoded` returns the schema's encoded side instead, without `null` for absent keys, for callers that decode it
 * themselves. It fails in the same cases as `decode`.
 *
 * @since 0.1.0
 * @category models
 */
export interface OutputFormat<out A> {
  readonly name: string
  readonly format: ResponsesRequest.TextFormat
  readonly decode: (turn: Answer) => Effect.Effect<A, InvalidOutput>
  readonly decodeEncoded: (turn: Answer) => Effect.Effect<unknown, InvalidOutput>
}

/**
 * The parts of a turn that decoding uses: its text, without blocks whose `phase` is commentary.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = Pick<Turn.Turn, "status" | "text" | "refusal"> & Partial<Pick<Turn.Turn, "blocks">>

const answerOf = ({ blocks = [], text }: Answer): string => {
  const texts = blocks.flatMap((block) => (block._tag === "Text" ? [block] : []))
  const answers = texts.filter(({ phase }) => phase !== "commentary")
  return answers.length === 0 ? text : answers.map((block) => block.text).join("")
}

/**
 * The answer has no valid value: the model refused (`refused`), was cut off (`incomplete`), or wrote text that is not
 * JSON (`invalid_json`) or does not match the schema (`mismatch`). `text` is the model's text.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidOutput extends Failure.Class<InvalidOutput>("@effect-codex/schema/InvalidOutput")("InvalidOutput", {
  format: Schema.String,
  text: Schema.String,
  reason: Schema.Literal("refused", "incomplete", "invalid_json", "mismatch"),
  issues: Schema.Array(JsonSchema.Issue)
}) {
  override get message(): string {
    const issues = JsonSchema.formatIssues(this.issues)
    const sentences: Record<InvalidOutput["reason"], string> = {
      refused: `The model declined to answer in the form "${this.format}": ${this.text}`,
      incomplete: `The answer in the form "${this.format}" was cut off; ask for less, or for it in parts.`,
      invalid_json: `The answer is not valid JSON (${issues}); ask again.`,
      mismatch: `The answer does not fit the form "${this.format}" (${issues}); ask again.`
    }
    return Redaction.visible(sentences[this.reason])
  }
}

/**
 * An output format from a schema, in the strict subset: see `JsonSchema.strictFromSchema`. The model sees `name`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { OutputFormat } from "@effect-codex/schema"
 *
 * const Person = Schema.Struct({ name: Schema.String, age: Schema.optional(Schema.Int) })
 *
 * const program = Effect.gen(function* () {
 *   const person = yield* OutputFormat.make({ name: "person", schema: Person })
 *   return yield* person.decode({ status: "completed", text: '{"name":"Ada","age":null}' }) // { name: "Ada" }
 * })
 * ```
 */
export const make = <A, I>(options: {
  readonly name: string
  readonly description?: string | undefined
  readonly schema: Schema.Schema<A, I>
}): Effect.Effect<OutputFormat<A>, JsonSchema.UnsupportedSchema> => {
  const { description, name } = options
  if (!ToolSpec.isName(name)) {
    return Effect.fail(new JsonSchema.UnsupportedSchema({ name, problems: [ToolSpec.nameRule] }))
  }
  return Effect.map(
    JsonSchema.strictFromSchema(name, options.schema),
    ({ codec, encodedCodec, jsonSchema }): OutputFormat<A> => {
      const decode = (turn: Answer) => read(name, codec, turn)
      return {
        name,
        format: {
          type: "json_schema",
          name,
          ...(description === undefined ? {} : { description }),
          strict: true,
          schema: jsonSchema
        },
        decode,
        decodeEncoded: (turn) => Effect.zipRight(decode(turn), read(name, encodedCodec, turn))
      }
    }
  )
}

const read = <A>(name: string, codec: Schema.Schema<A, unknown>, turn: Answer): Effect.Effect<A, InvalidOutput> => {
  const fail = (
    text: string,
    reason: InvalidOutput["reason"],
    issues: ReadonlyArray<JsonSchema.Issue> = []
  ): Effect.Effect<never, InvalidOutput> => Effect.fail(new InvalidOutput({ format: name, text, reason, issues }))
  if (turn.refusal !== undefined) return fail(turn.refusal, "refused")
  if (turn.status === "incomplete") return fail(turn.text, "incomplete")
  const text = answerOf(turn)
  return JsonSchema.parse(codec, text).pipe(Effect.catchAll(({ issues, reason }) => fail(text, reason, issues)))
}
