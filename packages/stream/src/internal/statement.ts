/** What an error looks like: the forms in which servers and proxies state one. */
import { ErrorStatement, ServiceError } from "@effect-codex/schema"
import { asObject, asWords, parse, type Raw } from "./values.ts"

/** The object in a payload. */
export const objectIn = (data: string): Raw | undefined => asObject(parse(data))

/**
 * Whether a payload without a type of an event states an error: it has an `error`, a status, a code with words, or a code
 * where the type should be. Types of events that are not known here begin with `response.` or `codex.` and are none.
 */
export const isError = (event: Raw, type: string | undefined): boolean => {
  if (type?.startsWith("response.") === true || type?.startsWith("codex.") === true) return false
  if ([event["error"], event["errors"]].some(ErrorStatement.isPresent)) return true
  if (type !== undefined) return ServiceError.classify({ type }) !== undefined
  const { code, message, status } = ErrorStatement.fromValue(event)
  return status !== undefined || (code !== undefined && (message !== undefined || isKnownCode(code)))
}

const isKnownCode = (code: string): boolean => ServiceError.classify({ code }) !== undefined

/** Whether a payload has words that explain why nothing came after it. */
const isExplanation = (object: Raw): boolean =>
  isError(object, asWords(object["type"])) ||
  object["type"] === "error" ||
  [object["detail"], object["message"], object["code"]].some(ErrorStatement.isPresent)

/** The error in a text that is JSON as a whole. */
export const inText = (text: string): Raw | undefined => {
  const value = parse(text)
  const object = asObject(Array.isArray(value) ? value[0] : value)
  if (object === undefined) return behindHalfAnEvent(text)
  return isExplanation(object) ? object : undefined
}

const beginnings = ['{"error"', '{"type":"error"', '{"detail"']

/** The error that a proxy wrote behind an event it could not finish. */
export const behindHalfAnEvent = (data: string): Raw | undefined => {
  for (const beginning of beginnings) {
    const at = data.lastIndexOf(beginning)
    const error = at <= 0 ? undefined : objectIn(data.slice(at))
    if (
      error !== undefined &&
      (error["type"] === "error" ||
        ErrorStatement.isPresent(error["error"]) ||
        ErrorStatement.isPresent(error["detail"]))
    ) {
      return error
    }
  }
  return undefined
}
