/** Reads the shared recordings and byte-level cases. */
import * as Fs from "node:fs"

export interface Case {
  readonly id: string
  readonly layer: "sse" | "codex"
  readonly bytes_base64_chunks: ReadonlyArray<string>
  readonly expected_end: string
  readonly also_ok?: ReadonlyArray<string>
  readonly lenient?: string
  readonly expected_events?: ReadonlyArray<{ readonly event: string; readonly data: string; readonly id?: string }>
  readonly expected_events_strict?: Case["expected_events"]
  readonly invalid_at?: number
  readonly expected_retry?: ReadonlyArray<number>
  readonly emit_by_chunk?: ReadonlyArray<number>
  readonly end_with?: "reset"
  readonly skipped_events?: number
  readonly expected_error?: {
    readonly code: string | null
    readonly message: string | null
    readonly class: string
    readonly retry_after_ms?: number
    readonly plan_type?: string
    readonly resets_at?: number
  }
  readonly expected_state?: {
    readonly text: string
    readonly text_parts?: ReadonlyArray<string>
    readonly reasoning: ReadonlyArray<string>
    readonly tool_calls: ReadonlyArray<unknown>
    readonly incomplete_tool_calls?: ReadonlyArray<unknown>
    readonly usage: Record<string, number> | null
    readonly response_id: string | null
    readonly reasoning_items?: ReadonlyArray<{ readonly id: string; readonly encrypted_content: string }>
    readonly item_order?: ReadonlyArray<string>
    readonly server_items?: ReadonlyArray<string>
    readonly phases?: ReadonlyArray<string | null>
    readonly end_turn?: boolean
    readonly refusal?: string
    readonly incomplete_reason?: string
    readonly turn_state?: string
    readonly served_model?: string
    readonly rate_limits?: unknown
  }
}

export const readCases = (file: string): ReadonlyArray<Case> => JSON.parse(Fs.readFileSync(file, "utf8")).cases

export const bytesOf = (c: Case): ReadonlyArray<Uint8Array> =>
  c.bytes_base64_chunks.map((chunk) => new Uint8Array(Buffer.from(chunk, "base64")))

export interface Recording {
  readonly name: string
  /** The events of each response in the file. */
  readonly responses: ReadonlyArray<ReadonlyArray<Record<string, unknown>>>
}

const split = (events: ReadonlyArray<Record<string, unknown>>): Recording["responses"] => {
  const responses: Array<Array<Record<string, unknown>>> = []
  let current: Array<Record<string, unknown>> = []
  for (const event of events) {
    current.push(event)
    if (["response.completed", "response.failed", "response.incomplete"].includes(String(event["type"]))) {
      responses.push(current)
      current = []
    }
  }
  return responses
}

export const readRecordings = (folder: string): ReadonlyArray<Recording> =>
  Fs.readdirSync(folder).map((name) => ({
    name,
    responses: split(
      Fs.readFileSync(`${folder}/${name}`, "utf8")
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line) => JSON.parse(line))
    )
  }))
