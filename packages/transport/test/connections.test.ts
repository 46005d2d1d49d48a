/** How many connections there are, and bodies that nothing can stop. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { BackendServer } from "@effect-codex/testing/node"
import * as Script from "@effect-codex/testing/Script"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import { Carrier, CodexConfig, CodexTransport } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { assertFields, attempt, carriers, read } from "./fixture.ts"

const held = Script.turn({ text: "Hello" }).pipe(Script.silenceAfterEvents(2))

/** Reads a body until it ends. */
const reading = Effect.scoped(Effect.flatMap(attempt(), ({ body }) => Stream.runDrain(body)))

const until = (condition: Effect.Effect<boolean>) =>
  Effect.repeat(Effect.delay(condition, "1 millis"), { until: (holds) => holds }).pipe(Effect.timeout("5 seconds"))

for (const [name, over] of Object.entries(carriers)) {
  describe(`connections over ${name}`, () => {
    const transport = (baseUrl: string, maxConnections: number, options?: CodexConfig.Options) =>
      CodexTransport.layer.pipe(
        Layer.provide([CodexConfig.layer({ baseUrl, ...options }), TestAuth.layer(), over({ maxConnections })])
      )

    it.scopedLive("are as many as is set, and the wait for one is part of the headers' time", () =>
      Effect.gen(function* () {
        const server = yield* BackendServer.make({ script: Script.always(held) })
        yield* Effect.gen(function* () {
          const turns = yield* Effect.forEach([1, 2, 3], () => Effect.fork(reading))
          yield* until(Effect.map(server.requests, (requests) => requests.length === 3))
          const errors = yield* Effect.all(
            Array.from({ length: 20 }, () => Effect.flip(reading)),
            { concurrency: "unbounded" }
          )
          for (const error of errors) assertFields(error, { _tag: "TimedOut", phase: "headers" })
          assert.lengthOf(yield* server.requests, 3)
          assert.strictEqual(yield* server.connections, 3)
          yield* Fiber.interruptAll(turns)
        }).pipe(Effect.provide(transport(server.url, 3, { timeouts: { headers: "1 second" } })))
      })
    )

    // any other client decides itself what it does with a request that is not wanted any more
    if (name !== "dispatcher") return

    it.scopedLive("are not opened for requests that were interrupted while waiting", () =>
      Effect.gen(function* () {
        const server = yield* BackendServer.make({
          script: (request) => (request.number === 1 ? held : Script.turn({ text: "Hello" }))
        })
        yield* Effect.gen(function* () {
          const first = yield* Effect.fork(reading)
          yield* until(Effect.map(server.requests, (requests) => requests.length === 1))
          const waiting = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.fork(reading))
          yield* Effect.yieldNow()
          yield* Fiber.interruptAll(waiting)
          yield* Fiber.interrupt(first)
          assert.include(yield* read, "response.completed")
          assert.lengthOf(yield* server.requests, 2)
          assert.isAtMost(yield* server.connections, 2)
        }).pipe(Effect.provide(transport(server.url, 1)))
      })
    )
  })
}

describe("a body that ignores that it is aborted", () => {
  /** The form most mocks have. */
  const client = (more: (body: ReadableStreamDefaultController<Uint8Array>) => void) =>
    Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) =>
        Effect.sync(() =>
          HttpClientResponse.fromWeb(
            request,
            new Response(
              new ReadableStream<Uint8Array>({
                start: (body) => {
                  body.enqueue(new TextEncoder().encode('data: {"type":"response.created","response":{}}\n\n'))
                  more(body)
                },
                pull: () => new Promise(() => {}),
                cancel: () => new Promise(() => {})
              })
            )
          )
        )
      )
    )

  const over = (options: CodexConfig.Options) =>
    CodexTransport.layer.pipe(
      Layer.provide(Carrier.layerHttpClient),
      Layer.provide([CodexConfig.layer(options), TestAuth.layer(), client(() => {})])
    )

  it.effect.each([
    ["idle", { timeouts: { idle: "5 seconds" } }, { _tag: "StreamIdle", kind: "bytes" }],
    ["progress", { timeouts: { progress: "5 seconds", idle: "1 hour" } }, { _tag: "StreamIdle", kind: "progress" }],
    ["total", { timeouts: { total: "5 seconds" } }, { _tag: "TimedOut", phase: "total" }]
  ] as const)("ends at the time limit: %s", ([, options, expected]) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.flip(reading))
      yield* TestClock.adjust("6 seconds")
      assertFields(yield* Fiber.join(fiber), expected)
    }).pipe(Effect.provide(over(options)))
  )

  it.live("can be interrupted", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(reading)
      yield* Effect.yieldNow()
      yield* Effect.timeout(Fiber.interrupt(fiber), "5 seconds")
    }).pipe(Effect.provide(over({})))
  )
})
