/**
 * Arbitraries for property tests: turns, possible orders of their events, possible encodings and chunks of these, and
 * histories of requests.
 *
 * @example
 * ```ts
 * import * as Generators from "@effect-codex/testing/Generators"
 * import * as Script from "@effect-codex/testing/Script"
 * import * as FastCheck from "effect/FastCheck"
 *
 * // every body a backend may send for a turn, as chunks
 * const body = Generators.turn().chain((turn) =>
 *   Generators.eventOrder(Script.turnEvents(turn)).chain(Generators.framing).chain(Generators.chunking)
 * )
 *
 * FastCheck.assert(FastCheck.property(body, (chunks) => chunks.length > 0))
 * ```
 *
 * @since 0.1.0
 */
import type * as Item from "@effect-codex/schema/Item"
import * as FastCheck from "effect/FastCheck"
import * as Invented from "./internal/invented.ts"
import type * as Script from "./Script.ts"

type Arbitrary<A> = FastCheck.Arbitrary<A>

const encoder = new TextEncoder()

// turns --------------------------------------------------------------------------------------------------------------

/**
 * Text of a model: words, and difficult cases for decoders (multi-byte characters, escapes, line ends, text that looks
 * like events). It can be empty.
 *
 * @since 0.1.0
 * @category generators
 */
export const text: Arbitrary<string> = FastCheck.array(
  FastCheck.oneof(
    { weight: 4, arbitrary: FastCheck.constantFrom("Hello", " the", " 42", ", ", ".\n", "\n\n", "```ts\n") },
    {
      weight: 2,
      arbitrary: FastCheck.constantFrom("ü", "→", "漢字", "🌍", "👩‍👩‍👧", "e\u0301", "\u0000", "\u2028", "\ufeff")
    },
    { weight: 2, arbitrary: FastCheck.constantFrom('"', "\\", "\\n", "\r\n", "\t", "data: ", "[DONE]", ": ", "</s>") },
    { weight: 1, arbitrary: FastCheck.fullUnicodeString({ maxLength: 8 }) }
  ),
  { maxLength: 12 }
).map((parts) => parts.join(""))

const someText = text.map((text) => (text === "" ? "." : text))

/**
 * A name of a function or a tool (protocol N.9).
 *
 * @since 0.1.0
 * @category generators
 */
export const toolName: Arbitrary<string> = FastCheck.oneof(
  FastCheck.constantFrom("ls", "read_file", "get-weather", "a"),
  FastCheck.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/)
)

const jsonObject: Arbitrary<Record<string, unknown>> = FastCheck.dictionary(
  FastCheck.string({ maxLength: 8 }).filter((key) => key !== "__proto__"),
  FastCheck.jsonValue({ maxDepth: 2 }),
  { maxKeys: 4 }
) as Arbitrary<Record<string, unknown>>

/**
 * A call of a function, or of a custom tool.
 *
 * @since 0.1.0
 * @category generators
 */
export const toolCall: Arbitrary<Script.ToolCall> = FastCheck.oneof(
  FastCheck.record({ name: toolName, arguments: jsonObject }),
  FastCheck.record({ name: toolName, input: text }),
  FastCheck.record({ name: toolName, namespace: toolName, arguments: jsonObject })
)

const usage = FastCheck.record(
  {
    inputTokens: FastCheck.nat(1_000_000),
    cachedTokens: FastCheck.nat(1000),
    outputTokens: FastCheck.nat(100_000),
    reasoningTokens: FastCheck.nat(1000)
  },
  { requiredKeys: [] }
)

/** How a turn ends. */
type Ending = "completed" | "incomplete" | "failed"

const ended: Record<Ending, Arbitrary<Partial<Script.Turn>>> = {
  completed: FastCheck.record({ endTurn: FastCheck.boolean() }, { requiredKeys: [] }),
  incomplete: FastCheck.record({ incomplete: FastCheck.constantFrom("max_output_tokens", "content_filter") }),
  failed: FastCheck.record({
    failed: FastCheck.record({
      code: FastCheck.constantFrom("server_error", "rate_limit_exceeded", "context_length_exceeded", "invalid_prompt"),
      message: text
    })
  })
}

/**
 * A turn with any combination of outputs and one of the endings (by default only `completed`).
 *
 * @since 0.1.0
 * @category generators
 */
export const turn = (
  options: { readonly endings?: readonly [Ending, ...ReadonlyArray<Ending>] } = {}
): Arbitrary<Script.Turn> =>
  FastCheck.tuple(
    FastCheck.record(
      {
        reasoning: FastCheck.array(someText, { maxLength: 3 }),
        text: someText,
        toolCalls: FastCheck.array(toolCall, { minLength: 1, maxLength: 3 }),
        usage: FastCheck.option(usage),
        deltaSize: FastCheck.integer({ min: 1, max: 40 })
      },
      { requiredKeys: [] }
    ),
    FastCheck.boolean(),
    FastCheck.oneof(...(options.endings ?? (["completed"] as const)).map((ending) => ended[ending]))
  ).map(([turn, refused, ending]) => {
    const { text, ...rest } = turn
    // a refusal replaces the text, and has no calls
    if (refused && text !== undefined && turn.toolCalls === undefined) return { ...rest, refusal: text, ...ending }
    return { ...turn, ...ending }
  })

// events -------------------------------------------------------------------------------------------------------------

const noise: Arbitrary<Script.Event> = FastCheck.constantFrom<Script.Event>(
  { type: "keepalive" },
  { type: "response.metadata", headers: { "x-codex-turn-state": "ts_1" } },
  { type: "codex.response.metadata", headers: {} },
  { type: "responsesapi.websocket_timing", timing_metrics: {} },
  { type: "response.something_new", detail: { nested: [1, null] } },
  {
    type: "codex.rate_limits",
    plan_type: "plus",
    rate_limits: { primary: { used_percent: 5, window_minutes: 300, reset_at: 1_795_400_000 }, secondary: null }
  }
)

const itemOf = (event: Script.Event): number | undefined => {
  const index = event["output_index"]
  return typeof index === "number" ? index : undefined
}

/** Interleaves the events of items. The events of an item, and the starts of the items, keep their order. */
const interleave = (items: ReadonlyArray<ReadonlyArray<Script.Event>>, picks: ReadonlyArray<number>) => {
  const places = items.map(() => 0)
  const out: Array<Script.Event> = []
  for (const pick of picks) {
    const open = items.flatMap((events, n) => {
      const place = places[n] ?? 0
      const isNext = n === 0 || (places[n - 1] ?? 0) > 0
      return place < events.length && isNext ? [n] : []
    })
    const chosen = open[pick % Math.max(1, open.length)]
    if (chosen === undefined) break
    const place = places[chosen] ?? 0
    const event = items[chosen]?.[place]
    places[chosen] = place + 1
    if (event !== undefined) out.push(event)
  }
  return out
}

/**
 * Possible orders of the events of a turn: items can be sequential or overlap, and unrelated events can be inserted.
 * The events of one item keep their order, the first events stay first, and the terminal event stays last.
 *
 * @since 0.1.0
 * @category generators
 */
export const eventOrder = (events: ReadonlyArray<Script.Event>): Arbitrary<ReadonlyArray<Script.Event>> => {
  const first = events.findIndex((event) => itemOf(event) !== undefined)
  const last = events.map((event) => itemOf(event) !== undefined).lastIndexOf(true)
  const before = first === -1 ? events.slice(0, -1) : events.slice(0, first)
  const after = first === -1 ? events.slice(-1) : events.slice(last + 1)
  const items = new Map<number, Array<Script.Event>>()
  for (const event of first === -1 ? [] : events.slice(first, last + 1)) {
    const index = itemOf(event) ?? 0
    items.set(index, [...(items.get(index) ?? []), event])
  }
  const count = Array.from(items.values()).reduce((sum, events) => sum + events.length, 0)
  return FastCheck.tuple(
    FastCheck.oneof(
      FastCheck.constant<ReadonlyArray<number>>(Array.from({ length: count }, () => 0)),
      FastCheck.array(FastCheck.nat(), { minLength: count, maxLength: count })
    ),
    FastCheck.array(FastCheck.tuple(FastCheck.nat(), noise), { maxLength: 3 })
  ).map(([picks, noises]) => {
    const all = [...before, ...interleave([...items.values()], picks)]
    for (const [place, event] of noises)
      all.splice(before.length + (place % (all.length - before.length + 1)), 0, event)
    return [...all, ...after].map((event, sequence_number) => {
      const { type, sequence_number: _, ...fields } = event
      return { type, sequence_number, ...fields }
    })
  })
}

/**
 * Possible encodings of events as an event stream: three kinds of line ends, with or without event names and spaces,
 * with comments, with several data lines, with `[DONE]` at the end.
 *
 * @since 0.1.0
 * @category generators
 */
export const framing = (events: ReadonlyArray<Script.Event>): Arbitrary<Uint8Array> =>
  FastCheck.record({
    newline: FastCheck.constantFrom("\n", "\r\n", "\r"),
    space: FastCheck.constantFrom(" ", ""),
    byteOrderMark: FastCheck.boolean(),
    done: FastCheck.boolean(),
    each: FastCheck.array(
      FastCheck.record({ named: FastCheck.boolean(), spread: FastCheck.boolean(), comment: FastCheck.boolean() }),
      { minLength: events.length, maxLength: events.length }
    )
  }).map(({ byteOrderMark, done, each, newline, space }) => {
    const frames = events.map((event, n) => {
      const { comment = false, named = true, spread = false } = each[n] ?? {}
      const data = JSON.stringify(event, null, spread ? 1 : undefined).split("\n")
      return [
        ...(comment ? [": keepalive"] : []),
        ...(named ? [`event:${space}${String(event["type"])}`] : []),
        ...data.map((line) => `data:${space}${line}`),
        "",
        ""
      ].join(newline)
    })
    const end = done ? `data:${space}[DONE]${newline}${newline}` : ""
    return encoder.encode(`${byteOrderMark ? "\ufeff" : ""}${frames.join("")}${end}`)
  })

/**
 * Possible chunks of the bytes, split within events and characters, including empty chunks.
 *
 * @since 0.1.0
 * @category generators
 */
export const chunking = (bytes: Uint8Array): Arbitrary<ReadonlyArray<Uint8Array>> =>
  FastCheck.oneof(
    FastCheck.constantFrom(1, 2, 3, 7, 64, 4096).map((size) =>
      Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size))
    ),
    FastCheck.array(FastCheck.nat(bytes.length), { maxLength: 20 }).map((cuts) => {
      const ends = [...cuts.sort((a, b) => a - b), bytes.length]
      return ends.map((end, n) => bytes.subarray(ends[n - 1] ?? 0, end))
    })
  )

// histories ----------------------------------------------------------------------------------------------------------

const message = (role: "user" | "developer" | "system"): Arbitrary<Item.Item> =>
  FastCheck.array(
    FastCheck.oneof(
      { weight: 5, arbitrary: text.map((text) => ({ type: "input_text" as const, text })) },
      {
        weight: 1,
        arbitrary: FastCheck.constant({
          type: "input_image" as const,
          image_url: "data:image/png;base64,iVBORw0KGgo=",
          detail: "auto"
        })
      }
    ),
    { minLength: 1, maxLength: 3 }
  ).map((content) => ({ type: "message", role, content }))

const toolOutput = FastCheck.oneof(
  text,
  FastCheck.array(
    text.map((text) => ({ type: "input_text" as const, text })),
    { maxLength: 2 }
  )
)

/** The output items of a model with unique ids, and the outputs of its tools. */
const round = FastCheck.record({
  reasoning: FastCheck.option(FastCheck.array(someText, { maxLength: 2 }), { nil: undefined }),
  text: FastCheck.option(someText, { nil: undefined }),
  calls: FastCheck.array(FastCheck.tuple(toolCall, toolOutput), { maxLength: 3 }),
  withIds: FastCheck.boolean(),
  mixed: FastCheck.boolean()
})

type Round = typeof round extends Arbitrary<infer A> ? A : never

const roundItems = ({ calls, mixed, reasoning, text, withIds }: Round, n: number): ReadonlyArray<Item.Item> => {
  const id = (prefix: string, k = 0) => (withIds ? { id: `${prefix}_${n}_${k}` } : {})
  // reasoning must be followed by an output
  const led = text !== undefined || calls.length > 0
  const made = calls.map(([call], k): Item.Item => {
    const call_id = `call_${n}_${k}`
    const namespace = call.namespace === undefined ? {} : { namespace: call.namespace }
    return "input" in call
      ? {
          type: "custom_tool_call",
          ...id("ctc", k),
          call_id,
          name: call.name,
          ...namespace,
          input: call.input,
          status: "completed"
        }
      : {
          type: "function_call",
          ...id("fc", k),
          call_id,
          name: call.name,
          ...namespace,
          arguments: JSON.stringify(call.arguments ?? {}),
          status: "completed"
        }
  })
  const outputs = calls.map(
    ([call, output], k): Item.Item => ({
      type: "input" in call ? "custom_tool_call_output" : "function_call_output",
      call_id: `call_${n}_${k}`,
      output
    })
  )
  return [
    ...(reasoning === undefined || !led
      ? []
      : [
          {
            type: "reasoning" as const,
            ...id("rs"),
            summary: reasoning.map((text) => ({ type: "summary_text", text })),
            encrypted_content: Invented.encrypted(`history/${n}`)
          }
        ]),
    ...(text === undefined
      ? []
      : [
          {
            type: "message" as const,
            ...id("msg"),
            role: "assistant",
            status: "completed",
            phase: calls.length > 0 ? "commentary" : "final_answer",
            content: [{ type: "output_text" as const, text, annotations: [] }]
          }
        ]),
    ...made,
    ...(mixed ? [...outputs].reverse() : outputs)
  ]
}

/**
 * Valid histories (protocol C.4, C.5): user messages and model outputs, each call with its output. Their encrypted
 * content is not genuine.
 *
 * @since 0.1.0
 * @category generators
 */
export const history: Arbitrary<ReadonlyArray<Item.Item>> = FastCheck.tuple(
  FastCheck.option(message("developer"), { nil: undefined }),
  FastCheck.array(FastCheck.tuple(message("user"), FastCheck.array(round, { maxLength: 3 })), {
    minLength: 1,
    maxLength: 4
  }),
  message("user")
).map(([developer, turns, last]) => {
  let n = 0
  return [
    ...(developer === undefined ? [] : [developer]),
    ...turns.flatMap(([asked, rounds]) => [asked, ...rounds.flatMap((round) => roundItems(round, n++))]),
    last
  ]
})
