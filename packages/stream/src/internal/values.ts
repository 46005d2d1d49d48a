/** Reads untrusted values of parsed JSON. */

export type Raw = Readonly<Record<string, unknown>>

export const asObject = (value: unknown): Raw | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : undefined

export const asArray = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

export const asText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

export const asNumber = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined

const notWhitespace = /\S/

export const isBlank = (text: string): boolean => !notWhitespace.test(text)

/** A non-blank string; empty and blank strings are treated as absent. */
export const asNonBlank = (value: unknown): string | undefined =>
  typeof value === "string" && !isBlank(value) ? value : undefined

/** Larger indexes are treated as missing. */
const maxIndex = 2 ** 31

export const asIndex = (value: unknown): number | undefined =>
  typeof value === "number" && value >= 0 && value < maxIndex && Number.isInteger(value) ? value : undefined

/** Deeper than any item a server sends, and within the limits of requests and of the stack. */
export const maxDepth = 256

/** Whether a value is nested more than `limit` deep. */
export const isDeep = (value: unknown, limit: number = maxDepth): boolean => {
  if (typeof value !== "object" || value === null) return false
  if (limit === 0) return true
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (isDeep(value[i], limit - 1)) return true
    return false
  }
  for (const key in value) if (isDeep((value as Raw)[key], limit - 1)) return true
  return false
}

/**
 * Whether `next` adds nothing to `known`: all its keys have the same values in `known`, and its arrays are equal. Time
 * is linear in `next`. Neither may be deep.
 */
export const isWithin = (known: unknown, next: unknown): boolean => {
  if (known === next) return true
  if (typeof known !== "object" || known === null || typeof next !== "object" || next === null) {
    return next === null || next === undefined
  }
  if (Array.isArray(next)) {
    return (
      Array.isArray(known) &&
      known.length === next.length &&
      next.every((value, index) => isWithin(known[index], value))
    )
  }
  for (const key in next) {
    if (!isWithin(Object.hasOwn(known, key) ? (known as Raw)[key] : undefined, (next as Raw)[key])) return false
  }
  return true
}

/** Whether a value of an item is empty. */
export const isEmpty = (value: unknown): boolean => {
  if (value === undefined || value === null) return true
  if (typeof value === "string") return isBlank(value)
  if (typeof value !== "object") return false
  for (const _ in value) return false
  return true
}

/** Whether an object says nothing but its type; a blank text was shown, and counts. */
const isOnlyType = (object: object): boolean =>
  Object.entries(object).every(
    ([key, value]) => key === "type" || value === "" || (typeof value !== "string" && isEmpty(value))
  )

/**
 * Fills empty parts of the value from `other`, key by key; arrays of equal length element by element. Of two
 * objects of different types one is taken whole. Returns the same value if `other` adds nothing. Time is linear in
 * `other`. Neither may be deep.
 */
export const filledFrom = (value: unknown, other: unknown): unknown => {
  if (isEmpty(value)) return isEmpty(other) ? value : other
  if (typeof value !== "object" || value === null || typeof other !== "object" || other === null) return value
  if (Array.isArray(value) !== Array.isArray(other)) return value
  if (Array.isArray(value) && value.length !== (other as ReadonlyArray<unknown>).length) return value
  const [type, otherType] = [asNonBlank((value as Raw)["type"]), asNonBlank((other as Raw)["type"])]
  if (type !== undefined && otherType !== undefined && type !== otherType) {
    return isOnlyType(value) && !isOnlyType(other) ? other : value
  }
  let filled: Record<string, unknown> | undefined
  for (const key in other) {
    const before = Object.hasOwn(value, key) ? (value as Raw)[key] : undefined
    const after = key === "__proto__" ? before : filledFrom(before, (other as Raw)[key])
    if (after === before) continue
    filled ??= (Array.isArray(value) ? value.slice() : { ...value }) as Record<string, unknown>
    filled[key] = after
  }
  return filled ?? value
}

/** The JSON text of a value; `undefined` if its nesting overflows the stack. */
export const jsonOf = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

/** Parses JSON; `undefined` if the text is invalid. */
export const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
