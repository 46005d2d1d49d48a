/**
 * Normalizes the `$ref`s of a JSON Schema. Some readers ignore keywords next to a `$ref`, the strict subset refuses
 * them, and pointers to places other than `$defs` are not widely supported. So every `$ref` stands alone and points to
 * `$defs`.
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

/** The schema that a local pointer refers to, and the pointer's last key. */
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

/** Moves a `$ref` out of `allOf`, the pre-2019-09 way to combine a `$ref` with other keywords. */
const hoist = (schema: JsonSchema): JsonSchema => {
  const members = schema["allOf"]
  if (Object.hasOwn(schema, "$ref") || !Array.isArray(members)) return schema
  const referring = members.filter((member) => isObject(member) && Object.hasOwn(member, "$ref"))
  if (referring.length !== 1) return schema
  const rest = members.filter((member) => member !== referring[0])
  const own = rest.length === 0 ? omit(schema, "allOf") : { ...schema, allOf: rest }
  return both(referring[0], flat(own))
}

/** Whether every `$ref` stands alone and points to a root definition; in strict mode, also none is inside `allOf`. */
export const areNormalized = (root: JsonSchema, mode: "open" | "strict" = "open"): boolean => {
  let normalized = !Object.hasOwn(root, "$ref")
  const visit = (schema: unknown): unknown => {
    if (!isObject(schema)) return schema
    if (Object.hasOwn(schema, "$ref")) {
      const ref = schema["$ref"]
      const isDefinition = typeof ref === "string" && /^#(?:$|\/(?:\$defs|definitions)\/[^/]+$)/.test(ref)
      normalized &&= isDefinition && Object.keys(schema).length === 1 && resolve(root, ref) !== undefined
    }
    if (mode === "strict") normalized &&= hoist(schema) === schema
    return mapInner(schema, "", visit)
  }
  visit(root)
  return normalized
}

interface Definition {
  readonly index: number
  readonly wanted: string
  schema: JsonSchema
  uses: number
  name?: string
}

/** Limits for nested references: keywords next to a recursive `$ref` can grow with every recursion. */
const maxNesting = 64
const maxKeywordsLength = 100_000

/**
 * Rewrites the schema so that every `$ref` stands alone and points to `$defs`. A definition that is used once, or with
 * keywords next to the `$ref`, is inlined; if it is recursive, it gets its own definition with these keywords. A `$ref`
 * that cannot be resolved, or is nested too deeply, is reported and removed.
 */
export const normalizeReferences = (root: JsonSchema, unresolved: (path: string, what: string) => void): JsonSchema => {
  const definitions: Array<Definition> = []
  const byTarget = new Map<JsonSchema, Map<string, Definition>>()
  let nesting = 0

  /** Follows a chain of references, and collects the keywords next to them. */
  const follow = (schema: JsonSchema, path: string): Definition | undefined => {
    const seen = new Set<JsonSchema>()
    let keywords = omit(schema, "$ref", "$defs", "definitions")
    let ref = schema["$ref"]
    while (true) {
      const found = resolve(root, ref)
      if (found === undefined || seen.has(found.target)) {
        unresolved(path, `has the reference ${brief(ref)}, which cannot be resolved`)
        return undefined
      }
      seen.add(found.target)
      const next = hoist(found.target)
      if (Object.hasOwn(next, "$ref")) {
        keywords = both(omit(next, "$ref", "$defs", "definitions"), keywords)
        ref = next["$ref"]
        continue
      }
      const variants = byTarget.get(found.target) ?? new Map<string, Definition>()
      byTarget.set(found.target, variants)
      const key = JSON.stringify(keywords)
      const known = variants.get(key)
      if (known !== undefined) return known
      if (nesting >= maxNesting || key.length > maxKeywordsLength) {
        unresolved(path, `has the reference ${brief(ref)}, which is nested too deeply`)
        return undefined
      }
      const definition: Definition = { index: definitions.length, wanted: found.name, schema: {}, uses: 0 }
      variants.set(key, definition)
      definitions.push(definition)
      nesting++
      definition.schema = inner(both(next, keywords), path)
      nesting--
      return definition
    }
  }

  const inner = (schema: JsonSchema, path: string): JsonSchema =>
    mapInner(omit(schema, "$defs", "definitions"), path, visit)

  /** Replaces every `$ref` with the number of its definition. */
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
