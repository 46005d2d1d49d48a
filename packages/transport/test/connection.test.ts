/** What the errors of HTTP clients mean, whichever client the program brings. */

import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import { assert, describe, it } from "@effect/vitest"
import { BackendServer } from "@effect-codex/testing/node"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import { Carrier, CodexConfig, CodexTransport } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { assertFields, attempt, read, request } from "./fixture.ts"

const over = (client: Layer.Layer<HttpClient.HttpClient>, options: CodexConfig.Options = {}) =>
  CodexTransport.layer.pipe(
    Layer.provide([CodexConfig.layer({ retry: { retries: 0 }, ...options }), TestAuth.layer()]),
    Layer.provide(Layer.provide(Carrier.layerHttpClient, client))
  )

/** A client whose every request fails for this cause. */
const failing = (cause: unknown) =>
  Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request) => Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause })))
  )

const coded = (code: string, message = "") => Object.assign(new Error(message), { code })

const final = ["tls", "proxy", "protocol"]

describe("a connection that fails", () => {
  for (const [reason, causes] of Object.entries({
    refused: [coded("ECONNREFUSED"), new TypeError("fetch failed", { cause: coded("ECONNREFUSED") })],
    reset: [
      coded("ECONNRESET"),
      coded("EPIPE"),
      coded("UND_ERR_SOCKET", "other side closed"),
      new TypeError("terminated"),
      new Error("socket hang up")
    ],
    dns: [coded("ENOTFOUND"), coded("EAI_AGAIN"), new TypeError("fetch failed", { cause: coded("EAI_FAIL") })],
    unreachable: [
      coded("ENETUNREACH"),
      Object.assign(new AggregateError([coded("EHOSTUNREACH")]), { code: undefined })
    ],
    tls: [
      coded("UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
      coded("SELF_SIGNED_CERT_IN_CHAIN"),
      coded("DEPTH_ZERO_SELF_SIGNED_CERT"),
      coded("CERT_HAS_EXPIRED"),
      coded("ERR_TLS_CERT_ALTNAME_INVALID"),
      coded("ERR_SSL_WRONG_VERSION_NUMBER"),
      new Error("self-signed certificate")
    ],
    proxy: [coded("UND_ERR_ABORTED", "Proxy response (407) !== 200 when HTTP Tunneling")],
    protocol: [coded("HPE_INVALID_CONSTANT"), coded("UND_ERR_HEADERS_OVERFLOW")],
    unknown: [undefined, "text", null, new Error("?"), { code: 42 }, { code: "not a code" }]
  })) {
    it.effect(`is ${reason}`, () =>
      Effect.forEach(causes, (cause) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(read)
          assertFields(error, {
            _tag: "ConnectionFailed",
            reason,
            phase: "headers",
            isRetryable: !final.includes(reason)
          })
          assert.notProperty(error, "cause")
        }).pipe(Effect.provide(over(failing(cause))))
      )
    )
  }

  it.effect("by a limit of the client's own is that limit", () =>
    Effect.gen(function* () {
      for (const [code, phase] of [
        ["UND_ERR_CONNECT_TIMEOUT", "connect"],
        ["ETIMEDOUT", "connect"],
        ["UND_ERR_HEADERS_TIMEOUT", "headers"]
      ] as const) {
        const error = yield* Effect.flip(read).pipe(Effect.provide(over(failing(coded(code)))))
        assertFields(error, { _tag: "TimedOut", phase, isRetryable: true })
      }
    })
  )

  it.effect("with a cause that is its own cause does not hang", () => {
    const cause: { cause?: unknown } = {}
    cause.cause = cause
    return Effect.gen(function* () {
      assertFields(yield* Effect.flip(read), { _tag: "ConnectionFailed", reason: "unknown" })
    }).pipe(Effect.provide(over(failing(cause))))
  })
})

describe("other clients", () => {
  it.scopedLive("fetch: bodies, resets and errors are the same", () =>
    Effect.gen(function* () {
      const server = yield* BackendServer.make({
        script: [
          Script.turn({ text: "Hello" }),
          Script.turn({ text: "Hello" }).pipe(Script.resetAfterEvents(2)),
          Script.status(503),
          Script.resetBeforeHeaders
        ]
      })
      yield* Effect.gen(function* () {
        assert.include(yield* read, "response.completed")
        assertFields(yield* Effect.flip(read), { _tag: "ConnectionFailed", reason: "reset", phase: "body" })
        assertFields(yield* Effect.flip(read), { _tag: "ServerOverloaded", status: 503 })
        assertFields(yield* Effect.flip(read), { _tag: "ConnectionFailed", reason: "reset", phase: "headers" })
      }).pipe(Effect.provide(over(FetchHttpClient.layer, { baseUrl: server.url })))
    })
  )

  it.scoped("one that follows redirects takes neither secrets nor the conversation to another origin", () => {
    const { backend, client } = ScriptedBackend.make(({ number, url }) =>
      url.startsWith("https://elsewhere.example")
        ? Script.turn({ text: "Stolen" })
        : number === 1
          ? Script.turn({ text: "Hello" }).pipe(Script.headers({ "set-cookie": "__cflb=route-1; Path=/" }))
          : Script.redirect("https://elsewhere.example/codex/responses", 307)
    )
    const secrets = ["authorization", "chatgpt-account-id", "cookie", "x-codex-turn-state", "x-gateway-key"]
    return Effect.gen(function* () {
      yield* attempt()
      const error = yield* Effect.flip(attempt(request, { routingToken: Redacted.make("ts-1") }))
      assertFields(error, { _tag: "ConnectionFailed", reason: "redirect", isRetryable: false })
      const [, sent, ...later] = yield* backend.requests
      for (const name of secrets) assert.property(sent?.headers, name)
      for (const { body, headers, url } of later) {
        assert.include(url, "elsewhere")
        assert.isUndefined(body)
        for (const name of secrets) assert.notProperty(headers, name)
      }
      assert.isNotEmpty(later)
    }).pipe(
      Effect.provide(
        over(Layer.succeed(HttpClient.HttpClient, HttpClient.followRedirects(client)), {
          headers: { "x-gateway-key": "key-1" }
        })
      )
    )
  })

  it.effect("one that refuses bad statuses itself loses nothing of them", () =>
    Effect.gen(function* () {
      assertFields(yield* Effect.flip(read), { _tag: "UsageLimit", planType: "plus", requestId: "req_1" })
    }).pipe(
      Effect.provide(
        over(
          Layer.succeed(
            HttpClient.HttpClient,
            HttpClient.filterStatusOk(ScriptedBackend.make([Script.usageLimit()]).client)
          )
        )
      )
    )
  )
})
