/**
 * JSON Schemas as trees: traversal of subschemas, and the conjunction of two schemas.
 *
 * @internal
 */

import type { JsonSchema } from "../JsonSchema.ts"

export type { JsonSchema }

export const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Maps the values; returns the same record if none of them changes. */
export const mapValues = (record: JsonSchema, f: (value: unknown, key: string) => unknown): JsonSchema => {
  const keys = Object.keys(record)
  const mapped = keys.map((key) => f(record[key], key))
  return mapped.every((value, index) => value === record[keys[index] as string])
    ? record
    : Object.fromEntries(keys.map((key, index) => [key, mapped[index]]))
}

export const omit = (record: JsonSchema, ...keys: ReadonlyArray<string>): JsonSchema =>
  keys.some((key) => Object.hasOwn(record, key))
    ? Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)))
    : record

/** Formats a value for a message. */
export const brief = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}

/** How a keyword contains schemas, and its notation in a path. */
type Holds = { readonly list?: string; readonly one?: string; readonly record?: "key" | "name" | "nothing" }

const holds: ReadonlyMap<string, Holds> = new Map<string, Holds>([
  ["items", { one: "[]", list: "[]" }],
  ["prefixItems", { list: "[]" }],
  ...["additionalItems", "unevaluatedItems", "contains"].map((key) => [key, { one: "[]" }] as const),
  ...["additionalProperties", "unevaluatedProperties"].map((key) => [key, { one: ".*" }] as const),
  ...["propertyNames", "contentSchema", "not", "if", "then", "else"].map((key) => [key, { one: "" }] as const),
  ...["anyOf", "oneOf", "allOf"].map((key) => [key, { list: "" }] as const),
  ...["properties", "patternProperties"].map((key) => [key, { record: "key" }] as const),
  ...["$defs", "definitions"].map((key) => [key, { record: "name" }] as const),
  ...["dependentSchemas", "dependencies"].map((key) => [key, { record: "nothing" }] as const)
])

/** Appends a key to a path: `city.name`, `days[].offset`. */
export const at = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`)

/**
 * Maps the direct subschemas of a schema, each with its path; returns the same schema if none of them changes. Data
 * (`default`, `enum`, …) and property names are never treated as schemas.
 */
export const mapInner = (schema: JsonSchema, path: string, f: (inner: unknown, path: string) => unknown): JsonSchema =>
  mapValues(schema, (value, key) => {
    const held = holds.get(key)
    if (held === undefined || typeof value !== "object" || value === null) return value
    if (Array.isArray(value)) {
      if (held.list === undefined) return value
      const mapped = value.map((inner) => f(inner, `${path}${held.list}`))
      return mapped.some((inner, index) => inner !== value[index]) ? mapped : value
    }
    if (held.one !== undefined) return f(value, `${path}${held.one}`)
    if (held.record === undefined) return value
    return mapValues(value as JsonSchema, (inner, name) => {
      if (key === "dependencies" && Array.isArray(inner)) return inner
      return f(inner, held.record === "key" ? at(path, name) : held.record === "name" ? name : path)
    })
  })

const equal = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b)

const isNumber = (value: unknown): value is number => typeof value === "number"

export const typesOf = (type: unknown): ReadonlyArray<unknown> =>
  Array.isArray(type) ? type : type === undefined ? [] : [type]

const accepts = (types: ReadonlyArray<unknown>, type: unknown): boolean =>
  types.includes(type) || (type === "integer" && types.includes("number"))

const bothTypes = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>): unknown => {
  const common = [...new Set([...a, ...b])].filter((type) => accepts(a, type) && accepts(b, type))
  return common.length > 1 ? common : common[0]
}

/** The conjunction of two values of one keyword; `undefined` if no single value expresses it. */
const bothValues = (key: string, a: unknown, b: unknown): unknown => {
  if (equal(a, b)) return b
  switch (key) {
    case "minimum":
    case "exclusiveMinimum":
    case "minLength":
    case "minItems":
    case "minProperties":
      return isNumber(a) && isNumber(b) ? Math.max(a, b) : undefined
    case "maximum":
    case "exclusiveMaximum":
    case "maxLength":
    case "maxItems":
    case "maxProperties":
      return isNumber(a) && isNumber(b) ? Math.min(a, b) : undefined
    case "multipleOf":
      if (!isNumber(a) || !isNumber(b)) return undefined
      return a % b === 0 ? a : b % a === 0 ? b : undefined
    case "type":
      return bothTypes(typesOf(a), typesOf(b))
    case "enum": {
      if (!Array.isArray(a) || !Array.isArray(b)) return undefined
      const common = b.filter((one) => a.some((other) => equal(one, other)))
      return common.length === 0 ? undefined : common
    }
    case "required":
      return Array.isArray(a) && Array.isArray(b) ? [...new Set([...a, ...b])] : undefined
    case "uniqueItems":
      return a === true || b === true
    case "properties":
      return isObject(a) && isObject(b)
        ? { ...a, ...mapValues(b, (inner, name) => (Object.hasOwn(a, name) ? together(a[name], inner) : inner)) }
        : undefined
    case "items":
    case "propertyNames":
    case "additionalProperties":
      return together(a, b)
    default:
      return undefined
  }
}

const together = (a: unknown, b: unknown): unknown => {
  if (a === false || b === false) return false
  if (!isObject(a)) return b
  return isObject(b) ? both(a, b) : a
}

/** Keywords that describe rather than constrain: the second schema's value wins. */
const descriptive: ReadonlySet<string> = new Set([
  "title",
  "description",
  "default",
  "examples",
  "$comment",
  "deprecated"
])

/**
 * The conjunction of two schemas: the tighter bounds, all keys, the description of the second. If no single value
 * expresses both, the value of the first goes into `allOf`.
 */
export const both = (a: JsonSchema, b: JsonSchema): JsonSchema => {
  const out = new Map(Object.entries(a))
  const residual: Array<JsonSchema> = []
  for (const [key, value] of Object.entries(b)) {
    const other = out.get(key)
    if (other === undefined || descriptive.has(key)) {
      out.set(key, value)
    } else if (key === "allOf") {
      residual.push(...[other, value].flatMap((members) => (Array.isArray(members) ? members : [])))
      out.delete(key)
    } else {
      const merged = bothValues(key, other, value)
      out.set(key, merged ?? value)
      if (merged === undefined) residual.push({ [key]: other })
    }
  }
  const members = out.get("allOf")
  if (residual.length > 0) out.set("allOf", [...(Array.isArray(members) ? members : []), ...residual])
  return Object.fromEntries(out)
}

/** The conjunction of many, in pairs: one by one, the keys of the first would be copied as often as there are others. */
export const allOf = (schemas: ReadonlyArray<JsonSchema>): JsonSchema => {
  const [first = {}, second, ...rest] = schemas
  if (second === undefined) return first
  if (rest.length === 0) return both(first, second)
  const middle = schemas.length >> 1
  return both(allOf(schemas.slice(0, middle)), allOf(schemas.slice(middle)))
}

/** `allOf` merged into the schema itself, as far as single values can express it. */
export const flat = (schema: JsonSchema): JsonSchema => {
  const members = schema["allOf"]
  if (!Array.isArray(members)) return schema
  const mergeable = members.filter((member) => isObject(member) && !Object.hasOwn(member, "$ref"))
  const rest = members.filter((member) => !mergeable.includes(member))
  const own = omit(schema, "allOf")
  const merged = allOf([...mergeable.map(flat).reverse(), own])
  return rest.length === 0 ? merged : both(merged, { allOf: rest })
}
