/**
 * Stores a login between runs.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Path from "@effect/platform/Path"
import { defined } from "@effect-codex/schema/Defined"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type AuthError, AuthFileUnusable, NotLoggedIn } from "./AuthError.ts"
import * as AuthFile from "./AuthFile.ts"
import { FileLock } from "./FileLock.ts"
import { isOvertaken } from "./internal/account.ts"
import * as CredentialFile from "./internal/credentialFile.ts"
import { reserve } from "./internal/credentialFile.ts"
import { unusable } from "./internal/platform.ts"
import { unstoppable } from "./internal/unstoppable.ts"
import { nonBlank } from "./internal/variables.ts"
import type { Login } from "./Login.ts"

/**
 * A store for one login.
 *
 * @since 0.1.0
 * @category tags
 */
export class AuthStore extends Context.Tag("@effect-codex/auth/AuthStore")<AuthStore, Service>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The stored login. Fails with `NotLoggedIn` if there is none. */
  readonly read: Effect.Effect<Login, AuthError>
  /**
   * Reads and updates the login under an exclusive lock. `change` returns a result and the login to store: the same
   * login (nothing is written), the same login with new tokens, or `undefined` (the login is removed).
   *
   * `change` runs `prepare` before anything irreversible. `prepare` fails unless the next login can be stored and the
   * locks are still held.
   *
   * Waiting for the lock can be interrupted. From the start of `change` to the end of the write, nothing can.
   */
  readonly modify: <A, E>(
    change: (
      login: Login | undefined,
      prepare: Effect.Effect<void, AuthError>
    ) => Effect.Effect<readonly [result: A, next: Login | undefined], E>
  ) => Effect.Effect<A, E | AuthError>
  /**
   * Stores a new login and returns the old one. Data of another account is removed.
   */
  readonly replace: (login: Login) => Effect.Effect<Login | undefined, AuthError>
}

/** A text that is read and replaced as a whole, with an exclusive lock. */
interface Medium {
  readonly path: string
  readonly read: Effect.Effect<AuthFile.AuthFile, AuthError>
  /** Runs `change` with the current content, then writes the text it returns. */
  readonly exclusively: <A, E>(
    change: (
      file: AuthFile.AuthFile,
      prepare: (text: string) => Effect.Effect<void, AuthError>
    ) => Effect.Effect<readonly [A, Next], E>
  ) => Effect.Effect<A, E | AuthError>
}

/**
 * The next text. It is made from the content just before the write, because programs without locks can change the file
 * during a refresh. `undefined` removes the content.
 */
type Next =
  | "keep"
  | ((now: AuthFile.AuthFile) => Effect.Effect<"keep" | { readonly text: string | undefined }, AuthError>)

const writeNext = (
  next: Next,
  medium: {
    readonly current: AuthFile.AuthFile
    readonly read: Effect.Effect<AuthFile.AuthFile, AuthError>
    readonly remove: Effect.Effect<void, AuthError>
    readonly write: (text: string) => Effect.Effect<void, AuthError>
  }
): Effect.Effect<void, AuthError> =>
  Effect.gen(function* () {
    if (next === "keep") return
    const now = yield* Effect.orElseSucceed(medium.read, () => medium.current)
    const change = yield* next(now)
    if (change !== "keep") yield* change.text === undefined ? medium.remove : medium.write(change.text)
  })

/** The space reserved for the first login, in characters. */
const firstLength = 8192

const fromMedium = ({ exclusively, path, read }: Medium): Service => {
  const printed = Effect.mapError(
    (reason: AuthFile.Unprintable) => new AuthFileUnusable({ path, operation: "write", reason })
  )
  const textOf = (text: Effect.Effect<string | undefined, AuthFile.Unprintable>) =>
    Effect.map(printed(text), (text) => ({ text }))
  return {
    read: Effect.flatMap(read, ({ found, login }) =>
      login === undefined ? Effect.fail(new NotLoggedIn(defined({ path, found }))) : Effect.succeed(login)
    ),
    modify: (change) =>
      exclusively((file, prepare) => {
        const { login } = file
        // Check that the next text can be serialised, too.
        const ready = Effect.gen(function* () {
          const text = login === undefined ? " ".repeat(firstLength) : yield* printed(file.renew(login))
          if (text.length + reserve > AuthFile.limit) return yield* printed(Effect.fail("tooLarge"))
          yield* prepare(text)
        })
        return Effect.gen(function* () {
          const [result, next] = yield* change(login, ready)
          if (next === login) return [result, "keep"] as const
          return [
            result,
            (now) =>
              next !== undefined && isOvertaken(login, now.login, next)
                ? Effect.as(
                    Effect.logWarning(
                      `The refreshed login was not stored in ${path}, because another program has changed the login there.`
                    ),
                    "keep"
                  )
                : textOf(next === undefined ? now.remove : now.renew(next))
          ] as const
        })
      }),
    replace: (login) =>
      exclusively((file) => Effect.succeed([file.login, (now) => textOf(now.replace(login))] as const))
  }
}

/**
 * A login that lives as long as the program.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory = (initial?: Login): Effect.Effect<Service> =>
  Effect.map(Effect.makeSemaphore(1), (turn) => {
    let current = initial
    const modify: Service["modify"] = (change) =>
      turn.withPermits(1)(
        unstoppable(
          Effect.suspend(() => change(current, Effect.void)).pipe(
            Effect.map(([result, next]) => {
              current = next
              return result
            })
          )
        )
      )
    return {
      read: Effect.suspend(() => (current === undefined ? Effect.fail(new NotLoggedIn({})) : Effect.succeed(current))),
      modify,
      replace: (login) => modify((old) => Effect.succeed([old, login] as const))
    }
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (initial?: Login): Layer.Layer<AuthStore> => Layer.effect(AuthStore, makeMemory(initial))

/**
 * Stores a login under one key of a `KeyValueStore`, in the Codex CLI's JSON format. The lock is effective only within
 * this process, because a `KeyValueStore` has no locks.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeKeyValueStore = (options?: {
  /** Default: `codex-auth`. */
  readonly key?: string
}): Effect.Effect<Service, never, KeyValueStore.KeyValueStore> =>
  Effect.gen(function* () {
    const store = yield* KeyValueStore.KeyValueStore
    const turn = yield* Effect.makeSemaphore(1)
    const key = options?.key ?? "codex-auth"
    const read = store.get(key).pipe(
      Effect.mapError(unusable(key, "read")),
      Effect.flatMap(
        Option.match({
          onNone: () => Effect.succeed(AuthFile.empty),
          onSome: (text) => AuthFile.parse(text, key)
        })
      )
    )
    const set = (text: string) => Effect.mapError(store.set(key, text), unusable(key, "write"))
    /** Rewrites the current text to check that the store is writable. */
    const prepare = () =>
      Effect.flatMap(
        Effect.mapError(store.get(key), unusable(key, "read")),
        Option.match({ onNone: () => Effect.void, onSome: set })
      )
    return fromMedium({
      path: key,
      read,
      exclusively: (change) =>
        turn.withPermits(1)(
          unstoppable(
            Effect.gen(function* () {
              const current = yield* read
              const [result, next] = yield* change(current, prepare)
              const remove = Effect.mapError(store.remove(key), unusable(key, "write"))
              yield* writeNext(next, { current, read, remove, write: set })
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
 * A credential file shared with other programs: the Codex CLI's `auth.json`, or a file in the other format that
 * `AuthFile` supports.
 *
 * It is replaced atomically (temporary file, fsync, rename) under the locks `auth.lock` and `auth.json.lock` in the
 * same directory (protocol F.6). If it cannot be replaced, it is overwritten. Owner and permissions are preserved. A
 * new file is readable only by its owner. A file that does not parse is read again for up to a second, then reported as
 * an error and not changed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeFile = (file: string): Effect.Effect<Service, never, FileSystem.FileSystem | Path.Path | FileLock> =>
  Effect.gen(function* () {
    const lock = yield* FileLock
    const { exclusive, isMendable, locate, read } = CredentialFile.make(
      yield* FileSystem.FileSystem,
      yield* Path.Path,
      file
    )
    const mended = Effect.scoped(
      Effect.gen(function* () {
        const located = yield* locate
        yield* lock.acquire(defined({ paths: located.locks, file: located.target, owner: located.owner }))
        return (yield* exclusive(located)).current
      })
    )
    return fromMedium({
      path: file,
      read: Effect.flatMap(Effect.either(read), (found) =>
        Effect.if(isMendable(found), { onTrue: () => Effect.orElse(mended, () => found), onFalse: () => found })
      ),
      exclusively: (change) =>
        Effect.scoped(
          Effect.gen(function* () {
            const located = yield* locate
            const { locks, owner, target } = located
            const held = yield* lock.acquire(defined({ paths: locks, file: target, owner }))
            const { prepare, ...medium } = yield* exclusive(located)
            return yield* unstoppable(
              Effect.gen(function* () {
                // Check the locks last, immediately before the caller continues.
                const [result, next] = yield* change(medium.current, (text) =>
                  Effect.zipRight(prepare(text), held.check)
                )
                yield* writeNext(next, medium)
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
 * The path of the Codex CLI's credential file: `auth.json` in `CODEX_HOME` if set, otherwise in `~/.codex`.
 *
 * @since 0.1.0
 * @category configuration
 */
export const defaultFile: Config.Config<string> = nonBlank("CODEX_HOME").pipe(
  Config.orElse(() =>
    nonBlank("HOME").pipe(
      Config.orElse(() => nonBlank("USERPROFILE")),
      Config.map((home) => `${home}/.codex`)
    )
  ),
  Config.map((directory) => `${directory}/auth.json`)
)
