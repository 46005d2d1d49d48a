import { inspect } from "node:util"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Script } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { AuthError, CodexAuth, type Credentials } from "../src/index.ts"
import { secret } from "./support/jwt.ts"
import { recordingTracer } from "./support/tracing.ts"

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

const recovering: CodexAuth.Service = {
  credentials: Effect.succeed(credentials(1)),
  recover: ({ accessToken }) =>
    Redacted.value(accessToken) === "planted-token-1"
      ? Effect.succeed(credentials(2))
      : Effect.fail(new AuthError.LoginExpired({ reason: "expired" }))
}

const build = (layer: Layer.Layer<HttpClient.HttpClient>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, HttpClient.HttpClient))

/** A server on loopback that answers everything like this, and what it got. */
const listening = (script: Script.Responder) =>
  Effect.map(BackendServer.make({ script }), ({ requests, url }) => ({
    origin: new URL(url).origin,
    requests,
    authorizations: Effect.map(requests, (all) => all.map(({ headers }) => headers["authorization"]))
  }))

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

  /** Every way in which somebody could look at a value. */
  const renderings = (value: unknown) => [
    String(value),
    JSON.stringify(value),
    inspect(value, { depth: 12, showHidden: true }),
    value instanceof Error ? value.message : ""
  ]

  it.scopedLive("shows no token in responses and errors, over sockets too", () =>
    Effect.gen(function* () {
      const server = yield* listening(
        Script.always(Script.status(200, { body: "no json", headers: { "content-type": "application/json" } }))
      )
      for (const layer of [FetchHttpClient.layer, NodeHttpClient.layerUndici]) {
        const client = CodexAuth.authorize(yield* build(layer), recovering, { origin: server.origin })
        const request = HttpClientRequest.get(`${server.origin}/x`)
        const response = yield* client.execute(request)
        assert.strictEqual(response.request, request)
        const error = yield* Effect.flip(response.json)
        assert.strictEqual(error.request, request)
        for (const shown of [...renderings(response), ...renderings(error), ...renderings(error.response)]) {
          assert.notInclude(shown, "planted")
        }
      }
      assert.deepStrictEqual(yield* server.authorizations, ["Bearer planted-token-1", "Bearer planted-token-1"])
    })
  )

  it.effect("shows no token in the errors of a client, wherever it put the request", () =>
    Effect.gen(function* () {
      const client = HttpClient.make((request) =>
        Effect.fail(
          new HttpClientError.RequestError({
            request,
            reason: "Transport",
            description: `cannot send ${request.headers["authorization"]}`,
            cause: new HttpClientError.RequestError({ request, reason: "Transport" })
          })
        )
      )
      const request = HttpClientRequest.get("https://chatgpt.com/x")
      const error = yield* Effect.flip(CodexAuth.authorize(client, recovering).execute(request))
      assert.strictEqual(error.request, request)
      for (const shown of renderings(error)) assert.notInclude(shown, "planted")
    })
  )

  it.effect("shows no token to what watches the requests of the client, nor in spans", () =>
    Effect.gen(function* () {
      const { client, requests } = scripted(() => 200)
      const seen: Array<string> = []
      const note = (value: unknown) => Effect.sync(() => void seen.push(...renderings(value)))
      const tracer = recordingTracer((...values) => void seen.push(...values.flatMap(renderings)))
      const authorized = CodexAuth.authorize(HttpClient.tapRequest(client, note), recovering)
      yield* note(yield* authorized.get("https://chatgpt.com/x").pipe(Effect.withTracer(tracer)))
      assert.property(headers(requests[0]), "authorization")
      assert.include(seen.join(), "http.response.status_code=200")
      assert.notInclude(seen.join(), "planted")
    })
  )

  it.effect("leaves the caller's request as it is", () =>
    Effect.gen(function* () {
      const { client } = scripted(() => 200)
      const request = HttpClientRequest.get("https://chatgpt.com/x")
      yield* CodexAuth.authorize(client, recovering).execute(request)
      assert.deepStrictEqual(headers(request), {})
    })
  )

  for (const [what, filter] of [
    ["statuses that are not ok", HttpClient.filterStatusOk],
    ["some statuses", HttpClient.filterStatus((status) => status < 400)]
  ] as const) {
    it.effect(`recovers from a 401 when the client filters ${what}`, () =>
      Effect.gen(function* () {
        const { client, requests } = scripted((r) => (r.headers["authorization"]?.endsWith("1") ? 401 : 200))
        const response = yield* CodexAuth.authorize(filter(client), recovering).get("https://chatgpt.com/x")
        assert.strictEqual(response.status, 200)
        assert.strictEqual(requests.length, 2)
        const refusing = scripted(() => 401)
        const error = yield* Effect.flip(
          CodexAuth.authorize(filter(refusing.client), recovering).get("https://chatgpt.com/x")
        )
        assert.deepInclude(error, { _tag: "ResponseError", reason: "StatusCode" })
        for (const shown of renderings(error)) assert.notInclude(shown, "planted")
      })
    )
  }

  it.effect("hands what a 401 said on to the recovery", () =>
    Effect.gen(function* () {
      const causes: Array<unknown> = []
      const client = HttpClient.make((request) =>
        Effect.succeed(
          HttpClientResponse.fromWeb(
            request,
            new Response('{"error":{"code":"token_revoked","message":"planted-account was revoked"}}', {
              status: 401,
              headers: { "x-request-id": "req_1", "cf-ray": "ray_1" }
            })
          )
        )
      )
      const authorized = CodexAuth.authorize(client, {
        ...recovering,
        recover: (rejected, cause) => {
          causes.push(cause)
          return recovering.recover(rejected)
        }
      })
      yield* authorized.get("https://chatgpt.com/x")
      assert.deepStrictEqual(causes, [
        {
          status: 401,
          code: "token_revoked",
          serverMessage: "<redacted> was revoked",
          requestId: "req_1",
          cfRay: "ray_1"
        }
      ])
    })
  )

  for (const [what, wrap] of [
    ["HttpClient.followRedirects", HttpClient.followRedirects()],
    [
      "HttpClient.followRedirects among others",
      (client: HttpClient.HttpClient) =>
        client.pipe(
          HttpClient.mapRequest(HttpClientRequest.setHeader("x-own", "1")),
          HttpClient.followRedirects(3),
          HttpClient.retry({ times: 1 })
        )
    ]
  ] as const) {
    it.scopedLive(`credentials stay at their origin with ${what}`, () =>
      Effect.gen(function* () {
        const elsewhere = yield* listening(Script.always(Script.status(200, { body: "elsewhere" })))
        const server = yield* listening(({ path }) =>
          Script.redirect(path === "/first" ? "/second" : `${elsewhere.origin}/third`)
        )
        for (const [layer, isTraced] of [
          [FetchHttpClient.layer, true],
          [NodeHttpClient.layerUndici, false]
        ] as const) {
          const client = yield* build(layer)
          const response = yield* CodexAuth.authorize(wrap(client), recovering, { origin: server.origin })
            .get(`${server.origin}/first`)
            .pipe(Effect.withTracerEnabled(isTraced))
          assert.strictEqual(yield* response.text, "elsewhere")
        }
        // The same origin gets them again, the other one never.
        assert.deepStrictEqual(yield* server.authorizations, Array(4).fill("Bearer planted-token-1"))
        assert.deepStrictEqual(yield* elsewhere.authorizations, [undefined, undefined])
        assert.notInclude(JSON.stringify(yield* elsewhere.requests), "planted")
      })
    )
  }

  it.effect("sends no credentials through a client that does not show its requests, and says so", () =>
    Effect.gen(function* () {
      const { client, requests } = scripted(() => 200)
      const hiding = HttpClient.withTracerDisabledWhen(client, () => true)
      const error = yield* Effect.flip(CodexAuth.authorize(hiding, recovering).get("https://chatgpt.com/x"))
      assert.include(error.message, "withTracerDisabledWhen")
      assert.doesNotHaveAnyKeys(headers(requests[0]), ["authorization", "chatgpt-account-id"])
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
      const { origin, requests } = yield* listening(Script.always(Script.redirect("/elsewhere")))
      const response = yield* HttpClient.get(`${origin}/first`).pipe(
        Effect.provide(
          CodexAuth.httpClient({ origin }).pipe(
            Layer.provide([FetchHttpClient.layer, Layer.succeed(CodexAuth.CodexAuth, recovering)])
          )
        )
      )
      assert.strictEqual(response.status, 307)
      assert.deepStrictEqual(
        (yield* requests).map(({ path }) => path),
        ["/first"]
      )
    })
  )
})
