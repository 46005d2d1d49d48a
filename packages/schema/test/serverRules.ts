/**
 * The server's rules for JSON Schemas, written down a second time from public refusals and the public API's list of
 * supported schemas, without a look at `src`: what a test of the schemas sent is held against. Whether a schema is one at
 * all is left to ajv.
 */
import { Ajv2020 } from "ajv/dist/2020.js"

type Node = Readonly<Record<string, unknown>>

const ajv = new Ajv2020({ strict: false, validateFormats: false, unicodeRegExp: false, logger: false })

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && !Array.isArray(value)

const valuesOf = (value: unknown): ReadonlyArray<readonly [string, unknown]> =>
  typeof value === "object" && value !== null ? Object.entries(value) : []

/** Every schema inside a schema, with the JSON pointer to it. */
function* nodesOf(schema: unknown, pointer = "#"): Generator<readonly [string, unknown]> {
  yield [pointer, schema]
  if (!isNode(schema)) return
  for (const key of ["items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"]) {
    if (key in schema && typeof schema[key] !== "boolean") yield* nodesOf(schema[key], `${pointer}/${key}`)
  }
  for (const key of ["anyOf", "oneOf", "allOf", "properties", "patternProperties", "$defs", "definitions"]) {
    for (const [name, inner] of valuesOf(schema[key])) yield* nodesOf(inner, `${pointer}/${key}/${name}`)
  }
}

const lookup = (root: unknown, ref: string): unknown =>
  ref
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>((at, part) => (typeof at === "object" && at !== null ? Reflect.get(at, part) : undefined), root)

const serverFormats = "date-time time date duration email hostname ipv4 ipv6 uuid".split(" ")

const patternFault = (pattern: unknown): string | undefined => {
  if (typeof pattern !== "string") return "is no text"
  if (/\(\?(?!:)/.test(pattern.replaceAll("\\(", ""))) return "has a group the server does not know"
  if (/(?<!\\)(?:\\\\)*\\(?:[1-9k]|[pP]\{|u\{)/.test(pattern)) return "has an escape the server does not know"
  return undefined
}

/** What any tool's schema has to be. */
export const openFaults = (root: unknown): ReadonlyArray<string> => {
  const faults: Array<string> = []
  if (!isNode(root)) return ["no object"]
  if (!ajv.validate("https://json-schema.org/draft/2020-12/schema", root))
    faults.push(`no JSON Schema: ${ajv.errorsText(ajv.errors)}`)
  if (root["type"] !== "object") faults.push("the root is no object")
  for (const key of ["anyOf", "oneOf", "allOf", "enum", "not"]) if (key in root) faults.push(`${key} at the root`)
  for (const [pointer, node] of nodesOf(root)) {
    if (!isNode(node)) {
      faults.push(`${pointer} is ${JSON.stringify(node)}`)
      continue
    }
    const types = [node["type"]].flat()
    if (types.includes("array") && !isNode(node["items"])) faults.push(`${pointer}: array schema missing items`)
    if (types.includes("object") && !isNode(node["properties"])) faults.push(`${pointer}: object missing properties`)
    if ("items" in node && !isNode(node["items"])) faults.push(`${pointer}: items is no object`)
    if ("prefixItems" in node) faults.push(`${pointer}: a tuple`)
    const ref = node["$ref"]
    if (ref !== undefined && !(typeof ref === "string" && ref.startsWith("#") && isNode(lookup(root, ref)))) {
      faults.push(`${pointer}: ${ref} leads nowhere`)
    }
    if ("format" in node && !serverFormats.includes(String(node["format"]))) {
      faults.push(`${pointer}: '${node["format"]}' is not a valid format`)
    }
    for (const pattern of [
      ...("pattern" in node ? [node["pattern"]] : []),
      ...Object.keys(node["patternProperties"] ?? {})
    ]) {
      const fault = patternFault(pattern)
      if (fault !== undefined) faults.push(`${pointer}: ${pattern} ${fault}`)
    }
  }
  return faults
}

const strictKeys: Readonly<Record<string, string>> = {
  any: "type description enum const $ref anyOf $defs definitions",
  string: "pattern format",
  number: "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf",
  integer: "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf",
  array: "items minItems maxItems",
  object: "properties required additionalProperties"
}

/** What a schema has to be for the server to hold a model to it. */
export const strictFaults = (root: unknown): ReadonlyArray<string> => {
  const faults = [...openFaults(root)]
  for (const [pointer, node] of nodesOf(root)) {
    if (!isNode(node)) continue
    const keys = Object.keys(node)
    if ("$ref" in node) {
      if (keys.some((key) => key !== "$ref")) faults.push(`${pointer}: $ref cannot have keywords ${keys}`)
      continue
    }
    const types = [node["type"] ?? []].flat().map(String)
    const allowed = ["any", ...types].flatMap((type) => (strictKeys[type] ?? "").split(" "))
    for (const key of keys) if (!allowed.includes(key)) faults.push(`${pointer}: '${key}' is not permitted`)
    if (types.length === 0 && !("anyOf" in node)) faults.push(`${pointer}: schema must have a 'type' key`)
    if (!types.includes("object")) continue
    if (node["additionalProperties"] !== false) faults.push(`${pointer}: additionalProperties has to be false`)
    const [properties, required] = [Object.keys(node["properties"] ?? {}), [node["required"]].flat()]
    for (const key of properties) if (!required.includes(key)) faults.push(`${pointer}: required lacks '${key}'`)
    for (const key of required)
      if (!properties.includes(String(key))) faults.push(`${pointer}: extra required '${key}'`)
  }
  return faults
}

/** Whether a JSON value fits a JSON Schema, as ajv sees it. */
export const fits = (schema: Node, value: unknown): boolean => ajv.validate(schema, value)
