import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** Which operations fail, and with which code of the system. */
export interface Faults {
  readonly rename?: (from: string, to: string) => string | undefined
  readonly open?: (path: string, flag: string) => string | undefined
  /** Bytes that are written to the file at this path. */
  readonly write?: (path: string) => string | undefined
  readonly chown?: (path: string) => string | undefined
  readonly remove?: (path: string) => string | undefined
  /** The number of names that `stat` tells. */
  readonly links?: (path: string) => number | undefined
}

const refuse = (method: string, path: string, code: string) =>
  Effect.fail(
    new SystemError({
      module: "FileSystem",
      method,
      reason: code === "ENOENT" ? "NotFound" : code === "EACCES" ? "PermissionDenied" : "Unknown",
      pathOrDescriptor: path,
      cause: Object.assign(new Error(code), { code })
    })
  )

/** A file system of which some operations fail. */
export const faulty = (fs: FileSystem.FileSystem, faults: Faults): FileSystem.FileSystem => {
  const orElse = <A, E, R>(method: string, path: string, code: string | undefined, effect: Effect.Effect<A, E, R>) =>
    code === undefined ? effect : refuse(method, path, code)
  return FileSystem.make({
    ...fs,
    rename: (from, to) => Effect.suspend(() => orElse("rename", from, faults.rename?.(from, to), fs.rename(from, to))),
    chown: (path, uid, gid) =>
      Effect.suspend(() => orElse("chown", path, faults.chown?.(path), fs.chown(path, uid, gid))),
    remove: (path, options) =>
      Effect.suspend(() => orElse("remove", path, faults.remove?.(path), fs.remove(path, options))),
    stat: (path) =>
      Effect.map(fs.stat(path), (info) => {
        const links = faults.links?.(path)
        return links === undefined ? info : { ...info, nlink: Option.some(links) }
      }),
    open: (path, options) =>
      Effect.suspend(() =>
        orElse("open", path, faults.open?.(path, options?.flag ?? "r"), fs.open(path, options))
      ).pipe(
        Effect.map(
          (file): FileSystem.File => ({
            [FileSystem.FileTypeId]: FileSystem.FileTypeId,
            fd: file.fd,
            stat: file.stat,
            sync: file.sync,
            seek: (offset, from) => file.seek(offset, from),
            read: (buffer) => file.read(buffer),
            readAlloc: (size) => file.readAlloc(size),
            truncate: (length) => file.truncate(length),
            write: (buffer) => file.write(buffer),
            writeAll: (buffer) =>
              Effect.suspend(() => orElse("writeAll", path, faults.write?.(path), file.writeAll(buffer)))
          })
        )
      )
  })
}
