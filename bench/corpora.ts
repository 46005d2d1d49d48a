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

const toolOf = (name: string) => ({
  type: "function",
  name,
  description: `Use ${name} when the task needs it; prefer one call with several paths over several calls.`,
  strict: true,
  parameters: {
    type: "object",
    properties: {
      path: { type: "string", description: "A path, absolute or relative to the working directory." },
      lines: { type: ["integer", "null"], description: "At most so many lines." },
      options: { type: "array", items: { type: "string", enum: ["all", "hidden", "long"] } }
    },
    required: ["path", "lines", "options"],
    additionalProperties: false
  }
})

/** The response object as the backend repeats it in its life-cycle events: the whole request comes back. */
const response = {
  id: "resp_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718",
  object: "response",
  created_at: 1_795_400_000,
  status: "in_progress",
  background: false,
  completed_at: null,
  error: null,
  frequency_penalty: 0,
  incomplete_details: null,
  instructions: "You are a careful assistant.\nRead before you write, and say what you did. ".repeat(40),
  max_output_tokens: null,
  max_tool_calls: null,
  model: "gpt-5.5",
  output: [] as ReadonlyArray<unknown>,
  parallel_tool_calls: true,
  presence_penalty: 0,
  previous_response_id: null,
  prompt_cache_key: "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
  prompt_cache_retention: null,
  reasoning: { effort: "medium", summary: "detailed" },
  safety_identifier: "user-0a1b2c3d4e5f6071",
  service_tier: "auto",
  store: false,
  temperature: 1,
  text: { format: { type: "text" }, verbosity: "medium" },
  tool_choice: "auto",
  tools: ["read_file", "write_file", "list_files", "search", "run_tests", "apply_patch"].map(toolOf),
  top_logprobs: 0,
  top_p: 0.98,
  truncation: "disabled",
  usage: null as typeof usage | null,
  user: null,
  metadata: {}
}

function* turn(output: Iterable<Event>): Generator<Event> {
  yield { type: "response.created", sequence_number: 0, response }
  yield { type: "response.in_progress", sequence_number: 1, response }
  yield* output
  yield {
    type: "response.completed",
    sequence_number: 2,
    response: {
      ...response,
      status: "completed",
      completed_at: 1_795_400_010,
      usage,
      end_turn: true,
      service_tier: "default"
    }
  }
}

const words = ["Das", " 素早い", " 茶色の", " 狐", " 🦊", " über", " 12", " 懒狗", " 🐕‍🦺", "、", " naïvely", "そして"]

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

function* encryptedItems(items: number, size: number): Generator<Event> {
  const blob = blobOf(size)
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

const blobOf = (size: number): string =>
  "gAAAAABo0Zk2mQ0pT1xWvU9sR7dE5cB3aY6hJ8kL".repeat(Math.ceil(size / 40)).slice(0, size)

/** Items that think aloud in several summary parts of short deltas, each with its encrypted content. */
function* reasoning(items: number, parts: number, deltas: number, size: number): Generator<Event> {
  const blob = blobOf(size)
  for (let index = 0; index < items; index++) {
    const id = `rs_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6071${index}`
    const item = { id, type: "reasoning", encrypted_content: blob.slice(0, 200), summary: [] }
    yield { type: "response.output_item.added", output_index: index, item }
    const summary: Array<{ readonly type: string; readonly text: string }> = []
    for (let part = 0; part < parts; part++) {
      const place = { item_id: id, output_index: index, summary_index: part }
      yield { type: "response.reasoning_summary_part.added", ...place, part: { type: "summary_text", text: "" } }
      let text = ""
      for (let n = 0; n < deltas; n++) {
        const delta = word(n)
        text += delta
        yield {
          type: "response.reasoning_summary_text.delta",
          sequence_number: n,
          ...place,
          delta,
          obfuscation: "a8Zk2mQ0pT".slice(n % 8)
        }
      }
      yield { type: "response.reasoning_summary_text.done", ...place, text }
      const whole = { type: "summary_text", text }
      summary.push(whole)
      yield { type: "response.reasoning_summary_part.done", ...place, part: whole }
    }
    yield {
      type: "response.output_item.done",
      output_index: index,
      item: { ...item, encrypted_content: blob, summary }
    }
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
    body(turn(encryptedItems(items, size)))
  ])

export const encrypted = (items: number): Corpus => encryptedOf(items, 200_000)

export const thinking = (items: number): Corpus =>
  corpus("thinking", `${items} reasoning items of 4 summary parts and 60 KB of encrypted content each`, [
    body(turn(reasoning(items, 4, 8, 60_000)))
  ])

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
