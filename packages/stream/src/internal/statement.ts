/** Recognizes the forms in which servers and proxies report errors. */
import { ErrorStatement, ServiceError } from "@effect-codex/schema"
import { asNonBlank, asObject, parse, type Raw } from "./values.ts"

/** Parses a payload that is a JSON object. */
export const objectIn = (data: string): Raw | undefined => asObject(parse(data))

/**
 * Whether a payload without an event type is an error: it has an `error`, a status, a code with a message, or a code as
 * its type. Unknown types that start with `response.` or `codex.` are event types, not codes.
 */
export const isError = (event: Raw, type: string | undefined): boolean => {
  if (type?.startsWith("response.") === true || type?.startsWith("codex.") === true) return false
  if ([event["error"], event["errors"]].some(ErrorStatement.isPresent)) return true
  if (type !== undefined) return ServiceError.classify({ type }) !== undefined
  const { code, message, status } = ErrorStatement.fromValue(event)
  return status !== undefined || (code !== undefined && (message !== undefined || isKnownCode(code)))
}

const isKnownCode = (code: string): boolean => ServiceError.classify({ code }) !== undefined

/** Whether a payload explains why no events follow. */
const isExplanation = (object: Raw): boolean =>
  isError(object, asNonBlank(object["type"])) ||
  object["type"] === "error" ||
  [object["detail"], object["message"], object["code"]].some(ErrorStatement.isPresent)

/** The error in a JSON text. */
export const inText = (text: string): Raw | undefined => {
  const value = parse(text)
  const object = asObject(Array.isArray(value) ? value[0] : value)
  if (object === undefined) return afterIncompleteEvent(text)
  return isExplanation(object) ? object : undefined
}

const beginning = /\{\s*"(?:error|errors|type|detail|code|message|status)"\s*:/g

/** How much of the end is searched, and how many places are tried: an error is short. */
const maxLength = 65_536
const maxTries = 8

/** The error that a proxy appended to an incomplete event. */
export const afterIncompleteEvent = (data: string): Raw | undefined => {
  const text = data.slice(1).slice(-maxLength)
  const places = Array.from(text.matchAll(beginning), ({ index }) => index)
  for (const place of places.slice(-maxTries).reverse()) {
    const error = objectIn(text.slice(place))
    if (error === undefined) continue
    const type = asNonBlank(error["type"])
    if (type === "error" || isError(error, type) || ErrorStatement.isPresent(error["detail"])) return error
  }
  return undefined
}
