/**
 * What a caller says to get a turn, and its way to the body that is sent.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as History from "./History.ts"
import type * as Item from "./Item.ts"
import { notJson } from "./internal/json.ts"
import * as JsonSchema from "./JsonSchema.ts"
import * as Message from "./Message.ts"
import * as Model from "./Model.ts"
import * as ModelCatalogue from "./ModelCatalogue.ts"
import * as ResponsesRequest from "./ResponsesRequest.ts"
import { InvalidRequest } from "./ServiceError.ts"
import * as ToolSpec from "./ToolSpec.ts"

/**
 * A tool as the caller names it: its wire form, or anything that has one as `spec` (a `Tool`).
 *
 * @since 0.1.0
 * @category models
 */
export type ToolLike = ToolSpec.ToolSpec | { readonly spec: ToolSpec.ToolSpec }

/**
 * One request for a turn. All keys are optional, but there has to be something to answer.
 *
 * - The input is `input`, then `prompt` as a user message. `input` takes messages and items in any order: to go on with
 *   a conversation, give what was sent before, then the turn's `items`, then the results of its calls.
 * - `instructions` stand before the system messages at the head of the input; joined by blank lines, they are the
 *   request's instructions.
 * - `reasoning`, `verbosity`, `serviceTier`, `parallelToolCalls` and `model` fall back to the defaults, key by key.
 * - `output` asks for JSON: an `OutputFormat`, or any object with a wire `format`.
 * - `cacheKey` (at most 64 characters) names the conversation for the server's prompt cache; keep it the same in all
 *   its requests.
 * - `clientMetadata` is sent as it is; the backend needs none (protocol C.12).
 * - `extra` holds keys of the body this library has no name for. The server may refuse them.
 *
 * Sampling parameters and a cap on the output are refused by the backend for every model; `compile` says so to whoever
 * gives them in spite of the types (`ResponsesRequest.refusedParameters`).
 *
 * @since 0.1.0
 * @category models
 */
export interface TurnRequest {
  readonly prompt?: string
  readonly input?: ReadonlyArray<History.Entry>
  readonly instructions?: string
  readonly tools?: ReadonlyArray<ToolLike>
  readonly toolChoice?: ToolSpec.ToolChoice
  readonly parallelToolCalls?: boolean
  readonly model?: string
  readonly reasoning?: ResponsesRequest.Reasoning
  readonly verbosity?: ResponsesRequest.Verbosity
  readonly output?: { readonly format: ResponsesRequest.TextFormat }
  readonly serviceTier?: ResponsesRequest.ServiceTier
  readonly cacheKey?: string
  readonly clientMetadata?: Readonly<Record<string, string>>
  readonly extra?: Readonly<Record<string, unknown>>
}

/**
 * What holds where a request says nothing, and the catalogue its model is looked up in (default: the bundled one).
 *
 * @since 0.1.0
 * @category configuration
 */
export interface Defaults {
  readonly model: string
  readonly reasoning?: ResponsesRequest.Reasoning
  readonly verbosity?: ResponsesRequest.Verbosity
  readonly serviceTier?: ResponsesRequest.ServiceTier
  readonly parallelToolCalls?: boolean
  readonly instructions?: string
  readonly models?: ReadonlyArray<Model.Model>
}

/**
 * One change made on the way from the request to the body: to the history, or to a parameter the model's catalogue entry
 * does not allow. `SchemaChanged` names a tool or an output format whose JSON Schema the server would refuse and that is
 * sent in the nearest form it takes; `ToolDropped` a tool that has no such form, which is left out so that the others can
 * be used (`JsonSchema.normalize`).
 *
 * @since 0.1.0
 * @category schemas
 */
export const Repair = Schema.Union(
  ...History.Repair.members,
  Schema.TaggedStruct("EffortChanged", {
    model: Schema.String,
    requested: ResponsesRequest.Effort,
    sent: ResponsesRequest.Effort
  }),
  Schema.TaggedStruct("VerbosityDropped", { model: Schema.String, requested: ResponsesRequest.Verbosity }),
  Schema.TaggedStruct("ServiceTierDropped", { model: Schema.String, requested: ResponsesRequest.ServiceTier }),
  Schema.TaggedStruct("SchemaChanged", { name: Schema.String, changes: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("ToolDropped", { name: Schema.String, problems: Schema.Array(Schema.String) })
)

/**
 * @since 0.1.0
 * @category models
 */
export type Repair = typeof Repair.Type

/**
 * The body to send and what was changed to make it acceptable. The `index` of a history repair counts `input`,
 * then `prompt`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Compiled {
  readonly body: ResponsesRequest.ResponsesRequest
  readonly repairs: ReadonlyArray<Repair>
}

/**
 * The most items one request may hold.
 *
 * @since 0.1.0
 * @category configuration
 */
export const maxItems = 131_072

/**
 * The body for a request, or everything that is wrong with it at once, as the `problems` of one `InvalidRequest`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { ResponsesRequest, TurnRequest } from "@effect-codex/schema"
 *
 * const json = TurnRequest.compile({ prompt: "Say hello." }, { model: "gpt-5.5" }).pipe(
 *   Effect.map(({ body }) => ResponsesRequest.toJson(body))
 * )
 * ```
 */
export const compile = (request: TurnRequest, defaults: Defaults): Effect.Effect<Compiled, InvalidRequest> =>
  Effect.suspend(() => {
    const input = [...(request.input ?? []), ...(request.prompt === undefined ? [] : [Message.user(request.prompt)])]
    const misfits = input.flatMap((entry, index) => (isEntry(entry) ? [] : [index]))
    const history = History.compile(misfits.length === 0 ? input : input.filter(isEntry))
    const given = (request.tools ?? []).map((tool): unknown => (hasSpec(tool) ? tool.spec : tool))
    const schemas = normalizeSchemas(given, request.output?.format)
    const { specs } = schemas
    const tools = specs.filter(isToolSpec)
    const model = request.model ?? defaults.model
    const { repairs, ...parameters } = resolveParameters(model, request, defaults, schemas.format)
    const problems = [
      ...misfits.map((index) => `Entry ${index} of the input has fields that fit neither a message nor an item.`),
      ...inputProblems(request, history.items),
      ...specs.flatMap((tool, index) => (isToolSpec(tool) ? [] : [`Tool ${index} has fields that fit no tool.`])),
      ...toolProblems(tools, request.toolChoice),
      ...schemas.problems,
      ...(model.trim() === "" ? ["The model has no name: name one."] : []),
      ...reasoningProblems(parameters.reasoning),
      ...cacheKeyProblems(request.cacheKey),
      ...refusedProblems(request),
      ...extraProblems(request.extra)
    ]
    if (problems.length > 0) return Effect.fail(new InvalidRequest({ problems }))
    const instructions = [request.instructions ?? defaults.instructions ?? "", history.instructions]
    const parallel = request.parallelToolCalls ?? defaults.parallelToolCalls
    const body = ResponsesRequest.make({
      model,
      instructions: instructions.filter((part) => part !== "").join("\n\n"),
      input: history.items,
      ...parameters,
      ...(tools.length > 0 && { tools }),
      ...(request.toolChoice !== undefined && { tool_choice: request.toolChoice }),
      ...(parallel !== undefined && { parallel_tool_calls: parallel }),
      ...(request.cacheKey !== undefined && { prompt_cache_key: request.cacheKey }),
      ...(request.clientMetadata !== undefined && { client_metadata: request.clientMetadata }),
      ...(request.extra !== undefined && { extra: request.extra })
    })
    return Effect.succeed({ body, repairs: [...history.repairs, ...repairs, ...schemas.repairs] })
  })

const isEntry = Schema.is(History.Entry)

const isToolSpec = Schema.is(ToolSpec.ToolSpec)

const hasSpec = Predicate.hasProperty("spec")

/** The schemas of tools and of the output in forms the server takes. An output is not asked for in another way than said. */
const normalizeSchemas = (given: ReadonlyArray<unknown>, format: ResponsesRequest.TextFormat | undefined) => {
  const tools = given.map(ToolSpec.normalize)
  const repairs = tools.flatMap(
    ({ changes, refused }): ReadonlyArray<Repair> => [
      ...changes.map((change): Repair => ({ _tag: "SchemaChanged", ...change })),
      ...refused.map(({ name, problems }): Repair => ({ _tag: "ToolDropped", name, problems }))
    ]
  )
  const specs = tools.flatMap((one) => ("tool" in one ? [one.tool] : []))
  if (format?.type !== "json_schema") return { specs, format, repairs, problems: [] }
  const { name, schema } = format
  const strict = format.strict === true
  const output = JsonSchema.normalize(name, schema, { strict })
  if (Either.isLeft(output)) return { specs, format, repairs, problems: [output.left.message] }
  const { changes, jsonSchema } = output.right
  if (strict && !output.right.strict) return { specs, format, repairs, problems: changes }
  return jsonSchema === schema
    ? { specs, format, repairs, problems: [] }
    : {
        specs,
        format: { ...format, schema: jsonSchema },
        repairs: [...repairs, { _tag: "SchemaChanged", name, changes } satisfies Repair],
        problems: []
      }
}

/** What depends on the model's catalogue entry. */
const resolveParameters = (
  model: string,
  request: TurnRequest,
  defaults: Defaults,
  format: ResponsesRequest.TextFormat | undefined
) => {
  const models = defaults.models ?? ModelCatalogue.bundled
  const entry = ModelCatalogue.resolve(models, model)
  const repairs: Array<Repair> = []
  const requested = request.reasoning?.effort ?? defaults.reasoning?.effort
  const effort = requested && Model.resolveEffort(ModelCatalogue.get(models, model) ?? model, requested)
  if (requested !== undefined && effort !== undefined && effort !== requested) {
    repairs.push({ _tag: "EffortChanged", model, requested, sent: effort })
  }
  const { summary, ...other } = { ...defaults.reasoning, ...request.reasoning }
  // A summary by default is not worth failing a request that wants no reasoning.
  const told = effort === "none" ? request.reasoning?.summary : summary
  const reasoning = { ...other, ...(effort && { effort }), ...(told && { summary: told }) }
  let verbosity = request.verbosity ?? defaults.verbosity
  if (verbosity !== undefined && entry?.support_verbosity === false) {
    repairs.push({ _tag: "VerbosityDropped", model, requested: verbosity })
    verbosity = undefined
  }
  let tier = request.serviceTier ?? defaults.serviceTier
  if (tier === "priority" && entry?.service_tiers && !entry.service_tiers.some(({ id }) => id === tier)) {
    repairs.push({ _tag: "ServiceTierDropped", model, requested: tier })
    tier = undefined
  }
  const text = { ...(verbosity && { verbosity }), ...(format && { format }) }
  return {
    repairs,
    ...(Object.keys(reasoning).length > 0 && { reasoning }),
    ...(tier !== undefined && { service_tier: tier }),
    ...(Object.keys(text).length > 0 && { text })
  }
}

const reasoningProblems = (reasoning: ResponsesRequest.Reasoning | undefined): ReadonlyArray<string> =>
  reasoning?.effort === "none" && reasoning.summary !== undefined
    ? ['A reasoning summary was asked for, but with the effort "none" there is no reasoning: leave one of them out.']
    : []

const inputProblems = (request: TurnRequest, items: ReadonlyArray<Item.Item>): ReadonlyArray<string> => {
  if (request.prompt?.trim() === "") return ["The prompt is empty: say something in it, or leave it out."]
  if (items.length === 0) return ["There is no input: give a prompt, or messages and items."]
  if (items.length > maxItems) {
    return [`The input has ${items.length} items and may have ${maxItems}: shorten or compact the history.`]
  }
  return items.flatMap((item, index) => {
    const unwritable = notJson(item)
    if (unwritable !== undefined) {
      return [`Input item ${index} cannot be written as JSON: ${unwritable.path} is ${unwritable.what}.`]
    }
    return contentOf(item).flatMap((part, place) => {
      const problem = partProblem(part)
      return problem === undefined ? [] : [`Part ${place} of input item ${index} ${problem}`]
    })
  })
}

const contentOf = (item: Item.Item): ReadonlyArray<Item.ContentPart> => {
  switch (item.type) {
    case "message":
      return item.content
    case "function_call_output":
    case "custom_tool_call_output":
      return typeof item.output === "string" ? [] : item.output
    default:
      return []
  }
}

const partProblem = (part: Item.ContentPart): string | undefined => {
  if (part.type === "input_image") return urlProblem(part.image_url, "image", "image/")
  if (part.type !== "input_file") return undefined
  if (part.file_data !== undefined) return urlProblem(part.file_data, "document", "")
  return part.file_url === undefined ? undefined : urlProblem(part.file_url, "document", "")
}

/** What keeps a URL from being an image or document; its text may be private and large, and is not quoted. */
const urlProblem = (url: string, noun: string, mediaType: string): string | undefined => {
  if (/^https?:\/\/[^\s/]/i.test(url)) return undefined
  if (!/^data:/i.test(url)) {
    return `is no ${noun}: its URL is neither an https: nor a data: URL; give base64 as "data:${mediaType || "application/"}…;base64,…".`
  }
  const comma = url.indexOf(",")
  const header = comma === -1 ? "" : url.slice("data:".length, comma).toLowerCase()
  if (!header.startsWith(mediaType) || !/^[\w.+-]+\/[\w.+-]+(?:;[^;]*)*;base64$/.test(header)) {
    return `is no ${noun}: its data: URL does not begin with "data:${mediaType || "application/"}…;base64,".`
  }
  if (comma === url.length - 1) return `is no ${noun}: its data: URL holds no data.`
  return base64.test(url.slice(comma + 1)) ? undefined : `is no ${noun}: the data of its data: URL is not base64.`
}

const base64 = /^[A-Za-z0-9+/]+={0,2}$/

const toolName = /^[a-zA-Z0-9_-]{1,64}$/

const toolProblems = (
  tools: ReadonlyArray<ToolSpec.ToolSpec>,
  choice: ToolSpec.ToolChoice | undefined
): ReadonlyArray<string> => {
  const names = tools.flatMap((tool) => ToolSpec.name(tool) ?? [])
  const inner = tools.flatMap((tool) => (tool.type === "namespace" ? tool.tools.map(({ name }) => name) : []))
  const bad = [...names, ...inner].filter((name) => !toolName.test(name))
  const twice = new Set(names.filter((name, index) => names.indexOf(name) !== index))
  return [
    ...bad.map(
      (name) => `The tool name "${name}" is not allowed: use 1 to 64 of the characters a-z, A-Z, 0-9, _ and -.`
    ),
    ...[...twice].map((name) => `Two tools are named "${name}": give each tool a name of its own.`),
    ...tools.flatMap((tool, index) => {
      const unwritable = notJson(tool)
      const path = unwritable?.path
      return unwritable === undefined ? [] : [`Tool ${index} cannot be written as JSON: ${path} is ${unwritable.what}.`]
    }),
    ...choiceProblems(tools, new Set([...names, ...inner]), choice)
  ]
}

const choiceProblems = (
  tools: ReadonlyArray<ToolSpec.ToolSpec>,
  names: ReadonlySet<string>,
  choice: ToolSpec.ToolChoice | undefined
): ReadonlyArray<string> => {
  if (choice === undefined || choice === "auto" || choice === "none") return []
  if (tools.length === 0) return ["The tool choice asks for a tool, but there is none: give tools, or leave it out."]
  if (choice === "required") return []
  const chosen = choice.type === "allowed_tools" ? choice.tools : [choice]
  return chosen.flatMap((tool) => {
    const name = "name" in tool ? tool.name : undefined
    return typeof name !== "string" || names.has(name)
      ? []
      : [`The tool choice names "${name}", which is not among the tools: add it, or choose another.`]
  })
}

const cacheKeyProblems = (key: string | undefined): ReadonlyArray<string> =>
  key === undefined || (key !== "" && key.length <= ResponsesRequest.maxCacheKeyLength)
    ? []
    : [`The cache key has ${key.length} characters and may have 1 to ${ResponsesRequest.maxCacheKeyLength}.`]

/** For callers without types: asking for what cannot be had must not go unheard. */
const refusedProblems = (request: TurnRequest): ReadonlyArray<string> =>
  Object.keys(request).flatMap((key) => {
    const wireName = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    const reason = ResponsesRequest.refusedParameters.get(wireName)
    return reason === undefined ? [] : [`"${key}" cannot be asked for: ${reason}.`]
  })

const extraProblems = (extra: TurnRequest["extra"]): ReadonlyArray<string> => {
  const unwritable = notJson(extra)
  return [
    ...Object.keys(extra ?? {})
      .filter((key) => ResponsesRequest.ownKeys.has(key))
      .map((key) => `"${key}" cannot be set by extra, since the request itself writes it: use the request's own key.`),
    ...(unwritable === undefined ? [] : [`extra cannot be written as JSON: ${unwritable.path} is ${unwritable.what}.`])
  ]
}
