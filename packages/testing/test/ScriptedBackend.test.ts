import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

const url = "https://chatgpt.com/backend-api/codex/responses"

/** The body as chunks, each with the milliseconds it took to come. */
const timed = Effect.gen(function* () {
  const start = yield* Clock.currentTimeMillis
  const response = yield* HttpClient.post(url)
  const chunks = yield* Stream.runCollect(
    Stream.mapEffect(response.stream, (bytes) =>
      Effect.map(Clock.currentTimeMillis, (at) => [at - start, new TextDecoder().decode(bytes)] as const)
    )
  )
  return Chunk.toReadonlyArray(chunks)
})

const play = (step: Script.Step) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(timed)
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  }).pipe(Effect.provide(ScriptedBackend.layer([step])))

describe("time and chunks", () => {
  const events = Script.bytes(["abc", "defg"])

  it.effect("delay, then a wait before each chunk", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* play(events.pipe(Script.delay("5 seconds"), Script.drip("2 seconds"))), [
        [7000, "abc"],
        [9000, "defg"]
      ])
    })
  )

  it.effect("chunks of one size, whatever the pieces were", () =>
    Effect.gen(function* () {
      const chunks = yield* play(events.pipe(Script.chunked(2)))
      assert.deepStrictEqual(
        chunks.map(([, text]) => text),
        ["ab", "cd", "ef", "g"]
      )
      assert.deepStrictEqual(yield* play(events.pipe(Script.chunked(100))), [[0, "abcdefg"]])
    })
  )

  it.effect("keep-alives among the events, and a chunk never waits for them", () =>
    Effect.gen(function* () {
      const step = Script.events(["1", "2"]).pipe(Script.keepAlive("10 seconds", 2, { after: 1 }), Script.chunked(100))
      assert.deepStrictEqual(yield* play(step), [
        [0, "data: 1\n\n"],
        [10_000, ": keepalive\n\n"],
        [20_000, ": keepalive\n\ndata: 2\n\n"]
      ])
    })
  )

  it.effect("keep-alives without end", () =>
    Effect.gen(function* () {
      const response = yield* HttpClient.post(url)
      const fiber = yield* Effect.fork(Stream.runCount(Stream.take(response.stream, 20)))
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), 20)
    }).pipe(
      Effect.provide(
        ScriptedBackend.layer([Script.events([]).pipe(Script.keepAlive("1 second", Number.POSITIVE_INFINITY))])
      )
    )
  )

  it.effect("modifiers come to the same in any order", () =>
    Effect.gen(function* () {
      const modifiers = [
        Script.drip("1 second"),
        Script.chunked(100),
        Script.gzip,
        Script.truncateAfterEvents(3),
        Script.delay("1 minute")
      ]
      const turn = Script.events(Script.turnEvents({ text: "Hello" }))
      const one = yield* play(modifiers.reduce((step, modifier) => modifier(step), turn))
      const other = yield* play(modifiers.reduceRight((step, modifier) => modifier(step), turn))
      assert.deepStrictEqual(one, other)
    })
  )
})

describe("a client that gives up", () => {
  const untilAborted = (step: Script.Step, use: Effect.Effect<unknown, unknown, HttpClient.HttpClient>) =>
    Effect.gen(function* () {
      const backend = yield* ScriptedBackend.ScriptedBackend
      const fiber = yield* Effect.fork(use)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      yield* backend.aborted(1)
      assert.isTrue((yield* backend.requests)[0]?.aborted)
    }).pipe(Effect.provide(ScriptedBackend.layer([step])))

  it.effect("while the answer is delayed", () => untilAborted(Script.status(200).pipe(Script.delay("1 hour")), timed))
  it.effect("while nothing comes", () => untilAborted(Script.silence, timed))
  it.effect("in the middle of the body", () =>
    untilAborted(Script.turn({ text: "Hi" }).pipe(Script.drip("400 millis")), timed)
  )
  it.effect("after as much as it wanted", () =>
    untilAborted(
      Script.turn({ text: "Hi" }),
      Effect.flatMap(HttpClient.post(url), (response) => Stream.runDrain(Stream.take(response.stream, 2)))
    )
  )

  it.effect("by closing the scope of a response it never read", () =>
    Effect.gen(function* () {
      const client = HttpClient.withScope(yield* HttpClient.HttpClient)
      const backend = yield* ScriptedBackend.ScriptedBackend
      yield* Effect.scoped(client.post(url))
      yield* backend.aborted(1)
    }).pipe(Effect.provide(ScriptedBackend.layer([Script.turn({ text: "Hi" })])))
  )

  it.effect("by reading no further, even while its scope is open", () =>
    Effect.gen(function* () {
      const client = HttpClient.withScope(yield* HttpClient.HttpClient)
      const backend = yield* ScriptedBackend.ScriptedBackend
      const response = yield* client.post(url)
      yield* Stream.runDrain(Stream.take(response.stream, 1))
      yield* backend.aborted(1)
    }).pipe(Effect.scoped, Effect.provide(ScriptedBackend.layer([Script.turn({ text: "Hi" })])))
  )

  it.effect("by closing the scope from another fiber: reading fails as on a real connection", () =>
    Effect.gen(function* () {
      const client = HttpClient.withScope(yield* HttpClient.HttpClient)
      const scope = yield* Scope.make()
      const response = yield* Scope.extend(client.post(url), scope)
      const fiber = yield* Effect.fork(Stream.runDrain(response.stream))
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.deepInclude(error, { _tag: "ResponseError", reason: "Decode" })
    }).pipe(Effect.provide(ScriptedBackend.layer([Script.turn({ text: "Hi" }).pipe(Script.holdOpen)])))
  )

  it.effect("not when it has read everything", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(timed)
      const backend = yield* ScriptedBackend.ScriptedBackend
      assert.isFalse((yield* backend.requests)[0]?.aborted)
    }).pipe(Effect.provide(ScriptedBackend.layer([Script.turn({ text: "Hi" })])))
  )
})

describe("requests", () => {
  it.effect("are recorded in order with what they carried", () =>
    Effect.gen(function* () {
      const { client, backend } = ScriptedBackend.make(Script.always(Script.status(204)))
      const post = HttpClientRequest.post("https://chatgpt.com/backend-api/x?y=1")
      yield* client.execute(HttpClientRequest.setHeader(post, "Authorization", "Bearer secret"))
      yield* client.execute(HttpClientRequest.bodyUnsafeJson(post, { a: 1 }))
      yield* client.execute(HttpClientRequest.setBody(post, HttpBody.raw("plain")))
      yield* client.execute(
        HttpClientRequest.setBody(post, HttpBody.stream(Stream.make(Uint8Array.of(91), Uint8Array.of(93))))
      )
      const requests = yield* backend.requests
      assert.deepInclude(requests[0], {
        number: 1,
        url: "https://chatgpt.com/backend-api/x?y=1",
        path: "/backend-api/x"
      })
      assert.strictEqual(requests[0]?.headers["authorization"], "Bearer secret")
      assert.deepStrictEqual(
        requests.map((request) => request.body),
        [undefined, { a: 1 }, "plain", []]
      )
    })
  )

  it.effect("beyond the script are named in the answer", () =>
    Effect.gen(function* () {
      const response = yield* HttpClient.get(url)
      assert.strictEqual(response.status, 400)
      assert.deepNestedInclude(yield* response.json, {
        "error.code": "unscripted_request",
        "error.message": "Request 1 (GET /backend-api/codex/responses) has no step: the script has 0."
      })
    }).pipe(Effect.provide(ScriptedBackend.layer([], { onUnexpected: "answer" })))
  )

  it.effect("are answered by the function, which sees those before", () =>
    Effect.gen(function* () {
      const script: Script.Responder = (request, earlier) => Script.status(200 + earlier.length * 10 + request.number)
      const { client } = ScriptedBackend.make(script)
      assert.strictEqual((yield* client.get(url)).status, 201)
      assert.strictEqual((yield* client.get(url)).status, 212)
    })
  )

  it.effect("have an answer that can be read once", () =>
    Effect.gen(function* () {
      const response = yield* HttpClient.get(url)
      assert.strictEqual(yield* response.text, "once")
      assert.strictEqual((yield* Effect.flip(response.text)).reason, "Decode")
    }).pipe(Effect.provide(ScriptedBackend.layer([Script.status(200, { body: "once" })])))
  )

  it.effect("use up a script of their own per Layer", () =>
    Effect.gen(function* () {
      const layer = ScriptedBackend.layer([Script.status(200)])
      const status = Effect.map(HttpClient.get(url), (response) => response.status)
      assert.strictEqual(yield* Effect.provide(status, layer), 200)
      assert.strictEqual(yield* Effect.provide(status, layer), 200)
    })
  )
})
