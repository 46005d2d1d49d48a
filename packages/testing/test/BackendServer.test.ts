import * as Net from "node:net"
import * as Zlib from "node:zlib"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Undici from "@effect/platform-node/Undici"
import { assert, describe, it } from "@effect/vitest"
import { BackendServer, TestCertificate } from "@effect-codex/testing/node"
import * as Script from "@effect-codex/testing/Script"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

const client = Effect.provide(NodeHttpClient.layerUndici)
const read = (url: string) => Effect.flatMap(HttpClient.post(url), (response) => response.text)

/** The bytes of one answer as they are on the wire, one entry per write. */
const rawAnswer = (url: string) =>
  Effect.async<string>((resume) => {
    const { hostname, port } = new URL(url)
    let text = ""
    const socket = Net.connect(Number(port), hostname, () =>
      socket.write(`GET / HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\n\r\n`)
    )
    socket.on("data", (data) => {
      text += data.toString()
    })
    socket.on("close", () => resume(Effect.succeed(text)))
  })

describe("BackendServer", () => {
  it.scopedLive("keeps connections and counts them", () =>
    Effect.gen(function* () {
      const backend = yield* BackendServer.make({ script: Script.always(Script.status(200, { body: "x" })) })
      for (let i = 0; i < 5; i++) yield* read(backend.url)
      // the client may open a second one while the first is busy ending an answer
      assert.isAtMost(yield* backend.connections, 2)
      assert.strictEqual(yield* backend.openConnections, yield* backend.connections)
    }).pipe(client)
  )

  it.scopedLive("sees each client that goes away in the middle", () =>
    Effect.gen(function* () {
      const backend = yield* BackendServer.make({
        script: Script.always(Script.turn({ text: "Hi" }).pipe(Script.holdOpen))
      })
      for (let number = 1; number <= 20; number++) {
        const response = yield* HttpClient.post(backend.url)
        yield* Stream.runDrain(Stream.take(response.stream, 1))
        yield* backend.aborted(number)
      }
      yield* Effect.repeat(Effect.sleep("5 millis"), {
        until: () => Effect.map(backend.openConnections, (n) => n === 0)
      })
    }).pipe(client)
  )

  it.scopedLive("sends each chunk by itself", () =>
    Effect.gen(function* () {
      const { url } = yield* BackendServer.make({ script: [Script.bytes(["abcdef"]).pipe(Script.chunked(4))] })
      const answer = yield* rawAnswer(url)
      assert.isTrue(answer.endsWith("\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n"), answer)
    })
  )

  it.scoped("runs in real time under a test's clock, scaled", () =>
    Effect.gen(function* () {
      const { url } = yield* BackendServer.make({
        script: [Script.status(200, { body: "late" }).pipe(Script.delay("1 minute"))],
        timeScale: 0.0001
      })
      assert.strictEqual(yield* read(url), "late")
    }).pipe(client)
  )

  it.scopedLive("closes its port where only refusals are left", () =>
    Effect.gen(function* () {
      const { url } = yield* BackendServer.make({ script: [Script.status(200, { body: "x" }), Script.refuse] })
      assert.strictEqual(yield* read(url), "x")
      const refused = yield* Effect.flip(read(url))
      assert.include(JSON.stringify((refused.cause as { readonly code?: string }).code), "ECONNREFUSED")
    }).pipe(client)
  )

  it.scopedLive("resets where another step follows a refusal", () =>
    Effect.gen(function* () {
      const { url } = yield* BackendServer.make({ script: [Script.refuse, Script.status(200, { body: "x" })] })
      assert.strictEqual((yield* Effect.flip(read(url)))._tag, "RequestError")
      assert.strictEqual(yield* read(url), "x")
    }).pipe(client)
  )

  it.scopedLive("reads compressed requests", () =>
    Effect.gen(function* () {
      const backend = yield* BackendServer.make({ script: [Script.status(200)] })
      yield* HttpClientRequest.post(backend.url).pipe(
        HttpClientRequest.setBody(HttpBody.uint8Array(Zlib.gzipSync('{"a":1}'), "application/json")),
        HttpClientRequest.setHeader("content-encoding", "gzip"),
        HttpClient.execute
      )
      assert.deepStrictEqual((yield* backend.requests)[0]?.body, { a: 1 })
    }).pipe(client)
  )

  it.scopedLive("speaks TLS to clients that trust its certificate, and to no others", () =>
    Effect.gen(function* () {
      const tls = yield* TestCertificate.make
      const backend = yield* BackendServer.make({
        script: [Script.turn({ text: "Hi" }), Script.status(200, { body: "x" }).pipe(Script.resetAfterBytes(1))],
        tls
      })
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => new Undici.Agent({ connect: { ca: tls.cert } })),
        (agent) => Effect.promise(() => agent.destroy())
      )
      const trusting = Effect.provideService(NodeHttpClient.Dispatcher, agent)
      const layer = Effect.provide(NodeHttpClient.layerUndiciWithoutDispatcher)
      assert.include(yield* read(backend.url).pipe(layer, trusting), "response.completed")
      assert.strictEqual((yield* Effect.flip(read(backend.url)).pipe(layer, trusting))._tag, "ResponseError")
      assert.strictEqual((yield* Effect.flip(read(backend.url)))._tag, "RequestError")
      assert.lengthOf(yield* backend.requests, 2)
    }).pipe(client)
  )

  it.live("closes every connection with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { url } = yield* Scope.extend(BackendServer.make({ script: [Script.silence] }), scope)
      const fiber = yield* Effect.fork(Effect.flip(read(url)))
      yield* Effect.sleep("20 millis")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "RequestError")
    }).pipe(client)
  )

  describe("cors", () => {
    const origin = "https://app.example.org"
    const preflight = (url: string, headers: Record<string, string>) =>
      HttpClientRequest.make("OPTIONS")(`${url}/codex/responses`).pipe(
        HttpClientRequest.setHeaders({ origin, ...headers }),
        HttpClient.execute
      )

    it.scopedLive("answers what a browser asks first, without a step of the script", () =>
      Effect.gen(function* () {
        const backend = yield* BackendServer.make({
          script: [Script.status(200, { body: "x" }), Script.status(429, { body: { detail: "Slow down" } })],
          cors: true
        })
        const asked = yield* preflight(backend.url, {
          "access-control-request-method": "POST",
          "access-control-request-headers": "authorization,chatgpt-account-id,content-type",
          "access-control-request-private-network": "true"
        })
        assert.strictEqual(asked.status, 204)
        assert.deepInclude(asked.headers, {
          "access-control-allow-origin": origin,
          "access-control-allow-methods": "POST",
          "access-control-allow-headers": "authorization,chatgpt-account-id,content-type",
          "access-control-allow-private-network": "true"
        })
        assert.deepStrictEqual(yield* backend.requests, [])
        for (const status of [200, 429]) {
          const answer = yield* HttpClientRequest.post(backend.url).pipe(
            HttpClientRequest.setHeaders({ origin }),
            HttpClient.execute
          )
          assert.strictEqual(answer.status, status)
          assert.deepInclude(answer.headers, {
            "access-control-allow-origin": origin,
            "access-control-expose-headers": "*"
          })
          yield* answer.text
        }
        assert.lengthOf(yield* backend.requests, 2)
        yield* backend.verify
      }).pipe(client)
    )

    it.scopedLive("is off by default, and takes no request for a preflight that is none", () =>
      Effect.gen(function* () {
        const closed = yield* BackendServer.make({ script: [Script.status(405)] })
        const refused = yield* preflight(closed.url, { "access-control-request-method": "POST" })
        assert.strictEqual(refused.status, 405)
        assert.isUndefined(refused.headers["access-control-allow-origin"])
        const open = yield* BackendServer.make({ script: [Script.status(200, { body: "options" })], cors: true })
        assert.strictEqual(yield* Effect.flatMap(preflight(open.url, {}), ({ text }) => text), "options")
        assert.strictEqual((yield* open.requests)[0]?.method, "OPTIONS")
      }).pipe(client)
    )

    it.scopedLive("works for the strict backend, too", () =>
      Effect.gen(function* () {
        const { url } = yield* BackendServer.BackendServer
        const asked = yield* preflight(url, { "access-control-request-method": "POST" })
        assert.strictEqual(asked.status, 204)
        const answer = yield* HttpClientRequest.post(`${url}/codex/responses`).pipe(
          HttpClientRequest.setHeaders({ origin, "user-agent": "page" }),
          HttpClient.execute
        )
        assert.strictEqual(answer.status, 401)
        assert.strictEqual(answer.headers["access-control-allow-origin"], origin)
      }).pipe(Effect.provide(BackendServer.layerStrict({ cors: true })), client)
    )
  })

  it.scopedLive("serves a port that is taken with a typed error", () =>
    Effect.gen(function* () {
      const { url } = yield* BackendServer.make({ script: [] })
      const error = yield* Effect.flip(BackendServer.make({ script: [], port: Number(new URL(url).port) }))
      assert.strictEqual(error._tag, "ServeError")
    })
  )
})
