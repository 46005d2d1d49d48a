/**
 * The JSON Schemas the server accepts for any tool, strict or not (protocol C.6, N.9): an object at the root without
 * alternatives, `items` for every array, `properties` for every object, well-formed keywords, and only supported
 * formats and patterns. One schema of another form makes it refuse the whole request.
 *
 * @internal
 */
import * as Either from "effect/Either"
import { portable } from "./pattern.ts"
import { resolve } from "./references.ts"
import { allOf, at, both, brief, isObject, type JsonSchema, mapInner, omit, typesOf } from "./schemaTree.ts"

/** Reports an unsupported part of a schema: its path, a description, and what is sent instead. */
export interface Report {
  /** A form the server does not accept. */
  readonly form: (path: string, what: string, instead: string) => void
  /** A pattern or a format the server does not support. */
  readonly check: (path: string, what: string, instead: string) => void
}

const isString = (value: unknown) => typeof value === "string"
const isNumber = (value: unknown) => typeof value === "number"
const isBoolean = (value: unknown) => typeof value === "boolean"
const isCount = (value: unknown) => Number.isInteger(value) && Number(value) >= 0
const isList = (value: unknown) => Array.isArray(value)
const isFilled = (value: unknown) => Array.isArray(value) && value.length > 0
/** Whether a value is a list of unique strings. */
const isNames = (value: unknown) =>
  Array.isArray(value) && value.every(isString) && new Set(value).size === value.length
const isSchema = (value: unknown) => isBoolean(value) || isObject(value)

/** Validates the values of standard keywords. Unknown keywords may have any value. */
const shapes: ReadonlyMap<string, (value: unknown) => boolean> = new Map(
  (
    [
      ["title description pattern format contentEncoding contentMediaType $comment $id $schema $anchor", isString],
      ["minimum maximum exclusiveMinimum exclusiveMaximum", isNumber],
      ["multipleOf", (value) => isNumber(value) && Number(value) > 0],
      ["minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains", isCount],
      ["uniqueItems deprecated readOnly writeOnly", isBoolean],
      ["enum anyOf oneOf allOf prefixItems", isFilled],
      ["examples required", isList],
      ["items", (value) => isSchema(value) || isList(value)],
      ["additionalProperties additionalItems unevaluatedProperties unevaluatedItems", isSchema],
      ["propertyNames contains not if then else contentSchema", isSchema],
      ["properties patternProperties $defs definitions dependentSchemas", isObject],
      ["dependentRequired", (value) => isObject(value) && Object.values(value).every(isNames)],
      ["dependencies", (value) => isObject(value) && Object.values(value).every((one) => isSchema(one) || isNames(one))]
    ] satisfies ReadonlyArray<readonly [string, (value: unknown) => boolean]>
  ).flatMap(([names, isRight]) => names.split(" ").map((name) => [name, isRight] as const))
)

const typeNames: ReadonlySet<unknown> = new Set(["object", "array", "string", "number", "integer", "boolean", "null"])

/** Type names from other languages. */
const aliases: ReadonlyMap<string, string> = new Map([
  ["int", "integer"],
  ["long", "integer"],
  ["float", "number"],
  ["double", "number"],
  ["str", "string"],
  ["bool", "boolean"],
  ["dict", "object"],
  ["map", "object"],
  ["list", "array"],
  ["none", "null"]
])

/** The formats the server supports (those of the public API's structured outputs). */
const formats: ReadonlySet<unknown> = new Set([
  "date-time",
  "time",
  "date",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "uuid"
])

/** Adds an unsupported keyword to the description, once. */
export const addToDescription = (schema: JsonSchema, key: string, value: unknown): JsonSchema => {
  const description = typeof schema["description"] === "string" ? schema["description"] : ""
  const note = `(${key}: ${typeof value === "string" ? value : brief(value)})`
  return description.includes(note) ? schema : { ...schema, description: `${description} ${note}`.trimStart() }
}

/**
 * The nearest form the server accepts, or the schema itself if it is accepted. Every change is reported.
 */
export const acceptable = (value: unknown, path: string, report: Report): JsonSchema => {
  if (!isObject(value)) {
    if (value === false) {
      report.form(path, "is the schema false", "sent as a schema that accepts nothing")
      return { not: {} }
    }
    report.form(path, `is ${brief(value)}, not a schema`, "sent as a schema that accepts anything")
    return {}
  }
  if (Object.hasOwn(value, "$ref")) return value
  let schema = value
  for (const step of steps) schema = step(schema, path, report)
  return mapInner(schema, path, (inner, path) => acceptable(inner, path, report))
}

type Step = (schema: JsonSchema, path: string, report: Report) => JsonSchema

/** `exclusiveMinimum: true` made `minimum` exclusive until draft 4. */
const withBounds: Step = (schema, path, report) =>
  bounds.reduce((schema, [exclusive, bound]) => {
    if (schema[exclusive] !== true || !isNumber(schema[bound])) return schema
    report.form(path, `has ${exclusive}: true`, `sent with the bound as ${exclusive}`)
    return { ...omit(schema, bound), [exclusive]: schema[bound] }
  }, schema)

const bounds = [
  ["exclusiveMinimum", "minimum"],
  ["exclusiveMaximum", "maximum"]
] as const

const withShapes: Step = (schema, path, report) => {
  let out = schema
  for (const key of Object.keys(schema)) {
    const value = schema[key]
    if (value === undefined || shapes.get(key)?.(value) !== false) continue
    report.form(path, `has ${key}: ${brief(value)}`, `sent without ${key}`)
    out = omit(out, key)
  }
  const { enum: values, required } = out
  if (Array.isArray(required) && !isNames(required)) {
    report.form(path, `has required: ${brief(required)}`, "sent with only the names")
    out = { ...out, required: [...new Set(required.filter(isString))] }
  }
  if (!Array.isArray(values) || isNames(values)) return out
  const distinct = distinctOf(values)
  if (distinct.length === values.length) return out
  report.form(path, `has enum: ${brief(values)}`, "sent with each value once")
  return { ...out, enum: distinct }
}

const distinctOf = (values: ReadonlyArray<unknown>): ReadonlyArray<unknown> => [
  ...new Map(values.map((value) => [JSON.stringify(value), value])).values()
]

const withTypes: Step = (schema, path, report) => {
  if (schema["type"] === undefined || typeNames.has(schema["type"])) return schema
  const given = typesOf(schema["type"])
  const known = given.flatMap((type) => {
    const lower = typeof type === "string" ? type.toLowerCase() : type === null ? "null" : ""
    const name = aliases.get(lower) ?? lower
    return typeNames.has(name) ? [name] : []
  })
  const types = [...new Set(known)]
  if (types.length === given.length && types.every((type, index) => type === given[index]) && types.length > 0) {
    return schema
  }
  const type = types.length > 1 ? types : types[0]
  report.form(
    path,
    `has the type ${brief(schema["type"])}`,
    type === undefined ? "sent without" : `sent as ${brief(type)}`
  )
  return type === undefined ? omit(schema, "type") : { ...schema, type }
}

/** Gives arrays one schema for all items. */
const withItems: Step = (schema, path, report) => {
  const { additionalItems, items, prefixItems } = schema
  const places = Array.isArray(prefixItems) ? prefixItems : Array.isArray(items) ? items : undefined
  if (places !== undefined) {
    report.form(path, "is a tuple", "sent as an array of any of its elements")
    const rest = places === items ? additionalItems : items
    const all = [...places, ...(isObject(rest) ? [rest] : [])]
    const distinct = distinctOf(all)
    return {
      ...omit(schema, "prefixItems", "additionalItems"),
      items:
        distinct.length === 0 ? {} : distinct.length === 1 && isObject(distinct[0]) ? distinct[0] : { anyOf: distinct },
      ...(rest === false && { maxItems: places.length })
    }
  }
  if (typeof items === "boolean") {
    report.form(path, `has items: ${items}`, items ? "sent as an array of anything" : "sent as an empty array")
    return { ...schema, items: {}, ...(items ? {} : { maxItems: 0 }) }
  }
  if (items !== undefined || !typesOf(schema["type"]).includes("array")) return schema
  report.form(path, "is an array without items", "sent as an array of anything")
  return { ...schema, items: {} }
}

const withProperties: Step = (schema, path, report) => {
  const { properties, required } = schema
  if (properties === undefined) {
    if (!typesOf(schema["type"]).includes("object")) return schema
    report.form(path, "is an object without properties", "sent with none")
    return { ...schema, properties: {} }
  }
  // draft 3 wrote `required: true` into the property
  const demanded = isObject(properties)
    ? Object.keys(properties).filter((key) => isObject(properties[key]) && properties[key]["required"] === true)
    : []
  return demanded.length === 0
    ? schema
    : { ...schema, required: [...new Set([...(Array.isArray(required) ? required : []), ...demanded])] }
}

const withPattern: Step = (schema, path, report) => {
  const { pattern } = schema
  if (typeof pattern !== "string") return schema
  const found = portable(pattern)
  if (Either.isRight(found)) return found.right === pattern ? schema : { ...schema, pattern: found.right }
  report.check(path, `has the pattern ${brief(pattern)} with ${found.left}`, "sent without the pattern")
  return addToDescription(omit(schema, "pattern"), "pattern", pattern)
}

const withFormat: Step = (schema, path, report) => {
  const { format } = schema
  if (typeof format !== "string" || formats.has(format)) return schema
  report.check(path, `has the format ${brief(format)}`, "sent without the format")
  return addToDescription(omit(schema, "format"), "format", format)
}

const withPatternKeys: Step = (schema, path, report) => {
  const { patternProperties } = schema
  if (!isObject(patternProperties)) return schema
  const entries = Object.entries(patternProperties).map(([key, inner]) => [portable(key), key, inner] as const)
  if (entries.every(([found, key]) => Either.isRight(found) && found.right === key)) return schema
  const kept = entries.flatMap(([found, key, inner]) => {
    if (Either.isRight(found)) return [[found.right, inner]]
    report.check(at(path, key), `is a pattern with ${found.left}`, "left out")
    return []
  })
  return { ...schema, patternProperties: Object.fromEntries(kept) }
}

const steps: ReadonlyArray<Step> = [
  withBounds,
  withShapes,
  withTypes,
  withItems,
  withProperties,
  withPattern,
  withFormat,
  withPatternKeys
]

/** Keywords the server accepts only below the root. */
const notAtRoot = ["allOf", "anyOf", "oneOf", "enum", "not"]

export const isObjectRoot = (schema: JsonSchema): boolean =>
  schema["type"] === "object" && notAtRoot.every((key) => schema[key] === undefined)

/**
 * Converts the schema to one object without alternatives; `undefined` if it is not an object. Alternatives become one
 * object with the keys of all, and the description says which keys belong together.
 */
export const objectRoot = (schema: JsonSchema, report: Report): JsonSchema | undefined => {
  if (isObjectRoot(schema)) return schema
  const root = asObject(schema, schema, new Set())
  if (root === undefined) return undefined
  const found = notAtRoot.filter((key) => schema[key] !== undefined)
  report.form(
    "",
    found.length > 0
      ? `has ${found.join(", ")}`
      : schema["type"] === undefined
        ? "has no type"
        : `has the type ${brief(schema["type"])}`,
    found.length > 0 ? "sent as one object that has all their keys" : "sent as an object"
  )
  return root
}

const asObject = (schema: JsonSchema, root: JsonSchema, seen: ReadonlySet<JsonSchema>): JsonSchema | undefined => {
  const types = typesOf(schema["type"])
  if (types.length > 0 && !types.some((type) => typeof type === "string" && type.toLowerCase() === "object")) {
    return undefined
  }
  if (seen.has(schema)) return {}
  const inside = new Set([...seen, schema])
  const members = (key: string): ReadonlyArray<JsonSchema | undefined> => {
    const list = schema[key]
    return (Array.isArray(list) ? list : []).map((member: unknown) => {
      if (!isObject(member)) return member === true ? {} : undefined
      const target = Object.hasOwn(member, "$ref") ? resolve(root, member["$ref"])?.target : {}
      return asObject(both(target ?? {}, omit(member, "$ref")), root, inside)
    })
  }
  const conjuncts = members("allOf")
  if (conjuncts.includes(undefined)) return undefined
  const own: JsonSchema = { ...omit(schema, ...notAtRoot), type: "object" }
  let out = allOf([...conjuncts.filter((member) => member !== undefined).reverse(), own])
  for (const key of ["anyOf", "oneOf"]) {
    const all = members(key)
    const objects = all.filter((member) => member !== undefined)
    if (all.length > 0 && objects.length === 0) return undefined
    if (objects.length > 0) {
      const choice = oneOf(objects)
      const words = [out["description"], choice["description"]].filter(isString)
      out = { ...both(choice, out), ...(words.length > 0 && { description: words.join(" ") }) }
    }
  }
  return omit(out, "allOf")
}

/** Merges several alternatives into one object. */
const oneOf = (objects: ReadonlyArray<JsonSchema>): JsonSchema => {
  const [first = {}, ...others] = objects
  if (others.length === 0) return first
  const properties = new Map<string, Map<string, unknown>>()
  for (const { properties: own } of objects) {
    for (const [key, inner] of Object.entries(isObject(own) ? own : {})) {
      properties.set(key, (properties.get(key) ?? new Map()).set(JSON.stringify(inner), inner))
    }
  }
  const required = objects.map(({ required }) => (Array.isArray(required) ? required.map(String) : []))
  const common = (required[0] ?? []).filter((key) => required.every((keys) => keys.includes(key)))
  const choices = [...new Set(required.map((keys) => keys.filter((key) => !common.includes(key)).join(" and ")))]
  const out: JsonSchema = {
    type: "object",
    properties: Object.fromEntries(
      [...properties].map(([key, variants]) => {
        const all = [...variants.values()]
        return [key, all.length === 1 ? all[0] : { anyOf: all }]
      })
    ),
    required: common,
    ...(objects.every((object) => object["additionalProperties"] === false) && { additionalProperties: false })
  }
  return choices.length > 1
    ? { ...out, description: `Give one of: ${choices.map((keys) => keys || "nothing more").join("; ")}.` }
    : out
}
