/**
 * Refusals: the statuses and bodies of the real backend (protocol E.1, C.1, C.5, N.9).
 */
import * as Encoding from "effect/Encoding"

export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** JSON, or plain text. */
  readonly body: unknown
}

/** The result of a check: a refusal, or `undefined`. */
export type Found = Refusal | undefined

/** Makes checks in order, and returns the first refusal. */
export const firstOf = (...checks: ReadonlyArray<() => Found>): Found => {
  for (const check of checks) {
    const found = check()
    if (found !== undefined) return found
  }
  return undefined
}

/** The first refusal of an item of a list. */
export const firstIn = <A>(items: ReadonlyArray<A>, check: (item: A, index: number) => Found): Found => {
  for (let i = 0; i < items.length; i++) {
    const found = check(items[i] as A, i)
    if (found !== undefined) return found
  }
  return undefined
}

export const refuse = (status: number, body: unknown, headers: Refusal["headers"] = {}): Refusal => ({
  status,
  headers,
  body
})

/** The short form, of the layer in front of the model. */
export const detail = (text: string, status = 400): Refusal => refuse(status, { detail: text })

/** The long form, of the API itself. */
export const invalid = (message: string, param: string | null, code: string | null): Refusal =>
  refuse(400, { error: { message, type: "invalid_request_error", param, code } })

/** The type of a value, in the words of the API. */
export const kindOf = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return "an array"
  switch (typeof value) {
    case "string":
      return "a string"
    case "number":
      return Number.isInteger(value) ? "an integer" : "a decimal number"
    case "boolean":
      return "a boolean"
    default:
      return "an object"
  }
}

export const missing = (param: string): Refusal =>
  invalid(`Missing required parameter: '${param}'.`, param, "missing_required_parameter")

export const wrongType = (param: string, expected: string, value: unknown): Refusal =>
  invalid(`Invalid type for '${param}': expected ${expected}, but got ${kindOf(value)} instead.`, param, "invalid_type")

const quoted = (values: ReadonlyArray<string>): string => {
  const all = values.map((value) => `'${value}'`)
  return all.length < 3 ? all.join(" and ") : `${all.slice(0, -1).join(", ")}, and ${all.at(-1)}`
}

export const wrongValue = (param: string, value: unknown, supported: ReadonlyArray<string>): Refusal =>
  invalid(`Invalid value: '${String(value)}'. Supported values are: ${quoted(supported)}.`, param, "invalid_value")

export const unsupportedValue = (
  param: string,
  value: unknown,
  model: string,
  supported: ReadonlyArray<string>
): Refusal =>
  invalid(
    `Unsupported value: '${String(value)}' is not supported with the '${model}' model. Supported values are: ${quoted(supported)}.`,
    param,
    "unsupported_value"
  )

export const tooLong = (param: string, limit: number, length: number): Refusal =>
  invalid(
    `Invalid '${param}': string too long. Expected a string with maximum length ${limit}, but instead got a string with length ${length} instead.`,
    param,
    "string_above_max_length"
  )

/** A refusal of the credentials, with its headers (protocol B.6). */
export const identity = (status: 401 | 403, code: string, message: string): Refusal => {
  const error = { message, type: "invalid_request_error", code, param: null }
  return refuse(
    status,
    { error, status },
    {
      "x-openai-authorization-error": code,
      "x-error-json": Encoding.encodeBase64(JSON.stringify({ error: { code } }))
    }
  )
}
