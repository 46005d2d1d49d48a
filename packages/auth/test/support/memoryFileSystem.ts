import { SystemError, type SystemErrorReason } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"

/** As much of a file system as the portable lock needs, for tests in virtual time. */
export const make = (files: Map<string, string> = new Map()) => {
  const fail = (reason: SystemErrorReason, path: string) =>
    Effect.fail(new SystemError({ module: "FileSystem", method: "test", reason, pathOrDescriptor: path }))
  const get = (path: string) =>
    Effect.suspend(() => {
      const text = files.get(path)
      return text === undefined ? fail("NotFound", path) : Effect.succeed(text)
    })
  const fs = FileSystem.makeNoop({
    readFileString: get,
    writeFileString: (path, text, options) =>
      Effect.suspend(() => {
        if (options?.flag === "wx" && files.has(path)) return fail("AlreadyExists", path)
        if (options?.flag === "r+" && !files.has(path)) return fail("NotFound", path)
        files.set(path, text)
        return Effect.void
      }),
    rename: (from, to) =>
      Effect.map(get(from), (text) => {
        files.delete(from)
        files.set(to, text)
      }),
    remove: (path) => Effect.map(get(path), () => void files.delete(path)),
    stat: (path) => Effect.map(get(path), () => ({ type: "File" }) as FileSystem.File.Info)
  })
  return { files, fs }
}
