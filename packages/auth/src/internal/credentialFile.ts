/** Reads and replaces a credential file so that no login is lost, even after a crash or a full disk. */

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
import * as Credentials from "../Credentials.ts"
import type { Login } from "../Login.ts"
import { isNewer, isSameAccount } from "./account.ts"
import { giveTo, type Owner, ownerOf } from "./ownership.ts"
import { isSameFile, statIfExists, unusable } from "./platform.ts"
import { randomText } from "./random.ts"

/** Extra bytes reserved for the next text: the length of tokens varies a little. */
export const reserve = 4096

/** The maximum number of symbolic links to follow. */
const maxLinks = 40

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

const blanks = (length: number): Uint8Array => new Uint8Array(Math.max(0, length)).fill(0x20)

/** Pads the bytes with spaces, which JSON ignores. */
const padded = (bytes: Uint8Array, length: number): Uint8Array => {
  const all = blanks(Math.max(bytes.length, length))
  all.set(bytes)
  return all
}

/** Whether nothing but padding was added. */
const isPadded = (bytes: Uint8Array, original: Uint8Array): boolean =>
  bytes.length >= original.length && bytes.every((byte, i) => byte === (original[i] ?? 0x20))

/** A way to store the next text, already tested with the current one. */
interface Way {
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, PlatformError | AuthFileUnusable>
}

const isThere = (error: PlatformError): boolean => error._tag === "SystemError" && error.reason === "AlreadyExists"

const isHalfWritten = (error: AuthFileUnusable): boolean => error.operation === "decode" && error.reason !== "schema"

/** An incomplete write in place can leave valid JSON whose access token mixes the old and the new one. */
const isGarbled = (login: Login): boolean => Either.isLeft(Credentials.decode(login))

/** The locks needed to change the file. */
export interface Located {
  /** The file after resolving symbolic links. */
  readonly target: string
  /** The lock files, in the order of locking. */
  readonly locks: ReadonlyArray<string>
  /** The owner of the file, or of its directory if the file is missing. */
  readonly owner?: Owner
}

/** The file under its locks. */
export interface Exclusive {
  readonly current: AuthFile.AuthFile
  /** Reads the content again. */
  readonly read: Effect.Effect<AuthFile.AuthFile, AuthFileUnusable>
  /** Checks that a text of this size can be stored. Runs before anything irreversible. */
  readonly prepare: (text: string) => Effect.Effect<void, AuthFileUnusable>
  readonly write: (text: string) => Effect.Effect<void, AuthFileUnusable>
  /** Removes all tokens, even if the file itself cannot be removed. */
  readonly remove: Effect.Effect<void, AuthFileUnusable>
}

export interface CredentialFile {
  readonly read: Effect.Effect<AuthFile.AuthFile, AuthFileUnusable>
  /** Whether the file is incomplete and the next write under the locks repairs it. */
  readonly isMendable: (found: Either.Either<AuthFile.AuthFile, AuthFileUnusable>) => Effect.Effect<boolean>
  readonly locate: Effect.Effect<Located, AuthFileUnusable>
  /** Call it under the locks. Valid until the scope closes. */
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

  /** Reads a regular file of limited size: opening or reading anything else may block forever. */
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
        // The file can grow while it is read.
        if (bytes.length > AuthFile.limit) return yield* refuse("read", "tooLarge")
      }
    }).pipe(Effect.scoped, asUnusable("read"))

  const readAt = (at: string) =>
    Effect.gen(function* () {
      const content = yield* readBytes(at)
      if (content === undefined) return AuthFile.empty
      yield* warnIfExposed(content.info.mode)
      return yield* AuthFile.parse(new TextDecoder().decode(content.bytes), file)
    }).pipe(
      Effect.retry({
        times: 20,
        schedule: Schedule.jittered(Schedule.spaced("50 millis")),
        // A program that rewrites the file in place leaves it incomplete for a moment.
        while: isHalfWritten
      })
    )

  /**
   * Whether the file is incomplete and a complete copy exists, which replaces it with the next write under the locks.
   */
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

  /**
   * Creates directories one by one: Node's recursive `mkdir` never returns where the system reports an unexpected
   * error, as below `/proc`.
   */
  const makeDirectory = (directory: string): Effect.Effect<void, PlatformError> =>
    Effect.gen(function* () {
      if (yield* fs.exists(directory)) return
      const parent = path.dirname(directory)
      if (parent !== directory) yield* makeDirectory(parent)
      // another process may create it at the same time
      yield* Effect.catchIf(fs.makeDirectory(directory, { mode: 0o700 }), isThere, () => Effect.void)
    })

  /** Resolves symbolic links, even if the file does not exist yet. */
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
    // The Codex CLI locks next to the link. Programs that use different links share only the lock next to the file.
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
    // The symbolic link may point to another file by now.
    const read = readAt(target)

    const syncDirectory = Effect.scoped(
      Effect.flatMap(fs.open(directory, { flag: "r" }), (handle) => handle.sync)
    ).pipe(
      // Not every system can sync a directory.
      Effect.ignore
    )

    /** A temporary file next to the target, with the target's owner. Removed when the scope closes. */
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
      // One write, to keep the time between the old and the new text short.
      yield* handle.writeAll(padded(bytes, reserved))
      yield* handle.sync
      if (bytes.length >= reserved) return
      yield* handle.truncate(bytes.length)
      yield* handle.sync
    })

    /** Renames a temporary file, so that the replacement is atomic. */
    const byRename = Effect.fnUntraced(function* (present: Uint8Array | undefined, length: number) {
      const isOwnerRequired = present !== undefined
      const moveFrom = (at: string) => Effect.zipRight(fs.rename(at, target), syncDirectory)
      if (present !== undefined) {
        // Test the rename with the current content: only a rename shows that it works.
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
     * Overwrites the file if it cannot be replaced (it is a mount point, or its directory is not writable) or must not
     * be (another owner, or a hard link). The space is reserved beforehand with spaces after the text.
     */
    const inPlace = Effect.fnUntraced(function* (present: Uint8Array, length: number) {
      const handle = yield* fs.open(target, { flag: "r+" })
      let isWritten = false
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          const now = yield* readBytes(target)
          // Another program may have written to the file.
          if (isWritten || now === undefined || !isPadded(now.bytes, present)) return
          yield* handle.truncate(present.length)
          yield* handle.sync
        }).pipe(Effect.ignore)
      )
      yield* handle.seek(present.length, "start")
      // A process that was killed may have left the padding. Writing nothing is an error.
      if (length > present.length) yield* handle.writeAll(blanks(length - present.length))
      yield* handle.sync
      return {
        write: (bytes) =>
          Effect.scoped(
            Effect.gen(function* () {
              // A copy in case this process is killed during the write, if there is space for one.
              yield* temporary(false).pipe(
                Effect.tap((copy) => Effect.zipRight(copy.handle.writeAll(bytes), copy.handle.sync)),
                Effect.ignore
              )
              // The open file would be lost if another program has replaced it.
              const [opened, current] = yield* Effect.all([handle.stat, fs.stat(target)])
              if (!isSameFile(opened, current)) return yield* refuse("write", "replaced")
              isWritten = true
              yield* overwrite(handle, bytes, Math.max(present.length, length))
            })
          )
      } satisfies Way
    })

    /** Releases the resources of a failed attempt before the next one. */
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
      // A mount keeps showing a file that was replaced outside of it, with old content.
      if (names === 0) return yield* refuse("write", "replaced")
      const writing = attempt(inPlace(content.bytes, length))
      if (names > 1) return yield* writing
      return yield* Effect.catchAll(attempt(byRename(content.bytes, length)), (first) =>
        // The error about the owner is more helpful than the one about writing.
        Effect.mapError(writing, (second) => (first.reason === "otherUser" ? first : second))
      )
    })

    /**
     * A process that was killed before its rename may have left the only valid login in a temporary file. It is
     * restored.
     */
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
          // A missing login means a logout. A different account needs a decision of the user.
          onRight: (file) =>
            file.login !== undefined &&
            (isGarbled(file.login) || (isSameAccount(file.login, login) && isNewer(login, file.login)))
        })
        if (isWanted && (best === undefined || isNewer(login, best.login))) best = { bytes: content.bytes, login }
      }
      if (best !== undefined) {
        const way = yield* findWay(new TextDecoder().decode(best.bytes))
        yield* way.write(best.bytes)
        yield* Effect.logWarning(
          `A process was killed before it could store its login in ${file}. The login was restored.`
        )
      }
      yield* Effect.forEach(names, (name) => fs.remove(path.join(directory, name), { force: true }))
    }).pipe(
      Effect.catchAll((error) => Effect.logDebug(`Temporary files beside ${file} were not changed. ${error.message}`))
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

    return { current, read, prepare, write, remove }
  })

  return { read: readAt(file), isMendable, locate, exclusive }
}
