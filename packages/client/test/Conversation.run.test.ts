import { assert, describe, it } from "@effect/vitest"
import { History, Origin, Tool } from "@effect-codex/schema"
import { Script, ScriptedBackend, TestAuth, TestCodex } from "@effect-codex/testing"
import { CodexConfig } from "@effect-codex/transport"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Codex, Conversation, Snapshot, Toolkit, ToolLoop } from "effect-codex"
import { bodies, requests, run } from "./support.ts"

const readTool = Tool.unsafeMake({ name: "read", parameters: Schema.Struct({ path: Schema.String }) })
const read = Toolkit.handler(readTool, ({ path }) => Effect.succeed(`content of ${path}`))
const stuck = Toolkit.handler(Tool.unsafeMake({ name: "stuck", parameters: Schema.Struct({}) }), () => Effect.never)

const asks = (...toolCalls: ReadonlyArray<Script.ToolCall>) => Script.turn({ toolCalls })
const reads = (callId: string, path = "a"): Script.ToolCall => ({ name: "read", callId, arguments: { path } })
const done = Script.turn({ text: "Done." })

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(run(Stream.runCollect(stream)), (events) => [...events])

const tagsOf = (events: ReadonlyArray<{ readonly _tag: string }>) =>
  events.map(({ _tag }) => _tag).filter((tag) => /^Tool(Started|Progress|Succeeded|Failed)$|Completed$/.test(tag))

const outputsOf = (body: { readonly input: ReadonlyArray<Record<string, unknown>> } | undefined) =>
  (body?.input ?? []).filter(({ type }) => type === "function_call_output").map(({ output }) => String(output))

/** What every request has to be: the one before, and more. */
const assertPrefixes = Effect.map(bodies, (all) => {
  for (let n = 1; n < all.length; n++) {
    assert.isTrue(
      JSON.stringify(all[n]?.input).startsWith(JSON.stringify(all[n - 1]?.input).slice(0, -1)),
      `request ${n + 1} begins with other bytes`
    )
  }
})

const assertSound = (history: ReadonlyArray<History.Entry>) =>
  assert.isEmpty(History.validate(History.compile(history).items))

describe("Conversation.run", () => {
  it.effect("lets the model use tools, and remembers everything", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make({ instructions: "Use the tool.", tools: [read] })
      const events = yield* collect(conversation.run("What is in a and b?"))
      assert.deepStrictEqual(tagsOf(events), [
        "ToolCallCompleted",
        "ItemCompleted",
        "ToolCallCompleted",
        "ItemCompleted",
        "TurnCompleted",
        "ToolStarted",
        "ToolSucceeded",
        "ToolStarted",
        "ToolSucceeded",
        "ItemCompleted",
        "TurnCompleted",
        "LoopCompleted"
      ])
      const last = events.at(-1)
      assert.deepStrictEqual(last?._tag === "LoopCompleted" && last.items, yield* conversation.history)
      assert.lengthOf(yield* conversation.history, 6)
      yield* run(conversation.send("Thanks."))
      yield* assertPrefixes
      for (const body of yield* bodies) assert.lengthOf(body["tools"] as ReadonlyArray<unknown>, 1)
    }).pipe(Effect.provide(TestCodex.layer([asks(reads("c1", "a"), reads("c2", "b")), done, done])))
  )

  it.effect("completes to the same as it streams, and as a loop without a conversation", () => {
    const played = <A, E>(effect: Effect.Effect<A, E, Codex.Codex | ScriptedBackend.ScriptedBackend>) =>
      Effect.zipRight(
        TestClock.setTime(0),
        Effect.provide(Effect.zip(run(effect), bodies), TestCodex.layer([asks(reads("c1")), done]))
      )
    const options = { conversationId: "same", tools: [read] }
    return Effect.gen(function* () {
      const streamed = yield* played(
        Effect.flatMap(Conversation.make(options), (conversation) => Stream.runLast(conversation.run("Go")))
      )
      const completed = yield* played(
        Effect.flatMap(Conversation.make(options), (conversation) => conversation.complete("Go"))
      )
      const alone = yield* played(ToolLoop.complete({ ...options, prompt: "Go" }))
      assert.deepStrictEqual([Option.some(completed[0]), completed[1]], streamed as never)
      assert.deepStrictEqual(alone, completed)
    })
  })

  it.effect("interrupted while a tool runs, it keeps what was finished and goes on", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make({ tools: [read, stuck] })
      const finished = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        Stream.runForEach(conversation.run("Go"), (event) =>
          event._tag === "ToolSucceeded" && event.call.callId === "c2"
            ? Deferred.succeed(finished, undefined)
            : Effect.void
        )
      )
      yield* run(Deferred.await(finished))
      yield* Fiber.interrupt(fiber)
      const kept = yield* conversation.history
      assert.lengthOf(kept, 6)
      assertSound(kept)
      yield* run(conversation.send("Go on."))
      const sent = yield* bodies
      assert.deepStrictEqual(outputsOf(sent[2]), ["content of a", History.missingOutput, "content of b"])
      assert.isTrue(JSON.stringify(sent[2]?.input).startsWith(JSON.stringify(sent[1]?.input).slice(0, -1)))
    }).pipe(
      Effect.provide(
        TestCodex.layer([asks(reads("c0")), asks({ name: "stuck", callId: "c1" }, reads("c2", "b")), done])
      )
    )
  )

  it.effect("a failure in the middle has the history to go on from", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make({ tools: [read] })
      const error = yield* run(Effect.flip(conversation.complete("Go")))
      assert.strictEqual(error._tag, "InvalidRequest")
      assert.deepStrictEqual(error.items, yield* conversation.history)
      assert.lengthOf(error.items ?? [], 3)
      const { turn } = yield* run(ToolLoop.complete({ input: error.items ?? [], prompt: "Again.", tools: [read] }))
      assert.strictEqual(turn.text, "Done.")
      assert.deepStrictEqual(outputsOf((yield* bodies)[2]), ["content of a"])
    }).pipe(Effect.provide(TestCodex.layer([asks(reads("c1")), Script.status(400), done])))
  )

  it.effect("a limit leaves the conversation ready to go on", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make({ tools: [read] })
      const error = yield* run(Effect.flip(conversation.complete("Go", { maxSteps: 1 })))
      assert.strictEqual(error._tag, "LoopLimitReached")
      assert.lengthOf(yield* conversation.history, 3)
      assert.strictEqual((yield* run(conversation.complete("Go on."))).turn.text, "Done.")
      yield* assertPrefixes
    }).pipe(Effect.provide(TestCodex.layer([asks(reads("c1")), done])))
  )

  it.effect("a call that has its result in the history is not carried out again", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const counted = Toolkit.handler(readTool, (_, { call }) => Effect.sync(() => `run ${ran.push(call.callId)}`))
      const conversation = yield* Conversation.make({ tools: [counted] })
      yield* run(conversation.complete("one"))
      const resumed = yield* Conversation.resume(yield* conversation.snapshot, { tools: [counted] })
      const events = yield* collect(resumed.run("two"))
      assert.deepStrictEqual(ran, ["c1"])
      assert.include(tagsOf(events), "ToolFailed")
    }).pipe(Effect.provide(TestCodex.layer([asks(reads("c1")), done, asks(reads("c1")), done])))
  )

  it.effect("what the server runs itself is declared beside the handlers", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make({ tools: [read, { type: "web_search" }] })
      yield* run(conversation.complete("Go"))
      assert.deepStrictEqual(
        ((yield* bodies).flatMap((body) => body["tools"]) as ReadonlyArray<{ readonly type: string }>).map(
          ({ type }) => type
        ),
        ["function", "web_search"]
      )
    }).pipe(Effect.provide(TestCodex.layer([done])))
  )
})

describe("a tool", () => {
  it.effect("reports how far it is", () =>
    Effect.gen(function* () {
      const slow = Toolkit.handler(readTool, (_, { report }) =>
        Effect.as(
          Effect.forEach([1, 2], (part) => Effect.zipLeft(report({ part }), Effect.sleep("1 second"))),
          "both"
        )
      )
      const conversation = yield* Conversation.make({ tools: [slow] })
      const events = yield* collect(conversation.run("Go"))
      assert.deepStrictEqual(
        events.flatMap((event) => (event._tag === "ToolProgress" ? [event.progress] : [])),
        [{ part: 1 }, { part: 2 }]
      )
      assert.deepStrictEqual(outputsOf((yield* bodies)[1]), ["both"])
    }).pipe(Effect.provide(TestCodex.layer([asks(reads("c1")), done])))
  )

  it.effect("runs only when the program says so, and the model is told the reason", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      let deciding = 0
      const counted = Toolkit.handler(readTool, ({ path }) => Effect.sync(() => `${ran.push(path)}: ${path}`))
      const conversation = yield* Conversation.make({ tools: [counted] })
      const events = yield* collect(
        conversation.run("Go", {
          approve: (call) =>
            Effect.gen(function* () {
              assert.strictEqual(++deciding, 1, "one decision at a time")
              yield* Effect.sleep("1 second")
              deciding--
              return call.arguments.includes("secret") ? { deny: "Not that one." } : "run"
            })
        })
      )
      assert.deepStrictEqual(ran, ["a"])
      const denied = events.find((event) => event._tag === "ToolFailed")
      assert.deepInclude(denied?._tag === "ToolFailed" ? denied.error : {}, { _tag: "CallRejected", reason: "denied" })
      const outputs = outputsOf((yield* bodies)[1])
      assert.strictEqual(outputs[0], "1: a")
      assert.include(outputs[1], "Not that one.")
    }).pipe(Effect.provide(TestCodex.layer([asks(reads("c1", "a"), reads("c2", "secret")), done])))
  )

  it.effect("that takes longer than its time limit is stopped; its siblings are not", () =>
    Effect.gen(function* () {
      const slow = Toolkit.handler(
        Tool.unsafeMake({ name: "slow", parameters: Schema.Struct({}) }),
        () => Effect.never,
        { timeLimit: "5 seconds" }
      )
      const conversation = yield* Conversation.make({ tools: [slow, read] })
      yield* run(conversation.complete("Go"))
      const outputs = outputsOf((yield* bodies)[1])
      assert.include(outputs[0], "took too long")
      assert.strictEqual(outputs[1], "content of a")
    }).pipe(Effect.provide(TestCodex.layer([asks({ name: "slow", callId: "c1" }, reads("c2")), done])))
  )

  class Disk extends Context.Tag("Disk")<Disk, string>() {}
  const Files = Toolkit.make("test/Files", { read: readTool })

  it.effect("gets its handler from a Layer, so that a test provides another one", () =>
    Effect.gen(function* () {
      const program = Effect.gen(function* () {
        const conversation = yield* Conversation.make({ tools: yield* Files.handlers })
        yield* run(conversation.complete("Go"))
      })
      const live = Files.toLayer({ read: ({ path }) => Effect.map(Disk, (disk) => `${disk}: ${path}`) })
      yield* Effect.provide(program, Layer.provide(live, Layer.succeed(Disk, "disk")))
      yield* Effect.provide(program, Files.toLayer({ read: () => Effect.succeed("of the test") }))
      const sent = yield* bodies
      assert.deepStrictEqual(outputsOf(sent[1]), ["disk: a"])
      assert.deepStrictEqual(outputsOf(sent[3]), ["of the test"])
    }).pipe(Effect.provide(TestCodex.layer([asks(reads("c1")), done, asks(reads("c1")), done])))
  )
})

describe("reasoning the server cannot read", () => {
  const thinks = (text: string) => Script.turn({ reasoning: "Hm.", text })
  const refused = Script.status(400, {
    body: {
      error: { message: "The encrypted content could not be verified.", type: "invalid_request_error", code: null }
    }
  })
  const reasoningIn = (body: { readonly input: ReadonlyArray<Record<string, unknown>> } | undefined) =>
    (body?.input ?? []).filter(({ type }) => type === "reasoning").length

  it.effect("is forgotten for good: the turns after it cost one request each", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(conversation.send("one"))
      yield* run(conversation.send("two"))
      yield* run(conversation.send("three"))
      yield* run(conversation.send("four"))
      const sent = yield* bodies
      assert.lengthOf(sent, 5)
      assert.deepStrictEqual(sent.map(reasoningIn), [0, 1, 0, 1, 2])
      assert.isTrue((yield* conversation.repairs).some((repair) => repair._tag === "ReasoningDropped"))
    }).pipe(Effect.provide(TestCodex.layer([thinks("A"), refused, thinks("B"), thinks("C"), thinks("D")])))
  )

  const as = (accountId: string, script: Script.Script) =>
    Codex.layer.pipe(
      Layer.provide(CodexConfig.layer()),
      Layer.provide(TestAuth.layer({ accountId })),
      Layer.provideMerge(ScriptedBackend.layer(script))
    )

  it.effect("of another account is left out before it is sent", () =>
    Effect.gen(function* () {
      const snapshot = yield* Effect.gen(function* () {
        const conversation = yield* Conversation.make()
        yield* run(conversation.send("one"))
        return yield* conversation.snapshot
      }).pipe(Effect.provide(as("acc_one", [thinks("A")])))
      const stored = yield* Snapshot.fromJson(Snapshot.toJson(snapshot))
      assert.notInclude(Snapshot.toJson(snapshot), "acc_one")
      yield* Effect.gen(function* () {
        const conversation = yield* Conversation.resume(stored)
        const turn = yield* run(conversation.send("two"))
        assert.deepInclude(turn.repairs?.[0], { _tag: "ReasoningDropped", reason: "other_account" })
        const sent = yield* bodies
        assert.lengthOf(yield* requests, 1)
        assert.strictEqual(reasoningIn(sent[0]), 0)
        assert.notInclude(JSON.stringify(sent), '"effect-codex":')
      }).pipe(Effect.provide(as("acc_two", [thinks("B")])))
    })
  )

  it.effect("is left out alone: what came with this account and model stays", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(conversation.send("one"))
      yield* run(conversation.send("two"))
      const { items, ...rest } = yield* conversation.snapshot
      const [, first] = items
      const untagged = items.map((item) => (item === first ? Origin.untag(item) : item))
      const resumed = yield* Conversation.resume({ ...rest, items: untagged })
      yield* run(resumed.send("three"))
      assert.deepStrictEqual((yield* bodies).map(reasoningIn), [0, 1, 2, 1])
    }).pipe(Effect.provide(TestCodex.layer([thinks("A"), thinks("B"), refused, thinks("C")])))
  )
})

describe("a call of the conversation from its own handler", () => {
  type Any = Conversation.Conversation<unknown>
  const nested: Readonly<Record<string, (conversation: Any) => Effect.Effect<unknown, unknown>>> = {
    send: (conversation) => conversation.send("Nested."),
    complete: (conversation) => conversation.complete("Nested."),
    stream: (conversation) => Stream.runDrain(conversation.stream("Nested.")),
    "send, in a fiber of its own": (conversation) =>
      Effect.flatMap(Effect.fork(conversation.send("Nested.")), Fiber.join)
  }
  const ways: Readonly<Record<string, (conversation: Any) => Effect.Effect<unknown, unknown>>> = {
    complete: (conversation) => conversation.complete("Go."),
    run: (conversation) => Stream.runDrain(conversation.run("Go."))
  }

  for (const [inside, call] of Object.entries(nested)) {
    for (const [outside, begin] of Object.entries(ways)) {
      it.effect(`is refused in words instead of waiting for itself: ${inside} in ${outside}`, () =>
        Effect.gen(function* () {
          const itself = yield* Deferred.make<Any>()
          const asking = Toolkit.handler(readTool, () =>
            Effect.as(Effect.flatMap(Deferred.await(itself), call), "asked")
          )
          const conversation = yield* Conversation.make({ tools: [asking] })
          yield* Deferred.succeed(itself, conversation)
          yield* run(begin(conversation))
          assert.match(outputsOf((yield* bodies)[1])[0] ?? "", /waits for the handler/)
          yield* run(conversation.send("Thanks."))
        }).pipe(Effect.provide(TestCodex.layer([asks(reads("c1")), done, done])))
      )
    }
  }

  it.effect("is refused through another conversation, too", () =>
    Effect.gen(function* () {
      const itself = yield* Deferred.make<Any>()
      const inner = Toolkit.handler(readTool, () =>
        Effect.as(Effect.flatMap(Deferred.await(itself), nested["send"] ?? (() => Effect.void)), "asked")
      )
      const other = yield* Conversation.make({ tools: [inner] })
      const outer = Toolkit.handler(readTool, () => Effect.map(other.complete("Go."), ({ turn }) => turn.text))
      const conversation = yield* Conversation.make({ tools: [outer] })
      yield* Deferred.succeed(itself, conversation)
      yield* run(conversation.complete("Go."))
      assert.match(outputsOf((yield* bodies)[2])[0] ?? "", /waits for the handler/)
      assert.deepStrictEqual(outputsOf((yield* bodies)[3]), ["Done."])
    }).pipe(Effect.provide(TestCodex.layer([asks(reads("c1")), asks(reads("c2")), done, done])))
  )

  it.effect("waits for its turn when the handler only begins it", () =>
    Effect.gen(function* () {
      const itself = yield* Deferred.make<Any>()
      const later = yield* Deferred.make<unknown, unknown>()
      const beginning = Toolkit.handler(readTool, () =>
        Deferred.await(itself).pipe(
          Effect.flatMap((conversation) => Effect.delay(conversation.send("Later."), "1 minute")),
          Effect.intoDeferred(later),
          Effect.forkDaemon,
          Effect.as("begun")
        )
      )
      const conversation = yield* Conversation.make({ tools: [beginning] })
      yield* Deferred.succeed(itself, conversation)
      yield* run(conversation.complete("Go."))
      yield* run(Deferred.await(later))
      assert.lengthOf(yield* bodies, 3)
    }).pipe(Effect.provide(TestCodex.layer([asks(reads("c1")), done, done])))
  )
})
