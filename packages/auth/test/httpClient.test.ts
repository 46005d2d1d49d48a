import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { inspect } from "node:util"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { AuthError, CodexAuth, type Credentials } from "../src/index.ts"
import { secret } from "./support/jwt.ts"

const credentials = (serial: number): Credentials.Credentials => ({
  accessToken: secret(`planted-token-${serial}`),
  accountId: secret("planted-account"),
  isFedramp: serial === 2
})

const scripted = (status: (request: HttpClientRequest.HttpClientRequest) => number) => {
  const requests: Array<HttpClientRequest.HttpClientRequest> = []
  const client = HttpClient.make((request) => {
    requests.push(request)
    return Effect.succeed(HttpClientResponse.fromWeb(request, new Response("body", { status: status(request) })))
  })
  return { requests, client }
}

const recovering: CodexAuth.CodexAuth.Service = {
  credentials: Effect.succeed(credentials(1)),
  recover: ({ accessToken }) =>
    Redacted.value(accessToken) === "planted-token-1"
      ? Effect.succeed(credentials(2))
      : Effect.fail(new AuthError.LoginExpired({ reason: "expired" }))
}

const headers = (request: HttpClientRequest.HttpClientRequest | undefined) => ({ ...request?.headers })

describe("CodexAuth.httpClient", () => {
  it.effect("authorises requests to Codex", () =>
    Effect.gen(function* () {
      const { requests, client } = scripted(() => 200)
      yield* CodexAuth.authorize(client, recovering).get("https://chatgpt.com/backend-api/codex/models")
      assert.deepStrictEqual(headers(requests[0]), {
        authorization: "Bearer planted-token-1",
        "chatgpt-account-id": "planted-account"
      })
    })
  )

  it.effect("takes a URL for its origin", () =>
    Effect.gen(function* () {
      const { requests, client } = scripted(() => 200)
      yield* CodexAuth.authorize(client, recovering, { origin: "https://Codex.example/" }).get(
        "https://codex.example/x"
      )
      assert.property(headers(requests[0]), "authorization")
    })
  )

  it.effect("authorises nothing else", () =>
    Effect.gen(function* () {
      const { requests, client } = scripted(() => 200)
      const authorized = CodexAuth.authorize(client, recovering)
      for (const url of [
        "https://chatgpt.com.evil.example/backend-api",
        "http://chatgpt.com/backend-api",
        "https://chatgpt.com:8443/",
        "https://evil.example/?https://chatgpt.com",
        "https://chatgpt.com@evil.example/"
      ]) {
        yield* authorized.get(url)
      }
      assert.strictEqual(requests.length, 5)
      for (const request of requests) {
        assert.doesNotHaveAnyKeys(headers(request), ["authorization", "chatgpt-account-id", "x-openai-fedramp"])
      }
    })
  )

  it.effect("recovers from one 401, with the new credentials, and hands out the second", () =>
    Effect.gen(function* () {
      const { requests, client } = scripted((r) => (r.headers["authorization"]?.endsWith("1") ? 401 : 200))
      const response = yield* CodexAuth.authorize(client, recovering).post("https://chatgpt.com/x")
      assert.strictEqual(response.status, 200)
      assert.deepInclude(headers(requests[1]), { authorization: "Bearer planted-token-2", "x-openai-fedramp": "true" })

      const refusing = scripted(() => 401)
      const refused = yield* CodexAuth.authorize(refusing.client, recovering).get("https://chatgpt.com/x")
      assert.strictEqual(refused.status, 401)
      assert.strictEqual(refusing.requests.length, 2)
    })
  )

  it.effect("fails with the reason when there are no credentials, and leaks none", () =>
    Effect.gen(function* () {
      const { requests, client } = scripted(() => 401)
      const authorized = CodexAuth.authorize(client, {
        ...recovering,
        recover: () => Effect.fail(new AuthError.LoginExpired({ reason: "reused" }))
      })
      const error = yield* Effect.flip(authorized.get("https://chatgpt.com/x"))
      assert.strictEqual(requests.length, 1)
      assert.isTrue(AuthError.isAuthError(error.cause))
      assert.include(error.message, "already used")
      for (const text of [error.message, JSON.stringify(error), inspect(error, { depth: 9 })]) {
        assert.notInclude(text, "planted")
      }
    })
  )

  it.effect("does not wait for the end of a 401", () =>
    Effect.gen(function* () {
      const client = HttpClient.make((request) =>
        Effect.succeed(
          HttpClientResponse.fromWeb(
            request,
            request.headers["authorization"]?.endsWith("1")
              ? new Response(new ReadableStream({ pull: () => new Promise(() => {}) }), { status: 401 })
              : new Response("body")
          )
        )
      )
      const fiber = yield* Effect.fork(CodexAuth.authorize(client, recovering).get("https://chatgpt.com/x"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* fiber).status, 200)
    })
  )

  it.effect("keeps what the program set for fetch", () =>
    Effect.gen(function* () {
      const inits: Array<RequestInit | undefined> = []
      const request = HttpClient.get("https://chatgpt.com/x").pipe(
        Effect.provide(
          CodexAuth.httpClient().pipe(
            Layer.provide([FetchHttpClient.layer, Layer.succeed(CodexAuth.CodexAuth, recovering)])
          )
        ),
        Effect.provideService(FetchHttpClient.RequestInit, { keepalive: true }),
        Effect.provideService(FetchHttpClient.Fetch, (_url, init) => {
          inits.push(init)
          return Promise.resolve(new Response("body"))
        })
      )
      yield* request
      assert.deepInclude(inits[0], { keepalive: true, redirect: "manual" })
    })
  )

  it.scopedLive("follows no redirect, so that credentials stay where they belong", () =>
    Effect.gen(function* () {
      const urls: Array<string | undefined> = []
      const server = yield* Effect.acquireRelease(
        Effect.async<Http.Server>((resume) => {
          const server = Http.createServer((request, response) => {
            urls.push(request.url)
            response.writeHead(307, { location: "/elsewhere" }).end()
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close().closeAllConnections())
      )
      const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const response = yield* HttpClient.get(`${origin}/first`).pipe(
        Effect.provide(
          CodexAuth.httpClient({ origin }).pipe(
            Layer.provide([FetchHttpClient.layer, Layer.succeed(CodexAuth.CodexAuth, recovering)])
          )
        )
      )
      assert.strictEqual(response.status, 307)
      assert.deepStrictEqual(urls, ["/first"])
    })
  )
})
