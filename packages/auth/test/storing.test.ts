// That a login survives what disks, mounts, owners and killed processes do.

import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { AuthError, AuthFile, AuthStore, Credentials, FileLock, type Login } from "../src/index.ts"
import * as Flock from "../src/node/Flock.ts"
import { type Faults, faulty } from "./support/faultyFileSystem.ts"
import { accessToken, secret } from "./support/jwt.ts"

const platform = Layer.merge(NodeContext.layer, Logger.remove(Logger.defaultLogger))

const minute = 60_000

/** A file of this account whose tokens were made at this minute. */
const content = (at: number, refresh: string, account = "acc_1") => ({
  auth_mode: "chatgpt",
  tokens: { access_token: accessToken({ account, issuedAt: at * minute, serial: at }), refresh_token: refresh },
  last_refresh: new Date(at * minute).toISOString(),
  custom: "kept"
})

const next: Login.Login = {
  accessToken: secret(accessToken({ issuedAt: 9 * minute, serial: 9 })),
  refreshToken: secret("rt_next"),
  lastRefresh: 9 * minute
}

const setup = (faults: Faults = {}) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.realPath(yield* fs.makeTempDirectoryScoped())
    const file = `${directory}/auth.json`
    const write = (json: unknown, path = file) =>
      fs.writeFileString(path, typeof json === "string" ? json : JSON.stringify(json), { mode: 0o600 })
    const storeAt = (path: string) =>
      AuthStore.makeFile(path).pipe(
        Effect.provideServiceEffect(FileLock.FileLock, Flock.make({ timeLimit: "30 seconds" })),
        Effect.provideService(FileSystem.FileSystem, faulty(fs, faults))
      )
    return {
      fs,
      directory,
      file,
      write,
      storeAt,
      store: yield* storeAt(file),
      json: Effect.map(fs.readFileString(file), (text) => JSON.parse(text)),
      names: fs.readDirectory(directory)
    }
  })

/** What a refresh does: it makes sure, sends, and stores. */
const refresh = (store: AuthStore.Service, sent: Array<string>, login = next) =>
  store.modify((stored, prepare) =>
    Effect.gen(function* () {
      yield* prepare
      sent.push(Redacted.value(stored?.refreshToken ?? secret("none")))
      return [undefined, { ...stored, ...login }] as const
    })
  )

const refreshTokenOf = (store: AuthStore.Service) =>
  Effect.map(store.read, (login) => Redacted.value(login.refreshToken ?? secret("none")))

const isTemporary = (path: string) => path.includes(".tmp-")

describe("a refresh on a file that cannot be replaced", () => {
  for (const [what, faults] of [
    ["a mount of this one file", { rename: () => "EBUSY" }],
    [
      "a directory that cannot be written",
      { open: (path: string, flag: string) => (isTemporary(path) && flag === "wx" ? "EACCES" : undefined) }
    ],
    ["a disk without room for a second file", { write: (path: string) => (isTemporary(path) ? "ENOSPC" : undefined) }]
  ] as const) {
    it.scopedLive(`is written in place: ${what}`, () =>
      Effect.gen(function* () {
        const { file, fs, json, names, store, write } = yield* setup(faults)
        yield* write(content(1, "rt_1"))
        const before = yield* fs.stat(file)
        const sent: Array<string> = []
        yield* refresh(store, sent)
        assert.deepStrictEqual(sent, ["rt_1"])
        assert.deepInclude(yield* json, { custom: "kept" })
        assert.strictEqual(yield* refreshTokenOf(store), "rt_next")
        assert.deepStrictEqual((yield* fs.stat(file)).ino, before.ino)
        assert.notMatch(yield* fs.readFileString(file), / \s*$/)
        assert.sameMembers(yield* names, ["auth.json", "auth.json.lock", "auth.lock"])
      }).pipe(Effect.provide(platform))
    )
  }

  it.scopedLive("is not begun when there is no way to store its result, and the reason is told", () =>
    Effect.gen(function* () {
      const { json, names, store, write } = yield* setup({ write: () => "ENOSPC" })
      yield* write(content(1, "rt_1"))
      const sent: Array<string> = []
      const error = yield* Effect.flip(refresh(store, sent))
      assert.deepInclude(error, { _tag: "AuthFileUnusable", operation: "write", reason: "ENOSPC" })
      assert.include(error.message, "the disk is full")
      assert.deepStrictEqual(sent, [])
      assert.deepStrictEqual(yield* json, content(1, "rt_1"))
      assert.sameMembers(yield* names, ["auth.json", "auth.json.lock", "auth.lock"])
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("leaves the file as it was when the refresh fails after all", () =>
    Effect.gen(function* () {
      const { file, fs, store, write } = yield* setup({ rename: () => "EBUSY" })
      yield* write(content(1, "rt_1"))
      const before = yield* fs.readFileString(file)
      yield* Effect.flip(store.modify((_, prepare) => Effect.zipRight(prepare, Effect.fail("no network"))))
      assert.strictEqual(yield* fs.readFileString(file), before)
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("falls back to no way that would be half done: a rename that fails only later is an error", () =>
    Effect.gen(function* () {
      let renames = 0
      const { json, store, write } = yield* setup({ rename: () => (++renames > 1 ? "EIO" : undefined) })
      yield* write(content(1, "rt_1"))
      const sent: Array<string> = []
      const error = yield* Effect.flip(refresh(store, sent))
      assert.deepInclude(error, { _tag: "AuthFileUnusable", operation: "write", reason: "EIO" })
      assert.deepStrictEqual(yield* json, content(1, "rt_1"))
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("removes the tokens at a logout although the file stays", () =>
    Effect.gen(function* () {
      const { file, fs, store, write } = yield* setup({
        rename: () => "EBUSY",
        remove: (path) => (path.endsWith("/auth.json") ? "EBUSY" : undefined)
      })
      const { custom: _custom, ...plain } = content(1, "rt_1")
      yield* write(plain)
      yield* store.modify(() => Effect.succeed([undefined, undefined] as const))
      assert.strictEqual(yield* fs.readFileString(file), "{}\n")
      assert.strictEqual((yield* Effect.flip(store.read))._tag, "NotLoggedIn")
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("is refused on a file that was replaced outside of its mount", () =>
    Effect.gen(function* () {
      const { store, write } = yield* setup({ links: (path) => (path.endsWith("/auth.json") ? 0 : undefined) })
      yield* write(content(1, "rt_1"))
      const sent: Array<string> = []
      const error = yield* Effect.flip(refresh(store, sent))
      assert.deepInclude(error, { _tag: "AuthFileUnusable", reason: "replaced" })
      assert.include(error.message, "Mount the directory")
      assert.deepStrictEqual(sent, [])
    }).pipe(Effect.provide(platform))
  )
})

describe("a file that a program without locks changes during a refresh", () => {
  const edited = (at: number, refresh: string, account?: string) => ({
    ...content(at, refresh, account),
    custom: "new"
  })
  for (const [what, change, expected] of [
    ["another field", edited(1, "rt_1"), "rt_next"],
    ["an older login of the account", edited(0, "rt_0"), "rt_next"],
    ["a newer login of the account", edited(10, "rt_10"), "rt_10"],
    ["a login of another account", edited(1, "rt_other", "acc_2"), "rt_other"],
    ["an API key", { auth_mode: "apikey", OPENAI_API_KEY: "sk-1", custom: "new" }, undefined]
  ] as const) {
    for (const [way, faults] of [
      ["replaced", {}],
      ["overwritten", { rename: () => "EBUSY" }]
    ] as const) {
      it.scopedLive(`keeps what matters: ${what}, ${way}`, () =>
        Effect.gen(function* () {
          const { json, names, store, write } = yield* setup(faults)
          yield* write(content(1, "rt_1"))
          yield* store.modify((stored, prepare) =>
            Effect.gen(function* () {
              yield* prepare
              yield* Effect.orDie(write(change))
              return [undefined, { ...stored, ...next }] as const
            })
          )
          const { custom, tokens } = yield* json
          assert.strictEqual(tokens?.refresh_token, expected)
          assert.strictEqual(custom, "new")
          assert.sameMembers(yield* names, ["auth.json", "auth.json.lock", "auth.lock"])
        }).pipe(Effect.provide(platform))
      )
    }
  }

  it.scopedLive("stays away if it is removed", () =>
    Effect.gen(function* () {
      const { file, fs, names, store, write } = yield* setup()
      yield* write(content(1, "rt_1"))
      yield* store.modify((stored, prepare) =>
        prepare.pipe(
          Effect.zipRight(Effect.orDie(fs.remove(file))),
          Effect.as([undefined, { ...stored, ...next }] as const)
        )
      )
      assert.sameMembers(yield* names, ["auth.json.lock", "auth.lock"])
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("is the one that the symbolic link pointed to, if the link is changed", () =>
    Effect.gen(function* () {
      const { directory, file, fs, store, write } = yield* setup()
      const [work, home] = [`${directory}/work.json`, `${directory}/home.json`]
      yield* write(content(1, "rt_1"), work)
      yield* write(content(1, "rt_home", "acc_2"), home)
      yield* fs.symlink(work, file)
      const pointTo = (target: string) => Effect.zipRight(fs.remove(file), fs.symlink(target, file))
      yield* store.modify((stored, prepare) =>
        prepare.pipe(
          Effect.zipRight(Effect.orDie(pointTo(home))),
          Effect.as([undefined, { ...stored, ...next }] as const)
        )
      )
      assert.strictEqual(yield* refreshTokenOf(store), "rt_home")
      yield* pointTo(work)
      assert.strictEqual(yield* refreshTokenOf(store), "rt_next")
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("is not missed if it was one of several links and is now another file", () =>
    Effect.gen(function* () {
      const { directory, file, fs, store, write } = yield* setup()
      yield* write(content(1, "rt_1"))
      yield* fs.link(file, `${directory}/link`)
      const replaced = (stored: Login.Login | undefined, prepare: Effect.Effect<void, AuthError.AuthError>) =>
        prepare.pipe(
          Effect.zipRight(Effect.orDie(write(content(1, "rt_1"), `${directory}/new`))),
          Effect.zipRight(Effect.orDie(fs.rename(`${directory}/new`, file))),
          Effect.as([undefined, { ...stored, ...next }] as const)
        )
      const error = yield* Effect.flip(store.modify(replaced))
      assert.deepInclude(error, { _tag: "AuthFileUnusable", operation: "write", reason: "replaced" })
      yield* refresh(store, [])
      assert.strictEqual(yield* refreshTokenOf(store), "rt_next")
    }).pipe(Effect.provide(platform))
  )
})

describe("a lock that is lost", () => {
  it.scopedLive("is noticed before anything is sent", () =>
    Effect.gen(function* () {
      const { file, write } = yield* setup()
      yield* write(content(1, "rt_1"))
      const store = yield* AuthStore.makeFile(file).pipe(
        Effect.provideService(FileLock.FileLock, {
          acquire: () =>
            Effect.succeed({ check: Effect.fail(new AuthError.LockTimeout({ path: "auth.lock", waitedMillis: 0 })) })
        })
      )
      const sent: Array<string> = []
      assert.strictEqual((yield* Effect.flip(refresh(store, sent)))._tag, "LockTimeout")
      assert.deepStrictEqual(sent, [])
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("is noticed when somebody has removed the lock file", () =>
    Effect.gen(function* () {
      const { directory, fs, store, write } = yield* setup()
      yield* write(content(1, "rt_1"))
      const sent: Array<string> = []
      const error = yield* Effect.flip(
        store.modify((login, prepare) =>
          Effect.gen(function* () {
            yield* fs.remove(`${directory}/auth.json.lock`)
            yield* prepare
            sent.push("rt_1")
            return [undefined, login] as const
          })
        )
      )
      assert.deepInclude(error, { _tag: "LockTimeout", path: `${directory}/auth.json.lock`, waitedMillis: 0 })
      assert.deepStrictEqual(sent, [])
    }).pipe(Effect.provide(platform))
  )
})

describe("a text that cannot be written", () => {
  for (const [what, custom, reason] of [
    ["nested 100,000 deep", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, "tooDeep"],
    ["nested just beyond the bound", `${"[".repeat(101)}${"]".repeat(101)}`, "tooDeep"],
    ["without room for longer tokens", `"${"x".repeat(AuthFile.limit - 3000)}"`, "tooLarge"]
  ] as const) {
    it.scopedLive(`is found out before anything is sent: a field ${what}`, () =>
      Effect.gen(function* () {
        const { file, fs, store, write } = yield* setup()
        yield* write(JSON.stringify(content(1, "rt_1")).replace('"kept"', custom))
        const before = yield* fs.readFileString(file)
        const sent: Array<string> = []
        // It can be read and used.
        assert.strictEqual(yield* refreshTokenOf(store), "rt_1")
        const error = yield* Effect.flip(refresh(store, sent))
        assert.deepInclude(error, { _tag: "AuthFileUnusable", operation: "write", reason })
        assert.deepStrictEqual(sent, [])
        assert.isTrue((yield* fs.readFileString(file)) === before)
      }).pipe(Effect.provide(platform))
    )
  }

  it.scopedLive("is not made by fields that only are many", () =>
    Effect.gen(function* () {
      const { fs, file, store, write } = yield* setup()
      yield* write({ ...content(1, "rt_1"), custom: Array.from({ length: 100_000 }, (_, i) => i) })
      yield* refresh(store, [])
      assert.isBelow((yield* fs.readFileString(file)).length, AuthFile.limit)
      assert.strictEqual(yield* refreshTokenOf(store), "rt_next")
    }).pipe(Effect.provide(platform))
  )
})

describe("the file of a process that was killed before its rename", () => {
  const leftover = ".auth.json.tmp-dead"

  for (const [what, file, left, expected] of [
    ["is adopted when it is newer", content(1, "rt_1"), content(2, "rt_2"), "rt_2"],
    ["is adopted with blanks after its text", content(1, "rt_1"), `${JSON.stringify(content(2, "rt_2"))}    `, "rt_2"],
    ["is adopted when the file itself is half-written", '{"tokens": {"acc', content(2, "rt_2"), "rt_2"],
    ["is not adopted when it is older", content(3, "rt_3"), content(2, "rt_2"), "rt_3"],
    ["is not adopted when it does not parse", content(1, "rt_1"), '{"tokens": {"access_to', "rt_1"],
    ["is not adopted when it is another account's", content(1, "rt_1"), content(2, "rt_2", "acc_2"), "rt_1"]
  ] as const) {
    it.scopedLive(what, () =>
      Effect.gen(function* () {
        const { directory, names, store, write } = yield* setup()
        yield* write(file)
        yield* write(left, `${directory}/${leftover}`)
        const seen: Array<string> = []
        yield* refresh(store, seen)
        assert.deepStrictEqual(seen, [expected])
        assert.sameMembers(yield* names, ["auth.json", "auth.json.lock", "auth.lock"])
      }).pipe(Effect.provide(platform))
    )
  }

  it.scopedLive("is not adopted after somebody has logged out", () =>
    Effect.gen(function* () {
      const { directory, names, store, write } = yield* setup()
      yield* write(content(2, "rt_2"), `${directory}/${leftover}`)
      yield* store.modify((login) => Effect.succeed([undefined, login] as const))
      assert.strictEqual((yield* Effect.flip(store.read))._tag, "NotLoggedIn")
      assert.notInclude((yield* names).join(), ".tmp-")
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("is stored before the turn goes on, so that it survives a turn that changes nothing", () =>
    Effect.gen(function* () {
      const { directory, store, write } = yield* setup({ rename: () => "EBUSY" })
      yield* write(content(1, "rt_1"))
      yield* write(content(2, "rt_2"), `${directory}/${leftover}`)
      yield* store.modify((login) => Effect.succeed([undefined, login] as const))
      assert.strictEqual(yield* refreshTokenOf(store), "rt_2")
    }).pipe(Effect.provide(platform))
  )
})

// the torn ones are read again for a second, all together
describe("a write in place that was cut off", () => {
  const formats = {
    codex: (at: number) => content(at, `rt_${at}`),
    other: (at: number) => ({
      "openai-codex": {
        type: "oauth",
        access: accessToken({ issuedAt: at * minute, serial: at }),
        refresh: `rt_${at}`,
        expires: at * minute
      }
    })
  }
  const claimsIn = (text: string) =>
    AuthFile.parse(text, "auth.json").pipe(
      Effect.flatMap(({ login = next }) => Effect.as(Credentials.fromTokens(login), login)),
      Effect.map(({ accessToken }) => Redacted.value(accessToken).split(".")[1])
    )
  const unlocked = { acquire: () => Effect.succeed({ check: Effect.void }) }

  for (const [format, at] of Object.entries(formats)) {
    it.scopedLive(`is mended by its copy when the file is read, wherever it was cut: ${format}`, () =>
      Effect.gen(function* () {
        const { directory, fs, write } = yield* setup()
        const [before, after] = [JSON.stringify(at(1)), JSON.stringify(at(2))]
        const whole = yield* Effect.forEach([before, after], claimsIn)
        yield* Effect.forEach(
          Array.from({ length: after.length / 5 }, (_, i) => i * 5),
          (cut) =>
            Effect.gen(function* () {
              const home = `${directory}/${cut}`
              const torn = after.slice(0, cut) + before.slice(cut)
              // claims that were cut in the middle, and still can be read, say anything
              const claims = yield* Effect.option(claimsIn(torn))
              if (Option.isSome(claims) && !whole.includes(claims.value)) return
              yield* fs.makeDirectory(home)
              yield* write(torn, `${home}/auth.json`)
              yield* write(`${after}  `, `${home}/.auth.json.tmp-dead`)
              const store = yield* AuthStore.makeFile(`${home}/auth.json`).pipe(
                Effect.provideService(FileLock.FileLock, unlocked)
              )
              // what is read can be used
              yield* Effect.flatMap(store.read, Credentials.fromTokens)
              yield* store.modify((login) => Effect.succeed([undefined, login] as const))
              assert.strictEqual(yield* refreshTokenOf(store), "rt_2", `cut after ${cut}`)
            }),
          { concurrency: "unbounded", discard: true }
        )
      }).pipe(Effect.provide(platform))
    )
  }

  it.scopedLive("without a copy is an error that says so, as before", () =>
    Effect.gen(function* () {
      const { names, store, write } = yield* setup()
      yield* write('{"tokens": {"acc')
      assert.deepInclude(yield* Effect.flip(store.read), { _tag: "AuthFileUnusable", operation: "decode" })
      assert.deepStrictEqual(yield* names, ["auth.json"])
    }).pipe(Effect.provide(platform))
  )
})

// they wait for locks, so they wait together
describe.concurrent("one file by several names", () => {
  const homes = (link: (real: string, other: string) => void) =>
    Effect.gen(function* () {
      const { directory, fs, storeAt, write } = yield* setup()
      for (const home of ["a", "b"]) yield* fs.makeDirectory(`${directory}/${home}`)
      yield* write(content(1, "rt_1"), `${directory}/a/auth.json`)
      link(`${directory}/a/auth.json`, `${directory}/b/auth.json`)
      const stores = yield* Effect.all([storeAt(`${directory}/a/auth.json`), storeAt(`${directory}/b/auth.json`)])
      return { directory, fs, stores }
    })

  for (const [what, link] of [
    ["a symbolic link", (real: string, other: string) => Fs.symlinkSync(real, other)],
    ["a relative symbolic link", (_: string, other: string) => Fs.symlinkSync("../a/auth.json", other)],
    [
      "a link of its directory",
      (_: string, other: string) => {
        Fs.rmdirSync(other.replace("/auth.json", ""))
        Fs.symlinkSync("a", other.replace("/auth.json", ""))
      }
    ],
    ["a hard link", (real: string, other: string) => Fs.linkSync(real, other)]
  ] as const) {
    it.scopedLive(`is changed by one at a time, and stays one file: ${what}`, () =>
      Effect.gen(function* () {
        const { stores } = yield* homes(link)
        const sent: Array<string> = []
        let inside = 0
        yield* Effect.forEach(
          Array.from({ length: 8 }, (_, i) => stores[i % 2] ?? stores[0]),
          (store, i) =>
            store.modify((stored, prepare) =>
              Effect.gen(function* () {
                assert.strictEqual(++inside, 1)
                yield* prepare
                sent.push(Redacted.value(stored?.refreshToken ?? secret("none")))
                yield* Effect.sleep("5 millis")
                inside--
                return [undefined, { ...next, refreshToken: secret(`rt_next_${i}`) }] as const
              })
            ),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(new Set(sent).size, 8)
        assert.strictEqual(yield* refreshTokenOf(stores[0]), yield* refreshTokenOf(stores[1]))
      }).pipe(Effect.provide(platform))
    )
  }

  it.scopedLive("has its locks and temporary files beside the file that is written", () =>
    Effect.gen(function* () {
      const { directory, fs, stores } = yield* homes((real, other) => Fs.symlinkSync(real, other))
      yield* refresh(stores[1], [])
      const locks = ["auth.json", "auth.json.lock", "auth.lock"]
      assert.sameMembers(yield* fs.readDirectory(`${directory}/a`), locks)
      // Beside the link are those that the Codex CLI of that home takes.
      assert.sameMembers(yield* fs.readDirectory(`${directory}/b`), locks)
    }).pipe(Effect.provide(platform))
  )
})

describe("the owner", () => {
  const isRoot = process.getuid?.() === 0
  const other = { uid: 1234, gid: 1235 }

  const ownerOf = (path: string) => {
    const { gid, mode, uid } = Fs.statSync(path)
    return { uid, gid, mode: mode & 0o777 }
  }

  for (const mode of [0o600, 0o640, 0o660]) {
    it.scopedLive.skipIf(!isRoot)(`keeps file and locks when root refreshes (${mode.toString(8)})`, () =>
      Effect.gen(function* () {
        const { directory, file, store, write } = yield* setup()
        yield* write(content(1, "rt_1"))
        Fs.chmodSync(file, mode)
        for (const path of [directory, file]) Fs.chownSync(path, other.uid, other.gid)
        yield* refresh(store, [])
        assert.strictEqual(yield* refreshTokenOf(store), "rt_next")
        for (const name of ["auth.json", "auth.json.lock", "auth.lock"]) {
          assert.deepStrictEqual(ownerOf(`${directory}/${name}`), { ...other, mode })
        }
      }).pipe(Effect.provide(platform))
    )
  }

  it.scopedLive.skipIf(!isRoot)("of the directory gets what root logs in to first", () =>
    Effect.gen(function* () {
      const { directory, store } = yield* setup()
      Fs.chownSync(directory, other.uid, other.gid)
      yield* store.replace(next)
      for (const name of ["auth.json", "auth.json.lock", "auth.lock"]) {
        assert.deepStrictEqual(ownerOf(`${directory}/${name}`), { ...other, mode: 0o600 })
      }
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive.skipIf(!isRoot)("is kept by writing in place where it cannot be given away", () =>
    Effect.gen(function* () {
      const { directory, file, store, write } = yield* setup({
        chown: (path) => (isTemporary(path) ? "EPERM" : undefined)
      })
      yield* write(content(1, "rt_1"))
      Fs.chownSync(file, other.uid, other.gid)
      yield* refresh(store, [])
      assert.deepStrictEqual(ownerOf(file), { ...other, mode: 0o600 })
      assert.sameMembers(Fs.readdirSync(directory), ["auth.json", "auth.json.lock", "auth.lock"])
    }).pipe(Effect.provide(platform))
  )

  for (const [what, faults, operation] of [
    [
      "the file cannot be written either",
      {
        chown: (path: string) => (isTemporary(path) ? "EPERM" : undefined),
        open: (_: string, flag: string) => (flag === "r+" ? "EACCES" : undefined)
      },
      "write"
    ],
    ["its locks would be ours", { chown: () => "EPERM" }, "lock"]
  ] as const) {
    it.scopedLive.skipIf(!isRoot)(`is kept by refusing where ${what}`, () =>
      Effect.gen(function* () {
        const { directory, file, store, write } = yield* setup(faults)
        yield* write(content(1, "rt_1"))
        Fs.chownSync(file, other.uid, other.gid)
        const sent: Array<string> = []
        const error = yield* Effect.flip(refresh(store, sent))
        assert.deepInclude(error, { _tag: "AuthFileUnusable", operation, reason: "otherUser" })
        assert.include(error.message, "Run the program as that user")
        assert.deepStrictEqual(sent, [])
        assert.deepStrictEqual(ownerOf(file), { ...other, mode: 0o600 })
        assert.notInclude(Fs.readdirSync(directory).join(), ".tmp-")
      }).pipe(Effect.provide(platform))
    )
  }

  it.scopedLive("keeps the permissions they gave", () =>
    Effect.gen(function* () {
      const { file, store, write } = yield* setup()
      yield* write(content(1, "rt_1"))
      Fs.chmodSync(file, 0o640)
      yield* refresh(store, [])
      assert.strictEqual(ownerOf(file).mode, 0o640)
    }).pipe(Effect.provide(platform))
  )
})

describe("what is not a file of a sensible size is an error at once", () => {
  for (const [what, make, reason] of [
    ["a FIFO", (path: string) => void execFileSync("mkfifo", [path]), "FIFO"],
    ["a device", (path: string) => Fs.symlinkSync("/dev/zero", path), "CharacterDevice"],
    ["a directory", (path: string) => Fs.mkdirSync(path), "EISDIR"],
    [
      "a gigabyte",
      (path: string) => {
        Fs.writeFileSync(path, "{")
        Fs.truncateSync(path, 1_073_741_824)
      },
      "tooLarge"
    ]
  ] as const) {
    it.scopedLive(what, () =>
      Effect.gen(function* () {
        const { file, store } = yield* setup()
        make(file)
        const sent: Array<string> = []
        for (const attempt of [store.read, refresh(store, sent), store.replace(next)]) {
          const error = yield* Effect.flip(attempt)
          assert.deepInclude(error, { _tag: "AuthFileUnusable", reason })
          assert.include(error.message, file)
        }
        assert.deepStrictEqual(sent, [])
      }).pipe(Effect.provide(platform))
    )
  }

  it.scopedLive("a FIFO among the locks", () =>
    Effect.gen(function* () {
      const { directory, store, write } = yield* setup()
      yield* write(content(1, "rt_1"))
      execFileSync("mkfifo", [`${directory}/auth.lock`])
      const error = yield* Effect.flip(refresh(store, []))
      assert.deepInclude(error, { _tag: "AuthFileUnusable", operation: "lock", reason: "FIFO" })
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("a FIFO among the temporary files", () =>
    Effect.gen(function* () {
      const { directory, names, store, write } = yield* setup()
      yield* write(content(1, "rt_1"))
      execFileSync("mkfifo", [`${directory}/.auth.json.tmp-fifo`])
      yield* refresh(store, [])
      assert.notInclude((yield* names).join(), ".tmp-")
    }).pipe(Effect.provide(platform))
  )
})

describe("a new login", () => {
  const of = (account: string): Login.Login => ({
    ...next,
    accessToken: secret(accessToken({ account })),
    accountId: secret(account)
  })
  const old = {
    ...content(1, "rt_1"),
    OPENAI_API_KEY: "sk-of-somebody",
    agent_identity: { agent_runtime_id: "planted" },
    tokens: {
      ...content(1, "rt_1").tokens,
      id_token: "planted",
      login_owner_id: "planted",
      oauth_provenance: { issuer: "planted" },
      more: "planted"
    }
  }

  it.scopedLive("over another account's file leaves nothing of that account behind", () =>
    Effect.gen(function* () {
      const { json, store, write } = yield* setup()
      yield* write(old)
      const replaced = yield* store.replace(of("acc_2"))
      assert.strictEqual(Redacted.value(replaced?.refreshToken ?? secret("")), "rt_1")
      assert.deepStrictEqual(yield* json, {
        OPENAI_API_KEY: null,
        auth_mode: "chatgpt",
        tokens: { access_token: accessToken({ account: "acc_2" }), refresh_token: "rt_next", account_id: "acc_2" },
        last_refresh: new Date(9 * minute).toISOString()
      })
    }).pipe(Effect.provide(platform))
  )

  for (const [what, content] of [
    ["an API key", { auth_mode: "apikey", OPENAI_API_KEY: "sk-planted" }],
    ["an agent identity", { auth_mode: "agentIdentity", agent_identity: "planted" }],
    ["an account that nobody can tell", { tokens: { access_token: "planted", login_owner_id: "planted" } }]
  ] as const) {
    it.scopedLive(`over the file of ${what} leaves nothing of it behind`, () =>
      Effect.gen(function* () {
        const { file, fs, store, write } = yield* setup()
        yield* write(content)
        yield* store.replace(of("acc_2"))
        assert.notInclude(yield* fs.readFileString(file), "planted")
      }).pipe(Effect.provide(platform))
    )
  }

  it.scopedLive("of the same account keeps what is not part of a login", () =>
    Effect.gen(function* () {
      const { json, store, write } = yield* setup()
      yield* write(old)
      yield* store.replace(of("acc_1"))
      const { tokens, ...rest } = yield* json
      assert.deepInclude(rest, { custom: "kept", OPENAI_API_KEY: "sk-of-somebody" })
      assert.deepInclude(tokens, { refresh_token: "rt_next", more: "planted" })
      assert.doesNotHaveAnyKeys(tokens, ["id_token", "login_owner_id", "oauth_provenance"])
    }).pipe(Effect.provide(platform))
  )

  it.scopedLive("in the other format keeps the entries of other providers only", () =>
    Effect.gen(function* () {
      const { json, store, write } = yield* setup()
      yield* write({
        "openai-codex": { type: "oauth", access: accessToken({ account: "acc_1" }), more: "planted" },
        other: { key: "kept" }
      })
      yield* store.replace(of("acc_2"))
      const written = yield* json
      assert.deepStrictEqual(written.other, { key: "kept" })
      assert.notInclude(JSON.stringify(written), "planted")
    }).pipe(Effect.provide(platform))
  )
})
