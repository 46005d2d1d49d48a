/**
 * Where a login is kept between runs.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Path from "@effect/platform/Path"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { type AuthError, AuthFileUnusable, NotLoggedIn } from "./AuthError.ts"
import * as AuthFile from "./AuthFile.ts"
import { FileLock } from "./FileLock.ts"
import { isNotFound, reasonOf } from "./internal/platform.ts"
import { randomText } from "./internal/random.ts"
import { unstoppable } from "./internal/unstoppable.ts"
import type { Login } from "./Login.ts"

/**
 * A place for one login.
 *
 * @since 0.1.0
 * @category tags
 */
export class AuthStore extends Context.Tag("@effect-codex/auth/AuthStore")<AuthStore, AuthStore.Service>() {}

/**
 * @since 0.1.0
 */
export declare namespace AuthStore {
  /**
   * @since 0.1.0
   * @category models
   */
  interface Service {
    /** The stored login. `NotLoggedIn` when there is none. */
    readonly read: Effect.Effect<Login, AuthError>
    /**
     * Reads, decides and writes while nobody else does. `change` answers with a result and the login to keep: the one it
     * was given (nothing is written), another one, or `undefined` (the login is removed).
     *
     * Waiting for the turn can be interrupted; from the start of `change` to the end of the write nothing can. The store
     * has made sure that it can write before `change` runs.
     */
    readonly modify: <A, E>(
      change: (login: Login | undefined) => Effect.Effect<readonly [result: A, next: Login | undefined], E>
    ) => Effect.Effect<A, E | AuthError>
  }
}

/** A text that is read and replaced as a whole, and the exclusive turn on it. */
interface Medium {
  readonly read: Effect.Effect<AuthFile.AuthFile, AuthError>
  /** Runs `change` with the current content, then writes the text it decided on; `undefined` removes it. */
  readonly exclusively: <A, E>(
    change: (file: AuthFile.AuthFile) => Effect.Effect<readonly [A, { readonly text: string | undefined } | "keep"], E>
  ) => Effect.Effect<A, E | AuthError>
}

const fromMedium = (medium: Medium): AuthStore.Service => ({
  read: Effect.flatMap(medium.read, (file) =>
    file.login === undefined
      ? Effect.fail(new NotLoggedIn(file.found === undefined ? {} : { found: file.found }))
      : Effect.succeed(file.login)
  ),
  modify: (change) =>
    medium.exclusively((file) =>
      Effect.map(
        change(file.login),
        ([result, next]) => [result, next === file.login ? "keep" : { text: file.withLogin(next) }] as const
      )
    )
})

/**
 * A login that lives as long as the program.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory = (initial?: Login): Effect.Effect<AuthStore.Service> =>
  Effect.map(Effect.makeSemaphore(1), (turn) => {
    let current = initial
    return {
      read: Effect.suspend(() => (current === undefined ? Effect.fail(new NotLoggedIn({})) : Effect.succeed(current))),
      modify: (change) =>
        turn.withPermits(1)(
          unstoppable(
            Effect.suspend(() => change(current)).pipe(
              Effect.map(([result, next]) => {
                current = next
                return result
              })
            )
          )
        )
    }
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (initial?: Login): Layer.Layer<AuthStore> => Layer.effect(AuthStore, makeMemory(initial))

/**
 * A login under one key of a `KeyValueStore`, as the JSON of the Codex CLI. The turn is exclusive inside this process
 * only: a `KeyValueStore` has no locks.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeKeyValueStore = (options?: {
  /** Default: `codex-auth`. */
  readonly key?: string
}): Effect.Effect<AuthStore.Service, never, KeyValueStore.KeyValueStore> =>
  Effect.gen(function* () {
    const store = yield* KeyValueStore.KeyValueStore
    const turn = yield* Effect.makeSemaphore(1)
    const key = options?.key ?? "codex-auth"
    const unavailable = (operation: "read" | "write") =>
      Effect.mapError((error: PlatformError) => new AuthFileUnusable({ path: key, operation, reason: reasonOf(error) }))
    const read = store.get(key).pipe(
      unavailable("read"),
      Effect.flatMap(
        Option.match({
          onNone: () => Effect.succeed(AuthFile.empty),
          onSome: (text) => AuthFile.parse(text, key)
        })
      )
    )
    return fromMedium({
      read,
      exclusively: (change) =>
        turn.withPermits(1)(
          unstoppable(
            Effect.gen(function* () {
              const [result, next] = yield* Effect.flatMap(read, change)
              if (next !== "keep") {
                yield* unavailable("write")(next.text === undefined ? store.remove(key) : store.set(key, next.text))
              }
              return result
            })
          )
        )
    })
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layerKeyValueStore = (options?: {
  readonly key?: string
}): Layer.Layer<AuthStore, never, KeyValueStore.KeyValueStore> => Layer.effect(AuthStore, makeKeyValueStore(options))

/**
 * A credential file shared with other programs: the Codex CLI's `auth.json`, or a file of the other format `AuthFile`
 * knows.
 *
 * It is replaced as a whole (temporary file, fsync, rename), readable by its owner only, under the locks `auth.lock` and
 * `auth.json.lock` beside it (protocol F.6). A file that does not parse is read again for a second, then reported and left
 * alone.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeFile = (
  file: string
): Effect.Effect<AuthStore.Service, never, FileSystem.FileSystem | Path.Path | FileLock> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const lock = yield* FileLock
    const directory = path.dirname(file)
    const locks = [path.join(directory, `${path.parse(file).name}.lock`), `${file}.lock`]
    const temporaryPrefix = `.${path.basename(file)}.tmp-`

    const unavailable = (operation: "read" | "write") =>
      Effect.mapError(
        (error: PlatformError) => new AuthFileUnusable({ path: file, operation, reason: reasonOf(error) })
      )

    let warned = false
    const warnIfExposed = Effect.gen(function* () {
      // Windows has no such permission bits.
      if (warned || path.sep === "\\") return
      const { mode } = yield* fs.stat(file)
      if ((mode & 0o077) === 0) return
      warned = true
      yield* Effect.logWarning(`Other users of this computer can read ${file}. Run: chmod 600 ${file}`)
    }).pipe(Effect.ignore)

    const read = Effect.gen(function* () {
      const text = yield* fs.readFileString(file).pipe(
        Effect.catchIf(isNotFound, () => Effect.succeed(undefined)),
        unavailable("read")
      )
      if (text === undefined) return AuthFile.empty
      yield* warnIfExposed
      return yield* AuthFile.parse(text, file)
    }).pipe(
      Effect.retry({
        times: 20,
        schedule: Schedule.jittered(Schedule.spaced("50 millis")),
        // Programs that rewrite the file in place leave it half-written for a moment.
        while: (error) => error._tag === "AuthFileUnusable" && error.operation === "decode" && error.reason !== "schema"
      })
    )

    /** A killed process may leave a temporary file behind; under the lock all of them are leftovers. */
    const sweep = (target: string) =>
      fs.readDirectory(path.dirname(target)).pipe(
        Effect.flatMap((names) =>
          Effect.forEach(
            names.filter((name) => name.startsWith(temporaryPrefix)),
            (name) => fs.remove(path.join(path.dirname(target), name), { force: true })
          )
        ),
        Effect.ignore
      )

    const syncDirectory = (target: string) =>
      Effect.scoped(Effect.flatMap(fs.open(path.dirname(target), { flag: "r" }), (handle) => handle.sync)).pipe(
        // Not every system can flush a directory.
        Effect.ignore
      )

    return fromMedium({
      read,
      exclusively: (change) =>
        Effect.scoped(
          Effect.gen(function* () {
            yield* unavailable("write")(fs.makeDirectory(directory, { recursive: true, mode: 0o700 }))
            yield* Effect.forEach(locks, lock.acquire)
            const current = yield* read
            // A link to the file stays a link.
            const target = yield* Effect.orElseSucceed(fs.realPath(file), () => file)
            yield* sweep(target)
            const temporary = path.join(path.dirname(target), temporaryPrefix + randomText(6))
            yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(temporary, { force: true })))
            const handle = yield* unavailable("write")(fs.open(temporary, { flag: "wx", mode: 0o600 }))
            const replace = (text: string) =>
              Effect.gen(function* () {
                yield* handle.writeAll(new TextEncoder().encode(text))
                yield* handle.sync
                yield* fs.rename(temporary, target)
                yield* syncDirectory(target)
              })
            return yield* unstoppable(
              Effect.gen(function* () {
                const [result, next] = yield* change(current)
                if (next === "keep") return result
                yield* unavailable("write")(
                  next.text === undefined ? fs.remove(target, { force: true }) : replace(next.text)
                )
                return result
              })
            )
          })
        )
    })
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layerFile = (file: string): Layer.Layer<AuthStore, never, FileSystem.FileSystem | Path.Path | FileLock> =>
  Layer.effect(AuthStore, makeFile(file))

/**
 * Where the Codex CLI keeps its credential file: `auth.json` in `CODEX_HOME` when that is set, else in `~/.codex`.
 *
 * @since 0.1.0
 * @category configuration
 */
export const defaultFile: Config.Config<string> = Config.nonEmptyString("CODEX_HOME").pipe(
  Config.orElse(() =>
    Config.nonEmptyString("HOME").pipe(
      Config.orElse(() => Config.nonEmptyString("USERPROFILE")),
      Config.map((home) => `${home}/.codex`)
    )
  ),
  Config.map((directory) => `${directory}/auth.json`)
)
