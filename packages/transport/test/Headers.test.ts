import { assert, describe, it } from "@effect/vitest"
import { CodexAuth } from "@effect-codex/auth/CodexAuth"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import { CodexConfig, CodexTransport, ConversationId, Headers } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import { assertFields, attempt, credentials, headersOf, request, scripted } from "./fixture.ts"

const ok = Script.always(Script.turn({ text: "ok" }))

const only = (headers: Record<string, string>, names: ReadonlyArray<string>) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => names.includes(name)))

describe("the headers of a turn", () => {
  it.scoped("are those of protocol B, and no others", () =>
    Effect.gen(function* () {
      yield* attempt(request, { conversationId: "c-1" })
      const headers = yield* headersOf(1)
      assert.deepStrictEqual(headers, {
        "x-client-request-id": "c-1",
        "session-id": "c-1",
        "thread-id": "c-1",
        accept: "text/event-stream",
        authorization: `Bearer ${TestAuth.jwt()}`,
        "chatgpt-account-id": "acc_test",
        originator: "effect-codex",
        "user-agent": "effect-codex/0.1.0",
        "content-type": "application/json",
        "content-length": headers["content-length"] ?? ""
      })
    }).pipe(Effect.provide(scripted(ok)))
  )

  it.scoped("are sent to the endpoint of the base URL", () =>
    Effect.gen(function* () {
      const backend = yield* ScriptedBackend.ScriptedBackend
      yield* attempt()
      yield* attempt(request, { overrides: { baseUrl: "https://example.org/backend-api/codex/" } })
      assert.deepStrictEqual(
        (yield* backend.requests).map(({ method, url }) => `${method} ${url}`),
        ["POST https://chatgpt.com/backend-api/codex/responses", "POST https://example.org/backend-api/codex/responses"]
      )
    }).pipe(Effect.provide(scripted(ok)))
  )

  it.scoped("take originator, user agent, version, ids and extra headers from the configuration", () =>
    Effect.gen(function* () {
      yield* attempt(request, { conversationId: "c-1" })
      assert.deepInclude(yield* headersOf(1), {
        originator: "codex_cli_rs",
        "user-agent": "mine/2",
        version: "0.153.0",
        "session-id": "s",
        "thread-id": "t",
        "x-client-request-id": "t",
        "x-extra": "1"
      })
    }).pipe(
      Effect.provide(
        scripted(ok, {
          originator: "codex_cli_rs",
          userAgent: "mine/2",
          clientVersion: "0.153.0",
          versionHeader: true,
          sessionId: "s",
          threadId: "t",
          headers: { "x-extra": "1" }
        })
      )
    )
  )

  it.scoped("have the names of older clients only when asked for", () =>
    Effect.gen(function* () {
      const legacy = ["session_id", "openai-beta"]
      yield* attempt(request, { conversationId: "c-1" })
      assert.deepStrictEqual(only(yield* headersOf(1), legacy), {})
      yield* attempt(request, { conversationId: "c-1", overrides: { legacyHeaders: true } })
      assert.deepStrictEqual(only(yield* headersOf(2), legacy), {
        session_id: "c-1",
        "openai-beta": "responses=experimental"
      })
      yield* attempt(request, {
        conversationId: "c-1",
        overrides: { legacyHeaders: true, sessionId: "s", threadId: "t" }
      })
      assert.strictEqual((yield* headersOf(3))["session_id"], "s")
    }).pipe(Effect.provide(scripted(ok)))
  )

  it("mark FedRAMP accounts", () => {
    const fedramp = { ...credentials("a"), isFedramp: true }
    assert.strictEqual(Headers.forTurn(CodexConfig.defaults, fedramp, {})["x-openai-fedramp"], "true")
    assert.isUndefined(Headers.forTurn(CodexConfig.defaults, credentials("a"), {})["x-openai-fedramp"])
  })

  it.scoped("resolve credentials for each attempt", () =>
    Effect.gen(function* () {
      yield* attempt()
      yield* attempt()
      assert.strictEqual((yield* headersOf(1))["authorization"], "Bearer access-1")
      assert.strictEqual((yield* headersOf(2))["authorization"], "Bearer access-2")
    }).pipe(
      Effect.provide(
        scripted(
          ok,
          {},
          Layer.effect(
            CodexAuth,
            Effect.map(Ref.make(0), (count) => ({
              credentials: Effect.map(
                Ref.updateAndGet(count, (n) => n + 1),
                (n) => credentials(String(n))
              ),
              recover: () => Effect.succeed(credentials("recovered"))
            }))
          )
        )
      )
    )
  )
})

describe("the conversation id", () => {
  const cacheKey = (number: number) =>
    Effect.gen(function* () {
      const { requests } = yield* ScriptedBackend.ScriptedBackend
      const body = (yield* requests)[number - 1]?.body as { readonly prompt_cache_key?: string }
      return body.prompt_cache_key
    })

  it.scoped("is the cache key too, whichever of the two is given", () =>
    Effect.gen(function* () {
      yield* attempt(request, { conversationId: "c-1" })
      assert.strictEqual(yield* cacheKey(1), "c-1")
      yield* attempt({ ...request, prompt_cache_key: "c-2" })
      assert.strictEqual(yield* cacheKey(2), "c-2")
      assert.deepInclude(yield* headersOf(2), {
        "session-id": "c-2",
        "thread-id": "c-2",
        "x-client-request-id": "c-2"
      })
      yield* attempt(request, { overrides: { threadId: "t-3" } })
      assert.strictEqual(yield* cacheKey(3), "t-3")
      yield* attempt()
      assert.isUndefined(yield* cacheKey(4))
      assert.notProperty(yield* headersOf(4), "session-id")
    }).pipe(Effect.provide(scripted(ok)))
  )

  it.effect("can be a random UUID", () =>
    Effect.gen(function* () {
      const first = yield* ConversationId.random
      assert.match(first, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      assert.notStrictEqual(yield* ConversationId.random, first)
    })
  )

  it("fits into a header and into the body", () => {
    for (const id of ["a", "x".repeat(64)]) assert.isTrue(ConversationId.isConversationId(id))
    for (const id of ["", "x".repeat(65), "a b", "é", "a\n"]) assert.isFalse(ConversationId.isConversationId(id))
  })
})

describe("the routing token", () => {
  it.scoped("is handed out redacted and replayed only when handed in", () =>
    Effect.gen(function* () {
      const first = yield* attempt()
      assert.notProperty(yield* headersOf(1), "x-codex-turn-state")
      assert.strictEqual(first.metadata.routingToken && Redacted.value(first.metadata.routingToken), "ts-1")
      assert.notInclude(JSON.stringify(first.metadata), "ts-1")
      const routingToken = first.metadata.routingToken ?? Redacted.make("")
      yield* attempt(request, { routingToken })
      assert.strictEqual((yield* headersOf(2))["x-codex-turn-state"], "ts-1")
      yield* attempt()
      assert.notProperty(yield* headersOf(3), "x-codex-turn-state")
    }).pipe(
      Effect.provide(
        scripted(Script.always(Script.turn({ text: "ok" }).pipe(Script.headers({ "x-codex-turn-state": "ts-1" }))))
      )
    )
  )

  it.scoped("is not sent if a stream event has one that is not a valid header", () =>
    Effect.gen(function* () {
      yield* attempt(request, { routingToken: Redacted.make("ts\n1") })
      assert.notProperty(yield* headersOf(1), "x-codex-turn-state")
    }).pipe(Effect.provide(scripted([Script.turn({ text: "ok" })])))
  )

  it.scoped("is dropped if it is not a valid header", () =>
    Effect.gen(function* () {
      assert.notProperty((yield* attempt()).metadata, "routingToken")
    }).pipe(
      Effect.provide(
        scripted([Script.turn({ text: "ok" }).pipe(Script.headers({ "x-codex-turn-state": "x".repeat(9000) }))])
      )
    )
  )
})

describe("the headers of JSON documents", () => {
  const json = Script.always(Script.status(200, { body: { models: [] }, headers: { etag: '"1"' } }))

  it.effect("of the catalogue carry the originator (protocol A.3)", () =>
    Effect.gen(function* () {
      const transport = yield* CodexTransport.CodexTransport
      const backend = yield* ScriptedBackend.ScriptedBackend
      const answer = yield* transport.get("/codex/models", { query: { client_version: "0.169.0" } })
      assert.deepStrictEqual(answer.json, { models: [] })
      assert.strictEqual(answer.metadata.etag, '"1"')
      const [sent] = yield* backend.requests
      assert.strictEqual(sent?.url, "https://chatgpt.com/backend-api/codex/models?client_version=0.169.0")
      assert.deepStrictEqual(sent?.headers, {
        accept: "*/*",
        authorization: `Bearer ${TestAuth.jwt()}`,
        "chatgpt-account-id": "acc_test",
        originator: "effect-codex",
        "user-agent": "effect-codex/0.1.0"
      })
    }).pipe(Effect.provide(scripted(json)))
  )

  it.effect("of the account carry neither originator nor version (A.4, A.5)", () =>
    Effect.gen(function* () {
      const transport = yield* CodexTransport.CodexTransport
      yield* transport.get("/wham/usage", { overrides: { versionHeader: true } })
      const headers = yield* headersOf(1)
      assert.notProperty(headers, "originator")
      assert.notProperty(headers, "version")
      assert.property(headers, "user-agent")
    }).pipe(Effect.provide(scripted(json)))
  )

  it.effect("have the extra headers of the configuration", () =>
    Effect.gen(function* () {
      const transport = yield* CodexTransport.CodexTransport
      yield* transport.get("/codex/models")
      assert.strictEqual((yield* headersOf(1))["x-extra"], "1")
    }).pipe(Effect.provide(scripted(json, { headers: { "x-extra": "1" } })))
  )

  it.effect("go elsewhere when the base URL has no /backend-api", () =>
    Effect.gen(function* () {
      const transport = yield* CodexTransport.CodexTransport
      const backend = yield* ScriptedBackend.ScriptedBackend
      yield* transport.get("/wham/usage")
      assert.strictEqual((yield* backend.requests)[0]?.url, "https://example.org/api/codex/usage")
    }).pipe(Effect.provide(scripted(json, { baseUrl: "https://example.org" })))
  )

  it.effect("that break on the way are failed connections, and asked for again", () =>
    Effect.gen(function* () {
      const { get } = yield* CodexTransport.CodexTransport
      const fiber = yield* Effect.fork(get("/codex/models"))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* fiber).json, { models: [] })
    }).pipe(
      Effect.provide(
        scripted([
          Script.status(200, { body: { models: [1, 2, 3] } }).pipe(Script.resetAfterBytes(5)),
          Script.status(200, { body: { models: [] } })
        ])
      )
    )
  )

  it.effect("that fall silent are given up as any body is", () =>
    Effect.gen(function* () {
      const { get } = yield* CodexTransport.CodexTransport
      const fiber = yield* Effect.fork(Effect.flip(get("/codex/models")))
      yield* TestClock.adjust("5 minutes")
      assertFields(yield* fiber, { _tag: "StreamIdle", kind: "bytes" })
    }).pipe(
      Effect.provide(
        scripted([Script.status(200, { body: { models: [1, 2, 3] } }).pipe(Script.silenceAfterBytes(5))], {
          retry: { retries: 0 }
        })
      )
    )
  )

  for (const [name, body, tag, said] of [
    ["are not JSON", "upstream connect error", "HttpFailure", "HTTP 200 with unexpected content"],
    ["are not JSON", "upstream connect error", "HttpFailure", "The server says: upstream connect error"],
    ["are a page of the network edge", "<html><title>Just a moment...</title></html>", "EdgeBlocked", "Just a moment"],
    ["state an error", { error: { code: "server_is_overloaded", message: "Busy." } }, "ServerOverloaded", "Busy."],
    ["state a detail", { detail: "Use your key." }, "HttpFailure", "The server says: Use your key."],
    ["are cut off", '{"email":"someone', "HttpFailure", "Check that the base URL names the backend."]
  ] as const) {
    it.effect(`that ${name} are a typed failure: ${said}`, () =>
      Effect.gen(function* () {
        const transport = yield* CodexTransport.CodexTransport
        const error = yield* Effect.flip(transport.get("/wham/usage"))
        assert.strictEqual(error._tag, tag)
        assert.include(error.message, said)
        assert.notInclude(error.message, "someone")
      }).pipe(Effect.provide(scripted([Script.status(200, { body })], { retry: { retries: 0, outageRetries: 0 } })))
    )
  }
})
