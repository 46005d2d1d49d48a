/** What a backend has seen of a client, and how it ended: what is laid side by side. */
import type { Script } from "@effect-codex/testing"
import type { Outcome } from "../codexCli.ts"
import type { Scenario } from "./scenarios.ts"

/** Each entry is compared by itself. */
export type Seen = Readonly<Record<string, string>> & {
  /** The text, or `fails`. */
  readonly outcome: string
}

/** Every word of it is the client's own, so it is shown and not compared. */
export const whyKey = "(why)"

type Json = Readonly<Record<string, unknown>>

const bodyOf = ({ body }: Script.Request): Json => (typeof body === "object" && body !== null ? (body as Json) : {})

/** JSON with keys in one order. */
const text = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner
  ) ?? "–"

/** An item, but for an empty list of content, which one keeps and another leaves out. */
const same = (item: unknown): string => {
  const { content, ...rest } = item as Json
  return text(Array.isArray(content) && content.length === 0 ? rest : item)
}

/** How a request differs from the one before: what the input has more, and what is said beside it. */
const step = (before: Script.Request, request: Script.Request): string => {
  const [old, items] = [before.input.map(same), request.input.map(same)]
  const continued = old.every((item, n) => item === items[n])
  const more = request.input.slice(old.length).map(({ type }) => type ?? "message")
  const frame = request.message === undefined ? undefined : (JSON.parse(request.message.text) as Json)
  return [
    !continued ? "other input" : more.length === 0 ? "the same input" : `the input and ${more.join(", ")}`,
    ...(before.headers["authorization"] === request.headers["authorization"] ? [] : ["a new token"]),
    ...(frame?.["previous_response_id"] === undefined ? [] : ["from the last response on"]),
    ...(before.message !== undefined && before.message.socket !== request.message?.socket
      ? [request.message === undefined ? "over HTTP" : "another socket"]
      : [])
  ].join("; ")
}

/** Equal entries in a row become one. */
const counted = (entries: ReadonlyArray<string>, times: (count: number) => string): string =>
  entries
    .reduce<Array<{ readonly entry: string; readonly count: number }>>((runs, entry) => {
      const last = runs.at(-1)
      if (last?.entry === entry) runs.splice(-1, 1, { entry, count: last.count + 1 })
      else runs.push({ entry, count: 1 })
      return runs
    }, [])
    .map(({ count, entry }) => (count === 1 ? entry : `${entry} (${times(count)} times)`))
    .join(" → ")

/** Fields whose values are a matter of the wire, not of what is said. */
const plainFields = [
  "model",
  "stream",
  "store",
  "include",
  "tool_choice",
  "parallel_tool_calls",
  "reasoning",
  "text",
  "service_tier",
  "stream_options"
]

/** Headers of the protocol of HTTP itself. */
const transportHeaders = new Set([
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "accept-encoding",
  "upgrade",
  "cache-control",
  "pragma"
])

/** What a value of an item is where it is not the scenario's: made up by a client or by its backend. */
const open: Readonly<Record<string, (value: unknown) => unknown>> = {
  id: (value) => String(value).replace(/_(?:[\da-f]+-.*|\d+_(?=\d+$))/, "_…"),
  encrypted_content: () => "…",
  output: () => "…",
  internal_chat_message_metadata_passthrough: () => "…"
}

const outline = (item: unknown): string =>
  text(Object.fromEntries(Object.entries(item as Json).map(([key, value]) => [key, open[key]?.(value) ?? value])))

const fieldsOf = (request: Script.Request): Readonly<Record<string, string>> => {
  const body = bodyOf(request)
  const isPlain = (field: string) => plainFields.includes(field)
  return {
    ...Object.fromEntries(plainFields.map((field) => [`body.${field}`, text(body[field])])),
    "other fields": Object.keys(body)
      .filter((field) => !isPlain(field))
      .sort()
      .join(", "),
    headers: Object.keys(request.headers)
      .filter((name) => !transportHeaders.has(name) && !name.startsWith("sec-websocket-"))
      .sort()
      .join(", ")
  }
}

const turnStateOf = (request: Script.Request): string => {
  const metadata = bodyOf(request)["client_metadata"] as Json | undefined
  return (request.headers["x-codex-turn-state"] ?? metadata?.["x-codex-turn-state"]) === undefined ? "none" : "sent"
}

const itemsOf = (first: Script.Request, last: Script.Request): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(last.input.slice(first.input.length).map((item, n) => [`new item ${n + 1}`, outline(item)])),
  "turn state": `${turnStateOf(first)}, ${turnStateOf(last)}`
})

export const seen = (what: {
  readonly scenario: Scenario
  readonly outcome: Outcome
  readonly requests: ReadonlyArray<Script.Request>
  readonly handshakes: number
  readonly refusals: ReadonlyArray<Script.Refusal>
}): Seen => {
  const { outcome, refusals, scenario } = what
  const turns = what.requests.filter(({ path }) => path.endsWith("/codex/responses"))
  const overSockets = turns.filter(({ message }) => message !== undefined).length
  const [first, second] = turns
  const count = (times: number) => (scenario.byChance === true && times > 1 ? "several" : String(times))
  const refused = refusals.flatMap(({ body, request, status }) =>
    request.path.endsWith("/codex/responses") ? [`${status} ${text(body)}`] : []
  )
  return {
    outcome: outcome.text ?? "fails",
    ...(outcome.failure !== undefined && { [whyKey]: outcome.failure }),
    requests: count(turns.length - overSockets),
    ...(scenario.over === "websocket" && { handshakes: String(what.handshakes), messages: String(overSockets) }),
    again: counted(
      turns.slice(1).map((request, n) => step(turns[n] ?? request, request)),
      count
    ),
    refreshes: count(what.requests.filter(({ path }) => path === "/oauth/token").length),
    refused: [...new Set(refused)].join(", "),
    ...(scenario.told !== undefined && {
      waited:
        first === undefined || second === undefined
          ? "did not ask again"
          : second.receivedAt - first.receivedAt >= scenario.told - 20
            ? "as told"
            : "less than told"
    }),
    ...(scenario.compare === "fields" && first !== undefined && fieldsOf(first)),
    ...(scenario.compare === "items" && first !== undefined && itemsOf(first, turns.at(-1) ?? first))
  }
}
