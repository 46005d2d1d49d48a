/** Tests that read like a story: turns that depend on the request, requests that were not in the script. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { BackendServer } from "@effect-codex/testing/node"
import * as Request from "@effect-codex/testing/Request"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { draw, forAll } from "../../../test/property.ts"
import * as Diff from "../src/internal/diff.ts"

const url = "https://chatgpt.com/backend-api/codex/responses"

const user = (text: string) => ({ type: "message", role: "user", content: [{ type: "input_text", text }] })
const call = { type: "function_call", call_id: "call_1", name: "weather", arguments: "{}" }
const output = (text: string) => ({ type: "function_call_output", call_id: "call_1", output: text })

const ask = (
  input: ReadonlyArray<unknown>,
  options: { readonly url?: string; readonly headers?: Record<string, string> } = {}
) =>
  HttpClientRequest.post(options.url ?? url).pipe(
    HttpClientRequest.bodyUnsafeJson({
      model: "gpt-5.5",
      instructions: "Be brief.",
      input,
      tools: [{ type: "function", name: "weather" }]
    }),
    HttpClientRequest.setHeaders(options.headers ?? {}),
    HttpClient.execute,
    Effect.flatMap((response) => response.text)
  )

/** What the test would be told, had it gone on whatever the backend says. */
const outcome = <A>(
  script: Script.Script,
  test: Effect.Effect<A, unknown, HttpClient.HttpClient | ScriptedBackend.ScriptedBackend>
) =>
  Effect.map(Effect.exit(Effect.ignore(test).pipe(Effect.provide(ScriptedBackend.layer(script)))), (exit) =>
    Exit.isSuccess(exit) ? "passed" : Chunk.toReadonlyArray(Cause.defects(exit.cause)).map(String).join("\n")
  )

describe("a turn that depends on its request", () => {
  it.effect("is made of what the client sent", () =>
    Effect.gen(function* () {
      assert.include(yield* ask([user("Weather?")]), "weather")
      assert.include(yield* ask([user("Weather?"), call, output("sunny")]), "It is sunny.")
    }).pipe(
      Effect.provide(
        ScriptedBackend.layer([
          Script.turn({ toolCalls: [{ name: "weather" }] }),
          Script.turn(({ toolOutputs }) => ({ text: `It is ${toolOutputs[0]?.output}.`, deltaSize: 100 }))
        ])
      )
    )
  )
})

describe("an expectation", () => {
  const step = (expectation: Parameters<typeof Script.expecting>[0]) => [
    Script.turn({ text: "Yes" }).pipe(Script.expecting(expectation))
  ]

  it.effect("that is met changes nothing", () =>
    Effect.gen(function* () {
      const expected = step({
        method: "POST",
        path: "/codex/responses",
        query: { a: "1" },
        headers: { "Session-Id": /^c\d$/, "x-none": undefined },
        model: "gpt-5.5",
        instructions: /brief/g,
        prompt: /weather/i,
        toolOutputs: [{ output: "sunny" }],
        itemTypes: ["message", "function_call", "function_call_output"],
        toolNames: ["weather"],
        input: [{ role: "user", content: [{ text: "Weather?" }] }, { name: "weather" }, {}],
        body: { model: "gpt-5.5", temperature: undefined }
      })
      const test = ask([user("Weather?"), call, output("sunny")], {
        url: `${url}?a=1`,
        headers: { "session-id": "c1" }
      })
      assert.strictEqual(yield* outcome(expected, test), "passed")
    })
  )

  it.effect("that is not met fails the test with what came and what was expected", () =>
    Effect.gen(function* () {
      const said = yield* outcome(
        step({ model: "gpt-6-sol", prompt: "Weather?", input: [{ role: "user" }], headers: { "session-id": "c1" } }),
        ask([user("Weather?"), call], { headers: { "session-id": "c2" } })
      )
      assert.include(
        said,
        'Request 1 (POST /backend-api/codex/responses, gpt-5.5, 2 items, "Weather?") is not as expected'
      )
      for (const line of [
        '-   "model": "gpt-6-sol"',
        '+   "model": "gpt-5.5"',
        '-     "session-id": "c1"',
        '+     "session-id": "c2"',
        '+       "name": "weather"'
      ]) {
        assert.include(said, line)
      }
      // what was not asked about is not shown
      assert.notInclude(said, "Be brief.")
      assert.notInclude(said, '+   "prompt"')
    })
  )

  it.effect("each of its parts is looked at", () =>
    Effect.gen(function* () {
      const test = ask([user("Weather?"), call, output("sunny")], {
        url: `${url}?a=1`,
        headers: { "session-id": "c1" }
      })
      for (const expectation of [
        { method: "GET" },
        { path: "/codex/models" },
        { query: { a: "2" } },
        { query: { a: undefined } },
        { headers: { "session-id": undefined } },
        { model: /^gpt-6/ },
        { instructions: "Be" },
        { prompt: "weather?" },
        { toolOutputs: [] },
        { toolOutputs: [{ output: /rain/ }] },
        { itemTypes: ["message"] },
        { toolNames: [] },
        { input: [{}] },
        { body: { model: "gpt-5.5", temperature: 1 } },
        { body: null }
      ] satisfies ReadonlyArray<Parameters<typeof Script.expecting>[0]>) {
        assert.include(yield* outcome(step(expectation), test), "is not as expected", JSON.stringify(expectation))
      }
    })
  )

  it.effect("holds for what a function answers, too, and under a route", () =>
    Effect.gen(function* () {
      const script = Script.routes({
        "/codex/responses": () => Script.turn({ text: "x" }).pipe(Script.expecting({ model: "gpt-6" }))
      })
      assert.include(yield* outcome(script, ask([user("Hi")])), "is not as expected")
    })
  )
})

describe("a request that was not in the script", () => {
  it.effect("fails the test that goes on without minding", () =>
    Effect.gen(function* () {
      const twice = Effect.zipRight(ask([user("One")]), ask([user("Two")]))
      assert.strictEqual(yield* outcome([Script.turn({ text: "One" }), Script.turn({ text: "Two" })], twice), "passed")
      assert.include(
        yield* outcome([Script.turn({ text: "One" })], twice),
        'Request 2 (POST /backend-api/codex/responses, gpt-5.5, 1 item, "Two") has no step: the script has 1.'
      )
      assert.include(
        yield* outcome(Script.routes({ "/codex/models": Script.always(Script.status(200)) }), ask([user("One")])),
        "No script for POST /backend-api/codex/responses; there is one for /codex/models."
      )
    })
  )

  it.effect("does not where the test says so, and is told by verify in any case", () =>
    Effect.gen(function* () {
      yield* ask([user("One")])
      const { verify } = yield* ScriptedBackend.ScriptedBackend
      const mismatch = yield* Effect.flip(verify)
      assert.strictEqual(mismatch._tag, "ScriptMismatch")
      assert.lengthOf(mismatch.problems, 1)
    }).pipe(Effect.provide(ScriptedBackend.layer([], { onUnexpected: "answer" })))
  )

  it.effect("is missed by verify, too", () =>
    Effect.gen(function* () {
      const { verify } = yield* ScriptedBackend.ScriptedBackend
      assert.strictEqual((yield* Effect.flip(verify)).unusedSteps, 2)
      yield* ask([user("One")])
      assert.include((yield* Effect.flip(verify)).message, "The last step of the script was not used.")
      yield* ask([user("Two")])
      yield* verify
    }).pipe(Effect.provide(ScriptedBackend.layer([Script.turn({ text: "One" }), Script.turn({ text: "Two" })])))
  )

  it.live("fails a test over sockets as well", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.gen(function* () {
        const backend = yield* BackendServer.make({ script: [] })
        yield* ask([user("One")], { url: backend.url })
      }).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerUndici), Effect.exit)
      assert.isTrue(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes("has no step"), String(exit))
    })
  )
})

describe("requests in any order", () => {
  const script = Script.inAnyOrder([
    Script.turn({ text: "Paris" }).pipe(Script.expecting({ prompt: /France/ })),
    Script.turn({ text: "Rome" }).pipe(Script.expecting({ prompt: /Italy/ })),
    Script.turn({ text: "Bern" })
  ])
  const capital = (country: string) => ask([user(`The capital of ${country}?`)])

  it.effect("find the step that expects them", () =>
    Effect.gen(function* () {
      const answers = yield* Effect.all(
        ["Switzerland", "Italy", "France"].map((country) => capital(country)),
        { concurrency: "unbounded" }
      ).pipe(Effect.provide(ScriptedBackend.layer(script)))
      assert.deepStrictEqual(
        answers.map((answer) => /Bern|Rome|Paris/.exec(answer)?.[0]),
        ["Bern", "Rome", "Paris"]
      )
    })
  )

  it.effect("fail the test where no step is left for them", () =>
    Effect.gen(function* () {
      const all = Effect.forEach(["Italy", "Spain", "Italy"], capital)
      const said = yield* outcome(script, all)
      assert.include(said, '"The capital of Italy?") is not as expected')
      assert.include(said, '-   "prompt": "/France/"')
      const more = Effect.forEach(["Italy", "Spain", "France", "France"], capital)
      assert.include(yield* outcome(script, more), "has no step: the script has 3")
    })
  )
})

describe("backend.requests", () => {
  it.effect("are decoded", () =>
    Effect.gen(function* () {
      yield* ask([user("Before"), user("Weather?"), call, output("sunny")], {
        url: `${url}?a=1&b=2`,
        headers: { "Session-Id": "c1" }
      })
      yield* HttpClient.get("https://chatgpt.com/backend-api/codex/models?client_version=0.169.0")
      const [turn, models] = yield* Effect.flatMap(ScriptedBackend.ScriptedBackend, ({ requests }) => requests)
      assert.strictEqual(turn?.model, "gpt-5.5")
      assert.strictEqual(turn?.instructions, "Be brief.")
      assert.strictEqual(turn?.prompt, "Weather?")
      assert.strictEqual(turn?.headers["session-id"], "c1")
      assert.deepStrictEqual(turn?.query, { a: "1", b: "2" })
      assert.deepStrictEqual(turn?.toolOutputs, [{ callId: "call_1", output: "sunny" }])
      assert.deepStrictEqual(
        turn?.input.map((item) => (item.type === "function_call" ? item.name : item.type)),
        ["message", "message", "weather", "function_call_output"]
      )
      assert.deepInclude(models, { model: undefined, prompt: "", input: [], tools: [], toolOutputs: [] })
    }).pipe(Effect.provide(ScriptedBackend.layer(Script.always(Script.status(200)))))
  )

  it("are read from whatever came", () => {
    for (const body of [undefined, null, "text", 1, [], { input: "text" }, { input: [null, 1, "x", {}] }]) {
      const request = Request.make({ body })
      assert.strictEqual(request.prompt, "")
      assert.deepStrictEqual(request.toolOutputs, [])
    }
    const parts = [{ type: "input_text", text: "a" }, { type: "input_image" }, { type: "input_text", text: "b" }]
    const request = Request.make({
      body: {
        input: [
          { role: "user", content: "Hi" },
          { type: "custom_tool_call_output", call_id: "c", output: parts }
        ]
      }
    })
    assert.strictEqual(request.prompt, "Hi")
    assert.deepStrictEqual(request.toolOutputs, [{ callId: "c", output: "ab" }])
  })
})

describe("a diff", () => {
  const text = draw.array(draw.constantFrom("a", "b", "c", "d"), { maxLength: 12 })

  it("has every line of both, and no more marks than needed for equal ones", () =>
    forAll([text, text], (a, b) => {
      const lines = Diff.compare(a, b)
      const side = (mark: string) =>
        lines.flatMap((line) => (line[0] === mark || line[0] === " " ? [line.slice(2)] : []))
      assert.deepStrictEqual(side("-"), a)
      assert.deepStrictEqual(side("+"), b)
      if (a.join() === b.join()) assert.isTrue(lines.every((line) => line.startsWith(" ")))
    }))

  it("leaves out what is the same far from any change", () => {
    const many = Array.from({ length: 40 }, (_, n) => `line ${n}`)
    const shown = Diff.lines(many.join("\n"), many.map((line, n) => (n === 20 ? "other" : line)).join("\n"))
    assert.deepStrictEqual(shown.split("\n"), [
      "  …",
      "  line 17",
      "  line 18",
      "  line 19",
      "- line 20",
      "+ other",
      "  line 21",
      "  line 22",
      "  line 23",
      "  …"
    ])
  })

  it("stays quick and whole for texts of many lines", () => {
    const many = Array.from({ length: 5000 }, (_, n) => `line ${n}`)
    const shown = Diff.lines(many.join("\n"), many.map((line) => `other ${line}`).join("\n"))
    assert.include(shown, "- line 0")
    assert.include(shown, "+ other line 0")
  })
})
