/** Shapes that no honest server sends, each made of `n` pieces: decoding is linear in the bytes, whatever they are. */
import { ErrorStatement, History, type Item, JsonSchema, RetryAfter } from "@effect-codex/schema"
import { TurnDecoder } from "@effect-codex/stream"
import { EncryptedReasoning } from "@effect-codex/transport"
import * as Measure from "./measure.ts"

type Event = Readonly<Record<string, unknown>>

const range = (n: number): ReadonlyArray<number> => Array.from({ length: n }, (_, index) => index)
const events = (list: ReadonlyArray<Event>): string =>
  list.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")
const each = (n: number, event: (n: number) => Event): string => events(range(n).map(event))

const completed: Event = { type: "response.completed", response: { id: "resp_1", status: "completed", output: [] } }
const limits = (name: string): Event => ({
  type: "codex.rate_limits",
  limit_name: name,
  rate_limits: { primary: { used_percent: 5, window_minutes: 300 } }
})
const delta = (more: object): Event => ({
  type: "response.output_text.delta",
  item_id: "msg_1",
  output_index: 0,
  content_index: 0,
  delta: "x",
  ...more
})
const message = (n: number, text: string): Event => ({
  type: "message",
  id: `msg_${n}`,
  role: "assistant",
  content: [{ type: "output_text", text, annotations: [] }]
})
const call = (n: number): Event => ({
  type: "function_call",
  id: `fc_${n}`,
  call_id: `call_${n}`,
  name: "ls",
  arguments: "{}"
})
const done = (output_index: number, item: Event): Event => ({ type: "response.output_item.done", output_index, item })
const large = "x".repeat(1_000_000)

/** The body of each shape, and how many pieces it has at first. */
const shapes: ReadonlyArray<readonly [name: string, pieces: number, body: (n: number) => string]> = [
  ["rate-limit events, each with a new name", 1_000, (n) => each(n, (n) => limits(`name${n}`))],
  [
    "metadata events, each with a new family of headers",
    1_000,
    (n) => each(n, (n) => ({ type: "response.metadata", headers: { [`x-n${n}-primary-used-percent`]: "5" } }))
  ],
  [
    "families of headers in one event",
    5_000,
    (n) =>
      events([
        {
          type: "response.metadata",
          headers: Object.fromEntries(range(n).map((n) => [`x-n${n}-primary-used-percent`, "5"]))
        }
      ])
  ],
  ["content indexes of one message", 5_000, (n) => each(n, (n) => delta({ content_index: n * 7 }))],
  [
    "summary indexes of 10,000, each of a new item",
    2_500,
    (n) =>
      each(n, (n) => ({
        type: "response.reasoning_summary_text.delta",
        output_index: n,
        summary_index: 10_000,
        delta: "r"
      }))
  ],
  [
    "output indexes, backwards",
    5_000,
    (n) => each(n, (n) => delta({ output_index: 1_000_000 - n, item_id: `msg_${n}` }))
  ],
  ["new ids for one item", 5_000, (n) => each(n, (n) => delta({ item_id: `rotating_${n}` }))],
  [
    "annotations",
    5_000,
    (n) =>
      each(n, () => ({
        type: "response.output_text.annotation.added",
        output_index: 0,
        content_index: 0,
        annotation: {}
      }))
  ],
  ["lines of one event", 60_000, (n) => `${"data: x\n".repeat(n)}\n`],
  ["comments", 60_000, (n) => ": x\n".repeat(n)],
  ["lines that are no fields", 60_000, (n) => "x\n".repeat(n)],
  ["payloads that are not JSON", 10_000, (n) => 'data: {"error"\n\n'.repeat(n)],
  ["errors in one payload that is not JSON", 20_000, (n) => `data: ${'{"error":'.repeat(n)}\n\n`],
  ["events of an unknown type", 5_000, (n) => each(n, (n) => ({ type: "from_the_future", n }))],
  ["one item, done again and again", 2_500, (n) => each(n, () => done(0, message(1, "Hello")))],
  [
    "a large item, then the same id with little",
    2_500,
    (n) => events([done(0, message(1, large))]) + each(n, () => done(0, message(1, "x")))
  ],
  [
    "a large text, then little ones that close it",
    2_500,
    (n) =>
      events([delta({ delta: large })]) +
      each(n, (n) => ({ ...delta({}), type: "response.output_text.done", text: `${n}` }))
  ],
  [
    "a large text, then blanks that close it",
    2_500,
    (n) =>
      events([delta({ delta: large })]) +
      each(n, () => ({ ...delta({}), type: "response.output_text.done", text: " " }))
  ],
  ["one call, done again and again", 2_500, (n) => each(n, () => done(0, call(1)))],
  ["calls, half of them repeated", 2_500, (n) => each(n, (n) => done(n, call(n >> 1)))],
  [
    "arguments as objects behind long deltas",
    2_500,
    (n) =>
      events([{ type: "response.function_call_arguments.delta", output_index: 0, delta: JSON.stringify({ large }) }]) +
      each(n, () => ({ type: "response.function_call_arguments.done", output_index: 0, arguments: {} }))
  ],
  [
    "the same messages under new ids at the end",
    2_500,
    (n) =>
      each(n, (n) => done(n, message(n, "Hello"))) +
      events([{ ...completed, response: { output: range(n).map((n) => message(n + 1_000_000, "Hello")) } }])
  ],
  [
    "items that only the end brings",
    5_000,
    (n) => events([{ ...completed, response: { output: range(n).map((n) => message(n, "Hello")) } }])
  ],
  [
    "parts that their item leaves out",
    5_000,
    (n) =>
      each(n, (n) => delta({ content_index: n, delta: `${n}` })) +
      events([done(0, { ...message(1, ""), content: [] }), completed])
  ],
  [
    "parts that their item has elsewhere",
    5_000,
    (n) =>
      each(n, (n) => delta({ content_index: n + 1_000_000, delta: `${n}` })) +
      events([
        done(0, { ...message(1, ""), content: range(n).map((n) => ({ type: "output_text", text: `${n}` })) }),
        completed
      ])
  ]
]

const decode = (bytes: Uint8Array): void => {
  const decoder = new TurnDecoder.TurnDecoder()
  for (let at = 0; at < bytes.length && !decoder.done; at += 65_536) decoder.push(bytes.subarray(at, at + 65_536))
  decoder.end()
  decoder.state.partial()
}

const timeOf = (run: () => void): number => {
  const start = process.cpuUsage()
  run()
  const { system, user } = process.cpuUsage(start)
  return user + system
}

export interface Growth {
  readonly name: string
  /** The time of sixteen times the pieces, in one turn, over that of the pieces: 16 is linear. */
  readonly factor: number
  /** What a byte of the large turn costs, in nanoseconds. */
  readonly perByte: number
}

/** Something to be done with an input of this many bytes. */
interface Task {
  readonly bytes: number
  readonly run: () => void
}

const decoding = (body: string): Task => {
  const bytes = new TextEncoder().encode(body)
  return { bytes: bytes.length, run: () => decode(bytes) }
}

const reading = (text: string, read: (text: string) => unknown): Task => ({ bytes: text.length, run: () => read(text) })

const replaying = (items: ReadonlyArray<Event>, replay: (items: ReadonlyArray<Item.Item>) => unknown): Task => ({
  bytes: JSON.stringify(items).length,
  run: () => replay(items as ReadonlyArray<Item.Item>)
})

const output = (n: number): Event => ({ type: "function_call_output", call_id: `call_${n}`, output: "17" })
const reasoning = (n: number): Event => ({
  type: "reasoning",
  id: `rs_${n}`,
  summary: [],
  encrypted_content: `gAAAA${n}`.padEnd(1_000, "x")
})

const property = (n: number): Event => ({ properties: { [`p${n}`]: { type: "string" } } })

const normalizing = (allOf: ReadonlyArray<Event>): Task => ({
  bytes: JSON.stringify(allOf).length,
  run: () => JsonSchema.normalize("tool", { type: "object", properties: {}, allOf })
})

/** What else of the server, of a history and of a tool is read: how many pieces it has at first, and what is done with `n` of them. */
const others: ReadonlyArray<readonly [name: string, pieces: number, task: (n: number) => Task]> = [
  [
    "an error page of titles",
    10_000,
    (n) => reading(`<html>${"<title ".repeat(n)}`, (text) => ErrorStatement.fromText(text))
  ],
  [
    "an error page of titles that end",
    10_000,
    (n) => reading(`<html>${"<title>x</title>".repeat(n)}`, (text) => ErrorStatement.fromText(text))
  ],
  ["words of an error: times", 10_000, (n) => reading("try again in 1m ".repeat(n), RetryAfter.fromText)],
  ["words of an error: digits", 10_000, (n) => reading(`try again in ${"1".repeat(n)}`, RetryAfter.fromText)],
  [
    "refused encrypted reasoning",
    1_000,
    (n) =>
      replaying(
        range(n).flatMap((n) => [reasoning(n), message(n, "Hello")]),
        (input) => EncryptedReasoning.discard({ model: "m", input } as never, { account: "a", model: "m" })
      )
  ],
  [
    "a history of calls and outputs",
    1_000,
    (n) => replaying([...range(n).map(call), ...range(n).map(output)], (items) => History.compile(items))
  ],
  [
    "a history of calls with one id",
    1_000,
    (n) =>
      replaying([...range(n).map(() => call(1)), ...range(n).map(() => output(1))], (items) => History.compile(items))
  ],
  [
    "a history of outputs without calls",
    1_000,
    (n) => replaying(range(n).map(output), (items) => History.compile(items))
  ],
  [
    "a history of calls with names to repair",
    1_000,
    (n) =>
      replaying(
        range(n).map((n) => ({ ...call(n), name: `a.${n}` })),
        (items) => History.compile(items)
      )
  ],
  ["members of a tool's allOf", 250, (n) => normalizing(range(n).map(property))],
  ["keys that a tool's allOf requires", 1_000, (n) => normalizing(range(n).map((n) => ({ required: [`p${n}`] })))]
]

const growthOf = (name: string, pieces: number, task: (n: number) => Task, rounds: number): Growth => {
  const one = task(pieces)
  const sixteen = task(pieces * 16)
  const ones = () => {
    for (let n = 0; n < 16; n++) one.run()
  }
  const once = sixteen.run
  ones()
  once()
  const times = Array.from({ length: rounds }, (_, round) => {
    Measure.collectGarbage()
    if (round % 2 === 0) {
      const low = timeOf(ones)
      return { low, high: timeOf(once) }
    }
    const high = timeOf(once)
    return { low: timeOf(ones), high }
  })
  return {
    name,
    factor: Measure.median(times.map(({ high, low }) => high / low)) * 16,
    perByte: (Measure.median(times.map(({ high }) => high)) * 1000) / sixteen.bytes
  }
}

/** How each of the shapes grows. */
export const growths = (quick: boolean): ReadonlyArray<Growth> =>
  [...shapes.map(([name, pieces, body]) => [name, pieces, (n: number) => decoding(body(n))] as const), ...others].map(
    ([name, pieces, task]) => growthOf(name, quick ? Math.ceil(pieces / 4) : pieces, task, quick ? 3 : 7)
  )
