/**
 * The `$ref`s of a JSON Schema. Keywords beside a `$ref` are ignored by some readers and refused by the strict subset, and
 * pointers to other places than `$defs` are not followed everywhere. So every `$ref` stands alone and leads to `$defs`.
 *
 * @internal
 */
import { numbered } from "./names.ts"
import { both, brief, flat, isObject, type JsonSchema, mapInner, omit } from "./schemaTree.ts"

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** The schema a local pointer leads to, and its last key. */
export const resolve = (
  root: JsonSchema,
  ref: unknown
): { readonly name: string; readonly target: JsonSchema } | undefined => {
  if (typeof ref !== "string") return undefined
  const base = typeof root["$id"] === "string" && ref.startsWith(root["$id"]) ? root["$id"] : ""
  const pointer = ref.slice(base.length)
  if (pointer === "#" || pointer === "") return { name: "Root", target: root }
  if (!pointer.startsWith("#/")) return undefined
  const path = pointer.slice("#/".length).split("/")
  const keys = path.map((segment) => decoded(segment).replaceAll("~1", "/").replaceAll("~0", "~"))
  let target: unknown = root
  for (const key of keys) {
    target =
      typeof target === "object" && target !== null && Object.hasOwn(target, key) ? Reflect.get(target, key) : undefined
  }
  return target === true
    ? { name: "Anything", target: {} }
    : isObject(target)
      ? { name: keys[keys.length - 1] ?? "", target }
      : undefined
}

/** A `$ref` inside `allOf`, the form of keywords beside a `$ref` before draft 2019-09, as a `$ref` with keywords beside it. */
const hoist = (schema: JsonSchema): JsonSchema => {
  const members = schema["allOf"]
  if (Object.hasOwn(schema, "$ref") || !Array.isArray(members)) return schema
  const referring = members.filter((member) => isObject(member) && Object.hasOwn(member, "$ref"))
  if (referring.length !== 1) return schema
  const rest = members.filter((member) => member !== referring[0])
  const own = rest.length === 0 ? omit(schema, "allOf") : { ...schema, allOf: rest }
  return both(referring[0], flat(own))
}

/** Whether every `$ref` stands alone and leads to a definition of the root; in strict mode, also not inside `allOf`. */
export const areTidy = (root: JsonSchema, mode: "open" | "strict" = "open"): boolean => {
  let tidy = !Object.hasOwn(root, "$ref")
  const visit = (schema: unknown): unknown => {
    if (!isObject(schema)) return schema
    if (Object.hasOwn(schema, "$ref")) {
      const ref = schema["$ref"]
      const isDefinition = typeof ref === "string" && /^#(?:$|\/(?:\$defs|definitions)\/[^/]+$)/.test(ref)
      tidy &&= isDefinition && Object.keys(schema).length === 1 && resolve(root, ref) !== undefined
    }
    if (mode === "strict") tidy &&= hoist(schema) === schema
    return mapInner(schema, "", visit)
  }
  visit(root)
  return tidy
}

interface Definition {
  readonly index: number
  readonly wanted: string
  schema: JsonSchema
  uses: number
  name?: string
}

/** Limits for references inside each other: keywords beside a recursive `$ref` can grow at every turn. */
const maxNesting = 64
const maxWords = 100_000

/**
 * The schema with every `$ref` alone and into `$defs`. A definition that is used once, or with keywords beside the `$ref`,
 * is written where it is used; if it is recursive, it gets a definition with these keywords. A `$ref` that leads nowhere,
 * or too far, is reported and dropped.
 */
export const tidy = (root: JsonSchema, dangling: (path: string, what: string) => void): JsonSchema => {
  const definitions: Array<Definition> = []
  const byTarget = new Map<JsonSchema, Map<string, Definition>>()
  let nesting = 0

  /** Follows a chain of references, and collects the keywords beside them. */
  const follow = (schema: JsonSchema, path: string): Definition | undefined => {
    const seen = new Set<JsonSchema>()
    let words = omit(schema, "$ref", "$defs", "definitions")
    let ref = schema["$ref"]
    while (true) {
      const found = resolve(root, ref)
      if (found === undefined || seen.has(found.target)) {
        dangling(path, `has the reference ${brief(ref)}, which leads nowhere`)
        return undefined
      }
      seen.add(found.target)
      const next = hoist(found.target)
      if (Object.hasOwn(next, "$ref")) {
        words = both(omit(next, "$ref", "$defs", "definitions"), words)
        ref = next["$ref"]
        continue
      }
      const variants = byTarget.get(found.target) ?? new Map<string, Definition>()
      byTarget.set(found.target, variants)
      const key = JSON.stringify(words)
      const known = variants.get(key)
      if (known !== undefined) return known
      if (nesting >= maxNesting || key.length > maxWords) {
        dangling(path, `has the reference ${brief(ref)}, which leads too far`)
        return undefined
      }
      const definition: Definition = { index: definitions.length, wanted: found.name, schema: {}, uses: 0 }
      variants.set(key, definition)
      definitions.push(definition)
      nesting++
      definition.schema = inner(both(next, words), path)
      nesting--
      return definition
    }
  }

  const inner = (schema: JsonSchema, path: string): JsonSchema =>
    mapInner(omit(schema, "$defs", "definitions"), path, visit)

  /** Replaces every `$ref` by the number of its definition. */
  const visit = (value: unknown, path: string): unknown => {
    if (!isObject(value)) return value
    const schema = hoist(value)
    if (!Object.hasOwn(schema, "$ref")) return inner(schema, path)
    const definition = follow(schema, path)
    if (definition === undefined) return inner(omit(schema, "$ref"), path)
    definition.uses++
    return { $ref: definition.index }
  }

  const kept = new Map<string, JsonSchema>()
  const freeName = numbered((name) => kept.has(name))

  const place = (value: unknown): unknown => {
    if (!isObject(value)) return value
    const definition = typeof value["$ref"] === "number" ? definitions[value["$ref"]] : undefined
    if (definition === undefined) return mapInner(value, "", place)
    return definition.uses === 1 ? place(definition.schema) : { $ref: `#/$defs/${keep(definition)}` }
  }

  const keep = (definition: Definition): string => {
    if (definition.name !== undefined) return definition.name
    const base = definition.wanted.replace(/[^\w-]+/g, "_") || "Schema"
    const name = freeName(base)
    definition.name = name
    kept.set(name, {})
    kept.set(name, mapInner(definition.schema, "", place))
    return name
  }

  const start = hoist(root)
  const definition = Object.hasOwn(start, "$ref") ? follow(start, "") : undefined
  if (definition !== undefined) definition.uses++
  const out = mapInner(definition?.schema ?? inner(omit(start, "$ref"), ""), "", place)
  return kept.size === 0 ? out : { ...out, $defs: Object.fromEntries(kept) }
}
