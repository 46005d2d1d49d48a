/** What an error looks like: the forms in which servers and proxies state one. */
import { ResponseEvent as Events, ServiceError } from "@effect-codex/schema"
import { asNumber, asObject, asText, asWords, parse, type Raw } from "./values.ts"

/** Whether a value says anything: servers send `null`, `false` and empty texts for "nothing". */
export const isPresent = (value: unknown): boolean =>
  value !== undefined &&
  value !== null &&
  value !== false &&
  (typeof value !== "string" || asWords(value) !== undefined) &&
  !(Array.isArray(value) && value.length === 0)

/** The object in a payload. */
export const objectIn = (data: string): Raw | undefined => asObject(parse(data))

/**
 * Whether a payload that has no type of its own states an error: it has an `error`, or a code where the type should be.
 * Types of events that are not known here begin with `response.` or `codex.` and are none.
 */
export const isError = (event: Raw, type: string | undefined): boolean => {
  if (type === undefined) return isPresent(event["error"])
  if (type.startsWith("response.") || type.startsWith("codex.")) return false
  return isPresent(event["error"]) || ServiceError.classify({ type }) !== undefined
}

/** The error in a text that is JSON as a whole. */
export const inText = (text: string): Raw | undefined => {
  const object = objectIn(text)
  if (object === undefined) return behindHalfAnEvent(text)
  return [object["error"], object["detail"], object["errors"]].some(isPresent) ? object : undefined
}

const beginnings = ['{"error"', '{"type":"error"', '{"detail"']

/** The error that a proxy wrote behind an event it could not finish. */
export const behindHalfAnEvent = (data: string): Raw | undefined => {
  for (const beginning of beginnings) {
    const at = data.lastIndexOf(beginning)
    const error = at <= 0 ? undefined : objectIn(data.slice(at))
    if (error !== undefined && (error["type"] === "error" || isPresent(error["error"]) || isPresent(error["detail"]))) {
      return error
    }
  }
  return undefined
}

/** How deep errors in errors are read. */
const maxNesting = 3

const httpStatus = (value: unknown): number | undefined => {
  const status = asNumber(value) ?? (typeof value === "string" && /^[45]\d\d$/.test(value) ? Number(value) : undefined)
  return status !== undefined && Number.isInteger(status) && status >= 400 && status < 600 ? status : undefined
}

/**
 * The facts an error states: an object, a text, or a list of them, nested in `error`, `detail` or `errors`. `now` turns
 * "resets in n seconds" into a time.
 */
export const factsOf = (
  value: unknown,
  now: (() => number) | undefined,
  nesting: number = maxNesting
): ServiceError.Facts => {
  if (typeof value === "string") return isPresent(value) ? { message: value } : {}
  const error = Array.isArray(value) ? asObject(value[0]) : asObject(value)
  if (error === undefined) return {}
  const resetsAt = asNumber(error["resets_at"])
  const resetsIn = asNumber(error["resets_in_seconds"])
  const type = asWords(error["type"])
  const own: ServiceError.Facts = {
    code: asWords(error["code"]),
    // the type of an event says nothing of its error
    type: type === undefined || Events.isTerminalType(type) ? undefined : type,
    message: asText(error["message"]),
    param: asWords(error["param"]),
    planType: asWords(error["plan_type"]),
    status: httpStatus(error["status"]) ?? httpStatus(error["status_code"]) ?? httpStatus(error["code"]),
    resetsAt:
      resetsAt !== undefined
        ? resetsAt * 1000
        : resetsIn !== undefined && now !== undefined
          ? now() + resetsIn * 1000
          : undefined
  }
  const inner = nesting === 0 ? undefined : [error["error"], error["detail"], error["errors"]].find(isPresent)
  return inner === undefined ? own : { ...own, ...present(factsOf(inner, now, nesting - 1)) }
}

const present = (facts: ServiceError.Facts): ServiceError.Facts =>
  Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
