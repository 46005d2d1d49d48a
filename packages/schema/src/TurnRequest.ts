/**
 * The caller's request for a turn, and its compilation to the body that is sent.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { defined } from "./Defined.ts"
import * as Guard from "./Guard.ts"
import * as History from "./History.ts"
import type * as Item from "./Item.ts"
import * as Json from "./internal/json.ts"
import * as Names from "./internal/names.ts"
import * as ToolSchemas from "./internal/toolSchemas.ts"
import * as JsonSchema from "./JsonSchema.ts"
import * as Message from "./Message.ts"
import * as Model from "./Model.ts"
import * as ModelCatalogue from "./ModelCatalogue.ts"
import type { Repair } from "./Repair.ts"
import * as ResponsesRequest from "./ResponsesRequest.ts"
import { InvalidRequest } from "./ServiceError.ts"
import * as ToolSpec from "./ToolSpec.ts"

/**
 * A tool of a request: a wire spec, or an object with a `spec` (a `Tool`).
 *
 * @since 0.1.0
 * @category models
 */
export type ToolLike = ToolSpec.ToolSpec | { readonly spec: ToolSpec.ToolSpec }

/**
 * A request for a turn. All keys are optional, but the input must not be empty.
 *
 * - The input is `input`, followed by `prompt` as a user message. `input` accepts any mix of messages and items: to
 *   continue a conversation, pass the previous input, then the turn's `items`, then the results of its calls.
 * - `instructions` are joined with the leading system messages of the input by blank lines.
 * - `reasoning`, `verbosity`, `serviceTier`, `parallelToolCalls` and `model` default to {@link Defaults}, key by key.
 * - `output` requests JSON: an `OutputFormat`, or any object with a wire `format`.
 * - `cacheKey` (at most 64 characters) identifies the conversation for the server's prompt cache; use the same key for
 *   all its requests.
 * - `clientMetadata` is sent unchanged; the backend does not require any (protocol C.12).
 * - `extra` holds additional body keys unknown to this library. The server may refuse them.
 *
 * The backend refuses sampling parameters and output limits for all models. They have no key here, and `compile`
 * reports them if they are passed anyway (`ResponsesRequest.refusedParameters`).
 *
 * @since 0.1.0
 * @category models
 */
export interface TurnRequest {
  readonly prompt?: string | undefined
  readonly input?: ReadonlyArray<History.Entry> | undefined
  readonly instructions?: string | undefined
  readonly tools?: ReadonlyArray<ToolLike> | undefined
  readonly toolChoice?: ToolSpec.ToolChoice | undefined
  readonly parallelToolCalls?: boolean | undefined
  readonly model?: string | undefined
  readonly reasoning?: ResponsesRequest.Reasoning | undefined
  readonly verbosity?: ResponsesRequest.Verbosity | undefined
  readonly output?: { readonly format: ResponsesRequest.TextFormat } | undefined
  readonly serviceTier?: ResponsesRequest.ServiceTier | undefined
  readonly cacheKey?: string | undefined
  readonly clientMetadata?: Readonly<Record<string, string>> | undefined
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Defaults for keys absent from a request, and the model catalogue (default: the bundled one).
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
  /**
   * Whether to send the same defaults as the Codex CLI: the default effort and verbosity from the model's catalogue
   * entry, `tool_choice: "auto"`, and `detail: "original"` for images if the entry allows it (protocol N.5). Default
   * `true`; with `false` the server's defaults apply.
   */
  readonly catalogueDefaults?: boolean
  /**
   * The limit of each tool output: the `truncation_policy` of the model's catalogue entry (`"catalogue"`, the default),
   * an explicit limit, or only the backend's maximum (`"none"`). Longer outputs are truncated in the middle, with a
   * marker.
   */
  readonly toolOutputLimit?: History.OutputLimit | "catalogue" | "none"
  /** The account id of the login: encrypted content known to come from another account is omitted (`Origin`). */
  readonly account?: string
}

/**
 * The body to send and the changes made to it. The `index` of a history repair refers to `input` followed by `prompt`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Compiled {
  readonly body: ResponsesRequest.ResponsesRequest
  readonly repairs: ReadonlyArray<Repair>
}

/**
 * The maximum number of items in a request.
 *
 * @since 0.1.0
 * @category configuration
 */
export const maxItems = 131_072

/**
 * Compiles a request to its body, or fails with one `InvalidRequest` that lists all `problems`.
 *
 * New input (the messages after the model's last output) is validated: anything the backend would refuse is a problem
 * (`History.newInputProblems`). The earlier history and tool outputs are repaired instead, because the caller can no
 * longer change them.
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
    const model = request.model ?? defaults.model
    // the catalogue is searched by its name
    if (typeof model !== "string") {
      return Effect.fail(new InvalidRequest({ problems: ["The model is not a string: give its name."] }))
    }
    const models = defaults.models ?? ModelCatalogue.bundled
    const entry = ModelCatalogue.resolve(models, model)
    const outputLimit = toolOutputLimit(defaults.toolOutputLimit, entry)
    const history = History.compile(input, defined({ outputLimit, account: defaults.account }))
    const given = (request.tools ?? []).map((tool): unknown => (hasSpec(tool) ? tool.spec : tool))
    const schemas = normalizeSchemas(given, request.output?.format)
    const { specs } = schemas
    const tools = specs.filter(isToolSpec)
    const standard = defaults.catalogueDefaults === false ? undefined : entry
    const { repairs, ...parameters } = resolveParameters(
      { model, models, entry, standard },
      request,
      defaults,
      schemas.format
    )
    const instructions = [request.instructions ?? defaults.instructions ?? "", history.instructions]
    const { input: items, ...written } = ResponsesRequest.make({
      model,
      instructions: instructions.filter((part) => part !== "").join("\n\n"),
      input: standard?.supports_image_detail_original === true ? withDetail(history.items) : history.items,
      ...parameters,
      ...defined({
        tools: tools.length > 0 ? tools : undefined,
        tool_choice: request.toolChoice ?? (defaults.catalogueDefaults === false ? undefined : "auto"),
        parallel_tool_calls: request.parallelToolCalls ?? defaults.parallelToolCalls,
        prompt_cache_key: request.cacheKey,
        client_metadata: request.clientMetadata,
        extra: request.extra
      })
    })
    const sound = sanitizeParameters(written)
    const problems = [
      ...History.newInputProblems(input, history.repairs),
      ...inputProblems(request, items),
      ...specs.flatMap(specProblems),
      ...toolProblems(tools, request.toolChoice),
      ...schemas.problems,
      ...(model.trim() === "" ? ["The model name is empty: give one."] : []),
      ...reasoningProblems(parameters.reasoning),
      ...cacheKeyProblems(request.cacheKey),
      ...refusedProblems(request),
      ...extraProblems(request.extra),
      ...sound.problems
    ]
    return problems.length > 0
      ? Effect.fail(new InvalidRequest({ problems }))
      : Effect.succeed({
          body: { input: items, ...sound.parameters },
          repairs: [...history.repairs, ...repairs, ...schemas.repairs, ...sound.repairs]
        })
  })

const toolMisfit = Guard.make(ToolSpec.ToolSpec)

const specProblems = (tool: unknown, index: number): ReadonlyArray<string> => {
  const field = toolMisfit(tool)
  if (field === undefined) return []
  const name = Predicate.hasProperty(tool, "name") && typeof tool.name === "string" ? ` ("${tool.name}")` : ""
  return [
    field === ""
      ? `Tool ${index}${name} has fields that fit no tool.`
      : `Tool ${index}${name} has no field "${field}", or one of another type.`
  ]
}

const isToolSpec = (tool: unknown): tool is ToolSpec.ToolSpec => toolMisfit(tool) === undefined

const hasSpec = Predicate.hasProperty("spec")

/**
 * Normalizes the schemas of tools and of the output format to forms the server accepts. An output format whose schema
 * cannot be preserved is a problem.
 */
const normalizeSchemas = (given: ReadonlyArray<unknown>, format: ResponsesRequest.TextFormat | undefined) => {
  const tools = given.map(ToolSchemas.normalize)
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

const toolOutputLimit = (
  setting: Defaults["toolOutputLimit"],
  entry: Model.Model | undefined
): History.OutputLimit | undefined => {
  if (setting !== undefined && setting !== "catalogue") return setting === "none" ? undefined : setting
  const { limit, mode } = entry?.truncation_policy ?? {}
  if (typeof limit !== "number" || !(limit > 0)) return undefined
  return mode === "tokens" ? { mode: "tokens", limit } : mode === "bytes" ? { mode: "bytes", limit } : undefined
}

/** Adds the `detail` that the Codex CLI sends to images without one. */
const withDetail = (items: ReadonlyArray<Item.Item>): ReadonlyArray<Item.Item> => {
  const isBare = (part: Item.ContentPart) => part.type === "input_image" && part.detail === undefined
  const detailed = (parts: ReadonlyArray<Item.ContentPart>) =>
    parts.map(
      (part): Item.ContentPart =>
        part.type === "input_image" && part.detail === undefined ? { ...part, detail: "original" } : part
    )
  return items.map((item) => {
    switch (item.type) {
      case "message":
        return item.content.some(isBare) ? { ...item, content: detailed(item.content) } : item
      case "function_call_output":
      case "custom_tool_call_output":
        return typeof item.output !== "string" && item.output.some(isBare)
          ? { ...item, output: detailed(item.output) }
          : item
      default:
        return item
    }
  })
}

/** A model and its catalogue entry. `standard` is the entry if its defaults should be sent. */
interface Target {
  readonly model: string
  readonly models: ReadonlyArray<Model.Model>
  readonly entry: Model.Model | undefined
  readonly standard: Model.Model | undefined
}

/** The parameters that depend on the model's catalogue entry. */
const resolveParameters = (
  { entry, model, models, standard }: Target,
  request: TurnRequest,
  defaults: Defaults,
  format: ResponsesRequest.TextFormat | undefined
) => {
  const repairs: Array<Repair> = []
  const requested = request.reasoning?.effort ?? defaults.reasoning?.effort
  const wanted = requested ?? standard?.default_reasoning_level ?? undefined
  const effort = wanted && Model.resolveEffort(ModelCatalogue.get(models, model) ?? model, wanted)
  if (requested !== undefined && effort !== undefined && effort !== requested) {
    repairs.push({ _tag: "EffortChanged", model, requested, sent: effort })
  }
  const { summary, ...other } = { ...defaults.reasoning, ...request.reasoning }
  // a default summary must not make a request without reasoning fail
  const wantedSummary = effort === "none" ? request.reasoning?.summary : summary
  const reasoning = { ...other, ...defined({ effort, summary: wantedSummary }) }
  let verbosity = request.verbosity ?? defaults.verbosity
  if (verbosity !== undefined && entry?.support_verbosity === false) {
    repairs.push({ _tag: "VerbosityDropped", model, requested: verbosity })
    verbosity = undefined
  }
  if (standard?.support_verbosity === true) verbosity ??= standard.default_verbosity ?? undefined
  let tier = request.serviceTier ?? defaults.serviceTier
  if (tier === "priority" && entry?.service_tiers && !entry.service_tiers.some(({ id }) => id === tier)) {
    repairs.push({ _tag: "ServiceTierDropped", model, requested: tier })
    tier = undefined
  }
  const text = defined({ verbosity, format })
  return { repairs, ...defined({ reasoning: nonEmpty(reasoning), service_tier: tier, text: nonEmpty(text) }) }
}

const nonEmpty = <A extends object>(value: A): A | undefined => (Object.keys(value).length > 0 ? value : undefined)

type Parameters = Omit<ResponsesRequest.ResponsesRequest, "input">

/** Makes the parameters' strings well-formed, and reports values that JSON cannot represent. */
const sanitizeParameters = (parameters: Parameters) => {
  const problems: Array<string> = []
  const repairs: Array<Repair> = []
  const changed: Record<string, unknown> = {}
  for (const [parameter, value] of Object.entries(parameters)) {
    if (Json.isSerializable(value)) continue
    const sanitized = Json.sanitize(value)
    problems.push(
      ...sanitized.removed.map(({ path, what }) => {
        const at = path === "" ? parameter : `${parameter}.${path}`
        return `The request cannot be serialized to JSON: ${at} is ${what}.`
      })
    )
    if (sanitized.surrogates) repairs.push({ _tag: "ParameterMadeWellFormed", parameter })
    changed[parameter] = sanitized.value
  }
  return { problems, repairs, parameters: { ...parameters, ...changed } as Parameters }
}

const reasoningProblems = (reasoning: ResponsesRequest.Reasoning | undefined): ReadonlyArray<string> =>
  reasoning?.effort === "none" && reasoning.summary !== undefined
    ? ['A reasoning summary was asked for, but with the effort "none" there is no reasoning: leave one of them out.']
    : []

const inputProblems = (request: TurnRequest, items: ReadonlyArray<Item.Item>): ReadonlyArray<string> => {
  if (typeof request.prompt === "string" && request.prompt.trim() === "")
    return ["The prompt is empty: write something, or omit it."]
  if (items.length === 0) return ["There is no input: give a prompt, or messages and items."]
  return items.length > maxItems
    ? [`The input has ${items.length} items; at most ${maxItems} are allowed: shorten or compact the history.`]
    : []
}

const toolProblems = (
  tools: ReadonlyArray<ToolSpec.ToolSpec>,
  choice: ToolSpec.ToolChoice | undefined
): ReadonlyArray<string> => {
  const names = tools.flatMap((tool) => ToolSpec.name(tool) ?? [])
  const inner = tools.flatMap((tool) => (tool.type === "namespace" ? tool.tools.map(({ name }) => name) : []))
  const bad = [...names, ...inner].filter((name) => !Names.isLegal(name))
  const twice = new Set(names.filter((name, index) => names.indexOf(name) !== index))
  return [
    ...bad.map(
      (name) => `The tool name "${name}" is not allowed: use 1 to 64 of the characters a-z, A-Z, 0-9, _ and -.`
    ),
    ...[...twice].map((name) => `Two tools are named "${name}": give each tool a name of its own.`),
    ...choiceProblems(tools, new Set([...names, ...inner]), choice)
  ]
}

const choiceProblems = (
  tools: ReadonlyArray<ToolSpec.ToolSpec>,
  names: ReadonlySet<string>,
  choice: ToolSpec.ToolChoice | undefined
): ReadonlyArray<string> => {
  if (choice === undefined || choice === "auto" || choice === "none") return []
  if (tools.length === 0) return ["The tool choice asks for a tool, but there is none: add tools, or omit the choice."]
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
    : [`The cache key has ${key.length} characters; 1 to ${ResponsesRequest.maxCacheKeyLength} are allowed.`]

/** The refused parameters, by wire name and in camel case. */
const refused: ReadonlyMap<string, string> = new Map(
  Array.from(ResponsesRequest.refusedParameters).flatMap(([name, reason]) => [
    [name, reason],
    [name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()), reason]
  ])
)

/** For callers without types: unsupported parameters are reported, not ignored. */
const refusedProblems = (request: TurnRequest): ReadonlyArray<string> =>
  Object.keys(request).flatMap((key) => {
    const reason = refused.get(key)
    return reason === undefined ? [] : [`"${key}" is not supported: ${reason}.`]
  })

const extraProblems = (extra: TurnRequest["extra"]): ReadonlyArray<string> =>
  Object.keys(extra ?? {})
    .filter((key) => ResponsesRequest.ownKeys.has(key))
    .map((key) => `"${key}" cannot be set in extra because the library writes it: use the request's own key.`)
