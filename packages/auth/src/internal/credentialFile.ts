/** Reading and replacing a credential file so that no login is lost, whatever the disk does. */

import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import { defined } from "@effect-codex/schema/Defined"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { AuthFileUnusable } from "../AuthError.ts"
import * as AuthFile from "../AuthFile.ts"
import * as Claims from "../Claims.ts"
import * as Credentials from "../Credentials.ts"
import type { Login } from "../Login.ts"
import { isSameAccount } from "./account.ts"
import { giveTo, type Owner, ownerOf } from "./ownership.ts"
import { statIfExists, unusable } from "./platform.ts"
import { randomText } from "./random.ts"

/** How much longer than expected the next text may be, in bytes. Tokens change their length by a few. */
export const reserve = 4096

/** Links to links end here. */
const maxLinks = 40

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

const blanks = (length: number): Uint8Array => new Uint8Array(Math.max(0, length)).fill(0x20)

/** The bytes, with blanks up to this length: they do not change what JSON means. */
const padded = (bytes: Uint8Array, length: number): Uint8Array => {
  const all = blanks(Math.max(bytes.length, length))
  all.set(bytes)
  return all
}

/** A way to store the next text, tried out with the present one. */
interface Way {
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, PlatformError>
}

/** When tokens of one account were made, by the server's clock as far as they say so. */
const isNewer = (a: Login, b: Login): boolean => {
  const times = (login: Login) => {
    const claims = Option.getOrUndefined(Either.getRight(Claims.decode(login.accessToken)))
    // What is written after the tokens tells a whole text from one whose tokens alone are new.
    return [claims?.issuedAt, claims?.expiresAt, login.expiresAt, login.lastRefresh]
  }
  const others = times(b)
  const first = times(a)
    .map((time, i) => (time ?? Number.NaN) - (others[i] ?? Number.NaN))
    .find((difference) => !Number.isNaN(difference) && difference !== 0)
  return first !== undefined && first > 0
}

const isThere = (error: PlatformError): boolean => error._tag === "SystemError" && error.reason === "AlreadyExists"

const isHalfWritten = (error: AuthFileUnusable): boolean => error.operation === "decode" && error.reason !== "schema"

/** A write in place that was cut off can leave JSON whose access token is half of the old one and half of the new one. */
const isGarbled = (login: Login): boolean => Either.isLeft(Credentials.decode(login))

/** What is to be locked before the file is changed. */
export interface Located {
  /** The file that is really written, whatever links lead to it. */
  readonly target: string
  /** The lock files, in the order they are taken. */
  readonly locks: ReadonlyArray<string>
  /** Of the file, else of its directory. */
  readonly owner?: Owner
}

/** The file while nobody else writes it. */
export interface Exclusive {
  readonly current: AuthFile.AuthFile
  /** Makes certain that a text like this one can be stored, before something is done that cannot be undone. */
  readonly prepare: (text: string) => Effect.Effect<void, AuthFileUnusable>
  readonly write: (text: string) => Effect.Effect<void, AuthFileUnusable>
  /** Leaves no tokens behind, also where the file itself cannot be removed. */
  readonly remove: Effect.Effect<void, AuthFileUnusable>
}

export interface CredentialFile {
  readonly read: Effect.Effect<AuthFile.AuthFile, AuthFileUnusable>
  /** Whether what was read is torn, and the next exclusive turn mends it. */
  readonly isMendable: (found: Either.Either<AuthFile.AuthFile, AuthFileUnusable>) => Effect.Effect<boolean>
  readonly locate: Effect.Effect<Located, AuthFileUnusable>
  /** To be called under the locks, and used until the scope closes. */
  readonly exclusive: (located: Located) => Effect.Effect<Exclusive, AuthFileUnusable, Scope.Scope>
}

export const make = (fs: FileSystem.FileSystem, path: Path.Path, file: string): CredentialFile => {
  const hasOwners = path.sep !== "\\"
  let hasWarned = false

  const refuse = (operation: "read" | "write", reason: string) =>
    new AuthFileUnusable({ path: file, operation, reason })

  const asUnusable =
    (operation: "read" | "write") =>
    <A, R>(self: Effect.Effect<A, PlatformError | AuthFileUnusable, R>): Effect.Effect<A, AuthFileUnusable, R> =>
      Effect.mapError(self, (error) => (error._tag === "AuthFileUnusable" ? error : unusable(file, operation)(error)))

  const warnIfExposed = (mode: number) =>
    Effect.suspend(() => {
      if (hasWarned || !hasOwners || (mode & 0o077) === 0) return Effect.void
      hasWarned = true
      return Effect.logWarning(`Other users of this computer can read ${file}. Run: chmod 600 ${file}`)
    })

  /** The content of a regular file of bounded size: opening or reading anything else may never end. */
  const readBytes = (at: string) =>
    Effect.gen(function* () {
      const info = yield* statIfExists(fs, at)
      if (info === undefined) return undefined
      if (info.type !== "File") return yield* refuse("read", info.type === "Directory" ? "EISDIR" : info.type)
      if (info.size > BigInt(AuthFile.limit)) return yield* refuse("read", "tooLarge")
      const handle = yield* fs.open(at, { flag: "r" })
      let bytes = new Uint8Array()
      while (true) {
        const chunk = Option.getOrUndefined(yield* handle.readAlloc(65_536))
        if (chunk === undefined) return { bytes, info }
        const longer = new Uint8Array(bytes.length + chunk.length)
        longer.set(bytes)
        longer.set(chunk, bytes.length)
        bytes = longer
        // A file can grow while it is read.
        if (bytes.length > AuthFile.limit) return yield* refuse("read", "tooLarge")
      }
    }).pipe(Effect.scoped, asUnusable("read"))

  const parsed = Effect.gen(function* () {
    const content = yield* readBytes(file)
    if (content === undefined) return AuthFile.empty
    yield* warnIfExposed(content.info.mode)
    return yield* AuthFile.parse(new TextDecoder().decode(content.bytes), file)
  })

  const read = Effect.retry(parsed, {
    times: 20,
    schedule: Schedule.jittered(Schedule.spaced("50 millis")),
    // Programs that rewrite the file in place leave it half-written for a moment.
    while: isHalfWritten
  })

  /** Whether the file is torn, and a whole text lies beside it that takes its place in the next exclusive turn. */
  const isMendable = (found: Either.Either<AuthFile.AuthFile, AuthFileUnusable>) =>
    Effect.gen(function* () {
      const isTorn = Either.match(found, {
        onLeft: isHalfWritten,
        onRight: ({ login }) => login !== undefined && isGarbled(login)
      })
      if (!isTorn) return false
      const { target } = yield* locate
      const names = yield* fs.readDirectory(path.dirname(target))
      return names.some((name) => name.startsWith(temporaryPrefixOf(target)))
    }).pipe(Effect.orElseSucceed(() => false))

  const temporaryPrefixOf = (target: string) => `.${path.basename(target)}.tmp-`

  /** One by one: where the system refuses with the wrong error, as below `/proc`, a recursive `mkdir` of Node never ends. */
  const makeDirectory = (directory: string): Effect.Effect<void, PlatformError> =>
    Effect.gen(function* () {
      if (yield* fs.exists(directory)) return
      const parent = path.dirname(directory)
      if (parent !== directory) yield* makeDirectory(parent)
      // another process may make it at the same time
      yield* Effect.catchIf(fs.makeDirectory(directory, { mode: 0o700 }), isThere, () => Effect.void)
    })

  /** Where a path leads, also when there is no file yet. */
  const resolve = Effect.fnUntraced(function* (at: string) {
    let current = at
    for (let i = 0; i < maxLinks; i++) {
      const link = yield* Effect.orElseSucceed(fs.readLink(current), () => undefined)
      if (link === undefined) break
      const next = path.resolve(path.dirname(current), link)
      yield* makeDirectory(path.dirname(next))
      current = path.join(yield* fs.realPath(path.dirname(next)), path.basename(next))
    }
    return current
  })

  const locksOf = (at: string) => [path.join(path.dirname(at), `${path.parse(at).name}.lock`), `${at}.lock`]

  const locate: CredentialFile["locate"] = Effect.gen(function* () {
    const directory = path.dirname(file)
    yield* makeDirectory(directory)
    const link = path.join(yield* fs.realPath(directory), path.basename(file))
    const target = yield* resolve(link)
    const info = (yield* statIfExists(fs, target)) ?? (yield* fs.stat(path.dirname(target)))
    const owner = hasOwners ? ownerOf(info) : undefined
    // The Codex CLI locks beside the link. Those who come by different links meet beside the file itself.
    return defined({
      target,
      locks: [...new Set([...locksOf(link), ...locksOf(target)])],
      owner: owner && info.type === "Directory" ? { ...owner, mode: 0o600 } : owner
    })
  }).pipe(asUnusable("write"))

  const exclusive: CredentialFile["exclusive"] = Effect.fnUntraced(function* ({ owner, target }) {
    const scope = yield* Effect.scope
    const directory = path.dirname(target)
    const temporaryPrefix = temporaryPrefixOf(target)

    const syncDirectory = Effect.scoped(
      Effect.flatMap(fs.open(directory, { flag: "r" }), (handle) => handle.sync)
    ).pipe(
      // Not every system can flush a directory.
      Effect.ignore
    )

    /** A temporary file beside the target with the target's owner. It is gone when the scope closes. */
    const temporary = (isOwnerRequired: boolean) =>
      Effect.gen(function* () {
        const at = path.join(directory, temporaryPrefix + randomText(6))
        yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(at, { force: true })))
        const handle = yield* fs.open(at, { flag: "wx", mode: 0o600 })
        if (owner !== undefined && !(yield* giveTo(fs, at, owner)) && isOwnerRequired) {
          return yield* refuse("write", "otherUser")
        }
        return { at, handle }
      })

    const overwrite = Effect.fnUntraced(function* (handle: FileSystem.File, bytes: Uint8Array, reserved: number) {
      yield* handle.seek(0, "start")
      // All at once, so that there is as little as possible between the old text and the new one.
      yield* handle.writeAll(padded(bytes, reserved))
      yield* handle.sync
      if (bytes.length >= reserved) return
      yield* handle.truncate(bytes.length)
      yield* handle.sync
    })

    /** By a temporary file that is renamed: at every moment the file is the old one or the new one. */
    const byRename = Effect.fnUntraced(function* (present: Uint8Array | undefined, length: number) {
      const isOwnerRequired = present !== undefined
      const moveFrom = (at: string) => Effect.zipRight(fs.rename(at, target), syncDirectory)
      if (present !== undefined) {
        // Only a rename proves that a rename is possible. The content stays the same.
        yield* Effect.scoped(
          Effect.gen(function* () {
            const same = yield* temporary(isOwnerRequired)
            yield* same.handle.writeAll(present)
            yield* same.handle.sync
            yield* moveFrom(same.at)
          })
        )
      }
      const next = yield* temporary(isOwnerRequired)
      yield* next.handle.writeAll(blanks(length))
      yield* next.handle.sync
      return {
        write: (bytes) => Effect.zipRight(overwrite(next.handle, bytes, length), moveFrom(next.at))
      } satisfies Way
    })

    /**
     * In place, where the file cannot be replaced (a mount of this one file, a directory that cannot be written), or must
     * not be (another owner, another name of the same file). The room is taken beforehand, by blanks after the text.
     */
    const inPlace = Effect.fnUntraced(function* (present: Uint8Array, length: number) {
      const handle = yield* fs.open(target, { flag: "r+" })
      let isUnchanged = true
      yield* Effect.addFinalizer(() =>
        isUnchanged ? Effect.ignore(Effect.zipRight(handle.truncate(present.length), handle.sync)) : Effect.void
      )
      yield* handle.seek(present.length, "start")
      yield* handle.writeAll(blanks(length - present.length))
      yield* handle.sync
      return {
        write: (bytes) =>
          Effect.scoped(
            Effect.gen(function* () {
              // A copy for the case that this process is killed in the middle, where there is room for one.
              yield* temporary(false).pipe(
                Effect.tap((copy) => Effect.zipRight(copy.handle.writeAll(bytes), copy.handle.sync)),
                Effect.ignore
              )
              isUnchanged = false
              yield* overwrite(handle, bytes, Math.max(present.length, length))
            })
          )
      } satisfies Way
    })

    /** What an attempt that fails has taken is given back before the next one. */
    const attempt = <E extends PlatformError | AuthFileUnusable>(self: Effect.Effect<Way, E, Scope.Scope>) =>
      Effect.gen(function* () {
        const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
        return yield* Scope.extend(self, own).pipe(Effect.onError(() => Scope.close(own, Exit.void)))
      }).pipe(asUnusable("write"))

    const findWay = Effect.fnUntraced(function* (text: string): Effect.fn.Return<Way, AuthFileUnusable> {
      const content = yield* readBytes(target)
      const length = encode(text).length + reserve
      if (content === undefined) return yield* attempt(byRename(undefined, length))
      const names = Option.getOrElse(content.info.nlink, () => 1)
      // A mount goes on showing a file that was replaced outside of it. What is in it is old.
      if (names === 0) return yield* refuse("write", "replaced")
      const writing = attempt(inPlace(content.bytes, length))
      if (names > 1) return yield* writing
      return yield* Effect.catchAll(attempt(byRename(content.bytes, length)), (first) =>
        // That the owner cannot be kept says more than that the file cannot be written.
        Effect.mapError(writing, (second) => (first.reason === "otherUser" ? first : second))
      )
    })

    /** A process that was killed before its rename left the only login that still works behind: it is adopted. */
    const adoptLeftover = Effect.gen(function* () {
      const names = (yield* fs.readDirectory(directory)).filter((name) => name.startsWith(temporaryPrefix))
      if (names.length === 0) return
      const present = yield* Effect.either(read)
      let best: { readonly bytes: Uint8Array; readonly login: Login } | undefined
      for (const name of names) {
        const content = yield* Effect.orElseSucceed(readBytes(path.join(directory, name)), () => undefined)
        if (content === undefined) continue
        const text = new TextDecoder().decode(content.bytes)
        const { login } = yield* Effect.orElseSucceed(AuthFile.parse(text, name), () => AuthFile.empty)
        if (login === undefined || isGarbled(login)) continue
        const isWanted = Either.match(present, {
          onLeft: isHalfWritten,
          // A missing login means a logout. A switch of accounts needs a person.
          onRight: (file) =>
            file.login !== undefined &&
            (isGarbled(file.login) || (isSameAccount(file.login, login) && isNewer(login, file.login)))
        })
        if (isWanted && (best === undefined || isNewer(login, best.login))) best = { bytes: content.bytes, login }
      }
      if (best !== undefined) {
        const way = yield* findWay(new TextDecoder().decode(best.bytes))
        yield* way.write(best.bytes)
        yield* Effect.logWarning(`A process was killed before it could store its login in ${file}. That is done now.`)
      }
      yield* Effect.forEach(names, (name) => fs.remove(path.join(directory, name), { force: true }))
    }).pipe(
      Effect.catchAll((error) => Effect.logDebug(`Temporary files beside ${file} were left alone. ${error.message}`))
    )

    yield* adoptLeftover
    const current = yield* read
    let prepared: Way | undefined

    const prepare = (text: string) =>
      Effect.map(findWay(text), (way) => {
        prepared = way
      })
    const write = (text: string) =>
      Effect.gen(function* () {
        const way = prepared ?? (yield* findWay(text))
        yield* way.write(encode(text))
      }).pipe(asUnusable("write"))

    const remove = Effect.gen(function* () {
      const info = yield* statIfExists(fs, target)
      if (info === undefined) return
      if (Option.getOrElse(info.nlink, () => 1) === 1) yield* fs.remove(target)
      else yield* write("{}\n")
    }).pipe(
      Effect.catchTag("SystemError", () => write("{}\n")),
      asUnusable("write")
    )

    return { current, prepare, write, remove }
  })

  return { read, isMendable, locate, exclusive }
}
