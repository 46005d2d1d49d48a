/** The bodies that are measured: made here, the same at every run. */

/** One body, or several for the many small turns: its bytes, and where its events end. */
export interface Body {
  readonly bytes: Uint8Array
  readonly ends: ReadonlyArray<number>
}

export interface Corpus {
  readonly name: string
  readonly what: string
  readonly bodies: ReadonlyArray<Body>
  readonly events: number
  readonly bytes: number
}

type Event = Readonly<Record<string, unknown>> & { readonly type: string }

const body = (events: Iterable<Event>): Body => {
  const encoder = new TextEncoder()
  const frames: Array<Uint8Array> = []
  const ends: Array<number> = []
  let size = 0
  for (const event of events) {
    const frame = encoder.encode(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    frames.push(frame)
    size += frame.length
    ends.push(size)
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const frame of frames) {
    bytes.set(frame, at)
    at += frame.length
  }
  return { bytes, ends }
}

const corpus = (name: string, what: string, bodies: ReadonlyArray<Body>): Corpus => ({
  name,
  what,
  bodies,
  events: bodies.reduce((sum, { ends }) => sum + ends.length, 0),
  bytes: bodies.reduce((sum, { bytes }) => sum + bytes.length, 0)
})

const usage = {
  input_tokens: 1200,
  input_tokens_details: { cached_tokens: 1024 },
  output_tokens: 900,
  output_tokens_details: { reasoning_tokens: 128 },
  total_tokens: 2100
}

const messageId = "msg_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718"
const callId = (n: number) => `fc_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6071${n}`

function* turn(output: Iterable<Event>): Generator<Event> {
  const response = { id: "resp_0a1b2c3d4e5f6071", object: "response", model: "gpt-5.5" }
  yield { type: "response.created", sequence_number: 0, response: { ...response, status: "in_progress", output: [] } }
  yield { type: "response.in_progress", sequence_number: 1, response: { ...response, status: "in_progress" } }
  yield* output
  yield {
    type: "response.completed",
    response: { ...response, status: "completed", output: [], usage, end_turn: true, service_tier: "default" }
  }
}

const words = ["The", " quick", " brown", " fox", " jumps", " over", " 12", " lazy", " dogs", ",", " naïvely", " and"]

function* message(index: number, deltas: number, delta: (n: number) => string): Generator<Event> {
  const place = { item_id: messageId, output_index: index, content_index: 0 }
  const item = { id: messageId, type: "message", role: "assistant", phase: "final_answer" }
  yield {
    type: "response.output_item.added",
    output_index: index,
    item: { ...item, status: "in_progress", content: [] }
  }
  const empty = { type: "output_text", text: "", annotations: [], logprobs: [] }
  yield { type: "response.content_part.added", ...place, part: empty }
  let text = ""
  for (let n = 0; n < deltas; n++) {
    const piece = delta(n)
    text += piece
    yield {
      type: "response.output_text.delta",
      sequence_number: n + 4,
      ...place,
      delta: piece,
      logprobs: [],
      obfuscation: "a8Zk2mQ0pT".slice(n % 8)
    }
  }
  yield { type: "response.output_text.done", ...place, text, logprobs: [] }
  yield { type: "response.content_part.done", ...place, part: { ...empty, text } }
  yield {
    type: "response.output_item.done",
    output_index: index,
    item: { ...item, status: "completed", content: [{ ...empty, text }] }
  }
}

function* call(index: number, size: number): Generator<Event> {
  const place = { item_id: callId(index), output_index: index }
  const item = { id: callId(index), type: "function_call", call_id: `call_${index}`, name: "write_file" }
  const line = 'const answer = { \\"value\\": 42 }\\n'
  const open = '{"path":"src/a.ts","content":"'
  const args = `${open}${line.repeat(Math.ceil((size - open.length - 2) / line.length))}"}`
  yield {
    type: "response.output_item.added",
    output_index: index,
    item: { ...item, status: "in_progress", arguments: "" }
  }
  for (let at = 0; at < args.length; at += 5) {
    yield {
      type: "response.function_call_arguments.delta",
      sequence_number: at,
      ...place,
      delta: args.slice(at, at + 5),
      obfuscation: "a8Zk2mQ0pT1xW"
    }
  }
  yield { type: "response.function_call_arguments.done", ...place, arguments: args }
  yield {
    type: "response.output_item.done",
    output_index: index,
    item: { ...item, status: "completed", arguments: args }
  }
}

function* reasoning(items: number, size: number): Generator<Event> {
  const blob = "gAAAAABo0Zk2mQ0pT1xWvU9sR7dE5cB3aY6hJ8kL".repeat(Math.ceil(size / 40)).slice(0, size)
  for (let index = 0; index < items; index++) {
    const item = { id: `rs_${index}`, type: "reasoning", summary: [] }
    yield {
      type: "response.output_item.added",
      output_index: index,
      item: { ...item, encrypted_content: blob.slice(0, 200) }
    }
    yield { type: "response.output_item.done", output_index: index, item: { ...item, encrypted_content: blob } }
  }
}

const word = (n: number): string => words[n % words.length] as string

export const text = (deltas: number): Corpus =>
  corpus("text", `one turn of ${deltas} small text deltas`, [body(turn(message(0, deltas, word)))])

export const tool = (...sizes: ReadonlyArray<number>): Corpus =>
  corpus(
    "tool",
    `calls with ${sizes.map((size) => `${size / 1000} KB`).join(" + ")} of arguments in 5-character deltas`,
    [
      body(
        turn(
          (function* () {
            for (const [index, size] of sizes.entries()) yield* call(index, size)
          })()
        )
      )
    ]
  )

export const small = (turns: number): Corpus =>
  corpus(
    "small",
    `${turns} turns of 30 events`,
    Array.from({ length: turns }, () => body(turn(message(0, 22, word))))
  )

export const big = (megabytes: number): Corpus => {
  const paragraph = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. ".repeat(30)
  // the text travels four times: in its deltas, in two `done` events and in the item
  const deltas = Math.round((megabytes * 1024 * 1024) / 4 / new TextEncoder().encode(paragraph).length)
  return corpus("big", `one turn of ${megabytes} MB, its text in 2 KB deltas`, [
    body(turn(message(0, deltas, () => paragraph)))
  ])
}

export const encryptedOf = (items: number, size: number): Corpus =>
  corpus("encrypted", `${items} reasoning items with ${size / 1000} KB of encrypted content each`, [
    body(turn(reasoning(items, size)))
  ])

export const encrypted = (items: number): Corpus => encryptedOf(items, 200_000)

export type Chunking = "one event" | "64 KB" | "16 bytes"

/** The body's chunks. They are cut as they are asked for: millions of them would not fit the memory beforehand. */
export function* chunks({ bytes, ends }: Body, chunking: Chunking): Generator<Uint8Array> {
  if (chunking === "one event") {
    let at = 0
    for (const end of ends) {
      yield bytes.subarray(at, end)
      at = end
    }
    return
  }
  const size = chunking === "64 KB" ? 65_536 : 16
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** The same as an asynchronous body. */
export async function* asyncChunks(body: Body, chunking: Chunking): AsyncGenerator<Uint8Array> {
  yield* chunks(body, chunking)
}
