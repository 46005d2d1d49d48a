/**
 * The fold: consumes wire events, keeps the state of one turn, and emits turn events.
 *
 * `step` is synchronous and depends only on the state and the event. The state is mutable, because a turn has tens of
 * thousands of events and one owner; its outputs ({@link TurnState.partial}, the turn, the events) are immutable.
 *
 * @since 0.1.0
 */
import type { ResponseEvent, TurnEvent } from "@effect-codex/schema"
import {
  ErrorStatement,
  ResponseEvent as Events,
  Failure,
  Guard,
  RateLimits,
  RetryAfter,
  RoutingToken,
  ServiceError,
  Turn,
  Usage
} from "@effect-codex/schema"
import * as Redacted from "effect/Redacted"
import type { Delta } from "./internal/delta.ts"
import { Diagnostics } from "./internal/diagnostics.ts"
import * as Output from "./internal/output.ts"
import { asNonBlank, asObject, isDeep, maxDepth, type Raw } from "./internal/values.ts"
import { InvalidEvent } from "./StreamError.ts"

/**
 * How the turn ended.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome =
  | { readonly _tag: "Finished"; readonly turn: Turn.Turn }
  | { readonly _tag: "Failed"; readonly error: ServiceError.ServiceError | InvalidEvent }

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The current time in milliseconds since 1970, used to convert "resets in n seconds" to a time. Without it, such
   * times stay unknown.
   */
  readonly now?: () => number
}

const guards = new Map<string, Guard.Guard>(
  Object.entries(Events.byType).map(([type, schema]) => [type, Guard.make(schema)])
)
const hostedGuard = Guard.make(Events.HostedEvent)

/** Keys of a response object that are decoded, or that only repeat the request. */
const knownKeys: ReadonlySet<string> = new Set([
  "id",
  "object",
  "status",
  "model",
  "output",
  "usage",
  "error",
  "incomplete_details",
  "end_turn",
  "service_tier",
  "headers",
  "instructions",
  "tools",
  // assigning it would change the prototype
  "__proto__"
])

/**
 * The state of one turn. Create one for each attempt.
 *
 * @since 0.1.0
 * @category models
 */
export class TurnState {
  responseId: string | undefined
  /** The model that serves the turn, once the server has named it. */
  model: string | undefined
  /** The first routing token found in an event. */
  routingToken: RoutingToken.RoutingToken | undefined
  rateLimits: RateLimits.RateLimits | undefined
  usage: Usage.Usage | undefined
  outcome: Outcome | undefined
  readonly diagnostics = new Diagnostics()
  /** The number of events that made progress; see `TurnDecoder.progress`. */
  progress = 0
  readonly #now: (() => number) | undefined
  readonly #output = new Output.Output((difference) =>
    this.diagnostics.differs(this.diagnostics.lastEventType ?? "", difference)
  )
  #started = false

  constructor(options: Options = {}) {
    this.#now = options.now
  }

  /**
   * Processes one wire event and appends the resulting turn events to `out`. After the terminal event, all events are
   * ignored.
   */
  step(event: ResponseEvent.ResponseEvent, out: Array<TurnEvent.TurnEvent>): void {
    if (this.outcome !== undefined) return
    const type: string = event.type
    this.diagnostics.read(type)
    const hosted = Events.hosted.get(type)
    const drift = (hosted === undefined ? guards.get(type) : hostedGuard)?.(event)
    if (drift !== undefined) this.diagnostics.differs(type, drift)
    const before = out.length
    const size = this.#output.size
    this.#read(event, hosted, out)
    if (this.#output.size > size || hasProgress(out, before)) this.progress++
    if (this.#output.problem !== undefined && this.outcome === undefined) this.#break(this.#output.problem)
  }

  #read(
    event: ResponseEvent.ResponseEvent,
    hosted: { readonly tool: string; readonly stage: string } | undefined,
    out: Array<TurnEvent.TurnEvent>
  ): void {
    switch (event.type) {
      case "response.output_text.delta":
      case "response.function_call_arguments.delta":
      case "response.reasoning_summary_text.delta":
      case "response.reasoning_text.delta":
      case "response.custom_tool_call_input.delta":
      case "response.refusal.delta":
        return this.#delta(event, out)
    }
    // any event may carry headers (protocol D.2); the frequent ones above never do
    this.#headers((event as Raw)["headers"], out)
    switch (event.type) {
      case "response.output_text.done":
        return this.#output.partDone(event, "text", event.content_index, event.text, out, logprobsOf(event))
      case "response.refusal.done":
        return this.#output.partDone(event, "refusal", event.content_index, event.refusal, out)
      case "response.reasoning_summary_text.done":
        return this.#output.partDone(event, "summary", event.summary_index, event.text, out)
      case "response.reasoning_text.done":
        return this.#output.partDone(event, "content", event.content_index, event.text, out)
      case "response.content_part.done":
        return this.#partDone(event, "part", out)
      case "response.reasoning_summary_part.done":
        return this.#partDone(event, "summary", out)
      case "response.function_call_arguments.done":
        return this.#output.callDone(event, "function", event.arguments, out)
      case "response.custom_tool_call_input.done":
        return this.#output.callDone(event, "custom", event.input, out)
      case "response.output_text.annotation.added":
        return this.#output.annotation(event, event.annotation)
      case "response.output_item.added":
        return this.#output.itemAdded(event, out)
      case "response.output_item.done":
        return this.#output.itemDone(event, event.item, out)
      case "response.content_part.added":
        return this.#partAdded(event, "part")
      case "response.reasoning_summary_part.added":
        return this.#partAdded(event, "summary")
      case "keepalive":
      case "response.metadata":
      case "codex.response.metadata":
      case "responsesapi.websocket_timing":
        return
      case "response.created":
      case "response.in_progress":
      case "response.queued":
        return this.#begin(event.response, out)
      case "codex.rate_limits":
        return this.#limits(RateLimits.fromEvent(event, this.#now?.()), out)
      case "response.completed":
      case "response.done":
      case "response.incomplete":
        return this.#finish(event, out)
      case "response.failed":
        return this.#failed(event as Raw, out)
      case "error":
        return this.#error(event as Raw)
      default:
        // an old name of `error`
        if (event.type === ("response.error" as never)) return this.#error(event as Raw)
        if (hosted !== undefined) return this.#output.hosted(event as Raw, hosted, out)
        return this.#unknownEvent(event, out)
    }
  }

  /**
   * Like {@link step}, for a delta that is already validated.
   *
   * @internal
   */
  stepDelta(event: Delta, out: Array<TurnEvent.TurnEvent>): void {
    if (this.outcome !== undefined) return
    this.diagnostics.read(event.type)
    const before = out.length
    this.#delta(event, out)
    if (out.length > before) this.progress++
    if (this.#output.problem !== undefined) this.#break(this.#output.problem)
  }

  #delta(event: Delta, out: Array<TurnEvent.TurnEvent>): void {
    switch (event.type) {
      case "response.output_text.delta":
        return this.#output.text(event, "text", event.delta, out)
      case "response.function_call_arguments.delta":
        return this.#output.callDelta(event, "function", event.delta, out)
      case "response.reasoning_summary_text.delta":
        return this.#output.reasoning(event, "summary", event.summary_index, event.delta, out)
      case "response.reasoning_text.delta":
        return this.#output.reasoning(event, "content", event.content_index, event.delta, out)
      case "response.custom_tool_call_input.delta":
        return this.#output.callDelta(event, "custom", event.delta, out)
      case "response.refusal.delta":
        return this.#output.text(event, "refusal", event.delta, out)
    }
  }

  /** Processes an event whose own type is missing or unknown, by the name of its SSE frame or as an error. */
  stepAs(type: string, raw: Raw, out: Array<TurnEvent.TurnEvent>): void {
    if (this.outcome !== undefined) return
    this.diagnostics.differs(type, "type")
    if (type !== "error" && type !== "response.error") {
      return this.step({ ...raw, type } as unknown as ResponseEvent.ResponseEvent, out)
    }
    this.diagnostics.read(type)
    this.#headers(raw["headers"], out)
    this.#error(raw)
  }

  /**
   * Counts a payload that is not a valid event. If its SSE frame has the name of a terminal event, the turn fails,
   * because its result is unknown.
   */
  stepMalformed(data: string, name: string): void {
    if (this.outcome !== undefined) return
    this.diagnostics.malformed++
    if (!Events.isTerminalType(name)) return
    this.diagnostics.read(name)
    if (name === "error" || name === "response.error") return this.#fail({ message: data })
    this.outcome = { _tag: "Failed", error: this.#invalidEvent({ reason: "malformed", type: name }) }
  }

  /** The partial turn so far. */
  partial(): Turn.PartialTurn {
    const { blocks, calls, items } = this.#output.read(false)
    const { text } = Turn.wordsOf(blocks)
    return { text, ...this.#content(blocks), items: Redacted.make(items), abandonedToolCalls: calls }
  }

  #content(blocks: ReadonlyArray<Turn.Block>) {
    return {
      blocks,
      diagnostics: this.diagnostics.toTurn(),
      ...this.#ids(),
      ...(this.model !== undefined && { model: this.model }),
      ...(this.usage !== undefined && { usage: this.usage }),
      ...(this.rateLimits !== undefined && { rateLimits: this.rateLimits })
    }
  }

  #ids() {
    return this.responseId === undefined ? {} : { responseId: this.responseId }
  }

  #break(reason: Output.Problem): void {
    const limit = reason === "tooDeep" ? maxDepth : Output.maxSize
    this.outcome = { _tag: "Failed", error: this.#invalidEvent({ reason, limit }) }
  }

  #invalidEvent(facts: Pick<InvalidEvent, "reason" | "type" | "limit">): InvalidEvent {
    return new InvalidEvent({ ...this.#ids(), ...facts, partial: this.partial() }, Failure.trusted)
  }

  #unknownEvent(event: ResponseEvent.UnknownEvent, out: Array<TurnEvent.TurnEvent>): void {
    if (isDeep(event)) {
      this.diagnostics.malformed++
      return
    }
    const type: string = event.type
    this.diagnostics.unknown++
    out.push({ _tag: "UnknownEvent", type, raw: event })
  }

  /** Reads the fields common to all response objects. */
  #response(value: unknown, out: Array<TurnEvent.TurnEvent>): Raw | undefined {
    const response = asObject(value)
    this.responseId = asNonBlank(response?.["id"]) ?? this.responseId
    this.model = asNonBlank(response?.["model"]) ?? this.model
    this.#headers(response?.["headers"], out)
    return response
  }

  #begin(value: unknown, out: Array<TurnEvent.TurnEvent>): void {
    this.#response(value, out)
    if (this.#started) return
    this.#started = true
    out.push({
      _tag: "TurnStarted",
      ...this.#ids(),
      ...(this.model !== undefined && { model: this.model })
    })
  }

  #partAdded(event: Raw, of: "part" | "summary"): void {
    const part = partOf(event, of)
    if (part !== undefined) this.#output.partAdded(event, part.kind, part.index, part.text)
  }

  #partDone(event: Raw, of: "part" | "summary", out: Array<TurnEvent.TurnEvent>): void {
    const part = partOf(event, of)
    if (part !== undefined) this.#output.partDone(event, part.kind, part.index, part.text, out, part.whole)
  }

  #headers(value: unknown, out: Array<TurnEvent.TurnEvent>): void {
    if (asObject(value) === undefined) return
    const headers = RetryAfter.headersIn(value)
    this.model = asNonBlank(headers["openai-model"]) ?? this.model
    this.routingToken = RoutingToken.first(this.routingToken, RoutingToken.fromHeaders(headers))
    this.#limits(RateLimits.fromHeaders(headers, this.#now?.()), out)
  }

  #limits(limits: RateLimits.RateLimits | undefined, out: Array<TurnEvent.TurnEvent>): void {
    if (limits === undefined) return
    this.rateLimits = this.rateLimits === undefined ? limits : RateLimits.merge(this.rateLimits, limits)
    out.push({ _tag: "RateLimitsUpdated", rateLimits: this.rateLimits })
  }

  #usage(response: Raw | undefined, out: Array<TurnEvent.TurnEvent>): void {
    const wire = response?.["usage"]
    const usage = isDeep(wire) ? undefined : Usage.fromWire(wire)
    if (usage === undefined) return
    this.usage = usage
    out.push({ _tag: "UsageReported", usage })
  }

  #finish(event: { readonly type: string; readonly response?: unknown }, out: Array<TurnEvent.TurnEvent>): void {
    const response = this.#response(event.response, out)
    if (response === undefined && event.response !== undefined && event.response !== null) {
      this.outcome = { _tag: "Failed", error: this.#invalidEvent({ reason: "malformed", type: event.type }) }
      return
    }
    const status = response?.["status"]
    // a response with a failed status or an error has failed, whatever the event type
    const hasFailed = status === "failed" || errorsOf(event as Raw, response).some(ErrorStatement.isPresent)
    if (hasFailed) return this.#failed(event as Raw, out)
    this.#usage(response, out)
    const details = response?.["incomplete_details"]
    const completed =
      event.type !== "response.incomplete" &&
      (status === "completed" || !ErrorStatement.isPresent(status)) &&
      !ErrorStatement.isPresent(details)
    const output = response?.["output"]
    if (Array.isArray(output)) this.#output.backfill(output, completed, out)
    this.#output.close(completed, out)
    const extra = extraOf(response)
    if (this.#output.problem !== undefined || isDeep(extra)) return this.#break(this.#output.problem ?? "tooDeep")
    const { blocks, calls, executable, items, others } = this.#output.read(completed)
    const stated = asNonBlank(status)
    const reason =
      asNonBlank(asObject(details)?.["reason"]) ??
      asNonBlank(details) ??
      (stated === "incomplete" || stated === "completed" ? undefined : stated)
    const endTurn = response?.["end_turn"]
    const serviceTier = asNonBlank(response?.["service_tier"])
    const turn: Turn.Turn = {
      ...Turn.wordsOf(blocks),
      ...this.#content(blocks),
      status: completed ? "completed" : "incomplete",
      ...(!completed && reason !== undefined && { incompleteReason: reason }),
      items,
      toolCalls: completed ? executable : [],
      abandonedToolCalls: completed ? others : calls,
      ...(typeof endTurn === "boolean" && { endTurn }),
      ...(serviceTier !== undefined && { serviceTier }),
      ...(extra !== undefined && { extra }),
      ...(this.routingToken !== undefined && { routingToken: this.routingToken })
    }
    this.outcome = { _tag: "Finished", turn }
    out.push({ _tag: "TurnCompleted", turn })
  }

  /** A failed response. Its error can also be the event itself. */
  #failed(event: Raw, out: Array<TurnEvent.TurnEvent>): void {
    const response = this.#response(event["response"], out)
    this.#usage(response, out)
    const error = [...errorsOf(event, response), event].find(ErrorStatement.isPresent)
    this.#fail(error, [event["headers"], response?.["headers"]])
  }

  /** An `error` event: flat, nested, with a `detail`, or with its own status and headers (protocol D.5, H.4). */
  #error(event: Raw): void {
    this.#fail(event, [event["headers"]])
  }

  #fail(error: unknown, headers: ReadonlyArray<unknown> = []): void {
    const now = this.#now?.()
    const stated = ErrorStatement.fromValue(error, now)
    const delays = headers.map((one) => RetryAfter.fromHeaders(RetryAfter.headersIn(one), now ?? Number.NaN))
    const facts: ServiceError.Facts = {
      ...stated,
      resetsAt: ServiceError.resetOf({ ...stated, rateLimits: this.rateLimits }, now),
      retryAfterMillis: ServiceError.delayOf({
        ...stated,
        retryAfterMillis: delays.find((delay) => delay !== undefined) ?? stated.retryAfterMillis
      }),
      model: this.model,
      rateLimits: this.rateLimits,
      responseId: this.responseId,
      partial: this.partial()
    }
    this.outcome = { _tag: "Failed", error: ServiceError.classify(facts) ?? ServiceError.responseFailed(facts) }
  }
}

/** Rate limits, repeated calls and events that do not concern the response keep a stream open, but not forever. */
const isProgress = (event: TurnEvent.TurnEvent): boolean =>
  event._tag === "UnknownEvent"
    ? event.type.startsWith("response.")
    : event._tag !== "RateLimitsUpdated" && event._tag !== "ToolCallRepeated"

/** Whether one of the events from `start` on is progress; without a copy, because it is asked for every event. */
const hasProgress = (events: ReadonlyArray<TurnEvent.TurnEvent>, start: number): boolean => {
  for (let at = start; at < events.length; at++) if (isProgress(events[at] as TurnEvent.TurnEvent)) return true
  return false
}

/** Where an error can be stated: in the response, in its details, or beside it. */
const errorsOf = (event: Raw, response: Raw | undefined): ReadonlyArray<unknown> => [
  response?.["error"],
  asObject(response?.["status_details"])?.["error"],
  event["error"]
]

/** The remaining keys of a response object. */
const extraOf = (response: Raw | undefined): Raw | undefined => {
  let extra: Record<string, unknown> | undefined
  for (const key in response) {
    const value = response[key]
    if (value === null || knownKeys.has(key)) continue
    extra ??= {}
    extra[key] = value
  }
  return extra
}

/**
 * Folds a collection of events. Pure.
 *
 * @since 0.1.0
 * @category combinators
 */
export const fold = (
  events: Iterable<ResponseEvent.ResponseEvent>,
  options?: Options
): { readonly state: TurnState; readonly events: ReadonlyArray<TurnEvent.TurnEvent> } => {
  const state = new TurnState(options)
  const out: Array<TurnEvent.TurnEvent> = []
  for (const event of events) state.step(event, out)
  return { state, events: out }
}

const logprobsOf = (event: Raw): Raw => ({ logprobs: event["logprobs"] })

/** The part of an event that begins or ends one; `undefined` for a part without text. */
const partOf = (event: Raw, of: "part" | "summary") => {
  const whole = asObject(event["part"])
  if (of === "summary") return { kind: "summary", index: event["summary_index"], text: whole?.["text"], whole } as const
  const index = event["content_index"]
  switch (whole?.["type"]) {
    case "refusal":
      return { kind: "refusal", index, text: whole["refusal"], whole } as const
    case "output_text":
    case "text":
      return { kind: "text", index, text: whole["text"], whole } as const
    case "reasoning_text":
      return { kind: "content", index, text: whole["text"], whole } as const
    default:
      return undefined
  }
}
