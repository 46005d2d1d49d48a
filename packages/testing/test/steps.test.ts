import * as Zlib from "node:zlib"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { BackendServer } from "@effect-codex/testing/node"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

/** What a client sees of a step. `open` is a connection on which nothing more comes. */
interface Seen {
  readonly status?: number
  readonly headers?: Record<string, string | undefined>
  /** The bytes, as text, or as a function of the request they answer. */
  readonly body?: string | Uint8Array | ((request: Script.Request) => string)
  readonly end: "closed" | "failed" | "open"
  /** The codes a failure may have: what the scripted client says, and what the client over sockets says. */
  readonly codes?: ReadonlyArray<string>
}

const encoder = new TextEncoder()
const turn = { reasoning: "Hm.", text: "Grüße, 🌍!", toolCalls: [{ name: "ls", arguments: { path: "." } }] }
const framesOf = (turn: Script.Turn, request?: Script.Request) =>
  Script.turnEvents(turn, request).map((event) => `event: ${event["type"]}\ndata: ${JSON.stringify(event)}\n\n`)
const frames = framesOf(turn)
const whole = frames.join("")
const wholeBytes = encoder.encode(whole)
/** The same bytes whatever the request is. */
const played = Script.events(Script.turnEvents(turn))
const reset = { end: "failed", codes: ["ECONNRESET", "UND_ERR_SOCKET"] } as const

const table: ReadonlyArray<readonly [name: string, step: Script.Step, seen: Seen]> = [
  [
    "turn",
    Script.turn(turn),
    {
      status: 200,
      headers: { "content-type": "text/event-stream; charset=utf-8", "x-request-id": "req_1" },
      body: (request) => framesOf(turn, request).join(""),
      end: "closed"
    }
  ],
  [
    "events",
    Script.events([{ type: "a" }, "junk"]),
    { body: 'event: a\ndata: {"type":"a"}\n\ndata: junk\n\n', end: "closed" }
  ],
  ["lines", Script.lines("data: 1", ""), { body: "data: 1\n\n", end: "closed" }],
  [
    "bytes",
    Script.bytes(["data", Uint8Array.of(58, 0xff)]),
    { body: Uint8Array.of(100, 97, 116, 97, 58, 0xff), end: "closed" }
  ],
  [
    "status with JSON",
    Script.status(429, { headers: { "Retry-After": "2" }, body: { detail: "slow" } }),
    {
      status: 429,
      headers: { "retry-after": "2", "content-type": "application/json" },
      body: '{"detail":"slow"}',
      end: "closed"
    }
  ],
  [
    "status with HTML",
    Script.status(403, { body: "<html></html>" }),
    { status: 403, headers: { "content-type": "text/html" }, body: "<html></html>", end: "closed" }
  ],
  [
    "status without a body",
    Script.status(500),
    { status: 500, headers: { "content-type": undefined }, body: "", end: "closed" }
  ],
  ["usageLimit", Script.usageLimit({ resetsAt: 5 }), { status: 429, end: "closed" }],
  [
    "redirect",
    Script.redirect("http://127.0.0.1:1/elsewhere"),
    { status: 307, headers: { location: "http://127.0.0.1:1/elsewhere" }, body: "", end: "closed" }
  ],
  ["refuse", Script.refuse, { end: "failed", codes: ["ECONNREFUSED"] }],
  ["resetBeforeHeaders", Script.resetBeforeHeaders, reset],
  ["silence", Script.silence, { end: "open" }],
  ["delay", played.pipe(Script.delay("3 seconds")), { status: 200, body: whole, end: "closed" }],
  [
    "headers",
    played.pipe(Script.headers({ "X-Codex-Turn-State": "ts-1", "content-type": null })),
    { headers: { "x-codex-turn-state": "ts-1", "content-type": undefined }, body: whole, end: "closed" }
  ],
  [
    "a few headers",
    Script.status(200).pipe(Script.manyHeaders(100)),
    { headers: { "x-filler-99": "value 99" }, end: "closed" }
  ],
  [
    "10,000 headers",
    Script.status(200).pipe(Script.manyHeaders(10_000)),
    { end: "failed", codes: ["UND_ERR_HEADERS_OVERFLOW"] }
  ],
  [
    "largeBody",
    Script.status(500).pipe(Script.largeBody(1_000_001)),
    { status: 500, body: "x".repeat(1_000_001), end: "closed" }
  ],
  ["chunked", played.pipe(Script.chunked(3)), { body: whole, end: "closed" }],
  ["drip", played.pipe(Script.drip("1 second")), { body: whole, end: "closed" }],
  [
    "keepAlive",
    played.pipe(Script.keepAlive("10 seconds", 2, { after: 1 })),
    { body: [frames[0], ": keepalive\n\n", ": keepalive\n\n", ...frames.slice(1)].join(""), end: "closed" }
  ],
  [
    "keepAlive as events",
    played.pipe(Script.keepAlive("10 seconds", 1, { form: "event" })),
    { body: `data: {"type":"keepalive","sequence_number":0}\n\n${whole}`, end: "closed" }
  ],
  [
    "truncateAfterEvents",
    played.pipe(Script.truncateAfterEvents(4)),
    { status: 200, body: frames.slice(0, 4).join(""), end: "closed" }
  ],
  ["truncateAfterEvents(0)", played.pipe(Script.truncateAfterEvents(0)), { status: 200, body: "", end: "closed" }],
  [
    "truncateAfterBytes",
    played.pipe(Script.truncateAfterBytes(333)),
    { body: wholeBytes.slice(0, 333), end: "closed" }
  ],
  [
    "resetAfterEvents",
    played.pipe(Script.resetAfterEvents(4)),
    { status: 200, body: frames.slice(0, 4).join(""), ...reset }
  ],
  ["resetAfterBytes", played.pipe(Script.resetAfterBytes(333)), { body: wholeBytes.slice(0, 333), ...reset }],
  [
    "silenceAfterEvents",
    played.pipe(Script.silenceAfterEvents(4)),
    { status: 200, body: frames.slice(0, 4).join(""), end: "open" }
  ],
  ["silenceAfterBytes", played.pipe(Script.silenceAfterBytes(333)), { body: wholeBytes.slice(0, 333), end: "open" }],
  ["silence after the headers", played.pipe(Script.silenceAfterEvents(0)), { status: 200, body: "", end: "open" }],
  ["holdOpen", played.pipe(Script.holdOpen), { body: whole, end: "open" }],
  [
    "failed",
    Script.failed({ code: "server_error", message: "Oh." }),
    {
      body: (request) => framesOf({ failed: { code: "server_error", message: "Oh." } }, request).join(""),
      end: "closed"
    }
  ]
]

const codeOf = (error: unknown): string | undefined => {
  for (let at = error, depth = 0; at !== undefined && at !== null && depth < 6; depth++) {
    const { code, cause } = at as { readonly code?: unknown; readonly cause?: unknown }
    if (typeof code === "string") return code
    at = cause
  }
  return undefined
}

/** Sends one request and checks what comes; `elapse` lets the script's time go by. */
const check = (
  url: string,
  backend: ScriptedBackend.ScriptedBackend.Service,
  expected: Seen,
  elapse: Effect.Effect<void>
) =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    let expectedBody: Uint8Array =
      typeof expected.body === "string"
        ? encoder.encode(expected.body)
        : expected.body instanceof Uint8Array
          ? expected.body
          : new Uint8Array(0)
    const arrived = yield* Deferred.make<void>()
    const got: Array<Uint8Array> = []
    let response: { readonly status: number; readonly headers: Record<string, string | undefined> } | undefined
    const note = Effect.suspend(() =>
      Buffer.concat(got).length >= expectedBody.length ? Deferred.succeed(arrived, void 0) : Effect.void
    )
    const fiber = yield* HttpClientRequest.post(`${url}/codex/responses`).pipe(
      HttpClientRequest.bodyUnsafeJson({ model: "gpt-5.5" }),
      client.execute,
      Effect.flatMap((answer) => {
        response = answer
        return Effect.zipRight(
          note,
          Stream.runForEach(answer.stream, (chunk) => {
            got.push(chunk)
            return note
          })
        )
      }),
      Effect.fork
    )
    yield* elapse

    if (expected.end === "open") {
      if (expected.status !== undefined || expected.body !== undefined) yield* Deferred.await(arrived)
      else
        yield* Effect.repeat(Effect.yieldNow(), { until: () => Effect.map(backend.requests, (all) => all.length > 0) })
      yield* Fiber.interrupt(fiber)
      yield* backend.aborted(1)
    } else {
      const exit = yield* Fiber.await(fiber)
      if (Exit.isFailure(exit)) {
        const code = codeOf(Cause.squash(exit.cause))
        assert.strictEqual(expected.end, "failed", Cause.pretty(exit.cause))
        assert.include(expected.codes ?? [], code ?? "no code", Cause.pretty(exit.cause))
      } else {
        assert.strictEqual(expected.end, "closed")
      }
    }

    const [received] = yield* backend.requests
    if (typeof expected.body === "function" && received !== undefined)
      expectedBody = encoder.encode(expected.body(received))
    if (expected.status !== undefined) assert.strictEqual(response?.status, expected.status)
    for (const [name, value] of Object.entries(expected.headers ?? {})) {
      assert.strictEqual(response?.headers[name], value)
    }
    if (expected.body !== undefined) {
      assert.strictEqual(Buffer.concat(got).toString("latin1"), Buffer.from(expectedBody).toString("latin1"))
    }
    if (expected.codes?.includes("ECONNREFUSED") !== true) {
      const [request] = yield* backend.requests
      assert.deepInclude(request, {
        number: 1,
        method: "POST",
        path: "/backend-api/codex/responses",
        body: { model: "gpt-5.5" },
        aborted: expected.end === "open"
      })
    }
  })

describe("every step, without sockets in virtual time", () => {
  for (const [name, step, seen] of table) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const backend = yield* ScriptedBackend.ScriptedBackend
        yield* check("https://chatgpt.com/backend-api", backend, seen, TestClock.adjust("10 minutes"))
      }).pipe(Effect.provide(ScriptedBackend.layer([step])))
    )
  }
})

describe("every step, over a real socket", () => {
  for (const [name, step, seen] of table) {
    it.scopedLive(name, () =>
      Effect.gen(function* () {
        const backend = yield* BackendServer.make({ script: [step], timeScale: 0.001 })
        yield* check(backend.url, backend, seen, Effect.void)
      }).pipe(Effect.provide(NodeHttpClient.layerUndici))
    )
  }
})

describe("gzip", () => {
  const step = played.pipe(Script.gzip)
  const request = Effect.fnUntraced(function* (url: string) {
    const response = yield* HttpClient.post(`${url}/codex/responses`)
    assert.strictEqual(response.headers["content-encoding"], "gzip")
    const body = Buffer.from(yield* response.arrayBuffer)
    assert.strictEqual(Zlib.gunzipSync(body).toString(), whole)
  })

  it.effect("without sockets", () => request("https://chatgpt.com").pipe(Effect.provide(ScriptedBackend.layer([step]))))

  it.scopedLive("over a socket", () =>
    Effect.gen(function* () {
      const { url } = yield* BackendServer.make({ script: [step.pipe(Script.chunked(5))] })
      yield* request(url)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici))
  )

  it.effect("beyond one stored block, and every event readable when it has come", () =>
    Effect.gen(function* () {
      const events = ["a".repeat(200_000), "b"]
      const response = yield* HttpClient.get("https://chatgpt.com")
      const chunks = yield* Stream.runCollect(response.stream)
      const compressed = Buffer.concat([...chunks])
      const text = events.map((event) => `data: ${event}\n\n`).join("")
      assert.strictEqual(Zlib.gunzipSync(compressed).toString(), text)
      const partial = compressed.subarray(0, compressed.length - 13)
      assert.strictEqual(Zlib.gunzipSync(partial, { finishFlush: Zlib.constants.Z_SYNC_FLUSH }).toString(), text)
    }).pipe(Effect.provide(ScriptedBackend.layer([Script.events(["a".repeat(200_000), "b"]).pipe(Script.gzip)])))
  )
})
