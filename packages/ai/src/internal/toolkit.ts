/** The tools of a request: their wire form, and the handling of the model's calls. */
import type { ProviderOptions } from "@effect/ai/LanguageModel"
import * as AiTool from "@effect/ai/Tool"
import { JsonSchema, Tool, ToolSpec, type Turn } from "@effect-codex/schema"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { ToolError } from "effect-codex"
import * as CodexTool from "../CodexTool.ts"
import { jsonOf } from "./json.ts"

/** A valid call, with the handler's input. */
export interface Fit {
  readonly _tag: "Fit"
  readonly call: Turn.ToolCall
  readonly name: string
  readonly params: unknown
}

/** A call that matches no tool. The error's message is sent to the model. */
export interface Misfit {
  readonly _tag: "Misfit"
  readonly call: Turn.ToolCall
  readonly error: Tool.InvalidToolArguments | ToolError.UnknownTool | ToolError.CallRejected
}

export interface Toolkit {
  readonly specs: ReadonlyArray<ToolSpec.ToolSpec>
  readonly choice: ToolSpec.ToolChoice
  readonly judge: (call: Turn.ToolCall) => Effect.Effect<Fit | Misfit>
  /** The wire form of a call from an earlier turn, by tool name. */
  readonly earlierCall: (callId: string, name: string, params: unknown) => Turn.ToolCall
  /** The tool of the toolkit for a hosted call. */
  readonly hosted: (type: string) => AiTool.AnyProviderDefined | undefined
}

type Kind = "function" | "custom" | "local_shell" | "web_search" | "image_generation"

interface Declared {
  readonly tool: AiTool.Any
  readonly kind: Kind
  readonly spec: ToolSpec.ToolSpec
  /** Decodes the arguments of a call. */
  readonly codec: Schema.Schema<unknown, unknown>
  /** For a strict tool: decodes only the nulls that stand for absent keys. */
  readonly encodedCodec: Schema.Schema<unknown, unknown> | undefined
}

const kinds: Readonly<Record<string, Kind>> = {
  [CodexTool.ids.custom]: "custom",
  [CodexTool.ids.localShell]: "local_shell",
  [CodexTool.ids.webSearch]: "web_search",
  [CodexTool.ids.imageGeneration]: "image_generation"
}

/** Tools are declared once per Layer, so that each schema is compiled once and its warnings are logged once. */
export type Declarations = WeakMap<AiTool.Any, Declared>

const noParameters: JsonSchema.JsonSchema = { type: "object", properties: {}, additionalProperties: false }

const noParametersForm: Pick<JsonSchema.Form<unknown>, "jsonSchema" | "encodedCodec" | "warnings"> = {
  jsonSchema: noParameters,
  encodedCodec: Schema.Unknown,
  warnings: []
}

const unsupported = (name: string, ...problems: ReadonlyArray<string>) =>
  new JsonSchema.UnsupportedSchema({ name, problems })

const declareProvider = (tool: AiTool.AnyProviderDefined): Either.Either<Declared, JsonSchema.UnsupportedSchema> => {
  const kind = kinds[tool.id]
  if (kind === undefined) {
    return Either.left(
      unsupported(tool.name, `The tool "${tool.id}" belongs to another provider; use those of CodexTool.`)
    )
  }
  const { failureMode: _, ...args } = tool.args as Readonly<Record<string, unknown>>
  const spec = ToolSpec.other({ type: kind, ...(kind === "custom" && { name: tool.name }), ...args })
  const codec = Schema.make<unknown, unknown>(tool.parametersSchema.ast)
  return Either.right({ tool, kind, spec, codec, encodedCodec: undefined })
}

const declareFunction = (
  tool: AiTool.Any
): Either.Either<Declared & { readonly warnings: ReadonlyArray<string> }, JsonSchema.UnsupportedSchema> => {
  const { name, parametersSchema } = tool
  const codec = Schema.make<unknown, unknown>(parametersSchema.ast)
  const strict = Context.get(tool.annotations, CodexTool.Strict)
  const form: Either.Either<typeof noParametersForm, JsonSchema.UnsupportedSchema> =
    (parametersSchema as Schema.Schema.All) === AiTool.EmptyParams
      ? Either.right(noParametersForm)
      : JsonSchema.fromSchema(name, codec, { strict })
  const description = AiTool.getDescription(tool as never)
  return Either.map(form, ({ encodedCodec, jsonSchema, warnings }) => ({
    tool,
    kind: "function",
    codec,
    encodedCodec: strict ? encodedCodec : undefined,
    warnings,
    spec: { type: "function", name, ...(description !== undefined && { description }), strict, parameters: jsonSchema }
  }))
}

const declare = (tool: AiTool.Any): Effect.Effect<Declared, JsonSchema.UnsupportedSchema> => {
  if (AiTool.isProviderDefined(tool)) return declareProvider(tool as unknown as AiTool.AnyProviderDefined)
  if (!ToolSpec.isName(tool.name)) return Effect.fail(unsupported(tool.name, ToolSpec.nameRule))
  return Effect.tap(declareFunction(tool), ({ warnings }) =>
    Effect.forEach(warnings, (warning) => Effect.logWarning(`Tool "${tool.name}": ${warning}`), { discard: true })
  )
}

const choiceOf = ({ toolChoice }: ProviderOptions, declared: ReadonlyArray<Declared>): ToolSpec.ToolChoice => {
  if (typeof toolChoice === "string") return toolChoice
  if ("oneOf" in toolChoice) return toolChoice.mode === "required" ? "required" : "auto"
  const chosen = declared.find(({ tool }) => tool.name === toolChoice.tool)
  switch (chosen?.kind) {
    case "custom":
      return { type: "custom", name: toolChoice.tool }
    case "web_search":
    case "image_generation":
      return { type: chosen.kind }
    case "local_shell":
      return { type: "allowed_tools", mode: "required", tools: [{ type: "local_shell" }] }
    default:
      return { type: "function", name: toolChoice.tool }
  }
}

/** The name of a tool on the wire. */
const wireName = ({ kind, tool }: Declared): string => (kind === "local_shell" ? kind : tool.name)

/** Parses JSON, rejecting keys that could pollute prototypes. */
const secureJson = (text: string): Either.Either<unknown, string> =>
  Either.try({
    try: () => AiTool.unsafeSecureJsonParse(text),
    catch: (cause) => (cause instanceof Error ? cause.message : "not JSON")
  })

/** A `Chat` keeps decoded parameters; parameters that cannot be encoded are used unchanged. */
const encoded = ({ codec }: Declared, params: unknown): unknown => {
  const result = Either.try(() => Schema.encodeUnknownEither(codec)(params))
  return Either.isRight(result) && Either.isRight(result.right) ? result.right.right : params
}

/** The handler's input as JSON text, before decoding. */
const paramsJson = (kind: Kind, call: Turn.ToolCall): string => {
  if (kind === "custom") return JSON.stringify({ input: call.arguments })
  // models write an empty string for no arguments
  return call.arguments === "" ? "{}" : call.arguments
}

export const make = (
  options: ProviderOptions,
  declarations: Declarations
): Effect.Effect<Toolkit, JsonSchema.UnsupportedSchema> =>
  Effect.gen(function* () {
    const declared: Array<Declared> = []
    for (const tool of options.tools) {
      const known = declarations.get(tool) ?? (yield* declare(tool))
      declarations.set(tool, known)
      declared.push(known)
    }
    const handled = new Map(
      declared.flatMap((one) =>
        one.kind === "web_search" || one.kind === "image_generation" ? [] : [[wireName(one), one] as const]
      )
    )

    const judge = (call: Turn.ToolCall): Effect.Effect<Fit | Misfit> =>
      Effect.gen(function* () {
        const misfit = (error: Misfit["error"]): Misfit => ({ _tag: "Misfit", call, error })
        const { name, namespace, type, unreadable } = call
        const found = namespace === undefined ? handled.get(name) : undefined
        if (found === undefined || found.kind !== type) {
          const known = [...handled.keys()]
          return misfit(
            new ToolError.UnknownTool({ name: namespace === undefined ? name : `${namespace}.${name}`, known })
          )
        }
        if (unreadable !== undefined) return misfit(new ToolError.CallRejected({ name, reason: "unreadable" }))
        const json = paramsJson(found.kind, call)
        const invalid = (problem: Pick<Tool.InvalidToolArguments, "reason" | "issues">) =>
          misfit(
            new Tool.InvalidToolArguments({ tool: name, callId: call.callId, arguments: call.arguments, ...problem })
          )
        const parsed = secureJson(json)
        if (Either.isLeft(parsed)) {
          return invalid({ reason: "invalid_json", issues: [{ path: [], message: parsed.left }] })
        }
        const params =
          found.encodedCodec === undefined
            ? Effect.as(JsonSchema.parse(found.codec, json), parsed.right)
            : Effect.tap(JsonSchema.parse(found.encodedCodec, json), (params) =>
                JsonSchema.parse(found.codec, JSON.stringify(params))
              )
        return yield* params.pipe(
          Effect.map((params): Fit | Misfit => ({ _tag: "Fit", call, name: found.tool.name, params })),
          Effect.catchAll((problem) => Effect.succeed(invalid(problem)))
        )
      })

    return {
      specs: declared.map(({ spec }) => spec),
      choice: choiceOf(options, declared),
      judge,
      earlierCall: (callId, name, params) => {
        const one = declared.find(({ tool }) => tool.name === name)
        const json = jsonOf(one === undefined ? params : encoded(one, params), "{}") ?? "{}"
        if (one?.kind === "custom") {
          const { input } = (params ?? {}) as { readonly input?: unknown }
          return { type: "custom", callId, name, arguments: typeof input === "string" ? input : json }
        }
        if (one?.kind === "local_shell") {
          const action = { type: "exec", ...(JSON.parse(json) as object) }
          return { type: "local_shell", callId, name: wireName(one), arguments: JSON.stringify(action) }
        }
        return { type: "function", callId, name, arguments: json }
      },
      hosted: (type) => {
        const one = declared.find(({ kind }) => `${kind}_call` === type)
        return one?.kind === "web_search" || one?.kind === "image_generation"
          ? (one.tool as AiTool.AnyProviderDefined)
          : undefined
      }
    }
  })
