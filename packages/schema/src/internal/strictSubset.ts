/**
 * The subset of JSON Schema the server can enforce (protocol C.6, C.9; the full list is "supported schemas" of the public
 * API's structured outputs): closed objects with all their keys, no composition except `anyOf`, a few constraints.
 *
 * @internal
 */

import { at, flat, isObject, type JsonSchema, mapValues, typesOf } from "./schemaTree.ts"
import { addToDescription } from "./serverForms.ts"

/** The constraints of the subset, and the types they apply to. */
const constraints: ReadonlyMap<string, ReadonlyArray<string>> = new Map<string, ReadonlyArray<string>>([
  ["pattern", ["string"]],
  ["format", ["string"]],
  ...["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"].map(
    (key) => [key, ["number", "integer"]] as const
  ),
  ["minItems", ["array"]],
  ["maxItems", ["array"]]
])

/** Keywords outside the subset that go into the description. */
const described = [
  "minLength",
  "maxLength",
  "minProperties",
  "maxProperties",
  "uniqueItems",
  "contentEncoding",
  "contentMediaType",
  "default",
  "examples"
]

/** Keywords outside the subset that have no equivalent. */
const refused = [
  "allOf",
  "not",
  "if",
  "then",
  "else",
  "contains",
  "prefixItems",
  "unevaluatedItems",
  "unevaluatedProperties",
  "dependentRequired",
  "dependentSchemas",
  "dependencies",
  "$dynamicRef",
  "$recursiveRef"
]

/** How to treat a key that is not required: make it nullable, or refuse it. */
export type Optional = "null" | "refuse"

/**
 * Converts the schema to the strict subset. Unsupported parts are reported; then the result must not be used.
 */
export const strictSubset = (
  root: JsonSchema,
  optional: Optional,
  problem: (path: string, what: string) => void
): JsonSchema => {
  const size = { properties: 0, values: 0, characters: 0 }

  const node = (value: unknown, path: string, depth: number): JsonSchema => {
    if (!isObject(value)) {
      problem(path, "accepts anything: give it a type.")
      return {}
    }
    if (Object.hasOwn(value, "$ref")) return { $ref: value["$ref"], ...definitions(value) }
    const schema = flat(value)
    const never = isNever(schema)
    for (const key of refused) {
      if (schema[key] === undefined || (key === "not" && never)) continue
      problem(path, key === "allOf" ? conflict(schema) : `uses ${key}, which strict mode does not support.`)
    }
    if (schema["anyOf"] !== undefined && schema["oneOf"] !== undefined) {
      problem(path, "uses anyOf and oneOf together, which strict mode does not support.")
    }
    const own = ownKeywords(schema)
    const members = schema["anyOf"] ?? schema["oneOf"]
    const types = typesOf(schema["type"])
    if (types.length === 0 && typesOf(own["type"]).some((type) => type === "object" || type === "array")) {
      problem(path, "lists objects or arrays, which strict mode does not support: describe them with a schema.")
    }
    if (own["type"] === undefined && !Array.isArray(members)) {
      problem(path, "accepts anything or nothing, which strict mode does not support: give it a type.")
    }
    measure(schema, path)
    return {
      ...own,
      ...(Array.isArray(members) && { anyOf: members.map((member) => node(member, path, depth)) }),
      ...(types.includes("object") && object(schema, path, depth)),
      ...(types.includes("array") && { items: node(schema["items"], `${path}[]`, depth) }),
      ...definitions(schema)
    }
  }

  const definitions = (schema: JsonSchema): JsonSchema =>
    Object.fromEntries(
      ["$defs", "definitions"].flatMap((key) => {
        const record = schema[key]
        if (!isObject(record)) return []
        for (const name of Object.keys(record)) size.characters += name.length
        return [[key, mapValues(record, (inner, name) => node(inner, name, 0))]]
      })
    )

  const object = (schema: JsonSchema, path: string, depth: number): JsonSchema => {
    const { additionalProperties, patternProperties, properties, propertyNames, required } = schema
    if (patternProperties !== undefined || propertyNames !== undefined || isObject(additionalProperties)) {
      problem(path, "is a record with keys of any name, which strict mode does not support: use an array of pairs.")
    } else if (additionalProperties === true) {
      problem(path, "takes keys of any name, which strict mode does not support: close it.")
    }
    if (depth === maxDepth + 1) problem(path, `is nested more than ${maxDepth} levels deep: flatten it.`)
    const inner = isObject(properties) ? properties : {}
    const keys = Object.keys(inner)
    for (const key of keys) {
      size.properties += 1
      size.characters += key.length
    }
    return {
      properties: mapValues(inner, (property, key) => {
        const place = at(path, key)
        if (Array.isArray(required) && required.includes(key)) return node(property, place, depth + 1)
        if (optional === "refuse") problem(place, "is not required, but strict mode requires all keys.")
        return isNever(property) ? { type: "null" } : orNull(node(property, place, depth + 1))
      }),
      required: keys,
      additionalProperties: false
    }
  }

  const measure = (schema: JsonSchema, path: string) => {
    const values = [
      ...(Array.isArray(schema["enum"]) ? schema["enum"] : []),
      ...("const" in schema ? [schema["const"]] : [])
    ]
    const characters = values.reduce((sum: number, value) => sum + (typeof value === "string" ? value.length : 0), 0)
    size.values += values.length
    size.characters += characters
    if (values.length > manyValues && characters > maxCharactersOfMany) {
      problem(
        path,
        `lists ${values.length} values of ${characters} characters; at most ${maxCharactersOfMany} are allowed.`
      )
    }
  }

  const out = node(root, "", 0)
  if (size.properties > maxProperties)
    problem("", `has ${size.properties} keys in total; at most ${maxProperties} are allowed.`)
  if (size.values > maxValues) problem("", `lists ${size.values} values in total; at most ${maxValues} are allowed.`)
  if (size.characters > maxCharacters) {
    problem("", `has ${size.characters} characters in names and listed values; at most ${maxCharacters} are allowed.`)
  }
  return out
}

const maxDepth = 10
const maxProperties = 5000
const maxValues = 1000
const maxCharacters = 120_000
const manyValues = 250
const maxCharactersOfMany = 15_000

const conflict = (schema: JsonSchema): string => {
  const members = Array.isArray(schema["allOf"]) ? schema["allOf"] : []
  const keys = new Set(members.flatMap((member) => (isObject(member) ? Object.keys(member) : [])))
  return keys.has("pattern")
    ? "has more than one pattern, which strict mode does not support: combine them."
    : "combines schemas by allOf, which strict mode does not support: write the combined schema."
}

/** The schema's own keywords: type, listed values, constraints, and a description with the unsupported ones. */
const ownKeywords = (schema: JsonSchema): JsonSchema => {
  const { const: value, description, enum: values } = schema
  const type = schema["type"] ?? typeOfValues(Array.isArray(values) ? values : "const" in schema ? [value] : [])
  const types = typesOf(type)
  const isFor = (key: string) => constraints.get(key)?.some((type) => types.includes(type)) === true
  const all = [...constraints.keys()].filter((key) => schema[key] !== undefined)
  const own: JsonSchema = {
    ...(type !== undefined && { type }),
    ...(description !== undefined && { description }),
    ...(values !== undefined && { enum: values }),
    ...("const" in schema && { const: value }),
    ...Object.fromEntries(all.filter(isFor).map((key) => [key, schema[key]]))
  }
  return [...described, ...(types.length === 0 ? all : [])].reduce(
    (own, key) => (schema[key] === undefined || schema[key] === false ? own : addToDescription(own, key, schema[key])),
    own
  )
}

/** The type of listed values: the server requires one. */
const typeOfValues = (values: ReadonlyArray<unknown>): unknown => {
  const types = [
    ...new Set(values.map((value) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value)))
  ]
  return types.length > 1 ? types : types[0]
}

const isNever = (schema: unknown): boolean =>
  isObject(schema) && isObject(schema["not"]) && Object.keys(schema["not"]).length === 0

const isNullable = (schema: unknown): boolean => {
  if (!isObject(schema) || !typesOf(schema["type"]).includes("null")) return false
  return Array.isArray(schema["enum"])
    ? schema["enum"].includes(null)
    : !("const" in schema) || schema["const"] === null
}

const orNull = (node: JsonSchema): JsonSchema => {
  const { anyOf, ...rest } = node
  if (!Array.isArray(anyOf)) return isNullable(node) ? node : { anyOf: [node, { type: "null" }] }
  return anyOf.some(isNullable) ? node : { ...rest, anyOf: [...anyOf, { type: "null" }] }
}
