import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert, describe, it } from "@effect/vitest"
import type * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { AuthError, AuthStore, CodexAuth, type Login, OAuth, Signals } from "../src/index.ts"
import * as Session from "../src/internal/session.ts"
import { accessToken, secret } from "./support/jwt.ts"

const minute = 60_000
const hour = 60 * minute

const login = (options: Parameters<typeof accessToken>[0] & { readonly refresh?: string }): Login.Login => ({
  accessToken: secret(accessToken(options)),
  ...(options.refresh === undefined ? {} : { refreshToken: secret(options.refresh) })
})

type Refresh = OAuth.Service["refresh"]

/** A login server of which only the refresh is scripted; it counts. */
const scripted = (refresh: Refresh) => {
  const calls: Array<string> = []
  const service: OAuth.Service = {
    authorizeUrl: () => "",
    exchange: () => Effect.dieMessage("unexpected"),
    deviceCode: Effect.dieMessage("unexpected"),
    pollDevice: () => Effect.dieMessage("unexpected"),
    revoke: () => Effect.void,
    refresh: (token, reason) => {
      calls.push(`${Redacted.value(token)} ${reason}`)
      return refresh(token, reason)
    }
  }
  return { service, calls }
}

const rotate =
  (delay: Duration.DurationInput = 0): Refresh =>
  (token) =>
    Effect.gen(function* () {
      yield* Effect.sleep(delay)
      const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      const next = `${Redacted.value(token)}+`
      return {
        accessToken: secret(accessToken({ serial: next, issuedAt: now, expiresAt: now + hour })),
        refreshToken: secret(next)
      }
    })

const start = (store: AuthStore.Service, oauth: OAuth.Service) =>
  CodexAuth.makeStore.pipe(Effect.provideService(AuthStore.AuthStore, store), Effect.provideService(OAuth.OAuth, oauth))

/** Time for what goes on beside the callers, but none on the clock. */
const beside = TestClock.adjust(0)

const token = (credentials: { readonly accessToken: Redacted.Redacted }) => Redacted.value(credentials.accessToken)

describe("sources", () => {
  it.effect("a token handed in needs nothing else and cannot be refreshed", () =>
    Effect.gen(function* () {
      const accessTokenText = accessToken({ account: "acc_7" })
      const auth = CodexAuth.fromToken({ accessToken: secret(accessTokenText) })
      const credentials = yield* auth.credentials
      assert.strictEqual(token(credentials), accessTokenText)
      assert.strictEqual(credentials.planType, "plus")
      const error = yield* Effect.flip(auth.recover(credentials))
      assert.deepInclude(error, { _tag: "LoginExpired", reason: "notRefreshable" })
    })
  )

  it.effect("an account id handed in stands in for a missing claim", () =>
    Effect.gen(function* () {
      const auth = CodexAuth.fromToken({ accessToken: secret("e30.e30.e30"), accountId: "acc_9" })
      assert.strictEqual(Redacted.value((yield* auth.credentials).accountId), "acc_9")
    })
  )

  const from = (variables: Record<string, string>, options?: Parameters<typeof CodexAuth.layer>[0]) =>
    CodexAuth.CodexAuth.pipe(
      Effect.flatMap((auth) => auth.credentials),
      Effect.map(token),
      Effect.provide(
        CodexAuth.layer(options).pipe(
          Layer.provide([
            AuthStore.layerMemory(login({ serial: "stored", expiresAt: hour, refresh: "rt" })),
            Layer.succeed(OAuth.OAuth, scripted(rotate()).service)
          ]),
          Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables)))))
        )
      )
    )

  for (const [what, handedIn, tag] of [
    ["with a line break in its signature", { accessToken: `${accessToken({})}\nx` }, "InvalidToken"],
    ["with a word beyond ASCII in its header", { accessToken: `ü.${accessToken({}).split(".")[1]}.x` }, "InvalidToken"],
    ["whose account id has a line break", { accessToken: accessToken({}), accountId: "acc\n1" }, "InvalidToken"]
  ] as const) {
    it.effect(`a token ${what} is refused here, not by an HTTP client that quotes it`, () =>
      Effect.gen(function* () {
        const auth = CodexAuth.fromToken({ ...handedIn, accessToken: secret(handedIn.accessToken) })
        assert.strictEqual((yield* Effect.flip(auth.credentials))._tag, tag)
      })
    )
  }

  it.effect("a token handed in is decoded once, not with every request", () =>
    Effect.gen(function* () {
      const auth = CodexAuth.fromToken({ accessToken: secret(accessToken({})) })
      assert.strictEqual(yield* auth.credentials, yield* auth.credentials)
    })
  )

  for (const [name, handedIn] of [
    ["a plain text", "eyJ.a.b"],
    ["nothing", undefined],
    ["a number", Redacted.make(7)],
    ["a secret in a secret", Redacted.make(secret("eyJ.a.b"))]
  ] as const) {
    it.effect(`a program without types that hands in ${name} is told to wrap the token`, () =>
      Effect.gen(function* () {
        const auth = CodexAuth.fromToken({ accessToken: handedIn as unknown as Redacted.Redacted })
        const error = yield* Effect.flip(auth.credentials)
        assert.strictEqual(error._tag === "InvalidToken" && error.reason, "notRedacted")
        assert.include(error.message, "Redacted.make(token)")
      })
    )
  }

  it.effect("an account id that is not a text is a typed error", () =>
    Effect.gen(function* () {
      for (const accountId of [7, secret("acc_1")]) {
        const auth = CodexAuth.fromToken({
          accessToken: secret(accessToken({})),
          accountId: accountId as unknown as string
        })
        const error = yield* Effect.flip(auth.credentials)
        assert.strictEqual(error._tag === "InvalidToken" && error.reason, "account")
      }
    })
  )

  const plain = accessToken({})
  for (const pasted of [
    ` ${plain}\n`,
    `"${plain}"`,
    `'${plain}'`,
    `Bearer ${plain}`,
    `bearer\t${plain}`,
    `"Bearer ${plain}"`,
    `Authorization: Bearer ${plain}`,
    `Bearer "${plain}"`
  ]) {
    it.effect(`a token is read out of what people paste: ${JSON.stringify(pasted.replace(plain, "…"))}`, () =>
      Effect.gen(function* () {
        const handedIn = yield* CodexAuth.fromToken({ accessToken: secret(pasted) }).credentials
        assert.strictEqual(token(handedIn), plain)
        assert.strictEqual(yield* from({ OPENAI_CODEX_ACCESS_TOKEN: pasted }), plain)
      })
    )
  }

  for (const [pasted, reason, words] of [
    ["sk-proj-planted", "apiKey", "API key"],
    ["Bearer rt_planted", "refreshToken", "refresh token"]
  ] as const) {
    it.effect(`another secret is told apart: ${reason}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(CodexAuth.fromToken({ accessToken: secret(pasted) }).credentials)
        assert.deepInclude(error, { _tag: "InvalidToken", reason })
        assert.include(error.message, words)
        assert.notInclude(error.message, "planted")
      })
    )
  }

  it.effect("a 401 for a token handed in keeps what the backend said", () =>
    Effect.gen(function* () {
      const auth = CodexAuth.fromToken({ accessToken: secret(plain) })
      const said = {
        status: 401,
        code: "token_revoked",
        serverMessage: "Your token was revoked.",
        requestId: "req_1",
        cfRay: "ray_1"
      }
      const error = yield* Effect.flip(auth.recover(yield* auth.credentials, said))
      assert.deepInclude(error, { _tag: "LoginExpired", reason: "notRefreshable", ...said })
      for (const words of ["Your token was revoked.", "req_1", "ray_1"]) assert.include(error.message, words)
    })
  )

  it.effect("an empty account id is as good as none", () =>
    Effect.gen(function* () {
      const auth = CodexAuth.fromToken({ accessToken: secret(accessToken({ account: "acc_7" })), accountId: " " })
      assert.strictEqual(Redacted.value((yield* auth.credentials).accountId), "acc_7")
    })
  )

  it.effect("a token from the environment may end with a line break", () =>
    Effect.gen(function* () {
      const auth = yield* CodexAuth.CodexAuth
      assert.strictEqual(token(yield* auth.credentials), accessToken({}))
    }).pipe(
      Effect.provide(CodexAuth.layerEnvironment),
      Effect.withConfigProvider(
        ConfigProvider.fromMap(new Map([["OPENAI_CODEX_ACCESS_TOKEN", `${accessToken({})}\n`]]))
      )
    )
  )

  it.effect("the token handed in comes first, then the environment, then the store", () =>
    Effect.gen(function* () {
      const handedIn = accessToken({ serial: "handed in" })
      const environment = accessToken({ serial: "environment" })
      const variables = { OPENAI_CODEX_ACCESS_TOKEN: environment }
      assert.strictEqual(yield* from(variables, { token: { accessToken: secret(handedIn) } }), handedIn)
      assert.strictEqual(yield* from(variables), environment)
      assert.strictEqual(yield* from({}), accessToken({ serial: "stored", expiresAt: hour }))
      for (const blank of ["", " \n"]) {
        assert.strictEqual(
          yield* from({ OPENAI_CODEX_ACCESS_TOKEN: blank }),
          accessToken({ serial: "stored", expiresAt: hour })
        )
      }
    })
  )

  it.effect("nobody logged in is an error that says how to log in", () =>
    Effect.gen(function* () {
      const auth = yield* start(yield* AuthStore.makeMemory(), scripted(rotate()).service)
      const error = yield* Effect.flip(auth.credentials)
      assert.strictEqual(error._tag, "NotLoggedIn")
      for (const words of ["codex login", "OPENAI_CODEX_ACCESS_TOKEN"]) assert.include(error.message, words)
      const file = new AuthError.NotLoggedIn({ path: "/home/a/.codex/auth.json", found: "an API key only" })
      for (const words of ["/home/a/.codex/auth.json", "an API key only", "CODEX_HOME"]) {
        assert.include(file.message, words)
      }
      assert.isTrue(AuthError.isAuthError(error))
      assert.isFalse(error.isRetryable)
    }).pipe(Effect.scoped)
  )
})

describe("refresh", () => {
  const setup = (stored: Login.Login, refresh: Refresh) =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(stored)
      const oauth = scripted(refresh)
      const auth = yield* start(store, oauth.service)
      return { store, auth, calls: oauth.calls }
    })

  it.scoped("five minutes before the end, not six", () =>
    Effect.gen(function* () {
      const { auth, calls } = yield* setup(login({ expiresAt: hour, refresh: "rt" }), rotate())
      const first = yield* auth.credentials
      yield* TestClock.adjust("54 minutes")
      assert.strictEqual(token(yield* auth.credentials), token(first))
      assert.deepStrictEqual(calls, [])
      yield* TestClock.adjust("1 minutes")
      assert.strictEqual(token(yield* auth.credentials), token(first))
      yield* beside
      assert.notStrictEqual(token(yield* auth.credentials), token(first))
      assert.deepStrictEqual(calls, ["rt proactive_expiry"])
    })
  )

  it.scoped("by the time of the last refresh when the token does not say when it ends", () =>
    Effect.gen(function* () {
      const stored = { ...login({ refresh: "rt" }), lastRefresh: 0 }
      const { auth, calls } = yield* setup(stored, rotate())
      yield* TestClock.adjust("7 days")
      yield* auth.credentials
      assert.deepStrictEqual(calls, [])
      yield* TestClock.adjust("1 days")
      yield* auth.credentials
      yield* beside
      assert.deepStrictEqual(calls, ["rt proactive_expiry"])
    })
  )

  it.scoped("once for a hundred callers, and the first one going away takes nothing with it", () =>
    Effect.gen(function* () {
      const { auth, calls, store } = yield* setup(login({ expiresAt: 0, refresh: "rt" }), rotate("2 seconds"))
      const first = yield* Effect.fork(auth.credentials)
      const rest = yield* Effect.forEach(Array.from({ length: 99 }), () => Effect.fork(auth.credentials))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("1 second")
      const all = yield* Effect.forEach(rest, Fiber.join)
      assert.strictEqual(new Set(all.map(token)).size, 1)
      assert.deepStrictEqual(calls, ["rt proactive_expiry"])
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt+")
    })
  )

  it.effect("a scope that closes during the refresh waits until the answer is stored", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { auth, store } = yield* setup(login({ expiresAt: 0, refresh: "rt" }), rotate("2 seconds")).pipe(
        Scope.extend(scope)
      )
      const caller = yield* Effect.fork(auth.credentials)
      yield* TestClock.adjust("1 second")
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* Fiber.interruptFork(caller)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt+")
    })
  )

  it.scoped("a token endpoint that never answers is given up, inside the uninterruptible part too", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const hanging: typeof fetch = (_url, init) =>
        new Promise((_resolve, reject) => {
          Deferred.unsafeDone(asked, Effect.void)
          init?.signal?.addEventListener("abort", () => reject(new Error("aborted")))
        })
      const oauth = yield* OAuth.make({ timeLimit: "30 seconds" }).pipe(
        Effect.provide(FetchHttpClient.layer.pipe(Layer.provide(Layer.succeed(FetchHttpClient.Fetch, hanging))))
      )
      const store = yield* AuthStore.makeMemory(login({ expiresAt: 0, refresh: "rt" }))
      const auth = yield* start(store, {
        ...oauth,
        refresh: (token, reason) =>
          oauth.refresh(token, reason).pipe(Effect.provideService(FetchHttpClient.Fetch, hanging))
      })
      yield* TestClock.adjust("1 minutes")
      const caller = yield* Effect.fork(Effect.flip(auth.credentials))
      yield* Deferred.await(asked)
      yield* TestClock.adjust("30 seconds")
      const error = yield* Fiber.join(caller)
      assert.deepInclude(error, { _tag: "RefreshFailed", reason: "timeout" })
      assert.isTrue(error.isRetryable)
    })
  )

  it.scoped("keeps what the answer leaves out", () =>
    Effect.gen(function* () {
      const stored = { ...login({ expiresAt: 0, refresh: "rt" }), idToken: secret("id"), accountId: secret("acc_1") }
      const { auth, store } = yield* setup(stored, () =>
        Effect.succeed({ accessToken: secret(accessToken({ serial: 2, expiresAt: hour })) })
      )
      yield* auth.credentials
      const kept = yield* store.read
      assert.strictEqual(Redacted.value(kept.refreshToken ?? secret("")), "rt")
      assert.strictEqual(Redacted.value(kept.idToken ?? secret("")), "id")
      assert.strictEqual(Redacted.value(kept.accountId ?? secret("")), "acc_1")
    })
  )

  it.scoped("stores a new refresh token even when the access token is missing from the answer", () =>
    Effect.gen(function* () {
      const { auth, store } = yield* setup(login({ expiresAt: 0, refresh: "rt" }), () =>
        Effect.succeed({ refreshToken: secret("rt_next") })
      )
      yield* TestClock.adjust("1 minutes")
      const error = yield* Effect.flip(auth.credentials)
      assert.deepInclude(error, { _tag: "RefreshFailed", reason: "answer" })
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt_next")
    })
  )

  it.scoped("stores a new refresh token even when the access token is no token", () =>
    Effect.gen(function* () {
      const { auth, store } = yield* setup(login({ expiresAt: 1000, refresh: "rt" }), () =>
        Effect.succeed({ accessToken: secret("no token"), refreshToken: secret("rt_next") })
      )
      yield* TestClock.adjust("1 minutes")
      assert.strictEqual((yield* Effect.flip(auth.credentials))._tag, "InvalidToken")
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt_next")
    })
  )

  it.scoped("a failure ahead of time does not fail the request, and is not repeated at once", () =>
    Effect.gen(function* () {
      const { auth, calls } = yield* setup(login({ expiresAt: hour, refresh: "rt" }), () =>
        Effect.fail(new AuthError.RefreshFailed({ reason: "status", status: 503 }))
      )
      yield* TestClock.adjust("56 minutes")
      for (let i = 0; i < 5; i++) {
        yield* auth.credentials
        yield* beside
      }
      assert.strictEqual(calls.length, 1)
      yield* TestClock.adjust("10 seconds")
      yield* auth.credentials
      yield* beside
      assert.strictEqual(calls.length, 2)
      yield* TestClock.adjust("4 minutes")
      const error = yield* Effect.flip(auth.credentials)
      assert.deepInclude(error, { _tag: "RefreshFailed", status: 503 })
    })
  )

  it.scoped("a failure is remembered for its time, whatever becomes of the time of day", () =>
    Effect.gen(function* () {
      const real = yield* Effect.clock
      let ahead = 10 * hour
      const time = () => real.unsafeCurrentTimeMillis() + ahead
      const jumping: Clock.Clock = {
        ...real,
        sleep: (duration) => real.sleep(duration),
        unsafeCurrentTimeMillis: time,
        unsafeCurrentTimeNanos: () => real.unsafeCurrentTimeNanos(),
        currentTimeMillis: Effect.sync(time)
      }
      let failures = 1
      const { auth, calls } = yield* setup(login({ expiresAt: 0, refresh: "rt" }), (refreshToken, reason) =>
        failures-- > 0
          ? Effect.fail(new AuthError.RefreshFailed({ reason: "network" }))
          : rotate()(refreshToken, reason)
      )
      const at = Effect.withClock(jumping)
      yield* at(Effect.flip(auth.credentials))
      ahead = 0
      yield* TestClock.adjust("4 seconds")
      // what a recovery brought is remembered, too
      const recovered = yield* at(Effect.flatMap(auth.credentials, (credentials) => auth.recover(credentials)))
      assert.deepInclude(yield* at(Effect.flip(auth.recover(recovered))), { reason: "rejected" })
      ahead = -5 * hour
      yield* TestClock.adjust("6 minutes")
      yield* at(auth.recover(recovered))
      assert.lengthOf(calls, 4)
    })
  )

  it.scoped("a short failure of the token endpoint is over within the retries of one request", () =>
    Effect.gen(function* () {
      let failures = 1
      const { auth, calls } = yield* setup(login({ expiresAt: 0, refresh: "rt" }), (refreshToken, reason) =>
        failures-- > 0
          ? Effect.fail(new AuthError.RefreshFailed({ reason: "network" }))
          : rotate()(refreshToken, reason)
      )
      yield* TestClock.adjust("1 minutes")
      // The soonest the three retries of the default policy can come: half of 1, 2 and 4 seconds after one another.
      const once = Effect.map(auth.credentials, token)
      const patient = once.pipe(
        Effect.retry(Schedule.delayed(Schedule.recurs(3), () => "0 millis")),
        Effect.catchAll(() => once.pipe(Effect.delay("3500 millis")))
      )
      const fiber = yield* Effect.fork(patient)
      yield* TestClock.adjust("3500 millis")
      assert.isNotEmpty(yield* fiber)
      assert.strictEqual(calls.length, 2)
    })
  )

  const reused: Refresh = () => Effect.fail(new AuthError.LoginExpired({ reason: "reused" }))

  it.scoped("a permanent failure is remembered until the store has another login", () =>
    Effect.gen(function* () {
      const { auth, calls, store } = yield* setup(login({ expiresAt: 0, refresh: "rt" }), reused)
      yield* TestClock.adjust("1 minutes")
      const failing = yield* Effect.fork(Effect.flip(auth.credentials))
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude(yield* Fiber.join(failing), { _tag: "LoginExpired", reason: "reused" })
      for (let i = 0; i < 3; i++) {
        assert.strictEqual((yield* Effect.flip(auth.credentials))._tag, "LoginExpired")
        yield* TestClock.adjust("1 minutes")
      }
      assert.strictEqual(calls.length, 1)
      const renewed = login({ serial: "again", expiresAt: 10 * hour, refresh: "rt_again" })
      yield* store.modify(() => Effect.succeed([undefined, renewed] as const))
      assert.strictEqual(token(yield* auth.credentials), Redacted.value(renewed.accessToken))
      assert.strictEqual(calls.length, 1)
    })
  )

  it.scoped("a login that another process stores a moment after the reuse is adopted", () =>
    Effect.gen(function* () {
      const { auth, store } = yield* setup(login({ expiresAt: 0, refresh: "rt" }), reused)
      yield* TestClock.adjust("1 minutes")
      const waiting = yield* Effect.fork(auth.credentials)
      yield* TestClock.adjust("500 millis")
      const winner = login({ serial: "winner", expiresAt: hour, refresh: "rt+" })
      yield* store.modify(() => Effect.succeed([undefined, winner] as const))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(token(yield* Fiber.join(waiting)), Redacted.value(winner.accessToken))
    })
  )

  it.scoped("the token of another account is stored, because the old one is spent, but not used", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(login({ expiresAt: 0, refresh: "rt" }))
      const oauth = scripted(() =>
        Effect.succeed({
          accessToken: secret(accessToken({ account: "acc_2", expiresAt: hour })),
          refreshToken: secret("rt_2")
        })
      )
      const auth = yield* start(store, oauth.service)
      for (let i = 0; i < 3; i++) {
        assert.strictEqual((yield* Effect.flip(auth.credentials))._tag, "AccountChanged")
        yield* TestClock.adjust("10 minutes")
      }
      assert.deepStrictEqual(oauth.calls, ["rt proactive_expiry"])
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt_2")
    })
  )

  it.scoped("a spent refresh token that another program restores is not sent again, unless it is very old", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(login({ expiresAt: 0, refresh: "0" }))
      const oauth = scripted((token) =>
        Effect.map(
          Effect.clockWith(({ currentTimeMillis }) => currentTimeMillis),
          (now) => ({
            accessToken: secret(accessToken({ issuedAt: now, expiresAt: now + hour })),
            refreshToken: secret(`${Number(Redacted.value(token)) + 1}`)
          })
        )
      )
      const signals = yield* Signals.Signals
      const auth = yield* Session.make({ store, oauth: oauth.service, signals, maxSpent: 3 })
      const refreshed = Effect.zipRight(TestClock.adjust("1 hour"), auth.credentials)
      /** The refresh token that is sent once another program has restored this one. */
      const sentAfter = (restored: number) =>
        Effect.gen(function* () {
          yield* store.replace(login({ expiresAt: 0, refresh: `${restored}` }))
          yield* refreshed
          return oauth.calls.at(-1)?.split(" ")[0]
        })
      for (let n = 0; n < 4; n++) yield* refreshed
      assert.lengthOf(oauth.calls, 4)
      assert.strictEqual(yield* sentAfter(3), "4")
      assert.strictEqual(yield* sentAfter(3), "5")
      assert.strictEqual(yield* sentAfter(2), "2")
    })
  )

  it.scoped("another account in the store is an error", () =>
    Effect.gen(function* () {
      const { auth, calls, store } = yield* setup(login({ expiresAt: hour, refresh: "rt" }), rotate())
      const mine = yield* auth.credentials
      const other = login({ account: "acc_2", expiresAt: 2 * hour, refresh: "rt_2" })
      yield* store.modify(() => Effect.succeed([undefined, other] as const))
      assert.strictEqual((yield* Effect.flip(auth.recover(mine)))._tag, "AccountChanged")
      yield* TestClock.adjust("1 hours")
      assert.strictEqual((yield* Effect.flip(auth.credentials))._tag, "AccountChanged")
      assert.deepStrictEqual(calls, [])
    })
  )

  it.scoped("a clock that is a day ahead costs one refresh, not one per request", () =>
    Effect.gen(function* () {
      const serverStart = 100 * hour
      yield* TestClock.setTime(serverStart + 24 * hour)
      let serial = 0
      const { auth, calls } = yield* setup(login({ expiresAt: serverStart + hour, refresh: "rt" }), () =>
        Effect.succeed({
          accessToken: secret(accessToken({ serial: ++serial, issuedAt: serverStart, expiresAt: serverStart + hour }))
        })
      )
      for (let i = 0; i < 5; i++) yield* auth.credentials
      assert.strictEqual(calls.length, 1)
      yield* TestClock.adjust("56 minutes")
      yield* auth.credentials
      yield* beside
      assert.strictEqual(calls.length, 2)
    })
  )

  it.scoped("a clock that is a day behind is learned at the first 401", () =>
    Effect.gen(function* () {
      const serverStart = 100 * hour
      yield* TestClock.setTime(serverStart - 24 * hour)
      let serial = 0
      const { auth, calls } = yield* setup(login({ expiresAt: serverStart, refresh: "rt" }), () =>
        Effect.succeed({
          accessToken: secret(accessToken({ serial: ++serial, issuedAt: serverStart, expiresAt: serverStart + hour }))
        })
      )
      const old = yield* auth.credentials
      yield* auth.recover(old)
      yield* TestClock.adjust("56 minutes")
      yield* auth.credentials
      yield* beside
      assert.deepStrictEqual(calls, ["rt unauthorized_recovery", "rt proactive_expiry"])
    })
  )

  it.scoped("tokens that live for less than five minutes are refreshed halfway", () =>
    Effect.gen(function* () {
      const { auth, calls } = yield* setup(login({ expiresAt: 0, refresh: "rt" }), (token) =>
        Effect.gen(function* () {
          const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
          const serial = `${Redacted.value(token)}+`
          return {
            accessToken: secret(accessToken({ serial, issuedAt: now, expiresAt: now + 2 * minute })),
            refreshToken: secret(serial)
          }
        })
      )
      for (let i = 0; i < 3; i++) yield* auth.credentials
      assert.strictEqual(calls.length, 1)
      yield* TestClock.adjust("1 minutes")
      yield* auth.credentials
      yield* beside
      assert.strictEqual(calls.length, 2)
    })
  )

  it.scoped("a login the store does not take is used and stored later", () =>
    Effect.gen(function* () {
      const memory = yield* AuthStore.makeMemory(login({ expiresAt: 0, refresh: "rt" }))
      let full = true
      const full_ = new AuthError.AuthFileUnusable({ path: "auth.json", operation: "write", reason: "ENOSPC" })
      const store: AuthStore.Service = {
        ...memory,
        modify: (change) =>
          memory.modify((stored, prepare) =>
            Effect.gen(function* () {
              const [result, next] = yield* change(stored, prepare)
              if (full && next !== stored) return yield* full_
              return [result, next] as const
            })
          )
      }
      const oauth = scripted(rotate())
      const auth = yield* start(store, oauth.service)
      const used = yield* Effect.fork(auth.credentials)
      yield* TestClock.adjust("5 seconds")
      const credentials = yield* Fiber.join(used)
      assert.strictEqual(Redacted.value((yield* memory.read).refreshToken ?? secret("")), "rt")
      yield* TestClock.adjust("56 minutes")
      yield* auth.credentials
      yield* TestClock.adjust("5 seconds")
      assert.notStrictEqual(token(yield* auth.credentials), token(credentials))
      full = false
      yield* TestClock.adjust("56 minutes")
      yield* auth.credentials
      yield* beside
      assert.strictEqual(Redacted.value((yield* memory.read).refreshToken ?? secret("")), "rt+++")
      assert.deepStrictEqual(oauth.calls, ["rt proactive_expiry", "rt+ proactive_expiry", "rt++ proactive_expiry"])
    })
  )
})

describe("a store", () => {
  it.scoped("that shows an old login again does not get its refresh token sent again", () =>
    Effect.gen(function* () {
      const old = login({ expiresAt: 0, refresh: "rt" })
      const store = yield* AuthStore.makeMemory(old)
      const oauth = scripted(rotate())
      const auth = yield* start(store, oauth.service)
      yield* auth.credentials
      for (const refreshed of ["rt++", "rt+++"]) {
        // An editor or a backup puts back what it has read before.
        yield* store.replace(old)
        yield* TestClock.adjust("56 minutes")
        yield* auth.credentials
        yield* beside
        assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), refreshed)
      }
      assert.deepStrictEqual(oauth.calls, ["rt proactive_expiry", "rt+ proactive_expiry", "rt++ proactive_expiry"])
    })
  )

  it.scoped("that only says it has stored the login costs no refresh token", () =>
    Effect.gen(function* () {
      const memory = yield* AuthStore.makeMemory(login({ expiresAt: 0, refresh: "rt" }))
      const store: AuthStore.Service = {
        ...memory,
        modify: (change) =>
          memory.modify((stored, prepare) =>
            Effect.map(change(stored, prepare), ([result]) => [result, stored] as const)
          )
      }
      const oauth = scripted(rotate())
      const auth = yield* start(store, oauth.service)
      yield* auth.credentials
      yield* TestClock.adjust("56 minutes")
      yield* auth.credentials
      yield* beside
      assert.deepStrictEqual(oauth.calls, ["rt proactive_expiry", "rt+ proactive_expiry"])
    })
  )

  it.scoped("that has no refresh token any more is not answered with an old one", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(login({ expiresAt: 0, refresh: "rt" }))
      const auth = yield* start(store, scripted(rotate()).service)
      const credentials = yield* auth.credentials
      const other = login({ expiresAt: 2 * hour, serial: "other" })
      yield* store.replace(other)
      assert.strictEqual(token(yield* auth.recover(credentials)), Redacted.value(other.accessToken))
    })
  )

  it.effect("that hangs after the response is waited for no longer than the time limit", () =>
    Effect.gen(function* () {
      const memory = yield* AuthStore.makeMemory(login({ expiresAt: 0, refresh: "rt" }))
      const mended = yield* Deferred.make<void>()
      const store: AuthStore.Service = {
        ...memory,
        modify: (change) =>
          memory.modify((stored, prepare) =>
            Effect.zipLeft(change(stored, prepare), Effect.uninterruptible(Deferred.await(mended)))
          )
      }
      const oauth = scripted(rotate())
      const scope = yield* Scope.make()
      const auth = yield* Scope.extend(start(store, oauth.service), scope)
      const caller = yield* Effect.fork(Effect.flip(auth.credentials))
      yield* TestClock.adjust("61 seconds")
      assert.deepInclude(yield* caller, { _tag: "RefreshFailed", reason: "timeout" })
      yield* Deferred.succeed(mended, undefined)
      yield* beside
      yield* auth.credentials
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(Redacted.value((yield* memory.read).refreshToken ?? secret("")), "rt+")
      assert.deepStrictEqual(oauth.calls, ["rt proactive_expiry"])
    })
  )
})

describe("while the token is valid", () => {
  /** A store whose lock is held by somebody for as long as `lock` takes. */
  const locked = (stored: Login.Login, lock: Effect.Effect<void, AuthError.LockTimeout>) =>
    Effect.gen(function* () {
      const memory = yield* AuthStore.makeMemory(stored)
      let attempts = 0
      const store: AuthStore.Service = {
        ...memory,
        modify: (change) =>
          Effect.suspend(() => {
            attempts++
            return Effect.zipRight(lock, memory.modify(change))
          })
      }
      const oauth = scripted(rotate())
      return { auth: yield* start(store, oauth.service), calls: oauth.calls, attempts: () => attempts, memory }
    })

  it.scoped("nobody waits for a lock that a stopped process holds, and the refresh goes on beside", () =>
    Effect.gen(function* () {
      const released = yield* Deferred.make<void>()
      const { attempts, auth, calls } = yield* locked(
        login({ expiresAt: hour, refresh: "rt" }),
        Deferred.await(released)
      )
      yield* TestClock.adjust("56 minutes")
      const first = yield* auth.credentials
      for (let i = 0; i < 5; i++) {
        assert.strictEqual(yield* auth.credentials, first)
        yield* TestClock.adjust("5 seconds")
      }
      assert.strictEqual(attempts(), 1)
      assert.deepStrictEqual(calls, [])
      yield* Deferred.succeed(released, undefined)
      yield* beside
      assert.notStrictEqual(token(yield* auth.credentials), token(first))
      assert.deepStrictEqual(calls, ["rt proactive_expiry"])
    })
  )

  it.scoped("a login that cannot be refreshed is used to its end, with one word in the log", () => {
    const lines: Array<string> = []
    const log = Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ message }) => {
        lines.push(String(message))
      })
    )
    return Effect.gen(function* () {
      const auth = yield* start(yield* AuthStore.makeMemory(login({ expiresAt: hour })), scripted(rotate()).service)
      yield* TestClock.adjust("56 minutes")
      for (let i = 0; i < 3; i++) {
        yield* auth.credentials
        yield* TestClock.adjust("10 seconds")
      }
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0] ?? "", "before it expires")
    }).pipe(Effect.provide(log))
  })

  it.scoped("a lock that is not free in time is remembered, like a failed refresh", () =>
    Effect.gen(function* () {
      const { attempts, auth } = yield* locked(
        login({ expiresAt: 0, refresh: "rt" }),
        Effect.delay(Effect.fail(new AuthError.LockTimeout({ path: "auth.lock", waitedMillis: 60_000 })), "1 minute")
      )
      yield* TestClock.adjust("1 minutes")
      const callers = yield* Effect.forEach(Array.from({ length: 10 }), () =>
        Effect.fork(Effect.flip(auth.credentials))
      )
      yield* TestClock.adjust("1 minutes")
      const errors = yield* Effect.forEach(callers, Fiber.join)
      assert.deepStrictEqual([...new Set(errors.map((error) => error._tag))], ["LockTimeout"])
      assert.strictEqual((yield* Effect.flip(auth.credentials))._tag, "LockTimeout")
      assert.strictEqual(attempts(), 1)
      yield* TestClock.adjust("3 seconds")
      const again = yield* Effect.fork(Effect.flip(auth.credentials))
      yield* TestClock.adjust("1 minutes")
      yield* Fiber.join(again)
      assert.strictEqual(attempts(), 2)
    })
  )
})

describe("a response that comes after the time limit", () => {
  it.scoped("is stored and used, and the token is not sent again meanwhile", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(login({ expiresAt: 0, refresh: "rt" }))
      const oauth = scripted(rotate("100 seconds"))
      const auth = yield* start(store, oauth.service)
      yield* TestClock.adjust("1 minutes")
      const caller = yield* Effect.fork(Effect.flip(auth.credentials))
      yield* TestClock.adjust("60 seconds")
      assert.deepInclude(yield* Fiber.join(caller), { _tag: "RefreshFailed", reason: "timeout" })
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude(yield* Effect.flip(auth.credentials), { _tag: "RefreshFailed", reason: "timeout" })
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt+")
      assert.strictEqual(token(yield* auth.credentials), Redacted.value((yield* store.read).accessToken))
      assert.deepStrictEqual(oauth.calls, ["rt proactive_expiry"])
    })
  )

  it.effect("does not keep the program from ending, and is stored after it has", () => {
    const lines: Array<string> = []
    const log = Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ message }) => {
        lines.push(String(message))
      })
    )
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const store = yield* AuthStore.makeMemory(login({ expiresAt: 0, refresh: "rt" }))
      const auth = yield* Scope.extend(start(store, scripted(rotate("100 seconds")).service), scope)
      yield* TestClock.adjust("1 minutes")
      const caller = yield* Effect.fork(auth.credentials)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interruptFork(caller)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("60 seconds")
      yield* Fiber.join(closing)
      assert.include(lines.join(), "did not respond before the program ended")
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt+")
    }).pipe(Effect.provide(log))
  })
})

describe("a refresh that cannot be stored", () => {
  const full = new AuthError.AuthFileUnusable({ path: "auth.json", operation: "write", reason: "ENOSPC" })

  it.scoped("is not sent", () =>
    Effect.gen(function* () {
      const memory = yield* AuthStore.makeMemory(login({ expiresAt: 0, refresh: "rt" }))
      const oauth = scripted(rotate())
      const auth = yield* start(
        { ...memory, modify: (change) => memory.modify((stored) => change(stored, Effect.fail(full))) },
        oauth.service
      )
      yield* TestClock.adjust("1 minutes")
      for (let i = 0; i < 3; i++) {
        assert.deepInclude(yield* Effect.flip(auth.credentials), { _tag: "AuthFileUnusable", reason: "ENOSPC" })
      }
      assert.deepStrictEqual(oauth.calls, [])
    })
  )

  it.effect("after all is said aloud when the program ends", () => {
    const lines: Array<string> = []
    const log = Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ logLevel, message }) => {
        lines.push(`${logLevel.label} ${message}`)
      })
    )
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const memory = yield* AuthStore.makeMemory(login({ expiresAt: 0, refresh: "rt" }))
      const auth = yield* Scope.extend(
        start(
          {
            ...memory,
            modify: (change) =>
              memory.modify((stored, prepare) =>
                Effect.flatMap(change(stored, prepare), ([result, next]) =>
                  next === stored ? Effect.succeed([result, next] as const) : Effect.fail(full)
                )
              )
          },
          scripted(rotate()).service
        ),
        scope
      )
      yield* TestClock.adjust("1 minutes")
      const caller = yield* Effect.fork(auth.credentials)
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(caller)
      lines.length = 0
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0] ?? "", /^ERROR .*could not be stored.*Log in again.*ENOSPC/)
    }).pipe(Effect.provide(log))
  })
})

describe("a refusal of the token endpoint", () => {
  const refusing: Refresh = () =>
    Effect.fail(
      new AuthError.RefreshFailed({ reason: "refused", status: 403, serverMessage: "Your region is not supported." })
    )

  it.scoped("is final: the same refresh token is not sent again, not after a 401 either", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(login({ expiresAt: hour, refresh: "rt" }))
      const oauth = scripted(refusing)
      const auth = yield* start(store, oauth.service)
      yield* TestClock.adjust("56 minutes")
      const credentials = yield* auth.credentials
      yield* beside
      for (let i = 0; i < 3; i++) {
        const error = yield* Effect.flip(auth.recover(credentials))
        assert.deepInclude(error, { _tag: "RefreshFailed", reason: "refused", status: 403, isRetryable: false })
        assert.include(error.message, "Your region is not supported.")
        yield* TestClock.adjust("30 seconds")
      }
      assert.deepStrictEqual(oauth.calls, ["rt proactive_expiry"])
      yield* TestClock.adjust("5 minutes")
      yield* Effect.flip(auth.recover(credentials))
      assert.strictEqual(oauth.calls.length, 2)
    })
  )

  it.scoped("is the same for everybody, and nobody's facts get into it", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(login({ expiresAt: hour, refresh: "rt" }))
      const auth = yield* start(store, scripted(refusing).service)
      const credentials = yield* auth.credentials
      const errors = yield* Effect.all([
        Effect.flip(auth.recover(credentials, { status: 401, requestId: "req_1" })),
        Effect.flip(auth.recover(credentials, { status: 401, requestId: "req_2" }))
      ])
      for (const error of errors) {
        assert.isUndefined(error.requestId)
        assert.strictEqual(error.status, 403)
      }
    })
  )
})

describe("recover", () => {
  it.scoped("refreshes once for a backend that refuses whatever it gets, not once per request", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(login({ serial: 1, expiresAt: 10 * hour, refresh: "rt" }))
      const oauth = scripted(rotate())
      const auth = yield* start(store, oauth.service)
      const recovered = yield* auth.recover(yield* auth.credentials)
      for (let i = 0; i < 5; i++) {
        const said = { status: 401, code: "no_access", serverMessage: "Not for you.", requestId: `req_${i}` }
        const error = yield* Effect.flip(auth.recover(yield* auth.credentials, said))
        assert.deepInclude(error, { _tag: "LoginExpired", reason: "rejected", ...said })
        assert.strictEqual(token(yield* auth.credentials), token(recovered))
        yield* TestClock.adjust("50 seconds")
      }
      assert.strictEqual(oauth.calls.length, 1)
      yield* TestClock.adjust("1 minutes")
      yield* auth.recover(recovered)
      assert.strictEqual(oauth.calls.length, 2)
    })
  )

  it.scoped("adopts what another process stores for such a backend, but does not refresh that either", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(login({ serial: 1, expiresAt: 10 * hour, refresh: "rt" }))
      const oauth = scripted(rotate())
      const auth = yield* start(store, oauth.service)
      const recovered = yield* auth.recover(yield* auth.credentials)
      const newer = login({ serial: "of another process", expiresAt: 10 * hour, refresh: "rt_other" })
      yield* store.modify(() => Effect.succeed([undefined, newer] as const))
      const adopted = yield* auth.recover(recovered)
      assert.strictEqual(token(adopted), Redacted.value(newer.accessToken))
      assert.deepInclude(yield* Effect.flip(auth.recover(adopted)), { _tag: "LoginExpired", reason: "rejected" })
      assert.strictEqual(oauth.calls.length, 1)
    })
  )

  it.scoped("refreshes a login that is only a moment old, once", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory({
        ...login({ serial: 1, expiresAt: hour, refresh: "rt" }),
        lastRefresh: 0
      })
      const oauth = scripted(rotate())
      const auth = yield* start(store, oauth.service)
      yield* auth.recover(yield* auth.credentials)
      assert.deepStrictEqual(oauth.calls, ["rt unauthorized_recovery"])
    })
  )

  it.scoped("adopts a newer token of the same account without any request", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(login({ serial: 1, expiresAt: hour, refresh: "rt" }))
      const oauth = scripted(rotate())
      const auth = yield* start(store, oauth.service)
      const rejected = yield* auth.credentials
      const newer = login({ serial: 2, expiresAt: 2 * hour, refresh: "rt+" })
      yield* store.modify(() => Effect.succeed([undefined, newer] as const))
      assert.strictEqual(token(yield* auth.recover(rejected)), Redacted.value(newer.accessToken))
      assert.deepStrictEqual(oauth.calls, [])
    })
  )

  it.scoped("does not adopt a token from the store that has ended itself", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(login({ serial: 1, expiresAt: hour, refresh: "rt" }))
      const oauth = scripted(rotate())
      const auth = yield* start(store, oauth.service)
      const rejected = yield* auth.credentials
      const older = login({ serial: 0, expiresAt: minute, refresh: "rt_older" })
      yield* store.modify(() => Effect.succeed([undefined, older] as const))
      yield* TestClock.adjust("2 minutes")
      assert.notStrictEqual(token(yield* auth.recover(rejected)), Redacted.value(older.accessToken))
      assert.deepStrictEqual(oauth.calls, ["rt_older unauthorized_recovery"])
    })
  )

  it.scoped("else refreshes, once for all requests that were refused together", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(login({ serial: 1, expiresAt: hour, refresh: "rt" }))
      const oauth = scripted(rotate("1 second"))
      const auth = yield* start(store, oauth.service)
      const rejected = yield* auth.credentials
      const recovering = yield* Effect.forEach(Array.from({ length: 10 }), () => Effect.fork(auth.recover(rejected)))
      yield* TestClock.adjust("1 second")
      const recovered = yield* Effect.forEach(recovering, Fiber.join)
      assert.strictEqual(new Set(recovered.map(token)).size, 1)
      assert.deepStrictEqual(oauth.calls, ["rt unauthorized_recovery"])
    })
  )

  it.scoped("else fails: without a refresh token there is nothing to do", () =>
    Effect.gen(function* () {
      const auth = yield* start(yield* AuthStore.makeMemory(login({ expiresAt: hour })), scripted(rotate()).service)
      const error = yield* Effect.flip(auth.recover(yield* auth.credentials))
      assert.deepInclude(error, { _tag: "LoginExpired", reason: "notRefreshable" })
    })
  )
})
