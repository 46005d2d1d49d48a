// Real places in which a credential file can be: mounts, full and read-only disks, other users, several homes. Each is
// tried by processes of their own against the token endpoint of the tests. Prints one line for each place and fails when a
// refresh token was used twice without a reason, when the stored login is not the one the endpoint takes, or when something
// was sent that could not be stored.
//
// It needs root and `unshare`: all mounts are in a namespace of their own and vanish with it.

import { execFileSync, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { CodexAuth, OAuth } from "../src/index.ts"
import * as NodeAuth from "../src/node.ts"
import * as TokenEndpoint from "../test/support/TokenEndpoint.ts"
import { type Options, type Report, run } from "./processes.ts"

const inNamespace = "AUTH_PLACES_IN_NAMESPACE"

if (process.env[inNamespace] === undefined) {
  const self = fileURLToPath(import.meta.url)
  const { error, status } = spawnSync(
    "unshare",
    ["--mount", "--propagation", "private", process.execPath, "--import", "tsx", self],
    { stdio: "inherit", env: { ...process.env, [inNamespace]: "1" } }
  )
  if (error !== undefined || process.getuid?.() !== 0) process.stdout.write("skipped: needs root and unshare\n")
  process.exit(status ?? 1)
}

const mount = (...args: ReadonlyArray<string>) => void execFileSync("mount", args)

/** A user who is not root. Their directories must be reachable, so all is below a tmpfs on `/mnt`. */
const user = 1234
const other = 65_534
mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/mnt")

let places = 0
const directory = (owner = 0): string => {
  const path = `/mnt/${++places}`
  Fs.mkdirSync(path, { mode: 0o755 })
  Fs.chownSync(path, owner, owner)
  return path
}

const put = (path: string, content: string, owner = 0, mode = 0o600): string => {
  Fs.writeFileSync(path, content)
  Fs.chmodSync(path, mode)
  Fs.chownSync(path, owner, owner)
  return path
}

const ownerOf = (path: string): string => {
  const { gid, mode, uid } = Fs.statSync(path)
  return `${uid}:${gid} ${(mode & 0o777).toString(8)}`
}

const problems: Array<string> = []
const tell = (place: string, outcome: string, isGood: boolean) => {
  if (!isGood) problems.push(place)
  process.stdout.write(`${isGood ? "ok    " : "FAILED"}  ${place}: ${outcome}\n`)
}

/** Many processes on the file of a place. */
const many = (
  place: string,
  options: Pick<Options, "place" | "users"> & Partial<Options>,
  isGood: (report: Report) => string | undefined = () => undefined
) =>
  Effect.map(run({ processes: 6, refreshes: 10, lossRate: 0, kills: 0, stops: 0, ...options }), (report) => {
    const complaint =
      report.unexplained.length > 0
        ? `${report.unexplained.length} tokens were used twice`
        : report.broken.length > 0
          ? report.broken[0]
          : report.isAlive
            ? isGood(report)
            : "the stored login is dead"
    tell(
      place,
      complaint ??
        `${report.refreshes} rotations, ${report.reuses} spent tokens used again, ${report.reads} reads, 0 broken`,
      complaint === undefined
    )
  })

/** One refresh in a place where it cannot be stored: it must not be sent, and the error must say why. */
const refused = (place: string, prepare: (content: string) => string, reason: string, after?: (file: string) => void) =>
  Effect.gen(function* () {
    const endpoint = yield* TokenEndpoint.make({ lifetimeMillis: 0 })
    const file = prepare(JSON.stringify({ tokens: endpoint.login() }))
    const attempt = Effect.scoped(Effect.flatMap(CodexAuth.makeStore, (auth) => Effect.either(auth.credentials))).pipe(
      Effect.provide(
        Layer.merge(NodeAuth.layerStore({ file }), OAuth.layer({ issuer: endpoint.url })).pipe(
          Layer.provide(FetchHttpClient.layer)
        )
      ),
      Logger.withMinimumLogLevel(LogLevel.None)
    )
    const first = yield* attempt
    const error = Either.match(first, { onLeft: (error) => error, onRight: () => undefined })
    const isRefused = error?._tag === "AuthFileUnusable" && error.reason === reason && endpoint.refreshes() === 0
    tell(place, error?.message ?? "it was refreshed", isRefused)
    if (after === undefined) return
    after(file)
    const second = yield* attempt
    tell(
      `${place}, afterwards`,
      second._tag === "Right" ? "it is refreshed" : second.left.message,
      second._tag === "Right"
    )
  }).pipe(Effect.scoped)

/** A small tmpfs of which this many bytes are left. */
const fullDisk = (content: string, left: number): string => {
  const path = directory()
  mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", path)
  const file = put(Path.join(path, "auth.json"), content)
  for (const lock of ["auth.lock", "auth.json.lock"]) put(Path.join(path, lock), "")
  fill(path, left)
  return file
}

const fill = (path: string, left: number) => {
  const { bavail, bsize } = Fs.statfsSync(path)
  Fs.writeFileSync(Path.join(path, "filler"), Buffer.alloc(Math.max(0, bavail * bsize - left)))
}

const bindMount = (content: string) => {
  const [host, home] = [directory(), directory()]
  const real = put(Path.join(host, "auth.json"), content)
  const mounted = put(Path.join(home, "auth.json"), "")
  mount("--bind", real, mounted)
  return { real, mounted }
}

const program = Effect.gen(function* () {
  yield* refused(
    "a full disk",
    (content) => fullDisk(content, 0),
    "ENOSPC",
    (file) => Fs.rmSync(Path.join(Path.dirname(file), "filler"))
  )
  yield* many("a disk with room for nothing but the file itself", {
    place: (content) => Effect.sync(() => [fullDisk(content, 8192)])
  })
  yield* many("a disk that is full now and then", {
    place: (content) =>
      Effect.gen(function* () {
        const file = fullDisk(content, 65_536)
        const filling = setInterval(() => {
          try {
            if (Math.random() < 0.5) fill(Path.dirname(file), 0)
            else Fs.rmSync(Path.join(Path.dirname(file), "filler"), { force: true })
          } catch {
            // Somebody else was faster.
          }
        }, 20)
        yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(filling)))
        return [file]
      })
  })
  yield* refused(
    "a read-only disk",
    (content) => {
      const path = directory()
      const file = put(Path.join(path, "auth.json"), content)
      mount("--bind", path, path)
      mount("-o", "remount,bind,ro", path)
      return file
    },
    "EROFS",
    (file) => mount("-o", "remount,bind,rw", Path.dirname(file))
  )
  yield* many("a directory that the user cannot write, with a file that they can", {
    users: [user],
    place: (content) => Effect.sync(() => [put(Path.join(directory(), "auth.json"), content, user)])
  })
  yield* many("a mount of the single file", {
    place: (content) => Effect.sync(() => [bindMount(content).mounted])
  })
  yield* many("a mount of the single file, with processes killed and stopped", {
    kills: 6,
    stops: 6,
    place: (content) => Effect.sync(() => [bindMount(content).mounted])
  })
  yield* refused(
    "a mount of the single file that was replaced outside",
    (content) => {
      const { mounted, real } = bindMount(content)
      Fs.writeFileSync(`${real}.new`, content, { mode: 0o600 })
      Fs.renameSync(`${real}.new`, real)
      return mounted
    },
    "replaced"
  )
  for (const mode of [0o600, 0o640]) {
    let file = ""
    yield* many(
      `another user's file, ${mode.toString(8)}, refreshed by root and by them`,
      {
        users: [0, user],
        place: (content) =>
          Effect.sync(() => {
            file = put(Path.join(directory(user), "auth.json"), content, user, mode)
            return [file]
          }),
        mode
      },
      () =>
        ["auth.json", "auth.lock", "auth.json.lock"]
          .map((name) => `${name} ${ownerOf(Path.join(Path.dirname(file), name))}`)
          .find((text) => !text.endsWith(`${user}:${user} ${mode.toString(8)}`))
    )
  }
  yield* Effect.gen(function* () {
    const endpoint = yield* TokenEndpoint.make({ lifetimeMillis: 0 })
    // A directory that everybody may write: the owner of what is in it could be lost.
    const home = directory(user)
    Fs.chmodSync(home, 0o777)
    const file = put(Path.join(home, "auth.json"), JSON.stringify({ tokens: endpoint.login() }), user, 0o644)
    const before = ownerOf(file)
    const worker = fileURLToPath(new URL("./once.ts", import.meta.url))
    const { stdout } = spawnSync(process.execPath, ["--import", "tsx", worker, file, endpoint.url], {
      uid: other,
      gid: other,
      encoding: "utf8"
    })
    const isKept = ownerOf(file) === before && Fs.readdirSync(home).length === 1 && endpoint.refreshes() === 0
    tell("another user's file that this user can only read", stdout.trim(), isKept && stdout.includes("another user"))
  }).pipe(Effect.scoped)

  const homes = (link: (real: string, other: string) => void) => (content: string) =>
    Effect.sync(() => {
      const [a, b] = [directory(), directory()]
      const real = put(Path.join(a, "auth.json"), content)
      const second = Path.join(b, "auth.json")
      link(real, second)
      return [real, second]
    })
  yield* many("two homes with one file, by a symbolic link", {
    place: homes((real, other) => Fs.symlinkSync(real, other))
  })
  yield* many("two homes with one file, by a hard link", { place: homes((real, other) => Fs.linkSync(real, other)) })
  yield* many("two homes with one file, both mounts of it", {
    place: (content) =>
      Effect.sync(() => {
        const { mounted, real } = bindMount(content)
        const second = put(Path.join(directory(), "auth.json"), "")
        mount("--bind", real, second)
        return [mounted, second]
      })
  })
}).pipe(Effect.scoped)

await Effect.runPromise(program)
process.exitCode = problems.length === 0 ? 0 : 1
