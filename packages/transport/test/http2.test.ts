/** HTTP/2 where the server offers it, and HTTP/1.1 as before where it does not. */
import * as Http2 from "node:http2"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { BackendServer } from "@effect-codex/testing/node"
import * as Script from "@effect-codex/testing/Script"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import { CodexConfig, CodexTransport } from "@effect-codex/transport"
import * as NodeTransport from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Certificates from "./certificates.ts"
import { attempt, read } from "./fixture.ts"

const over = (
  baseUrl: string,
  options: CodexConfig.Options = {},
  extraCertificates: ReadonlyArray<string> = [Certificates.authority]
) =>
  CodexTransport.layer.pipe(
    Layer.provide([
      CodexConfig.layer({ baseUrl, ...options }),
      TestAuth.layer(),
      NodeTransport.layer({ proxy: "none", http2: true, extraCertificates })
    ])
  )

const event = 'data: {"type":"keepalive"}\n\n'

/** Answers each turn once as many as `together` are there, or holds it after its first event. */
const server = (together: number) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly seen: { sockets: number; requests: number; aborted: number } }>(
      (resume) => {
        const seen = { sockets: 0, requests: 0, aborted: 0 }
        const waiting: Array<Http2.ServerHttp2Stream> = []
        const http = Http2.createSecureServer(Certificates.server)
        http.on("secureConnection", () => seen.sockets++)
        http.on("sessionError", () => {})
        http.on("stream", (stream, headers) => {
          seen.requests++
          stream.on("error", () => {})
          stream.on("aborted", () => seen.aborted++)
          stream.respond({ ":status": 200, "content-type": "text/event-stream" })
          stream.write(event)
          if (headers[":path"]?.startsWith("/held") === true) return
          if (headers[":path"]?.startsWith("/lost") === true) {
            // Node 22 crashes if the body arrives at a session that is destroyed already
            stream
              .resume()
              .on("end", () => stream.session?.destroy(new Error("lost"), Http2.constants.NGHTTP2_CONNECT_ERROR))
            return
          }
          waiting.push(stream)
          if (waiting.length >= together) for (const one of waiting.splice(0)) one.end(event)
        })
        http.listen(0, "127.0.0.1", () => {
          const { port } = http.address() as AddressInfo
          resume(Effect.succeed({ url: `https://localhost:${port}`, seen, http } as never))
        })
      }
    ),
    (server) => Effect.sync(() => (server as unknown as { readonly http: Http2.Http2SecureServer }).http.close())
  )

const all = <A, E, R>(n: number, effect: Effect.Effect<A, E, R>) =>
  Effect.all(
    Array.from({ length: n }, () => effect),
    { concurrency: "unbounded" }
  )

const until = (condition: () => boolean) =>
  Effect.repeat(Effect.delay(Effect.sync(condition), "1 millis"), { until: (holds) => holds }).pipe(
    Effect.timeout("5 seconds")
  )

describe("HTTP/2", () => {
  it.scopedLive("carries many turns at once on a few connections", () =>
    Effect.gen(function* () {
      const { seen, url } = yield* server(1)
      const many = yield* server(80)
      yield* Effect.provide(read, over(`${url}/backend-api`))
      assert.deepStrictEqual(seen, { sockets: 1, requests: 1, aborted: 0 })
      yield* Effect.gen(function* () {
        // none of them ends before all are there
        yield* all(80, read)
        const first = many.seen.sockets
        for (let round = 0; round < 3; round++) yield* all(80, read)
        assert.isAtMost(many.seen.sockets - first, 2)
        assert.strictEqual(many.seen.requests, 320)
      }).pipe(Effect.provide(over(`${many.url}/backend-api`)))
    })
  )

  it.scopedLive("ends one turn when it is interrupted, and leaves the others alone", () =>
    Effect.gen(function* () {
      const { seen, url } = yield* server(1)
      yield* Effect.gen(function* () {
        const held = Effect.scoped(Effect.flatMap(attempt(), ({ body }) => Stream.runDrain(body)))
        const first = yield* Effect.fork(held)
        yield* until(() => seen.requests === 1)
        const others = yield* Effect.forEach([1, 2, 3], () => Effect.fork(held))
        yield* until(() => seen.requests === 4)
        const [one, ...rest] = others
        yield* Fiber.interrupt(one ?? first)
        yield* until(() => seen.aborted === 1)
        for (const fiber of [first, ...rest]) assert.isNull(fiber.unsafePoll())
        yield* Fiber.interruptAll([first, ...rest])
        yield* until(() => seen.aborted === 4)
      }).pipe(Effect.provide(over(`${url}/held/backend-api`)))
    })
  )

  it.scopedLive("keeps the time limits of each turn", () =>
    Effect.gen(function* () {
      const { seen, url } = yield* server(1)
      const silent = Effect.flip(Effect.scoped(Effect.flatMap(attempt(), ({ body }) => Stream.runDrain(body))))
      const errors = yield* Effect.provide(
        all(3, silent),
        over(`${url}/held/backend-api`, { timeouts: { idle: "50 millis" } })
      )
      assert.deepStrictEqual(
        errors.map(({ _tag }) => _tag),
        ["StreamIdle", "StreamIdle", "StreamIdle"]
      )
      yield* until(() => seen.aborted === 3)
    })
  )

  it.scopedLive("sends no turn a second time when the connection is lost", () =>
    Effect.gen(function* () {
      const { seen, url } = yield* server(1)
      yield* Effect.gen(function* () {
        yield* Effect.either(read)
        const results = yield* all(5, Effect.either(read))
        assert.deepStrictEqual(
          results.map(({ _tag }) => _tag),
          ["Left", "Left", "Left", "Left", "Left"]
        )
        assert.isAtMost(seen.requests, 6)
      }).pipe(Effect.provide(over(`${url}/lost/backend-api`)))
    })
  )

  for (const [what, certificates, port] of [
    ["is refused", [Certificates.authority], () => 1],
    ["has an unknown certificate", [], (port: string) => port]
  ] as const) {
    it.scopedLive(`fails when a connection ${what}`, () =>
      Effect.gen(function* () {
        const { hostname, port: own } = new URL((yield* server(1)).url)
        const error = yield* Effect.flip(
          Effect.provide(read, over(`https://${hostname}:${port(own)}`, {}, certificates))
        )
        assert.strictEqual(error._tag, "ConnectionFailed")
      })
    )
  }

  it.scopedLive("is HTTP/1.1 with a server that offers nothing else: no turn waits for another", () =>
    Effect.gen(function* () {
      const backend = yield* BackendServer.make({
        script: (request) =>
          request.number === 1
            ? Script.turn({ text: "Hello" }).pipe(Script.silenceAfterEvents(2))
            : Script.turn({ text: "Hello" }),
        tls: Certificates.server
      })
      const url = `${backend.url.replace("127.0.0.1", "localhost")}`
      yield* Effect.gen(function* () {
        const held = yield* Effect.fork(Effect.scoped(Effect.flatMap(attempt(), ({ body }) => Stream.runDrain(body))))
        yield* Effect.repeat(Effect.delay(backend.requests, "1 millis"), { until: (all) => all.length === 1 })
        const texts = yield* all(3, read)
        for (const text of texts) assert.include(text, "response.completed")
        yield* Fiber.interrupt(held)
      }).pipe(Effect.provide(over(url)))
    })
  )
})
