/** The decoder behind a `Stream` and behind an async iterable. */
import { assert, describe, it } from "@effect/vitest"
import type { TurnEvent } from "@effect-codex/schema"
import { TurnStream } from "@effect-codex/stream"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { byteByByte, concat, decode, encode, frames, realistic } from "./support.ts"

const whole = encode(frames(realistic()))
const expected = decode([whole])
const created = encode(frames(realistic().slice(0, 1)))

/** A body by hand: chunks are given when the test says so, and what the reader does is written down. */
const makeBody = () => {
  const log: Array<string> = []
  const ready: Array<IteratorResult<Uint8Array>> = []
  let waiting: ((result: IteratorResult<Uint8Array>) => void) | undefined
  let asked = 0
  const give = (result: IteratorResult<Uint8Array>) => {
    const resolve = waiting
    waiting = undefined
    if (resolve === undefined) ready.push(result)
    else resolve(result)
  }
  const body: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        asked++
        const result = ready.shift()
        return result === undefined
          ? new Promise((resolve) => {
              waiting = resolve
            })
          : Promise.resolve(result)
      },
      return: () => {
        log.push("return")
        return Promise.resolve({ done: true, value: undefined })
      }
    })
  }
  return {
    body,
    log,
    asked: () => asked,
    push: (...chunks: ReadonlyArray<Uint8Array>) => {
      for (const value of chunks) give({ done: false, value })
    },
    end: () => give({ done: true, value: undefined })
  }
}

const unexpected = (cause: unknown) => ({ _tag: "BodyFailed" as const, cause })

async function* each(chunks: Iterable<Uint8Array>) {
  yield* chunks
}

const collectChunks = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.map(Stream.runCollect(Stream.chunks(stream)), (chunks) => Array.from(chunks, (chunk) => Array.from(chunk)))

/** The events before the failure, and the failure. */
const both = <A, E>(stream: Stream.Stream<A, E>) =>
  Stream.runCollect(Stream.either(stream)).pipe(
    Effect.map((all) => {
      const seen = Array.from(all)
      const last = seen.at(-1)
      return {
        events: seen.flatMap((one) => (one._tag === "Right" ? [one.right] : [])),
        failure: last?._tag === "Left" ? last.left : undefined
      }
    })
  )

const forms = {
  decode: (chunks: ReadonlyArray<Uint8Array>) =>
    Stream.fromIterable(chunks).pipe(Stream.rechunk(1), TurnStream.decode()),
  fromAsyncIterable: (chunks: ReadonlyArray<Uint8Array>) => TurnStream.fromAsyncIterable(each(chunks), unexpected)
}

for (const [name, form] of Object.entries(forms)) {
  describe(name, () => {
    it.effect("gives the events of the decoder, however the bytes are cut", () =>
      Effect.gen(function* () {
        for (const chunks of [[whole], byteByByte(whole), [whole.subarray(0, 700), whole.subarray(700)]]) {
          assert.deepStrictEqual(Array.from(yield* Stream.runCollect(form(chunks))), expected.events as never)
        }
      })
    )

    it.effect("a failure follows all earlier events, and has the partial turn", () =>
      Effect.gen(function* () {
        const bad = concat([whole.subarray(0, whole.length - 400), Uint8Array.of(0xff)])
        const damaged = yield* both(form([bad]))
        assert.strictEqual(damaged.failure?._tag, "InvalidUtf8")
        assert.deepStrictEqual(damaged.events, decode([bad]).events as never)
        const cut = yield* both(form([created]))
        assert.strictEqual(cut.failure?._tag, "StreamTruncated")
        assert.deepStrictEqual(
          cut.events.map(({ _tag }) => _tag),
          ["TurnStarted"]
        )
        const empty = yield* Effect.flip(Stream.runDrain(form([])))
        assert.strictEqual(empty._tag, "StreamTruncated")
      })
    )

    it.effect("running it twice starts over", () =>
      Effect.gen(function* () {
        const stream = name === "decode" ? form([whole]) : Stream.suspend(() => form([whole]))
        const first = yield* TurnStream.collect(stream)
        const second = yield* TurnStream.collect(stream)
        assert.deepStrictEqual(first, second)
        const half = Stream.take(form([whole]), 3)
        assert.lengthOf(yield* Stream.runCollect(half), 3)
      })
    )

    it.effect("the small operators", () =>
      Effect.gen(function* () {
        const turn = expected.turn
        assert.deepStrictEqual(yield* TurnStream.collect(form([whole])), turn as never)
        assert.strictEqual(yield* Stream.mkString(TurnStream.textStream(form([whole]))), turn?.text)
        assert.deepStrictEqual(
          Array.from(yield* Stream.runCollect(TurnStream.toolCalls(form([whole])))),
          turn?.toolCalls as never
        )
        const error = yield* Effect.flip(TurnStream.collect(Stream.empty as Stream.Stream<TurnEvent.TurnEvent>))
        assert.strictEqual(error._tag, "StreamTruncated")
      })
    )
  })
}

describe("decode", () => {
  it.effect("a chunk of bytes is a chunk of events", () =>
    Effect.gen(function* () {
      const chunks = yield* collectChunks(
        Stream.fromChunks(Chunk.of(created), Chunk.make(whole.subarray(created.length, 900), whole.subarray(900))).pipe(
          TurnStream.decode()
        )
      )
      assert.deepStrictEqual(
        chunks.map((chunk) => chunk.length),
        [1, expected.events.length - 1]
      )
    })
  )

  it.effect("ends with the terminal event and releases a body that would never end", () =>
    Effect.gen(function* () {
      const released = yield* Deferred.make<void>()
      const body = Stream.concat(Stream.make(whole), Stream.never).pipe(
        Stream.ensuring(Deferred.succeed(released, undefined))
      )
      assert.deepStrictEqual(yield* TurnStream.collect(TurnStream.decode()(body)), expected.turn as never)
      yield* Deferred.await(released)
    })
  )
})

describe("fromAsyncIterable", () => {
  const start = (body: AsyncIterable<Uint8Array>) => {
    const chunks: Array<ReadonlyArray<TurnEvent.TurnEvent>> = []
    const run = Stream.runForEachChunk(TurnStream.fromAsyncIterable(body, unexpected), (chunk) =>
      Effect.sync(() => {
        chunks.push(Array.from(chunk))
      })
    )
    return { chunks, run }
  }
  const macrotask = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

  it.live("the first event of a quiet body is not held back", () =>
    Effect.gen(function* () {
      const { body, push } = makeBody()
      const { chunks, run } = start(body)
      const fiber = yield* Effect.fork(run)
      yield* macrotask
      push(created)
      yield* macrotask
      yield* macrotask
      assert.deepStrictEqual(
        chunks.flat().map(({ _tag }) => _tag),
        ["TurnStarted"]
      )
      yield* Fiber.interrupt(fiber)
    })
  )

  it.live("chunks that are ready go on together", () =>
    Effect.gen(function* () {
      const { chunks, run } = start(each(byteByByte(whole)))
      yield* run
      assert.isBelow(chunks.length, 5)
      assert.deepStrictEqual(chunks.flat(), expected.events as never)
    })
  )

  it.live("no more is taken than the bound while the consumer is busy", () =>
    Effect.gen(function* () {
      const { asked, body, push } = makeBody()
      const kilobytes = encode(`: ${"x".repeat(1021)}\n`)
      push(created, ...Array.from({ length: 2000 }, () => kilobytes))
      const gate = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        Stream.runForEachChunk(TurnStream.fromAsyncIterable(body, unexpected), () => Deferred.await(gate))
      )
      yield* Effect.repeatN(macrotask, 20)
      assert.isAbove(asked(), 1)
      assert.isBelow(asked(), 300)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.live("ends with the terminal event, reads nothing more, and stops the body", () =>
    Effect.gen(function* () {
      const { body, log, push } = makeBody()
      push(whole)
      assert.deepStrictEqual(
        yield* TurnStream.collect(TurnStream.fromAsyncIterable(body, unexpected)),
        expected.turn as never
      )
      assert.deepStrictEqual(log, ["return"])
      const other = makeBody()
      other.push(whole)
      assert.deepStrictEqual(yield* TurnStream.foldAsyncIterable(other.body, unexpected), expected.turn as never)
      assert.deepStrictEqual(other.log, ["return"])
    })
  )

  it.live("interruption and an early end tell the body to stop", () =>
    Effect.gen(function* () {
      for (const run of [
        (body: AsyncIterable<Uint8Array>) => Stream.runDrain(TurnStream.fromAsyncIterable(body, unexpected)),
        (body: AsyncIterable<Uint8Array>) => TurnStream.foldAsyncIterable(body, unexpected)
      ]) {
        const { body, log, push } = makeBody()
        push(created)
        const fiber = yield* Effect.fork(run(body))
        yield* macrotask
        yield* macrotask
        assert.isEmpty(log)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(log, ["return"])
      }
      const early = makeBody()
      early.push(created)
      yield* Stream.runDrain(Stream.take(TurnStream.fromAsyncIterable(early.body, unexpected), 1))
      assert.deepStrictEqual(early.log, ["return"])
    })
  )

  it.live("a body that fails, now or at once, is a failure of the caller's making, behind the events", () =>
    Effect.gen(function* () {
      const rejects = async function* () {
        yield created
        yield* await Promise.reject<ReadonlyArray<Uint8Array>>(new Error("reset"))
      }
      const { events, failure } = yield* both(TurnStream.fromAsyncIterable(rejects(), unexpected))
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["TurnStarted"]
      )
      assert.strictEqual(failure?._tag, "BodyFailed")
      const locked = new ReadableStream<Uint8Array>()
      locked.getReader()
      const broken: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          next: () => {
            throw new Error("no")
          },
          return: () => {
            throw new Error("no")
          }
        })
      }
      for (const body of [locked as AsyncIterable<Uint8Array>, broken]) {
        assert.strictEqual((yield* Effect.flip(TurnStream.foldAsyncIterable(body, unexpected)))._tag, "BodyFailed")
        const error = yield* Effect.flip(Stream.runDrain(TurnStream.fromAsyncIterable(body, unexpected)))
        assert.strictEqual(error._tag, "BodyFailed")
      }
    })
  )
})

describe("TurnDecoder", () => {
  it("an event larger than the limit fails with the partial turn", () => {
    const { failure } = decode([whole.subarray(0, 2000), encode(`data: ${"x".repeat(5000)}`)], { maxEventSize: 4000 })
    assert.deepInclude(failure, { _tag: "InvalidEvent", reason: "tooLarge" })
    assert.strictEqual(failure?.partial?.responseId, "resp_1")
  })

  it("reads nothing behind the terminal event, damaged or not", () => {
    for (const rest of [Uint8Array.of(0xff), encode(frames(realistic())), encode(`data: ${"x".repeat(99)}`)]) {
      const { events, failure } = decode([concat([whole, rest])], { maxEventSize: 4000 })
      assert.deepStrictEqual(events, expected.events)
      assert.isUndefined(failure)
    }
  })

  it("a terminal event without its blank line is accepted at the end, and recorded", () => {
    const { turn } = decode([whole.subarray(0, whole.length - 2)])
    assert.isTrue(turn?.diagnostics.unterminatedFinalEvent)
    assert.strictEqual(turn?.text, expected.turn?.text)
  })
})
