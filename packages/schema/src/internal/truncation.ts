/**
 * Truncates long texts in the middle and inserts a marker. A truncated text fits the limit, so it is never truncated
 * again.
 */

/** The cost of a code point against the limit. */
export type Measure = (codePoint: number) => number

/** Bytes of UTF-8. */
export const bytes: Measure = (codePoint) =>
  codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4

/** UTF-16 code units, never fewer than the characters a server counts. */
export const characters: Measure = (codePoint) => (codePoint < 0x10000 ? 1 : 2)

/** Leaves room for the marker. */
export const leastLimit = 256

const words = (leftOut: number): string => `\n[${leftOut} characters are left out here]\n`

/** Consumes a text from its start within a budget; returns the position and the remaining budget. */
const forwards = (text: string, budget: number, measure: Measure) => {
  let place = 0
  let left = budget
  while (place < text.length) {
    const unit = text.charCodeAt(place)
    // fast path: ASCII always costs 1
    const codePoint = unit < 0x80 ? unit : (text.codePointAt(place) ?? unit)
    left -= unit < 0x80 ? 1 : measure(codePoint)
    if (left < 0) return { place, left: 0 }
    place += codePoint < 0x10000 ? 1 : 2
  }
  return { place, left }
}

/** The same, from the end. */
const backwards = (text: string, budget: number, measure: Measure) => {
  let place = text.length
  let left = budget
  while (place > 0) {
    const unit = text.charCodeAt(place - 1)
    const pair = unit < 0x80 ? 0 : (text.codePointAt(place - 2) ?? 0)
    const codePoint = pair < 0x10000 ? unit : pair
    left -= unit < 0x80 ? 1 : measure(codePoint)
    if (left < 0) return { place, left: 0 }
    place -= codePoint < 0x10000 ? 1 : 2
  }
  return { place, left }
}

const fits = (texts: ReadonlyArray<string>, limit: number, measure: Measure): boolean => {
  const length = texts.reduce((sum, text) => sum + text.length, 0)
  // every UTF-16 code unit costs between 1 and 3
  if (length * 3 <= limit) return true
  if (length > limit) return false
  let left = limit
  for (const text of texts) {
    const end = forwards(text, left, measure)
    if (end.place < text.length) return false
    left = end.left
  }
  return true
}

/** The result of truncating several texts as one. A text that was removed completely is `undefined`. */
export interface Cut {
  readonly texts: ReadonlyArray<string | undefined>
  readonly leftOut: number
}

/** The start and the end of texts that together exceed the limit; `undefined` if they fit. */
export const cutMiddle = (texts: ReadonlyArray<string>, limit: number, measure: Measure): Cut | undefined => {
  const most = Math.max(limit, leastLimit)
  if (fits(texts, most, measure)) return undefined
  const length = texts.reduce((sum, text) => sum + text.length, 0)
  const budget = most - words(length).length
  // the first text that does not fit into the first half, and the length that fits
  let first = 0
  let start = forwards(texts[0] ?? "", Math.ceil(budget / 2), measure)
  while (start.place === texts[first]?.length) start = forwards(texts[++first] ?? "", start.left, measure)
  let last = texts.length - 1
  let end = backwards(texts[last] ?? "", Math.floor(budget / 2), measure)
  while (end.place === 0) end = backwards(texts[--last] ?? "", end.left, measure)
  const leftOut = texts.reduce((sum, text, index) => {
    if (index < first || index > last) return sum
    return sum + (index === last ? end.place : text.length) - (index === first ? start.place : 0)
  }, 0)
  return {
    leftOut,
    texts: texts.map((text, index) => {
      if (index < first || index > last) return text
      const head = index === first ? text.slice(0, start.place) + words(leftOut) : ""
      const tail = index === last ? text.slice(end.place) : ""
      return head === "" && tail === "" ? undefined : head + tail
    })
  }
}
