/**
 * A demo backend: it answers any prompt, and calls a tool if the request has one.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as PromptCache from "./PromptCache.ts"
import * as Script from "./Script.ts"

/** The last capitalised word of the prompt, such as a city, or the whole prompt. */
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

/** Arguments that match the tool's JSON schema: its required properties, or all if none is required. */
const sampleArguments = (schema: unknown, subject: string): Record<string, unknown> => {
  const parameters = Option.getOrElse(decodeParameters(schema), (): typeof Parameters.Type => ({ properties: {} }))
  const names = parameters.required ?? Object.keys(parameters.properties)
  return Object.fromEntries(names.map((name) => [name, sample(parameters.properties[name], subject)]))
}

const answer = (request: Script.Request): Script.Turn => {
  const { toolOutputs, tools } = request
  const prompt = request.prompt.trim()
  const tool = tools.find((tool) => tool.type === "function")
  if (toolOutputs.length > 0) {
    return {
      reasoning: "The result is here; it answers the question.",
      text: `Here is what I found: ${toolOutputs.map(({ output }) => output).join("; ")}`
    }
  }
  if (tool?.type === "function") {
    const { name, parameters } = tool
    return {
      reasoning: `The question is “${prompt}”. The tool ${name} can tell.`,
      text: `Let me ask ${name}.`,
      toolCalls: [{ name, arguments: sampleArguments(parameters, subjectOf(prompt)) }]
    }
  }
  return {
    reasoning: "There is no tool to ask, so the answer comes at once.",
    text: `You said: “${prompt}”. I am a scripted backend and know no more than that, but this is how an answer streams.`
  }
}

const respond = PromptCache.responder(answer)

/**
 * Answers with reasoning, some text and a call of the first function tool. After the tool output, it answers with a
 * final text that includes it. Without tools, it answers with text only. It is slow, so that streaming is visible.
 *
 * @since 0.1.0
 * @category constructors
 */
export const script = (request: Script.Request, earlier: ReadonlyArray<Script.Request>): Script.Step =>
  respond(request, earlier).pipe(Script.delay("200 millis"), Script.drip("15 millis"))
