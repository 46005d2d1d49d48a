/**
 * Checks the JSON schemas of tools and of structured output: a few rules for all schemas, many for strict ones (protocol
 * C.6, N.9).
 */
import { asArray, asObject, asString, type Json } from "../json.ts"

/** A message in the words of the API, and the kind of its code. */
export interface Problem {
  readonly kind: "schema" | "lookaround"
  readonly message: string
}

const tuple = (path: ReadonlyArray<string>): string =>
  path.length === 1 ? `('${path[0]}',)` : `(${path.map((key) => `'${key}'`).join(", ")})`

const at = (path: ReadonlyArray<string>, message: string): Problem => ({
  kind: "schema",
  message: `In context=${tuple(path)}, ${message}`
})

const dotted = (path: ReadonlyArray<string>): string =>
  path.reduce((text, key) => (/^\d+$/.test(key) ? `${text}[${key}]` : `${text}.${key}`), "$")

/** Keywords that strict mode does not support. */
const notPermitted: ReadonlyArray<string> = [
  "allOf",
  "oneOf",
  "not",
  "if",
  "then",
  "else",
  "dependentRequired",
  "dependentSchemas",
  "patternProperties",
  "propertyNames",
  "minProperties",
  "maxProperties",
  "unevaluatedProperties",
  "unevaluatedItems",
  "prefixItems",
  "contains",
  "minContains",
  "maxContains",
  "uniqueItems",
  "minLength",
  "maxLength",
  "examples",
  "default"
]

const formats: ReadonlySet<string> = new Set([
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

const limits = { properties: 5000, depth: 10, enums: 1000, letters: 120_000 }

const lookaround = /\(\?(?:=|!|<=|<!)/

/** The schemas inside a schema, each with its path. */
const children = (
  schema: Json,
  path: ReadonlyArray<string>
): ReadonlyArray<readonly [ReadonlyArray<string>, unknown]> => [
  ...["properties", "$defs", "definitions"].flatMap((key) =>
    Object.entries(asObject(schema[key]) ?? {}).map(([name, inner]) => [[...path, key, name], inner] as const)
  ),
  ...["items", "additionalProperties"].flatMap((key) =>
    asObject(schema[key]) === undefined ? [] : [[[...path, key], schema[key]] as const]
  ),
  ...["anyOf", "oneOf", "allOf"].flatMap((key) =>
    (asArray(schema[key]) ?? []).map((inner, index) => [[...path, key, String(index)], inner] as const)
  )
]

const typesOf = (schema: Json): ReadonlyArray<unknown> => asArray(schema["type"]) ?? [schema["type"]]

const resolve = (root: Json, reference: string): unknown => {
  if (reference === "#") return root
  if (!reference.startsWith("#/")) return undefined
  let found: unknown = root
  for (const key of reference.slice(2).split("/")) {
    found = asObject(found)?.[key.replaceAll("~1", "/").replaceAll("~0", "~")]
  }
  return found
}

/** Arrays need `items`, also outside of strict mode. */
const checkArray = (schema: Json, path: ReadonlyArray<string>): Problem | undefined => {
  if (!typesOf(schema).includes("array")) return undefined
  if (schema["items"] === undefined) return at(path, "array schema missing items.")
  return asObject(schema["items"]) === undefined ? at(path, "array schema items is not an object.") : undefined
}

const checkStrict = (schema: Json, path: ReadonlyArray<string>, root: Json): Problem | undefined => {
  const reference = schema["$ref"]
  if (typeof reference === "string") {
    const beside = Object.keys(schema).filter((key) => key !== "$ref" && (path.length > 0 || !key.startsWith("$")))
    if (beside.length > 0) return at(path, `$ref cannot have keywords {${beside.map((key) => `'${key}'`).join(", ")}}.`)
    return resolve(root, reference) === undefined
      ? at(path, `reference to component '${reference}' which was not found in the schema.`)
      : undefined
  }
  const keyword = notPermitted.find((keyword) => keyword in schema)
  if (keyword !== undefined) return at(path, `'${keyword}' is not permitted.`)
  if (!("type" in schema) && !("anyOf" in schema) && !("enum" in schema) && !("const" in schema)) {
    return at(path, "schema must have a 'type' key.")
  }
  const format = schema["format"]
  if (typeof format === "string" && !formats.has(format))
    return at([...path, "format"], `'${format}' is not a valid format.`)
  const pattern = asString(schema["pattern"])
  if (pattern !== undefined && lookaround.test(pattern)) {
    return {
      kind: "lookaround",
      message: `Invalid JSON schema: regex lookaround is not supported. Found at ${dotted([...path, "pattern"])}.`
    }
  }
  if ((asArray(schema["enum"])?.length ?? 0) > limits.enums)
    return at(path, `enum has more than ${limits.enums} values.`)
  return typesOf(schema).includes("object") || "properties" in schema ? checkStrictObject(schema, path) : undefined
}

const checkStrictObject = (schema: Json, path: ReadonlyArray<string>): Problem | undefined => {
  if (schema["additionalProperties"] !== false) {
    return at(path, "'additionalProperties' is required to be supplied and to be false.")
  }
  const names = Object.keys(asObject(schema["properties"]) ?? {})
  const required = asArray(schema["required"])
  const demand = "'required' is required to be supplied and to be an array including every key in properties."
  if (required === undefined) return names.length === 0 ? undefined : at(path, `${demand} Missing '${names[0]}'.`)
  const left = names.find((name) => !required.includes(name))
  if (left !== undefined) return at(path, `${demand} Missing '${left}'.`)
  const extra = required.find((name) => !names.includes(String(name)))
  return extra === undefined ? undefined : at(path, `${demand} Extra required key '${String(extra)}' supplied.`)
}

interface Size {
  properties: number
  letters: number
}

/** Depth counts the objects and arrays around a value, not keywords. */
const visit = (
  schema: unknown,
  path: ReadonlyArray<string>,
  depth: number,
  context: { readonly root: Json; readonly strict: boolean; readonly size: Size }
): Problem | undefined => {
  const { root, size, strict } = context
  const node = asObject(schema)
  if (node === undefined) {
    return strict ? at(path, "schema must have a 'type' key.") : undefined
  }
  const names = Object.keys(asObject(node["properties"]) ?? {})
  size.properties += names.length
  size.letters += names.join("").length
  const own =
    checkArray(node, path) ??
    (strict
      ? (checkStrict(node, path, root) ??
        (depth > limits.depth ? at(path, `schema has more than ${limits.depth} levels of nesting.`) : undefined))
      : undefined)
  if (own !== undefined) return own
  for (const [inner, child] of children(node, path)) {
    const key = inner[path.length]
    const found = visit(child, inner, key === "properties" || key === "items" ? depth + 1 : depth, context)
    if (found !== undefined) return found
  }
  return undefined
}

const topLevel = ["oneOf", "anyOf", "allOf", "enum", "not"]

/** The first problem of the schema of an object. */
export const check = (schema: unknown, strict: boolean): Problem | undefined => {
  const root = asObject(schema)
  const type = root?.["type"]
  if (root === undefined || (type !== "object" && !topLevel.some((key) => key in root))) {
    const got = type === undefined || type === null ? "None" : String(type)
    return { kind: "schema", message: `schema must be a JSON Schema of 'type: "object"', got 'type: "${got}"'.` }
  }
  if (topLevel.some((key) => key in root)) {
    const message = "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."
    return { kind: "schema", message }
  }
  if (asObject(root["properties"]) === undefined) return at([], "object schema missing properties.")
  const size: Size = { properties: 0, letters: 0 }
  const found = visit(root, [], 0, { root, strict, size })
  if (found !== undefined || !strict) return found
  if (size.properties > limits.properties) return at([], `schema has more than ${limits.properties} properties.`)
  return size.letters > limits.letters
    ? at([], `schema has names of more than ${limits.letters} characters.`)
    : undefined
}
