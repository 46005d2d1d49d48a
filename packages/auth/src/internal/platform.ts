import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { AuthFileUnusable } from "../AuthError.ts"

/** A short code without sensitive data: the operating system's code, or the platform's reason. */
export const reasonOf = (error: PlatformError): string =>
  Predicate.hasProperty(error.cause, "code") && typeof error.cause.code === "string"
    ? error.cause.code
    : error._tag === "SystemError"
      ? error.reason
      : error._tag

/** Maps a platform error. The result contains a path and a code, but no content of the file. */
export const unusable =
  (path: string, operation: AuthFileUnusable["operation"]) =>
  (cause: PlatformError): AuthFileUnusable =>
    new AuthFileUnusable({ path, operation, reason: reasonOf(cause), cause })

export const isNotFound = (error: PlatformError): boolean => error._tag === "SystemError" && error.reason === "NotFound"

export const isAlreadyExists = (error: PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "AlreadyExists"

export const statIfExists = (
  fs: FileSystem.FileSystem,
  path: string
): Effect.Effect<FileSystem.File.Info | undefined, PlatformError> =>
  Effect.catchIf(fs.stat(path), isNotFound, () => Effect.succeed(undefined))

/** Compares device and inode, because one file can have several names. */
export const isSameFile = (a: FileSystem.File.Info, b: FileSystem.File.Info): boolean =>
  a.dev === b.dev && Option.getOrUndefined(a.ino) === Option.getOrUndefined(b.ino)
