import { assert, describe, it } from "@effect/vitest"
import { CodexAuth } from "@effect-codex/auth"
import { Script, ScriptedBackend, TestAuth, TestCodex } from "@effect-codex/testing"
import { FailureCapture, RateLimitWatch } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Codex, CodexConfig } from "effect-codex"
import { bodies, requests, run } from "./support.ts"

const hello = Script.turn({ text: "Hello" })

const failureOf = (request: Codex.Request) =>
  Effect.gen(function* () {
    const codex = yield* Codex.Codex
    return yield* run(Effect.flip(codex.turn(request)))
  })

describe("Codex", () => {
  it.effect("one id is the session, the thread and the cache key", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      yield* run(codex.turn({ prompt: "Hi", conversationId: "conv-1" }))
      yield* run(codex.turn({ prompt: "Hi" }))
      const [first, second] = yield* requests
      assert.strictEqual(first?.headers["session-id"], "conv-1")
      assert.strictEqual(first?.headers["thread-id"], "conv-1")
      const [one, two] = yield* bodies
      assert.strictEqual(one?.["prompt_cache_key"], "conv-1")
      assert.match(String(second?.headers["session-id"]), /^[0-9a-f-]{36}$/)
      assert.strictEqual(two?.["prompt_cache_key"], second?.headers["session-id"])
    }).pipe(Effect.provide(TestCodex.layer([hello, hello])))
  )

  it.effect("a key that is undefined is a key that is left out", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      yield* run(codex.turn({ prompt: "Hi", conversationId: "conv-1" }))
      yield* run(
        codex.turn({
          prompt: "Hi",
          conversationId: "conv-1",
          input: undefined,
          instructions: undefined,
          model: undefined,
          reasoning: undefined,
          verbosity: undefined,
          tools: undefined,
          toolChoice: undefined,
          output: undefined,
          cacheKey: undefined,
          extra: undefined,
          config: undefined,
          timeLimit: undefined,
          routingToken: undefined,
          keepItems: undefined
        })
      )
      const [one, two] = yield* bodies
      assert.deepStrictEqual(two, one)
    }).pipe(Effect.provide(TestCodex.layer([hello, hello])))
  )

  describe("a stream that shows only text", () => {
    const turn: Script.Turn = { reasoning: "Hm.", text: "Hello, world" }
    const firstText = Script.turnEvents(turn).findIndex(({ type }) => type === "response.output_text.delta")
    const tags = (options: { readonly onceShown: "fail"; readonly shown: Codex.Shown }) =>
      Effect.gen(function* () {
        const codex = yield* Codex.Codex
        const events = yield* run(Effect.either(Stream.runCollect(codex.stream({ prompt: "Hi" }, options))))
        return events._tag === "Left" ? [events.left._tag] : [...events.right].map(({ _tag }): string => _tag)
      })
    const cutAfter = (events: number) =>
      TestCodex.layer([Script.turn(turn).pipe(Script.truncateAfterEvents(events)), Script.turn(turn)])

    it.effect("is tried again in silence while there is none, and repeats what came before it", () =>
      Effect.gen(function* () {
        const all = yield* tags({ onceShown: "fail", shown: "text" })
        assert.strictEqual(all.filter((tag) => tag === "TurnStarted").length, 2)
        assert.strictEqual(all.filter((tag) => tag === "ReasoningDelta").length, 2)
        assert.notInclude(all, "TurnRestarted")
      }).pipe(Effect.provide(cutAfter(firstText)))
    )

    it.effect("fails after the first of it", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* tags({ onceShown: "fail", shown: "text" }), ["StreamTruncated"])
      }).pipe(Effect.provide(cutAfter(firstText + 1)))
    )

    it.effect("is tried again at any time when it shows nothing", () =>
      Effect.gen(function* () {
        assert.include(yield* tags({ onceShown: "fail", shown: "nothing" }), "TurnCompleted")
      }).pipe(Effect.provide(cutAfter(firstText + 1)))
    )
  })

  it.effect("the request's settings go before the client's", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      yield* run(codex.turn({ prompt: "Hi" }))
      yield* run(
        codex.turn({ prompt: "Hi", model: "gpt-6-sol", reasoning: { effort: "ultra" }, config: { originator: "app" } })
      )
      const [one, two] = yield* bodies
      const sent = yield* requests
      assert.deepInclude(one, { model: "gpt-5.5", reasoning: { effort: "low", summary: "auto" } })
      // the client-side level is sent as the model's highest
      assert.deepInclude(two, { model: "gpt-6-sol", reasoning: { effort: "max", summary: "auto" } })
      assert.strictEqual(sent[1]?.headers["originator"], "app")
    }).pipe(Effect.provide(TestCodex.layer([hello, hello], { reasoning: { effort: "minimal", summary: "auto" } })))
  )

  it.effect("object gives the decoded value of structured output", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const Answer = Schema.Struct({ city: Schema.String, note: Schema.optional(Schema.String) })
      const value = yield* run(codex.object({ prompt: "Where?" }, Answer))
      assert.deepStrictEqual(value, { city: "Prague" })
      const [body] = yield* bodies
      assert.deepNestedInclude(body, { "text.format.type": "json_schema", "text.format.strict": true })
      const misfit = yield* run(Effect.flip(codex.object({ prompt: "Where?" }, Answer)))
      assert.strictEqual(misfit._tag, "InvalidOutput")
      const impossible = yield* run(
        Effect.flip(codex.object({ prompt: "Where?" }, Schema.Struct({ a: Schema.BigIntFromSelf })))
      )
      assert.strictEqual(impossible._tag, "UnsupportedSchema")
      assert.lengthOf(yield* requests, 2)
    }).pipe(
      Effect.provide(
        TestCodex.layer([Script.turn({ text: '{"city":"Prague","note":null}' }), Script.turn({ text: '{"town":1}' })])
      )
    )
  )

  it.effect("object passes over the model's commentary", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const value = yield* run(codex.object({ prompt: "Where?" }, Schema.Struct({ city: Schema.String })))
      assert.deepStrictEqual(value, { city: "Prague" })
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.events([
            ...[
              ["commentary", "Let me think."],
              ["final_answer", '{"city":"Prague"}']
            ].map(([phase, text], output_index) => ({
              type: "response.output_item.done",
              output_index,
              item: { type: "message", role: "assistant", phase, content: [{ type: "output_text", text }] }
            })),
            { type: "response.completed", response: { id: "resp_1" } }
          ])
        ])
      )
    )
  )

  it.effect("a long run of one character, which is few tokens, is not refused for its length", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      assert.strictEqual((yield* run(codex.turn({ prompt: `Trim this:${" ".repeat(5_000_000)}` }))).status, "completed")
    }).pipe(Effect.provide(TestCodex.layer([hello])))
  )

  it.effect("usage is asked of the server, windows told by their length", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const usage = yield* run(codex.usage)
      assert.deepStrictEqual(usage.limits, [
        { limitId: "codex", windows: [{ usedPercent: 12, windowMinutes: 10080, resetsAt: 1795400000000 }] }
      ])
    }).pipe(
      Effect.provide(
        TestCodex.layer(
          Script.routes({
            "/wham/usage": [
              Script.status(200, {
                body: {
                  plan_type: "pro",
                  rate_limit: {
                    primary_window: { used_percent: 12, limit_window_seconds: 604800, reset_at: 1795400000 },
                    secondary_window: null
                  }
                }
              })
            ]
          })
        )
      )
    )
  )

  it.effect("limits are watched, from headers and from events", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const watch = yield* RateLimitWatch.RateLimitWatch
      assert.isUndefined(yield* watch.latest)
      const turn = yield* run(codex.turn({ prompt: "Hi" }))
      const latest = yield* watch.latest
      assert.deepStrictEqual(turn.rateLimits, latest)
      assert.strictEqual(turn.model, "gpt-served")
      assert.strictEqual(latest?.planType, "plus")
      assert.deepStrictEqual(latest?.limits, [
        { limitId: "codex", windows: [{ usedPercent: 55, windowMinutes: 300, resetsAt: 1795400000000 }] }
      ])
    }).pipe(
      Effect.provide(
        Codex.layer.pipe(
          Layer.provide(CodexConfig.layer()),
          Layer.provide(TestAuth.layer()),
          Layer.provide(
            ScriptedBackend.layer([
              Script.events([
                {
                  type: "codex.rate_limits",
                  rate_limits: { primary: { used_percent: 55, window_minutes: 300, reset_at: 1795400000 } }
                },
                ...Script.turnEvents({ text: "Hello" })
              ]).pipe(Script.headers({ "x-codex-plan-type": "plus", "openai-model": "gpt-served" }))
            ])
          )
        )
      )
    )
  )

  it.effect("the last failed exchange can be had, whoever found the failure", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const capture = yield* FailureCapture.FailureCapture
      yield* run(Effect.flip(codex.turn({ prompt: "Hi" })))
      const exchange = yield* capture.takeLast
      assert.deepInclude(exchange, { error: "InvalidRequest", model: "gpt-5.5", responseId: "resp_1" })
      assert.isUndefined(yield* capture.takeLast)
    }).pipe(
      Effect.provide(
        Codex.layer.pipe(
          Layer.provide(CodexConfig.layer()),
          Layer.provide(TestAuth.layer()),
          Layer.provide(ScriptedBackend.layer([Script.failed({ code: "invalid_prompt", message: "No." })]))
        )
      )
    )
  )

  it.effect("the catalogue is fetched once, kept, and fetched anew when a response names another version", () => {
    const list = (slug: string, etag: string) =>
      Script.status(200, { headers: { etag }, body: { models: [{ slug, visibility: "list", priority: 1 }] } })
    return Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const slugs = Effect.map(run(codex.models), ({ models, source }) => [source, ...models.map(({ slug }) => slug)])
      assert.deepStrictEqual(yield* slugs, ["server", "gpt-a"])
      assert.deepStrictEqual(yield* slugs, ["server", "gpt-a"])
      yield* run(codex.turn({ prompt: "same version" }))
      assert.deepStrictEqual(yield* slugs, ["server", "gpt-a"])
      yield* run(codex.turn({ prompt: "another version" }))
      assert.deepStrictEqual(yield* slugs, ["server", "gpt-b"])
      const paths = (yield* requests).map(({ path }) => path.replace(/\?.*/, "").split("/").at(-1))
      assert.deepStrictEqual(paths, ["models", "responses", "responses", "models"])
      // after five minutes it is asked for again; a failure leaves what was known
      yield* TestClock.adjust("6 minutes")
      assert.deepStrictEqual(yield* slugs, ["server", "gpt-b"])
    }).pipe(
      Effect.provide(
        TestCodex.layer(
          Script.routes({
            "/responses": [
              hello.pipe(Script.headers({ "x-models-etag": "v1" })),
              hello.pipe(Script.headers({ "x-models-etag": "v2" }))
            ],
            "/models": [list("gpt-a", "v1"), list("gpt-b", "v2"), Script.status(404)]
          })
        )
      )
    )
  })

  describe("the catalogue's five minutes", () => {
    const list = Script.status(200, { headers: { etag: "v1" }, body: { models: [{ slug: "gpt-a" }] } })
    const confirming = hello.pipe(Script.headers({ "x-models-etag": "v1" }))
    const fetches = Effect.map(requests, (all) => all.filter(({ path }) => path.endsWith("/models")).length)
    const backend = TestCodex.layer(
      Script.routes({ "/responses": Script.always(confirming), "/models": Script.always(list) })
    )

    it.effect("end five minutes after it was fetched", () =>
      Effect.gen(function* () {
        const codex = yield* Codex.Codex
        yield* run(codex.models)
        yield* TestClock.adjust("6 minutes")
        yield* run(codex.models)
        assert.strictEqual(yield* fetches, 2)
      }).pipe(Effect.provide(backend))
    )

    it.effect("begin anew when a response confirms it, and not when somebody asks", () =>
      Effect.gen(function* () {
        const codex = yield* Codex.Codex
        yield* run(codex.models)
        yield* TestClock.adjust("4 minutes")
        yield* run(codex.turn({ prompt: "Hi" }))
        yield* TestClock.adjust("4 minutes")
        yield* run(codex.models)
        assert.strictEqual(yield* fetches, 1)
        yield* run(codex.turn({ prompt: "Hi" }))
        yield* TestClock.adjust("1 hour")
        yield* run(codex.models)
        assert.strictEqual(yield* fetches, 2)
      }).pipe(Effect.provide(backend))
    )

    it.effect("a catalogue that cannot be had in time is not asked for with every call", () =>
      Effect.gen(function* () {
        const codex = yield* Codex.Codex
        assert.strictEqual((yield* run(codex.models)).source, "bundled")
        const before = yield* fetches
        assert.strictEqual((yield* run(codex.models)).source, "bundled")
        assert.strictEqual(yield* fetches, before)
      }).pipe(Effect.provide(TestCodex.layer(Script.always(Script.silence))))
    )
  })

  it.effect("without a catalogue of the server's there is the bundled one", () =>
    Effect.gen(function* () {
      const { models, source } = yield* run((yield* Codex.Codex).models)
      assert.strictEqual(source, "bundled")
      assert.isTrue(models.some(({ slug }) => slug === "gpt-5.5"))
    }).pipe(Effect.provide(TestCodex.layer([Script.status(403)])))
  )

  it.effect("a deadline is never overslept", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const fiber = yield* Effect.fork(Effect.flip(codex.turn({ prompt: "Hi", timeLimit: "10 seconds" })))
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "RateLimited")
      assert.lengthOf(yield* requests, 1)
    }).pipe(Effect.provide(TestCodex.layer([Script.status(429, { headers: { "retry-after": "30" } }), hello])))
  )

  it.effect("a time limit ends a body that is under way, in a retry as well", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const error = yield* run(Effect.flip(codex.turn({ prompt: "Hi", timeLimit: "20 seconds" })))
      assert.strictEqual(error._tag === "TimedOut" && error.phase, "total")
      assert.lengthOf(yield* requests, 2)
    }).pipe(Effect.provide(TestCodex.layer([Script.status(429), hello.pipe(Script.silenceAfterEvents(4))])))
  )

  it.effect("interrupting the consumer aborts the request", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const backend = yield* ScriptedBackend.ScriptedBackend
      const fiber = yield* Effect.fork(Stream.runDrain(codex.stream({ prompt: "Hi" })))
      yield* TestClock.adjust("1 second")
      yield* Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 10)))
      yield* Fiber.interrupt(fiber)
      yield* backend.aborted(1)
      assert.isTrue((yield* requests)[0]?.aborted)
    }).pipe(Effect.provide(TestCodex.layer([hello.pipe(Script.silenceAfterEvents(4))])))
  )
})

describe("repairs", () => {
  it.effect("a history with loose ends is mended, and the stream says how", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const events = yield* run(
        Stream.runCollect(
          codex.stream({
            input: [{ type: "function_call", call_id: "call_1", name: "ls", arguments: "{}" }],
            prompt: "And?"
          })
        )
      )
      const [first, second] = [...events]
      assert.strictEqual(second?._tag, "TurnStarted")
      assert.deepStrictEqual(first, {
        _tag: "RequestRepaired",
        repairs: [{ _tag: "OutputAdded", index: 0, callId: "call_1", name: "ls" }]
      })
      const [body] = yield* bodies
      assert.deepStrictEqual(
        body?.input.map(({ type }) => type),
        ["function_call", "function_call_output", "message"]
      )
    }).pipe(Effect.provide(TestCodex.layer([hello])))
  )
})

describe("refused encrypted reasoning", () => {
  const refusal = Script.status(400, {
    body: { error: { message: "The encrypted content could not be verified.", code: "invalid_encrypted_content" } }
  })
  const history: Codex.Request = {
    input: [
      { type: "message", role: "user", content: [{ type: "input_text", text: "One?" }] },
      { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAAold" },
      { type: "message", id: "msg_1", role: "assistant", content: [{ type: "output_text", text: "One." }] }
    ],
    prompt: "Two?"
  }

  it.effect("is left out, the request sent once more, and the stream says so", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const events = [...(yield* run(Stream.runCollect(codex.stream(history))))]
      assert.deepStrictEqual(
        events.slice(0, 2).map(({ _tag }) => _tag),
        ["RequestRepaired", "TurnStarted"]
      )
      const [, second] = yield* bodies
      assert.deepStrictEqual(
        second?.input.map(({ type }) => type),
        ["message", "message", "message"]
      )
      assert.notInclude(JSON.stringify(second), "gAAAAold")
    }).pipe(Effect.provide(TestCodex.layer([refusal, hello])))
  )

  it.effect("found after something was shown, what was shown is taken back", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const events = [...(yield* run(Stream.runCollect(codex.stream(history))))]
      assert.deepStrictEqual(
        events.slice(0, 5).map(({ _tag }) => _tag),
        ["TurnStarted", "TextDelta", "TurnRestarted", "RequestRepaired", "TurnStarted"]
      )
      assert.notInclude(JSON.stringify((yield* bodies)[1]), "gAAAAold")
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.turn({ text: "Ha", failed: { code: "invalid_encrypted_content", message: "no" } }),
          hello
        ])
      )
    )
  )

  it.effect("is among the repairs of the turn, beside those that were made before", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const call = { type: "function_call", call_id: "call_1", name: "ls", arguments: "{}" } as const
      const turn = yield* run(codex.turn({ ...history, input: [...(history.input ?? []), call] }))
      assert.deepStrictEqual(
        turn.repairs?.map(({ _tag }) => _tag),
        ["OutputAdded", "ReasoningDropped", "IdRemoved"]
      )
    }).pipe(Effect.provide(TestCodex.layer([refusal, hello])))
  )

  it.effect("fails when that is not allowed", () =>
    Effect.gen(function* () {
      const error = yield* failureOf({ ...history, config: { discardReasoning: false } })
      assert.strictEqual(error._tag, "InvalidRequest")
      assert.lengthOf(yield* requests, 1)
    }).pipe(Effect.provide(TestCodex.layer([refusal, hello])))
  )
})

describe("the size check", () => {
  it.effect("does not refuse a variant it only knows by the beginning of its name", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const turn = yield* run(codex.turn({ prompt: "word ".repeat(2_000_000), model: "gpt-5.5-huge" }))
      assert.strictEqual(turn.text, "Hello")
    }).pipe(Effect.provide(TestCodex.layer([hello])))
  )
})

describe("bad input is a typed error that names what to do", () => {
  const cases: ReadonlyArray<readonly [string, Codex.Request, string, RegExp]> = [
    ["no input", {}, "InvalidRequest", /no input/],
    ["an empty prompt", { prompt: "  " }, "InvalidRequest", /prompt is empty/],
    [
      "an image that is none",
      { input: [{ role: "user", content: [{ _tag: "Image", url: "cat.png" }] }] },
      "InvalidRequest",
      /image cannot be sent: its URL is neither/
    ],
    [
      "two tools of one name",
      {
        prompt: "Hi",
        tools: [
          { type: "custom", name: "a" },
          { type: "custom", name: "a" }
        ]
      },
      "InvalidRequest",
      /Two tools are named "a"/
    ],
    [
      "10 MB of text",
      { prompt: "word ".repeat(2_000_000) },
      "ContextWindowExceeded",
      /at least \d+ tokens, window 272000/
    ],
    ["a base URL that is none", { prompt: "Hi", config: { baseUrl: "nowhere" } }, "InvalidConfig", /not a URL/],
    ["a conversation id that is no header", { prompt: "Hi", conversationId: "ä b" }, "InvalidRequest", /visible ASCII/]
  ]
  for (const [name, request, tag, message] of cases) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const error = yield* failureOf(request)
        assert.strictEqual(error._tag, tag)
        assert.match(error.message, message)
        assert.lengthOf(yield* requests, 0)
      }).pipe(Effect.provide(TestCodex.layer([hello])))
    )
  }

  it.effect("an unknown model: the answer names those the account has", () =>
    Effect.gen(function* () {
      const error = yield* failureOf({ prompt: "Hi", model: "gpt-nine" })
      assert.strictEqual(error._tag, "ModelUnavailable")
      assert.include(error.message, '"gpt-nine"')
      assert.include(error.message, "gpt-a")
    }).pipe(
      Effect.provide(
        TestCodex.layer(
          Script.routes({
            "/responses": [Script.status(404, { body: { error: { message: "Model not found gpt-nine" } } })],
            "/models": [Script.status(200, { body: { models: [{ slug: "gpt-a", visibility: "list" }] } })]
          })
        )
      )
    )
  )

  const login = (accessToken: string) =>
    Codex.layer.pipe(
      Layer.provide(CodexConfig.layer()),
      Layer.provide(CodexAuth.layerToken({ accessToken: Redacted.make(accessToken) })),
      Layer.provideMerge(ScriptedBackend.layer([hello]))
    )

  it.effect("a token that is no JWT", () =>
    Effect.gen(function* () {
      const error = yield* failureOf({ prompt: "Hi" })
      assert.strictEqual(error._tag, "InvalidToken")
      assert.notInclude(error.message, "sk-nonsense")
    }).pipe(Effect.provide(login("sk-nonsense")))
  )

  it.effect("a token without an account", () =>
    Effect.gen(function* () {
      const error = yield* failureOf({ prompt: "Hi" })
      assert.strictEqual(error._tag, "InvalidToken")
    }).pipe(Effect.provide(login(TestAuth.jwt({ accountId: null }))))
  )

  it.effect("a 200 with a JSON body, with HTML, with nothing", () =>
    Effect.gen(function* () {
      for (const tag of ["HttpFailure", "HttpFailure", "StreamTruncated"]) {
        const error = yield* failureOf({ prompt: "Hi", config: { retry: { retries: 0 } } })
        assert.strictEqual(error._tag, tag)
      }
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.status(200, { body: { ok: true } }),
          Script.status(200, { body: "<html><title>Welcome</title></html>" }),
          Script.status(200)
        ])
      )
    )
  )
})
