/** One call is handed out once, whole, and only of a turn that ended well. */
import { assert, describe, it } from "@effect/vitest"
import type { TurnEvent } from "@effect-codex/schema"
import { fewer } from "../../../test/exhaustive.ts"
import { draw, forAll } from "../../../test/property.ts"
import { type Decoded, decodeText, frames } from "./support.ts"

type Wire = Readonly<Record<string, unknown>> & { readonly type: string }
type Raw = Readonly<Record<string, unknown>>

const play = (...events: ReadonlyArray<Wire>): Decoded => decodeText(frames(events))

const call = (more: object = {}): Raw => ({
  type: "function_call",
  id: "fc_1",
  call_id: "call_1",
  name: "pay",
  arguments: '{"amount":1}',
  status: "completed",
  ...more
})
const done = (output_index: number | undefined, item: Raw): Wire => ({
  type: "response.output_item.done",
  ...(output_index !== undefined && { output_index }),
  item
})
const end = (response: object = {}, type = "response.completed"): Wire => ({
  type,
  response: { id: "resp_1", status: "completed", output: [], ...response }
})

const repeated = (events: ReadonlyArray<TurnEvent.TurnEvent>) =>
  events.filter((event) => event._tag === "ToolCallRepeated")

const callIdsOf = (items: ReadonlyArray<unknown> | undefined) =>
  (items ?? []).flatMap((item) => ((item as Raw)["call_id"] === undefined ? [] : [(item as Raw)["call_id"]]))

describe("a duplicate call", () => {
  const twice: Readonly<Record<string, ReadonlyArray<Wire>>> = {
    "at another index": [done(0, call()), done(1, call()), end()],
    "at the same index": [done(0, call()), done(0, call()), end()],
    "under another item id": [done(0, call()), done(1, call({ id: "fc_2" })), end()],
    "under another item id, at the same index": [done(0, call()), done(0, call({ id: "fc_2" })), end()],
    "with other arguments": [done(0, call()), done(1, call({ arguments: '{"amount":2}' })), end()],
    "with other arguments and another id": [done(0, call()), done(1, call({ id: "fc_2", arguments: "{}" })), end()],
    "without its id": [done(0, call()), done(0, call({ id: undefined })), end()],
    "without id and index": [done(0, call()), done(undefined, call({ id: undefined })), end()],
    "as another kind": [
      done(0, call()),
      done(1, { type: "custom_tool_call", id: "ctc_1", call_id: "call_1", name: "pay", input: "1" }),
      end()
    ],
    "under another name": [done(0, call()), done(1, call({ id: "fc_2", name: "refund" })), end()],
    "in the terminal output, under another id": [done(0, call()), end({ output: [call({ id: "fc_2" })] })],
    "in the terminal output, under another id and at another place": [
      done(0, call()),
      end({ output: [{ type: "reasoning", id: "rs_1", summary: [] }, call({ id: "fc_2" })] })
    ],
    "in the terminal output, with other arguments": [
      done(0, call()),
      end({ output: [call({ arguments: '{"amount":2}' })] })
    ],
    "twice in the terminal output": [end({ output: [call(), call({ id: "fc_2" })] })]
  }

  for (const [name, events] of Object.entries(twice)) {
    it(`is reported and not handed out: ${name}`, () => {
      const { events: all, turn } = play(...events)
      assert.deepStrictEqual(turn?.toolCalls, [
        { type: "function", callId: "call_1", name: "pay", arguments: '{"amount":1}' }
      ])
      assert.deepStrictEqual(callIdsOf(turn?.items), ["call_1"])
      assert.lengthOf(repeated(all), 1)
      assert.isTrue(turn?.diagnostics.drift.some(({ field }) => field === "repeats the call call_1"))
      assert.lengthOf(
        all.filter((event) => event._tag === "ToolCallCompleted"),
        1
      )
    })
  }

  it("is not reported where the terminal output only lists it once more", () => {
    for (const output of [
      [call()],
      [{ type: "reasoning", id: "rs_1", summary: [] }, call()],
      [call({ id: undefined })]
    ]) {
      const { events, turn } = play(done(0, call()), end({ output }))
      assert.lengthOf(turn?.toolCalls ?? [], 1)
      assert.isEmpty(repeated(events))
      assert.strictEqual(turn?.diagnostics.driftCount, 0)
    }
  })
})

describe("a turn that did not end well", () => {
  const ends: Readonly<Record<string, Wire>> = {
    "details, no status": end({ status: undefined, incomplete_details: { reason: "max_output_tokens" } }),
    "details, though completed": end({ incomplete_details: { reason: "content_filter" } }),
    "empty details": end({ incomplete_details: {} }),
    ...Object.fromEntries(
      ["in_progress", "queued", "expired", "cancelled", "incomplete", "done", 5, {}].map((status) => [
        `status ${JSON.stringify(status)}`,
        end({ status })
      ])
    ),
    "its event": end({}, "response.incomplete"),
    "its old event, expired": end({ status: "expired" }, "response.done")
  }

  for (const [name, last] of Object.entries(ends)) {
    it(`hands out no calls: ${name}`, () => {
      const { turn } = play(done(0, call()), last)
      assert.strictEqual(turn?.status, "incomplete")
      assert.isEmpty(turn?.toolCalls ?? [0])
      assert.lengthOf(turn?.abandonedToolCalls ?? [], 1)
    })
  }

  it("says why", () => {
    const reason = (response: object) => play(end(response)).turn?.incompleteReason
    assert.strictEqual(
      reason({ status: undefined, incomplete_details: { reason: "max_output_tokens" } }),
      "max_output_tokens"
    )
    assert.strictEqual(reason({ status: "expired" }), "expired")
    assert.strictEqual(reason({ status: "incomplete" }), undefined)
  })

  it("with an error has failed", () => {
    for (const last of [
      end({ error: { code: "server_error" } }),
      end({ status: undefined, error: { type: "server_error", message: "boom" } }),
      end({ error: "server_error" }),
      end({ status_details: { error: { code: "server_error" } } }),
      { ...end(), error: { code: "server_error" } },
      end({ status: "failed" }),
      end({ error: { code: "server_error" } }, "response.incomplete")
    ]) {
      const { failure, turn } = play(done(0, call()), last)
      assert.isUndefined(turn)
      assert.strictEqual(failure?._tag, "ResponseFailed")
      assert.lengthOf(failure?.partial?.abandonedToolCalls ?? [], 1)
    }
    for (const error of [null, false, "", []]) assert.strictEqual(play(end({ error })).turn?.status, "completed")
  })

  it("has no incomplete call in its items", () => {
    const half = call({ status: "incomplete", arguments: '{"am' })
    const begun: Wire = {
      type: "response.output_item.added",
      output_index: 0,
      item: call({ arguments: "", status: "in_progress" })
    }
    const delta: Wire = {
      type: "response.function_call_arguments.delta",
      output_index: 0,
      item_id: "fc_1",
      delta: '{"am'
    }
    const details = { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }
    for (const events of [
      [begun, delta, end({ ...details, output: [half] }, "response.incomplete")],
      [end({ ...details, output: [half] }, "response.incomplete")],
      [begun, delta, end({ ...details, output: [{ ...half, status: undefined }] }, "response.incomplete")],
      [begun, delta, end({ ...details, output: [{ ...half, status: "in_progress" }] })],
      [begun, delta, done(0, half), end(details, "response.incomplete")],
      [begun, delta, end(details, "response.incomplete")]
    ]) {
      const { events: all, turn } = play(...events)
      assert.isEmpty(turn?.items ?? [0])
      assert.isEmpty(turn?.toolCalls ?? [0])
      assert.deepInclude(turn?.abandonedToolCalls[0] as object, { callId: "call_1", name: "pay" })
      assert.isFalse(turn?.blocks.some((block) => block._tag === "ToolCall" && block.finished))
      assert.isFalse(all.some((event) => event._tag === "ToolCallCompleted" || event._tag === "ItemCompleted"))
    }
  })

  it("keeps the text that was shown", () => {
    const delta: Wire = {
      type: "response.output_text.delta",
      item_id: "msg_1",
      output_index: 0,
      content_index: 0,
      delta: "Half a"
    }
    const { turn } = play(delta, end({ status: "incomplete" }, "response.incomplete"))
    assert.deepStrictEqual(turn?.items as unknown, [
      {
        type: "message",
        role: "assistant",
        id: "msg_1",
        content: [{ type: "output_text", annotations: [], text: "Half a" }]
      }
    ])
  })
})

describe("a call with a status of its own", () => {
  const kinds: ReadonlyArray<Raw> = [
    call(),
    { type: "custom_tool_call", id: "ctc_1", call_id: "call_1", name: "sh", input: "rm -rf /" },
    { type: "local_shell_call", id: "lsh_1", call_id: "call_1", action: { type: "exec", command: ["ls"] } },
    { type: "tool_search_call", id: "tsc_1", call_id: "call_1", execution: "client", arguments: { query: "x" } }
  ]

  it("is handed out only when that is completed or absent", () => {
    for (const item of kinds) {
      for (const last of [[done(0, item), end()], [end({ output: [item] })]]) {
        const play1 = (status: unknown) =>
          play(
            ...last.map(
              (event): Wire =>
                JSON.parse(JSON.stringify(event), (key, value) =>
                  key === "item"
                    ? { ...value, status }
                    : key === "output"
                      ? (value as ReadonlyArray<Raw>).map((item) => ({ ...item, status }))
                      : value
                )
            )
          ).turn
        for (const status of ["completed", null, undefined]) assert.lengthOf(play1(status)?.toolCalls ?? [], 1)
        for (const status of ["incomplete", "in_progress", "failed", "searching", 1, {}]) {
          assert.isEmpty(play1(status)?.toolCalls ?? [0])
          assert.lengthOf(play1(status)?.abandonedToolCalls ?? [], 1)
        }
      }
    }
  })

  it("is not handed out once the server says that it is not complete, wherever it says so", () => {
    for (const item of kinds) {
      for (const status of ["incomplete", "in_progress", "failed", 1]) {
        for (const before of ["completed", undefined]) {
          const first = done(0, { ...item, status: before })
          const half = { ...item, status }
          const renamed = { ...half, id: "other" }
          for (const events of [
            [first, end({ output: [half] })],
            [first, end({ output: [renamed] })],
            [first, end({ output: [{ type: "reasoning", id: "rs_1", summary: [] }, half] })],
            [first, done(0, half), end()],
            [first, done(1, renamed), end()]
          ]) {
            const { turn } = play(...events)
            assert.isEmpty(turn?.toolCalls, JSON.stringify(events))
            assert.isTrue(turn?.abandonedToolCalls.some(({ callId }) => callId === "call_1"))
          }
        }
      }
    }
  })

  it("gives way to the complete one of the same id", () => {
    const { turn } = play(done(0, call({ status: "in_progress" })), done(1, call({ id: "fc_2" })), end())
    assert.lengthOf(turn?.toolCalls ?? [], 1)
    assert.deepStrictEqual(callIdsOf(turn?.items), ["call_1"])
  })
})

describe("a namespace", () => {
  it("that is no text is not that of the local tools", () => {
    const namespaceOf = (namespace: unknown) => play(done(0, call({ namespace })), end()).turn?.toolCalls[0]?.namespace
    for (const namespace of [5, true, {}, [], { name: "mcp" }]) {
      assert.strictEqual(namespaceOf(namespace), JSON.stringify(namespace))
    }
    for (const namespace of [undefined, null, "", " "]) assert.isUndefined(namespaceOf(namespace))
  })
})

describe("arguments", () => {
  const args = (value: object) => play(done(0, call({ arguments: undefined, ...value })), end()).turn

  it("that are an object become its JSON text, in the call and in the item", () => {
    const turn = args({ arguments: { path: "/a", n: [1, null] } })
    assert.deepStrictEqual(turn?.toolCalls, [
      { type: "function", callId: "call_1", name: "pay", arguments: '{"path":"/a","n":[1,null]}' }
    ])
    assert.deepInclude(turn?.items[0] as object, { arguments: '{"path":"/a","n":[1,null]}' })
    const deltas = '{ "path": "/a" }'
    const same = play(
      { type: "response.function_call_arguments.delta", item_id: "fc_1", output_index: 0, delta: deltas },
      done(0, call({ arguments: { path: "/a" } })),
      end()
    )
    assert.strictEqual(same.turn?.toolCalls[0]?.arguments, deltas)
    assert.isFalse(same.turn?.diagnostics.drift.some(({ field }) => field.startsWith("differs")))
  })

  it("that cannot be read make an unreadable call, which is never blank", () => {
    for (const [value, unreadable, text] of [
      [{}, "absent", "null"],
      [{ arguments: null }, "absent", "null"],
      [{ arguments: 5 }, "wrong_type", "5"],
      [{ arguments: ["a"] }, "wrong_type", '["a"]'],
      [{ arguments: true }, "wrong_type", "true"]
    ] as const) {
      const turn = args(value)
      assert.deepStrictEqual(turn?.toolCalls, [
        { type: "function", callId: "call_1", name: "pay", arguments: text, unreadable }
      ])
      // what is replayed fits the type of the item
      assert.deepInclude(turn?.items[0] as object, { arguments: text })
    }
    const custom = { type: "custom_tool_call", id: "ctc_1", call_id: "call_1", name: "sh" }
    for (const input of [undefined, null, 5, { a: 1 }]) {
      assert.isDefined(play(done(0, { ...custom, input }), end()).turn?.toolCalls[0]?.unreadable)
    }
    const shell = { type: "local_shell_call", id: "lsh_1", call_id: "call_1" }
    for (const action of [undefined, null, "ls", []]) {
      const turn = play(done(0, { ...shell, action }), end()).turn
      assert.isDefined(turn?.toolCalls[0]?.unreadable)
      assert.deepStrictEqual(turn?.items as unknown, [JSON.parse(JSON.stringify({ ...shell, action }))])
    }
  })

  it("are blank only if the item has blank ones", () => {
    assert.deepStrictEqual(args({ arguments: "" })?.toolCalls, [
      { type: "function", callId: "call_1", name: "pay", arguments: "" }
    ])
    // without an item of its own nobody knows that nothing was lost
    const place = { item_id: "fc_1", output_index: 0 }
    const { turn } = play(
      { type: "response.output_item.added", output_index: 0, item: call({ arguments: "", status: "in_progress" }) },
      { type: "response.function_call_arguments.done", ...place, arguments: "" },
      end()
    )
    assert.strictEqual(turn?.toolCalls[0]?.unreadable, "absent")
    const closedByNull = play(
      { type: "response.output_item.added", output_index: 0, item: call({ arguments: "", status: "in_progress" }) },
      { type: "response.function_call_arguments.done", ...place, arguments: null },
      end()
    )
    assert.strictEqual(closedByNull.turn?.toolCalls[0]?.unreadable, "absent")
  })

  it("nested as deep as may be are read, deeper ones end the turn with a typed error", () => {
    const nested = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`)
    assert.isUndefined(args({ arguments: nested(200) })?.toolCalls[0]?.unreadable)
    for (const depth of [2200, 100_000]) {
      const json = `{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}}`
      const { failure } = decodeText(`data: ${json}\n\n`)
      assert.deepInclude(failure, { _tag: "InvalidEvent", reason: "tooDeep" })
      assert.isFalse(failure?.isRetryable)
    }
    // as text they are for the tool's own decoder to refuse
    const text = `${"[".repeat(100_000)}${"]".repeat(100_000)}`
    assert.strictEqual(args({ arguments: text })?.toolCalls[0]?.arguments, text)
  })
})

describe("calls of the server's own kinds", () => {
  const shell = {
    type: "local_shell_call",
    id: "lsh_1",
    status: "completed",
    action: { type: "exec", command: ["ls"] }
  }
  const search = {
    type: "tool_search_call",
    id: "tsc_1",
    call_id: "call_2",
    execution: "client",
    arguments: { query: "x" }
  }

  it("are calls, with the item unchanged", () => {
    const { events, turn } = play(done(0, { ...shell, call_id: "call_1" }), done(1, search), end())
    assert.deepStrictEqual(turn?.toolCalls, [
      { type: "local_shell", callId: "call_1", name: "local_shell", arguments: '{"type":"exec","command":["ls"]}' },
      { type: "tool_search", callId: "call_2", name: "tool_search", arguments: '{"query":"x"}' }
    ])
    assert.deepStrictEqual(turn?.items as unknown, [{ ...shell, call_id: "call_1" }, search])
    assert.lengthOf(
      events.filter((event) => event._tag === "ToolCallCompleted"),
      2
    )
  })

  it("are found by their item's id where a shell call has no other", () => {
    assert.strictEqual(play(done(0, shell), end()).turn?.toolCalls[0]?.callId, "lsh_1")
  })

  it("run once where a shell call comes with and without its call id", () => {
    const named = { ...shell, call_id: "call_1" }
    for (const [first, second] of [
      [shell, named],
      [named, shell]
    ] as const) {
      for (const last of [[done(1, second), end()], [end({ output: [first, second] })]]) {
        const { turn } = play(done(0, first), ...last)
        assert.lengthOf(turn?.toolCalls ?? [], 1)
        assert.lengthOf(turn?.items ?? [], 1)
      }
    }
    assert.lengthOf(play(done(0, named), done(1, { ...shell, id: "lsh_2" }), end()).turn?.toolCalls ?? [], 2)
  })

  it("are none where the server runs them itself, or nothing could answer them", () => {
    for (const item of [
      { ...search, execution: "server" },
      { ...search, execution: undefined },
      { ...search, call_id: null }
    ]) {
      const { turn } = play(done(0, item), end())
      assert.isEmpty(turn?.toolCalls ?? [0])
      assert.lengthOf(turn?.items ?? [], 1)
    }
  })
})

describe("turns that repeat, shift, rename and half-finish calls", () => {
  const ids = draw.constantFrom(1, 2, 3)
  const index = draw.constantFrom(undefined, 0, 1, 2, 3)
  const itemId = draw.constantFrom(undefined, "", "fc_1", "fc_2", "fc_3", "fc_9")
  const status = draw.constantFrom(undefined, null, "completed", "completed", "completed", "in_progress", "incomplete")
  const text = (n: number) => `{"n":${n}}`
  const value = draw.constantFrom("own", "own", "other", "", null, undefined, "object", "half")

  const valueOf = (kind: string, n: number): unknown =>
    kind === "own"
      ? text(n)
      : kind === "other"
        ? '{"n":99}'
        : kind === "object"
          ? { n }
          : kind === "half"
            ? '{"n'
            : kind

  const itemOf = (n: number, id: unknown, args: unknown, status: unknown, type: string): Raw => ({
    type,
    ...(id !== undefined && { id }),
    call_id: `call_${n}`,
    name: "pay",
    ...(args !== undefined && { [type === "function_call" ? "arguments" : "input"]: args }),
    ...(status !== undefined && { status })
  })

  const item = draw
    .tuple(ids, itemId, value, status, draw.constantFrom("function_call", "function_call", "custom_tool_call"))
    .map(([n, id, value, status, type]) => itemOf(n, id, valueOf(value as string, n), status, type))

  const event = draw.oneof(
    draw.tuple(index, item).map(([output_index, item]): Wire => done(output_index, item)),
    draw
      .tuple(index, item)
      .map(([output_index, item]): Wire => ({ ...done(output_index, item), type: "response.output_item.added" })),
    draw.tuple(index, itemId, ids, draw.boolean()).map(
      ([output_index, item_id, n, half]): Wire => ({
        type: "response.function_call_arguments.delta",
        output_index,
        item_id,
        delta: half ? '{"n' : text(n)
      })
    ),
    draw.tuple(index, itemId, ids, value).map(
      ([output_index, item_id, n, value]): Wire => ({
        type: "response.function_call_arguments.done",
        output_index,
        item_id,
        arguments: valueOf(value as string, n)
      })
    )
  )

  const response = draw.record({
    status: draw.constantFrom(
      undefined,
      null,
      "completed",
      "completed",
      "completed",
      "incomplete",
      "in_progress",
      "queued"
    ),
    incomplete_details: draw.constantFrom(undefined, null, null, null, { reason: "max_output_tokens" }),
    error: draw.constantFrom(undefined, null, null, null, null, { code: "server_error" }),
    output: draw.oneof(draw.constant([]), draw.array(item, { maxLength: 4 }))
  })
  const type = draw.constantFrom("response.completed", "response.completed", "response.done", "response.incomplete")

  it("never hand out a call twice, half, or from a turn that did not end well", () => {
    let handedOut = 0
    forAll(
      [draw.array(event, { maxLength: 8 }), response, type],
      (events, response, type) => {
        const last: Wire = { type, response }
        const { events: all, failure, turn } = play(...events, last)
        const isGood =
          type !== "response.incomplete" &&
          (response.status === "completed" || (response.status ?? undefined) === undefined) &&
          (response.incomplete_details ?? undefined) === undefined
        if ((response.error ?? undefined) !== undefined) {
          assert.isUndefined(turn)
          assert.isDefined(failure)
          return
        }
        assert.isDefined(turn)
        if (turn === undefined) return
        assert.strictEqual(turn.status, isGood ? "completed" : "incomplete")
        if (!isGood) assert.isEmpty(turn.toolCalls)
        handedOut += turn.toolCalls.length
        const callIds = turn.toolCalls.map(({ callId }) => callId)
        assert.strictEqual(new Set(callIds).size, callIds.length, "a call is handed out once")
        const itemIds = callIdsOf(turn.items)
        assert.strictEqual(new Set(itemIds).size, itemIds.length, "a call id stands once in the items")
        // each call that is handed out is in the items, with the same words
        const wire = [...events, last].flatMap((event) => [
          ...(event.type === "response.output_item.done" ? [event["item"] as Raw] : []),
          ...(event === last ? response.output : [])
        ])
        const isRebuilt = events.some((event) => event.type === "response.function_call_arguments.done")
        for (const call of turn.toolCalls) {
          const kept = turn.items.find((item) => (item as unknown as Raw)["call_id"] === call.callId) as unknown as Raw
          assert.strictEqual(kept["arguments"] ?? kept["input"], call.arguments)
          const allowed = wire.some(
            (item) =>
              item["call_id"] === call.callId && ["completed", null, undefined].includes(item["status"] as string)
          )
          assert.isTrue(allowed || isRebuilt, "some event says that the call is complete")
          if (call.unreadable !== undefined) assert.notStrictEqual(call.arguments.trim(), "")
        }
        for (const callId of new Set(callIds)) {
          const completions = all.filter((event) => event._tag === "ToolCallCompleted" && event.call.callId === callId)
          assert.lengthOf(completions, 1)
        }
        // every call is in one of the two lists
        assert.strictEqual(
          turn.blocks.filter((block) => block._tag === "ToolCall").length,
          turn.toolCalls.length + turn.abandonedToolCalls.length
        )
      },
      { runs: fewer(3000) }
    )
    assert.isAbove(handedOut, fewer(500))
  })
})
