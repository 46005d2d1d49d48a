import { assert, describe } from "@effect/vitest"
import * as Script from "@effect-codex/testing/Script"
import { codex, strict } from "@effect-codex/testing/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"

describe("codex", () => {
  codex("answers", [Script.turn({ text: "Hello" })], ({ backend, codex }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* codex.turn({ prompt: "Hi" })).text, "Hello")
      assert.strictEqual((yield* backend.requests)[0]?.prompt, "Hi")
    })
  )

  codex(
    "takes a configuration, and runs in virtual time",
    [Script.status(503, { headers: { "retry-after": "60" } }), Script.turn({ text: "Late" })],
    ({ backend, codex }) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(codex.turn({ prompt: "Hi" }))
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* Fiber.join(fiber)).text, "Late")
        assert.strictEqual((yield* backend.requests)[0]?.model, "gpt-6-sol")
      }),
    { model: "gpt-6-sol" }
  )
})

describe("strict", () => {
  strict("refuses", { models: [{ slug: "gpt-7" }] }, ({ backend, codex }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(codex.turn({ prompt: "Hi" })))._tag, "ModelUnavailable")
      assert.strictEqual((yield* codex.turn({ prompt: "Hi", model: "gpt-7" })).text, "You said: Hi")
      assert.lengthOf(yield* backend.refusals, 1)
    })
  )
})
