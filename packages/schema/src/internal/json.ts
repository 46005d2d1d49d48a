/**
 * Whether a value can be written as JSON text that a strict parser reads: values JSON has, not nested too deeply, and
 * strings without unpaired surrogates, for which a strict parser refuses the whole text.
 */

/** A part of a value that cannot be written. `path` leads to it; `""` is the value itself. */
export interface Flaw {
  readonly path: string
  readonly what: string
}

/** Deeper than any JSON a server takes, and well within the stack. */
const maxDepth = 500

/** Supported by every engine since 2023, but missing in TypeScript's library for ES2022. */
interface WellFormed {
  readonly isWellFormed: () => boolean
  readonly toWellFormed: () => string
}

const isWellFormed = (text: string): boolean => (text as unknown as WellFormed).isWellFormed()

/** The text with U+FFFD for every unpaired surrogate. */
export const wellFormed = (text: string): string => (text as unknown as WellFormed).toWellFormed()

/** Without allocation: every item of a history passes through here at every request. */
export const isSound = (value: unknown): boolean => {
  try {
    return isPlain(value, maxDepth)
  } catch {
    // a property that fails when it is read
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
      if (depth === 0) return false
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

const unreadable = Symbol()

const propertyOf = (value: object, key: string): unknown => {
  try {
    return (value as Readonly<Record<string, unknown>>)[key]
  } catch {
    return unreadable
  }
}

/** A sound copy, and what was changed in it. */
export interface Mended {
  readonly value: unknown
  /** Whether unpaired surrogates were replaced. */
  readonly surrogates: boolean
  /** What was left out: values JSON does not have, or nested too deeply. In a list they are replaced by `null`. */
  readonly removed: ReadonlyArray<Flaw>
}

/** The value, with everything that is not sound left out or replaced. */
export const mend = (value: unknown): Mended => {
  const open = new Set<unknown>()
  const removed: Array<Flaw> = []
  let surrogates = false
  const text = (text: string): string => {
    if (isWellFormed(text)) return text
    surrogates = true
    return wellFormed(text)
  }
  const leaveOut = (path: string, what: string): undefined => {
    removed.push({ path, what })
    return undefined
  }
  const visit = (value: unknown, path: string): unknown => {
    switch (typeof value) {
      case "bigint":
      case "function":
      case "symbol":
        return leaveOut(path, value === unreadable ? "a property that cannot be read" : `a ${typeof value}`)
      case "number":
        return Number.isFinite(value) ? value : leaveOut(path, String(value))
      case "string":
        return text(value)
      case "object": {
        if (value === null) return null
        if (open.has(value)) return leaveOut(path, "a reference to itself")
        if (open.size >= maxDepth) return leaveOut(path, "nested too deeply")
        open.add(value)
        const inner = (key: string | number, value: unknown) => visit(value, path === "" ? `${key}` : `${path}.${key}`)
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

/** The first part of a value that JSON cannot hold; `undefined` if there is none. */
export const notJson = (value: unknown): Flaw | undefined => (isSound(value) ? undefined : mend(value).removed[0])
