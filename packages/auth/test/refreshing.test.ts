// Refreshing over real HTTP, against a token endpoint that ends the login when a refresh token is used twice.

import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { Script } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { run } from "../soak/processes.ts"
import { AuthStore, CodexAuth, OAuth } from "../src/index.ts"
import { accessToken, secret } from "./support/jwt.ts"
import * as TokenEndpoint from "./support/TokenEndpoint.ts"

const refreshToken = (store: AuthStore.Service) =>
  Effect.map(store.read, (login) => Redacted.value(login.refreshToken ?? secret("")))

const session = (
  issuer: string,
  tokens: { readonly access_token: string; readonly refresh_token: string },
  timeLimit: Duration.DurationInput = "10 seconds"
) =>
  Effect.gen(function* () {
    const store = yield* AuthStore.makeMemory({
      accessToken: secret(tokens.access_token),
      refreshToken: secret(tokens.refresh_token)
    })
    const oauth = yield* OAuth.make({ issuer, timeLimit }).pipe(Effect.provide(FetchHttpClient.layer))
    const auth = yield* CodexAuth.makeStore.pipe(
      Effect.provideService(AuthStore.AuthStore, store),
      Effect.provideService(OAuth.OAuth, oauth)
    )
    return { store, auth }
  })

describe("a refresh", () => {
  for (const moment of [0, 1, 5, 20, 60]) {
    it.scopedLive(`is stored although the caller and the whole session go away after ${moment} ms`, () =>
      Effect.gen(function* () {
        const endpoint = yield* TokenEndpoint.make({ lifetimeMillis: 0, delayMillis: () => 40 })
        const scope = yield* Scope.make()
        const { auth, store } = yield* session(endpoint.url, endpoint.login()).pipe(Scope.extend(scope))
        const caller = yield* Effect.fork(Effect.exit(auth.credentials))
        yield* Effect.sleep(moment)
        yield* Fiber.interrupt(caller)
        yield* Scope.close(scope, Exit.void)
        const stored = yield* refreshToken(store)
        assert.strictEqual(stored, endpoint.refreshes() === 0 ? "rt_1_1" : "rt_1_2")
        // The next session goes on where this one ended.
        const next = yield* session(endpoint.url, {
          access_token: accessToken({ expiresAt: 0 }),
          refresh_token: stored
        })
        yield* next.auth.credentials
        assert.deepStrictEqual(endpoint.reuses(), [])
      })
    )
  }

  /** An endpoint that answers everything like this. */
  const answering = (step: Script.Step) =>
    Effect.map(BackendServer.make({ script: Script.always(step) }), ({ requests, url }) => ({
      requests,
      url: new URL(url).origin
    }))

  const ended = { access_token: accessToken({ expiresAt: 0 }), refresh_token: "rt_planted" }

  // those that end the login wait for somebody else's, so they wait together
  describe.concurrent("is told apart", () => {
    for (const [what, status, headers, body, expected] of [
      ["HTML", 200, { "content-type": "text/html" }, "<html>hello</html>", { _tag: "RefreshFailed", reason: "answer" }],
      ["200 without tokens", 200, {}, "{}", { _tag: "RefreshFailed", reason: "answer" }],
      ["a redirect", 307, { location: "/elsewhere" }, "", { _tag: "RefreshFailed", reason: "status", status: 307 }],
      ["503", 503, {}, "busy", { _tag: "RefreshFailed", reason: "status", status: 503 }],
      ["429", 429, {}, "{}", { _tag: "RefreshFailed", reason: "status", status: 429 }],
      ["a page of an edge", 403, {}, "<html>", { _tag: "RefreshFailed", reason: "refused", status: 403 }],
      ["400 without a code", 400, {}, "{}", { _tag: "RefreshFailed", reason: "refused", status: 400 }],
      ["invalid_grant", 400, {}, '{"error":"invalid_grant"}', { _tag: "LoginExpired", reason: "unknown" }],
      ["expired", 401, {}, '{"error":{"code":"refresh_token_expired"}}', { _tag: "LoginExpired", reason: "expired" }],
      ["invalidated", 400, {}, '{"code":"refresh_token_invalidated"}', { _tag: "LoginExpired", reason: "invalidated" }],
      ["401 without a code", 401, {}, "", { _tag: "LoginExpired", reason: "unknown" }],
      [
        "a refusal of the region",
        403,
        { "x-request-id": "req_1", "cf-ray": "ray_1" },
        '{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported"}}',
        {
          _tag: "RefreshFailed",
          reason: "refused",
          isRetryable: false,
          status: 403,
          code: "unsupported_country_region_territory",
          serverMessage: "Country, region, or territory not supported",
          requestId: "req_1",
          cfRay: "ray_1"
        }
      ],
      [
        "Cloudflare's page",
        403,
        { "content-type": "text/html" },
        "<!doctype html><html><head><title>Attention Required! | Cloudflare</title></head></html>",
        { _tag: "RefreshFailed", reason: "refused", serverMessage: "Attention Required! | Cloudflare" }
      ],
      [
        "plain words with control characters and marks of direction",
        404,
        {},
        "not\u001b[31m here\u202e\u0007 rt_planted",
        { _tag: "RefreshFailed", reason: "refused", serverMessage: "not here <redacted>" }
      ],
      ["204", 204, {}, "", { _tag: "RefreshFailed", reason: "answer", status: 204 }],
      ["reuse, in a success", 200, {}, '{"error":{"code":"refresh_token_reused"}}', { reason: "reused" }],
      [
        "invalid_grant, in a success",
        203,
        {},
        '{"error":"invalid_grant"}',
        { _tag: "LoginExpired", reason: "unknown" }
      ],
      ["a conflict", 409, {}, '{"detail":"wait"}', { reason: "refused", serverMessage: "wait", status: 409 }],
      [
        "a code that is not text",
        422,
        {},
        '{"error":{"code":7,"message":"odd"}}',
        { reason: "refused", serverMessage: "odd" }
      ],
      ["408", 408, {}, "", { _tag: "RefreshFailed", reason: "status", isRetryable: true }],
      [
        "words with an end of the login",
        400,
        {},
        '{"error":"invalid_grant","error_description":"Session ended."}',
        {
          _tag: "LoginExpired",
          code: "invalid_grant",
          serverMessage: "Session ended."
        }
      ],
      [
        "words with a 200",
        200,
        {},
        '{"error":{"message":"no tokens today"}}',
        { reason: "answer", serverMessage: "no tokens today" }
      ]
    ] as const) {
      it.scopedLive(`when the endpoint answers ${what}`, () =>
        Effect.gen(function* () {
          const { requests, url } = yield* answering(
            Script.status(status, { body }).pipe(Script.headers({ "content-type": null }), Script.headers(headers))
          )
          const { auth, store } = yield* session(url, ended)
          const error = yield* Effect.flip(auth.credentials)
          for (const [key, value] of Object.entries(expected)) {
            assert.strictEqual(error[key as keyof typeof error], value, key)
          }
          if (error.serverMessage !== undefined) assert.include(error.message, error.serverMessage)
          assert.notInclude(JSON.stringify(error) + error.message, "planted")
          assert.deepStrictEqual(
            (yield* requests).map(({ path }) => path),
            ["/oauth/token"]
          )
          assert.strictEqual(yield* refreshToken(store), "rt_planted")
        })
      )
    }
  })

  it.scopedLive("takes the tokens of any success", () =>
    Effect.gen(function* () {
      const { url } = yield* answering(
        Script.status(203, { body: { access_token: accessToken({}), refresh_token: "rt_next" } })
      )
      const { auth, store } = yield* session(url, ended)
      yield* auth.credentials
      assert.strictEqual(yield* refreshToken(store), "rt_next")
    })
  )

  it.scopedLive("reads no more of an answer than tokens can be long", () =>
    Effect.gen(function* () {
      let sent = 0
      const endless = () =>
        new ReadableStream<Uint8Array>({
          pull: (controller) => {
            sent += 65_536
            controller.enqueue(new Uint8Array(65_536).fill(0x20))
          }
        })
      const oauth = yield* OAuth.make().pipe(
        Effect.provideService(
          HttpClient.HttpClient,
          HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, new Response(endless()))))
        )
      )
      const error = yield* Effect.flip(oauth.refresh(secret("rt_1"), "proactive_expiry"))
      assert.deepInclude(error, { _tag: "RefreshFailed", reason: "answer" })
      assert.isBelow(sent, 2_097_152)
    })
  )

  it.scopedLive("may have an answer without a body", () =>
    Effect.gen(function* () {
      const oauth = yield* OAuth.make().pipe(
        Effect.provideService(
          HttpClient.HttpClient,
          HttpClient.make((request) =>
            Effect.succeed(HttpClientResponse.fromWeb(request, new Response(null, { status: 503 })))
          )
        )
      )
      const error = yield* Effect.flip(oauth.refresh(secret("rt_1"), "proactive_expiry"))
      assert.deepInclude(error, { _tag: "RefreshFailed", reason: "status", status: 503 })
    })
  )

  it.scopedLive("is not sent on to another origin by a client that follows redirects", () =>
    Effect.gen(function* () {
      const elsewhere = yield* answering(
        Script.status(200, { body: { access_token: accessToken({}), refresh_token: "rt_of_somebody" } })
      )
      const { url } = yield* answering(Script.redirect(`${elsewhere.url}/x`))
      const oauth = yield* OAuth.make({ issuer: url }).pipe(
        Effect.provideServiceEffect(
          HttpClient.HttpClient,
          Effect.map(HttpClient.HttpClient, (client) => HttpClient.followRedirects(client))
        ),
        Effect.provide(FetchHttpClient.layer)
      )
      const error = yield* Effect.flip(oauth.refresh(secret("rt_planted"), "proactive_expiry"))
      assert.deepInclude(error, { _tag: "RefreshFailed", reason: "network" })
      assert.deepStrictEqual(
        (yield* elsewhere.requests).map(({ body }) => body),
        [undefined]
      )
    })
  )

  it.scopedLive("is seen whole by what the client is wrapped in", () =>
    Effect.gen(function* () {
      const bodies: Array<unknown> = []
      const { url } = yield* answering(Script.status(200, { body: { access_token: accessToken({}) } }))
      const oauth = yield* OAuth.make({ issuer: url }).pipe(
        Effect.provideServiceEffect(
          HttpClient.HttpClient,
          Effect.map(HttpClient.HttpClient, (client) =>
            client.pipe(
              HttpClient.withTracerDisabledWhen(() => true),
              HttpClient.tapRequest(({ body }) => Effect.sync(() => bodies.push(body._tag)))
            )
          )
        ),
        Effect.provide(FetchHttpClient.layer)
      )
      yield* oauth.refresh(secret("rt_planted"), "proactive_expiry")
      assert.deepStrictEqual(bodies, ["Uint8Array"])
    })
  )

  it.scopedLive("that is refused is read although the client filters statuses", () =>
    Effect.gen(function* () {
      const { url } = yield* answering(Script.status(401, { body: { error: { code: "refresh_token_expired" } } }))
      const oauth = yield* OAuth.make({ issuer: url }).pipe(
        Effect.provideServiceEffect(
          HttpClient.HttpClient,
          Effect.map(HttpClient.HttpClient, (client) => HttpClient.filterStatusOk(client))
        ),
        Effect.provide(FetchHttpClient.layer)
      )
      const error = yield* Effect.flip(oauth.refresh(secret("rt_planted"), "proactive_expiry"))
      assert.deepInclude(error, { _tag: "LoginExpired", reason: "expired" })
    })
  )

  it.scopedLive("is given up when the endpoint never answers", () =>
    Effect.gen(function* () {
      const { url } = yield* answering(Script.silence)
      const { auth } = yield* session(url, ended, "1 second")
      assert.deepInclude(yield* Effect.flip(auth.credentials), { _tag: "RefreshFailed", reason: "timeout" })
    })
  )

  it.scopedLive("fails plainly when nobody listens", () =>
    Effect.gen(function* () {
      const { auth } = yield* session("http://127.0.0.1:1", ended)
      assert.deepInclude(yield* Effect.flip(auth.credentials), { _tag: "RefreshFailed", reason: "network" })
    })
  )

  it.scopedLive("keeps the new refresh token when something else in the answer is odd", () =>
    Effect.gen(function* () {
      const { url } = yield* answering(
        Script.status(200, { body: { access_token: accessToken({}), refresh_token: "rt_new", id_token: { a: 1 } } })
      )
      const { auth, store } = yield* session(url, ended)
      yield* auth.credentials
      assert.strictEqual(yield* refreshToken(store), "rt_new")
    })
  )

  it.scopedLive("asks as the protocol says", () =>
    Effect.gen(function* () {
      const { requests, url } = yield* answering(
        Script.status(200, { body: { access_token: accessToken({ serial: 2 }) } })
      )
      const { auth } = yield* session(url, ended)
      yield* auth.credentials
      const [request] = yield* requests
      assert.deepInclude(request?.headers, { "content-type": "application/json", originator: "effect-codex" })
      assert.isUndefined(request?.headers["traceparent"])
      assert.deepStrictEqual(request?.body, {
        client_id: "app_EMoamEEZ73f0CkXaXp7hrann",
        grant_type: "refresh_token",
        refresh_token: "rt_planted",
        refresh_reason: "proactive_expiry"
      })
    })
  )
})

describe("many processes on one file", () => {
  it.live(
    "use no refresh token twice, except after a lost answer or a kill, and never break the file",
    () =>
      Effect.gen(function* () {
        const report = yield* run({ processes: 4, refreshes: 6, lossRate: 0.05, kills: 2 })
        assert.deepStrictEqual(report.unexplained, [])
        assert.deepStrictEqual(report.broken, [])
        assert.isAtLeast(report.refreshes, 24)
      }),
    120_000
  )
})
