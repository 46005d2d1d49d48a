import { assert, describe, it } from "@effect/vitest"
import { type History, Message, Tool } from "@effect-codex/schema"
import { Script, TestCodex } from "@effect-codex/testing"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Toolkit, ToolLoop } from "effect-codex"
import { bodies, requests, run } from "./support.ts"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { path: Schema.String }) {
  override get message() {
    return `There is no ${this.path}.`
  }
}

const read = Effect.map(
  Tool.make({ name: "read", description: "Reads a file.", parameters: Schema.Struct({ path: Schema.String }) }),
  (tool) =>
    Toolkit.handler(tool, ({ path }) =>
      path === "missing" ? Effect.fail(new NotFound({ path })) : Effect.succeed(`content of ${path}`)
    )
)

const calls = (...toolCalls: ReadonlyArray<Script.ToolCall>) => Script.turn({ toolCalls })
const done = Script.turn({ text: "Done." })

const collect = <E>(options: Partial<ToolLoop.Options<E, never>> & Pick<ToolLoop.Options<E, never>, "tools">) =>
  Effect.map(run(Stream.runCollect(ToolLoop.run({ prompt: "Go", ...options }))), (events) => [...events])

const outputsOf = (body: { readonly input: ReadonlyArray<Record<string, unknown>> } | undefined) =>
  (body?.input ?? [])
    .filter(({ type }) => type === "function_call_output")
    .map(({ call_id, output }) => [String(call_id), String(output)] as const)

/** Cuts the arguments of call c3 short wherever its whole item stands. */
const breakArguments = (_: string, value: unknown) =>
  typeof value === "object" && value !== null && "call_id" in value && value.call_id === "c3"
    ? { ...value, arguments: "{" }
    : value

describe("ToolLoop", () => {
  it.effect("carries calls out until the model is done", () =>
    Effect.gen(function* () {
      const events = yield* collect({ tools: [yield* read] })
      const tags = events.map((event) => event._tag).filter((tag) => /^Tool(Started|Succeeded)$|Loop/.test(tag))
      assert.deepStrictEqual(tags.slice().sort(), [
        "LoopCompleted",
        "ToolStarted",
        "ToolStarted",
        "ToolSucceeded",
        "ToolSucceeded"
      ])
      const last = events.at(-1)
      assert.strictEqual(last?._tag, "LoopCompleted")
      if (last?._tag !== "LoopCompleted") return
      assert.strictEqual(last.turn.text, "Done.")
      assert.strictEqual(last.steps, 2)
      assert.strictEqual(last.usage.inputTokens, 200)
      const sent = yield* bodies
      // in the order of the calls, whichever was done first
      assert.deepStrictEqual(outputsOf(sent[1]), [
        ["call_a", "content of a"],
        ["call_b", "content of b"]
      ])
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          calls(
            { name: "read", callId: "call_a", arguments: { path: "a" } },
            { name: "read", callId: "call_b", arguments: { path: "b" } }
          ),
          done
        ])
      )
    )
  )

  it.effect("what goes wrong is answered in words and told as a typed event", () =>
    Effect.gen(function* () {
      const events = yield* collect({ tools: [yield* read] })
      const failed = events.flatMap((event) => (event._tag === "ToolFailed" ? [event] : []))
      assert.deepStrictEqual(failed.map(({ error }) => error._tag).sort(), [
        "InvalidToolArguments",
        "InvalidToolArguments",
        "NotFound",
        "UnknownTool"
      ])
      const outputs = new Map(outputsOf((yield* bodies)[1]))
      assert.strictEqual(outputs.get("c1"), "Error: There is no missing.")
      assert.match(outputs.get("c2") ?? "", /^Error: .*path/)
      assert.match(outputs.get("c3") ?? "", /^Error: .*not valid JSON/)
      assert.match(outputs.get("c4") ?? "", /^Error: There is no tool named "write".* read/)
      assert.strictEqual(events.at(-1)?._tag, "LoopCompleted")
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.events(
            Script.turnEvents({
              toolCalls: [
                { name: "read", callId: "c1", arguments: { path: "missing" } },
                { name: "read", callId: "c2", arguments: { path: 7 } },
                { name: "read", callId: "c3", arguments: {} },
                { name: "write", callId: "c4", arguments: {} }
              ]
            }).map((event) => JSON.parse(JSON.stringify(event, breakArguments)))
          ),
          done
        ])
      )
    )
  )

  it.effect("a failure that cannot be read is answered as well", () =>
    Effect.gen(function* () {
      const unreadable = {
        get message(): string {
          throw new Error("unreadable")
        }
      }
      const tool = yield* Tool.make({ name: "read", parameters: Schema.Struct({}) })
      const events = yield* collect<unknown>({ tools: [Toolkit.handler(tool, () => Effect.fail(unreadable))] })
      assert.strictEqual(events.at(-1)?._tag, "LoopCompleted")
      assert.deepStrictEqual(
        outputsOf((yield* bodies)[1]).map(([, output]) => output),
        ["Error: The tool failed."]
      )
    }).pipe(Effect.provide(TestCodex.layer([calls({ name: "read" }), done])))
  )

  it.effect("calls of a turn that broke are never carried out", () =>
    Effect.gen(function* () {
      let handled = 0
      const tool = yield* Tool.make({ name: "read", parameters: Schema.Struct({}) })
      const handler = Toolkit.handler(tool, () => Effect.sync(() => String(++handled)))
      yield* collect({ tools: [handler] })
      assert.strictEqual(handled, 1)
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          // the call stands whole in both broken attempts
          calls({ name: "read" }).pipe(
            Script.truncateAfterEvents(Script.turnEvents({ toolCalls: [{ name: "read" }] }).length - 1)
          ),
          Script.turn({ toolCalls: [{ name: "read" }], failed: { code: "server_error", message: "boom" } }),
          calls({ name: "read" }),
          done
        ])
      )
    )
  )

  it.effect("is bounded by steps, tokens and time", () =>
    Effect.gen(function* () {
      const tool = yield* read
      const limitOf = (limits: Partial<ToolLoop.Options<NotFound, never>>) =>
        Effect.map(Effect.flip(collect({ tools: [tool], ...limits })), (error) =>
          error._tag === "LoopLimitReached" ? [error.limit, error.steps] : [error._tag]
        )
      assert.deepStrictEqual(yield* limitOf({ maxSteps: 3 }), ["steps", 3])
      assert.deepStrictEqual(yield* limitOf({ maxTokens: 250 }), ["tokens", 3])
      const never = Toolkit.handler(
        yield* Tool.make({ name: "read", parameters: Schema.Struct({}) }),
        () => Effect.never
      )
      assert.deepStrictEqual(yield* limitOf({ tools: [never as never], timeLimit: "1 minute" }), ["time", 1])
    }).pipe(Effect.provide(TestCodex.layer(Script.always(calls({ name: "read", arguments: { path: "a" } })))))
  )

  it.effect("the time limit holds while the model writes, too", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(collect({ tools: [yield* read], timeLimit: "1 minute" }))
      assert.deepStrictEqual(error._tag === "LoopLimitReached" && [error.limit, error.steps], ["time", 2])
      // what had been said and done is there to go on from
      assert.lengthOf(error.items ?? [], 3)
    }).pipe(
      Effect.provide(
        TestCodex.layer([calls({ name: "read", arguments: { path: "a" } }), Script.silence, Script.silence])
      )
    )
  )

  it.effect("an error without a message is told by its name", () =>
    Effect.gen(function* () {
      class Nameless extends Data.TaggedError("Nameless") {}
      const tool = yield* Tool.make({ name: "read", parameters: Schema.Struct({}) })
      yield* collect({ tools: [Toolkit.handler(tool, () => Effect.fail(new Nameless()))] })
      assert.deepStrictEqual(outputsOf((yield* bodies)[1]), [["c1", "Error: Nameless"]])
    }).pipe(Effect.provide(TestCodex.layer([calls({ name: "read", callId: "c1" }), done])))
  )

  it.effect("the first routing token of the turn goes with all its requests", () =>
    Effect.gen(function* () {
      yield* Effect.flip(collect({ tools: [yield* read], maxSteps: 3 }))
      assert.deepStrictEqual(
        (yield* requests).map(({ headers }) => headers["x-codex-turn-state"]),
        [undefined, "ts-1", "ts-1"]
      )
    }).pipe(
      Effect.provide(
        TestCodex.layer(({ number }) =>
          calls({ name: "read", arguments: { path: "a" } }).pipe(
            Script.headers({ "x-codex-turn-state": `ts-${number}` })
          )
        )
      )
    )
  )

  it.effect("interrupting the loop interrupts its tools", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const tool = yield* Tool.make({ name: "read", parameters: Schema.Struct({}) })
      const handler = Toolkit.handler(tool, () =>
        Deferred.succeed(started, undefined).pipe(
          Effect.zipRight(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )
      )
      const fiber = yield* Effect.fork(Stream.runDrain(ToolLoop.run({ prompt: "Go", tools: [handler] })))
      yield* run(Deferred.await(started))
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(interrupted)
      assert.lengthOf(yield* requests, 1)
    }).pipe(Effect.provide(TestCodex.layer([calls({ name: "read" })])))
  )
})

describe("a call", () => {
  /** A tool that counts how often it ran. */
  const counted = (handle: () => Effect.Effect<Toolkit.Output, never> = () => Effect.succeed("done")) =>
    Effect.map(Tool.make({ name: "pay", parameters: Schema.Struct({}) }), (tool) => {
      const ran: Array<string> = []
      const handler = Toolkit.handler(tool, (_, { call }) =>
        Effect.suspend(() => {
          ran.push(call.callId)
          return handle()
        })
      )
      return { handler, ran }
    })

  const failures = (events: ReadonlyArray<ToolLoop.LoopEvent<unknown>>) =>
    events.flatMap((event) =>
      event._tag === "ToolFailed" ? [event.error as { readonly _tag: string; readonly reason?: string }] : []
    )

  it.effect("runs once, however often the model makes it", () =>
    Effect.gen(function* () {
      const { handler, ran } = yield* counted()
      const events = yield* collect({ tools: [handler] })
      assert.deepStrictEqual(ran, ["c1", "c2"])
      assert.deepInclude(failures(events)[0], { _tag: "CallRejected", reason: "repeated" })
      assert.strictEqual(events.at(-1)?._tag, "LoopCompleted")
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          calls({ name: "pay", callId: "c1" }),
          calls({ name: "pay", callId: "c1" }, { name: "pay", callId: "c2" }),
          done
        ])
      )
    )
  )

  it.effect("that was answered with a refusal does not run under the same id either", () =>
    Effect.gen(function* () {
      const { handler, ran } = yield* counted()
      const events = yield* collect({ tools: [handler] })
      assert.isEmpty(ran)
      assert.deepStrictEqual(
        failures(events).map(({ _tag, reason }) => reason ?? _tag),
        ["UnknownTool", "repeated"]
      )
    }).pipe(
      Effect.provide(
        TestCodex.layer([calls({ name: "refund", callId: "c1" }), calls({ name: "pay", callId: "c1" }), done])
      )
    )
  )

  for (const [name, earlier] of Object.entries<History.Entry>({
    "of an item": { type: "function_call", call_id: "c1", name: "pay", arguments: "{}" },
    "of a message": Message.assistant([
      Message.toolCall({ type: "function", callId: "c1", name: "pay", arguments: "{}" })
    ])
  })) {
    it.effect(`does not run again if a limit stopped it in an earlier loop: that ${name}`, () =>
      Effect.gen(function* () {
        const { handler, ran } = yield* counted()
        const events = yield* collect({ tools: [handler], input: [earlier] })
        assert.deepStrictEqual(ran, [])
        assert.deepInclude(failures(events)[0], { _tag: "CallRejected", reason: "repeated" })
      }).pipe(Effect.provide(TestCodex.layer([calls({ name: "pay", callId: "c1" }), done])))
    )
  }

  for (const [name, item] of Object.entries({
    "of another namespace": { type: "function_call", name: "pay", namespace: "mcp__other", arguments: "{}" },
    "of a namespace that is no text": { type: "function_call", name: "pay", namespace: ["mcp"], arguments: "{}" },
    "of another kind": { type: "custom_tool_call", name: "pay", input: "{}" },
    "of an illegal name": { type: "function_call", name: "pay now.please", arguments: "{}" }
  })) {
    it.effect(`${name} is told to the model, and not run`, () =>
      Effect.gen(function* () {
        const { handler, ran } = yield* counted()
        const events = yield* collect({ tools: [handler] })
        assert.isEmpty(ran)
        assert.strictEqual(failures(events)[0]?._tag, "UnknownTool")
        assert.strictEqual(events.at(-1)?._tag, "LoopCompleted")
        const sent = yield* bodies
        assert.lengthOf(sent, 2)
        assert.include(JSON.stringify(sent[1]?.input.at(-1)), "There is no tool named")
      }).pipe(
        Effect.provide(
          TestCodex.layer([
            Script.events([
              { type: "response.created", response: { id: "resp_1" } },
              {
                type: "response.output_item.done",
                output_index: 0,
                item: { id: "x_1", call_id: "c1", status: "completed", ...item }
              },
              { type: "response.completed", response: { id: "resp_1", status: "completed", output: [] } }
            ]),
            done
          ])
        )
      )
    )
  }

  it.effect("whose arguments did not arrive is not run, and the model is told", () =>
    Effect.gen(function* () {
      const { handler, ran } = yield* counted()
      const events = yield* collect({ tools: [handler] })
      assert.isEmpty(ran)
      assert.deepInclude(failures(events)[0], { _tag: "CallRejected", reason: "unreadable" })
      assert.include(JSON.stringify((yield* bodies)[1]?.input.at(-1)), "cannot be parsed")
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.events([
            { type: "response.created", response: { id: "resp_1" } },
            {
              type: "response.output_item.done",
              output_index: 0,
              item: { type: "function_call", id: "fc_1", call_id: "c1", name: "pay", arguments: null }
            },
            { type: "response.completed", response: { id: "resp_1", status: "completed", output: [] } }
          ]),
          done
        ])
      )
    )
  )

  for (const [reason, handle] of Object.entries<() => Effect.Effect<Toolkit.Output, never>>({
    interrupted: () => Effect.interrupt,
    defect: () => Effect.dieMessage("canary: a bug"),
    output: () => Effect.succeed(undefined as never)
  })) {
    it.effect(`whose handler ends with ${reason} is answered in words; its sibling's result stays`, () =>
      Effect.gen(function* () {
        const { handler } = yield* counted(handle)
        const events = yield* collect({ tools: [handler, yield* read] })
        assert.deepInclude(failures(events)[0], { _tag: "HandlerFailed", reason })
        assert.strictEqual(events.at(-1)?._tag, "LoopCompleted")
        const outputs = outputsOf((yield* bodies)[1])
        assert.deepStrictEqual(
          outputs.map(([id]) => id),
          ["c1", "c2"]
        )
        assert.include(outputs[0]?.[1], 'The tool "pay"')
        assert.notInclude(outputs[0]?.[1], "canary")
        assert.strictEqual(outputs[1]?.[1], "content of a")
      }).pipe(
        Effect.provide(
          TestCodex.layer([
            calls({ name: "pay", callId: "c1" }, { name: "read", callId: "c2", arguments: { path: "a" } }),
            done
          ])
        )
      )
    )
  }

  it.effect("whose handler shows an image with an undefined detail is answered with it", () =>
    Effect.gen(function* () {
      const image = { _tag: "Image", url: "https://example.org/cat.png", detail: undefined } as const
      const { handler } = yield* counted(() => Effect.succeed([image]))
      assert.isEmpty(failures(yield* collect({ tools: [handler] })))
    }).pipe(Effect.provide(TestCodex.layer([calls({ name: "pay", callId: "c1" }), done])))
  )

  it.effect("whose handler shows what cannot be sent is answered in words", () =>
    Effect.gen(function* () {
      const { handler } = yield* counted(() => Effect.succeed([{ _tag: "Image", url: "file:///tmp/cat.png" }]))
      const events = yield* collect({ tools: [handler] })
      const [failure] = failures(events)
      assert.deepInclude(failure, { _tag: "HandlerFailed", reason: "output" })
      assert.match(String((failure as { readonly message?: unknown }).message), /file: URL; .*[^.]\.$/)
      assert.strictEqual(events.at(-1)?._tag, "LoopCompleted")
    }).pipe(Effect.provide(TestCodex.layer([calls({ name: "pay", callId: "c1" }), done])))
  )

  it.effect("a turn that never ends is taken as it is after sixteen further requests", () =>
    Effect.gen(function* () {
      const { handler } = yield* counted()
      const events = yield* collect({ tools: [handler] })
      assert.strictEqual(events.at(-1)?._tag, "LoopCompleted")
      assert.lengthOf(yield* requests, 17)
    }).pipe(Effect.provide(TestCodex.layer(Script.always(Script.turn({ text: "Go on.", endTurn: false })))))
  )
})
