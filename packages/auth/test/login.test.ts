import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { inspect } from "node:util"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { Script, ScriptedBackend } from "@effect-codex/testing"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import {
  AuthError,
  AuthStore,
  BrowserLogin,
  CallbackServer,
  CodexAuth,
  DeviceLogin,
  type Login,
  LoginInteraction,
  Logout,
  OAuth
} from "../src/index.ts"
import * as Node from "../src/node.ts"
import { accessToken, secret } from "./support/jwt.ts"
import { recordingTracer } from "./support/tracing.ts"

interface Seen {
  readonly path: string
  readonly body: Record<string, string>
}

/** A login server that answers what `reply` says, and what it was asked. */
const loginServer = (reply: (seen: Seen) => { readonly status?: number; readonly body?: unknown }) => {
  const seen: Array<Seen> = []
  const backend = ScriptedBackend.layer(({ body: received, path }) => {
    const body = typeof received === "string" ? Object.fromEntries(new URLSearchParams(received)) : received
    const request = { path, body: body as Seen["body"] }
    seen.push(request)
    const { status = 200, body: answer = {} } = reply(request)
    return Script.status(status, { body: answer })
  })
  return { seen, layer: Layer.provide(OAuth.layer(), backend) }
}

const granted = {
  access_token: accessToken({ account: "acc_1", expiresAt: 3_600_000 }),
  refresh_token: "rt_new",
  id_token: accessToken({ account: "acc_1" })
}

const old: Login.Login = { accessToken: secret(accessToken({})), refreshToken: secret("rt_old") }

/** A person who follows instructions. */
const person = Effect.gen(function* () {
  const pages = yield* Queue.unbounded<string>()
  const prompts = yield* Queue.unbounded<{ readonly verificationUrl: string; readonly userCode: string }>()
  const pasted = yield* Queue.unbounded<string>()
  const problems: Array<string> = []
  const layer = Layer.succeed(LoginInteraction.LoginInteraction, {
    openPage: (url) => Effect.asVoid(Queue.offer(pages, url)),
    showDeviceCode: (prompt) => Effect.asVoid(Queue.offer(prompts, prompt)),
    pastedCode: (problem) => {
      if (problem !== undefined) problems.push(problem)
      return Queue.take(pasted)
    }
  })
  return { pages, prompts, pasted, problems, layer }
})

describe("BrowserLogin", () => {
  /** A login that waits for its callback, over real HTTP. */
  const waiting = (options?: {
    readonly reply?: Parameters<typeof loginServer>[0]
    readonly login?: BrowserLogin.Options
    readonly ports?: ReadonlyArray<number>
  }) =>
    Effect.gen(function* () {
      const { pages, layer, pasted, problems } = yield* person
      const server = loginServer(options?.reply ?? (() => ({ body: granted })))
      const store = yield* AuthStore.makeMemory(old)
      const fiber = yield* BrowserLogin.login(options?.login).pipe(
        Effect.provide([
          layer,
          server.layer,
          Layer.succeed(AuthStore.AuthStore, store),
          Node.layerCallbackServer(options?.ports ?? [0])
        ]),
        Effect.forkScoped
      )
      const opened = yield* Effect.raceFirst(Queue.take(pages), Effect.zipRight(Fiber.join(fiber), Effect.never))
      const { searchParams } = new URL(opened)
      const redirectUri = searchParams.get("redirect_uri") ?? ""
      const state = searchParams.get("state") ?? ""
      const visit = (query: string, init?: RequestInit) =>
        Effect.promise(async () => {
          const response = await fetch(redirectUri + query, init)
          return { status: response.status, headers: response.headers, html: await response.text() }
        })
      return { fiber, store, seen: server.seen, searchParams, redirectUri, state, visit, pasted, problems }
    })

  it.scopedLive("sends the person to the right page and stores what the code is worth", () =>
    Effect.gen(function* () {
      const { fiber, store, seen, searchParams, redirectUri, state, visit } = yield* waiting({
        login: { workspaces: ["acc_0", "acc_1"] }
      })
      assert.deepInclude(Object.fromEntries(searchParams), {
        response_type: "code",
        client_id: "app_EMoamEEZ73f0CkXaXp7hrann",
        scope: "openid profile email offline_access",
        code_challenge_method: "S256",
        id_token_add_organizations: "true",
        codex_cli_simplified_flow: "true",
        originator: "effect-codex",
        allowed_workspace_id: "acc_0,acc_1"
      })
      assert.match(redirectUri, /^http:\/\/127\.0\.0\.1:\d+\/auth\/callback$/)
      assert.isAtLeast(state.length, 43)

      const { status, html, headers } = yield* visit(`?code=the-code&state=${state}`)
      assert.strictEqual(status, 200)
      assert.include(html, "You are logged in")
      assert.notMatch(html, /https?:|<script|<img|<link|src=/)
      assert.include(headers.get("content-security-policy") ?? "", "default-src 'none'")

      const credentials = yield* Fiber.join(fiber)
      assert.strictEqual(Redacted.value(credentials.accountId), "acc_1")
      const stored = yield* store.read
      assert.strictEqual(Redacted.value(stored.refreshToken ?? secret("")), "rt_new")
      assert.strictEqual(Redacted.value(stored.accountId ?? secret("")), "acc_1")
      assert.isDefined(stored.lastRefresh)

      const [exchange, revoke] = seen
      assert.strictEqual(exchange?.path, "/oauth/token")
      const { code_verifier = "", ...form } = exchange?.body ?? {}
      assert.deepStrictEqual(form, {
        grant_type: "authorization_code",
        client_id: "app_EMoamEEZ73f0CkXaXp7hrann",
        code: "the-code",
        redirect_uri: redirectUri
      })
      const challenge = createHash("sha256").update(code_verifier).digest("base64url")
      assert.strictEqual(searchParams.get("code_challenge"), challenge)
      assert.deepStrictEqual(revoke, {
        path: "/oauth/revoke",
        body: { token: "rt_old", token_type_hint: "refresh_token", client_id: "app_EMoamEEZ73f0CkXaXp7hrann" }
      })
    })
  )

  const rejected = (login: BrowserLogin.Options, tokens: object = granted) =>
    Effect.gen(function* () {
      const { fiber, seen, state, store, visit } = yield* waiting({ login, reply: () => ({ body: tokens }) })
      const { html } = yield* visit(`?code=the-code&state=${state}`)
      assert.include(html, "The login failed")
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.deepInclude(error, { _tag: "LoginFailed", reason: "workspace" })
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt_old")
      assert.deepInclude(seen[1], { path: "/oauth/revoke" })
      assert.strictEqual(seen[1]?.body["token"], "rt_new")
    })

  it.scopedLive("keeps no login of a workspace that is not allowed, and revokes it", () =>
    rejected({ workspaces: ["acc_allowed"] })
  )

  it.scopedLive("is not talked out of that by an ID token", () =>
    rejected({ workspaces: ["acc_1"] }, { ...granted, access_token: accessToken({ account: "acc_2" }) })
  )

  it.effect("lets nobody in when no workspace is allowed, and asks nobody", () =>
    Effect.gen(function* () {
      const { layer, pages } = yield* person
      const error = yield* BrowserLogin.login({ workspaces: [] }).pipe(
        Effect.provide([
          layer,
          loginServer(() => ({})).layer,
          AuthStore.layerMemory(old),
          Node.layerCallbackServer([0])
        ]),
        Effect.flip
      )
      assert.deepInclude(error, { _tag: "LoginFailed", reason: "workspace" })
      assert.strictEqual(yield* Queue.size(pages), 0)
    })
  )

  it.scopedLive("writes the code into no span", () => {
    const written: Array<string> = []
    const tracer = recordingTracer(
      (...values) => void written.push(...values.map((value) => inspect(value, { depth: 9 })))
    )
    return Effect.gen(function* () {
      const { fiber, state, visit } = yield* waiting()
      yield* visit(`?code=planted-code&state=${state}`)
      yield* Fiber.join(fiber)
      assert.include(written.join(), "BrowserLogin.login")
      assert.notInclude(written.join("\n"), "planted-code")
      assert.notInclude(written.join("\n"), state)
    }).pipe(Effect.withTracer(tracer))
  })

  it.scopedLive("refuses everything else and goes on listening", () =>
    Effect.gen(function* () {
      const { fiber, redirectUri, state, visit, seen } = yield* waiting()
      const favicon = yield* Effect.promise(() => fetch(new URL("/favicon.ico", redirectUri)))
      assert.strictEqual(favicon.status, 404)
      for (const query of ["", "?code=x", "?code=x&state=wrong", `?code=x&state=${state}x`, "?error=access_denied"]) {
        const { status, html } = yield* visit(query)
        assert.strictEqual(status, 400)
        assert.include(html, "another login")
      }
      assert.strictEqual((yield* visit(`?state=${state}`)).status, 400)
      assert.strictEqual((yield* visit(`?code=x&state=${state}`, { method: "HEAD" })).status, 405)
      assert.strictEqual((yield* visit(`?code=x&state=${state}`, { method: "POST" })).status, 405)
      assert.strictEqual((yield* visit(`?code=${"x".repeat(1_000_000)}&state=${state}`)).status, 431)
      assert.deepStrictEqual(seen, [])
      assert.strictEqual((yield* visit(`?code=right&state=${state}`)).status, 200)
      yield* Fiber.join(fiber)
    })
  )

  it.scopedLive("is held up by nobody who connects and sends half a request, or reads no page", () =>
    Effect.gen(function* () {
      const { fiber, redirectUri, state, visit } = yield* waiting()
      const { port } = new URL(redirectUri)
      const request = `GET /auth/callback?code=x&state=${state} HTTP/1.1\r\nhost: x\r\n`
      const starts = [
        "",
        "GET /auth",
        request,
        `${request}content-length: 9\r\n\r\n`.replace("GET", "POST"),
        "\u0000".repeat(99)
      ]
      const ends = yield* Effect.forEach(starts, (start) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const socket = Net.connect({ host: "127.0.0.1", port: Number(port) }).on("error", () => {})
            socket.write(start)
            return socket
          }),
          (socket) => Effect.sync(() => socket.destroy())
        ).pipe(
          Effect.flatMap((socket) =>
            Effect.forkScoped(
              Effect.async<void>((resume) => {
                socket.resume().once("close", () => resume(Effect.void))
              })
            )
          )
        )
      )
      assert.strictEqual((yield* visit(`?code=right&state=${state}`)).status, 200)
      yield* Fiber.join(fiber)
      yield* Effect.forEach(ends, Fiber.join)
    })
  )

  it.scopedLive("takes one code: a prefetch and the visit itself see the same page", () =>
    Effect.gen(function* () {
      const { fiber, state, visit, seen } = yield* waiting()
      const visits = yield* Effect.all(
        [
          visit(`?code=one&state=${state}`, { headers: { "sec-purpose": "prefetch" } }),
          visit(`?code=one&state=${state}`),
          visit(`?code=two&state=${state}`)
        ],
        { concurrency: "unbounded" }
      )
      for (const { html } of visits) assert.include(html, "You are logged in")
      yield* Fiber.join(fiber)
      assert.strictEqual(seen.filter(({ path }) => path === "/oauth/token").length, 1)
    })
  )

  it.scopedLive("ends when the server refuses, and shows why without running it", () =>
    Effect.gen(function* () {
      const { fiber, state, store, visit } = yield* waiting()
      const description = encodeURIComponent("missing_codex_entitlement <script>alert(1)</script>")
      const { html } = yield* visit(`?error=access_denied&error_description=${description}&state=${state}`)
      assert.include(html, "missing_codex_entitlement")
      assert.notInclude(html, "<script>")
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.deepInclude(error, { _tag: "LoginFailed", reason: "denied" })
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt_old")
    })
  )

  it.scopedLive("shows the person too when the code is worth nothing", () =>
    Effect.gen(function* () {
      const { fiber, state, visit } = yield* waiting({
        reply: () => ({ status: 400, body: { error: "invalid_grant", error_description: "code expired" } })
      })
      const { html } = yield* visit(`?code=x&state=${state}`)
      assert.include(html, "The login failed")
      assert.include(html, "code expired")
      assert.deepInclude(yield* Effect.flip(Fiber.join(fiber)), { _tag: "LoginFailed", reason: "exchange" })
    })
  )

  it.scopedLive("shows nobody the secrets that the server repeats", () =>
    Effect.gen(function* () {
      const { fiber, state, visit } = yield* waiting({
        reply: ({ body }) => ({
          status: 400,
          body: { error: "invalid_grant", error_description: `no ${body["code"]} with ${body["code_verifier"]}` }
        })
      })
      const { html } = yield* visit(`?code=planted&state=${state}`)
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.include(error.message, "no <redacted> with <redacted>")
      assert.include(html, "no &#60;redacted&#62; with &#60;redacted&#62;")
    })
  )

  it.scopedLive("refuses an address that is none, and goes on", () =>
    Effect.gen(function* () {
      const { fiber, redirectUri, state, visit } = yield* waiting()
      const answer = yield* Effect.async<string>((resume) => {
        const socket = Net.connect(Number(new URL(redirectUri).port), "127.0.0.1", () =>
          socket.end("GET // HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        )
        let text = ""
        socket.on("data", (data) => (text += data))
        socket.on("close", () => resume(Effect.succeed(text)))
      })
      assert.match(answer, /^HTTP\/1.1 404 /)
      yield* visit(`?code=the-code&state=${state}`)
      yield* Fiber.join(fiber)
    })
  )

  it.scopedLive("takes the address pasted by hand, and says what is wrong with another one", () =>
    Effect.gen(function* () {
      const { fiber, pasted, problems, redirectUri, state, seen } = yield* waiting()
      yield* Queue.offer(pasted, "  ")
      yield* Queue.offer(pasted, `${redirectUri}?code=x&state=other`)
      yield* Queue.offer(pasted, `${redirectUri}?code=by-hand&state=${state}\n`)
      yield* Fiber.join(fiber)
      assert.strictEqual(problems.length, 2)
      assert.include(problems[1] ?? "", "another login")
      assert.strictEqual(seen[0]?.body["code"], "by-hand")
    })
  )

  it.scopedLive("takes the bare code too", () =>
    Effect.gen(function* () {
      const { fiber, pasted, seen } = yield* waiting()
      yield* Queue.offer(pasted, "bare-code")
      yield* Fiber.join(fiber)
      assert.strictEqual(seen[0]?.body["code"], "bare-code")
    })
  )

  it.scopedLive("gives up after a while and frees the port", () =>
    Effect.gen(function* () {
      const { fiber, redirectUri } = yield* waiting({ login: { timeLimit: "50 millis" } })
      assert.deepInclude(yield* Effect.flip(Fiber.join(fiber)), { _tag: "LoginFailed", reason: "timeout" })
      const gone = yield* Effect.promise(() =>
        fetch(redirectUri).then(
          () => false,
          () => true
        )
      )
      assert.isTrue(gone)
    })
  )

  const occupy = Effect.acquireRelease(
    Effect.async<Net.Server>((resume) => {
      const server = Net.createServer()
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(Effect.map((server) => (server.address() as Net.AddressInfo).port))

  it.scopedLive("tries the next port when the first is taken, and says so when all are", () =>
    Effect.gen(function* () {
      const taken = yield* occupy
      const { fiber, redirectUri } = yield* waiting({ ports: [taken, 0] })
      assert.notInclude(redirectUri, `:${taken}/`)
      yield* Fiber.interrupt(fiber)
      const error = yield* Effect.flip(waiting({ ports: [taken] }))
      assert.deepInclude(error, { _tag: "LoginFailed", reason: "ports" })
      assert.deepStrictEqual(CallbackServer.ports, [1455, 1457])
    })
  )
})

describe("DeviceLogin", () => {
  const start = (reply: Parameters<typeof loginServer>[0]) =>
    Effect.gen(function* () {
      const { prompts, layer } = yield* person
      const server = loginServer(reply)
      const store = yield* AuthStore.makeMemory()
      const fiber = yield* DeviceLogin.login().pipe(
        Effect.provide([layer, server.layer, Layer.succeed(AuthStore.AuthStore, store)]),
        Effect.fork
      )
      return { fiber, prompts, seen: server.seen, store }
    })
  const device = { device_auth_id: "da_1", user_code: "ABCD-1234", interval: "5" }
  const code = { authorization_code: "ac_1", code_challenge: "c", code_verifier: "v_1" }

  it.effect("shows the code and asks every five seconds until it is entered", () =>
    Effect.gen(function* () {
      const polls: Array<number> = []
      const { fiber, prompts, seen, store } = yield* start(({ path }) => {
        if (path.endsWith("usercode")) return { body: device }
        if (path.endsWith("deviceauth/token")) {
          polls.push(polls.length)
          return polls.length === 1 ? { status: 403 } : polls.length === 2 ? { status: 404 } : { body: code }
        }
        return { body: granted }
      })
      assert.deepInclude(yield* Queue.take(prompts), {
        userCode: "ABCD-1234",
        verificationUrl: "https://auth.openai.com/codex/device"
      })
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(polls.length, 0)
      yield* TestClock.adjust("11 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        seen.map(({ path }) => path),
        [
          "/api/accounts/deviceauth/usercode",
          "/api/accounts/deviceauth/token",
          "/api/accounts/deviceauth/token",
          "/api/accounts/deviceauth/token",
          "/oauth/token"
        ]
      )
      assert.deepStrictEqual(seen[1]?.body, { device_auth_id: "da_1", user_code: "ABCD-1234" })
      assert.deepInclude(seen[4]?.body, {
        code: "ac_1",
        code_verifier: "v_1",
        redirect_uri: "https://auth.openai.com/deviceauth/callback"
      })
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt_new")
    })
  )

  it.effect("prints no escape sequence of the server", () =>
    Effect.gen(function* () {
      const { prompts } = yield* start(() => ({ body: { ...device, user_code: "AB\u001b[2J\u202eCD\n-12" } }))
      assert.strictEqual((yield* Queue.take(prompts)).userCode, "ABCD -12")
    })
  )

  it.effect("slows down when told to", () =>
    Effect.gen(function* () {
      let polls = 0
      const { fiber } = yield* start(({ path }) => {
        if (path.endsWith("usercode")) return { body: { ...device, interval: 2 } }
        if (!path.endsWith("deviceauth/token")) return { body: granted }
        return ++polls === 1 ? { status: 400, body: { error: { code: "slow_down" } } } : { body: code }
      })
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(polls, 1)
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual(polls, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(polls, 2)
      yield* Fiber.join(fiber)
    })
  )

  it.effect("survives what may pass while it asks", () =>
    Effect.gen(function* () {
      const passing = [500, 502, 503, 529, 408, 429]
      const answers = [...passing]
      const { fiber, store } = yield* start(({ path }) => {
        if (path.endsWith("usercode")) return { body: device }
        if (!path.endsWith("deviceauth/token")) return { body: granted }
        const status = answers.shift()
        return status === undefined ? { body: code } : { status }
      })
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(fiber)
      assert.strictEqual(Redacted.value((yield* store.read).refreshToken ?? secret("")), "rt_new")
    })
  )

  for (const [what, interval, seconds] of [
    ["in no time", "0", 5],
    ["in next to no time", 0.001, 1],
    ["never", "1e9", 60],
    ["in words", "soon", 5],
    ["in an object", {}, 5],
    ["backwards", -3, 5]
  ] as const) {
    it.effect(`keeps to a sensible pace when told to ask ${what}`, () =>
      Effect.gen(function* () {
        let polls = 0
        const { fiber } = yield* start(({ path }) => {
          if (path.endsWith("usercode")) return { body: { ...device, interval } }
          if (!path.endsWith("deviceauth/token")) return { body: granted }
          return ++polls < 4 ? { status: 403 } : { body: code }
        })
        for (let i = 1; i <= 4; i++) {
          yield* TestClock.adjust(seconds * 1000 - 1)
          assert.strictEqual(polls, i - 1)
          yield* TestClock.adjust(1)
          assert.strictEqual(polls, i)
        }
        yield* Fiber.join(fiber)
      })
    )
  }

  it.effect("keeps no login of a workspace that is not allowed", () =>
    Effect.gen(function* () {
      const { layer } = yield* person
      const server = loginServer(({ path }) =>
        path.endsWith("usercode")
          ? { body: device }
          : path.endsWith("deviceauth/token")
            ? { body: code }
            : { body: granted }
      )
      const fiber = yield* DeviceLogin.login({ workspaces: ["acc_allowed"] }).pipe(
        Effect.provide([layer, server.layer, AuthStore.layerMemory()]),
        Effect.flip,
        Effect.fork
      )
      yield* TestClock.adjust("5 seconds")
      assert.deepInclude(yield* Fiber.join(fiber), { _tag: "LoginFailed", reason: "workspace" })
    })
  )

  const fails = (
    reply: Parameters<typeof loginServer>[0],
    expected: Partial<AuthError.LoginFailed>,
    after: "0 millis" | "5 seconds" | "15 minutes"
  ) =>
    Effect.gen(function* () {
      const { fiber } = yield* start(reply)
      yield* TestClock.adjust(after)
      assert.deepInclude(yield* Effect.flip(Fiber.join(fiber)), expected)
    })

  it.effect("is over after fifteen minutes", () =>
    fails(
      ({ path }) => (path.endsWith("usercode") ? { body: device } : { status: 403 }),
      { reason: "timeout" },
      "15 minutes"
    )
  )
  it.effect("says when the server has no device login", () =>
    fails(() => ({ status: 404 }), { reason: "unsupported" }, "0 millis")
  )
  for (const [status, said, reason] of [
    [403, { error: "access_denied" }, "denied"],
    [400, { error: { code: "access_denied", message: "Refused by the person." } }, "denied"],
    [400, { error: "expired_token" }, "timeout"]
  ] as const) {
    it.effect(`ends at once when the server says ${JSON.stringify(said)}`, () =>
      fails(
        ({ path }) => (path.endsWith("usercode") ? { body: device } : { status, body: said }),
        { reason },
        "5 seconds"
      )
    )
  }
  for (const [status, isRetryable, words] of [
    [
      403,
      false,
      "the login server refused the request (HTTP 403). Check the network, the region and the account, then start it again."
    ],
    [429, true, "the login server responded with HTTP 429. Start it again in a moment."],
    [503, true, "the login server responded with HTTP 503. Start it again in a moment."],
    [200, false, "the login server did not return what it was asked for. Start it again."]
  ] as const) {
    it(`says what became of the login at HTTP ${status}, and whether it can work later`, () => {
      const error = new AuthError.LoginFailed({ reason: "exchange", status, serverMessage: "Not here." })
      assert.strictEqual(error.message, `The login failed: ${words} The server says: Not here.`)
      assert.strictEqual(error.isRetryable, isRetryable)
    })
  }
  it.effect("stops at an answer nobody knows", () =>
    fails(
      ({ path }) => (path.endsWith("usercode") ? { body: device } : { status: 400, body: { error: "unknown_word" } }),
      { reason: "exchange", code: "unknown_word" },
      "5 seconds"
    )
  )
})

describe("on one file", () => {
  const refreshed = {
    access_token: accessToken({ account: "acc_1", serial: "refreshed" }),
    refresh_token: "rt_refreshed"
  }

  /** A refresh that waits for its answer, and the login server of everybody. */
  const setup = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    const file = `${directory}/auth.json`
    yield* fs.writeFileString(
      file,
      JSON.stringify({ tokens: { access_token: accessToken({ expiresAt: 1000 }), refresh_token: "rt_old" } }),
      { mode: 0o600 }
    )
    const sent = yield* Deferred.make<void>()
    const answer = yield* Deferred.make<void>()
    let logins = 0
    const server = loginServer(({ body, path }) => {
      if (path.endsWith("usercode")) return { body: { device_auth_id: "da", user_code: "AB", interval: 0.1 } }
      if (path.endsWith("deviceauth/token")) return { body: { authorization_code: "ac", code_verifier: "v" } }
      if (body["grant_type"] === "refresh_token") return { body: refreshed }
      return { body: { ...granted, refresh_token: `rt_login_${++logins}` } }
    })
    const oauth = yield* Effect.map(Layer.build(server.layer), (context) => Context.get(context, OAuth.OAuth))
    const slow: OAuth.Service = {
      ...oauth,
      refresh: (...args) =>
        Deferred.succeed(sent, undefined).pipe(
          Effect.zipRight(Deferred.await(answer)),
          Effect.zipRight(oauth.refresh(...args))
        )
    }
    /** As in another process. */
    const store = Effect.map(Layer.build(Node.layerStore({ file })), (context) =>
      Context.get(context, AuthStore.AuthStore)
    )
    const login = (store: AuthStore.Service) =>
      Effect.flatMap(person, ({ layer }) =>
        DeviceLogin.login().pipe(
          Effect.asVoid,
          Effect.provide([
            layer,
            Layer.succeed(AuthStore.AuthStore, store),
            Layer.succeed(OAuth.OAuth, {
              ...oauth,
              deviceCode: Effect.map(oauth.deviceCode, (c) => ({ ...c, interval: 0.01 }))
            })
          ])
        )
      )
    const logout = (store: AuthStore.Service) =>
      Logout.logout.pipe(Effect.provide([Layer.succeed(AuthStore.AuthStore, store), Layer.succeed(OAuth.OAuth, oauth)]))
    const revoked = () => server.seen.flatMap(({ body, path }) => (path === "/oauth/revoke" ? [body["token"]] : []))
    const spent = () =>
      server.seen.flatMap(({ body }) => (body["grant_type"] === "refresh_token" ? [body["refresh_token"]] : []))
    const stored = Effect.map(
      Effect.option(fs.readFileString(file)),
      Option.map((text) => JSON.parse(text).tokens.refresh_token)
    )
    return { sent, answer, slow, store, login, logout, revoked, spent, stored }
  }).pipe(Effect.provide(NodeContext.layer), Effect.orDie)

  for (const isOther of [false, true]) {
    const where = isOther ? "another process" : "this process"
    for (const what of ["login", "logout"] as const) {
      it.scopedLive(`a ${what} of ${where} waits for a refresh, and nothing of it is left`, () =>
        Effect.gen(function* () {
          const world = yield* setup
          const store = yield* world.store
          const auth = yield* CodexAuth.makeStore.pipe(
            Effect.provideService(AuthStore.AuthStore, store),
            Effect.provideService(OAuth.OAuth, world.slow)
          )
          const caller = yield* Effect.fork(auth.credentials)
          yield* Deferred.await(world.sent)
          const other = yield* Effect.fork(world[what](isOther ? yield* world.store : store))
          yield* Effect.sleep("100 millis")
          assert.deepStrictEqual(world.revoked(), [])
          yield* Deferred.succeed(world.answer, undefined)
          assert.strictEqual(Redacted.value((yield* caller).accessToken), refreshed.access_token)
          yield* Fiber.join(other)
          assert.deepStrictEqual(world.revoked(), ["rt_refreshed"])
          assert.deepStrictEqual(world.spent(), ["rt_old"])
          assert.deepStrictEqual(yield* world.stored, what === "login" ? Option.some("rt_login_1") : Option.none())
        })
      )
    }

    it.scopedLive(`two logins at once, one of them of ${where}, leave one, and the other is revoked`, () =>
      Effect.gen(function* () {
        const world = yield* setup
        const store = yield* world.store
        yield* Effect.all([world.login(store), world.login(isOther ? yield* world.store : store)], { concurrency: 2 })
        const kept = Option.getOrThrow(yield* world.stored)
        const [one, two] = ["rt_login_1", "rt_login_2"]
        assert.sameMembers(world.revoked(), ["rt_old", kept === one ? two : one])
        assert.include([one, two], kept)
      })
    )
  }
})

describe("the terminal", () => {
  it.scopedLive("opens the browser by a program and its argument, which no shell ever reads", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "auth-browser-"))),
        (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true }))
      )
      const opened = Path.join(folder, "opened")
      for (const name of ["open", "xdg-open"]) {
        Fs.writeFileSync(Path.join(folder, name), `#!/bin/sh\nprintf '%s' "$1" > "${opened}"\n`, { mode: 0o755 })
      }
      const path = process.env["PATH"]
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          process.env["PATH"] = `${folder}${Path.delimiter}${path}`
        }),
        () =>
          Effect.sync(() => {
            process.env["PATH"] = path
          })
      )
      const url = `http://127.0.0.1/?a=1&b=$(touch ${folder}/hacked);"'`
      const interaction = yield* LoginInteraction.LoginInteraction
      yield* interaction.openPage(url)
      const read = Effect.sync(() => (Fs.existsSync(opened) ? Fs.readFileSync(opened, "utf8") : ""))
      yield* Effect.repeat(read, { until: (text) => text !== "", schedule: Schedule.spaced("10 millis") })
      assert.strictEqual(yield* read, url)
      assert.isFalse(Fs.existsSync(Path.join(folder, "hacked")))
    }).pipe(Effect.provide(Node.layerTerminal))
  )
})

describe("Logout", () => {
  const run = (stored: Login.Login | undefined) =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(stored)
      const server = loginServer(() => ({ status: 500 }))
      const was = yield* Logout.logout.pipe(Effect.provide([server.layer, Layer.succeed(AuthStore.AuthStore, store)]))
      assert.strictEqual((yield* Effect.flip(store.read))._tag, "NotLoggedIn")
      return { was, seen: server.seen }
    })

  it.effect("removes the login and revokes it, whatever the server says", () =>
    Effect.gen(function* () {
      const { was, seen } = yield* run(old)
      assert.isTrue(was)
      assert.deepStrictEqual(seen, [
        {
          path: "/oauth/revoke",
          body: { token: "rt_old", token_type_hint: "refresh_token", client_id: "app_EMoamEEZ73f0CkXaXp7hrann" }
        }
      ])
    })
  )

  it.effect("revokes the access token when there is nothing else", () =>
    Effect.gen(function* () {
      const token = accessToken({})
      const { seen } = yield* run({ accessToken: secret(token) })
      assert.deepStrictEqual(seen[0]?.body, { token, token_type_hint: "access_token" })
    })
  )

  it.effect("says that there was nothing to log out of", () =>
    Effect.gen(function* () {
      const { was, seen } = yield* run(undefined)
      assert.isFalse(was)
      assert.deepStrictEqual(seen, [])
    })
  )

  it.effect("does not wait for a server that does not answer", () =>
    Effect.gen(function* () {
      const store = yield* AuthStore.makeMemory(old)
      const asked = yield* Deferred.make<void>()
      const silent = ScriptedBackend.layer(() => Effect.as(Deferred.succeed(asked, undefined), Script.silence))
      const fiber = yield* Logout.logout.pipe(
        Effect.provide([Layer.provide(OAuth.layer(), silent), Layer.succeed(AuthStore.AuthStore, store)]),
        Effect.fork
      )
      yield* Deferred.await(asked)
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(yield* Fiber.join(fiber))
    })
  )
})
