/**
 * Checks that a value can be serialized to JSON that a strict parser accepts: only JSON values, not nested too deeply,
 * and no unpaired surrogates in strings, which make a strict parser reject the whole text.
 */

/** A part of a value that cannot be serialized. `path` is its location; `""` is the value itself. */
export interface Unserializable {
  readonly path: string
  readonly what: string
}

/** Deeper than any JSON a server accepts, and shallow enough not to overflow the stack. */
const maxDepth = 500

/** Supported by every engine since 2023, but missing in TypeScript's library for ES2022. */
interface WellFormed {
  readonly isWellFormed: () => boolean
  readonly toWellFormed: () => string
}

const isWellFormed = (text: string): boolean => (text as unknown as WellFormed).isWellFormed()

/** Replaces every unpaired surrogate with U+FFFD. */
export const wellFormed = (text: string): string => (text as unknown as WellFormed).toWellFormed()

/** Does not allocate, because it runs for every history item in every request. */
export const isSerializable = (value: unknown): boolean => {
  try {
    return isPlain(value, maxDepth)
  } catch {
    // a getter threw
    return false
  }
}

const isPlain = (value: unknown, depth: number): boolean => {
  switch (typeof value) {
    case "string":
      return isWellFormed(value)
    case "number":
      return Number.isFinite(value)
    case "boolean":
    case "undefined":
      return true
    case "object": {
      if (value === null) return true
      if (depth === 0 || hasToJson(value)) return false
      if (Array.isArray(value)) {
        for (const inner of value) if (!isPlain(inner, depth - 1)) return false
        return true
      }
      for (const key in value) {
        if (!isWellFormed(key) || !isPlain((value as Readonly<Record<string, unknown>>)[key], depth - 1)) return false
      }
      return true
    }
    default:
      return false
  }
}

/** JSON holds what `toJSON` returns, which can be anything. */
const hasToJson = (value: object): value is { readonly toJSON: () => unknown } =>
  "toJSON" in value && typeof value.toJSON === "function"

const unreadable = Symbol()

const ownJson = (value: { readonly toJSON: () => unknown }): unknown => {
  try {
    return value.toJSON()
  } catch {
    return unreadable
  }
}

const propertyOf = (value: object, key: string): unknown => {
  try {
    return (value as Readonly<Record<string, unknown>>)[key]
  } catch {
    return unreadable
  }
}

/** A serializable copy, and the changes made to it. */
export interface Sanitized {
  readonly value: unknown
  /** Whether unpaired surrogates were replaced. */
  readonly surrogates: boolean
  /**
   * The removed parts: values that JSON cannot represent or that are nested too deeply. In an array they become `null`.
   */
  readonly removed: ReadonlyArray<Unserializable>
}

/** Removes or replaces everything that cannot be serialized. */
export const sanitize = (value: unknown): Sanitized => {
  const open = new Set<unknown>()
  const removed: Array<Unserializable> = []
  let surrogates = false
  const text = (text: string): string => {
    if (isWellFormed(text)) return text
    surrogates = true
    return wellFormed(text)
  }
  const remove = (path: string, what: string): undefined => {
    removed.push({ path, what })
    return undefined
  }
  const visit = (given: unknown, path: string): unknown => {
    const value = typeof given === "object" && given !== null && hasToJson(given) ? ownJson(given) : given
    switch (typeof value) {
      case "bigint":
      case "function":
      case "symbol":
        return remove(path, value === unreadable ? "a property that cannot be read" : `a ${typeof value}`)
      case "number":
        return Number.isFinite(value) ? value : remove(path, String(value))
      case "string":
        return text(value)
      case "object": {
        if (value === null) return null
        if (open.has(value)) return remove(path, "a reference to itself")
        if (open.size >= maxDepth) return remove(path, "nested too deeply")
        open.add(value)
        const inner = (key: string | number, one: unknown) => visit(one, path === "" ? `${key}` : `${path}.${key}`)
        const copy = Array.isArray(value)
          ? Array.from(value, (element: unknown, index) => inner(index, element) ?? null)
          : Object.fromEntries(
              Object.keys(value).flatMap((key) => {
                const kept = inner(key, propertyOf(value, key))
                return kept === undefined ? [] : [[text(key), kept]]
              })
            )
        open.delete(value)
        return copy
      }
      default:
        return value
    }
  }
  return { value: visit(value, ""), surrogates, removed }
}

const holdsUndefined = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return value === undefined
  for (const key in value) if (holdsUndefined((value as Readonly<Record<string, unknown>>)[key])) return true
  return false
}

const present = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null || hasToJson(value)) return value
  if (Array.isArray(value)) return value.map(present)
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => (inner === undefined ? [] : [[key, present(inner)]]))
  )
}

/**
 * The value without the keys whose value is `undefined`, which JSON omits; the same value if there are none. It must
 * not be nested too deeply: see {@link notJson}.
 */
export const withoutUndefined = (value: unknown): unknown => (holdsUndefined(value) ? present(value) : value)

/** The same for any value: one that JSON cannot represent stays as it is. */
export const asWritten = (value: unknown): unknown => (notJson(value) === undefined ? withoutUndefined(value) : value)

/** The first part of a value that JSON cannot represent; `undefined` if there is none. */
export const notJson = (value: unknown): Unserializable | undefined =>
  isSerializable(value) ? undefined : sanitize(value).removed[0]
