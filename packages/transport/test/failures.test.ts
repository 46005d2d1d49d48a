import { assert, describe, it } from "@effect/vitest"
import * as RetryAfter from "@effect-codex/schema/RetryAfter"
import * as ServiceError from "@effect-codex/schema/ServiceError"
import { BackendServer } from "@effect-codex/testing/node"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import { CodexConfig, CodexTransport, ErrorResponse, RetryPolicy } from "@effect-codex/transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { exhaustive } from "../../../test/exhaustive.ts"
import { assertFields, attempt, carriers, scripted, textOf } from "./fixture.ts"
import * as Rows from "./rows.ts"

/** Jitter would hide what the waits are. */
const exact: CodexConfig.Options = { retry: { jitter: 0 } }

const optionsOf = (row: Rows.Row): CodexConfig.Options => ({
  ...row.options,
  retry: { ...exact.retry, ...row.options?.retry }
})

/** What stands in `response.failed`, as the decoder of the stream will state it. */
const statedIn = (text: string): ServiceError.ServiceError | undefined => {
  const data = text.split("\n").filter((line) => line.startsWith("data: {"))
  for (const line of data) {
    const event = JSON.parse(line.slice("data: ".length))
    if (event.type !== "response.failed") continue
    const { code, message } = event.response.error
    const facts = {
      code,
      message,
      retryAfterMillis: code === "rate_limit_exceeded" ? RetryAfter.fromText(message) : undefined
    }
    return ServiceError.classify(facts) ?? new ServiceError.ResponseFailed(ServiceError.failure(facts))
  }
  return undefined
}

/** A turn to its end: attempts, bodies and stated failures under one retry budget, as a client runs it. */
const turn = Effect.gen(function* () {
  const config = yield* CodexConfig.CodexConfig
  const retries = yield* RetryPolicy.start(config.retry)
  const once = Effect.scoped(
    Effect.gen(function* () {
      const text = yield* textOf(yield* attempt())
      const failure = statedIn(text)
      if (failure !== undefined) return yield* failure
      return text
    })
  )
  const loop: typeof once = Effect.catchAll(once, (error) =>
    Effect.flatMap(retries.next(error), (delay) => Effect.zipRight(Effect.sleep(delay), loop))
  )
  return yield* loop
})

const check = (row: Rows.Row, result: { readonly _tag: string } | string) => {
  if (row.error === undefined) assert.include(result, "response.completed", row.name)
  else {
    assert.notTypeOf(result, "string", row.name)
    assertFields(result, row.error, row.name)
    const { message, status = 0 } = result as unknown as Error & { readonly status?: number }
    assert.isNotEmpty(message, row.name)
    if (status >= 500) assert.notInclude(message, "base URL", row.name)
  }
}

const finished = Effect.catchAll(turn, (error) => Effect.succeed<{ readonly _tag: string } | string>(error))

describe("what the backend answers, in virtual time", () => {
  for (const row of Rows.rows) {
    it.effect(row.name, () =>
      Effect.gen(function* () {
        const backend = yield* ScriptedBackend.ScriptedBackend
        const count = Effect.map(backend.requests, (requests) => requests.length)
        const fiber = yield* Effect.fork(finished)
        yield* TestClock.adjust(0)
        let requests = 1
        for (const wait of row.waits) {
          if (wait > 0) {
            assert.strictEqual(yield* count, requests, "sent too early")
            yield* TestClock.adjust(wait - 1)
            assert.strictEqual(yield* count, requests, `sent before ${wait} ms were over`)
            yield* TestClock.adjust(1)
          }
          requests++
          if (wait > 0) assert.strictEqual(yield* count, requests, `not sent after ${wait} ms`)
        }
        yield* TestClock.adjust("1 hour")
        check(row, yield* Fiber.join(fiber))
        assert.strictEqual(yield* count, requests)
      }).pipe(
        Effect.provide(
          scripted(
            row.script({ scale: 1, now: 0 }),
            optionsOf(row),
            TestAuth.layer({ refreshes: row.refreshes ?? 0 })
          ).pipe(Layer.provideMerge(CodexConfig.layer(optionsOf(row))))
        )
      )
    )
  }
})

describe("the same over real sockets, a hundred times faster", () => {
  const scale = 0.01
  const scaled = (duration: Duration.DurationInput | undefined, fallback: Duration.Duration) =>
    Duration.times(duration ?? fallback, scale)

  const options = (row: Rows.Row, baseUrl: string): CodexConfig.Options => {
    const given = optionsOf(row)
    return {
      ...given,
      baseUrl,
      retry: {
        ...given.retry,
        baseDelay: scaled(given.retry?.baseDelay, RetryPolicy.defaults.baseDelay),
        outageBaseDelay: scaled(given.retry?.outageBaseDelay, RetryPolicy.defaults.outageBaseDelay),
        maxDelay: scaled(given.retry?.maxDelay, RetryPolicy.defaults.maxDelay),
        maxRetryAfter: scaled(given.retry?.maxRetryAfter, RetryPolicy.defaults.maxRetryAfter)
      },
      timeouts: { idle: scaled(given.timeouts?.idle, CodexConfig.defaults.timeouts.idle) }
    }
  }

  const play = (row: Rows.Row) =>
    Effect.gen(function* () {
      const server = yield* BackendServer.make({ script: row.script({ scale, now: Date.now() }), timeScale: scale })
      const config = CodexConfig.layer(options(row, server.url))
      const result = yield* Effect.provide(
        finished,
        CodexTransport.layer.pipe(
          Layer.provideMerge(config),
          Layer.provide(TestAuth.layer({ refreshes: row.refreshes ?? 0 }))
        )
      )
      check(row, result)
      const refused = row.error?.["reason"] === "refused"
      assert.strictEqual((yield* server.requests).length, refused ? 0 : row.waits.length + 1, row.name)
    }).pipe(Effect.scoped)

  // every row over the first carrier, every second one over the others
  for (const [n, [name, carrier]] of Object.entries(carriers).entries()) {
    const rows = Rows.rows.filter((_, row) => exhaustive || n === 0 || (row + n) % 2 === 0)
    it.live(`the rows, over ${name}`, () =>
      Effect.forEach(rows, play, { concurrency: 8, discard: true }).pipe(Effect.provide(carrier()))
    )
  }
})

describe("numbers of the server's", () => {
  for (const times of [{ resets_at: 1e300 }, { resets_at: -1e14 }, { resets_in_seconds: 1e15 }]) {
    it(`that are not a valid time are ignored: ${JSON.stringify(times)}`, () => {
      const body = JSON.stringify({ error: { type: "usage_limit_reached", ...times } })
      const error = ErrorResponse.toError({ status: 429, headers: {}, body }, { now: 0, secrets: [] })
      assertFields(error, { _tag: "UsageLimit", resetsAt: undefined })
      assert.include(error.message, "try again later")
    })
  }
})
