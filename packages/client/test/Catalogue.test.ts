import { assert, describe, it } from "@effect/vitest"
import type { CodexTransport } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { Catalogue } from "effect-codex"

/** A transport that only knows the catalogue, and counts how often it is asked. */
const serving = (etags: ReadonlyArray<string>, delay: "0 seconds" | "2 seconds" = "0 seconds") => {
  const asked: Array<string> = []
  const transport: CodexTransport.Service = {
    attempt: () => assert.fail("no turn was asked for"),
    account: Effect.never,
    connect: () => Effect.never,
    disconnect: () => Effect.void,
    get: (path) =>
      Effect.delay(
        Effect.sync(() => {
          const etag = etags[asked.length] ?? "none"
          asked.push(path)
          return { json: { models: [{ slug: `gpt-${etag}` }] }, metadata: { etag } }
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

  it.effect("within a deadline it is not waited for longer than that", () =>
    Effect.gen(function* () {
      const { transport } = serving(["v1"], "2 seconds")
      const catalogue = yield* Catalogue.make(transport, "0.169.0")
      const fiber = yield* Effect.fork(catalogue.within(1000))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* fiber).source, "bundled")
      const patient = yield* Effect.fork(catalogue.within(undefined))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(slugOf(yield* patient), "gpt-v1")
    })
  )
})
