/** The login server: with the real login flows of `@effect-codex/auth`, and against what they never do. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as AuthStore from "@effect-codex/auth/AuthStore"
import * as BrowserLogin from "@effect-codex/auth/BrowserLogin"
import * as CallbackServer from "@effect-codex/auth/CallbackServer"
import * as Claims from "@effect-codex/auth/Claims"
import * as CodexAuth from "@effect-codex/auth/CodexAuth"
import * as DeviceLogin from "@effect-codex/auth/DeviceLogin"
import type { Login } from "@effect-codex/auth/Login"
import * as LoginInteraction from "@effect-codex/auth/LoginInteraction"
import * as Logout from "@effect-codex/auth/Logout"
import * as OAuth from "@effect-codex/auth/OAuth"
import * as StrictBackend from "@effect-codex/testing/StrictBackend"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { get, issuer, send } from "./support.ts"

const clientId = "app_EMoamEEZ73f0CkXaXp7hrann"
const accounts = [
  { id: "acc_a", planType: "pro", email: "a@example.org" },
  { id: "acc_b", planType: "team" }
]

const value = (secret: Redacted.Redacted | undefined) => (secret === undefined ? "" : Redacted.value(secret))

const tokenRequest = (fields: Record<string, string>, form = false) =>
  send(
    form
      ? HttpClientRequest.post(`${issuer}/oauth/token`).pipe(HttpClientRequest.bodyUrlParams(fields))
      : HttpClientRequest.post(`${issuer}/oauth/token`).pipe(HttpClientRequest.bodyUnsafeJson(fields))
  )

const refresh = (login: Pick<Login, "refreshToken">, form = false) =>
  tokenRequest({ client_id: clientId, grant_type: "refresh_token", refresh_token: value(login.refreshToken) }, form)

const next = (json: Record<string, unknown>) => ({ refreshToken: Redacted.make(String(json["refresh_token"])) })

const usage = (accessToken: string) => get("/wham/usage", { authorization: `Bearer ${accessToken}` })

const withBackend = (options?: StrictBackend.Options) =>
  Effect.provide(
    OAuth.layer().pipe(
      Layer.merge(AuthStore.layerMemory()),
      Layer.provideMerge(StrictBackend.layer({ accounts, ...options }))
    )
  )

describe("refresh tokens", () => {
  it.effect("can be used once, in JSON and in forms, and bring the next", () =>
    Effect.gen(function* () {
      const backend = yield* StrictBackend.StrictBackend
      const login = yield* backend.login("acc_b")
      for (const form of [false, true]) {
        const fresh = yield* refresh(form ? next((yield* refresh(yield* backend.login("acc_b"))).json) : login, form)
        assert.strictEqual(fresh.status, 200)
        assert.deepInclude(fresh.json, { token_type: "Bearer", expires_in: 864_000 })
        const claims = yield* Claims.fromToken(Redacted.make(String(fresh.json["access_token"])))
        assert.deepInclude(claims, { planType: "team", expiresAt: 864_000_000 })
        assert.strictEqual(value(claims.accountId), "acc_b")
        assert.strictEqual((yield* usage(String(fresh.json["access_token"]))).status, 200)
      }
    }).pipe(withBackend())
  )

  it.effect("used twice end all that came of the login", () =>
    Effect.gen(function* () {
      const backend = yield* StrictBackend.StrictBackend
      const login = yield* backend.login()
      const fresh = yield* refresh(login)
      const other = yield* backend.login()
      const again = yield* refresh(login)
      assert.strictEqual(again.status, 401)
      assert.deepInclude(again.error, { code: "refresh_token_reused", type: "invalid_request_error" })
      // the next one of the family, and what was valid for days
      assert.strictEqual((yield* refresh(next(fresh.json))).error.code, "refresh_token_invalidated")
      assert.strictEqual((yield* usage(String(fresh.json["access_token"]))).error.code, "token_invalidated")
      assert.strictEqual((yield* usage(value(login.accessToken))).error.code, "token_invalidated")
      // another login of the same account is another family
      assert.strictEqual((yield* usage(value(other.accessToken))).status, 200)
      assert.strictEqual((yield* refresh(other)).status, 200)
    }).pipe(withBackend())
  )

  it.effect("expire, are not guessed, and belong to a client", () =>
    Effect.gen(function* () {
      const backend = yield* StrictBackend.StrictBackend
      const login = yield* backend.login()
      const unknown = yield* refresh({ refreshToken: Redacted.make("rt_guess") })
      assert.strictEqual(unknown.error.code, "refresh_token_invalidated")
      const fields = { grant_type: "refresh_token", refresh_token: value(login.refreshToken) }
      assert.strictEqual((yield* tokenRequest({ ...fields, client_id: "other" })).json["error"], "invalid_client")
      assert.strictEqual(
        (yield* tokenRequest({ client_id: clientId, grant_type: "password" })).json["error"],
        "unsupported_grant_type"
      )
      assert.strictEqual(
        (yield* tokenRequest({ client_id: clientId, grant_type: "refresh_token" })).json["error"],
        "invalid_request"
      )
      yield* TestClock.adjust("31 days")
      assert.strictEqual((yield* refresh(login)).error.code, "refresh_token_expired")
    }).pipe(withBackend({ refreshTokenLifetime: "30 days" }))
  )

  it.effect("are spent by the client in time, once for all callers", () =>
    Effect.gen(function* () {
      const auth = yield* CodexAuth.CodexAuth
      const first = yield* auth.credentials
      yield* TestClock.adjust("10 days")
      const all = yield* Effect.all(
        Array.from({ length: 10 }, () => auth.credentials),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(all.map(({ accessToken }) => value(accessToken))).size, 1)
      assert.notStrictEqual(value(all[0]?.accessToken), value(first.accessToken))
      assert.strictEqual((yield* usage(value(all[0]?.accessToken))).status, 200)
    }).pipe(
      Effect.provide(
        StrictBackend.layerAuth({ accountId: "acc_b" }).pipe(Layer.provideMerge(StrictBackend.layer({ accounts })))
      )
    )
  )
})

const interaction = (
  openPage: (url: string) => Effect.Effect<void>,
  pasted: Effect.Effect<string>,
  showDeviceCode: LoginInteraction.Service["showDeviceCode"] = () => Effect.void
) =>
  Layer.merge(
    Layer.succeed(LoginInteraction.LoginInteraction, { openPage, pastedCode: () => pasted, showDeviceCode }),
    Layer.succeed(CallbackServer.CallbackServer, { serve: () => Effect.succeed("http://127.0.0.1:1455") })
  )

/** A browser that goes to the page, and a person who pastes where it ends. */
const browserLogin = (options?: BrowserLogin.Options) =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const ended = yield* Deferred.make<string>()
    const open = (url: string) =>
      Effect.flatMap(client.get(url), (response) => Deferred.succeed(ended, response.headers["location"] ?? "")).pipe(
        Effect.orDie,
        Effect.asVoid
      )
    return yield* BrowserLogin.login(options).pipe(Effect.provide(interaction(open, Deferred.await(ended))))
  })

describe("a login in the browser", () => {
  it.effect("ends with tokens that work, and ends the login before it", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.AuthStore
      const first = yield* browserLogin()
      assert.strictEqual(value(first.accountId), "acc_a")
      const before = yield* store.read
      const second = yield* browserLogin()
      assert.strictEqual((yield* usage(value(second.accessToken))).status, 200)
      assert.strictEqual((yield* usage(value(first.accessToken))).status, 401)
      assert.strictEqual((yield* refresh(before)).error.code, "refresh_token_invalidated")
    }).pipe(withBackend())
  )

  it.effect("takes an account of the workspaces allowed, or the one the person takes whatever is allowed", () =>
    Effect.gen(function* () {
      const backend = yield* StrictBackend.StrictBackend
      assert.strictEqual(value((yield* browserLogin({ workspaces: ["acc_b"] })).accountId), "acc_b")
      const none = yield* Effect.flip(browserLogin({ workspaces: ["acc_z"] }))
      assert.deepInclude(none, { _tag: "LoginFailed", reason: "denied" })
      yield* backend.nextLogin({ accountId: "acc_a" })
      assert.strictEqual(value((yield* browserLogin()).accountId), "acc_a")
    }).pipe(withBackend())
  )

  it.effect("can be turned down, once", () =>
    Effect.gen(function* () {
      const backend = yield* StrictBackend.StrictBackend
      yield* backend.nextLogin({ denied: "missing_codex_entitlement" })
      const error = yield* Effect.flip(browserLogin())
      assert.strictEqual(error._tag === "LoginFailed" && error.reason, "denied")
      assert.include(error.message, "missing_codex_entitlement")
      yield* browserLogin()
      assert.deepInclude(yield* Effect.flip(backend.nextLogin({ accountId: "acc_z" })), { _tag: "UnknownAccount" })
    }).pipe(withBackend())
  )

  const authorize = (changes: Record<string, string | undefined>) => {
    const query = {
      response_type: "code",
      client_id: clientId,
      redirect_uri: "http://localhost:1457/auth/callback",
      scope: "openid profile",
      code_challenge: "c".repeat(43),
      code_challenge_method: "S256",
      state: "s1",
      ...changes
    }
    const entries = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
    return Effect.map(
      send(HttpClientRequest.get(`${issuer}/oauth/authorize?${new URLSearchParams(entries)}`)),
      ({ headers, status }) => ({
        status,
        query: new URLSearchParams((headers["location"] ?? "?").replace(/^[^?]*/, ""))
      })
    )
  }

  it.effect("goes back to the client with what it asked wrongly, and never to an address that is not registered", () =>
    Effect.gen(function* () {
      const good = yield* authorize({})
      assert.strictEqual(good.status, 302)
      assert.strictEqual(good.query.get("state"), "s1")
      assert.isNotNull(good.query.get("code"))
      for (const changes of [
        { response_type: "token" },
        { code_challenge: undefined },
        { code_challenge: "short" },
        { code_challenge_method: "plain" },
        { state: undefined },
        { scope: "email" }
      ]) {
        const { query, status } = yield* authorize(changes)
        assert.strictEqual(status, 302)
        assert.strictEqual(query.get("error"), "invalid_request", JSON.stringify(changes))
        assert.isNull(query.get("code"))
      }
      for (const changes of [
        { redirect_uri: "http://127.0.0.1:9999/auth/callback" },
        { redirect_uri: "https://evil.example/auth/callback" },
        { redirect_uri: undefined },
        { client_id: "other" }
      ]) {
        assert.strictEqual((yield* authorize(changes)).status, 400, JSON.stringify(changes))
      }
    }).pipe(withBackend())
  )

  it.effect("gives a code that is good once, for ten minutes, for its verifier and its address", () =>
    Effect.gen(function* () {
      // the challenge of RFC 7636, appendix B
      const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
      const code_challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
      const code = Effect.map(authorize({ code_challenge }), ({ query }) => query.get("code") ?? "")
      const exchange = (code: string, changes: Record<string, string> = {}) =>
        tokenRequest(
          {
            grant_type: "authorization_code",
            client_id: clientId,
            code,
            redirect_uri: "http://localhost:1457/auth/callback",
            code_verifier: verifier,
            ...changes
          },
          true
        )
      const wrong = yield* exchange(yield* code, { code_verifier: "x" })
      assert.strictEqual(wrong.status, 400)
      assert.strictEqual(wrong.json["error"], "invalid_grant")
      assert.strictEqual(
        (yield* exchange(yield* code, { redirect_uri: "http://localhost:1455/auth/callback" })).status,
        400
      )
      assert.strictEqual((yield* exchange("ac_guess")).status, 400)

      const once = yield* code
      const tokens = yield* exchange(once)
      assert.strictEqual(tokens.status, 200)
      assert.strictEqual((yield* exchange(once)).status, 400)
      // a code that came twice was stolen once
      assert.strictEqual((yield* usage(String(tokens.json["access_token"]))).status, 401)

      const late = yield* code
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* exchange(late)).status, 400)
    }).pipe(withBackend())
  )
})

describe("a login by device code", () => {
  const deviceLogin = (onCode: (userCode: string) => Effect.Effect<void>) =>
    DeviceLogin.login().pipe(
      Effect.provide(
        interaction(
          () => Effect.void,
          Effect.never,
          ({ userCode }) => onCode(userCode)
        )
      )
    )

  /** Lets time pass until the fiber is done. It computes digests in the background, which the clock does not wait for. */
  const passing = <A, E>(fiber: Fiber.RuntimeFiber<A, E>): Effect.Effect<A, E> =>
    Effect.flatMap(Fiber.poll(fiber), (exit) =>
      exit._tag === "Some" ? exit.value : Effect.zipRight(TestClock.adjust("1 second"), passing(fiber))
    )

  it.effect("waits for the person", () =>
    Effect.gen(function* () {
      const backend = yield* StrictBackend.StrictBackend
      const shown = yield* Deferred.make<string>()
      const fiber = yield* Effect.fork(deliver(shown))
      const userCode = yield* Deferred.await(shown)
      assert.match(userCode, /^[A-Z0-9]{4}-[A-Z0-9]{4}$/)
      yield* TestClock.adjust("20 seconds")
      yield* backend.approveDevice(userCode, "acc_b")
      const credentials = yield* passing(fiber)
      assert.strictEqual(value(credentials.accountId), "acc_b")
      assert.strictEqual((yield* usage(value(credentials.accessToken))).status, 200)
      assert.strictEqual((yield* Effect.flip(backend.approveDevice(userCode)))._tag, "UnknownDeviceCode")
    }).pipe(withBackend())
  )
  const deliver = (shown: Deferred.Deferred<string>) =>
    deviceLogin((userCode) => Effect.asVoid(Deferred.succeed(shown, userCode)))

  it.effect("fails when the person says no, and where there is no such login", () =>
    Effect.gen(function* () {
      const backend = yield* StrictBackend.StrictBackend
      const fiber = yield* Effect.fork(deviceLogin((userCode) => Effect.orDie(backend.denyDevice(userCode))))
      const error = yield* Effect.flip(passing(fiber))
      assert.strictEqual(error._tag === "LoginFailed" && error.reason, "denied")
    }).pipe(withBackend())
  )

  it.effect("is not there where it is turned off", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* Effect.flip(deviceLogin(() => Effect.void)), { reason: "unsupported" })
    }).pipe(withBackend({ deviceLogin: false }))
  )

  it.effect("minds being asked too often, and forgets", () =>
    Effect.gen(function* () {
      const start = yield* send(
        HttpClientRequest.post(`${issuer}/api/accounts/deviceauth/usercode`).pipe(
          HttpClientRequest.bodyUnsafeJson({ client_id: clientId })
        )
      )
      const { device_auth_id, interval, user_code } = start.json
      assert.strictEqual(interval, "5")
      const poll = Effect.map(
        send(
          HttpClientRequest.post(`${issuer}/api/accounts/deviceauth/token`).pipe(
            HttpClientRequest.bodyUnsafeJson({ device_auth_id, user_code })
          )
        ),
        ({ error, status }) => [status, error.code]
      )
      assert.deepStrictEqual(yield* poll, [403, "deviceauth_authorization_pending"])
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(yield* poll, [403, "slow_down"])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* poll, [403, "deviceauth_authorization_pending"])
      yield* TestClock.adjust("15 minutes")
      assert.deepStrictEqual(yield* poll, [400, "expired_token"])
    }).pipe(withBackend())
  )
})

describe("logout", () => {
  it.effect("ends the login at the server", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.AuthStore
      const credentials = yield* browserLogin()
      const login = yield* store.read
      assert.isTrue(yield* Logout.logout)
      assert.strictEqual((yield* usage(value(credentials.accessToken))).status, 401)
      assert.strictEqual((yield* refresh(login)).error.code, "refresh_token_invalidated")
    }).pipe(withBackend())
  )

  it.effect("of an access token leaves the rest", () =>
    Effect.gen(function* () {
      const backend = yield* StrictBackend.StrictBackend
      const login = yield* backend.login()
      const revoke = (token: string) =>
        send(
          HttpClientRequest.post(`${issuer}/oauth/revoke`).pipe(
            HttpClientRequest.bodyUnsafeJson({ token, token_type_hint: "access_token" })
          )
        )
      assert.strictEqual((yield* revoke(value(login.accessToken))).status, 200)
      assert.strictEqual((yield* revoke("unknown")).status, 200)
      assert.strictEqual((yield* usage(value(login.accessToken))).status, 401)
      assert.strictEqual((yield* refresh(login)).status, 200)
    }).pipe(withBackend())
  )
})
