/** What was recorded is played again: the same bytes, the same ends, the same times, to the same requests. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { BackendServer } from "@effect-codex/testing/node"
import * as Recorder from "@effect-codex/testing/Recorder"
import * as Replay from "@effect-codex/testing/Replay"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as StrictBackend from "@effect-codex/testing/StrictBackend"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Codex, CodexConfig } from "effect-codex"

const url = "https://chatgpt.com/backend-api/codex/responses"

const user = (text: string) => ({ type: "message", role: "user", content: [{ type: "input_text", text }] })

const ask = (
  text: string,
  options: { readonly url?: string; readonly headers?: Record<string, string>; readonly key?: string } = {}
) =>
  HttpClientRequest.post(options.url ?? url).pipe(
    HttpClientRequest.setBody(
      HttpBody.unsafeJson({
        model: "gpt-5.5",
        input: [user(text)],
        ...(options.key === undefined ? {} : { prompt_cache_key: options.key })
      })
    ),
    HttpClientRequest.setHeaders({ authorization: "Bearer token-of-today", ...options.headers })
  )

interface Seen {
  readonly status: number | "no response"
  readonly type: string | undefined
  readonly chunks: ReadonlyArray<readonly [at: number, text: string]>
  readonly failed: boolean
}

/** What a client sees of a response, and when. */
const see = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    const response = yield* Effect.either(HttpClient.execute(request))
    if (response._tag === "Left") {
      return { status: "no response", type: undefined, chunks: [], failed: true } satisfies Seen
    }
    const chunks: Array<readonly [number, string]> = []
    const exit = yield* Effect.exit(
      Stream.runForEach(response.right.stream, (bytes) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          chunks.push([at - start, Buffer.from(bytes).toString("latin1")])
        })
      )
    )
    return {
      status: response.right.status,
      type: response.right.headers["content-type"],
      chunks,
      failed: Exit.isFailure(exit)
    } satisfies Seen
  })

/** Lets the test's clock go while the program runs. */
const inVirtualTime = <A, E, R>(program: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(program)
    for (let i = 0; i < 50; i++) yield* TestClock.adjust("1 second")
    return yield* Fiber.join(fiber)
  })

const cassette = Effect.map(
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped()),
  (directory) => `${directory}/test.cassette`
)

const script = [
  Script.turn({ reasoning: "Hm.", text: "Grüße, 🌍!" }).pipe(
    Script.delay("100 millis"),
    Script.drip("2 millis"),
    Script.chunked(50)
  ),
  Script.status(429, { headers: { "retry-after": "2" }, body: { detail: "Slow down" } }),
  Script.turn({ text: "Cut" }).pipe(Script.resetAfterEvents(4)),
  Script.turn({ text: "Ended" }).pipe(Script.truncateAfterBytes(500)),
  Script.bytes([Uint8Array.of(0xff, 10, 0xc3), Uint8Array.of(0xa4, 13, 10), "data: x\r\n\r\n"]),
  Script.resetBeforeHeaders,
  Script.refuse,
  Script.status(204)
]
const program = Effect.forEach(script, (_, n) => see(ask(`Question ${n}`)))

/** Records the program, and gives what it saw. */
const recordTo = (file: string) =>
  inVirtualTime(program.pipe(Effect.provide(Recorder.layer(file).pipe(Layer.provide(ScriptedBackend.layer(script))))))

describe("a recording", () => {
  it.scoped("is played byte for byte, chunk by chunk, in the time it took", () =>
    Effect.gen(function* () {
      const file = yield* cassette
      const first = yield* recordTo(file)
      const again = yield* inVirtualTime(program.pipe(Effect.provide(Replay.layer(file))))
      assert.deepStrictEqual(again, first)
      assert.isAbove(first[0]?.chunks.length ?? 0, 20)
      assert.strictEqual(first[0]?.chunks[0]?.[0], 102)
      assert.deepStrictEqual(
        first.map(({ failed, status }) => [status, failed]),
        [
          [200, false],
          [429, false],
          [200, true],
          [200, false],
          [200, false],
          ["no response", true],
          ["no response", true],
          [204, false]
        ]
      )
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped("is played as fast as possible, or in real time whatever the test's clock does", () =>
    Effect.gen(function* () {
      const file = yield* cassette
      const first = yield* recordTo(file)
      const bytes = (seen: ReadonlyArray<Seen>) => seen.map(({ chunks }) => chunks.map(([, text]) => text))
      for (const time of ["fast", "real"] as const) {
        const again = yield* program.pipe(Effect.provide(Replay.layer(file, { time })))
        assert.deepStrictEqual(bytes(again), bytes(first))
        // nobody has put the test's clock forward
        assert.isTrue(again.every(({ chunks }) => chunks.every(([at]) => at === 0)))
      }
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scopedLive("is played over sockets", () =>
    Effect.gen(function* () {
      const file = yield* cassette
      const whole = Effect.map(ask("Hi").pipe(HttpClient.execute), (response) => response.text).pipe(Effect.flatten)
      const first = yield* whole.pipe(
        Effect.provide(
          Recorder.layer(file).pipe(
            Layer.provide(ScriptedBackend.layer([Script.turn({ text: "Grüße" }).pipe(Script.chunked(7))]))
          )
        )
      )
      const backend = yield* BackendServer.make({ script: yield* Replay.fromFile(file) })
      const again = yield* Effect.flatMap(
        HttpClient.execute(ask("Hi", { url: `${backend.url}/codex/responses` })),
        (response) => response.text
      )
      assert.strictEqual(again, first)
    }).pipe(Effect.provide([NodeFileSystem.layer, NodeHttpClient.layerUndici]))
  )

  for (const [name, http] of [
    ["undici", NodeHttpClient.layerUndici],
    ["fetch", FetchHttpClient.layer]
  ] as const) {
    it.scopedLive(`is made over sockets with ${name}`, () =>
      Effect.gen(function* () {
        const file = yield* cassette
        const { url } = yield* BackendServer.make({
          script: [
            Script.events(["1", "2", "3"]).pipe(Script.drip("200 millis")),
            Script.turn({ text: "Cut" }).pipe(Script.resetAfterEvents(3))
          ]
        })
        const program = Effect.forEach(["One", "Two"], (text) => see(ask(text, { url: `${url}/codex/responses` })))
        const first = yield* program.pipe(Effect.provide(Recorder.layer(file).pipe(Layer.provide(http))))
        const again = yield* program.pipe(Effect.provide(Replay.layer(file, { time: "fast" })))
        const texts = (seen: ReadonlyArray<Seen>) =>
          seen.map(({ chunks, ...rest }) => ({ ...rest, chunks: chunks.map(([, text]) => text) }))
        assert.deepStrictEqual(texts(again), texts(first))
        assert.deepStrictEqual(texts(first)[0]?.chunks, ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"])
        assert.isTrue(first[1]?.failed)
      }).pipe(Effect.provide(NodeFileSystem.layer))
    )
  }

  it.scoped("answers whoever asks the same: other credentials, ids, order of keys and requests", () =>
    Effect.gen(function* () {
      const file = yield* cassette
      yield* Effect.forEach(["One", "Two"], (text) => see(ask(text, { key: "k1" }))).pipe(
        Effect.provide(
          Recorder.layer(file).pipe(
            Layer.provide(ScriptedBackend.layer([Script.turn({ text: "First" }), Script.turn({ text: "Second" })]))
          )
        )
      )
      const other = HttpClientRequest.post("http://127.0.0.1:1/backend-api/codex/responses").pipe(
        HttpClientRequest.setBody(
          HttpBody.unsafeJson({ prompt_cache_key: "another", input: [user("Two")], model: "gpt-5.5" })
        ),
        HttpClientRequest.setHeaders({ authorization: "Bearer token-of-tomorrow", "session-id": "s9" })
      )
      yield* Effect.gen(function* () {
        const text = (seen: Seen) => seen.chunks.map(([, text]) => text).join("")
        assert.include(text(yield* see(other)), "Second")
        assert.include(text(yield* see(ask("One", { key: "k9" }))), "First")
      }).pipe(Effect.provide(Replay.layer(file)))
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("the client of this library", () => {
  const codexOver = <E, R>(http: Layer.Layer<HttpClient.HttpClient, E, R>, accountId: string) =>
    Codex.layer.pipe(
      Layer.provide(CodexConfig.layer({})),
      Layer.provide(TestAuth.layer({ accountId })),
      Layer.provideMerge(http)
    )
  const story = Effect.gen(function* () {
    const codex = yield* Codex.Codex
    const turns: Array<string> = []
    for (const prompt of ["One", "Two"]) turns.push((yield* codex.turn({ prompt })).text)
    return turns
  })

  it.scoped("has the same turns from a recording as from the backend, retries included", () =>
    Effect.gen(function* () {
      const file = yield* cassette
      const script = [
        Script.status(503, { headers: { "retry-after": "3" } }),
        Script.turn({ reasoning: "Hm.", text: "First" }),
        Script.turn({ text: "Half" }).pipe(Script.resetAfterEvents(5)),
        Script.turn({ text: "Second" })
      ]
      const first = yield* inVirtualTime(
        story.pipe(
          Effect.provide(codexOver(Recorder.layer(file).pipe(Layer.provide(ScriptedBackend.layer(script))), "acc_mine"))
        )
      )
      assert.deepStrictEqual(first, ["First", "Second"])
      const fs = yield* FileSystem.FileSystem
      assert.notInclude(yield* fs.readFileString(file), "acc_mine")
      const again = yield* inVirtualTime(story.pipe(Effect.provide(codexOver(Replay.layer(file), "acc_other"))))
      assert.deepStrictEqual(again, first)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped("logs in from a recording of the login server", () =>
    Effect.gen(function* () {
      const file = yield* cassette
      const withAuth = Codex.layer.pipe(Layer.provide(CodexConfig.layer({})), Layer.provide(StrictBackend.layerAuth()))
      const expired = Effect.gen(function* () {
        const backend = yield* StrictBackend.StrictBackend
        yield* backend.expireTokens()
        return yield* story
      })
      const recorded = withAuth.pipe(
        Layer.provideMerge(Recorder.layer(file)),
        Layer.provideMerge(StrictBackend.layer())
      )
      const first = yield* expired.pipe(Effect.provide(recorded))
      const replayed = withAuth.pipe(
        Layer.provideMerge(Replay.layer(file)),
        Layer.provideMerge(Layer.effect(StrictBackend.StrictBackend, StrictBackend.make()))
      )
      assert.deepStrictEqual(yield* expired.pipe(Effect.provide(replayed)), first)
      const fs = yield* FileSystem.FileSystem
      const text = yield* fs.readFileString(file)
      assert.match(text, /"access_token": "eyJ[\w-]+\.eyJ[\w-]+\.scrubbed-jwt-\d"/)
      assert.include(text, '"refresh_token": "scrubbed-token-')
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("a request that was not recorded", () => {
  const outcome = <E>(
    layer: Layer.Layer<HttpClient.HttpClient, E>,
    requests: ReadonlyArray<HttpClientRequest.HttpClientRequest>
  ) =>
    Effect.map(Effect.exit(Effect.forEach(requests, see).pipe(Effect.provide(layer))), (exit) =>
      Exit.isSuccess(exit) ? "passed" : Chunk.toReadonlyArray(Cause.defects(exit.cause)).map(String).join("\n")
    )

  it.scoped("fails the test with what is different", () =>
    Effect.gen(function* () {
      const file = yield* cassette
      yield* see(ask("One")).pipe(
        Effect.provide(Recorder.layer(file).pipe(Layer.provide(ScriptedBackend.layer([Script.turn({ text: "x" })]))))
      )
      const replay = Replay.layer(file).pipe(Layer.provide(NodeFileSystem.layer))
      assert.strictEqual(yield* outcome(replay, [ask("One")]), "passed")
      const other = yield* outcome(replay, [ask("Other")])
      assert.include(other, '-             "text": "One"')
      assert.include(other, '+             "text": "Other"')
      const path = yield* outcome(replay, [
        HttpClientRequest.get("https://chatgpt.com/backend-api/codex/models?client_version=1")
      ])
      assert.include(path, '-   "request": "POST /backend-api/codex/responses"')
      assert.include(path, '+   "request": "GET /backend-api/codex/models?client_version=1"')
      assert.include(yield* outcome(replay, [ask("One"), ask("One")]), "has no step: the script has 1")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("a file of events", () => {
  const lines = Script.turnEvents({ text: "Recorded" }).map((event) => JSON.stringify(event))

  it.scoped("answers turns in order, whatever they ask", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/two.jsonl`
      yield* fs.writeFileString(file, `\n${[...lines, ...lines].join("\n")}\n`)
      const seen = yield* Effect.forEach(["One", "Two"], (text) => see(ask(text))).pipe(
        Effect.provide(Replay.layer(file))
      )
      for (const { chunks } of seen) {
        assert.deepStrictEqual(
          chunks.map(([, text]) => /^data: (.*)$/m.exec(text)?.[1]),
          lines
        )
      }
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped("that is neither of events nor a cassette is refused with its name", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/x.txt`
      const failure = Effect.flip(Replay.fromFile(file))
      assert.strictEqual((yield* failure)._tag, "SystemError")
      for (const [text, reason] of [
        ["hello", "malformed"],
        ["", "malformed"],
        ["[1]", "malformed"],
        ["codex-cassette 9\n", "version"],
        ["codex-cassette 1\n", "edited"]
      ] as const) {
        yield* fs.writeFileString(file, text)
        const error = yield* failure
        assert.strictEqual(error._tag, "CassetteError")
        assert.strictEqual((error as { readonly reason: string }).reason, reason, text)
        assert.include(error.message, file)
      }
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("the recorder", () => {
  it.scoped("lets a client that closes its scope abort the request", () =>
    Effect.gen(function* () {
      const file = yield* cassette
      yield* Effect.gen(function* () {
        const client = HttpClient.withScope(yield* HttpClient.HttpClient)
        const backend = yield* ScriptedBackend.ScriptedBackend
        yield* Effect.scoped(client.execute(ask("One")))
        yield* backend.aborted(1)
      }).pipe(
        Effect.provide(
          Recorder.layer(file).pipe(Layer.provideMerge(ScriptedBackend.layer([Script.turn({ text: "Hi" })])))
        )
      )
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped("replaces an earlier file, and leaves it alone where the new one is refused", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = yield* cassette
      yield* fs.writeFileString(file, "before")
      const { client, recorder } = yield* Recorder.make(file).pipe(
        Effect.provide(ScriptedBackend.layer([Script.turn({ text: "x" }).pipe(Script.gzip), Script.status(200)]))
      )
      const send = Effect.provideService(see(ask("One")), HttpClient.HttpClient, client)
      yield* send
      assert.strictEqual((yield* Effect.flip(recorder.save))._tag, "RecorderError")
      assert.strictEqual(yield* fs.readFileString(file), "before")
      const { recorder: next } = yield* Recorder.make(file).pipe(Effect.provide(ScriptedBackend.layer([])))
      yield* next.save
      assert.match(yield* fs.readFileString(file), /^codex-cassette 1\n\nsha256/)
      assert.deepStrictEqual((yield* next.cassette).exchanges, [])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped("records streamed bodies, parameters, and a client that gives up", () =>
    Effect.gen(function* () {
      const file = yield* cassette
      const { client, recorder } = yield* Recorder.make(file).pipe(
        Effect.provide(
          ScriptedBackend.layer([
            Script.status(200, { body: "x" }),
            Script.turn({ text: "Long" }).pipe(Script.holdOpen),
            Script.silence
          ])
        )
      )
      const run = <A, E>(effect: Effect.Effect<A, E, HttpClient.HttpClient>) =>
        Effect.provideService(effect, HttpClient.HttpClient, client)
      const streamed = HttpClientRequest.post(url).pipe(
        HttpClientRequest.setUrlParams({ client_version: "1" }),
        HttpClientRequest.setBody(
          HttpBody.stream(Stream.make(Buffer.from('{"a"'), Buffer.from(":1}")), "application/json")
        )
      )
      yield* run(see(streamed))
      yield* run(
        Effect.flatMap(HttpClient.execute(ask("One")), ({ stream }) => Stream.runDrain(Stream.take(stream, 2)))
      )
      const silent = yield* Effect.fork(run(see(ask("Two"))))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.interrupt(silent)
      const { exchanges } = yield* recorder.cassette
      assert.strictEqual(exchanges[0]?.request.url, `${url}?client_version=1`)
      assert.strictEqual(Buffer.from(exchanges[0]?.request.body ?? []).toString(), '{"a":1}')
      const [, second, third] = exchanges
      assert.deepInclude(second?.response, { _tag: "Response", ending: "abort" })
      assert.lengthOf(second?.response._tag === "Response" ? second.response.chunks : [], 2)
      assert.deepStrictEqual(third?.response, { _tag: "NoResponse", reason: "abort", wait: 5000 })
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
