import { spawn, spawnSync } from "node:child_process"
import * as FileSystem from "@effect/platform/FileSystem"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Path from "@effect/platform/Path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { draw } from "../../../test/property.ts"
import { AuthError, AuthFile, AuthStore, FileLock, type Login } from "../src/index.ts"
import * as Flock from "../src/node/Flock.ts"
import { accessToken, secret } from "./support/jwt.ts"

const platform = Layer.provideMerge(Flock.layer({ timeLimit: "30 seconds" }), NodeContext.layer)

const temporary = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  const file = `${directory}/home/auth.json`
  yield* fs.makeDirectory(`${directory}/home`)
  const write = (content: unknown) =>
    fs.writeFileString(file, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 })
  return {
    fs,
    file,
    directory: `${directory}/home`,
    write,
    json: Effect.map(fs.readFileString(file), (text) => JSON.parse(text)),
    store: yield* AuthStore.makeFile(file)
  }
})

const cliFile = {
  auth_mode: "chatgpt",
  OPENAI_API_KEY: null,
  tokens: {
    id_token: "id",
    access_token: accessToken({ serial: 1 }),
    refresh_token: "rt_1",
    account_id: "acc_1",
    oauth_provenance: { issuer: "https://auth.openai.com", client_id: "app", extra: [1, { deep: true }] },
    login_owner_id: "owner"
  },
  last_refresh: "2026-11-22T07:40:11.123456789Z",
  custom: { kept: ["a", null, 1.5] }
}

const next: Login.Login = {
  accessToken: secret(accessToken({ serial: 2 })),
  refreshToken: secret("rt_2"),
  lastRefresh: 1_795_419_765_000
}

const put = (store: AuthStore.Service, login: Login.Login | undefined) =>
  store.modify(() => Effect.succeed([undefined, login] as const))

const warnings = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => {
    lines.push(String(message))
  })
  return { lines, layer: Logger.replace(Logger.defaultLogger, logger) }
}

describe("the file", () => {
  it.scopedLive("is read as the CLI writes it", () =>
    Effect.gen(function* () {
      const { store, write } = yield* temporary
      yield* write(cliFile)
      const login = yield* store.read
      assert.strictEqual(Redacted.value(login.accessToken), cliFile.tokens.access_token)
      assert.strictEqual(Redacted.value(login.refreshToken ?? secret("")), "rt_1")
      assert.strictEqual(login.lastRefresh, Date.parse("2026-11-22T07:40:11.123Z"))
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("keeps every field it does not know, at every level", () =>
    Effect.gen(function* () {
      const { store, write, json } = yield* temporary
      yield* write(cliFile)
      yield* store.modify((login) => Effect.succeed([undefined, { ...login, ...next }] as const))
      assert.deepStrictEqual(yield* json, {
        ...cliFile,
        tokens: { ...cliFile.tokens, access_token: accessToken({ serial: 2 }), refresh_token: "rt_2" },
        last_refresh: new Date(1_795_419_765_000).toISOString()
      })
    }).pipe(Effect.provide(platform))
  )

  it.effect.prop(
    "keeps unknown fields whatever they are",
    { extra: draw.jsonValue(), name: draw.string({ minLength: 1 }).map((s) => `x${s}`) },
    ({ extra, name }) =>
      Effect.gen(function* () {
        const content = { ...cliFile, [name]: extra, tokens: { ...cliFile.tokens, [name]: extra } }
        const file = yield* AuthFile.parse(JSON.stringify(content), "auth.json")
        const written = JSON.parse(yield* file.renew(next))
        const expected = JSON.parse(JSON.stringify(extra))
        assert.deepStrictEqual(written[name], expected)
        assert.deepStrictEqual(written.tokens[name], expected)
      })
  )

  for (const number of [
    "12345678901234567890",
    "-0",
    "1.50",
    "1e400",
    "0.1000000000000000055511151231257827",
    "1E+2"
  ]) {
    it.effect(`keeps the number ${number} as it is written`, () =>
      Effect.gen(function* () {
        const kept = `[${number},"${number}",{"\\"a\\":${number}":${number}}]`
        const tokens = JSON.stringify(cliFile.tokens).slice(0, -1)
        for (const text of [
          `{"tokens":${tokens},"x":${kept}},"x":${kept}}`,
          `{"openai-codex":{"access":"${accessToken({})}","expires":1.7e12,"x":${kept}},"x":${kept}}`
        ]) {
          const file = yield* AuthFile.parse(text, "auth.json")
          for (const printed of [yield* file.renew(next), yield* file.replace({ ...next, ...file.login })]) {
            assert.lengthOf(printed.replace(/\s/g, "").split(kept), 3)
          }
        }
      })
    )
  }

  it.effect("of the other format is refreshed though its numbers are written in an odd way", () =>
    Effect.gen(function* () {
      const text = `{"openai-codex":{"access":"${accessToken({})}","expires":1.7e12}}`
      const file = yield* AuthFile.parse(text, "auth.json")
      assert.strictEqual(file.login?.expiresAt, 1_700_000_000_000)
      assert.notProperty(JSON.parse(yield* file.renew(next))["openai-codex"], "expires")
    })
  )

  it.scopedLive("of the other format is read and written back in that format", () =>
    Effect.gen(function* () {
      const { store, write, json } = yield* temporary
      const entry = { type: "oauth", access: accessToken({}), refresh: "rt_1", expires: 5000, account_id: "acc_1" }
      yield* write({ "openai-codex": { ...entry, more: 1 }, other: { type: "api_key" } })
      const login = yield* store.read
      assert.strictEqual(login.expiresAt, 5000)
      assert.strictEqual(Redacted.value(login.accountId ?? secret("")), "acc_1")
      yield* put(store, { ...login, ...next, expiresAt: 9000 })
      assert.deepStrictEqual(yield* json, {
        "openai-codex": { ...entry, access: accessToken({ serial: 2 }), refresh: "rt_2", expires: 9000, more: 1 },
        other: { type: "api_key" }
      })
      yield* put(store, undefined)
      assert.deepStrictEqual(yield* json, { other: { type: "api_key" } })
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("keeps nothing of the login that is replaced", () =>
    Effect.gen(function* () {
      const { store, write, json } = yield* temporary
      yield* write(cliFile)
      yield* put(store, { accessToken: secret("new") })
      const { tokens, last_refresh } = yield* json
      assert.strictEqual(tokens.access_token, "new")
      assert.doesNotHaveAnyKeys(tokens, ["id_token", "refresh_token", "account_id"])
      assert.isUndefined(last_refresh)
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("is private: file 0600, directory 0700, and nothing is left beside it but the locks", () =>
    Effect.gen(function* () {
      const { fs, directory } = yield* temporary
      const store = yield* AuthStore.makeFile(`${directory}/new/auth.json`)
      assert.strictEqual((yield* Effect.flip(store.read))._tag, "NotLoggedIn")
      yield* put(store, next)
      yield* put(store, { ...next, refreshToken: secret("rt_3") })
      assert.strictEqual((yield* fs.stat(`${directory}/new`)).mode & 0o777, 0o700)
      assert.strictEqual((yield* fs.stat(`${directory}/new/auth.json`)).mode & 0o777, 0o600)
      assert.sameMembers(yield* fs.readDirectory(`${directory}/new`), ["auth.json", "auth.json.lock", "auth.lock"])
      const written = JSON.parse(yield* fs.readFileString(`${directory}/new/auth.json`))
      assert.deepInclude(written, { auth_mode: "chatgpt", OPENAI_API_KEY: null })
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("is replaced, not rewritten: who has it open keeps the old content", () =>
    Effect.gen(function* () {
      const { fs, file, store, write } = yield* temporary
      yield* write(cliFile)
      const before = yield* fs.stat(file)
      yield* put(store, next)
      const after = yield* fs.stat(file)
      assert.notDeepEqual(after.ino, before.ino)
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("behind a symbolic link is replaced where it is", () =>
    Effect.gen(function* () {
      const { fs, directory, file, store } = yield* temporary
      yield* fs.makeDirectory(`${directory}/real`)
      yield* fs.writeFileString(`${directory}/real/auth.json`, JSON.stringify(cliFile), { mode: 0o600 })
      yield* fs.symlink(`${directory}/real/auth.json`, file)
      yield* put(store, next)
      assert.strictEqual(yield* fs.readLink(file), `${directory}/real/auth.json`)
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt_2")
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("behind a symbolic link leaves no tokens behind when the login goes", () =>
    Effect.gen(function* () {
      const { custom: _custom, ...plain } = cliFile
      const { fs, directory, file, store } = yield* temporary
      yield* fs.makeDirectory(`${directory}/real`)
      yield* fs.writeFileString(`${directory}/real/auth.json`, JSON.stringify(plain), { mode: 0o600 })
      yield* fs.symlink(`${directory}/real/auth.json`, file)
      yield* put(store, undefined)
      assert.isFalse(yield* fs.exists(`${directory}/real/auth.json`))
      assert.strictEqual((yield* Effect.flip(store.read))._tag, "NotLoggedIn")
      yield* put(store, next)
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt_2")
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("is not touched when nothing changes, and temporary files of killed processes are swept", () =>
    Effect.gen(function* () {
      const { fs, directory, file, store, write } = yield* temporary
      yield* write(cliFile)
      yield* fs.writeFileString(`${directory}/.auth.json.tmp-dead`, "secret")
      const before = yield* fs.stat(file)
      yield* store.modify((login) => Effect.succeed(["result", login] as const))
      assert.deepStrictEqual((yield* fs.stat(file)).ino, before.ino)
      assert.notInclude((yield* fs.readDirectory(directory)).join(), "tmp-")
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("goes when the login goes, unless it holds something else", () =>
    Effect.gen(function* () {
      const { fs, file, store, write, json } = yield* temporary
      yield* write(cliFile)
      yield* put(store, undefined)
      assert.deepStrictEqual(yield* json, { OPENAI_API_KEY: null, custom: cliFile.custom })
      const { custom: _custom, ...plain } = cliFile
      yield* write(plain)
      yield* put(store, undefined)
      assert.isFalse(yield* fs.exists(file))
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("with an API key only is no login, and says so", () =>
    Effect.gen(function* () {
      const { store, write } = yield* temporary
      yield* write({ OPENAI_API_KEY: "sk-planted" })
      const keyOnly = yield* Effect.flip(store.read)
      assert.deepInclude(keyOnly, { _tag: "NotLoggedIn", found: "an API key only" })
      assert.notInclude(keyOnly.message, "sk-planted")
      yield* write({ ...cliFile, auth_mode: "apikey" })
      assert.deepInclude(yield* Effect.flip(store.read), { _tag: "NotLoggedIn", found: "an API key only" })
      yield* write({ ...cliFile, auth_mode: "planted" })
      assert.deepInclude(yield* Effect.flip(store.read), { _tag: "NotLoggedIn", found: "another login" })
    }).pipe(Effect.provide(platform))
  )

  for (const [what, content, expected] of [
    ["empty", "", { reason: "empty" }],
    ["truncated", JSON.stringify(cliFile).slice(0, 200), { reason: "json" }],
    ["a list", "[]", { reason: "schema" }],
    ["of another schema", { tokens: { access_token: 7, refresh_token: "planted" } }, { at: "tokens.access_token" }],
    ["of another schema in the other format", { "openai-codex": "planted" }, { at: "openai-codex" }]
  ] as const) {
    it.scopedLive(`${what} is reported and left alone`, () =>
      Effect.gen(function* () {
        const { fs, file, store, write } = yield* temporary
        yield* write(content)
        const before = yield* fs.readFileString(file)
        for (const attempt of [store.read, put(store, next)]) {
          const error = yield* Effect.flip(attempt)
          assert.deepInclude(error, { _tag: "AuthFileUnusable", path: file, operation: "decode", ...expected })
          assert.notInclude(error.message + JSON.stringify(error), "planted")
        }
        assert.strictEqual(yield* fs.readFileString(file), before)
      }).pipe(Effect.provide(platform))
    )
  }

  it.scopedLive("that is a directory is an error that says where", () =>
    Effect.gen(function* () {
      const { fs, file, store } = yield* temporary
      yield* fs.makeDirectory(file)
      const error = yield* Effect.flip(store.read)
      assert.deepInclude(error, { _tag: "AuthFileUnusable", operation: "read", reason: "EISDIR" })
      assert.include(error.message, file)
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("that others can read is used, with one warning", () => {
    const { lines, layer } = warnings()
    return Effect.gen(function* () {
      const { fs, file, store, write } = yield* temporary
      yield* write(cliFile)
      yield* fs.chmod(file, 0o644)
      yield* store.read
      yield* store.read
      assert.strictEqual(lines.filter((line) => line.includes("chmod 600")).length, 1)
    }).pipe(Effect.provide([platform, layer]))
  })

  it.scopedLive("that cannot be written stops before anything is done that cannot be undone", () =>
    Effect.gen(function* () {
      const { file, write } = yield* temporary
      yield* write(cliFile)
      const fs = yield* FileSystem.FileSystem
      // A read-only disk, whoever runs the test.
      const readOnly: FileSystem.FileSystem = {
        ...fs,
        open: (path, options) =>
          options?.flag === "r" ? fs.open(path, options) : fs.open("/proc/version", { flag: "wx" })
      }
      let decided = false
      const store = yield* AuthStore.makeFile(file).pipe(Effect.provideService(FileSystem.FileSystem, readOnly))
      const error = yield* Effect.flip(
        store.modify((_, prepare) =>
          Effect.zipRight(
            prepare,
            Effect.sync(() => {
              decided = true
              return [undefined, next] as const
            })
          )
        )
      )
      assert.deepInclude(error, { _tag: "AuthFileUnusable", operation: "write" })
      assert.isFalse(decided)
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("that another process rewrites in place is never misread", () =>
    Effect.gen(function* () {
      const { file, store, write } = yield* temporary
      const text = JSON.stringify({ ...cliFile, custom: "x".repeat(20_000) })
      yield* write(text)
      // Truncates, writes half, waits, writes the rest: what a reader must survive.
      const program = `
        const fs = require("node:fs")
        const [file, text] = process.argv.slice(1)
        const rewrite = () => {
          const handle = fs.openSync(file, "w")
          fs.writeSync(handle, text.slice(0, 9000))
          setTimeout(() => {
            fs.writeSync(handle, text.slice(9000))
            fs.closeSync(handle)
            setTimeout(rewrite, 5)
          }, 5)
        }
        rewrite()`
      yield* Effect.acquireRelease(
        Effect.sync(() => spawn(process.execPath, ["-e", program, file, text], { stdio: "inherit" })),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const fs = yield* FileSystem.FileSystem
      let torn = 0
      for (let i = 0; torn < 5 || i < 50; i++) {
        const login = yield* store.read
        assert.strictEqual(Redacted.value(login.refreshToken ?? secret("")), "rt_1")
        if ((yield* fs.readFileString(file)).length !== text.length) torn++
        yield* Effect.sleep("1 millis")
      }
    }).pipe(Effect.provide(platform))
  )

  it.effect("is found where the CLI keeps it", () =>
    Effect.gen(function* () {
      const at = (variables: Record<string, string>) =>
        Effect.withConfigProvider(AuthStore.defaultFile, ConfigProvider.fromMap(new Map(Object.entries(variables))))
      assert.strictEqual(yield* at({ CODEX_HOME: "/x", HOME: "/home/a" }), "/x/auth.json")
      assert.strictEqual(yield* at({ CODEX_HOME: "/x" }), "/x/auth.json")
      assert.strictEqual(yield* at({ CODEX_HOME: "", HOME: "/home/a" }), "/home/a/.codex/auth.json")
      assert.strictEqual(yield* at({ CODEX_HOME: " ", HOME: "/home/a" }), "/home/a/.codex/auth.json")
      assert.strictEqual(yield* at({ USERPROFILE: "C:/Users/a" }), "C:/Users/a/.codex/auth.json")
    })
  )
})

describe.sequential("modify", () => {
  it.scopedLive("is exclusive between stores, one after the other", () =>
    Effect.gen(function* () {
      const { file, write, json } = yield* temporary
      yield* write({ ...cliFile, tokens: { ...cliFile.tokens, refresh_token: "0" } })
      yield* Effect.all(
        Array.from({ length: 20 }, () =>
          Effect.flatMap(AuthStore.makeFile(file), (store) =>
            store.modify((login) =>
              Effect.gen(function* () {
                yield* Effect.sleep("1 millis")
                const count = Number(Redacted.value(login?.refreshToken ?? secret(""))) + 1
                return [count, { ...next, refreshToken: secret(String(count)) }] as const
              })
            )
          )
        ),
        { concurrency: "unbounded" }
      )
      assert.strictEqual((yield* json).tokens.refresh_token, "20")
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("cannot be interrupted between the decision and the write", () =>
    Effect.gen(function* () {
      const { store, write } = yield* temporary
      yield* write(cliFile)
      const deciding = yield* Deferred.make<void>()
      const writing = yield* Effect.fork(
        store.modify(() =>
          Deferred.succeed(deciding, undefined).pipe(
            Effect.zipRight(Effect.sleep("50 millis")),
            Effect.as([undefined, next] as const)
          )
        )
      )
      yield* Deferred.await(deciding)
      yield* Fiber.interrupt(writing)
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt_2")
    }).pipe(Effect.provide(platform))
  )

  it.effect("works on a KeyValueStore too", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeKeyValueStore()
      assert.strictEqual((yield* Effect.flip(store.read))._tag, "NotLoggedIn")
      yield* put(store, next)
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt_2")
      const kept = yield* KeyValueStore.KeyValueStore
      yield* kept.modify("codex-auth", (text) => JSON.stringify({ ...JSON.parse(text), custom: 1 }))
      yield* put(store, { ...next, refreshToken: secret("rt_3") })
      assert.include(JSON.stringify(yield* kept.get("codex-auth")), "custom")
      yield* kept.set("codex-auth", "{")
      assert.strictEqual((yield* Effect.flip(store.read))._tag, "AuthFileUnusable")
      yield* kept.remove("codex-auth")
      yield* put(store, next)
      yield* put(store, undefined)
      assert.strictEqual((yield* Effect.flip(store.read))._tag, "NotLoggedIn")
    }).pipe(Effect.provide(KeyValueStore.layerMemory))
  )
})

describe.sequential("the lock", () => {
  /** The lock by one of the programs. */
  const by = (command: string) => (options?: FileLock.Options) =>
    Layer.effect(
      FileLock.FileLock,
      Flock.make({ ...options, commands: Flock.commands.filter((known) => known.command === command) })
    )
  const locks = { flock: Flock.layer, "flock by Perl": by("perl"), portable: FileLock.layer }
  const isInstalled = (command: string) => spawnSync(command, ["--version"]).status === 0

  for (const [name, layer] of Object.entries(locks)) {
    const withLock = (options: FileLock.Options) => Layer.provideMerge(layer(options), NodeContext.layer)

    it.scopedLive(`${name}: one holder at a time, waiting is bounded and can be interrupted`, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const lock = yield* FileLock.FileLock
        const file = path.join(yield* fs.makeTempDirectoryScoped(), "auth.lock")
        let inside = 0
        const critical = Effect.scoped(
          Effect.gen(function* () {
            yield* lock.acquire({ paths: [file] })
            assert.strictEqual(++inside, 1)
            yield* Effect.sleep("2 millis")
            inside--
          })
        )
        yield* Effect.all(
          Array.from({ length: 8 }, () => critical),
          { concurrency: "unbounded" }
        )

        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* lock.acquire({ paths: [file] })
            const waiting = yield* Effect.fork(Effect.scoped(lock.acquire({ paths: [file] })))
            yield* Effect.sleep("40 millis")
            yield* Fiber.interrupt(waiting)
            const error = yield* Effect.flip(Effect.scoped(lock.acquire({ paths: [file] })))
            assert.deepInclude(error, { _tag: "LockTimeout", path: file, waitedMillis: 1500 })
            assert.isTrue(AuthError.isAuthError(error) && error.isRetryable)
          })
        )
        yield* Effect.scoped(lock.acquire({ paths: [file] }))
      }).pipe(Effect.provide(withLock({ timeLimit: "1500 millis" })))
    )

    it.scopedLive(`${name}: waiting is bounded where nothing can be interrupted, too`, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const lock = yield* FileLock.FileLock
        const file = `${yield* fs.makeTempDirectoryScoped()}/auth.lock`
        yield* lock.acquire({ paths: [file] })
        const error = yield* Effect.flip(Effect.uninterruptible(Effect.scoped(lock.acquire({ paths: [file] }))))
        assert.strictEqual(error._tag, "LockTimeout")
      }).pipe(Effect.provide(withLock({ timeLimit: "300 millis" })))
    )

    it.scopedLive(`${name}: a place where no lock file can be is an error`, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const lock = yield* FileLock.FileLock
        const directory = yield* fs.makeTempDirectoryScoped()
        const error = yield* Effect.flip(Effect.scoped(lock.acquire({ paths: [`${directory}/missing/auth.lock`] })))
        assert.deepInclude(error, { _tag: "AuthFileUnusable", operation: "lock", reason: "ENOENT" })
      }).pipe(Effect.provide(withLock({})))
    )
  }

  for (const { command } of Flock.commands) {
    it.scopedLive.skipIf(!isInstalled(command))(
      `${command}: keeps out and is kept out by another program's flock`,
      () =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const lock = yield* FileLock.FileLock
          const file = `${yield* fs.makeTempDirectoryScoped()}/auth.lock`
          const tryOther = Effect.sync(() => spawnSync("flock", ["--nonblock", file, "true"]).status)
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* lock.acquire({ paths: [file] })
              assert.strictEqual(yield* tryOther, 1)
            })
          )
          assert.strictEqual(yield* tryOther, 0)
          const other = yield* Effect.acquireRelease(
            Effect.sync(() => spawn("flock", ["--no-fork", file, "sleep", "30"])),
            (other) => Effect.sync(() => other.kill("SIGKILL"))
          )
          yield* Effect.repeat(tryOther, { until: (status) => status === 1, schedule: Schedule.spaced("10 millis") })
          assert.strictEqual((yield* Effect.flip(Effect.scoped(lock.acquire({ paths: [file] }))))._tag, "LockTimeout")
          // The kernel releases the lock of a process that was killed.
          other.kill("SIGKILL")
          yield* Effect.scoped(lock.acquire({ paths: [file] }))
        }).pipe(Effect.provide(Layer.provideMerge(by(command)({ timeLimit: "500 millis" }), NodeContext.layer)))
    )
  }

  for (const [what, commands] of [
    ["there is no program for flock", []],
    ["no program can be run", [{ command: "no-such-program", wait: [], attempt: [] }]],
    ["the file system refuses", [{ command: "false", wait: [], attempt: [] }]],
    ["a lock keeps nobody out", [{ command: "true", wait: [], attempt: [] }]]
  ] as const) {
    it.scopedLive(`flock: where ${what}, the portable lock is used, and a warning says so`, () => {
      const { lines, layer } = warnings()
      return Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const lock = yield* Flock.make({ commands })
        const file = `${yield* fs.makeTempDirectoryScoped()}/auth.lock`
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* lock.acquire({ paths: [file] })
            assert.isTrue(yield* fs.exists(`${file}.held`))
          })
        )
        assert.isFalse(yield* fs.exists(`${file}.held`))
        assert.strictEqual(lines.filter((line) => line.includes("There are no flock locks")).length, 1)
      }).pipe(Effect.provide([NodeContext.layer, layer]))
    })
  }

  it.scopedLive("portable: a lock that somebody else took over meanwhile is left to them", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/auth.lock`
      yield* fs.writeFileString(`${file}.held`, "somebody who died")
      // Between our look at the stale lock and our move, another process takes it over.
      const overtaken = FileSystem.make({
        ...fs,
        rename: (from, to) => Effect.zipRight(fs.writeFileString(`${file}.held`, "the new holder"), fs.rename(from, to))
      })
      const lock = yield* FileLock.make({ staleAfter: "400 millis", timeLimit: "700 millis" }).pipe(
        Effect.provideService(FileSystem.FileSystem, overtaken)
      )
      assert.strictEqual((yield* Effect.flip(Effect.scoped(lock.acquire({ paths: [file] }))))._tag, "LockTimeout")
      assert.strictEqual(yield* fs.readFileString(`${file}.held`), "the new holder")
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("portable: the lock of a process that died is taken over, that of a live one is not", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const lock = yield* FileLock.FileLock
      const file = `${yield* fs.makeTempDirectoryScoped()}/auth.lock`
      yield* fs.writeFileString(`${file}.held`, "somebody who died")
      yield* Effect.scoped(lock.acquire({ paths: [file] }))
      assert.isFalse(yield* fs.exists(`${file}.held`))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* lock.acquire({ paths: [file] })
          assert.strictEqual((yield* Effect.flip(Effect.scoped(lock.acquire({ paths: [file] }))))._tag, "LockTimeout")
        })
      )
    }).pipe(
      Effect.provide(
        Layer.provideMerge(FileLock.layer({ staleAfter: "400 millis", timeLimit: "2 seconds" }), NodeContext.layer)
      )
    )
  )
})
