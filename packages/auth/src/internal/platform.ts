import type { PlatformError } from "@effect/platform/Error"
import * as Predicate from "effect/Predicate"

/** A short, safe word for what the operating system refused: its own code where there is one, else the platform's. */
export const reasonOf = (error: PlatformError): string =>
  Predicate.hasProperty(error.cause, "code") && typeof error.cause.code === "string"
    ? error.cause.code
    : error._tag === "SystemError"
      ? error.reason
      : error._tag

/** Whether the error says that there is no such file. */
export const isNotFound = (error: PlatformError): boolean => error._tag === "SystemError" && error.reason === "NotFound"

/** Whether the error says that the file is there already. */
export const isAlreadyExists = (error: PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "AlreadyExists"
