/**
 * Turns that repeat, shift, rename and half-finish calls, and end in every way, with handlers that count: no call runs
 * twice, none runs from a turn that did not end well, and every call has exactly one output. `EXHAUSTIVE=1` draws more.
 */
import { assert, describe, it } from "@effect/vitest"
import { History, type Item, Tool, type Turn } from "@effect-codex/schema"
import { Script, TestCodex } from "@effect-codex/testing"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestContext from "effect/TestContext"
import { Conversation, Snapshot, Toolkit, ToolLoop } from "effect-codex"
import { exhaustive } from "../../../test/exhaustive.ts"
import { type Arbitrary, draw, forAllEffect } from "../../../test/property.ts"
import { bodies, run } from "./support.ts"

type Raw = Readonly<Record<string, unknown>>

const callId = draw.constantFrom("call_a", "call_a", "call_b", "call_c")
const status = draw.constantFrom<unknown>(
  ...["completed", "completed", "completed", undefined, undefined, "incomplete", "in_progress"]
)
const index = draw.constantFrom(0, 0, 1, 2)
const itemId = draw.constantFrom<unknown>("fc_1", "fc_2", "fc_3", undefined)

const oddCall = draw
  .record({
    custom: draw.constantFrom(false, false, false, true),
    id: itemId,
    call_id: callId,
    name: draw.constantFrom("pay", "pay", "pay", "other"),
    text: draw.constantFrom('{"amount":1}', '{"amount":1}', '{"amount":2}', '{"amount":3}', '{"amo', ""),
    namespace: draw.constantFrom(undefined, undefined, undefined, "mcp__other"),
    status
  })
  .map(
    ({ custom, text, ...fields }): Raw =>
      custom
        ? { type: "custom_tool_call", ...fields, input: text }
        : { type: "function_call", ...fields, arguments: text }
  )

/** Often one that runs, so that one that ran before comes again. */
const call = draw.oneof(
  oddCall,
  callId.map(
    (call_id): Raw => ({ type: "function_call", id: call_id, call_id, name: "pay", arguments: '{"amount":1}' })
  )
)

const event = draw.oneof(
  draw
    .tuple(index, call)
    .map(([output_index, item]): Raw => ({ type: "response.output_item.done", output_index, item })),
  draw.tuple(index, call).map(
    ([output_index, item]): Raw => ({
      type: "response.output_item.added",
      output_index,
      item: { ...item, status: "in_progress" }
    })
  ),
  draw.tuple(index, itemId).map(
    ([output_index, item_id]): Raw => ({
      type: "response.function_call_arguments.delta",
      output_index,
      item_id,
      delta: '{"amo'
    })
  )
)

const good: Raw = { type: "response.completed", response: { status: "completed" } }

/** How a turn ends; only `endsWell` is a good end. */
const ending = draw.constantFrom<Raw | undefined>(
  ...[good, good, good, good, good, good, good, good],
  { type: "response.completed", response: {} },
  { type: "response.completed", response: { status: "in_progress" } },
  { type: "response.completed", response: { status: "queued" } },
  { type: "response.completed", response: { incomplete_details: { reason: "max_output_tokens" } } },
  { type: "response.completed", response: { error: { code: "server_error", message: "No." } } },
  { type: "response.incomplete", response: { status: "incomplete" } },
  { type: "response.failed", response: { status: "failed", error: { code: "server_error", message: "No." } } },
  undefined
)

const endsWell = (last: Raw | undefined): boolean => {
  const response = last?.["response"] as Raw | undefined
  if (last?.["type"] !== "response.completed" || response === undefined) return false
  const { error, incomplete_details, status } = response
  return (status === undefined || status === "completed") && error === undefined && incomplete_details === undefined
}

const turn = draw.record({
  events: draw.array(event, { maxLength: 5 }),
  output: draw.array(call, { maxLength: 3 }),
  last: ending
})

type Drawn = typeof turn extends Arbitrary<infer A> ? A : never

/** The turn with a response id of its own, so that it can be told from the others. */
const stepOf = ({ events, last, output }: Drawn, n: number) => {
  const response = { id: `resp_${n}`, output: [] as ReadonlyArray<Raw> }
  return Script.events([
    { type: "response.created", response },
    ...events,
    ...(last === undefined ? [] : [{ ...last, response: { ...response, output, ...(last["response"] as Raw) } }])
  ] as ReadonlyArray<Script.Event>)
}

/** Whether an item of the turn says that the call is complete. */
const saysDone = ({ events, output }: Drawn, callId: string): boolean =>
  [...events.flatMap(({ item, type }) => (type === "response.output_item.done" ? [item as Raw] : [])), ...output].some(
    (item) => item["call_id"] === callId && (item["status"] ?? "completed") === "completed"
  )

const isCall = ({ type }: Raw) => type === "function_call" || type === "custom_tool_call"
const isOutput = ({ type }: Raw) => type === "function_call_output" || type === "custom_tool_call_output"

const idsOf = (input: ReadonlyArray<Raw>, which: (item: Raw) => boolean) =>
  input.filter(which).map((item) => String(item["call_id"]))

const ways = [
  ["ToolLoop.run", (pay: Toolkit.Handler) => ToolLoop.run({ prompt: "Go", tools: [pay], maxSteps: 8 })],
  [
    "ToolLoop.run, restarted with what is finished,",
    (pay: Toolkit.Handler) => ToolLoop.run({ prompt: "Go", tools: [pay], maxSteps: 8, keepItems: true })
  ],
  [
    "Conversation.run, taken up again from a snapshot each time,",
    (pay: Toolkit.Handler) =>
      Stream.unwrap(
        Effect.map(Conversation.make({ tools: [pay] }), (first) => {
          let current = first
          const again = Effect.gen(function* () {
            const saved = Snapshot.toJson(yield* current.snapshot)
            current = yield* Conversation.resume(yield* Snapshot.fromJson(saved), { tools: [pay] })
            return current.run("Go", { maxSteps: 2 })
          })
          // what fails is gone on from
          const once = Stream.catchAll(Stream.unwrap(again), () => Stream.empty)
          return Stream.flatMap(Stream.range(1, 4), () => once)
        })
      )
  ],
  [
    "Conversation.run",
    (pay: Toolkit.Handler) =>
      Stream.unwrap(
        Effect.map(Conversation.make({ tools: [pay] }), (conversation) => conversation.run("Go", { maxSteps: 8 }))
      )
  ]
] as const

/** How many handlers ran. */
const play = (turns: ReadonlyArray<Drawn>, loop: (typeof ways)[number][1]) =>
  Effect.gen(function* () {
    const ran: Array<Turn.ToolCall> = []
    const pay = Toolkit.handler(
      Tool.unsafeMake({ name: "pay", parameters: Schema.Struct({ amount: Schema.Number }) }),
      (_, { call }) => Effect.sync(() => `paid ${ran.push(call)}`)
    )
    let ended: string | undefined
    let handedOut: ReadonlyArray<string> = []
    yield* Effect.exit(
      run(
        Stream.runForEach(loop(pay), (event) =>
          Effect.sync(() => {
            if (event._tag === "TurnCompleted") {
              ended = event.turn.responseId
              handedOut = event.turn.toolCalls.map(({ callId }) => callId)
            }
            if (event._tag !== "ToolStarted") return
            const turn = turns[Number(ended?.slice(5))]
            assert.isTrue(endsWell(turn?.last), "a call of a turn that did not end well ran")
            assert.isTrue(turn !== undefined && saysDone(turn, event.call.callId), "half a call ran")
            assert.include(handedOut, event.call.callId)
          })
        )
      )
    ).pipe(
      Effect.flatMap((exit) =>
        exit._tag === "Failure" && exit.cause._tag !== "Fail" ? Effect.failCause(exit.cause) : Effect.void
      )
    )
    const callIds = ran.map(({ callId }) => callId)
    assert.deepStrictEqual(callIds, [...new Set(callIds)], "a call ran twice")
    for (const call of ran) {
      assert.deepInclude(call, { type: "function", name: "pay" })
      assert.isUndefined(call.namespace, "a call of another namespace ran")
    }
    for (const { input } of yield* bodies) {
      assert.isEmpty(History.validate(input as unknown as ReadonlyArray<Item.Item>))
      const outputs = idsOf(input, isOutput)
      assert.deepStrictEqual(outputs.slice().sort(), idsOf(input, isCall).sort())
      assert.lengthOf(new Set(outputs), outputs.length)
    }
    return ran.length
  }).pipe(
    Effect.provide(
      TestCodex.layer([...turns.map(stepOf), ...Array.from({ length: 8 }, () => Script.turn({ text: "Done." }))])
    )
  )

describe("turns that repeat, shift, rename and half-finish calls", () => {
  for (const [name, loop] of ways) {
    it.effect(
      `${name} carries out each call at most once, and answers it exactly once`,
      () =>
        Effect.gen(function* () {
          let ran = 0
          yield* forAllEffect(
            [draw.array(turn, { minLength: 1, maxLength: 4 })],
            (turns) =>
              Effect.map(Effect.scoped(play(turns, loop)).pipe(Effect.provide(TestContext.TestContext)), (count) => {
                ran += count
              }),
            exhaustive ? { runs: 500 } : { runs: 15, seed: 7 }
          )
          assert.isAbove(ran, exhaustive ? 100 : 3)
        }),
      exhaustive ? 300_000 : undefined
    )
  }
})
