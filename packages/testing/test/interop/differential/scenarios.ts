/** What is played to the Codex CLI and to this library: the faults of protocol C, D, E, F and H. */

import type { ScriptedBackend } from "@effect-codex/testing"
import { Script } from "@effect-codex/testing"
import { invalidUtf8, unknownEvent } from "../installed.ts"

export interface Scenario {
  readonly name: string
  /** What the model answers to each request for a turn. */
  readonly script: Script.Script
  readonly over?: "websocket"
  readonly handshakes?: ScriptedBackend.Options["handshakes"]
  /** What becomes of the login before the first request. */
  readonly login?: "expired" | "ended" | "about to expire"
  /** What the token endpoint answers, request by request, instead of what it would. */
  readonly token?: ReadonlyArray<Script.Step>
  /** How long the client is told to wait before it asks again, in milliseconds: whether it did is compared, too. */
  readonly told?: number
  /** Whether a body that is silent for two seconds counts as dead. */
  readonly impatient?: boolean
  /** Whether it is a matter of chance how often a client asks: then more than once is `several`. */
  readonly byChance?: boolean
  /** Compares the fields and headers of the first request, or the items that later ones have more. */
  readonly compare?: "fields" | "items"
}

type Named = Omit<Scenario, "name">

const hello = Script.turn({ text: "Hello there." })
const called: Script.Turn = {
  reasoning: "Needs a look.",
  text: "Let me look.",
  toolCalls: [{ name: "exec_command", callId: "call_1", arguments: { cmd: "echo 17" } }]
}
const call = Script.turn(called)

/** The turn, cut after the item at this place. */
const cutAfterItem = (turn: Script.Turn, place: number) => {
  const types = Script.turnEvents(turn).map(({ type }) => type)
  const ends = types.flatMap((type, n) => (type === "response.output_item.done" ? [n + 1] : []))
  return Script.turn(turn).pipe(Script.truncateAfterEvents(ends[place] ?? 0))
}

const once = (step: Script.Step): Named => ({ script: [step, hello, hello, hello] })
const always = (step: Script.Step): Named => ({ script: Script.always(step) })

const error = (fields: object) => ({ body: { error: { message: "It went wrong.", ...fields } } })

const withHeader = (name: string, value: string, status = 429) =>
  Script.status(status, { headers: { [name]: value }, body: { error: { message: "Slow down." } } })

/** Events of a turn, changed on the way. */
const changed = (change: (event: Script.Event) => ReadonlyArray<Script.Event | string>) =>
  Script.events(Script.turnEvents({ text: "Hello there." }).flatMap(change))

const without =
  (type: string, more: ReadonlyArray<Script.Event | string> = []) =>
  (event: Script.Event) =>
    event["type"] === type ? more : [event]

const completed = (fields: object) =>
  changed((event) =>
    event["type"] === "response.completed"
      ? [{ ...event, response: { ...(event["response"] as object), ...fields } }]
      : [event]
  )

const framed = (frame: (json: string) => string) =>
  Script.bytes(Script.turnEvents({ text: "Hello there." }).map((event) => frame(JSON.stringify(event))))

const named = (section: string, scenarios: Readonly<Record<string, Named>>): ReadonlyArray<Scenario> =>
  Object.entries(scenarios).map(([name, scenario]) => ({ name: `${section} ${name}`, ...scenario }))

const requests = named("C", {
  "a turn": { script: [hello], compare: "fields" },
  "a turn over WebSocket": { script: [hello], over: "websocket", compare: "fields" },
  "a tool call": { script: [call, hello], compare: "items" },
  "a tool call over WebSocket": { over: "websocket", script: [call, hello], compare: "items" },
  "a turn that is not over (end_turn: false)": {
    script: [Script.turn({ text: "First this.", endTurn: false }), hello],
    compare: "items"
  }
})

const streams = named("D", {
  "cut before the terminal event": once(hello.pipe(Script.truncateAfterEvents(6))),
  "cut after a finished item": once(cutAfterItem({ reasoning: "It is asked for.", text: "Hello there." }, 0)),
  "reset in the middle": once(hello.pipe(Script.resetAfterEvents(6))),
  "cut in the middle, always": always(hello.pipe(Script.truncateAfterEvents(6))),
  "cut after a message, before the call": once(cutAfterItem(called, 1)),
  "a tool call, then cut": once(cutAfterItem(called, 2)),
  "a tool call, then cut, always": always(cutAfterItem(called, 2)),
  "an empty body": once(Script.bytes([])),
  "a JSON body": once(Script.status(200, { body: { id: "resp_1", status: "completed", output: [] } })),
  "no content type": { script: [hello.pipe(Script.headers({ "content-type": null }))] },
  "open after the terminal event": { script: [hello.pipe(Script.holdOpen)] },
  "silent in the middle": { ...once(hello.pipe(Script.silenceAfterEvents(6))), impatient: true },
  CRLF: { script: [framed((json) => `data: ${json}\r\n\r\n`)] },
  "no space after data:": { script: [framed((json) => `data:${json}\n\n`)] },
  "comments among the events": { script: [framed((json) => `: ping\n\ndata: ${json}\n\n`)] },
  "no blank line at the end": once(
    Script.bytes([
      Script.turnEvents({ text: "Hello there." })
        .map((event) => `data: ${JSON.stringify(event)}`)
        .join("\n\n")
    ])
  ),
  "[DONE] at the end": { script: [Script.events([...Script.turnEvents({ text: "Hello there." }), "[DONE]"])] },
  "data that is no JSON": { script: [changed((event) => ["keepalive", event])] },
  "keepalive events": {
    script: [hello.pipe(Script.keepAlive("10 millis", 3, { after: 3, form: "event" }))]
  },
  "an event nobody knows": { script: [unknownEvent] },
  "bytes that are not UTF-8": { script: [invalidUtf8, hello, hello] },
  "response.done at the end": once(
    changed(without("response.completed", [{ type: "response.done", response: { id: "resp_1" } }]))
  ),
  "completed without an id": once(completed({ id: undefined })),
  "completed with usage of a wrong type": once(completed({ usage: { input_tokens: "many" } })),
  "completed without usage": once(completed({ usage: null })),
  "incomplete: max_output_tokens": once(Script.turn({ text: "Hello there.", incomplete: "max_output_tokens" })),
  "incomplete: content_filter": once(Script.turn({ text: "Hello there.", incomplete: "content_filter" })),
  "an error event": once(
    Script.events([{ type: "error", code: "server_error", message: "It went wrong.", param: null }])
  ),
  "an error event, nested": once(
    Script.events([{ type: "error", error: { type: "server_error", code: "server_error", message: "It went wrong." } }])
  )
})

/** Codes of `response.failed` (protocol D.7, N.6). */
const codes = [
  "context_length_exceeded",
  "insufficient_quota",
  "credit_balance_exhausted",
  "organization_spend_limit_exceeded",
  "project_spend_limit_exceeded",
  "organization_usage_limit_exceeded",
  "quota_exceeded",
  "billing_hard_limit_reached",
  "usage_not_included",
  "usage_limit_reached",
  "server_is_overloaded",
  "slow_down",
  "invalid_prompt",
  "cyber_policy",
  "bio_policy",
  "misalignment_policy_violation",
  "content_policy_violation",
  "invalid_image",
  "image_too_large",
  "unsupported_image_media_type",
  "invalid_audio",
  "audio_too_large",
  "server_error",
  "vector_store_timeout",
  "data_residency_mismatch",
  "unsupported_access_program",
  "invalid_access_program",
  "access_program_not_enabled",
  "model_not_found",
  "inference_hook_denied",
  "budget_reached",
  "policy_capacity_unavailable",
  "invalid_encrypted_content",
  "invalid_request_error",
  "unsupported_value",
  "previous_response_not_found",
  "token_expired",
  "tool_collision",
  "session_budget_exceeded",
  "a_code_of_tomorrow"
]

const failures = named("D.7", {
  ...Object.fromEntries(codes.map((code) => [code, once(Script.failed({ code, message: "It went wrong." }))])),
  "rate_limit_exceeded, try again in 1.5s": {
    ...once(Script.failed({ code: "rate_limit_exceeded", message: "Rate limit reached. Please try again in 1.5s." })),
    told: 1500
  },
  "rate_limit_exceeded, try again in 900ms": {
    ...once(Script.failed({ code: "rate_limit_exceeded", message: "Rate limit reached. Please try again in 900ms." })),
    told: 900
  },
  "server_error, always": always(Script.failed({ code: "server_error", message: "It went wrong." }))
})

const statuses = named("E", {
  ...Object.fromEntries(
    [402, 403, 404, 408, 413, 500, 501, 502, 503, 504, 520, 522, 524, 529].map((status) => [
      `${status}, text`,
      once(Script.status(status, { body: "Not now." }))
    ])
  ),
  "500, always": always(Script.status(500, { body: "Not now." })),
  "503 server_is_overloaded": once(Script.status(503, error({ code: "server_is_overloaded" }))),
  "503 server_is_overloaded, always": always(Script.status(503, error({ code: "server_is_overloaded" }))),
  "503 slow_down": once(Script.status(503, error({ code: "slow_down" }))),
  "503 with Retry-After: 1": { ...once(withHeader("retry-after", "1", 503)), told: 1000 },
  "429, nothing said": once(Script.status(429, { body: { detail: "Too many requests" } })),
  "429 with words: try again in 1.2s": {
    ...once(Script.status(429, error({ code: "rate_limit_exceeded", message: "Please try again in 1.2s." }))),
    told: 1200
  },
  "429 with Retry-After: 1": { ...once(withHeader("retry-after", "1")), told: 1000 },
  "429 with Retry-After: 1, always": always(withHeader("retry-after", "1")),
  "429 with Retry-After as a date": {
    script: (_, earlier) =>
      earlier.length === 0 ? withHeader("retry-after", new Date(Date.now() + 2000).toUTCString()) : hello,
    told: 1000
  },
  "429 with retry-after-ms: 1200": { ...once(withHeader("retry-after-ms", "1200")), told: 1200 },
  "429 with Retry-After: 61": once(withHeader("retry-after", "61")),
  "429 usage_limit_reached": once(Script.usageLimit({ planType: "plus", resetsInSeconds: 5400 })),
  "429 usage_not_included": once(Script.status(429, error({ type: "usage_not_included" }))),
  "429 insufficient_quota": once(Script.status(429, error({ code: "insufficient_quota" }))),
  "400 Store must be set to false": once(Script.status(400, { body: { detail: "Store must be set to false" } })),
  "400 Unsupported parameter": once(Script.status(400, { body: { detail: "Unsupported parameter: temperature" } })),
  "400 of a model that is not on the plan": once(
    Script.status(400, {
      body: { detail: "The 'gpt-5.5' model is not supported when using Codex with a ChatGPT account." }
    })
  ),
  "400 of the schema": once(Script.status(400, error({ type: "invalid_request_error", param: "input", code: null }))),
  "400 context_length_exceeded": once(Script.status(400, error({ code: "context_length_exceeded" }))),
  "400 cyber_policy": once(Script.status(400, error({ code: "cyber_policy" }))),
  "400 invalid_encrypted_content, first request": once(
    Script.status(400, error({ type: "invalid_request_error", code: "invalid_encrypted_content" }))
  ),
  "400 invalid_encrypted_content, replayed": {
    script: [
      call,
      Script.status(400, error({ type: "invalid_request_error", code: "invalid_encrypted_content" })),
      hello
    ]
  },
  "402 deactivated_workspace": once(Script.status(402, { body: { detail: { code: "deactivated_workspace" } } })),
  "403 invalid_workspace_selected": once(
    Script.status(403, { body: { detail: { code: "invalid_workspace_selected" } } })
  ),
  "403 of the edge": once(
    Script.status(403, { body: "<html><body>Cloudflare: Sorry, you have been blocked</body></html>" })
  ),
  "403, always": always(Script.status(403, { body: { detail: "Forbidden" } })),
  "404 Model not found": once(
    Script.status(404, error({ type: "invalid_request_error", param: "model", message: "Model not found gpt-5.5" }))
  ),
  "a redirect": once(Script.redirect("http://127.0.0.1:9/backend-api/codex/responses")),
  "reset before the headers": once(Script.resetBeforeHeaders),
  "reset before the headers, always": always(Script.resetBeforeHeaders)
})

const unauthorized = Script.status(401, { body: { detail: "Unauthorized" } })

const tokenError = (status: number, code: string) =>
  Script.status(status, { body: { error: { message: "It went wrong.", type: "invalid_request_error", code } } })

const logins = named("F", {
  "401 once": once(unauthorized),
  "401 twice": { script: [unauthorized, unauthorized, hello, hello] },
  "401 always": always(unauthorized),
  "an access token that has expired": { script: Script.always(hello), login: "expired" },
  // time enough for who refreshes it meanwhile
  "an access token that is about to expire": {
    script: Script.always(hello.pipe(Script.delay("1 second"))),
    login: "about to expire"
  },
  "a login that was ended": { script: Script.always(hello), login: "ended" },
  "expired, and invalid_grant": {
    script: Script.always(hello),
    login: "expired",
    token: [Script.status(400, { body: { error: "invalid_grant" } })]
  },
  "expired, and refresh_token_reused": {
    script: Script.always(hello),
    login: "expired",
    token: Array.from({ length: 30 }, () => tokenError(401, "refresh_token_reused"))
  },
  "expired, and a token endpoint that is down": {
    script: Script.always(hello),
    login: "expired",
    token: Array.from({ length: 30 }, () => Script.status(500, { body: "Not now." })),
    byChance: true
  }
})

const frames = named(
  "H.5",
  Object.fromEntries(
    Object.entries<Named>({
      "a turn": { script: [hello] },
      websocket_connection_limit_reached: once(
        Script.status(400, error({ code: "websocket_connection_limit_reached" }))
      ),
      previous_response_not_found: {
        script: [call, Script.status(400, error({ code: "previous_response_not_found" })), hello, hello]
      },
      "closed with 1009 before any event": once(Script.bytes([]).pipe(Script.closeCode(1009))),
      "closed before any event": once(Script.bytes([])),
      "closed before any event, always": always(Script.bytes([])),
      "reset before any event": once(Script.resetBeforeHeaders),
      "a tool call, then closed": once(cutAfterItem(called, 2)),
      "closed in the middle": once(hello.pipe(Script.truncateAfterEvents(6))),
      "reset in the middle": once(hello.pipe(Script.resetAfterEvents(6))),
      "silent in the middle": { ...once(hello.pipe(Script.silenceAfterEvents(6))), impatient: true },
      "binary messages": once(hello.pipe(Script.binaryMessages)),
      "503 server_is_overloaded": once(Script.status(503, error({ code: "server_is_overloaded" }))),
      "500": once(Script.status(500, error({ code: "server_error" }))),
      "500, always": always(Script.status(500, error({ code: "server_error" }))),
      "429 usage_limit_reached": once(Script.usageLimit({ planType: "plus", resetsInSeconds: 5400 })),
      "an error without a status": once(
        Script.events([{ type: "error", error: { code: "server_error", message: "It went wrong." } }])
      ),
      ...Object.fromEntries(
        [401, 426, 429, 500, 503].map((status) => [
          `handshake answered with ${status} once`,
          { script: Script.always(hello), handshakes: [{ status }] }
        ])
      ),
      ...Object.fromEntries(
        [401, 403, 404, 426, 429, 500].map((status) => [
          `handshake answered with ${status} always`,
          { script: Script.always(hello), handshakes: Array.from({ length: 40 }, () => ({ status })) }
        ])
      )
    }).map(([name, scenario]) => [name, { ...scenario, over: "websocket" as const }])
  )
)

export const scenarios: ReadonlyArray<Scenario> = [
  ...requests,
  ...streams,
  ...failures,
  ...statuses,
  ...logins,
  ...frames
]
