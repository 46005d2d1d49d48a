// The portable lock in virtual time, on a file system in memory.

import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { FileLock } from "../src/index.ts"
import * as MemoryFileSystem from "./support/memoryFileSystem.ts"

const paths = ["auth.lock", "auth.json.lock"]

/** A tenth of the defaults, so that the clock has fewer steps to make. */
const lockOn = (fs: FileSystem.FileSystem, timeLimit: Duration.DurationInput = "6 seconds") =>
  FileLock.make({ timeLimit, staleAfter: "2 seconds" }).pipe(Effect.provideService(FileSystem.FileSystem, fs))

describe("the portable lock", () => {
  it.scoped("of a dead holder costs its documented time once, however many locks it held", () =>
    Effect.gen(function* () {
      const { files, fs } = MemoryFileSystem.make(new Map(paths.map((path) => [`${path}.held`, "the dead"])))
      const lock = yield* lockOn(fs)
      const waiting = yield* Effect.fork(lock.acquire({ paths }))
      yield* TestClock.adjust("1900 millis")
      assert.strictEqual(files.get("auth.lock.held"), "the dead")
      yield* TestClock.adjust("200 millis")
      yield* Fiber.join(waiting)
      assert.deepStrictEqual([...files.keys()].sort(), ["auth.json.lock.held", "auth.lock.held"])
    })
  )

  it.scoped("waits for all locks together no longer than its time limit", () =>
    Effect.gen(function* () {
      const { files, fs } = MemoryFileSystem.make(new Map([["auth.json.lock.held", "somebody"]]))
      const lock = yield* lockOn(fs)
      const waiting = yield* Effect.fork(Effect.either(Effect.scoped(lock.acquire({ paths }))))
      // The holder is alive: it rewrites its lock.
      for (let i = 0; i < 12; i++) {
        files.set("auth.json.lock.held", `somebody ${i}`)
        yield* TestClock.adjust("500 millis")
      }
      yield* TestClock.adjust("100 millis")
      const result = yield* Fiber.join(waiting)
      assert.deepInclude(Either.getOrThrow(Either.flip(result)), { _tag: "LockTimeout", waitedMillis: 6000 })
      assert.isFalse(files.has("auth.lock.held"))
    })
  )

  it.scoped("is not lost while the second one is waited for", () =>
    Effect.gen(function* () {
      const { files, fs } = MemoryFileSystem.make(new Map([["auth.json.lock.held", "somebody"]]))
      const lock = yield* lockOn(fs)
      yield* Effect.fork(lock.acquire({ paths }))
      const other = yield* Effect.fork(lock.acquire({ paths: ["auth.lock"] }))
      for (let i = 0; i < 8; i++) {
        files.set("auth.json.lock.held", `somebody ${i}`)
        yield* TestClock.adjust("500 millis")
      }
      assert.isNull(yield* Fiber.poll(other).pipe(Effect.map((exit) => (exit._tag === "None" ? null : exit.value))))
      yield* Fiber.interrupt(other)
    })
  )

  it.scoped("is not taken from a holder that was stopped together with the one who waits", () =>
    Effect.gen(function* () {
      const { files, fs } = MemoryFileSystem.make(new Map([["auth.lock.held", "somebody who is stopped"]]))
      const lock = yield* lockOn(fs, "1 hour")
      const clock = yield* Clock.clockWith(Effect.succeed)
      let stopped = 0n
      const waiting = yield* lock.acquire({ paths }).pipe(
        Effect.withClock({
          [Clock.ClockTypeId]: Clock.ClockTypeId,
          sleep: (duration) => clock.sleep(duration),
          currentTimeMillis: clock.currentTimeMillis,
          unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
          currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + stopped),
          unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos() + stopped
        }),
        Effect.fork
      )
      yield* TestClock.adjust("200 millis")
      // Half an hour passes in which no process of this computer runs.
      stopped = 1_800_000_000_000n
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(files.get("auth.lock.held"), "somebody who is stopped")
      files.delete("auth.lock.held")
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(waiting)
    })
  )

  it.scoped("says when another process has taken it over", () =>
    Effect.gen(function* () {
      const { files, fs } = MemoryFileSystem.make()
      const lock = yield* lockOn(fs)
      const held = yield* lock.acquire({ paths })
      yield* held.check
      files.set("auth.json.lock.held", "somebody else")
      const error = yield* Effect.flip(held.check)
      assert.deepInclude(error, { _tag: "LockTimeout", path: "auth.json.lock", waitedMillis: 0 })
      assert.include(error.message, "took over")
    })
  )
})
