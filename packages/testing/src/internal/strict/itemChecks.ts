/**
 * Checks the items of a request: their fields and limits (protocol C.4, N.9), pairs of calls and outputs, reasoning with
 * its output, and encrypted content issued by this backend (C.5).
 */
import { asArray, asObject, asString, type Json } from "../json.ts"
import { type Found, firstIn, firstOf, invalid, missing, tooLong, wrongType, wrongValue } from "./refusal.ts"

type Kind = "string" | "array" | "object" | "string or array" | "anything"

interface Shape {
  /** The prefix of the ids of such items. The backend refuses others. */
  readonly prefix?: string
  readonly required: Readonly<Record<string, Kind>>
  readonly optional?: Readonly<Record<string, Kind>>
}

/** Maximum lengths, in characters. */
const limits = { id: 64, callId: 64, name: 64, arguments: 1_048_576, output: 10_485_760, items: 131_072 }

const namePattern = /^[a-zA-Z0-9_-]+$/

const call = { call_id: "string", name: "string" } as const
const output = { call_id: "string", output: "string or array" } as const

const shapes: Readonly<Record<string, Shape>> = {
  message: { prefix: "msg", required: { role: "string", content: "string or array" }, optional: { phase: "string" } },
  agent_message: { required: { content: "array" } },
  reasoning: {
    prefix: "rs",
    required: { summary: "array" },
    optional: { content: "array", encrypted_content: "string" }
  },
  function_call: { prefix: "fc", required: { ...call, arguments: "string" }, optional: { namespace: "string" } },
  function_call_output: { required: output },
  custom_tool_call: { prefix: "ctc", required: { ...call, input: "string" }, optional: { namespace: "string" } },
  custom_tool_call_output: { required: output },
  tool_search_call: { prefix: "tsc", required: { arguments: "anything" } },
  tool_search_output: { required: { tools: "array" } },
  web_search_call: { prefix: "ws", required: {}, optional: { action: "object" } },
  image_generation_call: { prefix: "ig", required: {}, optional: { result: "string" } },
  local_shell_call: { prefix: "lsh", required: { action: "object" } },
  local_shell_call_output: { required: { output: "string" } },
  compaction: { prefix: "cmp", required: { encrypted_content: "string" } },
  compaction_summary: { prefix: "cmp", required: { encrypted_content: "string" } },
  context_compaction: { required: {}, optional: { encrypted_content: "string" } },
  compaction_trigger: { required: {} },
  configuration_update: { required: { reasoning: "object" } },
  additional_tools: { required: { tools: "array" } }
}

const roles = ["user", "assistant", "developer", "system"]

const parts: Readonly<Record<string, ReadonlyArray<string>>> = {
  input: ["input_text", "input_image", "input_file", "input_audio"],
  assistant: ["output_text", "refusal"],
  output: ["input_text", "input_image", "input_file", "input_audio", "encrypted_content"]
}

const partText: Readonly<Record<string, string>> = {
  input_text: "text",
  output_text: "text",
  refusal: "refusal",
  encrypted_content: "encrypted_content",
  input_audio: "audio_url"
}

const isKind = (value: unknown, kind: Kind): boolean => {
  switch (kind) {
    case "string":
      return typeof value === "string"
    case "array":
      return Array.isArray(value)
    case "object":
      return asObject(value) !== undefined
    case "string or array":
      return typeof value === "string" || Array.isArray(value)
    case "anything":
      return true
  }
}

const kindNames: Readonly<Record<Kind, string>> = {
  string: "a string",
  array: "an array of objects",
  object: "an object",
  "string or array": "one of an array of objects or string",
  anything: "a value"
}

const checkFields = (item: Json, param: string, shape: Shape): Found =>
  firstOf(
    () =>
      firstIn(Object.entries(shape.required), ([key, kind]) => {
        const value = item[key]
        if (value === undefined) return missing(`${param}.${key}`)
        return isKind(value, kind) ? undefined : wrongType(`${param}.${key}`, kindNames[kind], value)
      }),
    () =>
      firstIn(Object.entries(shape.optional ?? {}), ([key, kind]) => {
        const value = item[key] ?? undefined
        return value === undefined || isKind(value, kind)
          ? undefined
          : wrongType(`${param}.${key}`, kindNames[kind], value)
      })
  )

const atMost = (item: Json, param: string, key: string, limit: number): Found => {
  const value = item[key]
  return typeof value === "string" && value.length > limit ? tooLong(`${param}.${key}`, limit, value.length) : undefined
}

/** The name of a function or tool, in any field. */
export const checkName = (name: unknown, param: string): Found => {
  if (name === undefined) return missing(param)
  if (typeof name !== "string") return wrongType(param, "a string", name)
  if (name === "") {
    return invalid(
      `Invalid '${param}': empty string. Expected a string with minimum length 1, but got an empty string instead.`,
      param,
      "empty_string"
    )
  }
  if (name.length > limits.name) return tooLong(param, limits.name, name.length)
  return namePattern.test(name)
    ? undefined
    : invalid(
        `Invalid '${param}': string does not match pattern. Expected a string that matches the pattern '${namePattern.source}'.`,
        param,
        "invalid_value"
      )
}

const checkId = (item: Json, param: string, prefix: string | undefined): Found => {
  const id = item["id"] ?? undefined
  if (id === undefined) return undefined
  if (typeof id !== "string") return wrongType(`${param}.id`, "a string", id)
  if (id.length > limits.id) return tooLong(`${param}.id`, limits.id, id.length)
  return prefix === undefined || id.startsWith(prefix)
    ? undefined
    : invalid(
        `Invalid '${param}.id': '${id}'. Expected an ID that begins with '${prefix}'.`,
        `${param}.id`,
        "invalid_value"
      )
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const isImageUrl = (url: string): boolean => {
  const data = /^data:image\/[a-z0-9.+-]+;base64,(.*)$/is.exec(url)
  return data === null ? /^https?:\/\//i.test(url) && URL.canParse(url) : data[1] !== "" && base64.test(data[1] ?? "")
}

const checkPart = (value: unknown, param: string, allowed: ReadonlyArray<string>): Found => {
  const part = asObject(value)
  if (part === undefined) return wrongType(param, "an object", value)
  const type = part["type"]
  if (type === undefined) return missing(`${param}.type`)
  if (typeof type !== "string" || !allowed.includes(type)) return wrongValue(param, type, allowed)
  const key = partText[type]
  if (key !== undefined) {
    if (part[key] === undefined) return missing(`${param}.${key}`)
    const text = part[key]
    if (typeof text !== "string") return wrongType(`${param}.${key}`, "a string", text)
    if (text.length > limits.output) return tooLong(`${param}.${key}`, limits.output, text.length)
  }
  if (type !== "input_image") return undefined
  const url = part["image_url"] ?? undefined
  if (url === undefined) return part["file_id"] === undefined ? missing(`${param}.image_url`) : undefined
  if (typeof url !== "string") return wrongType(`${param}.image_url`, "a string", url)
  const detail = part["detail"] ?? "auto"
  const details = ["low", "high", "auto", "original"]
  if (typeof detail !== "string" || !details.includes(detail)) return wrongValue(`${param}.detail`, detail, details)
  return isImageUrl(url)
    ? undefined
    : invalid(
        `Invalid '${param}.image_url'. Expected a valid URL, but got a value with an invalid format.`,
        `${param}.image_url`,
        "invalid_value"
      )
}

const checkContent = (item: Json, type: string, param: string): Found => {
  if (type === "message") {
    const role = item["role"]
    if (typeof role !== "string" || !roles.includes(role)) return wrongValue(`${param}.role`, role, roles)
    const allowed = parts[role === "assistant" ? "assistant" : "input"] ?? []
    return firstIn(asArray(item["content"]) ?? [], (part, n) => checkPart(part, `${param}.content[${n}]`, allowed))
  }
  if (!type.endsWith("_output")) return undefined
  return firstIn(asArray(item["output"]) ?? [], (part, n) =>
    checkPart(part, `${param}.output[${n}]`, parts["output"] ?? [])
  )
}

const checkItem = (value: unknown, param: string): Found => {
  const item = asObject(value)
  if (item === undefined) return wrongType(param, "an object", value)
  const type = item["type"] ?? ("role" in item ? "message" : undefined)
  const shape = typeof type === "string" && Object.hasOwn(shapes, type) ? shapes[type] : undefined
  if (typeof type !== "string" || shape === undefined) {
    return type === undefined ? missing(`${param}.type`) : wrongValue(param, type, Object.keys(shapes))
  }
  return firstOf(
    () => checkFields(item, param, shape),
    () => checkId(item, param, shape.prefix),
    () => ("call_id" in shape.required ? atMost(item, param, "call_id", limits.callId) : undefined),
    // an output can also name its tool
    () =>
      typeof (item["name"] ?? undefined) === "string" || "name" in shape.required
        ? checkName(item["name"], `${param}.name`)
        : undefined,
    () => atMost(item, param, "arguments", limits.arguments),
    () => atMost(item, param, "input", limits.output),
    () => atMost(item, param, "output", limits.output),
    () => checkContent(item, type, param)
  )
}

// pairs --------------------------------------------------------------------------------------------------------------

/** The output type of each call type, and their names in messages. */
const calls: Readonly<Record<string, { readonly name: string; readonly outputs: ReadonlyArray<string> }>> = {
  function_call: { name: "function call", outputs: ["function_call_output"] },
  custom_tool_call: { name: "custom tool call", outputs: ["custom_tool_call_output"] },
  local_shell_call: { name: "local shell call", outputs: ["local_shell_call_output", "function_call_output"] },
  tool_search_call: { name: "tool search call", outputs: ["tool_search_output", "function_call_output"] }
}

const outputNames: Readonly<Record<string, string>> = {
  function_call_output: "function call output",
  custom_tool_call_output: "custom tool call output",
  local_shell_call_output: "local shell call output",
  tool_search_output: "tool search output"
}

/** Every call needs an output after it, and every output a call before it (protocol C.5). */
const checkPairs = (items: ReadonlyArray<Json>): Found => {
  const open = new Map<string, string>()
  const answered = new Map<string, string>()
  for (const item of items) {
    const type = String(item["type"])
    const id = asString(item["call_id"])
    if (id === undefined) continue
    if (Object.hasOwn(calls, type)) {
      // the server itself answers a search that it made
      if (type !== "tool_search_call" || item["execution"] === "client") open.set(id, type)
      continue
    }
    const name = outputNames[type]
    if (name === undefined || (type === "tool_search_output" && item["execution"] === "server")) continue
    const asked = open.get(id) ?? answered.get(id)
    if (asked === undefined || calls[asked]?.outputs.includes(type) !== true) {
      return invalid(`No tool call found for ${name} with call_id ${id}.`, "input", null)
    }
    open.delete(id)
    answered.set(id, asked)
  }
  for (const [id, type] of open) return invalid(`No tool output found for ${calls[type]?.name} ${id}.`, "input", null)
  return undefined
}

const checkDuplicates = (items: ReadonlyArray<Json>): Found => {
  const seen = new Set<string>()
  for (const item of items) {
    const id = asString(item["id"])
    if (id === undefined) continue
    if (seen.has(id)) {
      return invalid(
        `Duplicate item found with id ${id}. Remove duplicate items from your input and try again.`,
        "input",
        null
      )
    }
    seen.add(id)
  }
  return undefined
}

/** The items that can follow reasoning. */
const isLed = (item: Json | undefined): boolean => {
  const type = String(item?.["type"])
  if (type === "message") return item?.["role"] === "assistant"
  return type === "reasoning" || type.endsWith("_call")
}

/** Reasoning must be followed by its output (protocol C.5). */
const checkReasoning = (items: ReadonlyArray<Json>): Found =>
  firstIn(items, (item, n) => {
    const id = asString(item["id"])
    return item["type"] !== "reasoning" || id === undefined || isLed(items[n + 1])
      ? undefined
      : invalid(`Item '${id}' of type 'reasoning' was provided without its required following item.`, "input", null)
  })

// encrypted content --------------------------------------------------------------------------------------------------

const contentOf = (item: Json): ReadonlyArray<string> =>
  [item, ...(asArray(item["content"]) ?? []), ...(asArray(item["output"]) ?? [])].flatMap(
    (value) => asString(asObject(value)?.["encrypted_content"]) ?? []
  )

const checkEncrypted = (items: ReadonlyArray<Json>, isMine: (content: string) => boolean): Found =>
  firstIn(items.flatMap(contentOf), (content) =>
    isMine(content)
      ? undefined
      : invalid(
          `The encrypted content ${content.slice(0, 4)}... could not be verified.`,
          null,
          "invalid_encrypted_content"
        )
  )

/** The first problem of the input. `isMine` says whether the backend issued an encrypted content to this account. */
export const check = (input: ReadonlyArray<unknown>, isMine: (content: string) => boolean): Found => {
  if (input.length > limits.items) {
    return invalid(
      `Invalid 'input': array too long. Expected an array with maximum length ${limits.items}, but got an array with length ${input.length} instead.`,
      "input",
      "array_above_max_length"
    )
  }
  const items = input as ReadonlyArray<Json>
  return firstOf(
    () => firstIn(input, (item, n) => checkItem(item, `input[${n}]`)),
    () => checkDuplicates(items),
    () => checkPairs(items),
    () => checkReasoning(items),
    () => checkEncrypted(items, isMine)
  )
}
