// That no step of a refresh can fail, be interrupted or be the last of its process without the login being kept.

import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { stepOf } from "../../../test/exhaustive.ts"
import { AuthError, AuthStore, CodexAuth, FileLock, OAuth } from "../src/index.ts"
import { accessToken, secret } from "./support/jwt.ts"

const platform = Layer.merge(NodeContext.layer, Logger.remove(Logger.defaultLogger))

/** Runs before each step, and decides what becomes of it. `half` writes half of what the step would write. */
type Step = (name: string, half?: Effect.Effect<unknown, unknown>) => Effect.Effect<void, SystemError>

const undisturbed: Step = () => Effect.void

const failure = (method: string, code: string, reason: "Unknown" | "NotFound" = "Unknown") =>
  new SystemError({
    module: "FileSystem",
    method,
    reason,
    pathOrDescriptor: "",
    cause: Object.assign(new Error(code), { code })
  })

type Methods = Record<string, (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown, Scope.Scope>>

const methods = {
  fileSystem: [
    "chmod",
    "chown",
    "access",
    "link",
    "makeDirectory",
    "open",
    "readDirectory",
    "readFile",
    "readLink",
    "realPath",
    "remove",
    "rename",
    "stat",
    "writeFile"
  ],
  file: ["readAlloc", "seek", "truncate", "write"]
} as const

/** A file system whose every operation is a step. */
const stepwise = (fs: FileSystem.FileSystem, step: Step, isMount: boolean): FileSystem.FileSystem => {
  const wrap = (target: object, names: ReadonlyArray<string>) =>
    Object.fromEntries(
      names.map((name) => {
        const method = (target as Methods)[name]?.bind(target)
        return [
          name,
          (...args: ReadonlyArray<unknown>) =>
            Effect.suspend(() => Effect.zipRight(step(name), method?.(...args) ?? Effect.void))
        ]
      })
    )
  const wrapped = wrap(fs, methods.fileSystem) as unknown as FileSystem.FileSystem
  return FileSystem.make({
    ...fs,
    ...wrapped,
    rename: (from, to) =>
      isMount && to.endsWith("auth.json")
        ? Effect.zipRight(step("rename"), Effect.fail(failure("rename", "EBUSY")))
        : wrapped.rename(from, to),
    open: (path, options) =>
      Effect.map(
        wrapped.open(path, options),
        (file) =>
          ({
            [FileSystem.FileTypeId]: FileSystem.FileTypeId,
            fd: file.fd,
            stat: Effect.zipRight(
              Effect.suspend(() => step("file.stat")),
              file.stat
            ),
            sync: Effect.zipRight(
              Effect.suspend(() => step("sync")),
              file.sync
            ),
            ...wrap(file, methods.file),
            writeAll: (bytes: Uint8Array) =>
              Effect.suspend(() =>
                Effect.zipRight(
                  step("writeAll", file.writeAll(bytes.subarray(0, bytes.length / 2))),
                  file.writeAll(bytes)
                )
              )
          }) as unknown as FileSystem.File
      )
  })
}

/** The locks of the dead do not hold a test up. */
const impatient = { timeLimit: "10 seconds", staleAfter: "400 millis" } satisfies FileLock.Options

/** A token endpoint whose refresh tokens work once. */
const endpoint = () => {
  let live = "rt_1"
  let serial = 1
  const sent: Array<string> = []
  const service = (step: Step): OAuth.Service => ({
    authorizeUrl: () => "",
    exchange: () => Effect.dieMessage("unexpected"),
    deviceCode: Effect.dieMessage("unexpected"),
    pollDevice: () => Effect.dieMessage("unexpected"),
    revoke: () => Effect.void,
    refresh: (token) =>
      Effect.gen(function* () {
        yield* Effect.ignore(step("send"))
        sent.push(Redacted.value(token))
        if (Redacted.value(token) !== live) return yield* new AuthError.LoginExpired({ reason: "reused" })
        live = `rt_${++serial}`
        yield* Effect.ignore(step("answer"))
        const now = Date.now()
        return {
          accessToken: secret(accessToken({ serial, issuedAt: now, expiresAt: now + 3_600_000 })),
          refreshToken: secret(live)
        }
      })
  })
  return { service, sent, isLive: (token: string | undefined) => token === live }
}

/** `isMount`: the file cannot be replaced. */
const setup = Effect.fnUntraced(function* (isMount: boolean) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.realPath(yield* fs.makeTempDirectoryScoped())
  const file = `${directory}/auth.json`
  const content = {
    custom: "kept",
    tokens: { access_token: accessToken({ serial: 0, issuedAt: 1000, expiresAt: 2000 }), refresh_token: "rt_1" }
  }
  yield* fs.writeFileString(file, JSON.stringify(content), { mode: 0o600 })
  const server = endpoint()
  const storeOf = (own: FileSystem.FileSystem, lock: FileLock.Options = {}) =>
    AuthStore.makeFile(file).pipe(
      Effect.provideServiceEffect(FileLock.FileLock, FileLock.make(lock)),
      Effect.provideService(FileSystem.FileSystem, own)
    )
  const sessionOf = (store: AuthStore.Service, step: Step) =>
    CodexAuth.makeStore.pipe(
      Effect.provideService(AuthStore.AuthStore, store),
      Effect.provideService(OAuth.OAuth, server.service(step))
    )
  /** The login of a process with these steps. */
  const session = (step: Step, lock?: FileLock.Options) =>
    Effect.flatMap(storeOf(stepwise(fs, step, isMount), lock), (store) => sessionOf(store, step))
  /** The login works and is in the file, no token was sent twice, and nothing is left but the file. */
  const assertKept = Effect.gen(function* () {
    const store = yield* storeOf(stepwise(fs, undisturbed, isMount), impatient)
    const auth = yield* sessionOf(store, undisturbed)
    yield* auth.credentials
    yield* store.modify((login) => Effect.succeed([undefined, login] as const))
    const json = JSON.parse(yield* fs.readFileString(file))
    assert.isTrue(server.isLive(json.tokens.refresh_token), "the stored login is live")
    assert.strictEqual(json.custom, "kept")
    assert.deepStrictEqual(server.sent, [...new Set(server.sent)])
    assert.deepStrictEqual(yield* fs.readDirectory(directory), ["auth.json"])
  }).pipe(Effect.scoped)
  return { session, assertKept, names: fs.readDirectory(directory) }
})

type World = Effect.Effect.Success<ReturnType<typeof setup>>

/** Counts the steps of an undisturbed refresh. */
const stepsOf = (isMount: boolean) =>
  Effect.gen(function* () {
    const { session } = yield* setup(isMount)
    const names: Array<string> = []
    yield* Effect.scoped(
      Effect.flatMap(
        session((name) => Effect.sync(() => void names.push(name))),
        (auth) => auth.credentials
      )
    )
    return names
  }).pipe(Effect.scoped)

/** Disturbs one refresh at each of its steps. */
const sweep = (
  isMount: boolean,
  disturb: (
    world: World,
    at: number,
    names: ReadonlyArray<string>
  ) => Effect.Effect<void, unknown, Scope.Scope | Path.Path>
) =>
  Effect.gen(function* () {
    const names = yield* stepsOf(isMount)
    assert.includeMembers(names, ["send", "answer", "sync", "rename", "writeAll"])
    const problems = yield* Effect.forEach(
      // from the sending on each of them
      [...names.keys()].filter((at) => at >= names.indexOf("send") || at % stepOf(names.length, 6) === 0),
      (at) =>
        Effect.flatMap(setup(isMount), (world) => disturb(world, at, names)).pipe(
          Effect.scoped,
          Effect.sandbox,
          Effect.match({ onFailure: (cause) => [`${at} ${names[at]}: ${cause}`], onSuccess: () => [] })
        ),
      { concurrency: 16 }
    )
    assert.deepStrictEqual(problems.flat(), [])
  })

/** Does something at one step. */
const at = (k: number, act: (name: string) => Effect.Effect<void, SystemError>): Step => {
  let count = 0
  return (name) => (count++ === k ? act(name) : Effect.void)
}

describe.sequential.each([
  ["replaced", false],
  ["overwritten", true]
] as const)("a refresh of a file that is %s keeps the login", (_, isMount) => {
  it.live("when any step fails once", () =>
    sweep(isMount, (world, k) =>
      Effect.gen(function* () {
        const auth = yield* world.session(at(k, (name) => Effect.fail(failure(name, "EIO"))))
        yield* Effect.exit(auth.credentials)
      }).pipe(Effect.scoped, Effect.zipRight(world.assertKept))
    ).pipe(Effect.provide(platform))
  )

  it.live("when everything fails from any step on, until it is mended", () =>
    sweep(isMount, (world, k) =>
      Effect.gen(function* () {
        let isBroken = false
        let isMended = false
        const start = at(k, () =>
          Effect.sync(() => {
            isBroken = true
          })
        )
        const step: Step = (name) =>
          Effect.zipRight(
            start(name),
            Effect.suspend(() => (isBroken && !isMended ? Effect.fail(failure(name, "EIO")) : Effect.void))
          )
        const auth = yield* world.session(step, impatient)
        yield* Effect.exit(auth.credentials)
        isMended = true
      }).pipe(Effect.scoped, Effect.zipRight(world.assertKept))
    ).pipe(Effect.provide(platform))
  )

  it.live("when its caller is interrupted and its session closes at any step", () =>
    sweep(isMount, (world, k) =>
      Effect.gen(function* () {
        const reached = yield* Deferred.make<void>()
        const pause = Effect.zipRight(Deferred.succeed(reached, undefined), Effect.sleep("10 millis"))
        const scope = yield* Scope.make()
        const auth = yield* Scope.extend(world.session(at(k, () => pause)), scope)
        const caller = yield* Effect.fork(auth.credentials)
        yield* Effect.raceFirst(Deferred.await(reached), Fiber.await(caller))
        yield* Fiber.interruptFork(caller)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* world.names, ["auth.json"])
        yield* world.assertKept
      })
    ).pipe(Effect.provide(platform))
  )

  it.live("when its process is killed at any step, except while only the process has the answer", () =>
    sweep(isMount, (world, k, names) =>
      Effect.gen(function* () {
        const reached = yield* Deferred.make<void>()
        let count = 0
        const step: Step = (_, half = Effect.void) =>
          Effect.suspend(() => {
            if (count++ < k) return Effect.void
            return half.pipe(
              Effect.ignore,
              Effect.when(() => count === k + 1),
              Effect.zipRight(Deferred.succeed(reached, undefined)),
              Effect.zipRight(Effect.never)
            )
          })
        const auth = yield* Scope.extend(world.session(step), yield* Scope.make())
        const caller = yield* Effect.fork(auth.credentials)
        yield* Effect.raceFirst(Deferred.await(reached), Fiber.await(caller))
        const answered = names.indexOf("answer")
        if (k < answered || k > names.indexOf("writeAll", answered)) yield* world.assertKept
      })
    ).pipe(Effect.provide(platform))
  )
})
