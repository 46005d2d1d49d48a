/**
 * Writes exchanges as text that a person can review, and reads exactly the same bytes back.
 *
 * The first character of a line of a body says what it is: `|` text with a newline after it, `-` text without one, `"` a
 * JSON string that includes its newlines, `=` base64 of bytes that are not text, `~` a line of formatted JSON that is sent
 * without the formatting.
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { concat } from "../bytes.ts"
import { parseJson } from "../json.ts"
import { decodeUtf8 } from "./document.ts"
import type { Exchange, NoResponse, Request, Response } from "./exchange.ts"

export const version = 1
export const name = "codex-cassette"

const encoder = new TextEncoder()

// characters that are invisible or ambiguous: controls, direction marks, zero-width characters, separators
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

const escape = (char: string): string =>
  Array.from({ length: char.length }, (_, n) => `\\u${char.charCodeAt(n).toString(16).padStart(4, "0")}`).join("")

const escapeAll = (text: string, keep: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => (char === keep ? char : escape(char)))

const quoted = (text: string): string => escapeAll(JSON.stringify(text), "")

const isPlain = (line: string): boolean => !invisible.test(line) && !/\s$/.test(line)

/** The lines of a chunk, each with its newline except the last. */
function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
  let start = 0
  while (start < bytes.length) {
    const newline = bytes.indexOf(10, start)
    const end = newline === -1 ? bytes.length : newline + 1
    yield bytes.subarray(start, end)
    start = end
  }
}

const printLine = (bytes: Uint8Array): string => {
  const text = decodeUtf8(bytes)
  if (text === undefined) return `= ${Encoding.encodeBase64(bytes)}`
  const hasNewline = text.endsWith("\n")
  const line = hasNewline ? text.slice(0, -1) : text
  if (!isPlain(line)) return quoted(text)
  return hasNewline ? `| ${line}`.trimEnd() : `- ${line}`
}

const printBytes = (bytes: Uint8Array): ReadonlyArray<string> => Array.from(linesOf(bytes), printLine)

/** JSON is formatted if the formatting can be undone. */
const printBody = (bytes: Uint8Array): ReadonlyArray<string> => {
  const text = decodeUtf8(bytes)
  const json = text === undefined ? undefined : parseJson(text)
  if (typeof json !== "object" || json === null || JSON.stringify(json) !== text) return printBytes(bytes)
  const lines = escapeAll(JSON.stringify(json, null, 2), "\n").split("\n")
  return lines.every((line) => isPlain(line)) ? lines.map((line) => `~ ${line}`) : printBytes(bytes)
}

const printHeaders = (mark: string, headers: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  Object.entries(headers).map(([key, value]) =>
    `${mark} ${key}: ${isPlain(value) && !/^\s|^"/.test(value) ? value : quoted(value)}`.trimEnd()
  )

const printRequest = ({ body, headers, method, url }: Request): ReadonlyArray<string> => [
  `> ${method} ${url}`,
  ...printHeaders(">", headers),
  ...printBody(body)
]

const printResponse = (response: Response | NoResponse): ReadonlyArray<string> =>
  response._tag === "NoResponse"
    ? [`< none, ${response.reason} after ${response.wait} ms`]
    : [
        `< ${response.status} after ${response.wait} ms`,
        ...printHeaders("<", response.headers),
        ...response.chunks.flatMap(({ bytes, wait }) => [`@ ${wait} ms`, ...printBody(bytes)]),
        `< ${response.ending} after ${response.endWait} ms`
      ]

/** The text without its seal. */
export const print = (exchanges: ReadonlyArray<Exchange>): string =>
  [
    `${name} ${version}`,
    ...exchanges.flatMap(({ request, response }, n) => [
      "",
      `# ${n + 1}`,
      ...printRequest(request),
      ...printResponse(response)
    ]),
    ""
  ].join("\n")

// reading ------------------------------------------------------------------------------------------------------------

/** An invalid line, counted from 1, and what was expected there. */
export interface Malformed {
  readonly line: number
  readonly expected: string
}

class Lines {
  private at = 0
  constructor(private readonly lines: ReadonlyArray<string>) {}
  get peek(): string | undefined {
    return this.lines[this.at]
  }
  get number(): number {
    return this.at + 1
  }
  next(): string | undefined {
    return this.lines[this.at++]
  }
  /** Consumes the next line if it matches, and returns the match. */
  take(pattern: RegExp): RegExpExecArray | undefined {
    const match = pattern.exec(this.peek ?? "")
    if (match === null) return undefined
    this.at++
    return match
  }
  expected(expected: string): Either.Either<never, Malformed> {
    return Either.left({ line: this.number, expected })
  }
}

const readText = (text: string): string | undefined => {
  const value = parseJson(text)
  return typeof value === "string" ? value : undefined
}

const readHeaders = (lines: Lines, mark: string): Record<string, string> => {
  const headers: Record<string, string> = {}
  const pattern = new RegExp(`^${mark} ([^\\s:]+):(?: (.*))?$`)
  for (let match = lines.take(pattern); match !== undefined; match = lines.take(pattern)) {
    const [, key = "", value = ""] = match
    headers[key] = value.startsWith('"') ? (readText(value) ?? value) : value
  }
  return headers
}

const readBytes = (lines: Lines): Uint8Array | undefined => {
  const parts: Array<Uint8Array> = []
  for (let line = lines.peek; line !== undefined; line = lines.peek) {
    const mark = line[0]
    if (mark === "|") parts.push(encoder.encode(`${line.slice(2)}\n`))
    else if (mark === "-") parts.push(encoder.encode(line.slice(2)))
    else if (mark === '"') {
      const text = readText(line)
      if (text === undefined) return undefined
      parts.push(encoder.encode(text))
    } else if (mark === "=") {
      const bytes = Encoding.decodeBase64(line.slice(2))
      if (Either.isLeft(bytes)) return undefined
      parts.push(bytes.right)
    } else break
    lines.next()
  }
  return concat(parts)
}

const readBody = (lines: Lines): Uint8Array | undefined => {
  if (lines.peek?.startsWith("~") !== true) return readBytes(lines)
  const text: Array<string> = []
  for (let match = lines.take(/^~ (.*)$/); match !== undefined; match = lines.take(/^~ (.*)$/))
    text.push(match[1] ?? "")
  const json = parseJson(text.join("\n"))
  return json === undefined ? undefined : encoder.encode(JSON.stringify(json))
}

const readResponse = (lines: Lines): Either.Either<Response | NoResponse, Malformed> => {
  const none = lines.take(/^< none, (refused|reset|abort) after (\d+) ms$/)
  if (none !== undefined) {
    return Either.right({ _tag: "NoResponse", reason: none[1] as NoResponse["reason"], wait: Number(none[2]) })
  }
  const start = lines.take(/^< (\d{3}) after (\d+) ms$/)
  if (start === undefined) return lines.expected("`< 200 after 0 ms`, the status of a response")
  const headers = readHeaders(lines, "<")
  const chunks: Array<Response["chunks"][number]> = []
  for (let chunk = lines.take(/^@ (\d+) ms$/); chunk !== undefined; chunk = lines.take(/^@ (\d+) ms$/)) {
    const bytes = readBody(lines)
    if (bytes === undefined) return lines.expected("a line of a chunk")
    chunks.push({ wait: Number(chunk[1]), bytes })
  }
  const end = lines.take(/^< (end|reset|abort) after (\d+) ms$/)
  if (end === undefined) return lines.expected("`< end after 0 ms`, the end of a response")
  return Either.right({
    _tag: "Response",
    status: Number(start[1]),
    wait: Number(start[2]),
    headers,
    chunks,
    ending: end[1] as Response["ending"],
    endWait: Number(end[2])
  })
}

const readExchange = (lines: Lines): Either.Either<Exchange, Malformed> => {
  const start = lines.take(/^> (\S+) (\S+)$/)
  if (start === undefined) return lines.expected("`> POST https://…`, the first line of a request")
  const [, method = "", url = ""] = start
  const headers = readHeaders(lines, ">")
  const body = readBody(lines)
  if (body === undefined) return lines.expected("a line of a request body")
  return Either.map(readResponse(lines), (response) => ({ request: { method, url, headers, body }, response }))
}

/** The exchanges of a text without its seal. */
export const read = (text: string): Either.Either<ReadonlyArray<Exchange>, Malformed> => {
  const lines = new Lines(text.split("\n"))
  lines.next()
  const exchanges: Array<Exchange> = []
  while (lines.peek !== undefined) {
    if (lines.peek === "") {
      lines.next()
      continue
    }
    if (lines.take(/^# \d+$/) === undefined) return lines.expected(`\`# ${exchanges.length + 1}\`, the next exchange`)
    const exchange = readExchange(lines)
    if (Either.isLeft(exchange)) return Either.left(exchange.left)
    exchanges.push(exchange.right)
  }
  return Either.right(exchanges)
}
