/** What the consumer is promised when a stream breaks: no word twice without being told, and the whole turn at the end. */

import { assert, describe, it } from "@effect/vitest"
import { type Item, RateLimits, type ResponsesRequest, type Turn, type TurnEvent } from "@effect-codex/schema"
import { TurnDecoder } from "@effect-codex/stream"
import { Script, TestCodex } from "@effect-codex/testing"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Codex, type CodexError } from "effect-codex"
import * as Delivery from "../src/internal/delivery.ts"
import { bodies, requests, run } from "./support.ts"

const answer = {
  id: "resp_fixed",
  reasoning: "Let me see.",
  text: "The answer, in a few words.",
  toolCalls: [{ name: "look", callId: "call_1", arguments: { at: "it" } }]
}
const answerEvents = Script.turnEvents(answer)
/** The same events, ids included, however often it is asked for. */
const whole = Script.events(answerEvents)
const eventCount = answerEvents.length

/** How many events come before the first piece of text. */
const firstWord = answerEvents.findIndex((event) => event["type"] === "response.output_text.delta")

/** How many events come before the first one that a person could see. */
const firstVisible = answerEvents.findIndex((event) => String(event["type"]).endsWith(".delta"))

const frame = (event: object) => `data: ${JSON.stringify(event)}\n\n`

type Seen = TurnEvent.TurnEvent | TurnEvent.TurnRestarted

const collect = (onceShown: "fail" | "restart") =>
  Effect.gen(function* () {
    const codex = yield* Codex.Codex
    const seen: Array<Seen> = []
    const stream: Stream.Stream<Seen, CodexError.CodexError> =
      onceShown === "fail" ? codex.stream({ prompt: "?" }, { onceShown: "fail" }) : codex.stream({ prompt: "?" })
    const result = yield* run(Effect.either(Stream.runForEach(stream, (event) => Effect.sync(() => seen.push(event)))))
    return { seen, result, sent: (yield* requests).length }
  })

const textOf = (events: ReadonlyArray<Seen>) =>
  events.map((event) => (event._tag === "TextDelta" ? event.delta : "")).join("")

const turnOf = (events: ReadonlyArray<Seen>) => {
  const last = events.at(-1)
  assert.strictEqual(last?._tag, "TurnCompleted")
  return (last as TurnEvent.TurnCompleted).turn
}

const withoutCounts = ({ attempts: _, requestId: _id, ...turn }: ReturnType<typeof turnOf>) => turn

describe("a stream that breaks after event k, for every k", () => {
  const undisturbed = Effect.provide(collect("restart"), TestCodex.layer([whole]))

  for (const breaking of ["truncateAfterEvents", "resetAfterEvents"] as const) {
    it.effect(`restart: ${breaking}`, () =>
      Effect.gen(function* () {
        const expected = yield* undisturbed
        for (let k = 0; k <= eventCount; k++) {
          const script = [whole.pipe(Script[breaking](k)), whole]
          const { result, seen, sent } = yield* Effect.provide(collect("restart"), TestCodex.layer(script))
          assert.isTrue(Either.isRight(result), `k = ${k}`)
          const marker = seen.findIndex((event) => event._tag === "TurnRestarted")
          const before = marker === -1 ? [] : seen.slice(0, marker)
          const after = seen.slice(marker + 1)
          // what stands after the marker is the undisturbed turn, element by element
          assert.deepStrictEqual(textOf(after), textOf(expected.seen))
          assert.deepStrictEqual(
            after.slice(0, -1).filter((event) => event._tag !== "TurnStarted"),
            expected.seen.slice(0, -1).filter((event) => event._tag !== "TurnStarted")
          )
          assert.deepStrictEqual(withoutCounts(turnOf(seen)), withoutCounts(turnOf(expected.seen)))
          // what stood before it is a beginning of it, and no call of it could be carried out
          assert.isTrue(textOf(expected.seen).startsWith(textOf(before)))
          assert.isFalse(before.some((event) => event._tag === "TurnCompleted"))
          // the marker is there exactly when something had been shown
          const broke = k < eventCount
          assert.strictEqual(sent, broke ? 2 : 1)
          assert.strictEqual(turnOf(seen).attempts, sent)
          assert.strictEqual(marker !== -1, broke && k > firstVisible, `k = ${k}`)
        }
      })
    )

    it.effect(`fail: ${breaking}`, () =>
      Effect.gen(function* () {
        const expected = yield* undisturbed
        for (let k = 0; k < eventCount; k++) {
          const script = [whole.pipe(Script[breaking](k)), whole]
          const { result, seen, sent } = yield* Effect.provide(collect("fail"), TestCodex.layer(script))
          assert.isFalse(seen.some((event) => event._tag === "TurnRestarted"))
          if (k <= firstVisible) {
            // nothing had been shown: tried again in silence
            assert.strictEqual(sent, 2)
            assert.deepStrictEqual(withoutCounts(turnOf(seen)), withoutCounts(turnOf(expected.seen)))
            continue
          }
          assert.strictEqual(sent, 1)
          assert.isTrue(Either.isLeft(result), `k = ${k}`)
          const error = Either.isLeft(result) ? result.left : undefined
          assert.include(["StreamTruncated", "ConnectionFailed"], error?._tag)
          const partial = error?.partial
          assert.strictEqual(partial?.text, textOf(seen))
          assert.isTrue(textOf(expected.seen).startsWith(textOf(seen)))
        }
      })
    )
  }
})

describe("an attempt that breaks before anything could be seen of it", () => {
  const created: Script.Event = { type: "response.created", response: { id: "resp_1" } }
  const beginnings: Readonly<Record<string, Script.Event>> = {
    "limits and metadata": {
      type: "codex.rate_limits",
      rate_limits: { primary: { used_percent: 5, window_minutes: 300 } }
    },
    "an event nobody knows": { type: "codex.something_new", detail: "?" },
    "an empty message": { type: "response.output_item.added", output_index: 0, item: { type: "message", id: "msg_1" } },
    "an empty delta": { type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "" },
    "reasoning without a word": {
      type: "response.output_item.done",
      output_index: 0,
      item: { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAA" }
    }
  }
  const limit = { code: "rate_limit_exceeded", message: "Please try again in 1s." }
  const endings: Readonly<Record<string, ReadonlyArray<Script.Event>>> = {
    "response.failed": [{ type: "response.failed", response: { error: limit } }],
    error: [{ type: "error", error: { code: "server_error", message: "Oops." } }],
    "the end": []
  }

  for (const [beginning, event] of Object.entries(beginnings)) {
    it.effect(`is tried again in silence: ${beginning}`, () =>
      Effect.gen(function* () {
        for (const ending of Object.values(endings)) {
          const broken = Script.events([created, event, ...ending])
          for (const step of [broken, broken.pipe(Script.resetAfterEvents(2))]) {
            for (const mode of ["fail", "restart"] as const) {
              const { seen, sent } = yield* Effect.provide(collect(mode), TestCodex.layer([step, whole]))
              assert.strictEqual(sent, 2)
              assert.isFalse(seen.some(({ _tag }) => _tag === "TurnRestarted"))
              assert.strictEqual(turnOf(seen).text, answer.text)
            }
          }
        }
      })
    )
  }
})

describe("a stream that breaks again and again", () => {
  const afterWord = firstWord + 1

  it.effect(
    "tells each time from which attempt on what was shown holds no more, and only where something was shown",
    () =>
      Effect.gen(function* () {
        const { result, seen, sent } = yield* collect("restart")
        assert.isTrue(Either.isRight(result))
        assert.strictEqual(sent, 4)
        assert.deepStrictEqual(
          seen.flatMap((event) => (event._tag === "TurnRestarted" ? [[event.attempt, event.reason]] : [])),
          [
            [2, "StreamTruncated"],
            [4, "StreamTruncated"]
          ]
        )
        const [first, second] = seen.flatMap((event) => (event._tag === "TurnRestarted" ? [event.delayMillis] : []))
        assert.isAbove(first ?? 0, 0)
        assert.isAbove(second ?? 0, first ?? 0)
      }).pipe(
        Effect.provide(
          TestCodex.layer([
            whole.pipe(Script.truncateAfterEvents(afterWord)),
            // nothing of this one is shown
            whole.pipe(Script.truncateAfterEvents(1)),
            whole.pipe(Script.truncateAfterEvents(afterWord)),
            whole
          ])
        )
      )
  )

  it.effect("waits before the next attempt for as long as it says", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const seen: Array<Seen> = []
      const reading = Stream.runForEach(codex.stream({ prompt: "?" }), (event) => Effect.sync(() => seen.push(event)))
      const fiber = yield* Effect.fork(reading)
      while (textOf(seen) === "") yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
      yield* TestClock.adjust("700 millis")
      assert.lengthOf(yield* requests, 1)
      yield* TestClock.adjust("600 millis")
      yield* fiber
      assert.lengthOf(yield* requests, 2)
    }).pipe(Effect.provide(TestCodex.layer([whole.pipe(Script.truncateAfterEvents(afterWord)), whole])))
  )

  it.effect("has the budget of an outage only while nothing is shown", () =>
    Effect.gen(function* () {
      const { result, sent } = yield* collect("restart")
      assert.strictEqual(Either.isLeft(result) && result.left._tag, "ConnectionFailed")
      // three retries after what was shown, not seven
      assert.strictEqual(sent, 4)
    }).pipe(Effect.provide(TestCodex.layer(Script.always(whole.pipe(Script.resetAfterEvents(afterWord))))))
  )
})

describe("turn and text", () => {
  it.effect("turn tries again in silence and counts the attempts", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const turn = yield* run(codex.turn({ prompt: "?" }))
      assert.strictEqual(turn.text, answer.text)
      assert.strictEqual(turn.attempts, 3)
    }).pipe(Effect.provide(TestCodex.layer([Script.status(503), whole.pipe(Script.truncateAfterEvents(9)), whole])))
  )

  it.effect("text is begun anew before its first word, and fails after it", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const first = yield* run(Stream.runCollect(codex.text({ prompt: "?" })))
      assert.strictEqual(Chunk.join(first, ""), answer.text)
      const words: Array<string> = []
      const error = yield* run(
        Effect.flip(Stream.runForEach(codex.text({ prompt: "?" }), (word) => Effect.sync(() => words.push(word))))
      )
      assert.strictEqual(error._tag, "StreamTruncated")
      assert.isNotEmpty(words)
      assert.isTrue(answer.text.startsWith(words.join("")))
      assert.strictEqual((yield* requests).length, 3)
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          whole.pipe(Script.truncateAfterEvents(firstWord)),
          whole,
          whole.pipe(Script.truncateAfterEvents(firstWord + 1)),
          whole
        ])
      )
    )
  )

  it.effect("one budget for the whole call: statuses and broken streams count alike, outages apart", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const error = yield* run(Effect.flip(codex.turn({ prompt: "?" })))
      assert.strictEqual(error._tag, "RateLimited")
      assert.strictEqual((yield* requests).length, 6)
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.status(502),
          whole.pipe(Script.truncateAfterEvents(9)),
          Script.status(408),
          Script.status(500),
          whole.pipe(Script.truncateAfterEvents(4)),
          Script.status(429),
          whole
        ])
      )
    )
  )

  it.effect("what is final is not tried again, and what had arrived is in the error", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const error = yield* run(Effect.flip(codex.turn({ prompt: "?" })))
      assert.strictEqual(error._tag, "ContextWindowExceeded")
      assert.strictEqual(error.partial?.text, "Half")
      assert.strictEqual((yield* requests).length, 1)
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.turn({ text: "Half", failed: { code: "context_length_exceeded", message: "Too long." } }),
          whole
        ])
      )
    )
  )
})

describe("partial", () => {
  it("is that of the last attempt that brought anything", () => {
    const partial = (text: string): Turn.PartialTurn => ({
      blocks: text === "" ? [] : [{ _tag: "Text", outputIndex: 0, text, annotations: [] }],
      text,
      items: Redacted.make([]),
      abandonedToolCalls: [],
      diagnostics: { events: 0, unknown: 0, malformed: 0, driftCount: 0, drift: [] }
    })
    const [nothing, first, second] = [partial(""), partial("first"), partial("second")]
    assert.strictEqual(Delivery.fuller(second, first), second)
    assert.strictEqual(Delivery.fuller(nothing, first), first)
    assert.strictEqual(Delivery.fuller(nothing, undefined), nothing)
  })

  it.effect("a later attempt that brought nothing takes nothing away", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const error = yield* run(Effect.flip(codex.turn({ prompt: "?" })))
      assert.strictEqual(error._tag, "StreamTruncated")
      assert.strictEqual(error.partial?.text, answer.text)
      assert.strictEqual((yield* requests).length, 4)
    }).pipe(
      Effect.provide(
        TestCodex.layer(({ number }) => whole.pipe(Script.truncateAfterEvents(number === 1 ? eventCount - 2 : 0)))
      )
    )
  )

  it.effect("what a broken attempt had is not lost when its retries get no answer", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const error = yield* run(Effect.flip(codex.turn({ prompt: "?" })))
      assert.strictEqual(error._tag, "ConnectionFailed")
      assert.strictEqual(error.partial?.text, answer.text)
    }).pipe(
      Effect.provide(
        TestCodex.layer(({ number }) =>
          number === 1 ? whole.pipe(Script.truncateAfterEvents(eventCount - 2)) : Script.refuse
        )
      )
    )
  )
})

describe("keepItems", () => {
  const user = (text: string): Item.Item => ({
    type: "message",
    role: "user",
    content: [{ type: "input_text", text }]
  })
  const message = (text: string): Item.Item => ({
    type: "message",
    role: "assistant",
    content: [{ type: "output_text", text, annotations: [] }]
  })
  const reasoning: Item.Item = { type: "reasoning", id: "rs_1", summary: [] }
  const call: Item.Item = { type: "function_call", call_id: "c1", name: "look", arguments: "{}" }

  it("keeps what can be gone on from: no reasoning at the end, nothing from the first call on", () => {
    const { replayable } = Delivery
    assert.deepStrictEqual(replayable([reasoning, message("a"), reasoning]), [reasoning, message("a")])
    assert.deepStrictEqual(replayable([reasoning]), [])
    const search: Item.Item = { type: "web_search_call", id: "ws_1", status: "completed" }
    assert.deepStrictEqual(replayable([reasoning, search, reasoning]), [reasoning, search])
    assert.deepStrictEqual(replayable([message("a"), reasoning, call, message("b")]), [message("a")])
    assert.deepStrictEqual(replayable([message("a"), message("b")]), [message("a"), message("b")])
    assert.deepStrictEqual(replayable([]), [])
  })

  it.effect("over two broken attempts everything finished is kept, and stands before the rest", () => {
    const part = (text: string) => {
      const events = Script.turnEvents({ text })
      return Script.events(events).pipe(
        Script.truncateAfterEvents(1 + events.findIndex(({ type }) => type === "response.output_item.done"))
      )
    }
    return Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const turn = yield* run(codex.turn({ prompt: "?", keepItems: true }))
      assert.strictEqual(turn.text, "One, two, three.")
      assert.lengthOf(turn.items, 3)
      const sent = yield* bodies
      assert.deepStrictEqual(
        sent.map(({ input }) => input.length),
        [1, 2, 3]
      )
    }).pipe(Effect.provide(TestCodex.layer([part("One, "), part("two, "), Script.turn({ text: "three." })])))
  })

  it.effect("an attempt that brought nothing keeps nothing a second time", () => {
    const events = Script.turnEvents({ text: "One. " })
    const done = 1 + events.findIndex(({ type }) => type === "response.output_item.done")
    return Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const turn = yield* run(codex.turn({ prompt: "?", keepItems: true }))
      assert.strictEqual(turn.text, "One. Two.")
      assert.deepStrictEqual(
        (yield* bodies).map(({ input }) => input.length),
        [1, 2, 2]
      )
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.events(events).pipe(Script.truncateAfterEvents(done)),
          whole.pipe(Script.truncateAfterEvents(0)),
          Script.turn({ text: "Two." })
        ])
      )
    )
  })

  it("a finished turn has what was kept before it, and what only the client knows", () => {
    const kept = [user("not the model's"), message("Kept. ")].slice(1)
    const { turn } = (() => {
      const decoder = new TurnDecoder.TurnDecoder()
      decoder.push(new TextEncoder().encode(Script.turnEvents({ text: "New." }).map(frame).join("")))
      return decoder
    })()
    assert.isDefined(turn)
    if (turn === undefined) return
    const metadata = { model: "gpt-served", requestId: "req_9" }
    const token = Redacted.make("ts-1")
    const request = { model: "gpt-5.5", input: [user("One")] } as unknown as ResponsesRequest.ResponsesRequest
    const repairs = [{ _tag: "OutputAdded", index: 0, callId: "c1", name: "ls" }] as const
    const whole = Delivery.completed(turn, { attempts: 2, kept, metadata, repairs, request, routingToken: token })
    assert.strictEqual(whole.text, "Kept. New.")
    assert.lengthOf(whole.items, 2)
    assert.deepStrictEqual(Redacted.value(whole.input ?? Redacted.make([])), request.input)
    assert.deepInclude(whole, { repairs, attempts: 2, model: "gpt-served", requestId: "req_9", routingToken: token })
    assert.deepStrictEqual(
      whole.blocks.map(({ outputIndex }) => outputIndex),
      [0, 1]
    )
    const used = (percent: number) =>
      RateLimits.fromHeaders({ "x-codex-primary-used-percent": String(percent) }) as RateLimits.RateLimits
    const limited = Delivery.completed(
      { ...turn, rateLimits: used(12) },
      {
        attempts: 1,
        kept: [],
        metadata: { rateLimits: used(11) },
        repairs: [],
        request,
        routingToken: undefined
      }
    )
    // an event comes after the headers
    assert.deepStrictEqual(
      limited.rateLimits?.limits.map(({ windows }) => windows.map(({ usedPercent }) => usedPercent)),
      [[12]]
    )
    const plain = Delivery.completed(turn, {
      attempts: 1,
      kept: [],
      metadata: {},
      repairs: [],
      request,
      routingToken: undefined
    })
    assert.deepStrictEqual(plain, { ...turn, attempts: 1, repairs: [], input: Redacted.make(request.input) })
  })

  it.effect("a new attempt goes on from the finished message, and the turn is whole", () => {
    const events = Script.turnEvents({ ...answer, toolCalls: [] })
    const messageDone = 1 + events.map((event) => event["type"]).lastIndexOf("response.output_item.done")
    const rest = Script.turn({ id: "resp_rest", text: " And a rest." })
    return Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const seen = Chunk.toReadonlyArray(yield* run(Stream.runCollect(codex.stream({ prompt: "?", keepItems: true }))))
      const marker = seen.find((event) => event._tag === "TurnRestarted")
      assert.deepStrictEqual(marker?._tag === "TurnRestarted" ? marker.kept.map((item) => String(item.type)) : [], [
        "reasoning",
        "message"
      ])
      assert.strictEqual(turnOf(seen).text, `${answer.text} And a rest.`)
      const [, second] = yield* bodies
      assert.deepStrictEqual(
        second?.input.map((item) => item.type),
        ["message", "reasoning", "message"]
      )
    }).pipe(
      Effect.provide(TestCodex.layer([Script.events(events).pipe(Script.truncateAfterEvents(messageDone)), rest]))
    )
  })
})

describe("the routing token (protocol B.5)", () => {
  const sentTokens = Effect.map(requests, (all) => all.map(({ headers }) => headers["x-codex-turn-state"]))
  const withToken = (token: string) => Script.headers({ "x-codex-turn-state": token })
  const withEventToken = Script.events([
    { type: "response.metadata", headers: { "x-codex-turn-state": "ts-event" } },
    ...answerEvents
  ])

  it.effect("of a broken attempt goes with its retries, and the first one stays", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const turn = yield* run(codex.turn({ prompt: "?" }))
      assert.deepStrictEqual(yield* sentTokens, [undefined, "ts-1", "ts-1"])
      assert.strictEqual(turn.routingToken && Redacted.value(turn.routingToken), "ts-1")
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          whole.pipe(Script.truncateAfterEvents(1), withToken("ts-1")),
          whole.pipe(Script.truncateAfterEvents(1), withToken("ts-2")),
          whole.pipe(withToken("ts-3"))
        ])
      )
    )
  )

  it.effect("in an event of a broken attempt goes with its retries as well", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      yield* run(codex.turn({ prompt: "?" }))
      assert.deepStrictEqual(yield* sentTokens, [undefined, "ts-event"])
    }).pipe(Effect.provide(TestCodex.layer([withEventToken.pipe(Script.truncateAfterEvents(3)), whole])))
  )

  it.effect("in the headers comes before one in an event", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const turn = yield* run(codex.turn({ prompt: "?" }))
      assert.strictEqual(turn.routingToken && Redacted.value(turn.routingToken), "ts-header")
    }).pipe(Effect.provide(TestCodex.layer([withEventToken.pipe(withToken("ts-header"))])))
  )

  it.effect("given with the request holds, whatever a response says", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const turn = yield* run(codex.turn({ prompt: "?", routingToken: Redacted.make("ts-0") }))
      assert.deepStrictEqual(yield* sentTokens, ["ts-0"])
      assert.strictEqual(turn.routingToken && Redacted.value(turn.routingToken), "ts-0")
    }).pipe(Effect.provide(TestCodex.layer([whole.pipe(withToken("ts-1"))])))
  )
})
