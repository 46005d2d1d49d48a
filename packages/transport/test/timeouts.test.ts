import { assert, describe, it } from "@effect/vitest"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import type { CodexConfig, CodexTransport } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { assertFields, attempt, request, scripted, textOf } from "./fixture.ts"

const ok = Script.turn({ text: "ok" })

/** The attempt with its whole body. */
const whole = (options?: CodexTransport.AttemptOptions) =>
  Effect.scoped(Effect.flatMap(attempt(request, options), textOf))

/** Runs until just before the time, checks that nothing has happened, and goes on to it. */
const endsAfter = <A, E>(fiber: Fiber.RuntimeFiber<A, E>, millis: number) =>
  Effect.gen(function* () {
    yield* TestClock.adjust(millis - 1)
    assert.isNull(fiber.unsafePoll(), "ended too early")
    yield* TestClock.adjust(1)
    assert.isNotNull(fiber.unsafePoll(), "did not end")
    return yield* Fiber.join(fiber)
  })

const failsAfter = (script: Script.Script, options: CodexConfig.Options, millis: number) =>
  Effect.gen(function* () {
    const backend = yield* ScriptedBackend.ScriptedBackend
    const fiber = yield* Effect.fork(Effect.flip(whole()))
    const error = yield* endsAfter(fiber, millis)
    assert.isTrue((yield* backend.requests)[0]?.aborted, "the request was not aborted")
    return error
  }).pipe(Effect.provide(scripted(script, options)))

describe("time limits", () => {
  it.effect("headers: the server does not start to respond", () =>
    Effect.gen(function* () {
      const error = yield* failsAfter([Script.silence], { timeouts: { headers: "20 seconds" } }, 20_000)
      assertFields(error, { _tag: "TimedOut", phase: "headers", limitMillis: 20_000 })
    })
  )

  it.effect("headers: 300 s by default, and a server that is just in time is fine", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(whole())
      yield* TestClock.adjust("299 seconds")
      assert.include(yield* Fiber.join(fiber), "response.completed")
    }).pipe(Effect.provide(scripted([ok.pipe(Script.delay("299 seconds"))])))
  )

  it.effect("idle: no byte for 300 s by default", () =>
    Effect.gen(function* () {
      const error = yield* failsAfter([ok.pipe(Script.silenceAfterEvents(2))], {}, 300_000)
      assertFields(error, { _tag: "StreamIdle", kind: "bytes", idleMillis: 300_000, requestId: "req_1" })
      assert.isAbove("bytesReceived" in error ? (error.bytesReceived ?? 0) : 0, 0)
    })
  )

  it.effect("idle: keep-alives count as bytes", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(whole())
      yield* TestClock.adjust("1500 seconds")
      assert.include(yield* Fiber.join(fiber), "response.completed")
    }).pipe(Effect.provide(scripted([ok.pipe(Script.keepAlive("299 seconds", 5))])))
  )

  it.effect("progress: keep-alives do not count", () =>
    Effect.gen(function* () {
      const step = ok.pipe(Script.keepAlive("10 seconds", Number.POSITIVE_INFINITY, { after: 2 }))
      const error = yield* failsAfter([step], { timeouts: { progress: "65 seconds" } }, 65_000)
      assertFields(error, { _tag: "StreamIdle", kind: "progress", idleMillis: 65_000 })
    })
  )

  it.effect("progress: counts from the last progress of the reader", () =>
    Effect.gen(function* () {
      const { body } = yield* attempt(request, {}, { progressing: true })
      const fiber = yield* Effect.fork(Stream.runDrain(body))
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.join(fiber)
    }).pipe(
      Effect.scoped,
      Effect.provide(scripted([ok.pipe(Script.drip("20 seconds"))], { timeouts: { progress: "30 seconds" } }))
    )
  )

  it.effect("total: covers the body too", () =>
    Effect.gen(function* () {
      const error = yield* failsAfter(
        [ok.pipe(Script.drip("7 seconds"))],
        { timeouts: { total: "30 seconds" } },
        30_000
      )
      assertFields(error, { _tag: "TimedOut", phase: "total", limitMillis: 30_000 })
    })
  )

  it.effect("total: cuts the wait for headers short", () =>
    Effect.gen(function* () {
      const error = yield* failsAfter([Script.silence], { timeouts: { total: "30 seconds" } }, 30_000)
      assertFields(error, { _tag: "TimedOut", phase: "total", limitMillis: 30_000 })
    })
  )

  it.effect("deadline: is the caller's own, and nothing is sent after it", () =>
    Effect.gen(function* () {
      const backend = yield* ScriptedBackend.ScriptedBackend
      yield* TestClock.adjust("1 minute")
      const error = yield* Effect.flip(whole({ deadline: 60_000 }))
      assertFields(error, { _tag: "TimedOut", phase: "total" })
      assert.isEmpty(yield* backend.requests)
      const fiber = yield* Effect.fork(Effect.flip(whole({ deadline: 65_000 })))
      assertFields(yield* endsAfter(fiber, 5000), { _tag: "TimedOut", phase: "total" })
    }).pipe(Effect.provide(scripted([Script.silence])))
  )

  it.effect("a slow consumer does not cause an idle timeout", () =>
    Effect.gen(function* () {
      const { body } = yield* attempt()
      const fiber = yield* Effect.fork(Stream.runForEach(body, () => Effect.sleep("20 minutes")))
      yield* TestClock.adjust("10 hours")
      yield* Fiber.join(fiber)
    }).pipe(Effect.scoped, Effect.provide(scripted([ok], { timeouts: { progress: "6 minutes" } })))
  )

  it.effect("an error body that does not end is read for ten seconds", () =>
    Effect.gen(function* () {
      const step = Script.status(400, { body: { detail: "no" } }).pipe(Script.holdOpen)
      const error = yield* failsAfter([step], {}, 10_000)
      assertFields(error, { _tag: "InvalidRequest", serverMessage: "no" })
    })
  )
})
