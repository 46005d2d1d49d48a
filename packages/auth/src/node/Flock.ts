/**
 * The lock of the Codex CLI: `flock(2)` on lock files. The kernel releases it when the process ends.
 *
 * Node has no `flock`. The lock belongs to the open file, not to the process that requested it, so a child process can
 * lock a file that this process has opened, and then exit: the command `flock` (Linux) or Perl (macOS). If neither
 * exists, on Windows, or if the file system does not support these locks, the portable lock of `FileLock` is used and a
 * warning is logged.
 *
 * @since 0.1.0
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Monotonic from "@effect-codex/schema/Monotonic"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { AuthFileUnusable, LockTimeout } from "../AuthError.ts"
import * as FileLock from "../FileLock.ts"
import { giveTo } from "../internal/ownership.ts"
import { isAlreadyExists, isSameFile, statIfExists, unusable } from "../internal/platform.ts"

/**
 * A program that calls `flock(2)` on the inherited file descriptor 3.
 *
 * @since 0.1.0
 * @category models
 */
export interface Command {
  readonly command: string
  /** Waits for the lock. Exits with 0 when it is acquired. */
  readonly wait: ReadonlyArray<string>
  /** Does not wait. Exits with 1 if another process holds the lock. */
  readonly attempt: ReadonlyArray<string>
}

const perl = (operation: string) =>
  `use Fcntl ":flock"; my $file; for (">>&=", "<&=") { last if open($file, $_, 3) } ` +
  `exit(flock($file, ${operation}) ? 0 : $!{EWOULDBLOCK} ? 1 : 2)`

/**
 * The programs to try, in this order.
 *
 * @since 0.1.0
 * @category configuration
 */
export const commands: ReadonlyArray<Command> = [
  { command: "flock", wait: ["-x", "3"], attempt: ["-x", "-n", "3"] },
  { command: "perl", wait: ["-MErrno", "-e", perl("LOCK_EX")], attempt: ["-MErrno", "-e", perl("LOCK_EX|LOCK_NB")] }
]

/** Runs a program on this open file and returns its exit code. `undefined` if it could not run. */
const run = (command: string, args: ReadonlyArray<string>, descriptor: number): Effect.Effect<number | undefined> =>
  Effect.async((resume) => {
    const child = startChild(command, args, descriptor)
    if (child === undefined) return resume(Effect.succeed(undefined))
    child.once("error", () => resume(Effect.succeed(undefined)))
    child.once("exit", (code) => resume(Effect.succeed(code ?? undefined)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const startChild = (command: string, args: ReadonlyArray<string>, descriptor: number): ChildProcess | undefined => {
  try {
    // A separate session does not receive Ctrl-C of the terminal, which this process may handle.
    return spawn(command, args, { stdio: ["ignore", "ignore", "ignore", descriptor], detached: true })
  } catch {
    return undefined
  }
}

/** Errors that prevent creating a lock file although the credential file may be writable. */
const cannotCreate: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS"])

/** The remaining time for all locks of a request. */
interface Patience {
  millis: number
}

/** How often to reopen a lock file that was replaced during the wait. */
const reopenings = 10

/**
 * Creates the lock with these programs.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options?: FileLock.Options & {
    /** Default: `commands`. */
    readonly commands?: ReadonlyArray<Command>
  }
): Effect.Effect<FileLock.Service, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { dirname } = yield* Path.Path
    const portable = yield* FileLock.make(options)
    const timeLimit = Duration.toMillis(options?.timeLimit ?? FileLock.defaults.timeLimit)
    /** Per directory, because file systems differ. */
    const known = new Map<string, Command | "none">()

    const giveUpOn = (directory: string) =>
      Effect.suspend(() => {
        known.set(directory, "none")
        return Effect.logWarning(
          `There are no flock locks for ${directory} (neither flock nor perl is installed, this is Windows, or the file system does not support them). Programs that use them, such as the Codex CLI, are not locked out while this one refreshes the login.`
        )
      })

    /** Tests whether the program's lock really excludes others. `busy` if another process holds the lock. */
    const tryOut = (path: string, { attempt, command }: Command) =>
      Effect.scoped(
        Effect.gen(function* () {
          const [mine, other] = yield* Effect.all([fs.open(path, { flag: "r" }), fs.open(path, { flag: "r" })])
          const taken = yield* run(command, attempt, mine.fd)
          if (taken === 1) return "busy"
          return taken === 0 && (yield* run(command, attempt, other.fd)) === 1 ? "works" : "fails"
        })
      ).pipe(Effect.orElseSucceed(() => "fails" as const))

    const commandFor = Effect.fnUntraced(function* (path: string) {
      const directory = dirname(path)
      const before = known.get(directory)
      if (before !== undefined) return before
      for (const command of options?.commands ?? commands) {
        const outcome = yield* tryOut(path, command)
        if (outcome === "works") known.set(directory, command)
        if (outcome !== "fails") return command
      }
      yield* giveUpOn(directory)
      return "none"
    })

    /** Opens a lock file, and creates it if missing. `undefined` if it is missing and cannot be created. */
    const open = (path: string, { file, owner }: FileLock.Request) =>
      Effect.gen(function* () {
        const info = yield* statIfExists(fs, path)
        // Opening a FIFO would block until its other end is opened.
        if (info !== undefined && info.type !== "File") {
          return yield* new AuthFileUnusable({ path, operation: "lock", reason: info.type })
        }
        if (info === undefined) {
          const isCreated = yield* Effect.scoped(fs.open(path, { flag: "ax", mode: 0o600 })).pipe(
            Effect.as(true),
            Effect.catchIf(isAlreadyExists, () => Effect.succeed(false))
          )
          const lockOwner = owner && { ...owner, mode: owner.mode & 0o666 }
          if (isCreated && lockOwner !== undefined && !(yield* giveTo(fs, path, lockOwner))) {
            // The owner of the file could not open this lock file. Without a file there is no such problem: the new
            // file will belong to this user.
            if (file !== undefined && (yield* statIfExists(fs, file)) !== undefined) {
              yield* fs.remove(path)
              return yield* new AuthFileUnusable({ path: file, operation: "lock", reason: "otherUser" })
            }
          }
        }
        return yield* Effect.orElse(fs.open(path, { flag: "a" }), () => fs.open(path, { flag: "r" }))
      }).pipe(
        Effect.mapError((error) => (error._tag === "AuthFileUnusable" ? error : unusable(path, "lock")(error))),
        Effect.catchIf(
          (error) => file !== undefined && cannotCreate.has(error.reason),
          () => Effect.succeed(undefined)
        )
      )

    /** Waits for the lock on this open file. `false` if the program turns out not to support it. */
    const take = Effect.fnUntraced(function* (
      path: string,
      { attempt, command, wait }: Command,
      descriptor: number,
      patience: Patience
    ) {
      let code = yield* run(command, attempt, descriptor)
      if (code === 1) {
        const startedAt = yield* Monotonic.now
        const outcome = yield* Effect.raceFirst(
          Effect.interruptible(run(command, wait, descriptor)),
          Effect.as(Effect.interruptible(Effect.sleep(patience.millis)), "late" as const)
        )
        if (outcome === "late") return yield* new LockTimeout({ path, waitedMillis: timeLimit })
        patience.millis -= (yield* Monotonic.now) - startedAt
        code = outcome
      }
      if (code === 0) return true
      if (known.get(dirname(path)) !== undefined) {
        return yield* new AuthFileUnusable({ path, operation: "lock", reason: command })
      }
      yield* giveUpOn(dirname(path))
      return false
    })

    /** Whether the open file is still the one at the path. */
    const isCurrent = (path: string, handle: FileSystem.File) =>
      Effect.gen(function* () {
        const [opened, current] = yield* Effect.all([handle.stat, statIfExists(fs, path)])
        return current !== undefined && isSameFile(opened, current)
      }).pipe(Effect.mapError(unusable(path, "lock")))

    /** Locks the file at this path, and opens it again if it was replaced during the wait. */
    const lockAt = Effect.fnUntraced(function* <E>(
      path: string,
      openFile: Effect.Effect<FileSystem.File | undefined, E, Scope.Scope>,
      patience: Patience
    ) {
      for (let i = 0; i < reopenings; i++) {
        const handle = yield* openFile
        if (handle === undefined) return "missing"
        const command = yield* commandFor(path)
        if (command === "none" || !(yield* take(path, command, handle.fd, patience))) return "none"
        if (yield* isCurrent(path, handle)) return handle
      }
      return yield* new LockTimeout({ path, waitedMillis: timeLimit })
    })

    return {
      acquire: Effect.fnUntraced(function* (request) {
        const patience: Patience = { millis: timeLimit }
        const checks: Array<FileLock.Held["check"]> = []
        for (const path of request.paths) {
          const handle = yield* lockAt(path, open(path, request), patience)
          if (handle === "none") return yield* portable.acquire(request)
          if (handle === "missing") continue
          checks.push(
            Effect.filterOrFail(
              isCurrent(path, handle),
              (isHeld) => isHeld,
              () => new LockTimeout({ path, waitedMillis: 0 })
            )
          )
        }
        const { file } = request
        const info = file && (yield* Effect.mapError(statIfExists(fs, file), unusable(file, "lock")))
        if (file !== undefined && info && info.type === "File") {
          const openFile = Effect.mapError(fs.open(file, { flag: "r" }), unusable(file, "lock"))
          const handle = yield* lockAt(file, openFile, patience)
          if (handle !== "none") return { check: Effect.all(checks, { discard: true }) }
        }
        if (checks.length > 0) return { check: Effect.all(checks, { discard: true }) }
        // Neither the lock files nor the file can be locked. The portable lock reports why.
        return yield* portable.acquire(request)
      })
    }
  })

/**
 * `FileLock` by `flock(2)`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: FileLock.Options
): Layer.Layer<FileLock.FileLock, never, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(FileLock.FileLock, make(options))
