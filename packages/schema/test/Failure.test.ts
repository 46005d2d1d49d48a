import * as Util from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Failure, ServiceError, type Turn } from "@effect-codex/schema"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

class Jammed extends Failure.Class<Jammed>("test/Jammed")("Jammed", { tray: Schema.Number }) {
  override get message(): string {
    return Failure.describe(`Tray ${this.tray} is jammed.`, this)
  }
}

const partial: Turn.PartialTurn = {
  blocks: [],
  text: "Half",
  items: Redacted.make([]),
  abandonedToolCalls: [],
  diagnostics: { events: 1, unknown: 0, malformed: 0, driftCount: 0, drift: [] }
}

describe("Failure", () => {
  it("is not retryable and has no delay by default", () => {
    const error = new Jammed({ tray: 1 })
    assert.isFalse(error.isRetryable)
    assert.isUndefined(error.retryAfter)
    assert.isTrue(Failure.isFailure(error))
    assert.isFalse(Failure.isFailure(new Error("another")))
    const limited = new ServiceError.RateLimited({ retryAfterMillis: 2000 })
    assert.isTrue(limited.isRetryable)
    assert.deepStrictEqual(limited.retryAfter, Duration.seconds(2))
  })

  it("with more facts is a copy of the same class; the original stays as it was", () => {
    const error = new Jammed({ tray: 1, code: "e1" })
    const before = Util.inspect(error, { showHidden: true })
    const more = Failure.withFacts(error, { partial, requestId: "req_1" })
    assert.notStrictEqual(more, error)
    assert.instanceOf(more, Jammed)
    assert.deepInclude(more, { _tag: "Jammed", tray: 1, code: "e1", requestId: "req_1" })
    assert.strictEqual(more.partial?.text, "Half")
    assert.strictEqual(more.message, "Tray 1 is jammed. The server says: e1 (request req_1)")
    assert.strictEqual(Util.inspect(error, { showHidden: true }), before)
    assert.isUndefined(error.partial)
  })

  it("the facts given win, absent ones change nothing, and without news it is the same error", () => {
    const error = new Jammed({ tray: 1, code: "e1" })
    assert.strictEqual(Failure.withFacts(error, { code: "e1", serverMessage: undefined }), error)
    assert.strictEqual(Failure.withFacts(error, {}), error)
    assert.deepInclude(Failure.withFacts(error, { code: "e2", status: undefined }), { tray: 1, code: "e2" })
  })

  it.effect("round-trips through its schema", () =>
    Effect.gen(function* () {
      const error = Failure.withFacts(new ServiceError.UsageLimit({ reason: "quota", planType: "plus" }), { partial })
      const json = yield* Schema.encode(Schema.parseJson(ServiceError.UsageLimit))(error)
      const again = yield* Schema.decode(Schema.parseJson(ServiceError.UsageLimit))(json)
      assert.deepInclude(again, { _tag: "UsageLimit", reason: "quota", planType: "plus" })
      assert.strictEqual(again.partial?.text, "Half")
    })
  )

  it("quotes the server only when it has words", () => {
    assert.strictEqual(Failure.describe("No.", { serverMessage: " ", code: "" }), "No.")
    assert.strictEqual(Failure.describe("No.", { serverMessage: "", code: "e1" }), "No. The server says: e1")
  })
})
