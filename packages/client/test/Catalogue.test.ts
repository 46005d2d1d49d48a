import { assert, describe, it } from "@effect/vitest"
import { type CodexTransport, TransportError } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { Catalogue } from "effect-codex"

/** A transport that only knows the catalogue, and counts how often it is asked. */
const serving = (etags: ReadonlyArray<string | undefined>, delay: "0 seconds" | "2 seconds" = "0 seconds") => {
  const asked: Array<string> = []
  const transport: CodexTransport.Service = {
    attempt: () => assert.fail("no turn was asked for"),
    account: Effect.never,
    connect: () => Effect.never,
    disconnect: () => Effect.void,
    get: (path) =>
      Effect.delay(
        Effect.sync(() => {
          const etag = etags[asked.length]
          asked.push(path)
          return { json: { models: [{ slug: `gpt-${etag ?? "none"}` }] }, metadata: etag === undefined ? {} : { etag } }
        }),
        delay
      )
  }
  return { asked, transport }
}

const slugOf = ({ models }: Catalogue.Catalogue) => models[0]?.slug

describe("Catalogue", () => {
  it.effect("an ETag that arrived before the list was asked for says nothing of the list", () =>
    Effect.gen(function* () {
      const { asked, transport } = serving(["v1", "v2"])
      const catalogue = yield* Catalogue.make(transport, "0.169.0")
      yield* catalogue.sawEtag("v0")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(slugOf(yield* catalogue.get), "gpt-v1")
      assert.strictEqual(slugOf(yield* catalogue.get), "gpt-v1")
      assert.lengthOf(asked, 1)
      yield* TestClock.adjust("1 second")
      yield* catalogue.sawEtag("v2")
      assert.strictEqual(slugOf(yield* catalogue.get), "gpt-v2")
      assert.lengthOf(asked, 2)
    })
  )

  it.effect("an ETag says nothing of a list that has none: the bundled one, or one the server sent without", () =>
    Effect.gen(function* () {
      const { asked, transport } = serving([undefined, "v1"])
      const catalogue = yield* Catalogue.make(transport, "0.169.0")
      yield* catalogue.get
      yield* TestClock.adjust("1 second")
      yield* catalogue.sawEtag("v1")
      yield* catalogue.get
      assert.lengthOf(asked, 1)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(slugOf(yield* catalogue.get), "gpt-v1")
      assert.lengthOf(asked, 2)
    })
  )

  it.effect("an ETag of another version asks again at once, and while that fails not with every call", () =>
    Effect.gen(function* () {
      const { asked, transport } = serving(["v1"])
      let isDown = false
      const catalogue = yield* Catalogue.make(
        {
          ...transport,
          get: (...request) =>
            isDown
              ? Effect.zipRight(
                  Effect.sync(() => asked.push("failed")),
                  new TransportError.HttpFailure({ status: 500 })
                )
              : transport.get(...request)
        },
        "0.169.0"
      )
      yield* catalogue.get
      isDown = true
      yield* TestClock.adjust("1 second")
      yield* catalogue.sawEtag("v2")
      for (let n = 0; n < 3; n++) assert.strictEqual(slugOf(yield* catalogue.get), "gpt-v1")
      assert.lengthOf(asked, 2)
      yield* TestClock.adjust("30 seconds")
      yield* catalogue.get
      assert.lengthOf(asked, 3)
    })
  )

  it.effect("its version is that of the list fetched last, by its ETag, else by the one that responses carry", () =>
    Effect.gen(function* () {
      const answers = [{ etag: "v1" }, { modelsEtag: "v2" }]
      let asked = 0
      const catalogue = yield* Catalogue.make(
        {
          ...serving([]).transport,
          get: () => Effect.sync(() => ({ json: { models: [{ slug: "m" }] }, metadata: answers[asked++] ?? {} }))
        },
        "0.169.0"
      )
      const seeing = (etag: string) =>
        TestClock.adjust("1 second").pipe(Effect.zipRight(catalogue.sawEtag(etag)), Effect.zipRight(catalogue.get))
      yield* catalogue.get
      yield* seeing("v1")
      assert.strictEqual(asked, 1)
      yield* seeing("v2")
      assert.strictEqual(asked, 2)
      yield* seeing("v2")
      assert.strictEqual(asked, 2)
      yield* seeing("v3")
      assert.strictEqual(asked, 3)
    })
  )

  it.effect("an empty list takes nothing away, and is asked for again after half a minute", () =>
    Effect.gen(function* () {
      let asked = 0
      const catalogue = yield* Catalogue.make(
        {
          ...serving([]).transport,
          get: () => Effect.sync(() => ({ json: { models: asked++ < 1 ? [] : [{ slug: "m" }] }, metadata: {} }))
        },
        "0.169.0"
      )
      assert.strictEqual((yield* catalogue.get).source, "bundled")
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual((yield* catalogue.get).source, "bundled")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* catalogue.get).source, "server")
      assert.strictEqual(asked, 2)
    })
  )

  it.effect("within a deadline it is not waited for longer than that", () =>
    Effect.gen(function* () {
      const { transport } = serving(["v1"], "2 seconds")
      const catalogue = yield* Catalogue.make(transport, "0.169.0")
      yield* TestClock.adjust("10 seconds")
      const fiber = yield* Effect.fork(catalogue.within(11_000))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* fiber).source, "bundled")
      const patient = yield* Effect.fork(catalogue.within(undefined))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(slugOf(yield* patient), "gpt-v1")
    })
  )
})
