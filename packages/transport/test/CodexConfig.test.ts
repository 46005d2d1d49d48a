import { assert, describe, it } from "@effect/vitest"
import { CodexConfig, Headers, type TransportError } from "@effect-codex/transport"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { credentials } from "./fixture.ts"

const environment = (variables: Record<string, string>) =>
  CodexConfig.layerConfig().pipe(
    Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables)))))
  )

const problemsOf = (options: CodexConfig.Options) =>
  CodexConfig.make(options).pipe(
    Effect.flip,
    Effect.map((error: TransportError.InvalidConfig) => error.problems)
  )

describe("CodexConfig", () => {
  it.effect("has defaults that are valid", () =>
    Effect.map(CodexConfig.make(), (config) => assert.deepStrictEqual(config, CodexConfig.defaults))
  )

  it.effect("lists every problem in one error", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        CodexConfig.make({
          baseUrl: "http://example.org/backend-api",
          model: " ",
          originator: "a\nb",
          userAgent: "",
          clientVersion: "1.2",
          sessionId: "x".repeat(65),
          threadId: "",
          serviceTier: "fast" as never,
          retry: { retries: -1, factor: 0, jitter: 2, baseDelay: "2 minutes" },
          timeouts: { headers: 0, idle: "soon" as never, progress: "2 minutes", total: "1 minute" },
          headers: { Authorization: "Bearer x", "x y": "z", "x-ok": "fine" }
        })
      )
      const named = [
        "timeouts.idle",
        "timeouts.progress",
        "baseUrl",
        "model",
        "originator",
        "userAgent",
        "clientVersion",
        "sessionId",
        "threadId",
        "serviceTier",
        "retry.retries",
        "retry.factor",
        "retry.jitter",
        "retry",
        "timeouts.headers",
        "headers",
        "headers"
      ]
      assert.deepStrictEqual(
        error.problems.map((problem) => problem.split(":")[0]),
        named
      )
      for (const problem of error.problems) assert.include(error.message, problem)
    })
  )

  it.effect("refuses every header that the library or the client sets itself, in any case", () =>
    Effect.gen(function* () {
      const own = Headers.forTurn(
        CodexConfig.defaults,
        { ...credentials("a"), isFedramp: true },
        { conversationId: "c", routingToken: Redacted.make("ts-1"), routingOverride: "us" }
      )
      const names = [
        ...Object.keys(own),
        ...["connection", "content-encoding", "content-length", "content-type", "cookie", "host", "transfer-encoding"]
      ]
      assert.lengthOf(names, 18)
      for (const name of names) {
        assert.deepStrictEqual(yield* problemsOf({ headers: { [name.toUpperCase()]: "x" } }), [
          `headers: "${name.toUpperCase()}" is set by the library; use the setting for it`
        ])
      }
    })
  )

  it.effect("takes undefined for a setting that is not made", () =>
    Effect.gen(function* () {
      const nothing: CodexConfig.Options = Object.fromEntries(
        Object.keys(CodexConfig.defaults).map((name) => [name, undefined])
      )
      assert.deepStrictEqual(yield* CodexConfig.make(nothing), CodexConfig.defaults)
      const empty = { reasoning: { effort: undefined }, retry: { retries: undefined }, timeouts: { total: undefined } }
      assert.deepStrictEqual(yield* CodexConfig.make(empty), { ...CodexConfig.defaults, reasoning: {} })
    })
  )

  it.effect("wants https except on loopback", () =>
    Effect.gen(function* () {
      for (const baseUrl of ["http://localhost:1/x", "http://127.0.0.1:8080", "http://[::1]:80", "https://a.b/c"]) {
        assert.strictEqual((yield* CodexConfig.make({ baseUrl })).baseUrl, baseUrl)
      }
      for (const baseUrl of ["http://localhost.evil.org", "http://127.0.0.1.evil.org", "ftp://127.0.0.1"]) {
        assert.lengthOf(yield* problemsOf({ baseUrl }), 1)
      }
      assert.include((yield* problemsOf({ baseUrl: "chatgpt.com" }))[0], "not a URL")
      assert.lengthOf(yield* problemsOf({ baseUrl: "https://me:secret@a.b?x=1" }), 2)
    })
  )

  it.effect("takes the endpoint's own URL as a base URL", () =>
    Effect.gen(function* () {
      for (const end of ["", "/", "//", "/codex", "/codex/", "/codex/responses"]) {
        const { baseUrl } = yield* CodexConfig.make({ baseUrl: `https://chatgpt.com/backend-api${end}` })
        assert.strictEqual(baseUrl, "https://chatgpt.com/backend-api")
      }
    })
  )

  it.effect("overrides group members one by one", () =>
    Effect.gen(function* () {
      const base = yield* CodexConfig.make({ retry: { retries: 7 }, headers: { "x-a": "1" } })
      const config = yield* CodexConfig.override(base, {
        retry: { baseDelay: "2 seconds" },
        timeouts: { idle: 1000 },
        headers: { "x-b": "2" }
      })
      assert.strictEqual(config.retry.retries, 7)
      assert.isTrue(Duration.equals(config.retry.baseDelay, Duration.seconds(2)))
      assert.isTrue(Duration.equals(config.timeouts.idle, Duration.seconds(1)))
      assert.isTrue(Duration.equals(config.timeouts.headers, CodexConfig.defaults.timeouts.headers))
      assert.deepStrictEqual(config.headers, { "x-a": "1", "x-b": "2" })
    })
  )

  it.effect("reads every variable of the environment", () =>
    Effect.gen(function* () {
      const config = yield* CodexConfig.CodexConfig
      assert.deepStrictEqual(config, {
        ...CodexConfig.defaults,
        baseUrl: "http://127.0.0.1:9/backend-api",
        model: "m",
        originator: "o",
        userAgent: "u/1",
        clientVersion: "1.2.3",
        versionHeader: true,
        sessionId: "s",
        threadId: "t",
        reasoning: { effort: "high", summary: "auto" },
        verbosity: "low",
        serviceTier: "priority",
        parallelToolCalls: false,
        retry: {
          ...CodexConfig.defaults.retry,
          retries: 1,
          baseDelay: Duration.seconds(2),
          maxDelay: Duration.seconds(3),
          maxRetryAfter: Duration.seconds(4)
        },
        discardReasoning: false,
        timeouts: {
          headers: Duration.seconds(5),
          idle: Duration.seconds(6),
          progress: Duration.seconds(7),
          total: Duration.seconds(8)
        },
        transport: "auto",
        compression: "zstd",
        workspaceRouting: true,
        legacyHeaders: true,
        failureCapture: false
      })
      const keys = Object.keys(CodexConfig.defaults) as ReadonlyArray<keyof CodexConfig.Service>
      assert.deepStrictEqual(
        keys.filter((key) => JSON.stringify(config[key]) === JSON.stringify(CodexConfig.defaults[key])),
        ["catalogueDefaults", "toolOutputLimit", "workspaceDomains", "cookies", "headers"],
        "settings without a variable, which are for programs"
      )
    }).pipe(
      Effect.provide(
        environment({
          OPENAI_CODEX_BASE_URL: "http://127.0.0.1:9/backend-api",
          OPENAI_CODEX_MODEL: "m",
          OPENAI_CODEX_ORIGINATOR: "o",
          OPENAI_CODEX_USER_AGENT: "u/1",
          OPENAI_CODEX_CLIENT_VERSION: "1.2.3",
          OPENAI_CODEX_VERSION_HEADER: "true",
          OPENAI_CODEX_SESSION_ID: "s",
          OPENAI_CODEX_THREAD_ID: "t",
          OPENAI_CODEX_REASONING_EFFORT: "high",
          OPENAI_CODEX_REASONING_SUMMARY: "auto",
          OPENAI_CODEX_VERBOSITY: "low",
          OPENAI_CODEX_SERVICE_TIER: "priority",
          OPENAI_CODEX_PARALLEL_TOOL_CALLS: "false",
          OPENAI_CODEX_RETRIES: "1",
          OPENAI_CODEX_RETRY_BASE_DELAY: "2 seconds",
          OPENAI_CODEX_RETRY_MAX_DELAY: "3 seconds",
          OPENAI_CODEX_RETRY_MAX_RETRY_AFTER: "4 seconds",
          OPENAI_CODEX_DISCARD_REASONING: "false",
          OPENAI_CODEX_HEADERS_TIMEOUT: "5 seconds",
          OPENAI_CODEX_IDLE_TIMEOUT: "6 seconds",
          OPENAI_CODEX_PROGRESS_TIMEOUT: "7 seconds",
          OPENAI_CODEX_TOTAL_TIMEOUT: "8 seconds",
          OPENAI_CODEX_TRANSPORT: "auto",
          OPENAI_CODEX_COMPRESSION: "zstd",
          OPENAI_CODEX_WORKSPACE_ROUTING: "true",
          OPENAI_CODEX_LEGACY_HEADERS: "true",
          OPENAI_CODEX_FAILURE_CAPTURE: "false"
        })
      )
    )
  )

  it.effect("is the default one in an empty environment", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* CodexConfig.CodexConfig, CodexConfig.defaults)
    }).pipe(Effect.provide(environment({})))
  )

  it.effect("fails for a variable that cannot be read or is not valid", () =>
    Effect.gen(function* () {
      const unreadable = yield* Effect.flip(Layer.build(environment({ OPENAI_CODEX_RETRIES: "many" })))
      assert.include(String(unreadable), "OPENAI_CODEX_RETRIES")
      const invalid = yield* Effect.flip(Layer.build(environment({ OPENAI_CODEX_RETRIES: "-1" })))
      assert.strictEqual((invalid as TransportError.InvalidConfig)._tag, "InvalidConfig")
    }).pipe(Effect.scoped)
  )
})
