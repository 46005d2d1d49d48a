import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** Whom a file belongs to, and what they let others do. */
export interface Owner {
  readonly uid: number
  readonly gid: number
  /** The permission bits. */
  readonly mode: number
}

/** `undefined` where the system has no owners. */
export const ownerOf = (info: FileSystem.File.Info): Owner | undefined =>
  Option.getOrUndefined(
    Option.map(Option.all([info.uid, info.gid]), ([uid, gid]) => ({ uid, gid, mode: info.mode & 0o777 }))
  )

/** The group counts only where it may do something. */
const isOwnedLike = (actual: Owner, wanted: Owner): boolean =>
  actual.uid === wanted.uid && (actual.gid === wanted.gid || (wanted.mode & 0o070) === 0)

/** Gives a file that this process made to this owner. `false` where the system does not allow that. */
export const giveTo = (fs: FileSystem.FileSystem, path: string, owner: Owner): Effect.Effect<boolean, PlatformError> =>
  Effect.gen(function* () {
    const actual = ownerOf(yield* fs.stat(path))
    if (actual === undefined) return true
    const isGiven =
      isOwnedLike(actual, owner) ||
      (yield* Effect.match(fs.chown(path, owner.uid, owner.gid), { onFailure: () => false, onSuccess: () => true }))
    // A change of the owner can take permission bits away.
    if (isGiven && (actual.mode !== owner.mode || actual.uid !== owner.uid)) yield* fs.chmod(path, owner.mode)
    return isGiven
  })
