import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { AuthFileUnusable } from "../AuthError.ts"

/** A short, safe word for what the operating system refused: its own code where there is one, else the platform's. */
export const reasonOf = (error: PlatformError): string =>
  Predicate.hasProperty(error.cause, "code") && typeof error.cause.code === "string"
    ? error.cause.code
    : error._tag === "SystemError"
      ? error.reason
      : error._tag

/** The platform's error as ours. It names a path and a code, nothing of a file's content. */
export const unusable =
  (path: string, operation: AuthFileUnusable["operation"]) =>
  (cause: PlatformError): AuthFileUnusable =>
    new AuthFileUnusable({ path, operation, reason: reasonOf(cause), cause })

/** Whether the error says that there is no such file. */
export const isNotFound = (error: PlatformError): boolean => error._tag === "SystemError" && error.reason === "NotFound"

/** Whether the error says that the file is there already. */
export const isAlreadyExists = (error: PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "AlreadyExists"

/** What is known of the file, unless there is none. */
export const statIfExists = (
  fs: FileSystem.FileSystem,
  path: string
): Effect.Effect<FileSystem.File.Info | undefined, PlatformError> =>
  Effect.catchIf(fs.stat(path), isNotFound, () => Effect.succeed(undefined))

/** Whether both are the same file, whatever it is called. */
export const isSameFile = (a: FileSystem.File.Info, b: FileSystem.File.Info): boolean =>
  a.dev === b.dev && Option.getOrUndefined(a.ino) === Option.getOrUndefined(b.ino)
