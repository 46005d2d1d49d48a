/** Finds the processes that hold a lock file. Works only on Linux. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"

/** A process that has the file open, and whether it holds a lock on it according to the system. */
interface Opener {
  readonly name: string
  readonly isHolder: boolean
}

/**
 * `name (process 123)` for each holder. Empty if unknown. If no holder is found, the processes that have the file open
 * are returned.
 */
export const lockHolders = (path: string): Effect.Effect<ReadonlyArray<string>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const target = yield* fs.realPath(path)
    const processes = (yield* fs.readDirectory("/proc")).filter((name) => /^\d+$/.test(name))
    const openers = yield* Effect.forEach(processes, (pid) =>
      Effect.gen(function* () {
        const descriptors = yield* fs.readDirectory(`/proc/${pid}/fd`)
        const found = yield* Effect.filter(descriptors, (descriptor) =>
          Effect.map(
            Effect.orElseSucceed(fs.readLink(`/proc/${pid}/fd/${descriptor}`), () => ""),
            (link) => link === target
          )
        )
        if (found.length === 0) return []
        const infos = yield* Effect.forEach(found, (descriptor) =>
          Effect.orElseSucceed(fs.readFileString(`/proc/${pid}/fdinfo/${descriptor}`), () => "")
        )
        const name = (yield* fs.readFileString(`/proc/${pid}/comm`)).trim()
        const isHolder = infos.some((info) => /^lock:/m.test(info))
        return [{ name: `${name} (process ${pid})`, isHolder } satisfies Opener]
      }).pipe(Effect.orElseSucceed((): ReadonlyArray<Opener> => []))
    )
    const all = openers.flat()
    const holders = all.filter(({ isHolder }) => isHolder)
    return (holders.length > 0 ? holders : all).map(({ name }) => name)
  }).pipe(Effect.orElseSucceed(() => []))
