/**
 * Checks the body of `POST /codex/responses`, except its items (protocol C.1, C.2, C.6 … C.11).
 */
import { asArray, asObject, asString, type Json } from "../json.ts"
import * as ItemChecks from "./itemChecks.ts"
import {
  detail,
  type Found,
  firstIn,
  firstOf,
  invalid,
  missing,
  refuse,
  tooLong,
  unsupportedValue,
  wrongType,
  wrongValue
} from "./refusal.ts"
import * as SchemaChecks from "./schemaChecks.ts"

/** What the checks need besides the body. */
export interface Context {
  /** The whole catalogue. */
  readonly models: ReadonlyArray<Json>
  /** Whether the account may use the model. */
  readonly isAvailable: (model: Json) => boolean
  readonly instructionsRequired: boolean
  readonly isMine: (content: string) => boolean
  /** Whether the request came over a WebSocket. */
  readonly overSocket: boolean
}

const unsupported: ReadonlySet<string> = new Set([
  "temperature",
  "top_p",
  "max_output_tokens",
  "presence_penalty",
  "frequency_penalty",
  "seed",
  "metadata",
  "top_logprobs",
  "truncation",
  "user",
  "context_management",
  "prompt_cache_retention",
  "safety_identifier",
  "previous_response_id",
  "background",
  "conversation",
  "max_tool_calls",
  "prompt"
])

const known: ReadonlySet<string> = new Set([
  "model",
  "stream",
  "store",
  "instructions",
  "input",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "reasoning",
  "include",
  "text",
  "service_tier",
  "prompt_cache_key",
  "client_metadata",
  "stream_options",
  "access_programs",
  "prompt_cache_options"
])

const includable = [
  "reasoning.encrypted_content",
  "file_search_call.results",
  "message.input_image.image_url",
  "message.output_text.logprobs",
  "computer_call_output.output.image_url",
  "code_interpreter_call.outputs",
  "web_search_call.action.sources"
]

const toolTypes = [
  "function",
  "custom",
  "namespace",
  "tool_search",
  "web_search",
  "web_search_preview",
  "image_generation",
  "local_shell"
]

/** An optional key that must have one of these values. */
const oneOf = (holder: Json, key: string, param: string, values: ReadonlyArray<string>): Found => {
  const value = holder[key] ?? undefined
  if (value === undefined) return undefined
  if (typeof value !== "string") return wrongType(param, "a string", value)
  return values.includes(value) ? undefined : wrongValue(param, value, values)
}

const optionalBoolean = (body: Json, key: string): Found => {
  const value = body[key] ?? undefined
  return value === undefined || typeof value === "boolean" ? undefined : wrongType(key, "a boolean", value)
}

const optionalObject = (body: Json, key: string): Found => {
  const value = body[key] ?? undefined
  return value === undefined || asObject(value) !== undefined ? undefined : wrongType(key, "an object", value)
}

const checkKeys = (body: Json, { overSocket }: Context): Found =>
  firstIn(Object.keys(body), (key) => {
    if (overSocket && key === "generate") return optionalBoolean(body, key)
    if (unsupported.has(key)) return detail(`Unsupported parameter: ${key}`)
    return known.has(key) ? undefined : invalid(`Unknown parameter: '${key}'.`, key, "unknown_parameter")
  })

const checkModel = (body: Json, { isAvailable, models }: Context): Found => {
  const slug = body["model"]
  if (slug === undefined) return missing("model")
  if (typeof slug !== "string") return wrongType("model", "a string", slug)
  const model = models.find((model) => model["slug"] === slug)
  if (model === undefined) {
    const error = { message: `Model not found ${slug}`, type: "invalid_request_error", param: "model", code: null }
    return refuse(404, { error })
  }
  return isAvailable(model)
    ? undefined
    : detail(`The '${slug}' model is not supported when using Codex with a ChatGPT account.`)
}

const checkInstructions = (body: Json, { instructionsRequired }: Context): Found => {
  const { instructions } = body
  if (instructions === undefined || instructions === null) {
    return instructionsRequired ? detail("Instructions are required") : undefined
  }
  return typeof instructions === "string" ? undefined : wrongType("instructions", "a string", instructions)
}

// tools --------------------------------------------------------------------------------------------------------------

const checkTool = (value: unknown, param: string): Found => {
  const tool = asObject(value)
  if (tool === undefined) return wrongType(param, "an object", value)
  const type = tool["type"]
  if (type === undefined) return missing(`${param}.type`)
  if (typeof type !== "string" || !toolTypes.includes(type)) return wrongValue(`${param}.type`, type, toolTypes)
  switch (type) {
    case "function":
      return firstOf(
        () => ItemChecks.checkName(tool["name"], `${param}.name`),
        () => checkParameters(tool, param)
      )
    case "custom":
      return ItemChecks.checkName(tool["name"], `${param}.name`)
    case "namespace":
      return firstOf(
        () => ItemChecks.checkName(tool["name"], `${param}.name`),
        () =>
          asArray(tool["tools"]) === undefined
            ? missing(`${param}.tools`)
            : firstIn(asArray(tool["tools"]) ?? [], (inner, n) => checkTool(inner, `${param}.tools[${n}]`))
      )
    default:
      return undefined
  }
}

const checkParameters = (tool: Json, param: string): Found => {
  const { parameters } = tool
  // a function without `parameters` has no parameters
  if (parameters === undefined || parameters === null) return undefined
  const problem = SchemaChecks.check(parameters, tool["strict"] === true)
  if (problem === undefined) return undefined
  return problem.kind === "lookaround"
    ? invalid(problem.message, "tools", "invalid_json_schema")
    : invalid(
        `Invalid schema for function '${String(tool["name"])}': ${problem.message}`,
        `${param}.parameters`,
        "invalid_function_parameters"
      )
}

const checkTools = (body: Json): Found => {
  const tools = body["tools"] ?? undefined
  if (tools === undefined) return undefined
  const list = asArray(tools)
  return list === undefined
    ? wrongType("tools", "an array of objects", tools)
    : firstIn(list, (tool, n) => checkTool(tool, `tools[${n}]`))
}

const checkToolChoice = (body: Json): Found => {
  const choice = body["tool_choice"] ?? undefined
  const tools = (asArray(body["tools"]) ?? []).map((tool) => asObject(tool) ?? {})
  if (choice === undefined) return undefined
  if (typeof choice === "string") {
    const modes = ["none", "auto", "required"]
    if (!modes.includes(choice)) return wrongValue("tool_choice", choice, modes)
    return choice === "required" && tools.length === 0
      ? invalid("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice", null)
      : undefined
  }
  const chosen = asObject(choice)
  if (chosen === undefined) return wrongType("tool_choice", "one of an object or string", choice)
  const type = String(chosen["type"])
  if (type === "allowed_tools") return undefined
  const found = tools.some(
    (tool) => tool["type"] === type && (chosen["name"] === undefined || tool["name"] === chosen["name"])
  )
  return found
    ? undefined
    : invalid(`Tool choice '${asString(chosen["name"]) ?? type}' not found in 'tools' parameter.`, "tool_choice", null)
}

// settings -----------------------------------------------------------------------------------------------------------

const checkReasoning = (body: Json, model: Json): Found => {
  const reasoning = asObject(body["reasoning"]) ?? {}
  const effort = reasoning["effort"] ?? undefined
  const levels = (asArray(model["supported_reasoning_levels"]) ?? [])
    .map((level) => String(asObject(level)?.["effort"]))
    // a name that only clients use (protocol C.8)
    .filter((level) => level !== "ultra")
  return firstOf(
    () => optionalObject(body, "reasoning"),
    () => {
      // no catalogue entry lists it, and newer models refuse it
      const isNone = effort === "none" && model["use_responses_lite"] !== true
      if (effort === undefined || isNone) return undefined
      if (typeof effort !== "string") return wrongType("reasoning.effort", "a string", effort)
      return levels.length === 0 || levels.includes(effort)
        ? undefined
        : unsupportedValue("reasoning.effort", effort, String(model["slug"]), levels)
    },
    () => oneOf(reasoning, "summary", "reasoning.summary", ["concise", "detailed", "auto"]),
    () => oneOf(reasoning, "context", "reasoning.context", ["auto", "current_turn", "all_turns"])
  )
}

const checkText = (body: Json, model: Json): Found => {
  const text = asObject(body["text"]) ?? {}
  return firstOf(
    () => optionalObject(body, "text"),
    () => oneOf(text, "verbosity", "text.verbosity", ["low", "medium", "high"]),
    () =>
      "verbosity" in text && model["support_verbosity"] === false
        ? unsupportedValue("text.verbosity", text["verbosity"], String(model["slug"]), ["medium"])
        : undefined,
    () => checkFormat(text["format"] ?? undefined)
  )
}

const checkFormat = (value: unknown): Found => {
  if (value === undefined) return undefined
  const format = asObject(value)
  if (format === undefined) return wrongType("text.format", "an object", value)
  const type = format["type"]
  const types = ["json_object", "json_schema", "text"]
  if (typeof type !== "string" || !types.includes(type)) return wrongValue("text.format.type", type, types)
  if (type !== "json_schema") return undefined
  return firstOf(
    () => ItemChecks.checkName(format["name"], "text.format.name"),
    () => (format["schema"] === undefined ? missing("text.format.schema") : undefined),
    () => {
      const problem = SchemaChecks.check(format["schema"], format["strict"] === true)
      if (problem === undefined) return undefined
      const message =
        problem.kind === "lookaround"
          ? problem.message
          : `Invalid schema for response_format '${String(format["name"])}': ${problem.message}`
      return invalid(message, "text.format.schema", "invalid_json_schema")
    }
  )
}

const checkTier = (body: Json): Found => {
  const tier = body["service_tier"] ?? undefined
  return tier === undefined || tier === "priority" || tier === "default"
    ? undefined
    : detail(`Unsupported service_tier: ${String(tier)}`)
}

const checkInclude = (body: Json): Found => {
  const include = body["include"] ?? undefined
  if (include === undefined) return undefined
  const list = asArray(include)
  return list === undefined
    ? wrongType("include", "an array of strings", include)
    : firstIn(list, (value, n) =>
        includable.includes(String(value)) ? undefined : wrongValue(`include[${n}]`, value, includable)
      )
}

const checkCacheKey = (body: Json): Found => {
  const key = body["prompt_cache_key"] ?? undefined
  if (key === undefined) return undefined
  if (typeof key !== "string") return wrongType("prompt_cache_key", "a string", key)
  return key.length > 64 ? tooLong("prompt_cache_key", 64, key.length) : undefined
}

const checkMetadata = (body: Json): Found => {
  const metadata = body["client_metadata"] ?? undefined
  return firstOf(
    () => optionalObject(body, "client_metadata"),
    () =>
      firstIn(Object.entries(asObject(metadata) ?? {}), ([key, value]) =>
        typeof value === "string" ? undefined : wrongType(`client_metadata.${key}`, "a string", value)
      )
  )
}

// input --------------------------------------------------------------------------------------------------------------

/** A warm-up request over a WebSocket, which prepares the next one (protocol H.3). */
export const isWarmUp = (body: unknown): boolean => asObject(body)?.["generate"] === false

const checkInput = (body: Json, { isMine }: Context): Found => {
  const { input } = body
  if (input === undefined) return missing("input")
  const items = asArray(input)
  if (items === undefined) return detail("Input must be a list")
  if (items.length > 0 || isWarmUp(body)) return ItemChecks.check(items, isMine)
  const message = "One of 'input' or 'previous_response_id' or 'prompt' or 'conversation_id' must be provided."
  return invalid(message, "input", "missing_required_parameter")
}

/** Encrypted content and images are not counted by their length. */
const countedLetters = (value: unknown): number => {
  if (typeof value === "string") return value.length
  if (Array.isArray(value)) return value.reduce((sum: number, inner) => sum + countedLetters(inner), 0)
  return Object.entries(asObject(value) ?? {}).reduce(
    (sum, [key, inner]) =>
      sum + (key === "encrypted_content" || key === "image_url" || key === "file_data" ? 0 : countedLetters(inner)),
    0
  )
}

const checkWindow = (body: Json, model: Json): Found => {
  const window = model["max_context_window"] ?? model["context_window"]
  const tokens = Math.ceil(countedLetters([body["instructions"], body["tools"], body["input"]]) / 4)
  return typeof window !== "number" || tokens <= window
    ? undefined
    : invalid(
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "input",
        "context_length_exceeded"
      )
}

/** The first problem of a body. The layer in front of the model checks first. */
export const check = (value: unknown, context: Context): Found => {
  const body = asObject(value)
  if (body === undefined) {
    return value === undefined || typeof value === "string"
      ? invalid("We could not parse the JSON body of your request.", null, null)
      : wrongType("body", "an object", value)
  }
  const model = context.models.find((model) => model["slug"] === body["model"]) ?? {}
  return firstOf(
    () => (body["stream"] === true ? undefined : detail("Stream must be set to true")),
    () => (body["store"] === false ? undefined : detail("Store must be set to false")),
    () => checkInstructions(body, context),
    () => checkKeys(body, context),
    () => checkTier(body),
    () => checkModel(body, context),
    () => checkTools(body),
    () => checkToolChoice(body),
    () => optionalBoolean(body, "parallel_tool_calls"),
    () => checkReasoning(body, model),
    () => checkText(body, model),
    () => checkInclude(body),
    () => checkCacheKey(body),
    () => checkMetadata(body),
    () => checkInput(body, context),
    () => checkWindow(body, model)
  )
}
