/**
 * Exclusive locks between processes, identified by paths.
 *
 * `layer` works on any `FileSystem`, with a file that only one process can create. The Node entry point has a layer
 * that uses the same `flock(2)` lock as the Codex CLI, and falls back to this one if `flock` is not available.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Monotonic from "@effect-codex/schema/Monotonic"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { AuthFileUnusable, LockTimeout } from "./AuthError.ts"
import { giveTo, type Owner } from "./internal/ownership.ts"
import { isAlreadyExists, isNotFound, reasonOf, statIfExists, unusable } from "./internal/platform.ts"
import { randomText } from "./internal/random.ts"

/**
 * @since 0.1.0
 * @category tags
 */
export class FileLock extends Context.Tag("@effect-codex/auth/FileLock")<FileLock, Service>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Acquires all locks of the request, one after another, and holds them until the scope closes. One time limit applies
   * to all of them (`LockTimeout`). Waiting can be interrupted. Locks of dead processes are recovered.
   */
  readonly acquire: (request: Request) => Effect.Effect<Held, LockTimeout | AuthFileUnusable, Scope.Scope>
}

/**
 * The locks to acquire.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  /** The lock files, in the order of locking. Missing files are created. */
  readonly paths: ReadonlyArray<string>
  /**
   * The file that the locks protect, if it exists. It is locked too, if the system supports that: processes that access
   * it through different directories do not share a lock file.
   */
  readonly file?: string
  /** The owner of created lock files. Default: the user of this process. */
  readonly owner?: Owner
}

/**
 * Acquired locks.
 *
 * @since 0.1.0
 * @category models
 */
export interface Held {
  /** Checks that the locks are still held: a process that was suspended for long can lose a portable lock. */
  readonly check: Effect.Effect<void, LockTimeout | AuthFileUnusable>
}

/**
 * The time limits of locks.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /** Fail with `LockTimeout` after this time, for all locks together. Default: 1 minute. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** A portable lock is taken over if its holder did not update it for this long. Default: 20 seconds. */
  readonly staleAfter?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category configuration
 */
export const defaults = { timeLimit: "1 minute", staleAfter: "20 seconds" } satisfies Options

/** The interval between attempts to acquire a held lock. */
const pollInterval = Duration.millis(25)

/**
 * The maximum time counted between two checks: if this process was suspended, the holder may have been suspended too.
 */
const longestLook = 1000

/** The content of a lock, and the time since its last change. */
interface Sighting {
  readonly content: string
  readonly lookedAt: number
  readonly unchangedMillis: number
}

/**
 * Locks by exclusive creation of `<path>.held`. The holder rewrites the file every quarter of `staleAfter`. A process
 * that sees no change during `staleAfter` takes the lock over, so no clocks are compared. All locks of a request are
 * watched from the start, so that dead holders delay the request only once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Service, never, FileSystem.FileSystem> =>
  Effect.map(FileSystem.FileSystem, (fs) => {
    const timeLimit = Duration.toMillis(options?.timeLimit ?? defaults.timeLimit)
    const staleAfter = Duration.toMillis(options?.staleAfter ?? defaults.staleAfter)
    const sightings = new Map<string, Sighting>()

    /** `undefined` if there is no lock, or if it is not readable. */
    const read = (held: string) =>
      Effect.catchIf(
        fs.readFileString(held),
        (error) => isNotFound(error) || reasonOf(error) === "EACCES",
        () => Effect.succeed(undefined)
      )

    // Renaming is atomic, so only one process moves a stale lock away. If another process has replaced the lock since
    // the check, the new lock is put back.
    const takeOver = (held: string, stalled: string) =>
      Effect.gen(function* () {
        if ((yield* read(held)) !== stalled) return
        const moved = `${held}.${randomText(6)}`
        yield* fs.rename(held, moved)
        if ((yield* fs.readFileString(moved)) !== stalled) yield* fs.link(moved, held)
        yield* fs.remove(moved)
      }).pipe(Effect.catchIf(isNotFound, () => Effect.void))

    const look = Effect.fnUntraced(function* (held: string) {
      const info = yield* statIfExists(fs, held)
      // Reading a FIFO may block forever.
      if (info !== undefined && info.type !== "File") {
        return yield* new AuthFileUnusable({ path: held, operation: "lock", reason: info.type })
      }
      const content = yield* read(held)
      const now = yield* Monotonic.now
      const before = sightings.get(held)
      if (content === undefined) return void sightings.delete(held)
      const unchangedMillis =
        before?.content === content ? before.unchangedMillis + Math.min(now - before.lookedAt, longestLook) : 0
      sightings.set(held, { content, lookedAt: now, unchangedMillis })
      if (unchangedMillis >= staleAfter) yield* takeOver(held, content)
    })

    return {
      acquire: Effect.fnUntraced(function* ({ owner, paths }) {
        const self = randomText(16)
        const isOurs = (content: string | undefined) => content?.startsWith(self) ?? false
        const nextContent = () => `${self} ${randomText(6)}`
        const heldOf = (path: string) => `${path}.held`
        const all = paths.map(heldOf)

        const create = (path: string) => {
          const held = heldOf(path)
          return Effect.suspend(() => fs.writeFileString(held, nextContent(), { flag: "wx", mode: 0o600 })).pipe(
            // Other users must be able to read the lock. If its owner cannot be changed, that is acceptable: it is
            // removed soon.
            Effect.zipRight(owner === undefined ? Effect.void : Effect.ignore(giveTo(fs, held, owner))),
            Effect.as(true),
            Effect.catchIf(isAlreadyExists, () => Effect.succeed(false))
          )
        }

        yield* Effect.addFinalizer(() =>
          Effect.forEach(
            all,
            (held) =>
              read(held).pipe(
                Effect.flatMap((content) => (isOurs(content) ? fs.remove(held) : Effect.void)),
                Effect.ignore
              ),
            { discard: true }
          )
        )

        // Refresh from the start: the first lock is held while waiting for the second.
        yield* Effect.forEach(
          all,
          (held) =>
            read(held).pipe(
              Effect.flatMap((content) =>
                isOurs(content) ? fs.writeFileString(held, nextContent(), { flag: "r+" }) : Effect.void
              ),
              Effect.ignore
            ),
          { discard: true }
        ).pipe(Effect.schedule(Schedule.spaced(staleAfter / 4)), Effect.interruptible, Effect.forkScoped)

        const startedAt = yield* Monotonic.now
        for (let taken = 0; taken < paths.length; ) {
          const path = paths[taken] ?? ""
          const isTaken = yield* Effect.gen(function* () {
            if (yield* create(path)) return true
            yield* Effect.forEach(all.slice(taken), look, { discard: true })
            return false
          }).pipe(
            Effect.uninterruptible,
            Effect.mapError((error) =>
              error._tag === "AuthFileUnusable" ? error : unusable(heldOf(path), "lock")(error)
            )
          )
          if (isTaken) {
            taken++
            continue
          }
          if ((yield* Monotonic.now) - startedAt >= timeLimit) {
            return yield* new LockTimeout({ path, waitedMillis: timeLimit })
          }
          yield* Effect.sleep(pollInterval)
        }

        return {
          check: Effect.forEach(
            paths,
            (path) =>
              read(heldOf(path)).pipe(
                Effect.mapError(unusable(heldOf(path), "lock")),
                Effect.filterOrFail(isOurs, () => new LockTimeout({ path, waitedMillis: 0 }))
              ),
            { discard: true }
          )
        }
      })
    }
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<FileLock, never, FileSystem.FileSystem> =>
  Layer.effect(FileLock, make(options))
