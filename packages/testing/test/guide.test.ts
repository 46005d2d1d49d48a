/** The programs of docs/testing.md, and that they are the ones that stand there. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import * as Generators from "@effect-codex/testing/Generators"
import { BackendServer } from "@effect-codex/testing/node"
import * as Recorder from "@effect-codex/testing/Recorder"
import * as Replay from "@effect-codex/testing/Replay"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as StrictBackend from "@effect-codex/testing/StrictBackend"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import * as TestCodex from "@effect-codex/testing/TestCodex"
import { codex } from "@effect-codex/testing/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { Codex, CodexConfig, Conversation } from "effect-codex"

codex("answers", [Script.turn({ text: "Hello" })], ({ codex }) =>
  Effect.gen(function* () {
    assert.strictEqual((yield* codex.turn({ prompt: "Hi" })).text, "Hello")
  })
)

describe("a turn", () => {
  it.effect("answers", () =>
    Effect.gen(function* () {
      const turn = yield* (yield* Codex.Codex).turn({ prompt: "Hi" })
      assert.strictEqual(turn.text, "Hello")
    }).pipe(Effect.provide(TestCodex.layer([Script.turn({ text: "Hello" })])))
  )
})

describe("a story", () => {
  const script = [
    Script.turn({ text: "Let me look.", toolCalls: [{ name: "weather", arguments: { city: "Prague" } }] }).pipe(
      Script.expecting({ prompt: /Prague/, toolNames: ["weather"] })
    ),
    Script.turn(({ toolOutputs }) => ({ text: `It is ${toolOutputs[0]?.output}.` })).pipe(
      Script.expecting({ toolOutputs: [{ output: "sunny" }] })
    )
  ]

  it.effect("is told turn by turn", () =>
    Effect.gen(function* () {
      const { client, backend } = ScriptedBackend.make(script)
      const send = (input: ReadonlyArray<unknown>) =>
        client.post("https://chatgpt.com/backend-api/codex/responses", {
          body: HttpBody.unsafeJson({ model: "gpt-5.5", input, tools: [{ type: "function", name: "weather" }] })
        })
      const question = { role: "user", content: "How is the weather in Prague?" }
      yield* send([question])
      const answer = yield* send([question, { type: "function_call_output", call_id: "call_1_1", output: "sunny" }])
      assert.include(yield* answer.text, "It is sunny.")
      yield* backend.verify
    })
  )
})

describe("what goes wrong", () => {
  it.effect("a usage limit", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* Codex.Codex).turn({ prompt: "Hi" }))
      assert.strictEqual(error._tag, "UsageLimit")
    }).pipe(Effect.provide(TestCodex.layer([Script.usageLimit({ planType: "plus", resetsInSeconds: 5400 })])))
  )

  it.effect("a limit that fills up, and ends", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const backend = yield* StrictBackend.StrictBackend
      yield* backend.fillWindow("primary", 100)
      assert.strictEqual((yield* Effect.flip(codex.turn({ prompt: "Hi" })))._tag, "UsageLimit")
      yield* TestClock.adjust("5 hours")
      yield* codex.turn({ prompt: "Hi" })
    }).pipe(Effect.provide(TestCodex.layerStrict()))
  )

  it.effect("a conversation over a WebSocket", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* conversation.send("Hi")
      const { diagnostics } = yield* conversation.send("And?")
      assert.deepStrictEqual(diagnostics.route, { via: "websocket", input: "incremental" })
      assert.deepStrictEqual(yield* (yield* StrictBackend.StrictBackend).refusals, [])
    }).pipe(Effect.provide(TestCodex.layerStrict({}, { transport: "websocket" })))
  )

  it.effect("a stream that is cut", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* Codex.Codex).turn({ prompt: "Hi" }))
      assert.strictEqual(error._tag, "ConnectionFailed")
    }).pipe(
      Effect.provide(
        TestCodex.layer([Script.turn({ text: "Half of it" }).pipe(Script.resetAfterEvents(6))], {
          retry: { retries: 0 }
        })
      )
    )
  )

  it.effect("a server that is slow", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork((yield* Codex.Codex).turn({ prompt: "Hi" }))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).text, "At last")
    }).pipe(
      Effect.provide(
        TestCodex.layer([Script.turn({ text: "At last" }).pipe(Script.delay("10 seconds"), Script.drip("1 second"))])
      )
    )
  )

  it.effect("a server that falls silent", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.flip((yield* Codex.Codex).turn({ prompt: "Hi" })))
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "StreamIdle")
    }).pipe(
      Effect.provide(
        TestCodex.layer([Script.turn({ text: "Never ends" }).pipe(Script.silenceAfterEvents(5))], {
          retry: { retries: 0 }
        })
      )
    )
  )
})

describe("retries", () => {
  it.effect("wait as long as the server says", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork((yield* Codex.Codex).turn({ prompt: "Hi" }))
      const backend = yield* ScriptedBackend.ScriptedBackend
      yield* TestClock.adjust("29 seconds")
      assert.lengthOf(yield* backend.requests, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).text, "Hello")
    }).pipe(
      Effect.provide(
        TestCodex.layer([Script.status(503, { headers: { "retry-after": "30" } }), Script.turn({ text: "Hello" })])
      )
    )
  )
})

describe("recordings", () => {
  const recorded = (http: Layer.Layer<HttpClient.HttpClient>, file: string) =>
    Codex.layer.pipe(
      Layer.provide(CodexConfig.layer({})),
      Layer.provide(TestAuth.layer()),
      Layer.provide(Recorder.layer(file)),
      Layer.provide([http, NodeFileSystem.layer])
    )

  const replayed = (file: string) =>
    Codex.layer.pipe(
      Layer.provide(CodexConfig.layer({})),
      Layer.provide(TestAuth.layer()),
      Layer.provide(Replay.layer(file, { time: "fast" })),
      Layer.provide(NodeFileSystem.layer)
    )

  it.scoped("are made once and played from then on", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/hello.cassette`
      const program = Effect.flatMap(Codex.Codex, (codex) => codex.turn({ prompt: "Hi" }))
      yield* program.pipe(Effect.provide(recorded(ScriptedBackend.layer([Script.turn({ text: "Hello" })]), file)))
      assert.strictEqual((yield* program.pipe(Effect.provide(replayed(file)))).text, "Hello")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("a service of one's own", () => {
  /** `POST /ask` responds with the answer of Codex to the body. */
  const service = HttpServer.serve(
    Effect.gen(function* () {
      const { text } = yield* HttpServerRequest.HttpServerRequest
      const turn = yield* (yield* Codex.Codex).turn({ prompt: yield* text })
      return HttpServerResponse.text(turn.text)
    })
  )

  /** The client of the service, with another address and login. */
  const client = Layer.unwrapEffect(
    Effect.map(BackendServer.BackendServer, ({ url }) =>
      Codex.layer.pipe(
        Layer.provide(CodexConfig.layer({ baseUrl: url })),
        Layer.provide(StrictBackend.layerAuth({ issuer: new URL(url).origin })),
        Layer.provide(NodeHttpClient.layerUndici)
      )
    )
  )

  it.scopedLive("is tested end to end", () =>
    Effect.gen(function* () {
      const answer = yield* (yield* HttpClient.HttpClient).post("/ask", { body: HttpBody.text("Hi") })
      assert.strictEqual(yield* answer.text, "You said: Hi")
      const backend = yield* StrictBackend.StrictBackend
      assert.deepStrictEqual(yield* backend.refusals, [])
    }).pipe(
      Effect.provide(
        service.pipe(
          Layer.provideMerge(client),
          Layer.provideMerge(BackendServer.layerStrict()),
          Layer.provideMerge(NodeHttpServer.layerTest)
        )
      )
    )
  )
})

describe("properties", () => {
  it("hold for every body a backend may send", () =>
    FastCheck.assert(
      FastCheck.asyncProperty(
        Generators.turn().chain((turn) =>
          Generators.eventOrder(Script.turnEvents(turn))
            .chain(Generators.framing)
            .chain(Generators.chunking)
            .map((chunks) => ({ turn, chunks }))
        ),
        async ({ chunks, turn }) => {
          const program = Effect.flatMap(Codex.Codex, (codex) => codex.turn({ prompt: "Hi" }))
          const layer = TestCodex.layer([Script.bytes(chunks)])
          const { text } = await Effect.runPromise(program.pipe(Effect.provide(layer)))
          assert.strictEqual(text, turn.text ?? "")
        }
      ),
      { numRuns: 20 }
    ))
})

describe("docs/testing.md", () => {
  const read = (path: string) => readFileSync(fileURLToPath(new URL(path, import.meta.url)), "utf8")
  const plain = (text: string) => text.replaceAll(/\s+/g, " ").trim()

  it("shows programs that are tested here", () => {
    const programs = plain(read("guide.test.ts"))
    const blocks = Array.from(
      read("../../../docs/testing.md").matchAll(/```ts\n(.*?)```/gs),
      ([, block]) => block ?? ""
    )
    assert.isAbove(blocks.length, 9)
    for (const block of blocks) {
      // the imports are those of a user
      const program = plain(block.replaceAll(/^import .*?from "[^"]+"$/gms, ""))
      assert.include(programs, program)
    }
  })
})
