import { assert, describe, it } from "@effect/vitest"
import * as RateLimits from "@effect-codex/schema/RateLimits"
import * as Script from "@effect-codex/testing/Script"
import { Metrics, RateLimitWatch } from "@effect-codex/transport"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { attempt, headersOf, request, scripted, send, textOf } from "./fixture.ts"

const ok = Script.turn({ text: "ok" })

const turn = Effect.scoped(
  Effect.flatMap(
    Effect.suspend(() => send(request, { conversationId: "c-1" })),
    textOf
  )
)

/** A tracer that keeps its spans. */
const recording = () => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    context: (f) => f(),
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const span = {
        _tag: "Span" as const,
        name,
        spanId: String(spans.length + 1),
        traceId: "trace",
        parent,
        context,
        links,
        kind,
        sampled: true,
        status: { _tag: "Started" as const, startTime },
        attributes,
        attribute: (key: string, value: unknown) => void attributes.set(key, value),
        event: () => {},
        addLinks: () => {},
        end: () => {}
      }
      spans.push(span)
      return span
    }
  })
  return { spans, layer: Layer.setTracer(tracer) }
}

describe("spans", () => {
  it.effect("there is one per attempt, with the GenAI and HTTP attributes", () => {
    const { layer, spans } = recording()
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(turn)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      const attempts = spans.filter(({ name }) => name === "CodexTransport.attempt")
      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["CodexTransport.attempt", "CodexTransport.attempt"]
      )
      const common = {
        "gen_ai.provider.name": "openai",
        "gen_ai.system": "openai",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5.5",
        "gen_ai.conversation.id": "c-1",
        "http.request.method": "POST",
        "server.address": "chatgpt.com",
        "server.port": 443
      }
      const attributesOf = (span: Tracer.Span | undefined) =>
        Object.fromEntries([...(span?.attributes ?? [])].filter(([key]) => !key.startsWith("code.")))
      assert.deepStrictEqual(attributesOf(attempts[0]), {
        ...common,
        "http.response.status_code": 503,
        "error.type": "ServerOverloaded"
      })
      assert.deepStrictEqual(attributesOf(attempts[1]), {
        ...common,
        "http.request.resend_count": 1,
        "http.response.status_code": 200,
        "gen_ai.response.model": "gpt-5.5-2026",
        "codex.request_id": "req_2"
      })
      assert.isTrue(attempts.every(({ kind }) => kind === "client"))
    }).pipe(
      Effect.provide(scripted([Script.status(503), ok.pipe(Script.headers({ "openai-model": "gpt-5.5-2026" }))])),
      Effect.provide(layer)
    )
  })

  it.effect("no trace header is sent to the backend", () =>
    Effect.gen(function* () {
      yield* turn
      const headers = yield* headersOf(1)
      assert.notProperty(headers, "traceparent")
      assert.notProperty(headers, "b3")
    }).pipe(Effect.withSpan("outer"), Effect.provide(scripted([ok])))
  )
})

describe("logs", () => {
  it.effect("tell of each retry at debug level, annotated with error, count and wait", () => {
    const lines: Array<string> = []
    const logger = Logger.make((options) => void lines.push(Logger.logfmtLogger.log(options)))
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(turn)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.lengthOf(lines, 1)
      for (const part of ["level=DEBUG", "error=ServerOverloaded", "retry=1", "delay=1s"])
        assert.include(lines[0], part)
    }).pipe(
      Effect.provide(scripted([Script.status(503, { headers: { "retry-after": "1" } }), ok])),
      Effect.provide([Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(LogLevel.Debug)])
    )
  })
})

describe("metrics", () => {
  /** Other tests count too, so only growth can be told. */
  const snapshot = Effect.gen(function* () {
    const tagged = <A, B, C>(metric: Metric.Metric<A, B, C>) => Metric.tagged(metric, "error.type", "ServerOverloaded")
    return {
      requests: (yield* Metric.value(Metrics.requests)).count,
      retries: (yield* Metric.value(tagged(Metrics.retries))).count,
      errors: (yield* Metric.value(tagged(Metrics.errors))).count,
      headers: (yield* Metric.value(Metrics.timeToHeaders)).count,
      first: (yield* Metric.value(Metrics.timeToFirstEvent)).count
    }
  })

  it.effect("count requests, retries, errors and measure the times to headers and to the first event", () =>
    Effect.gen(function* () {
      const before = yield* snapshot
      const fiber = yield* Effect.fork(turn)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      const after = yield* snapshot
      assert.isAtLeast(after.requests - before.requests, 2)
      assert.isAtLeast(after.retries - before.retries, 1)
      assert.isAtLeast(after.errors - before.errors, 1)
      assert.isAtLeast(after.headers - before.headers, 2)
      assert.isAtLeast(after.first - before.first, 1)
    }).pipe(Effect.provide(scripted([Script.status(503), ok])))
  )
})

describe("rate limits", () => {
  const headers = {
    "x-codex-primary-used-percent": "55",
    "x-codex-primary-window-minutes": "10080",
    "x-codex-primary-reset-after-seconds": "60",
    "x-codex-bengalfox-primary-used-percent": "5",
    "x-codex-bengalfox-primary-window-minutes": "300",
    "x-codex-bengalfox-limit-name": "Spark",
    "x-codex-plan-type": "pro"
  }

  it.effect("of every response are in the metadata and in the watch, failed ones too", () =>
    Effect.gen(function* () {
      const watch = yield* RateLimitWatch.RateLimitWatch
      assert.isUndefined(yield* watch.latest)
      const seen = yield* Effect.fork(Stream.runCollect(Stream.take(watch.changes, 2)))
      yield* Effect.yieldNow()
      const error = yield* Effect.flip(turn)
      assert.strictEqual(error._tag, "UsageLimit")
      const latest = yield* watch.latest
      assert.strictEqual(latest?.planType, "pro")
      assert.deepStrictEqual(latest && RateLimits.window(latest, 10080), {
        usedPercent: 55,
        windowMinutes: 10080,
        resetsAt: 60_000
      })
      assert.strictEqual(latest && RateLimits.window(latest, 300, "codex_bengalfox")?.usedPercent, 5)
      yield* turn
      const reported = RateLimits.fromEvent({ rate_limits: { primary: { used_percent: 60, window_minutes: 10080 } } })
      assert.isDefined(reported)
      if (reported !== undefined) watch.unsafeUpdate(reported)
      const now = yield* watch.latest
      assert.strictEqual(now && RateLimits.window(now, 10080)?.usedPercent, 60)
      assert.strictEqual(now && RateLimits.window(now, 300, "codex_bengalfox")?.usedPercent, 5)
      assert.strictEqual(Chunk.size(yield* Fiber.join(seen)), 2)
    }).pipe(
      Effect.provide(
        scripted([Script.status(429, { headers, body: { error: { type: "usage_limit_reached" } } }), ok, ok])
      )
    )
  )

  it.scoped("are absent if nothing is reported", () =>
    Effect.gen(function* () {
      const { metadata } = yield* attempt()
      assert.isUndefined(metadata.rateLimits)
      assert.isTrue(Option.isNone(Option.fromNullable(yield* (yield* RateLimitWatch.RateLimitWatch).latest)))
    }).pipe(Effect.provide(scripted([ok])))
  )
})
