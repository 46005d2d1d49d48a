/** Reads files named on the command line. */
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

export class UnreadableFile extends Data.TaggedError("UnreadableFile")<{
  readonly file: string
  readonly cause: PlatformError.PlatformError
}> {
  override get message() {
    const { cause, file } = this
    const reason = cause._tag === "SystemError" ? cause.reason : "BadArgument"
    switch (reason) {
      case "NotFound":
        return `There is no file ${file}.`
      case "PermissionDenied":
        return `The file ${file} cannot be read: its permissions do not allow it.`
      default:
        return `${file} cannot be read. It must be a regular file of less than 2 GiB.`
    }
  }
}

export const read = (file: string) =>
  Effect.mapError(
    Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFile(file)),
    (cause) => new UnreadableFile({ file, cause })
  )

export const readText = (file: string) => Effect.map(read(file), (bytes) => new TextDecoder().decode(bytes))
