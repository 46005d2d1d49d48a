/**
 * Exclusive locks between processes, named by paths.
 *
 * `layer` works on any `FileSystem`, by a file that only one process can create. The Node entry point has one that takes
 * the same `flock(2)` lock as the Codex CLI and falls back to this one where the file system refuses.
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
   * Takes all locks of the request, one after the other, and holds them until the scope closes. Waiting for all of them
   * together is bounded (`LockTimeout`) and can be interrupted. The locks of a process that died are recovered.
   */
  readonly acquire: (request: Request) => Effect.Effect<Held, LockTimeout | AuthFileUnusable, Scope.Scope>
}

/**
 * What to lock.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  /** The lock files, in the order they are taken. They are created where they are missing. */
  readonly paths: ReadonlyArray<string>
  /**
   * The file the locks are for, if it exists. Where the system allows it, it is locked itself as well: processes that
   * reach it through different directories have no lock file in common.
   */
  readonly file?: string
  /** Whom the lock files belong to when they are created. Default: this process. */
  readonly owner?: Owner
}

/**
 * Locks that are held.
 *
 * @since 0.1.0
 * @category models
 */
export interface Held {
  /** Makes sure that they still are: a process that was stopped for long can lose a portable lock. */
  readonly check: Effect.Effect<void, LockTimeout | AuthFileUnusable>
}

/**
 * How long to wait for a lock.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /** Give up with `LockTimeout` after this long, for all locks together. Default: 1 minute. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** A portable lock whose holder gave no sign of life for this long is taken over. Default: 20 seconds. */
  readonly staleAfter?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category configuration
 */
export const defaults = { timeLimit: "1 minute", staleAfter: "20 seconds" } satisfies Options

/** How often a lock that somebody else holds is tried again. */
const pollInterval = Duration.millis(25)

/** Between two looks no more than this counts: while this process was stopped, the holder may have been stopped, too. */
const longestLook = 1000

/** The content of a lock, and for how long it has not changed. */
interface Sighting {
  readonly content: string
  readonly lookedAt: number
  readonly unchangedMillis: number
}

/**
 * Locks by exclusive creation of `<path>.held`. The holder rewrites it every quarter of `staleAfter`; a process that sees
 * the same content for all of `staleAfter` takes the lock over, so no clocks are compared. All locks of a request are
 * watched from the start of the wait, so that a dead holder costs that time once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Service, never, FileSystem.FileSystem> =>
  Effect.map(FileSystem.FileSystem, (fs) => {
    const timeLimit = Duration.toMillis(options?.timeLimit ?? defaults.timeLimit)
    const staleAfter = Duration.toMillis(options?.staleAfter ?? defaults.staleAfter)
    const sightings = new Map<string, Sighting>()

    /** `undefined` where there is none, and where it belongs to a user who lets nobody read it. */
    const read = (held: string) =>
      Effect.catchIf(
        fs.readFileString(held),
        (error) => isNotFound(error) || reasonOf(error) === "EACCES",
        () => Effect.succeed(undefined)
      )

    // Renaming is atomic: of several processes that see the same stale lock, one moves it away. Another one may have
    // done so since we looked, and hold a lock of its own: that one is put back.
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
      // Reading a FIFO may never end.
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
            // Others must be able to see that it is held. It is gone soon, so it may stay ours where it must.
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

        // From the start: the first lock is held while the second is waited for.
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
