import { assert, describe, it } from "@effect/vitest"
import { LoginExpired } from "@effect-codex/auth/AuthError"
import { CodexAuth, layerToken } from "@effect-codex/auth/CodexAuth"
import * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as ServiceError from "@effect-codex/schema/ServiceError"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import { CodexTransport, Compression, EncryptedReasoning, FailureCapture, type Reader } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import { assertFields, attempt, credentials, request, scripted, textOf } from "./fixture.ts"

const ok = Script.turn({ text: "ok" })

const requests = Effect.flatMap(ScriptedBackend.ScriptedBackend, (backend) => backend.requests)
const send = (body: ResponsesRequest.ResponsesRequest = request) => Effect.scoped(Effect.flatMap(attempt(body), textOf))

/** Credentials `1`, and after each recovery the next number; `calls` are the tokens that were given up. */
const numbered = (calls: Array<string>, recoveries = 1) =>
  Layer.effect(
    CodexAuth,
    Effect.map(Ref.make(1), (current) => ({
      credentials: Effect.map(Ref.get(current), (n) => credentials(String(n))),
      recover: (rejected) =>
        Effect.gen(function* () {
          calls.push(String(rejected.accessToken))
          const next = yield* Ref.updateAndGet(current, (n) => n + 1)
          if (next > recoveries + 1) return yield* new LoginExpired({ reason: "expired" })
          return credentials(String(next))
        })
    }))
  )

const authorizations = Effect.map(requests, (all) => all.map((sent) => sent.headers["authorization"]))

describe("a 401 (protocol F.7)", () => {
  it.effect("is recovered from once, with credentials from the store or a refresh", () => {
    const calls: Array<string> = []
    return Effect.gen(function* () {
      yield* send()
      assert.deepStrictEqual(yield* authorizations, ["Bearer access-1", "Bearer access-2"])
      assert.lengthOf(calls, 1)
    }).pipe(Effect.provide(scripted([Script.status(401), ok], {}, numbered(calls))))
  })

  it.effect("after the recovery is final, and costs no retries", () => {
    const calls: Array<string> = []
    return Effect.gen(function* () {
      const error = yield* Effect.flip(send())
      assertFields(error, { _tag: "Unauthorized", requestId: "req_2", isRetryable: false })
      assert.lengthOf(yield* requests, 2)
      assert.lengthOf(calls, 1)
    }).pipe(Effect.provide(scripted(Script.always(Script.status(401)), {}, numbered(calls, 9))))
  })

  it.effect("that cannot be recovered from is the login's own failure", () =>
    Effect.gen(function* () {
      assertFields(yield* Effect.flip(send()), { _tag: "LoginExpired" })
      assert.lengthOf(yield* requests, 1)
    }).pipe(Effect.provide(scripted(Script.always(Script.status(401)), {}, numbered([], 0))))
  )

  it.effect("keeps the backend's message if a passed token cannot be refreshed", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(send())
      assertFields(error, {
        _tag: "LoginExpired",
        reason: "notRefreshable",
        status: 401,
        code: "token_revoked",
        serverMessage: "Your token was revoked.",
        requestId: "req_1"
      })
      assert.include(error.message, "Your token was revoked.")
      assert.lengthOf(yield* requests, 1)
    }).pipe(
      Effect.provide(
        scripted(
          Script.always(
            Script.status(401, { body: { error: { code: "token_revoked", message: "Your token was revoked." } } })
          ),
          {},
          layerToken({ accessToken: Redacted.make(TestAuth.jwt()) })
        )
      )
    )
  )

  it.effect("of a JSON document is recovered from too", () =>
    Effect.gen(function* () {
      const transport = yield* CodexTransport.CodexTransport
      assert.deepStrictEqual((yield* transport.get("/wham/usage")).json, {})
      assert.deepStrictEqual(yield* authorizations, ["Bearer access-1", "Bearer access-2"])
    }).pipe(Effect.provide(scripted([Script.status(401), Script.status(200, { body: {} })], {}, numbered([]))))
  )
})

describe("encrypted reasoning that is refused", () => {
  const reasoning = { type: "reasoning" as const, id: "rs_1", summary: [], encrypted_content: "gAAAA-old" }
  const replay = { ...request, input: [reasoning, ...request.input] }
  it("keeps all other items", () => {
    assert.deepStrictEqual(EncryptedReasoning.discard(replay)?.request, request)
    assert.isUndefined(EncryptedReasoning.discard(request))
  })
})

/** Stands for zstd, which not every Node has. */
const pretend = Layer.succeed(Compression.Compression, {
  zstd: (bytes: Uint8Array) => Effect.succeed(bytes.subarray(0, 9))
})
const long = { ...request, instructions: "x".repeat(2000) }

describe("compression", () => {
  const encodings = Effect.map(requests, (all) => all.map((sent) => sent.headers["content-encoding"]))

  const layer = (script: Script.Script, compression: "off" | "zstd", runtime: Layer.Layer<never> | typeof pretend) =>
    Layer.provideMerge(scripted(script, { compression }), runtime)

  it.effect("is used when asked for and the runtime has it, for bodies worth it", () =>
    Effect.gen(function* () {
      yield* send(long)
      yield* send(request)
      const [first] = yield* requests
      assert.deepStrictEqual(yield* encodings, ["zstd", undefined])
      assert.strictEqual(first?.headers["content-length"], "9")
      assert.strictEqual(first?.headers["content-type"], "application/json")
    }).pipe(Effect.provide(layer([ok, ok], "zstd", pretend)))
  )

  it.effect("is not used otherwise", () =>
    Effect.gen(function* () {
      for (const [setting, runtime] of [
        ["off", pretend],
        ["zstd", Layer.empty]
      ] as const) {
        const sent = yield* Effect.zipRight(send(long), encodings).pipe(Effect.provide(layer([ok], setting, runtime)))
        assert.deepStrictEqual(sent, [undefined])
      }
    })
  )

  for (const refusal of [
    Script.status(415),
    Script.status(400, { body: { detail: "Unsupported content-encoding: zstd" } })
  ]) {
    it.effect(`is given up when the server does not take it (${refusal.status})`, () =>
      Effect.gen(function* () {
        yield* send(long)
        yield* send(long)
        assert.deepStrictEqual(yield* encodings, ["zstd", undefined, undefined])
      }).pipe(Effect.provide(layer([refusal, ok, ok], "zstd", pretend)))
    )
  }
})

describe("compression under way", () => {
  it.effect("is given up by every request that meets the refusal", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.all([send(long), send(long)], { concurrency: 2 }))
      yield* TestClock.adjust("1 second")
      yield* fiber
      const all = yield* requests
      assert.deepStrictEqual(
        all.map((sent) => sent.headers["content-encoding"]),
        ["zstd", "zstd", undefined, undefined]
      )
    }).pipe(
      Effect.provide(
        Layer.provideMerge(
          scripted(
            (sent) =>
              sent.headers["content-encoding"] === "zstd" ? Script.status(415).pipe(Script.delay("1 second")) : ok,
            {
              compression: "zstd"
            }
          ),
          pretend
        )
      )
    )
  )
})

describe("workspace routing (protocol A.4)", () => {
  const account = (fields: object) => ({ id: "acc_test", plan_type: "business", is_deactivated: false, ...fields })
  const routed = (accounts: ReadonlyArray<unknown>) =>
    Script.routes({
      "/wham/accounts/check": Script.always(Script.status(200, { body: { accounts, account_ordering: [] } })),
      "/codex/responses": Script.always(ok)
    })
  const eu = account({ workspace_backend_origin: "https://eu.example.org", account_routing_override: "us_cr" })
  const urls = Effect.map(requests, (all) => all.map((sent) => sent.url))

  it.effect("is off by default", () =>
    Effect.gen(function* () {
      yield* send()
      assert.deepStrictEqual(yield* urls, ["https://chatgpt.com/backend-api/codex/responses"])
    }).pipe(Effect.provide(scripted(routed([eu]))))
  )

  it.effect("replaces the origin and adds the header, after asking once", () =>
    Effect.gen(function* () {
      yield* send()
      yield* send()
      const url = "https://eu.example.org/backend-api/codex/responses"
      assert.deepStrictEqual(yield* urls, ["https://chatgpt.com/backend-api/wham/accounts/check", url, url])
      const [check, turn] = yield* requests
      assert.deepStrictEqual([check?.method, check?.body, turn?.method], ["GET", undefined, "POST"])
      assert.strictEqual(turn?.headers["x-openai-account-routing-override"], "us_cr")
      assert.notProperty(check?.headers, "originator")
    }).pipe(
      Effect.provide(
        scripted(routed([account({ id: "other" }), eu]), { workspaceRouting: true, workspaceDomains: ["example.org"] })
      )
    )
  )

  it.effect("keeps the base URL of a workspace without constraints", () =>
    Effect.gen(function* () {
      yield* send()
      const [, turn] = yield* requests
      assert.strictEqual(turn?.url, "https://chatgpt.com/backend-api/codex/responses")
      assert.notProperty(turn?.headers, "x-openai-account-routing-override")
    }).pipe(
      Effect.provide(
        scripted(
          routed([account({ workspace_backend_origin: "NO_CONSTRAINT", account_routing_override: "NO_CONSTRAINT" })]),
          { workspaceRouting: true, workspaceDomains: ["example.org"] }
        )
      )
    )
  )

  for (const [reason, accounts] of Object.entries({
    account: [[], [account({}), account({})]],
    origin: [
      "http://eu.example.org",
      "https://eu.example.org/path",
      "https://me@eu.example.org",
      "https://evil-example.org",
      "https://example.org.evil.net",
      "eu"
    ].map((origin) => [account({ workspace_backend_origin: origin })]),
    override: [[account({ account_routing_override: "mars" })]],
    answer: [[{ name: "no id" }]]
  })) {
    it.effect(`fails for a bad ${reason}, and sends no turn`, () =>
      Effect.forEach(accounts, (list) =>
        Effect.gen(function* () {
          assertFields(yield* Effect.flip(send()), {
            _tag: "RoutingFailed",
            reason,
            isRetryable: false,
            requestId: "req_1"
          })
          assert.lengthOf(yield* requests, 1)
        }).pipe(Effect.provide(scripted(routed(list), { workspaceRouting: true, workspaceDomains: ["example.org"] })))
      )
    )
  }
})

describe("requests that cannot be written", () => {
  it.effect("are invalid before anything is sent", () =>
    Effect.gen(function* () {
      const cyclic: Record<string, unknown> = {}
      cyclic["self"] = cyclic
      for (const value of [cyclic, 1n]) {
        assertFields(yield* Effect.flip(send({ ...request, extra: { value } })), { _tag: "InvalidRequest" })
      }
      assert.isEmpty(yield* requests)
    }).pipe(Effect.provide(scripted([ok])))
  )

  it.effect("or whose conversation id is not a valid header are too", () =>
    Effect.gen(function* () {
      for (const conversationId of ["", "x".repeat(65), "a\nb", "Gespräch"]) {
        const error = yield* Effect.flip(Effect.scoped(attempt(request, { conversationId })))
        assertFields(error, { _tag: "InvalidRequest", param: "conversationId" })
      }
      assert.isEmpty(yield* requests)
    }).pipe(Effect.provide(scripted([ok])))
  )

  it.effect("and overrides that cannot work are InvalidConfig", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.scoped(attempt(request, { overrides: { baseUrl: "http://example.org" } }))
      )
      assertFields(error, { _tag: "InvalidConfig" })
      assert.isEmpty(yield* requests)
    }).pipe(Effect.provide(scripted([ok])))
  )
})

describe("FailureCapture", () => {
  const secret = "the user's own words"
  const spoken = ResponsesRequest.make({
    model: "gpt-5.5",
    instructions: secret,
    reasoning: { effort: "high" },
    input: [{ type: "message", role: "user", content: [{ type: "input_text", text: secret }] }],
    tools: [{ type: "function", name: "lookup", description: secret, parameters: {} }]
  })

  it.effect("holds the last failed exchange, on the error and once in the service", () =>
    Effect.gen(function* () {
      const capture = yield* FailureCapture.FailureCapture
      const error = yield* Effect.flip(send(spoken))
      const exchange = yield* capture.takeLast
      assert.deepStrictEqual(error.exchange && Redacted.value(error.exchange), exchange)
      assert.isUndefined(yield* capture.takeLast)
      assert.deepStrictEqual(exchange, {
        provider: "openai-codex",
        error: "InvalidRequest",
        model: "gpt-5.5",
        status: 400,
        requestId: "req_1",
        request: {
          model: "gpt-5.5",
          effort: "high",
          instructionsLength: secret.length,
          input: ["message (96)"],
          inputCount: 1,
          tools: ["function lookup"]
        },
        response: '{"detail":"no"}',
        at: 0
      })
      assert.notInclude(JSON.stringify(error), "openai-codex")
    }).pipe(Effect.provide(scripted([Script.status(400, { body: { detail: "no" } })])))
  )

  it.effect("is bounded", () =>
    Effect.gen(function* () {
      const capture = yield* FailureCapture.FailureCapture
      const input = Array.from({ length: 5000 }, () => request.input).flat()
      yield* Effect.flip(send({ ...request, input }))
      const exchange = yield* capture.takeLast
      assert.isAtMost(JSON.stringify(exchange).length, 32_768)
      assert.isAbove(exchange?.response?.length ?? 0, 16_000)
    }).pipe(Effect.provide(scripted([Script.status(400, { body: "" }).pipe(Script.largeBody(1_000_000))])))
  )

  it.effect("can be turned off", () =>
    Effect.gen(function* () {
      const capture = yield* FailureCapture.FailureCapture
      const error = yield* Effect.flip(send())
      assert.isUndefined(error.exchange)
      assert.isUndefined(yield* capture.takeLast)
    }).pipe(Effect.provide(scripted([Script.status(400)], { failureCapture: false })))
  )

  it.effect("has the failure of a body's reader", () =>
    Effect.gen(function* () {
      const transport = yield* CodexTransport.CodexTransport
      const failure = new ServiceError.ResponseFailed({ responseId: "resp_1", serverMessage: "no, acc_test" })
      const reader: Reader.Reader<never, ServiceError.ResponseFailed> = {
        push: () => [],
        pushMessage: () => [],
        end: () => [],
        done: true,
        failure,
        progress: 0
      }
      const { close, open, pull } = transport.attempt(request, reader)
      yield* open
      const error = yield* Effect.flip(pull)
      yield* close
      const exchange = yield* (yield* FailureCapture.FailureCapture).takeLast
      assertFields(exchange, {
        error: "ResponseFailed",
        requestId: "req_1",
        responseId: "resp_1",
        response: "no, <redacted>"
      })
      assertFields(error, { _tag: "ResponseFailed", requestId: "req_1", responseId: "resp_1" })
      assert.deepStrictEqual(error.exchange && Redacted.value(error.exchange), exchange)
      assert.isUndefined(failure.exchange)
    }).pipe(Effect.provide(scripted([ok])))
  )

  it.effect("has bodies that failed", () =>
    Effect.gen(function* () {
      const capture = yield* FailureCapture.FailureCapture
      const error = yield* Effect.flip(send())
      assertFields(error, { _tag: "ConnectionFailed", phase: "body" })
      assertFields(yield* capture.takeLast, { error: "ConnectionFailed", requestId: "req_1" })
    }).pipe(Effect.provide(scripted([ok.pipe(Script.resetAfterEvents(1))])))
  )
})
