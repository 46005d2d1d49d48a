/** What the server plays: events as the backend sends them, encoded beforehand. */

type Event = Readonly<Record<string, unknown>> & { readonly type: string }

export const encode = (events: ReadonlyArray<Event>): Buffer =>
  Buffer.from(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""))

/** Where the number of the turn stands in its ids. */
const numberMark = "0a1b2c3d"
const itemId = `msg_${numberMark}4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718`
const response = { id: `resp_${numberMark}4e5f60718293a4b5c6d7e8f9`, object: "response", model: "gpt-5.5" }
const place = { item_id: itemId, output_index: 0, content_index: 0 }
const item = { id: itemId, type: "message", role: "assistant", phase: "final_answer" }
const part = { type: "output_text", annotations: [], logprobs: [] }

export const opening: ReadonlyArray<Event> = [
  { type: "response.created", sequence_number: 0, response: { ...response, status: "in_progress", output: [] } },
  { type: "response.in_progress", sequence_number: 1, response: { ...response, status: "in_progress", output: [] } },
  {
    type: "response.output_item.added",
    sequence_number: 2,
    output_index: 0,
    item: { ...item, status: "in_progress", content: [] }
  },
  { type: "response.content_part.added", sequence_number: 3, ...place, part: { ...part, text: "" } }
]

export const delta = (text: string, n: number): Event => ({
  type: "response.output_text.delta",
  sequence_number: 4 + n,
  ...place,
  delta: text,
  logprobs: [],
  obfuscation: "a8Zk2mQ0pT".slice(n % 8)
})

export const closing = (text: string): ReadonlyArray<Event> => [
  { type: "response.output_text.done", ...place, text, logprobs: [] },
  { type: "response.content_part.done", ...place, part: { ...part, text } },
  {
    type: "response.output_item.done",
    output_index: 0,
    item: { ...item, status: "completed", content: [{ ...part, text }] }
  },
  {
    type: "response.completed",
    response: {
      ...response,
      status: "completed",
      output: [],
      usage: {
        input_tokens: 1200,
        input_tokens_details: { cached_tokens: 1024 },
        output_tokens: 22,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 1222
      },
      service_tier: "default"
    }
  }
]

const words = ["The", " quick", " brown", " fox", " jumps", " over", " 12", " lazy", " dogs", ",", " naïvely", " and"]
/** The answer, as the 22 deltas of a turn of 30 events. */
export const answer: ReadonlyArray<string> = Array.from({ length: 22 }, (_, n) => words[n % words.length] as string)
const turn = encode([...opening, ...answer.map(delta), ...closing(answer.join(""))])

const marks: Array<number> = []
for (let at = turn.indexOf(numberMark); at !== -1; at = turn.indexOf(numberMark, at + 1)) marks.push(at)

/** The turn with ids of its own: a history leaves out what it has already. */
export const numbered = (number: number): Buffer => {
  const bytes = Buffer.from(turn)
  const text = number.toString(16).padStart(numberMark.length, "0")
  for (const at of marks) bytes.write(text, at, "latin1")
  return bytes
}
