/**
 * Parses the error reported by a server or a proxy, in all known formats (protocol D.5, E.1, F.5): an `error` object, a
 * `detail`, a list, plain text, JSON inside text, an HTML page. HTTP bodies, events and login responses share this
 * parser.
 *
 * @since 0.1.0
 */
import { defined } from "./Defined.ts"
import * as PartialJson from "./PartialJson.ts"
import * as ResponseEvent from "./ResponseEvent.ts"
import * as RetryAfter from "./RetryAfter.ts"

/**
 * The parsed error. Strings are unmodified server output: redact them before showing or logging them.
 *
 * @since 0.1.0
 * @category models
 */
export interface ErrorStatement {
  readonly code?: string
  /** The `type` field, which sometimes holds the code. */
  readonly type?: string
  readonly message?: string
  readonly param?: string
  /** From 400 to 599. */
  readonly status?: number
  readonly planType?: string
  /** In milliseconds since 1970. */
  readonly resetsAt?: number
  readonly windowMinutes?: number
  /** The delay requested by a field or a header inside the error. */
  readonly retryAfterMillis?: number
}

type Raw = Readonly<Record<string, unknown>>

const asObject = (value: unknown): Raw | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : undefined

const asWords = (value: unknown): string | undefined =>
  typeof value === "string" && /\S/.test(value) ? value : undefined

/** Some servers send numbers as strings. */
const asNumber = (value: unknown): number | undefined => {
  const number = typeof value === "string" && /^\s*\d+(?:\.\d+)?\s*$/.test(value) ? Number(value) : value
  return typeof number === "number" && Number.isFinite(number) ? number : undefined
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Whether a value is meaningful: servers send `null`, `false`, blank strings and empty lists for "no value".
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPresent = (value: unknown): boolean =>
  value !== undefined &&
  value !== null &&
  value !== false &&
  (typeof value !== "string" || asWords(value) !== undefined) &&
  !(Array.isArray(value) && value.length === 0)

/** The maximum depth of nested errors. */
const maxNesting = 4

/** Larger timestamps are in milliseconds, not seconds. */
const latestSeconds = 100_000_000_000

const asTime = (value: unknown): number | undefined => {
  const number = asNumber(value)
  if (number !== undefined) return number > latestSeconds ? number : number * 1000
  const date = typeof value === "string" && /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(date) ? undefined : date
}

const asStatus = (value: unknown): number | undefined => {
  const status = asNumber(value)
  return status !== undefined && Number.isInteger(status) && status >= 400 && status < 600 ? status : undefined
}

const asDelay = (value: unknown, unit: number): number | undefined => {
  const number = asNumber(value)
  return number !== undefined && number >= 0 ? Math.ceil(number * unit) : undefined
}

const delayOf = (error: Raw, now: number | undefined): number | undefined =>
  asDelay(error["retry_after_ms"], 1) ??
  asDelay(error["retry_after"] ?? error["retry_after_seconds"], 1000) ??
  RetryAfter.fromHeaders(RetryAfter.headersIn(error["headers"]), now ?? Number.NaN)

/** Whether a text is an error code rather than a sentence. */
const isCode = (text: string): boolean => text.length <= 64 && /^[a-z][a-z0-9]*(?:[_.][a-z0-9]+)+$/.test(text)

const read = (value: unknown, now: number | undefined, nesting: number): ErrorStatement => {
  if (typeof value === "string") return ofText(value, now, nesting)
  if (Array.isArray(value)) return ofList(value, now, nesting)
  const error = asObject(value)
  if (error === undefined) return {}
  const type = asWords(error["type"])?.trim()
  const resetsIn = asNumber(error["resets_in_seconds"])
  const own: ErrorStatement = defined({
    code: asWords(error["code"])?.trim(),
    // the type of a terminal event is not an error type
    type: type === undefined || ResponseEvent.isTerminalType(type) ? undefined : type,
    message:
      asWords(error["message"]) ??
      asWords(error["error_description"]) ??
      asWords(error["msg"]) ??
      asWords(error["title"]),
    param: asWords(error["param"]),
    status: asStatus(error["status"]) ?? asStatus(error["status_code"]) ?? asStatus(error["code"]),
    planType: asWords(error["plan_type"]),
    resetsAt:
      asTime(error["resets_at"]) ?? (resetsIn === undefined || now === undefined ? undefined : now + resetsIn * 1000),
    windowMinutes: asNumber(error["limit_window_minutes"]),
    retryAfterMillis: delayOf(error, now)
  })
  const stated =
    nesting === 0
      ? undefined
      : [error["error"], error["detail"], error["errors"], asObject(error["response"])?.["error"]].find(isPresent)
  if (stated === undefined) return nesting === 0 ? own : { ...own, ...quoted(own.message, now, nesting) }
  const inner = read(stated, now, nesting - 1)
  // a string next to a more detailed error is its code, or a name such as "Bad Request"
  const isName =
    typeof stated === "string" &&
    (inner.code === inner.message || (own.message?.length ?? 0) > (inner.message?.length ?? 0))
  return isName ? { ...inner, ...own } : { ...own, ...inner }
}

/** What a relay puts into the message as it came. */
const quoted = (message: string | undefined, now: number | undefined, nesting: number): ErrorStatement => {
  const inner = message !== undefined && /^\s*\{/.test(message) ? asObject(parse(message)) : undefined
  return inner === undefined ? {} : read(inner, now, nesting - 1)
}

const ofText = (text: string, now: number | undefined, nesting: number): ErrorStatement => {
  if (asWords(text) === undefined) return {}
  const inner = nesting > 0 && /^\s*\{/.test(text) ? asObject(parse(text)) : undefined
  if (inner !== undefined) return read(inner, now, nesting - 1)
  return isCode(text) ? { code: text, message: text } : { message: text }
}

/** Validation errors come as a list of `{ loc, msg }`. */
const ofList = (list: ReadonlyArray<unknown>, now: number | undefined, nesting: number): ErrorStatement => {
  if (nesting === 0) return {}
  const all = list.slice(0, 10).map((one) => read(one, now, nesting - 1))
  const words = all.flatMap(({ message }) => message ?? [])
  return { ...all[0], ...(words.length > 0 && { message: words.join("; ") }) }
}

/**
 * The error in parsed JSON. `now`, in milliseconds since 1970, is used to convert relative resets ("in n seconds") to a
 * time.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { ErrorStatement } from "@effect-codex/schema"
 *
 * ErrorStatement.fromValue({ error: { code: "slow_down", message: "Later." } }) // { code: "slow_down", message: "Later." }
 * ```
 */
export const fromValue = (value: unknown, now?: number): ErrorStatement => read(value, now, maxNesting)

/**
 * The body of an error as it came, where it is JSON with words or numbers in it that {@link fromText} cannot tell apart.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unread = (body: string): string | undefined => {
  const text = body.replace(/^\uFEFF/, "").trim()
  const json = parse(text)
  if (!hasWords(json) || typeof json !== "object") return undefined
  const { code, message, type } = fromValue(json)
  return (code ?? message ?? type) === undefined ? text : undefined
}

/** Whether a text or a number stands anywhere in it, as far as errors in errors are read. */
const hasWords = (value: unknown, depth = maxNesting): boolean =>
  typeof value === "object" && value !== null
    ? depth > 0 && Object.values(value).some((inner) => hasWords(inner, depth - 1))
    : typeof value === "number" || asWords(value) !== undefined

const isMarkup = (text: string): boolean => /^\s*<(?:!doctype|html|head|body|title|\?xml|error)\b/i.test(text)

/**
 * The text of the first element with this name. Searches in steps: a single pattern would search for the end after every
 * beginning, which takes quadratic time.
 */
const elementIn = (markup: string, name: "title" | "message" | "code"): string | undefined => {
  const start = markup.search(new RegExp(`<${name}[\\s>]`, "i"))
  const open = start === -1 ? -1 : markup.indexOf(">", start)
  if (open === -1) return undefined
  const end = markup.indexOf("<", open)
  return asWords(
    markup
      .slice(open + 1, end === -1 ? undefined : end)
      .replace(/\s+/g, " ")
      .trim()
  )
}

/** The first object in JSON lines, or in server-sent events with the status of an error. */
const jsonLine = /^(?:data: ?)?(\{.*\})\s*$/m

/**
 * The statement at the beginning of JSON that was cut off, if there is one. The last word is left out: it can be a part
 * of a secret, which would not be recognized.
 */
const inBeginning = (text: string, now: number | undefined): ErrorStatement | undefined => {
  if (!/^[[{]/.test(text)) return undefined
  const end = Math.max(text.lastIndexOf('"'), text.lastIndexOf(" "))
  const stated = fromValue(PartialJson.parse(text.slice(0, end + 1)), now)
  return (stated.code ?? stated.type ?? stated.message) === undefined ? undefined : stated
}

/**
 * The error in the text of a body: JSON in any format, also if it was cut off, an HTML page (its title is used), XML
 * (its elements `Code` and `Message`), or plain text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromText = (body: string, now?: number): ErrorStatement => {
  // some servers put a byte order mark before their JSON
  const text = body.replace(/^\uFEFF/, "").trim()
  const json = parse(text) ?? parse(jsonLine.exec(text)?.[1] ?? "")
  if (typeof json === "object" || typeof json === "string") return fromValue(json, now)
  if (!isMarkup(text)) return inBeginning(text, now) ?? defined({ message: asWords(text) })
  return defined({
    code: elementIn(text, "code"),
    message: elementIn(text, "title") ?? elementIn(text, "message")
  })
}

/**
 * Whether a text is an HTML page or XML.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPage: (text: string) => boolean = isMarkup
