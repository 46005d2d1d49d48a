import { assert, describe, it } from "@effect/vitest"
import { History, type Item, Message, PromptPrefix, ResponsesRequest } from "@effect-codex/schema"
import { PromptCache, Script, TestCodex } from "@effect-codex/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Conversation, Snapshot } from "effect-codex"
import { bodies, requests, run, untilAsked } from "./support.ts"

const says = (text: string, more: Partial<Script.Turn> = {}) => Script.turn({ text, ...more })

const oddlyOrdered = {
  status: "completed",
  role: "assistant",
  new_key: 1,
  content: [{ text: "A", logprobs: [], annotations: [], type: "output_text" }],
  id: "msg_1",
  type: "message"
}

describe("Conversation", () => {
  it.effect("each request is the one before, what came back, and what is new, byte for byte", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make({ instructions: "Be brief." })
      yield* run(conversation.send("one"))
      yield* run(conversation.send("two"))
      yield* run(conversation.send("three"))
      const sent = yield* bodies
      for (let n = 1; n < sent.length; n++) {
        const before = JSON.stringify(sent[n - 1]?.input).slice(0, -1)
        assert.isTrue(JSON.stringify(sent[n]?.input).startsWith(before))
        assert.strictEqual(sent[n]?.["instructions"], "Be brief.")
        assert.strictEqual(sent[n]?.["prompt_cache_key"], conversation.id)
      }
      assert.deepStrictEqual(
        sent[2]?.input.map(({ role, type }) => role ?? type),
        ["user", "reasoning", "assistant", "user", "assistant", "user"]
      )
      const last = Option.getOrUndefined(yield* conversation.lastTurn)
      assert.strictEqual(last?.text, "C")
      assert.strictEqual(last?.responseId, "resp_3")
    }).pipe(Effect.provide(TestCodex.layer([says("A", { reasoning: "Hm." }), says("B"), says("C")])))
  )

  it.effect("a turn that fails leaves the history as it was, and what had arrived can be had", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(conversation.send("one"))
      const before = yield* conversation.history
      const error = yield* run(Effect.flip(conversation.send("two")))
      assert.strictEqual(error._tag, "ContextWindowExceeded")
      assert.deepStrictEqual(yield* conversation.history, before)
      const failure = Option.getOrThrow(yield* conversation.lastFailure)
      assert.strictEqual(failure.partial?.text, "Half")
      yield* run(conversation.send("three"))
      assert.isTrue(Option.isNone(yield* conversation.lastFailure))
      const sent = yield* bodies
      assert.deepStrictEqual(sent[2]?.input.length, before.length + 1)
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          says("A"),
          says("Half", { failed: { code: "context_length_exceeded", message: "Too long." } }),
          says("C")
        ])
      )
    )
  )

  it.effect("sends at the same time take their turns", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      const first = yield* Effect.fork(conversation.send("one"))
      yield* Effect.yieldNow()
      const second = yield* Effect.fork(conversation.send("two"))
      const turns = yield* run(Effect.all([Fiber.join(first), Fiber.join(second)]))
      assert.deepStrictEqual(
        turns.map(({ text }) => text),
        ["A", "B"]
      )
      const sent = yield* bodies
      assert.deepStrictEqual(
        sent.map(({ input }) => input.length),
        [1, 3]
      )
    }).pipe(Effect.provide(TestCodex.layer([says("A").pipe(Script.delay("5 seconds")), says("B")])))
  )

  it.effect("an interrupted turn frees the conversation and changes nothing", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      const stuck = yield* Effect.fork(conversation.send("one"))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(stuck)
      assert.isEmpty(yield* conversation.history)
      assert.strictEqual((yield* run(conversation.send("two"))).text, "B")
    }).pipe(Effect.provide(TestCodex.layer((request) => (request.number === 1 ? Script.silence : says("B")))))
  )

  it.effect("whoever waits for another turn can be interrupted", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      const first = yield* Effect.fork(conversation.send("one"))
      yield* untilAsked(1)
      const second = yield* Effect.fork(conversation.send("two"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      assert.strictEqual((yield* run(conversation.send("three"))).text, "C")
      assert.lengthOf(yield* conversation.history, 2)
    }).pipe(Effect.provide(TestCodex.layer([Script.silence, says("C")])))
  )

  it.effect("of a turn of several requests that is broken off or breaks, what was finished stays", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      const fiber = yield* Effect.fork(conversation.send("one"))
      yield* untilAsked(2)
      yield* Fiber.interrupt(fiber)
      assert.lengthOf(yield* conversation.history, 2)
      assert.strictEqual(Option.getOrThrow(yield* conversation.lastTurn).text, "First.")
      const error = yield* run(Effect.flip(conversation.send("two")))
      assert.strictEqual(error._tag, "AccessDenied")
      assert.deepStrictEqual(error.items, yield* conversation.history)
      assert.lengthOf(error.items ?? [], 4)
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          says("First.", { endTurn: false }),
          Script.silence,
          says("Second.", { endTurn: false }),
          Script.status(403)
        ])
      )
    )
  )

  it.effect("the first routing token of a turn holds for all its requests", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      let turn = yield* run(conversation.send("one"))
      for (let n = 0; n < 2; n++) {
        const results = turn.toolCalls.map((call) => Message.toolResult(call, "done"))
        turn = yield* run(conversation.sendToolResults(results))
      }
      assert.deepStrictEqual(
        (yield* requests).map(({ headers }) => headers["x-codex-turn-state"]),
        [undefined, "ts-1", "ts-1"]
      )
    }).pipe(
      Effect.provide(
        TestCodex.layer(({ number }) =>
          Script.turn({ toolCalls: [{ name: "ls" }] }).pipe(Script.headers({ "x-codex-turn-state": `ts-${number}` }))
        )
      )
    )
  )

  it.effect("the routing token goes with the turn's tool results and not with the next turn", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      const asked = yield* run(conversation.send("one"))
      yield* run(conversation.sendToolResults(asked.toolCalls.map((call) => Message.toolResult(call, "done"))))
      yield* run(conversation.send("two"))
      assert.deepStrictEqual(
        (yield* requests).map(({ headers }) => headers["x-codex-turn-state"]),
        [undefined, "ts-1", undefined]
      )
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.turn({ toolCalls: [{ name: "ls" }] }).pipe(Script.headers({ "x-codex-turn-state": "ts-1" })),
          says("B"),
          says("C")
        ])
      )
    )
  )

  it.effect("what the server wants finished in a further request is, and the turn is whole", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      const turn = yield* run(conversation.send("one"))
      assert.strictEqual(turn.text, "First. Second.")
      assert.strictEqual(turn.attempts, 2)
      assert.lengthOf(turn.items, 2)
      const sent = yield* bodies
      assert.lengthOf(sent[1]?.input ?? [], 2)
    }).pipe(Effect.provide(TestCodex.layer([says("First.", { endTurn: false }), says(" Second.")])))
  )

  it.effect("a turn that never ends is taken as it is after sixteen further requests", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(conversation.send("one"))
      assert.lengthOf(yield* requests, 17)
      yield* run(Stream.runDrain(conversation.stream("two")))
      assert.lengthOf(yield* requests, 34)
    }).pipe(Effect.provide(TestCodex.layer(Script.always(says("Go on.", { endTurn: false })))))
  )

  it.effect("tool calls can be answered as soon as the last TurnCompleted is read", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      const answered = yield* run(
        conversation.stream("one").pipe(
          Stream.mapEffect((event) =>
            event._tag === "TurnCompleted"
              ? conversation.sendToolResults(event.turn.toolCalls.map((call) => Message.toolResult(call, "ok")))
              : Effect.succeed(undefined)
          ),
          Stream.runLast
        )
      )
      assert.strictEqual(Option.getOrUndefined(answered)?.text, "Done.")
      assert.lengthOf(yield* conversation.history, 4)
    }).pipe(Effect.provide(TestCodex.layer([Script.turn({ toolCalls: [{ name: "ls" }] }), says("Done.")])))
  )

  const beside: Readonly<Record<string, <A, E>(call: Effect.Effect<A, E>) => Effect.Effect<A, unknown>>> = {
    "in the fiber that reads it": (call) => call,
    "in a fiber that is waited for": (call) => Effect.flatMap(Effect.fork(call), Fiber.join),
    "in a race": (call) => Effect.raceFirst(call, Effect.never),
    "with a time limit": (call) => Effect.timeout(call, "1 minute")
  }
  for (const [where, call] of Object.entries(beside)) {
    for (const concurrency of [1, 4]) {
      it.effect(`a call that would wait for its own stream fails with words: ${where}, ${concurrency} at once`, () =>
        Effect.gen(function* () {
          const conversation = yield* Conversation.make()
          const error = yield* run(
            Effect.flip(
              Stream.runDrain(
                Stream.mapEffect(
                  conversation.stream("one"),
                  (event) => (event._tag === "TextDelta" ? Effect.asVoid(call(conversation.send("two"))) : Effect.void),
                  { concurrency }
                )
              )
            )
          )
          assert.include(String(error), "Read the stream to its last `TurnCompleted` first")
          assert.strictEqual((yield* run(conversation.send("three"))).text, "B")
        }).pipe(Effect.provide(TestCodex.layer([says("A"), says("B")])))
      )
    }
  }

  it.effect("a stream that is broken off gives the conversation back", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(Stream.runDrain(Stream.take(conversation.stream("one"), 1)))
      assert.strictEqual((yield* run(conversation.send("two"))).text, "B")
      assert.lengthOf(yield* conversation.history, 2)
    }).pipe(Effect.provide(TestCodex.layer([says("A"), says("B")])))
  )

  it.effect("the stream of a turn adds to the history when it is over", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(Stream.runDrain(conversation.stream("one")))
      assert.lengthOf(yield* conversation.history, 2)
    }).pipe(Effect.provide(TestCodex.layer([says("A")])))
  )

  it.effect("a fork has the same past and a future of its own", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(conversation.send("one"))
      const fork = yield* conversation.fork
      yield* run(fork.send("two"))
      assert.lengthOf(yield* conversation.history, 2)
      assert.lengthOf(yield* fork.history, 4)
      assert.notStrictEqual(fork.id, conversation.id)
    }).pipe(Effect.provide(TestCodex.layer([says("A"), says("B")])))
  )

  it.effect("a conversation survives as JSON and goes on byte for byte", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make({ instructions: "Be brief." })
      yield* run(conversation.send("one"))
      const json = Snapshot.toJson(yield* conversation.snapshot)
      const resumed = yield* Conversation.resume(yield* Snapshot.fromJson(json))
      yield* run(resumed.send("two"))
      const [one, two] = yield* bodies
      assert.isTrue(JSON.stringify(two?.input).startsWith(JSON.stringify(one?.input).slice(0, -1)))
      assert.strictEqual(two?.["prompt_cache_key"], one?.["prompt_cache_key"])
      assert.strictEqual(two?.["instructions"], "Be brief.")
    }).pipe(Effect.provide(TestCodex.layer([says("A", { reasoning: "Hm." }), says("B")])))
  )

  it.effect("a conversation is taken up from items alone, under the id it had", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(conversation.send("one"))
      const items = yield* conversation.history
      const resumed = yield* Conversation.resume({ items, id: conversation.id })
      yield* run(resumed.send("two"))
      const [one, two] = yield* bodies
      assert.isTrue(JSON.stringify(two?.input).startsWith(JSON.stringify(one?.input).slice(0, -1)))
      assert.strictEqual(two?.["prompt_cache_key"], one?.["prompt_cache_key"])
      assert.notStrictEqual((yield* Conversation.resume({ items, id: undefined })).id, conversation.id)
    }).pipe(Effect.provide(TestCodex.layer([says("A"), says("B")])))
  )

  it.effect("refuses a document that is no conversation, in words", () =>
    Effect.gen(function* () {
      const unreadable = {
        items: [
          {
            type: "message",
            get role() {
              throw new Error("no")
            }
          }
        ]
      }
      const lists = [5, "text", null, {}, undefined].map((items) => ({ items }))
      const instructions = [5, {}, []].map((instructions) => ({ items: [], instructions }))
      const whole = [undefined, null, 5, "text", [], {}, { version: 2, items: [] }, unreadable]
      for (const past of [...lists, ...instructions, ...whole]) {
        const error = yield* Effect.flip(Conversation.resume(past as never))
        assert.strictEqual(error._tag, "InvalidSnapshot")
        assert.match(error.message, /cannot be read: |version 2/)
      }
      // whatever stands in a list is repaired
      const odd = yield* Conversation.resume({ items: [null, 5, "text", [], {}, undefined] as never })
      assert.isEmpty(yield* odd.history)
      assert.lengthOf(yield* odd.repairs, 6)
    }).pipe(Effect.provide(TestCodex.layer([])))
  )

  it.effect("an id that fits no header is a typed error of the first turn, and nothing is sent", () =>
    Effect.gen(function* () {
      const resumed = yield* Conversation.resume({ items: [], id: "two words" })
      const error = yield* Effect.flip(resumed.send("one"))
      assert.strictEqual(error._tag === "InvalidRequest" && error.param, "conversationId")
      assert.isEmpty(yield* bodies)
    }).pipe(Effect.provide(TestCodex.layer([])))
  )

  it.effect("items taken up again are the server's own bytes, whatever the order of their keys", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(conversation.send("one"))
      const json = Snapshot.toJson(yield* conversation.snapshot)
      const resumed = yield* Conversation.resume(yield* Snapshot.fromJson(json))
      yield* run(conversation.send("two"))
      yield* run(resumed.send("two"))
      const [, two, again] = yield* bodies
      assert.strictEqual(JSON.stringify(again), JSON.stringify(two))
      assert.include(JSON.stringify(two), JSON.stringify(oddlyOrdered))
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.events([
            { type: "response.output_item.done", output_index: 0, item: oddlyOrdered },
            { type: "response.completed", response: { id: "resp_1" } }
          ]),
          says("B"),
          says("B")
        ])
      )
    )
  )

  it.effect("what the server would refuse of a stored conversation is repaired when it is taken up", () =>
    Effect.gen(function* () {
      const stored = {
        version: 1,
        id: "conv-1",
        instructions: "",
        items: [
          { type: "message", role: "user", content: [{ type: "input_text", text: "one" }] },
          { type: "function_call", call_id: "c1", name: "bad name!", arguments: "{}" },
          { type: "message" }
        ]
      }
      const resumed = yield* Conversation.resume(yield* Snapshot.fromJson(JSON.stringify(stored)))
      const items = (yield* resumed.history) as ReadonlyArray<Item.Item>
      assert.isEmpty(History.validate(items))
      assert.deepStrictEqual(
        (yield* resumed.repairs).map(({ _tag }) => _tag),
        ["NameRewritten", "OutputAdded", "EntryDropped"]
      )
      yield* run(resumed.send("two"))
      assert.deepStrictEqual((yield* bodies)[0]?.input.slice(0, items.length), items as ReadonlyArray<object> as never)
    }).pipe(Effect.provide(TestCodex.layer([says("A")])))
  )

  it.effect("input that is nothing of a conversation is refused with its place, and the conversation goes on", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      for (const odd of [7, true, null, undefined, [7], ["text"], [Message.user("hi"), null]]) {
        const error = yield* run(Effect.flip(conversation.send(odd as never)))
        assert.strictEqual(error._tag, "InvalidRequest", JSON.stringify(odd))
        assert.match(error.message, /Entry [01] of the input/)
        const failed = yield* run(Effect.flip(conversation.complete(odd as never)))
        assert.strictEqual(failed._tag, "InvalidRequest", JSON.stringify(odd))
      }
      yield* run(conversation.send("one"))
      assert.lengthOf((yield* bodies)[0]?.input ?? [], 1)
    }).pipe(Effect.provide(TestCodex.layer([says("A")])))
  )

  it.effect("a system message at the head is part of the instructions of every request", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make({ instructions: "Be brief." })
      yield* run(conversation.send([Message.system("Speak Czech."), Message.user("one")]))
      yield* run(conversation.send("two"))
      for (const body of yield* bodies) assert.strictEqual(body["instructions"], "Be brief.\n\nSpeak Czech.")
    }).pipe(Effect.provide(TestCodex.layer([says("A"), says("B")])))
  )

  it.effect("JSON that is no conversation, or one of another version, is refused in words", () =>
    Effect.gen(function* () {
      const messageOf = (json: string) => Effect.map(Effect.flip(Snapshot.fromJson(json)), ({ message }) => message)
      assert.include(yield* messageOf("{"), "not JSON")
      assert.include(yield* messageOf('{"version":2,"id":"a","instructions":"","items":[]}'), "version 2")
      assert.include(yield* messageOf('{"version":1,"id":"a","instructions":"","items":[7]}'), "items")
    })
  )
})

describe("the prompt cache", () => {
  it.effect("20 turns with tools reach everything that can be cached", () => {
    const backend = PromptCache.responder((request) => {
      const input = (request.body as { input: ReadonlyArray<{ type: string }> }).input
      return input.at(-1)?.type === "function_call_output"
        ? { reasoning: "I see.", text: `Answer ${request.number}.` }
        : {
            reasoning: "Look it up.",
            text: "One moment.",
            toolCalls: [{ name: "look", arguments: { n: request.number } }]
          }
    })
    return Effect.gen(function* () {
      const conversation = yield* Conversation.make({
        instructions: "Use the tool.",
        tools: [{ type: "function", name: "look", strict: false, parameters: { type: "object", properties: {} } }]
      })
      let input = 0
      for (let n = 0; n < 20; n++) {
        const asked = yield* run(conversation.send(`question ${n}`))
        const answered = yield* run(
          conversation.sendToolResults(asked.toolCalls.map((call) => Message.toolResult(call, `result ${n}`)))
        )
        for (const turn of [asked, answered]) {
          // all that was sent before is found in the cache; only what is new is not
          assert.strictEqual(turn.usage?.cachedTokens, input)
          input = turn.usage?.inputTokens ?? 0
        }
      }
      assert.lengthOf(yield* requests, 40)
    }).pipe(Effect.provide(TestCodex.layer(backend)))
  })

  it.effect("what breaks the prefix is named", () =>
    Effect.gen(function* () {
      const tool = (name: string) => ({ type: "function", name, strict: false, parameters: {} }) as const
      const conversation = yield* Conversation.make({ tools: [tool("a"), tool("b")] })
      yield* run(conversation.send("one"))
      const kept = yield* Conversation.resume(yield* conversation.snapshot, { tools: [tool("a"), tool("b")] })
      yield* run(kept.send("two"))
      const reordered = yield* Conversation.resume(yield* conversation.snapshot, { tools: [tool("b"), tool("a")] })
      const turn = yield* run(reordered.send("two"))
      const [one, two, three] = yield* Effect.forEach(yield* bodies, (body) =>
        Schema.decodeUnknown(ResponsesRequest.ResponsesRequest)(body)
      )
      if (one === undefined || two === undefined || three === undefined) return assert.fail("three requests")
      assert.isUndefined(PromptPrefix.firstDifference(one, two))
      assert.deepStrictEqual(PromptPrefix.firstDifference(one, three), {
        at: "tools[0]",
        before: "function a",
        after: "function b"
      })
      assert.isBelow(turn.usage?.cachedTokens ?? 0, 10)
    }).pipe(Effect.provide(TestCodex.layer(PromptCache.responder(() => ({ text: "Yes." })))))
  )
})
