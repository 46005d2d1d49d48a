/**
 * A fast path for deltas, which are most of a stream: one regular expression matches the exact shape this backend
 * sends, and all other payloads go to `JSON.parse`.
 *
 * A matching payload is valid JSON, has no duplicate keys, and matches its schema. The result equals the parsed payload
 * without the unused keys (`sequence_number`, `logprobs`, `obfuscation`).
 */
const types = [
  "response.output_text.delta",
  "response.function_call_arguments.delta",
  "response.reasoning_summary_text.delta",
  "response.reasoning_text.delta",
  "response.custom_tool_call_input.delta",
  "response.refusal.delta"
] as const

/** The fields of a delta that the fold uses. Parsed deltas may not match their schema. */
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
    // escapes are accepted here and validated when they are decoded
    String.raw`,"delta":"(${plain}((?:\\.${plain})*))"`,
    String.raw`(?:,"logprobs":\[\])?`,
    `(?:,"obfuscation":"${plain}")?}$`
  ].join("")
)

/** Longer payloads do not benefit, and the regular expression engine's stack is limited. */
const maxLength = 2048

/** Substrings up to this length are copied by the engine; longer ones would keep the whole chunk in memory. */
const maxCopied = 12

/** Decodes a payload of the common shape. */
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
