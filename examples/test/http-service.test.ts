import { HttpBody, HttpClient, HttpClientResponse } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Script, TestCodex } from "@effect-codex/testing"
import { Deferred, Effect, Layer, Stream } from "effect"
import { Codex } from "effect-codex"
import { app } from "../http-service.ts"

const post = (body: object) => HttpClient.post("/ask", { body: HttpBody.unsafeJson(body) })

/** The service on a port of its own, with the scripted backend behind it. */
const service = (script: Script.Script) =>
  Layer.provideMerge(Layer.provide(app, TestCodex.layer(script)), NodeHttpServer.layerTest)

describe("http-service.ts", () => {
  it.live("streams the answer as server-sent events", () =>
    Effect.gen(function* () {
      const response = yield* post({ prompt: "Hi" })
      assert.strictEqual(response.headers["content-type"], "text/event-stream")
      const text = yield* response.text
      assert.include(text, 'event: Text\ndata: {"_tag":"Text"')
      assert.include(text, "event: Completed\n")
      assert.strictEqual((yield* post({ prompt: "" })).status, 400)
    }).pipe(Effect.scoped, Effect.provide(service([Script.turn({ text: "Hello." })])))
  )

  it.live("a browser that goes away aborts the turn", () =>
    Effect.gen(function* () {
      const aborted = yield* Deferred.make<void>()
      const watched = Layer.effect(
        Codex.Codex,
        Effect.map(Codex.Codex, (codex) => ({
          ...codex,
          stream: ((request) =>
            Stream.ensuring(codex.stream(request), Deferred.succeed(aborted, undefined))) as Codex.Service["stream"]
        }))
      )
      const half = Script.turn({ text: "Hello there." }).pipe(Script.silenceAfterEvents(6))
      yield* Effect.gen(function* () {
        const first = HttpClientResponse.stream(post({ prompt: "Hi" })).pipe(Stream.decodeText(), Stream.runHead)
        assert.include(String(yield* first), "Text")
        yield* Deferred.await(aborted)
      }).pipe(
        Effect.provide(
          Layer.provideMerge(
            app.pipe(Layer.provide(watched), Layer.provide(TestCodex.layer([half]))),
            NodeHttpServer.layerTest
          )
        )
      )
    })
  )
})
