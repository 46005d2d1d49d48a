/**
 * Exclusive locks between processes, named by a path.
 *
 * `layer` works on any `FileSystem`, by a file that only one process can create. The Node entry point has one that takes
 * the same `flock(2)` lock as the Codex CLI and falls back to this one where the file system refuses.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { AuthFileUnusable, LockTimeout } from "./AuthError.ts"
import { isAlreadyExists, isNotFound, reasonOf } from "./internal/platform.ts"
import { randomText } from "./internal/random.ts"

/**
 * @since 0.1.0
 * @category tags
 */
export class FileLock extends Context.Tag("@effect-codex/auth/FileLock")<FileLock, FileLock.Service>() {}

/**
 * @since 0.1.0
 */
export declare namespace FileLock {
  /**
   * @since 0.1.0
   * @category models
   */
  interface Service {
    /**
     * Holds the lock until the scope closes. Waiting is bounded and can be interrupted; the lock of a process that died
     * is recovered.
     */
    readonly acquire: (path: string) => Effect.Effect<void, LockTimeout | AuthFileUnusable, Scope.Scope>
  }
}

/**
 * How long to wait for a lock.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /** Give up with `LockTimeout` after this long. Default: 1 minute. */
  readonly wait?: Duration.DurationInput
  /** A lock whose holder gave no sign of life for this long is taken over. Default: 20 seconds. */
  readonly stale?: Duration.DurationInput
}

/**
 * @since 0.1.0
 * @category configuration
 */
export const defaults = { wait: "1 minute", stale: "20 seconds" } satisfies Options

/**
 * Tries until `attempt` says that it holds the lock; `false` means that somebody else does. The wait ends where nothing
 * can be interrupted, too.
 *
 * @internal
 */
export const acquireWithin = <E, R>(
  path: string,
  wait: Duration.DurationInput,
  attempt: Effect.Effect<boolean, E, R>
): Effect.Effect<void, E | LockTimeout, R> =>
  attempt.pipe(
    Effect.uninterruptible,
    Effect.filterOrFail(
      (held) => held,
      () => new LockTimeout({ path, waitedMillis: Duration.toMillis(wait) })
    ),
    Effect.retry({
      while: (error) => error instanceof LockTimeout,
      schedule: Schedule.upTo(Schedule.spaced("25 millis"), wait)
    }),
    Effect.asVoid
  )

/**
 * A lock by exclusive creation of `<path>.held`. The holder rewrites it every quarter of `stale`; whoever sees the same
 * content for all of `stale` takes the lock over, so no clocks are compared.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<FileLock.Service, never, FileSystem.FileSystem> =>
  Effect.map(FileSystem.FileSystem, (fs) => {
    const wait = options?.wait ?? defaults.wait
    const stale = Duration.decode(options?.stale ?? defaults.stale)
    return { acquire: (path) => exclusive(fs, path, wait, stale) }
  })

const exclusive = Effect.fnUntraced(function* (
  fs: FileSystem.FileSystem,
  path: string,
  wait: Duration.DurationInput,
  stale: Duration.Duration
) {
  const held = `${path}.held`
  const owner = randomText(16)
  const isOurs = (content: string | undefined) => content?.startsWith(owner) ?? false
  const nextContent = () => `${owner} ${randomText(6)}`
  const read = Effect.catchIf(fs.readFileString(held), isNotFound, () => Effect.succeed(undefined))

  const create = Effect.suspend(() => fs.writeFileString(held, nextContent(), { flag: "wx", mode: 0o600 })).pipe(
    Effect.as(true),
    Effect.catchIf(isAlreadyExists, () => Effect.succeed(false))
  )
  // Renaming is atomic: of several processes that see the same stale lock, one moves it away. Another one may have done
  // so since we looked, and hold a lock of its own: that one is put back.
  const takeOver = (stalled: string) =>
    Effect.gen(function* () {
      if ((yield* read) !== stalled) return
      const aside = `${held}.${randomText(6)}`
      yield* fs.rename(held, aside)
      if ((yield* fs.readFileString(aside)) !== stalled) yield* fs.link(aside, held)
      yield* fs.remove(aside)
    }).pipe(Effect.catchIf(isNotFound, () => Effect.void))

  let seen: { readonly content: string; readonly since: bigint } | undefined
  const attempt = Effect.gen(function* () {
    if (yield* create) return true
    const content = yield* read
    if (content === undefined) return false
    // The time of day may jump.
    const now = yield* Clock.currentTimeNanos
    if (seen?.content !== content) seen = { content, since: now }
    else if (Duration.greaterThanOrEqualTo(Duration.nanos(now - seen.since), stale)) yield* takeOver(content)
    return false
  }).pipe(Effect.mapError((error) => new AuthFileUnusable({ path: held, operation: "lock", reason: reasonOf(error) })))

  yield* Effect.addFinalizer(() =>
    read.pipe(
      Effect.flatMap((content) => (isOurs(content) ? fs.remove(held) : Effect.void)),
      Effect.ignore
    )
  )
  yield* acquireWithin(path, wait, attempt)
  yield* read.pipe(
    Effect.flatMap((content) =>
      isOurs(content) ? fs.writeFileString(held, nextContent(), { flag: "r+" }) : Effect.void
    ),
    Effect.ignore,
    Effect.schedule(Schedule.spaced(Duration.times(stale, 0.25))),
    Effect.interruptible,
    Effect.forkScoped
  )
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<FileLock, never, FileSystem.FileSystem> =>
  Layer.effect(FileLock, make(options))
