/** One request on its carrier, fed by hand. */
import { assert, describe, it } from "@effect/vitest"
import { type Carrier, CodexConfig, type Reader } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { Exchange } from "../src/internal/exchange.ts"
import * as Limits from "../src/internal/limits.ts"

/** Its values are the lengths of the chunks; a chunk that begins with 0 is the last one. */
class LengthReader implements Reader.Reader<number, never> {
  done = false
  readonly failure = undefined
  progress = 0
  push(bytes: Uint8Array): ReadonlyArray<number> {
    this.progress++
    if (bytes[0] === 0) this.done = true
    return [bytes.length]
  }
  pushMessage(text: string): ReadonlyArray<number> {
    return this.push(new TextEncoder().encode(text))
  }
  end(): ReadonlyArray<number> {
    return []
  }
}

/** An exchange whose headers have come, and what its carrier was told. */
const begun = Effect.gen(function* () {
  const told: Array<keyof Carrier.Control> = []
  const tell = (what: keyof Carrier.Control) => () => {
    told.push(what)
  }
  const exchange = new Exchange({
    now: () => 0,
    timer: () => () => {},
    limits: Limits.make(CodexConfig.defaults.timeouts, 0, undefined),
    ids: () => ({}),
    readerOf: () => ({ reader: new LengthReader(), keep: true })
  })
  const control: Carrier.Control = { abort: tell("abort"), pause: tell("pause"), resume: tell("resume") }
  yield* exchange.start(
    { send: () => Effect.succeed(control) },
    { method: "GET", url: "https://example.org", headers: {} }
  )
  exchange.onHeaders(200, {}, [])
  return { exchange, told }
})

const chunk = (length: number) => new Uint8Array(length).fill(1)
const last = new Uint8Array([0])

describe("an exchange", () => {
  it.effect("pauses its carrier above the high-water mark, and resumes it when pulled", () =>
    Effect.gen(function* () {
      const { exchange, told } = yield* begun
      exchange.onData(chunk(60_000))
      assert.deepStrictEqual(told, [])
      exchange.onData(chunk(6000))
      assert.deepStrictEqual(told, ["pause"])
      assert.deepStrictEqual(yield* exchange.pull, [60_000, 6000])
      const waiting = yield* Effect.fork(exchange.pull)
      yield* Effect.yieldNow()
      assert.deepStrictEqual(told, ["pause", "resume"])
      exchange.onData(chunk(1))
      assert.deepStrictEqual(yield* waiting, [1])
    })
  )

  it.effect("whose Layer ends interrupts the fiber that waits for it, and one that pulls later", () =>
    Effect.gen(function* () {
      const { exchange, told } = yield* begun
      const waiting = yield* Effect.fork(exchange.pull)
      yield* Effect.yieldNow()
      exchange.shutDown()
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(waiting)))
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(yield* Effect.fork(exchange.pull))))
      assert.deepStrictEqual(told, ["abort"])
    })
  )

  it.effect("whose Layer ends after its last value still delivers it", () =>
    Effect.gen(function* () {
      const { exchange } = yield* begun
      exchange.onData(last)
      exchange.shutDown()
      assert.deepStrictEqual(yield* exchange.pull, [1])
    })
  )

  it.effect("that is paused at its last value is drained anyway", () =>
    Effect.gen(function* () {
      const { exchange, told } = yield* begun
      exchange.onData(chunk(70_000))
      exchange.onData(last)
      assert.deepStrictEqual(told, ["pause", "resume"])
      exchange.close()
      exchange.onEnd()
      assert.deepStrictEqual(told, ["pause", "resume"])
    })
  )

  it.effect("drains 64 KiB, in bytes and messages together, and then gives the connection up", () =>
    Effect.gen(function* () {
      const { exchange, told } = yield* begun
      exchange.onData(last)
      exchange.onData(chunk(60_000))
      exchange.onMessage("x".repeat(5536))
      assert.deepStrictEqual(told, [])
      exchange.onMessage("x")
      assert.deepStrictEqual(told, ["abort"])
    })
  )
})
