import { assert, describe, it } from "@effect/vitest"
import * as RetryAfter from "@effect-codex/schema/RetryAfter"
import { RetryPolicy } from "@effect-codex/transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import { draw } from "../../../test/property.ts"

const failure = (retryAfter?: Duration.DurationInput, isRetryable = true): RetryPolicy.Failure => ({
  _tag: "Failure",
  isRetryable,
  retryAfter: retryAfter === undefined ? undefined : Duration.decode(retryAfter)
})

/** The waits before each retry until the policy ends. */
const waits = (retries: RetryPolicy.Retries, error: RetryPolicy.Failure, most = 200) =>
  Effect.gen(function* () {
    const all: Array<number> = []
    while (all.length < most) {
      const next = yield* Effect.option(retries.next(error))
      if (next._tag === "None") return all
      all.push(Duration.toMillis(next.value))
    }
    return all
  })

describe("RetryPolicy", () => {
  it.effect("retries three times after about 1, 2 and 4 seconds", () =>
    Effect.gen(function* () {
      const [first = 0, second = 0, third = 0, ...more] = yield* waits(
        yield* RetryPolicy.start(RetryPolicy.defaults),
        failure()
      )
      assert.isTrue(first >= 500 && first <= 1500)
      assert.isTrue(second >= 1000 && second <= 3000)
      assert.isTrue(third >= 2000 && third <= 6000)
      assert.isEmpty(more)
    })
  )

  it.effect("never waits longer than the cap, jitter included", () =>
    Effect.gen(function* () {
      const policy = { ...RetryPolicy.defaults, retries: 50 }
      const all = yield* waits(yield* RetryPolicy.start(policy), failure())
      assert.lengthOf(all, 50)
      assert.isAtMost(Math.max(...all), 60_000)
    })
  )

  it.effect("varies its waits", () =>
    Effect.gen(function* () {
      const policy = { ...RetryPolicy.defaults, factor: 1, retries: 50 }
      const all = yield* waits(yield* RetryPolicy.start(policy), failure())
      assert.isAbove(new Set(all).size, 10)
      assert.isTrue(all.every((wait) => wait >= 500 && wait <= 1500))
    })
  )

  it.effect("does not retry non-retryable errors, with any schedule", () =>
    Effect.gen(function* () {
      const final = failure(undefined, false)
      assert.isEmpty(yield* waits(yield* RetryPolicy.start(RetryPolicy.defaults), final))
      const retries = yield* RetryPolicy.start(RetryPolicy.defaults, { schedule: Schedule.forever })
      assert.isEmpty(yield* waits(retries, final))
    })
  )

  it.effect("accepts any schedule, and never retries before the server's delay", () =>
    Effect.gen(function* () {
      const schedule = Schedule.intersect(Schedule.spaced("3 seconds"), Schedule.recurs(2))
      const start = RetryPolicy.start(RetryPolicy.defaults, { schedule })
      assert.deepStrictEqual(yield* waits(yield* start, failure()), [3000, 3000])
      assert.deepStrictEqual(yield* waits(yield* start, failure("5 seconds")), [5000, 5000])
      assert.deepStrictEqual(yield* waits(yield* start, failure("1 second")), [3000, 3000])
      assert.isEmpty(yield* waits(yield* start, failure("61 seconds")))
    })
  )

  it.effect("does not sleep past a deadline, nor up to it", () =>
    Effect.gen(function* () {
      const start = RetryPolicy.start(RetryPolicy.defaults, { deadline: 5000 })
      assert.isEmpty(yield* waits(yield* start, failure("5 seconds")))
      assert.deepStrictEqual(yield* waits(yield* start, failure("4999 millis"), 1), [4999])
      yield* TestClock.adjust("1 second")
      assert.isEmpty(yield* waits(yield* start, failure("4 seconds")))
    })
  )

  it.effect("is a Schedule for Effect.retry", () =>
    Effect.gen(function* () {
      let attempts = 0
      const request = Effect.suspend(() => {
        attempts++
        return Effect.fail(failure("7 seconds"))
      })
      const fiber = yield* Effect.fork(Effect.retry(request, RetryPolicy.schedule(RetryPolicy.defaults)))
      yield* TestClock.adjust("6999 millis")
      assert.strictEqual(attempts, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(attempts, 2)
      yield* TestClock.adjust("14 seconds")
      assert.strictEqual(attempts, 4)
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "Failure")
    })
  )

  it.effect("is a Schedule for Schedule.driver", () =>
    Effect.gen(function* () {
      const driver = yield* Schedule.driver(RetryPolicy.schedule(RetryPolicy.defaults))
      const fiber = yield* Effect.fork(driver.next(failure("7 seconds")))
      yield* TestClock.adjust("7 seconds")
      assert.isTrue(Duration.equals(yield* Fiber.join(fiber), Duration.seconds(7)))
      assert.isTrue((yield* Effect.option(driver.next(failure(undefined, false))))._tag === "None")
    })
  )
})

describe("RetryAfter", () => {
  const now = Date.UTC(2026, 10, 22, 12, 0, 0)
  const parse = (headers: Record<string, string>) => RetryAfter.fromHeaders(headers, now)

  it("reads three forms", () => {
    assert.strictEqual(parse({ "retry-after": "120" }), 120_000)
    assert.strictEqual(parse({ "retry-after": " 1.5 " }), 1500)
    assert.strictEqual(parse({ "retry-after-ms": "250" }), 250)
    assert.strictEqual(parse({ "retry-after-ms": "250", "retry-after": "9" }), 250)
    assert.strictEqual(parse({ "retry-after": "Sun, 22 Nov 2026 12:00:30 GMT" }), 30_000)
    assert.strictEqual(parse({ "retry-after": "Sunday, 22-Nov-26 12:00:30 GMT" }), 30_000)
    assert.strictEqual(parse({ "retry-after": "Sun Nov 22 12:00:30 2026 GMT" }), 30_000)
    assert.strictEqual(parse({ "retry-after": "Sat, 21 Nov 2026 12:00:00 GMT" }), 0)
    assert.strictEqual(parse({ "retry-after": "2026-11-22T12:00:30Z" }), 30_000)
  })

  it("takes the longest where proxies added one, and a wait without end for the longest there is", () => {
    assert.strictEqual(parse({ "retry-after": "7, 90" }), 90_000)
    assert.strictEqual(parse({ "retry-after": "90, 7, 8" }), 90_000)
    for (const headers of [{ "retry-after": "9".repeat(20) }, { "retry-after-ms": "9".repeat(400) }]) {
      assert.strictEqual(parse(headers as Record<string, string>), 8.64e15)
    }
    assert.strictEqual(RetryAfter.fromText("try again in 999999999999999 days"), 8.64e15)
  })

  it("reads the words of a server", () => {
    const words: ReadonlyArray<readonly [string, number | undefined]> = [
      ["Rate limit reached for gpt-5.5. Please try again in 3.2s.", 3200],
      ["try again in 450ms", 450],
      ["Try again in 28 seconds", 28_000],
      ["try again in 1m2s", 62_000],
      ["Please try again in 6m0s. Visit the site", 360_000],
      ["try again in 1h2m3.5s", 3_723_500],
      ["try again in 2 minutes", 120_000],
      ["try again in 1 minute and 20 seconds", 80_000],
      ["Please retry after 1 hour, 5 minutes", 3_900_000],
      ["please wait 20 secs and go on", 20_000],
      ["try again in about 2 days 3 hours", 183_600_000],
      ["Try again in an hour.", 3_600_000],
      ["please retry after a minute and 5 seconds", 65_000],
      ["wait one second", 1000],
      ["try again in a moment", undefined],
      ["try again in 5 apples", undefined],
      ["try again in 3s 5 apples", 3000],
      ["try again later", undefined],
      ["it took 3 seconds", undefined],
      [`try again in ${"9".repeat(400)}s`, undefined],
      ["", undefined]
    ]
    for (const [text, millis] of words) assert.strictEqual(RetryAfter.fromText(text), millis, text)
  })

  it("ignores text without a time", () => {
    for (const text of ["", "soon", "-1", "1e3", "0x10", "Infinity", "NaN", "Sunday", "1,x"]) {
      assert.isUndefined(parse({ "retry-after": text }), text)
    }
    assert.strictEqual(parse({ "retry-after-ms": "x", "retry-after": "2" }), 2000)
    assert.isUndefined(parse({}))
  })

  it.prop(
    "is never shorter than the server's delay, and never negative",
    { seconds: draw.nat(1_000_000), text: draw.string() },
    ({ seconds, text }) => {
      assert.strictEqual(parse({ "retry-after": String(seconds) }), seconds * 1000)
      assert.isAtLeast(parse({ "retry-after": new Date(now + seconds * 1000).toUTCString() }) ?? -1, seconds * 1000)
      assert.isAtLeast(parse({ "retry-after": text }) ?? 0, 0)
    }
  )
})
