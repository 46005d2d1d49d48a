/**
 * The lock of the Codex CLI: `flock(2)` on a lock file, which the kernel releases when the process ends.
 *
 * Node has no `flock`; it is called through the optional dependency `koffi`. Where that is missing (or on Windows), or
 * where the file system refuses such locks, the portable lock of `FileLock` takes its place and a warning says so.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AuthFileUnusable } from "../AuthError.ts"
import * as FileLock from "../FileLock.ts"
import { reasonOf } from "../internal/platform.ts"

const exclusiveNonBlocking = 2 | 4

/**
 * The system call.
 *
 * @since 0.1.0
 * @category models
 */
export interface Flock {
  /** 0, or the error number. */
  readonly call: (descriptor: number, operation: number) => number
  /** Error numbers by name. */
  readonly errno: Record<string, number>
}

const loadFlock: Effect.Effect<Flock, "unsupported"> = Effect.tryPromise({
  try: async (): Promise<Flock> => {
    const { default: koffi } = await import("koffi")
    // The C library is part of the running program on every Unix.
    const flock = koffi.load(null).func("int flock(int fd, int operation)")
    return {
      call: (descriptor, operation) => (flock(descriptor, operation) === 0 ? 0 : koffi.errno()),
      errno: koffi.os.errno
    }
  },
  catch: () => "unsupported" as const
})

/**
 * The lock with this system call; `undefined` where there is none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  flock: Flock | undefined,
  options?: FileLock.Options
): Effect.Effect<FileLock.FileLock.Service, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const portable = yield* FileLock.make(options)
    if (flock === undefined) {
      yield* Effect.logWarning(
        "flock is not available here (koffi is not installed, or this is Windows): programs that use it, such as the Codex CLI, are not kept out while this one refreshes the login."
      )
      return portable
    }
    const busy = new Set([flock.errno["EWOULDBLOCK"], flock.errno["EAGAIN"], flock.errno["EINTR"]])

    return {
      acquire: Effect.fnUntraced(function* (path) {
        // The scope closes the file, and with it goes the lock.
        const handle = yield* fs
          .open(path, { flag: "a", mode: 0o600 })
          .pipe(Effect.mapError((error) => new AuthFileUnusable({ path, operation: "lock", reason: reasonOf(error) })))
        const attempt = Effect.suspend(() => {
          const error = flock.call(handle.fd, exclusiveNonBlocking)
          return error === 0 || busy.has(error) ? Effect.succeed(error === 0) : Effect.fail("noLocks" as const)
        })
        yield* FileLock.acquireWithin(path, options?.wait ?? FileLock.defaults.wait, attempt).pipe(
          Effect.catchIf(
            (error) => error === "noLocks",
            () =>
              Effect.zipRight(
                Effect.logWarning(`The file system of ${path} has no locks; ${path}.held is used instead.`),
                portable.acquire(path)
              )
          )
        )
      })
    }
  })

/**
 * `FileLock` by `flock(2)`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: FileLock.Options): Layer.Layer<FileLock.FileLock, never, FileSystem.FileSystem> =>
  Layer.effect(
    FileLock.FileLock,
    Effect.orElseSucceed(loadFlock, () => undefined).pipe(Effect.flatMap((flock) => make(flock, options)))
  )
