/**
 * The responses of a scripted backend. A script is data: `ScriptedBackend` plays it without sockets, and
 * `BackendServer` of `@effect-codex/testing/node` plays it over real sockets.
 *
 * A {@link Step} answers one request. Constructors define what is sent. Each modifier changes one aspect of how it is
 * sent, so their order does not matter:
 *
 * ```ts
 * import { Script } from "@effect-codex/testing"
 *
 * Script.turn({ text: "Hello" }).pipe(Script.delay("2 seconds"), Script.chunked(7), Script.resetAfterEvents(4))
 * ```
 *
 * A body is built in this order: events and keep-alives, cut by events, gzip, cut by bytes, chunks.
 *
 * @since 0.1.0
 */
import * as ResponseEvent from "@effect-codex/schema/ResponseEvent"
import type * as Usage from "@effect-codex/schema/Usage"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Pipeable } from "effect/Pipeable"
import * as Expectation from "./Expectation.ts"
import { asObject, asString, parseJson } from "./internal/json.ts"
import { modify, raw, make as step } from "./internal/step.ts"
import * as TurnEvents from "./internal/turnEvents.ts"
import * as Request_ from "./Request.ts"

/**
 * An event on the wire: an object with a `type`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Event {
  readonly [key: string]: unknown
}

/**
 * A part of a response body before it is split into chunks. Modifiers that count events count only parts that are whole
 * events.
 *
 * @since 0.1.0
 * @category models
 */
export interface BodyPart {
  readonly bytes: Uint8Array
  readonly isEvent: boolean
  /** The wait before it. */
  readonly wait?: Duration.Duration
}

/**
 * How the backend answers one request.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step extends Pipeable {
  /**
   * `respond` sends status, headers and body. `refuse` refuses the connection, `reset` accepts the request and resets
   * the connection, `silence` accepts the request and never answers.
   */
  readonly kind: "respond" | "refuse" | "reset" | "silence"
  /** The delay before the response. */
  readonly delay: Duration.Duration
  readonly status: number
  /** Lower-case names. `null` removes a default header. */
  readonly headers: Readonly<Record<string, string | null>>
  /** The body for this request. It can be lazy. */
  readonly body: (request: Request) => Iterable<BodyPart>
  readonly keepAlive: KeepAlive | undefined
  /** Where the body ends early. Events are counted before compression, bytes after it. */
  readonly cut: { readonly after: number; readonly unit: "events" | "bytes" } | undefined
  /** What happens after the last byte: a clean end, a connection reset, or silence on an open connection. */
  readonly ending: "close" | "reset" | "silence"
  /** The close code of a WebSocket. Default: 1000, a clean close. */
  readonly closeCode: number
  /** The WebSocket message type of events. */
  readonly messages: "text" | "binary"
  /** The wait before that. */
  readonly endDelay: Duration.Duration
  readonly gzip: boolean
  /** The size of every chunk but the last; `undefined` sends one chunk per event. */
  readonly chunkSize: number | undefined
  /** The wait before each chunk. */
  readonly interval: Duration.Duration
  /** The expected request. */
  readonly expects: Expectation.Expectation | undefined
  /** Why the request was not expected. The test fails with it. */
  readonly problem: string | undefined
}

/**
 * Keep-alives between the events.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeepAlive {
  readonly interval: Duration.Duration
  readonly times: number
  /** The number of events before them. */
  readonly after: number
  readonly form: "comment" | "event"
}

/**
 * A request, as a script sees it.
 *
 * @since 0.1.0
 * @category models
 */
export type Request = Request_.Request

/**
 * Returns the step for a request. `earlier` contains the previous requests, oldest first, so that a responder needs no
 * state. Read it immediately, because it grows. An effect can wait for the test before the backend responds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Responder {
  (request: Request, earlier: ReadonlyArray<Request>): Step | Effect.Effect<Step>
  /** How it takes WebSockets. Without it all of them are let in. */
  readonly sockets?: Sockets
}

/**
 * How a WebSocket is answered: with a status, 101 for yes; or the connection is refused, or nothing comes at all.
 *
 * @since 0.1.0
 * @category models
 */
export type Handshake =
  | {
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly cookies?: ReadonlyArray<string>
      readonly body?: string
      /** How long the answer takes. */
      readonly delay?: Duration.DurationInput
    }
  | "refuse"
  | "silence"

/**
 * What a backend does about its WebSockets, beside the requests that come over them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sockets {
  /** Answers the handshake of this socket, from 1. */
  readonly handshake: (request: Request, socket: number) => Effect.Effect<Handshake>
  /** Hears of a message that was refused before it became a request. */
  readonly refused: (refusal: Refusal) => Effect.Effect<void>
}

/**
 * A request that was refused, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal {
  /** Of what came over a WebSocket and was no request, or of its handshake, the number is 0. */
  readonly request: Request
  readonly status: number
  /** The body: JSON, or the text of a page. */
  readonly body: unknown
}

/**
 * One step per request in order of arrival, or a function. A request after the last step is answered with
 * {@link unscripted}, and one that does not match its step's {@link expecting expectation} with {@link unexpected}.
 *
 * @since 0.1.0
 * @category models
 */
export type Script = ReadonlyArray<Step> | Responder

/**
 * A tool call of the model. With `input` it is a call of a custom tool with plain text input. `arguments` given as a
 * string are sent unchanged, so they can be invalid JSON. Without `callId`, a unique id is generated.
 *
 * @since 0.1.0
 * @category models
 */
export type ToolCall = {
  readonly name: string
  readonly namespace?: string
  readonly callId?: string
} & ({ readonly arguments?: unknown } | { readonly input: string })

/**
 * The output of the model in one turn. The output items have the order reasoning, message, calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Turn {
  /** The parts of the reasoning summary. An empty list is reasoning without a summary, the common case. */
  readonly reasoning?: string | ReadonlyArray<string>
  readonly text?: string
  /** Sent instead of `text`. */
  readonly refusal?: string
  readonly toolCalls?: ReadonlyArray<ToolCall>
  /** Omitted values are estimated. `null` reports no usage. */
  readonly usage?: Partial<Usage.Usage> | null
  readonly model?: string
  readonly endTurn?: boolean
  /** Ends the output with a compaction, the answer to a `compaction_trigger` (protocol I.2). */
  readonly compaction?: boolean
  /** Ends the turn with `response.failed` in the middle of its last item. */
  readonly failed?: { readonly code: string; readonly message: string }
  /** Ends the turn with `response.incomplete` for this reason in the middle of its last item. */
  readonly incomplete?: "max_output_tokens" | "content_filter" | (string & {})
  /** Characters per delta, 6 by default. */
  readonly deltaSize?: number
  /** The response id, `resp_<request number>` by default. */
  readonly id?: string
}

const encoder = new TextEncoder()

const eventStream = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" }

const typeOf = (json: string): string | undefined => asString(asObject(parseJson(json))?.["type"])

const frame = (event: Event | string): BodyPart => {
  const json = typeof event === "string" ? event : JSON.stringify(event)
  const type = typeof event === "string" ? typeOf(event) : event["type"]
  return {
    bytes: encoder.encode(`${typeof type === "string" ? `event: ${type}\n` : ""}data: ${json}\n\n`),
    isEvent: true
  }
}

// constructors -------------------------------------------------------------------------------------------------------

/**
 * A whole turn: created, in progress, every item with its parts, deltas and done events, and the terminal event with
 * usage and an empty `output` (protocol D.3, D.4). Events have the same keys, in the same order, as those of the real
 * backend. A function creates the turn from the request.
 *
 * @example
 * ```ts
 * import * as Script from "@effect-codex/testing/Script"
 *
 * const script = [
 *   Script.turn({ reasoning: "Needs a look.", toolCalls: [{ name: "ls", arguments: { path: "." } }] }),
 *   Script.turn(({ toolOutputs }) => ({ text: `There is ${toolOutputs[0]?.output}.` }))
 * ]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const turn = (turn: Turn | ((request: Request) => Turn)): Step =>
  step({
    headers: eventStream,
    body: (request) => TurnEvents.turnEvents(typeof turn === "function" ? turn(request) : turn, request).map(frame)
  })

/**
 * The events that {@link turn} sends for a request. Omitted fields of the request default to those of a first, empty
 * one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const turnEvents = (turn: Turn, request: Partial<Request_.Received> = {}): ReadonlyArray<Event> =>
  TurnEvents.turnEvents(turn, Request_.make(request))

/**
 * A turn that ends with `response.failed` (protocol D.7).
 *
 * @since 0.1.0
 * @category constructors
 */
export const failed = (error: { readonly code: string; readonly message: string }): Step => turn({ failed: error })

/**
 * A stream of these events. A string is sent unchanged in a `data:` field.
 *
 * @since 0.1.0
 * @category constructors
 */
export const events = (events: ReadonlyArray<Event | string>): Step =>
  step({ headers: eventStream, body: () => events.map(frame) })

/**
 * An event stream of these lines, each followed by a newline, to test SSE framing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lines = (...lines: ReadonlyArray<string>): Step =>
  step({ headers: eventStream, body: () => lines.map((line) => raw(encoder.encode(`${line}\n`))) })

/**
 * An event stream of exactly these chunks.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bytes = (chunks: ReadonlyArray<Uint8Array | string>): Step =>
  step({
    headers: eventStream,
    body: () => chunks.map((chunk) => raw(typeof chunk === "string" ? encoder.encode(chunk) : chunk))
  })

/**
 * A status with a body: text unchanged, anything else as JSON.
 *
 * @since 0.1.0
 * @category constructors
 */
export const status = (
  status: number,
  options: { readonly headers?: Readonly<Record<string, string | null>>; readonly body?: unknown } = {}
): Step => {
  const { body } = options
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body)
  const contentType =
    typeof body !== "string" ? "application/json" : body.trimStart().startsWith("<") ? "text/html" : "text/plain"
  return step({
    status,
    headers: { ...(text === undefined ? {} : { "content-type": contentType }), ...lowerCase(options.headers ?? {}) },
    body: () => (text === undefined ? [] : [raw(encoder.encode(text))])
  })
}

/**
 * The usage limit of the plan is reached: 429 with the body of protocol E.4.
 *
 * @since 0.1.0
 * @category constructors
 */
export const usageLimit = (
  options: { readonly planType?: string; readonly resetsAt?: number; readonly resetsInSeconds?: number } = {}
): Step =>
  status(429, {
    body: {
      error: {
        type: "usage_limit_reached",
        message: "The usage limit has been reached",
        plan_type: options.planType ?? "plus",
        ...(options.resetsAt === undefined ? {} : { resets_at: options.resetsAt }),
        ...(options.resetsInSeconds === undefined ? {} : { resets_in_seconds: options.resetsInSeconds })
      }
    }
  })

/**
 * Redirects the client. 307 preserves method and body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const redirect = (url: string, code = 307): Step => status(code, { headers: { location: url } })

/**
 * Refuses the connection. A closed port cannot detect connection attempts, so over a real socket this closes the port
 * only if no other step follows. Otherwise it resets the connection like {@link resetBeforeHeaders}. Requests refused
 * over a socket are not recorded.
 *
 * @since 0.1.0
 * @category constructors
 */
export const refuse: Step = step({ kind: "refuse" })

/**
 * Accepts the request and resets the connection before the response headers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resetBeforeHeaders: Step = step({ kind: "reset" })

/**
 * Accepts the request and never answers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const silence: Step = step({ kind: "silence" })

/**
 * Converts a recorded stream with one JSON event per line to one step per response. Every line is sent unchanged. A new
 * response starts at `response.created` after a terminal event.
 *
 * @since 0.1.0
 * @category constructors
 */
export const recording = (text: string): ReadonlyArray<Step> => {
  const responses: Array<Array<string>> = [[]]
  let ended = false
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === "") continue
    const type = typeOf(line)
    if (ended && type === "response.created") {
      responses.push([])
      ended = false
    }
    responses[responses.length - 1]?.push(line)
    ended = ended || (type !== undefined && ResponseEvent.isTerminalType(type))
  }
  return responses.filter((response) => response.length > 0).map(events)
}

/** A short description of a request. */
const outline = (request: Request): string => {
  const { input, method, model, number, path, prompt } = request
  const items = input.length === 1 ? "1 item" : `${input.length} items`
  const asked = model === undefined ? "" : `, ${model}, ${items}, ${JSON.stringify(prompt.slice(0, 80))}`
  return `Request ${number} (${method} ${path}${asked})`
}

/** A status that no client retries. */
const wrong = (code: string, problem: string): Step =>
  step({ ...status(400, { body: { error: { code, message: problem } } }), problem })

/**
 * The response to a request after the last step. It fails the test.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unscripted = (request: Request, steps: number): Step =>
  wrong("unscripted_request", `${outline(request)} has no step: the script has ${steps}.`)

/**
 * The response to an unexpected request. It fails the test with the difference.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unexpected = (request: Request, difference: string): Step =>
  wrong("unexpected_request", `${outline(request)} is not as expected (- expected, + came):\n${difference}`)

/**
 * The requests did not match the script. The test fails with it when its backend ends.
 *
 * @since 0.1.0
 * @category errors
 */
export class ScriptMismatch extends Data.TaggedError("ScriptMismatch")<{
  /** Unexpected requests, each with the expectation. */
  readonly problems: ReadonlyArray<string>
  /** The number of unused steps. */
  readonly unusedSteps: number
}> {
  override get message() {
    const { unusedSteps } = this
    const last =
      unusedSteps === 1 ? "The last step of the script was" : `The last ${unusedSteps} steps of the script were`
    const unused = unusedSteps === 0 ? [] : [`${last} not used.`]
    return [...this.problems, ...unused].join("\n")
  }
}

// scripts ------------------------------------------------------------------------------------------------------------

/** Returns the step, or `unexpected` if the request does not match. */
const checked =
  (request: Request) =>
  (step: Step): Step => {
    const difference = step.expects === undefined ? undefined : Expectation.mismatch(step.expects, request)
    return difference === undefined ? step : unexpected(request, difference)
  }

/**
 * Converts a script to a function. Its result already includes the check of expectations.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toResponder = (
  script: Script
): ((request: Request, earlier: ReadonlyArray<Request>) => Effect.Effect<Step>) =>
  typeof script === "function"
    ? (request, earlier) => {
        const step = script(request, earlier)
        return Effect.map(Effect.isEffect(step) ? step : Effect.succeed(step), checked(request))
      }
    : (request, earlier) =>
        Effect.succeed(checked(request)(script[earlier.length] ?? unscripted(request, script.length)))

/** The index of the step for each request, or `-1` if none is left. */
const assign = (steps: ReadonlyArray<Step>, requests: ReadonlyArray<Request>): ReadonlyArray<number> => {
  const taken = new Set<number>()
  return requests.map((request) => {
    const index = steps.findIndex(
      ({ expects }, n) =>
        !taken.has(n) && (expects === undefined || Expectation.mismatch(expects, request) === undefined)
    )
    if (index !== -1) taken.add(index)
    return index
  })
}

/**
 * Each request takes the first remaining step that expects it. For requests without a fixed order.
 *
 * @example
 * ```ts
 * import * as Script from "@effect-codex/testing/Script"
 *
 * const script = Script.inAnyOrder([
 *   Script.turn({ text: "Paris" }).pipe(Script.expecting({ prompt: /France/ })),
 *   Script.turn({ text: "Rome" }).pipe(Script.expecting({ prompt: /Italy/ }))
 * ])
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const inAnyOrder =
  (steps: ReadonlyArray<Step>) =>
  (request: Request, earlier: ReadonlyArray<Request>): Step => {
    const indexes = assign(steps, [...earlier, request])
    const step = steps[indexes.at(-1) ?? -1]
    if (step !== undefined) return step
    const left = steps.filter((_, n) => !indexes.includes(n))
    const differences = left.map(({ expects }) => Expectation.mismatch(expects ?? {}, request) ?? "")
    return left.length === 0 ? unscripted(request, steps.length) : unexpected(request, differences.join("\n\n"))
  }

/**
 * The same step for every request.
 *
 * @since 0.1.0
 * @category combinators
 */
export const always =
  (step: Step): (() => Step) =>
  () =>
    step

const unrouted = (request: Request, keys: ReadonlyArray<string>): Step => {
  const problem = `No script for ${request.method} ${request.path}; there is one for ${keys.join(", ")}.`
  return step({ ...status(404, { body: { detail: problem } }), problem })
}

/**
 * A separate script for each path. A key is the end of a path. A request without a match is answered with 404 and fails
 * the test.
 *
 * @example
 * ```ts
 * import * as Script from "@effect-codex/testing/Script"
 *
 * const script = Script.routes({
 *   "/codex/responses": [Script.turn({ text: "Hello" })],
 *   "/codex/models": Script.always(Script.status(200, { body: { models: [] } }))
 * })
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const routes = (scripts: Readonly<Record<string, Script>>): Responder => {
  const keys = Object.keys(scripts)
  const routeOf = (request: Request) => keys.find((key) => request.path.endsWith(key))
  return (request, earlier) => {
    const route = routeOf(request)
    const script = route === undefined ? undefined : scripts[route]
    return script === undefined
      ? unrouted(request, keys)
      : toResponder(script)(
          request,
          earlier.filter((other) => routeOf(other) === route)
        )
  }
}

// modifiers ----------------------------------------------------------------------------------------------------------

const lowerCase = <A>(headers: Readonly<Record<string, A>>): Record<string, A> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/**
 * Sets the expected request. Another request fails the test with the difference.
 *
 * @example
 * ```ts
 * import * as Script from "@effect-codex/testing/Script"
 *
 * const step = Script.turn({ text: "Paris" }).pipe(
 *   Script.expecting({ model: "gpt-5.5", prompt: /capital of France/i, headers: { "session-id": "c1" } })
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const expecting = (expectation: Expectation.Expectation): ((self: Step) => Step) =>
  modify(() => ({ expects: expectation }))

/**
 * Waits before answering.
 *
 * @since 0.1.0
 * @category combinators
 */
export const delay = (duration: Duration.DurationInput): ((self: Step) => Step) =>
  modify(() => ({ delay: Duration.decode(duration) }))

/**
 * Adds response headers. `null` removes one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const headers = (headers: Readonly<Record<string, string | null>>): ((self: Step) => Step) =>
  modify((self) => ({ headers: { ...self.headers, ...lowerCase(headers) } }))

/**
 * Adds this many meaningless headers. Clients on Node fail above 16 KiB of headers.
 *
 * @since 0.1.0
 * @category combinators
 */
export const manyHeaders = (count: number): ((self: Step) => Step) =>
  headers(Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-filler-${i}`, `value ${i}`])))

const fillerChunk = 65_536

/**
 * Replaces the body by this many letters, generated lazily.
 *
 * @since 0.1.0
 * @category combinators
 */
export const largeBody = (size: number): ((self: Step) => Step) =>
  modify(() => ({
    body: function* () {
      const chunk = new Uint8Array(fillerChunk).fill(120)
      for (let left = size; left > 0; left -= fillerChunk) yield raw(chunk.subarray(0, left))
    }
  }))

/**
 * Sends chunks of this many bytes, ignoring event and character boundaries.
 *
 * @since 0.1.0
 * @category combinators
 */
export const chunked = (size: number): ((self: Step) => Step) => modify(() => ({ chunkSize: Math.max(1, size) }))

/**
 * Waits before each chunk.
 *
 * @since 0.1.0
 * @category combinators
 */
export const drip = (interval: Duration.DurationInput): ((self: Step) => Step) =>
  modify(() => ({ interval: Duration.decode(interval) }))

/**
 * Sends keep-alives, each after an interval, before the first event or `after` some of them: as SSE comments, or as
 * `keepalive` events. `times` may be `Infinity`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const keepAlive = (
  interval: Duration.DurationInput,
  times: number,
  options: { readonly after?: number; readonly form?: "comment" | "event" } = {}
): ((self: Step) => Step) =>
  modify(() => ({
    keepAlive: {
      interval: Duration.decode(interval),
      times,
      after: options.after ?? 0,
      form: options.form ?? "comment"
    }
  }))

const cut = (ending: Step["ending"], unit: "events" | "bytes") => (after: number) =>
  modify(() => ({ ending, cut: { after, unit } }))

/**
 * Ends the body cleanly after this many events.
 *
 * @since 0.1.0
 * @category combinators
 */
export const truncateAfterEvents: (events: number) => (self: Step) => Step = cut("close", "events")

/**
 * Ends the body cleanly after this many bytes.
 *
 * @since 0.1.0
 * @category combinators
 */
export const truncateAfterBytes: (bytes: number) => (self: Step) => Step = cut("close", "bytes")

/**
 * Resets the connection after this many events.
 *
 * @since 0.1.0
 * @category combinators
 */
export const resetAfterEvents: (events: number) => (self: Step) => Step = cut("reset", "events")

/**
 * Resets the connection after this many bytes.
 *
 * @since 0.1.0
 * @category combinators
 */
export const resetAfterBytes: (bytes: number) => (self: Step) => Step = cut("reset", "bytes")

/**
 * Sends nothing more after this many events and leaves the connection open.
 *
 * @since 0.1.0
 * @category combinators
 */
export const silenceAfterEvents: (events: number) => (self: Step) => Step = cut("silence", "events")

/**
 * Sends nothing more after this many bytes and leaves the connection open.
 *
 * @since 0.1.0
 * @category combinators
 */
export const silenceAfterBytes: (bytes: number) => (self: Step) => Step = cut("silence", "bytes")

/**
 * Sends the whole body and leaves the connection open.
 *
 * @since 0.1.0
 * @category combinators
 */
export const holdOpen: (self: Step) => Step = modify(() => ({ ending: "silence" }))

/**
 * Encodes the body as gzip, flushed after every event, and sets `content-encoding`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const gzip: (self: Step) => Step = modify((self) => ({
  gzip: true,
  headers: { ...self.headers, "content-encoding": "gzip" }
}))

/**
 * Closes the WebSocket with this code, if the step closes it. No effect on server-sent events.
 *
 * @since 0.1.0
 * @category combinators
 */
export const closeCode = (code: number): ((self: Step) => Step) => modify(() => ({ closeCode: code }))

/**
 * Sends events as binary WebSocket messages, which the protocol does not allow. No effect on server-sent events.
 *
 * @since 0.1.0
 * @category combinators
 */
export const binaryMessages: (self: Step) => Step = modify(() => ({ messages: "binary" }))
