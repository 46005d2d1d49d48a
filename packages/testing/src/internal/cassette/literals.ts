/**
 * The string values in a text that contains JSON, each with its position and keys.
 */
import { parseJson } from "../json.ts"

export interface Literal {
  /** The position of the opening quote. */
  readonly start: number
  /** The position after the closing quote. */
  readonly end: number
  /** The keys around it, without array indexes. */
  readonly path: ReadonlyArray<string>
  readonly value: string
}

const isSpace = (code: number) => code === 32 || code === 10 || code === 13 || code === 9

/** The position after the closing quote of the string that begins here. */
const endOfString = (text: string, start: number): number => {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1
  return at + 1
}

/** The strings of a text that is JSON. */
const walk = (text: string, from: number, to: number): ReadonlyArray<Literal> => {
  const found: Array<Literal> = []
  /** The open containers: an object with its current key, or an array. */
  const open: Array<{ key: string | undefined; readonly isArray: boolean }> = []
  let at = from
  while (at < to) {
    const char = text[at]
    const top = open.at(-1)
    if (char === '"') {
      const end = endOfString(text, at)
      const value = String(parseJson(text.slice(at, end)))
      let next = end
      while (next < to && isSpace(text.charCodeAt(next))) next++
      if (top !== undefined && !top.isArray && top.key === undefined && text[next] === ":") {
        top.key = value
        at = next + 1
        continue
      }
      found.push({ start: at, end, value, path: open.flatMap(({ key }) => key ?? []) })
      at = end
      continue
    }
    if (char === "{" || char === "[") open.push({ key: undefined, isArray: char === "[" })
    else if (char === "}" || char === "]") open.pop()
    else if (char === "," && top !== undefined) top.key = undefined
    at++
  }
  return found
}

/** Pairs of a key and a string in incomplete JSON, such as the end of a stream that was cut. */
const pairs = (text: string, from: number, to: number): ReadonlyArray<Literal> => {
  const found: Array<Literal> = []
  for (let at = text.indexOf('"', from); at !== -1 && at < to; at = text.indexOf('"', at)) {
    const keyEnd = endOfString(text, at)
    const colon = /\s*:\s*"/y
    colon.lastIndex = keyEnd
    const match = keyEnd < to ? colon.exec(text) : null
    if (match === null) {
      at = keyEnd
      continue
    }
    const start = colon.lastIndex - 1
    const end = Math.min(endOfString(text, start), to)
    const raw = text.slice(start, end)
    const value = parseJson(raw) ?? parseJson(`${raw}"`) ?? raw.slice(1)
    found.push({ start, end, value: String(value), path: [text.slice(at + 1, keyEnd - 1)] })
    at = end
  }
  return found
}

/** The string values in a range of a text. */
export const inRange = (text: string, from: number, to: number): ReadonlyArray<Literal> => {
  const value = parseJson(text.slice(from, to))
  return typeof value === "object" && value !== null ? walk(text, from, to) : pairs(text, from, to)
}

/** The ranges of a body that can be JSON: each data line of an event stream, or the whole body. */
export const ranges = (text: string): ReadonlyArray<readonly [from: number, to: number]> => {
  if (!/^(?:data|event|id|retry)?:/m.test(text.slice(0, 4096))) return [[0, text.length]]
  return Array.from(text.matchAll(/^data: ?(.*)$/gm), (match) => {
    const to = match.index + match[0].length
    return [to - (match[1]?.length ?? 0), to] as const
  })
}
