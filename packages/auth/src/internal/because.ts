import { defined } from "@effect-codex/schema/Defined"
import * as Failure from "@effect-codex/schema/Failure"
import type { LoginExpired } from "../AuthError.ts"

/** Adds the facts of the 401 that caused this error. */
export const because = (error: LoginExpired, cause: Failure.Facts | undefined): LoginExpired => {
  if (cause === undefined) return error
  const { cfRay, code, exchange, requestId, serverMessage, status } = cause
  return Failure.withFacts(error, defined({ cfRay, code, exchange, requestId, serverMessage, status }))
}
