/**
 * A backend for a first look: it answers any prompt, and calls a tool where it is offered one.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as PromptCache from "./PromptCache.ts"
import * as Script from "./Script.ts"

const Parts = Schema.Array(Schema.Struct({ text: Schema.optionalWith(Schema.String, { exact: true }) }))

/** What of a request matters here. */
const Body = Schema.Struct({
  input: Schema.Array(
    Schema.Struct({
      type: Schema.optionalWith(Schema.String, { default: () => "message" }),
      role: Schema.optionalWith(Schema.String, { exact: true }),
      content: Schema.optionalWith(Schema.NullOr(Schema.Union(Schema.String, Parts)), { exact: true }),
      output: Schema.optionalWith(Schema.Union(Schema.String, Parts), { exact: true })
    })
  ),
  tools: Schema.optionalWith(
    Schema.Array(
      Schema.Struct({
        type: Schema.String,
        name: Schema.optionalWith(Schema.String, { exact: true }),
        parameters: Schema.optionalWith(Schema.Unknown, { exact: true })
      })
    ),
    { default: () => [] }
  )
})

const decodeBody = Schema.decodeUnknownOption(Body)

const textOf = (content: string | typeof Parts.Type | null | undefined): string =>
  typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("")

/** The last name in the prompt, such as a city, else all of it. */
const subjectOf = (prompt: string): string => prompt.match(/(?<=\s)\p{Lu}[\p{L}\p{N}_-]*/gu)?.at(-1) ?? prompt

const Parameters = Schema.Struct({
  properties: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
  required: Schema.optionalWith(Schema.Array(Schema.String), { exact: true })
})
const decodeParameters = Schema.decodeUnknownOption(Parameters)

const Property = Schema.Struct({
  type: Schema.optionalWith(Schema.Unknown, { exact: true }),
  enum: Schema.optionalWith(Schema.Array(Schema.Unknown), { exact: true }),
  default: Schema.optionalWith(Schema.Unknown, { exact: true })
})
const decodeProperty = Schema.decodeUnknownOption(Property)

const sample = (schema: unknown, subject: string): unknown => {
  const property = Option.getOrUndefined(decodeProperty(schema))
  if (property?.enum !== undefined && property.enum.length > 0) return property.enum[0]
  if (property?.default !== undefined) return property.default
  switch (property?.type) {
    case "integer":
    case "number":
      return 1
    case "boolean":
      return true
    case "array":
      return []
    case "object":
      return sampleArguments(schema, subject)
    default:
      return subject
  }
}

/** Arguments that fit the tool's JSON schema: its required properties, else all. */
const sampleArguments = (schema: unknown, subject: string): Record<string, unknown> => {
  const parameters = Option.getOrElse(decodeParameters(schema), (): typeof Parameters.Type => ({ properties: {} }))
  const names = parameters.required ?? Object.keys(parameters.properties)
  return Object.fromEntries(names.map((name) => [name, sample(parameters.properties[name], subject)]))
}

const answer = (request: Script.Request): Script.Turn => {
  const body = Option.getOrElse(decodeBody(request.body), (): typeof Body.Type => ({ input: [], tools: [] }))
  const asked = body.input.map((item) => item.type === "message" && item.role === "user").lastIndexOf(true)
  const prompt = textOf(body.input[asked]?.content).trim()
  const outputs = body.input.slice(asked + 1).filter((item) => item.type.endsWith("_call_output"))
  const tool = body.tools.find((tool) => tool.type === "function" && tool.name !== undefined)

  if (outputs.length > 0) {
    return {
      reasoning: "The result is here; it answers the question.",
      text: `Here is what I found: ${outputs.map((item) => textOf(item.output)).join("; ")}`
    }
  }
  if (tool?.name !== undefined) {
    return {
      reasoning: `The question is “${prompt}”. The tool ${tool.name} can tell.`,
      text: `Let me ask ${tool.name}.`,
      toolCalls: [{ name: tool.name, arguments: sampleArguments(tool.parameters, subjectOf(prompt)) }]
    }
  }
  return {
    reasoning: "There is no tool to ask, so the answer comes at once.",
    text: `You said: “${prompt}”. I am a scripted backend and know no more than that, but this is how an answer streams.`
  }
}

const respond = PromptCache.responder(answer)

/**
 * Answers with reasoning, some text and a call of the first function tool on offer; given the tool's output, with a
 * final text that has it; without tools, with text at once. It takes its time, so that one sees it stream.
 *
 * @since 0.1.0
 * @category constructors
 */
export const script = (request: Script.Request, earlier: ReadonlyArray<Script.Request>): Script.Step =>
  respond(request, earlier).pipe(Script.delay("200 millis"), Script.drip("15 millis"))
