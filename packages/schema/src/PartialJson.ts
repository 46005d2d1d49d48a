/**
 * Parses incomplete JSON: tool call arguments while they stream, for programs that show them, and error bodies that
 * were cut off.
 *
 * Appending deltas to a string is cheap. Parse when you render, not on every delta.
 *
 * @since 0.1.0
 */

/** The open containers around the current position. */
type Container = Array<unknown> | Record<string, unknown>

const quote = 34
const backslash = 92
const whitespace = /[ \t\n\r]*/y
const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const words: ReadonlyArray<readonly [string, unknown]> = [
  ["true", true],
  ["false", false],
  ["null", null]
]

/**
 * Parses a prefix of a JSON text: open strings, arrays and objects are closed at the end of the text. Incomplete parts
 * are omitted: a key without its value, a partial escape, a partial `true`. A number at the end is parsed as is. An
 * empty text gives `undefined`.
 *
 * It is total: invalid JSON is parsed up to the first error. Time is linear in the text, and nesting depth is limited
 * only by memory. Use `JSON.parse` or a Schema for the complete text of a finished call, because this function does not
 * report errors.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { PartialJson } from "@effect-codex/schema"
 *
 * PartialJson.parse('{"path":"/tmp","lines":[1,2') // { path: "/tmp", lines: [1, 2] }
 * PartialJson.parse('{"path":"/t') // { path: "/t" }
 * PartialJson.parse('{"pa') // {}
 * PartialJson.parse("") // undefined
 * ```
 */
export const parse = (text: string): unknown => {
  const open: Array<Container> = []
  let root: unknown
  let key: string | undefined
  let at = 0

  const skip = (pattern: RegExp): number => {
    pattern.lastIndex = at
    return pattern.test(text) ? pattern.lastIndex : at
  }
  const put = (value: unknown): void => {
    const container = open[open.length - 1]
    if (container === undefined) root = value
    else if (Array.isArray(container)) container.push(value)
    // `__proto__` must become an ordinary key
    else Object.defineProperty(container, key ?? "", { value, enumerable: true, writable: true, configurable: true })
  }
  /** Reads the string that starts at `at`, up to the last complete character or escape. */
  const readString = (): { readonly value: string; readonly cut: boolean } => {
    const start = at++
    for (let code = text.charCodeAt(at); code >= 0x20 && code !== quote; code = text.charCodeAt(at)) {
      const after = code === backslash ? skip(escape) : at + 1
      if (after === at) break
      at = after
    }
    const value: string = JSON.parse(`${text.slice(start, at)}"`)
    return { value, cut: text[at++] !== '"' }
  }
  const isNext = (character: string): boolean => {
    at = skip(whitespace)
    if (text[at] !== character) return false
    at++
    return true
  }
  /** Reads `"key":`; returns whether a value follows. */
  const readKey = (): boolean => {
    at = skip(whitespace)
    if (text[at] !== '"') return false
    const { cut, value } = readString()
    key = value
    return !cut && isNext(":")
  }
  /** Continues after a value: closes containers that end here; returns whether another value follows. */
  const next = (): boolean => {
    while (open.length > 0) {
      const isArray = Array.isArray(open[open.length - 1])
      if (isNext(",")) return isArray || readKey()
      if (!isNext(isArray ? "]" : "}")) return false
      open.pop()
    }
    return false
  }
  /** Reads a value, or the start of a container; returns whether another value follows. */
  const readValue = (): boolean => {
    at = skip(whitespace)
    const first = text[at]
    if (first === "{" || first === "[") {
      const container: Container = first === "{" ? {} : []
      put(container)
      open.push(container)
      at++
      at = skip(whitespace)
      if (text[at] === (first === "{" ? "}" : "]")) {
        at++
        open.pop()
        return next()
      }
      return first === "[" || readKey()
    }
    if (first === '"') {
      const { cut, value } = readString()
      put(value)
      return !cut && next()
    }
    const word = words.find(([name]) => text.startsWith(name, at))
    if (word !== undefined) {
      put(word[1])
      at += word[0].length
      return next()
    }
    const end = skip(number)
    if (end === at) return false
    put(Number(text.slice(at, end)))
    at = end
    return next()
  }

  while (readValue()) {}
  return root
}
