import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** The owner and permissions of a file. */
export interface Owner {
  readonly uid: number
  readonly gid: number
  readonly mode: number
}

/** `undefined` if the system has no owners. */
export const ownerOf = (info: FileSystem.File.Info): Owner | undefined =>
  Option.getOrUndefined(
    Option.map(Option.all([info.uid, info.gid]), ([uid, gid]) => ({ uid, gid, mode: info.mode & 0o777 }))
  )

/** The group matters only if it has permissions. */
const isOwnedLike = (actual: Owner, wanted: Owner): boolean =>
  actual.uid === wanted.uid && (actual.gid === wanted.gid || (wanted.mode & 0o070) === 0)

/** Changes the owner of a file created by this process. `false` if the system does not allow it. */
export const giveTo = (fs: FileSystem.FileSystem, path: string, owner: Owner): Effect.Effect<boolean, PlatformError> =>
  Effect.gen(function* () {
    const actual = ownerOf(yield* fs.stat(path))
    if (actual === undefined) return true
    const isGiven =
      isOwnedLike(actual, owner) ||
      (yield* Effect.match(fs.chown(path, owner.uid, owner.gid), { onFailure: () => false, onSuccess: () => true }))
    // Changing the owner can clear permission bits.
    if (isGiven && (actual.mode !== owner.mode || actual.uid !== owner.uid)) yield* fs.chmod(path, owner.mode)
    return isGiven
  })
