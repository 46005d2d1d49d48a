/**
 * Reads the deltas, which are nearly all of a stream, without `JSON.parse`: the one shape in which this backend sends
 * them is matched as a whole, and all other payloads are left to the parser.
 *
 * A payload that matches is valid JSON, has each key once, and fits its schema. The result is that of parsing, without
 * the keys that nothing reads (`sequence_number`, `logprobs`, `obfuscation`).
 */
const types = [
  "response.output_text.delta",
  "response.function_call_arguments.delta",
  "response.reasoning_summary_text.delta",
  "response.reasoning_text.delta",
  "response.custom_tool_call_input.delta",
  "response.refusal.delta"
] as const

/** What the fold reads of a delta. One that was parsed may differ from its schema. */
export interface Delta {
  readonly type: (typeof types)[number]
  readonly item_id?: unknown
  readonly output_index?: unknown
  readonly content_index?: unknown
  readonly summary_index?: unknown
  readonly delta: unknown
}

const nameOf = (type: string): string => type.slice("response.".length, -".delta".length)
const typeOf = new Map(types.map((type) => [nameOf(type), type]))

const plain = String.raw`[^"\\\x00-\x1f]*`
const int = "(?:0|[1-9][0-9]{0,14})"
const shape = new RegExp(
  [
    String.raw`^{"type":"response\.(${types.map(nameOf).join("|")})\.delta"`,
    `(?:,"sequence_number":${int})?`,
    `,"item_id":"(${plain})"`,
    `,"output_index":(${int})`,
    `(?:,"(content|summary)_index":(${int}))?`,
    // escapes are let through here, and proved where they are decoded
    String.raw`,"delta":"(${plain}((?:\\.${plain})*))"`,
    String.raw`(?:,"logprobs":\[\])?`,
    `(?:,"obfuscation":"${plain}")?}$`
  ].join("")
)

/** Longer payloads gain nothing, and the matcher's own stack is bounded. */
const maxLength = 2048

/** Up to this length the engine copies a piece of a text; a longer one would keep the whole chunk in memory. */
const maxCopied = 12

/** The delta in a payload of the common shape. */
export const read = (data: string): Delta | undefined => {
  const match = data.length > maxLength ? null : shape.exec(data)
  if (match === null) return undefined
  const type = typeOf.get(match[1] as string)
  const text = match[6] as string
  const delta = match[7] === "" && text.length <= maxCopied ? text : unquote(text)
  if (type === undefined || delta === undefined) return undefined
  const part = match[5] === undefined ? undefined : Number(match[5])
  const inSummary = match[4] === "summary"
  return {
    type,
    item_id: match[2],
    output_index: Number(match[3]),
    content_index: inSummary ? undefined : part,
    summary_index: inSummary ? part : undefined,
    delta
  }
}

const unquote = (text: string): string | undefined => {
  try {
    return JSON.parse(`"${text}"`)
  } catch {
    return undefined
  }
}
