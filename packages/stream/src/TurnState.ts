/**
 * The fold: wire events in, the state of one turn and the events a person wants out.
 *
 * `step` is synchronous and depends on nothing but the state and the event. The state is changed in place, because a
 * turn has tens of thousands of events and one owner; what leaves it ({@link TurnState.turn}, {@link TurnState.partial},
 * the events) is never changed afterwards.
 *
 * @since 0.1.0
 */
import type { ResponseEvent, TurnEvent } from "@effect-codex/schema"
import {
  ResponseEvent as Events,
  Failure,
  Guard,
  RateLimits,
  RoutingToken,
  ServiceError,
  type Turn,
  Usage
} from "@effect-codex/schema"
import * as Redacted from "effect/Redacted"
import type { Delta } from "./internal/delta.ts"
import * as Output from "./internal/output.ts"
import { InvalidEvent } from "./StreamError.ts"

/**
 * How the turn ended, once it has.
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
  /** The time in milliseconds since 1970, to turn "resets in n seconds" into a time; without it such delays stay unknown. */
  readonly now?: () => number
}

const maxDrift = 20

type Raw = Readonly<Record<string, unknown>>

const guards = new Map<string, Guard.Guard>(
  Object.entries(Events.byType).map(([type, schema]) => [type, Guard.make(schema)])
)
const hostedGuard = Guard.make(Events.HostedEvent)
const usageGuard = Guard.make(Usage.WireUsage)

const asObject = (value: unknown): Raw | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : undefined
const asText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)
const asNumber = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined

/** Header names in lower case, values as text: events carry them in any case and sometimes as numbers. */
const asHeaders = (value: unknown): Readonly<Record<string, string>> | undefined => {
  const raw = asObject(value)
  return (
    raw &&
    Object.fromEntries(
      Object.entries(raw).flatMap(([name, header]) =>
        typeof header === "string" || typeof header === "number" ? [[name.toLowerCase(), String(header)]] : []
      )
    )
  )
}

/**
 * The state of one turn. Make one for each attempt.
 *
 * @since 0.1.0
 * @category models
 */
export class TurnState {
  responseId: string | undefined
  /** The model that serves, as far as the server has said. */
  model: string | undefined
  /** The first routing token that an event brought. */
  routingToken: RoutingToken.RoutingToken | undefined
  rateLimits: RateLimits.RateLimits | undefined
  usage: Usage.Usage | undefined
  outcome: Outcome | undefined
  /** Events that were no JSON object, or had no type. */
  malformed = 0
  events = 0
  unknown = 0
  driftCount = 0
  lastEventType: string | undefined
  unterminatedFinalEvent = false
  readonly drift: Array<Turn.Drift> = []
  readonly #now: (() => number) | undefined
  readonly #output = new Output.Output()
  #started = false

  constructor(options: Options = {}) {
    this.#now = options.now
  }

  /** Takes one event in and appends what it means to `out`. After the terminal event nothing is taken in any more. */
  step(event: ResponseEvent.ResponseEvent, out: Array<TurnEvent.TurnEvent>): void {
    if (this.outcome !== undefined) return
    const type: string = event.type
    this.events++
    this.lastEventType = type
    const hosted = Events.hosted.get(type)
    const drift = (hosted === undefined ? guards.get(type) : hostedGuard)?.(event)
    if (drift !== undefined) this.#noteDrift(type, drift)
    switch (event.type) {
      case "response.output_text.delta":
      case "response.function_call_arguments.delta":
      case "response.reasoning_summary_text.delta":
      case "response.reasoning_text.delta":
      case "response.custom_tool_call_input.delta":
      case "response.refusal.delta":
        return this.#delta(event, out)
    }
    // any event may carry headers (protocol D.2); the frequent ones above never did
    this.#headers((event as Raw)["headers"], out)
    switch (event.type) {
      case "response.output_text.done":
        return this.#settle(type, this.#output.textDone(event, event.text, out))
      case "response.refusal.done":
        return this.#settle(type, this.#output.refusalDone(event, event.refusal, out))
      case "response.reasoning_summary_text.done":
        return this.#settle(type, this.#output.reasoningDone(event, "summary", event.summary_index, event.text, out))
      case "response.reasoning_text.done":
        return this.#settle(type, this.#output.reasoningDone(event, "content", event.content_index, event.text, out))
      case "response.function_call_arguments.done":
        return this.#settle(type, this.#output.callDone(event, "function", event.arguments, out))
      case "response.custom_tool_call_input.done":
        return this.#settle(type, this.#output.callDone(event, "custom", event.input, out))
      case "response.output_text.annotation.added":
        return this.#output.annotation(event, event.annotation)
      case "response.output_item.added":
        return this.#output.itemAdded(event, out)
      case "response.output_item.done":
        return this.#settle(type, this.#output.itemDone(event, event.item, out))
      case "response.content_part.added":
      case "response.content_part.done":
      case "response.reasoning_summary_part.added":
      case "response.reasoning_summary_part.done":
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
        return this.#limits(RateLimits.fromEvent(event), out)
      case "response.completed":
      case "response.done":
      case "response.incomplete":
        return this.#finish(event, out)
      case "response.failed":
        this.#response(event.response, out)
        return this.#fail(this.#facts(asObject(event.response)?.["error"]))
      case "error":
        return this.#error(event)
      default:
        // an old name of `error`
        if (type === "response.error") return this.#error(event as Raw)
        if (hosted !== undefined) return this.#output.hosted(event as Raw, hosted, out)
        this.unknown++
        out.push({ _tag: "UnknownEvent", type, raw: event })
    }
  }

  /**
   * The same for a delta that is known to fit its schema.
   *
   * @internal
   */
  stepDelta(event: Delta, out: Array<TurnEvent.TurnEvent>): void {
    if (this.outcome !== undefined) return
    this.events++
    this.lastEventType = event.type
    this.#delta(event, out)
  }

  #delta(event: Delta, out: Array<TurnEvent.TurnEvent>): void {
    switch (event.type) {
      case "response.output_text.delta":
        return this.#output.text(event, event.delta, out)
      case "response.function_call_arguments.delta":
        return this.#output.callDelta(event, "function", event.delta, out)
      case "response.reasoning_summary_text.delta":
        return this.#output.reasoning(event, "summary", event.summary_index, event.delta, out)
      case "response.reasoning_text.delta":
        return this.#output.reasoning(event, "content", event.content_index, event.delta, out)
      case "response.custom_tool_call_input.delta":
        return this.#output.callDelta(event, "custom", event.delta, out)
      case "response.refusal.delta":
        return this.#output.refusal(event, event.delta, out)
    }
  }

  /** An event whose type stands only in the name of its frame: taken in by that name. */
  stepNamed(name: string, raw: Raw, out: Array<TurnEvent.TurnEvent>): void {
    if (this.outcome !== undefined) return
    if (guards.has(name) || Events.hosted.has(name)) this.#noteDrift(name, "type")
    this.step({ ...raw, type: name } as ResponseEvent.ResponseEvent, out)
  }

  /** Counts a payload that is no event. One named as terminal ends the turn as a failure: nobody can tell how it ended. */
  stepMalformed(data: string, name: string): void {
    if (this.outcome !== undefined) return
    this.malformed++
    if (!Events.isTerminalType(name)) return
    this.events++
    this.lastEventType = name
    if (name === "error" || name === "response.error") return this.#fail({ message: data })
    this.outcome = { _tag: "Failed", error: malformedEvent(name, this) }
  }

  /** What there is of the turn so far. */
  partial(): Turn.PartialTurn {
    const { blocks, calls, items, text } = this.#output.read()
    return { ...this.#content(blocks, text), items: Redacted.make(items), abandonedToolCalls: calls }
  }

  #content(blocks: ReadonlyArray<Turn.Block>, text: string) {
    return {
      ...this.#ids(),
      ...(this.model !== undefined && { model: this.model }),
      ...(this.usage !== undefined && { usage: this.usage }),
      ...(this.rateLimits !== undefined && { rateLimits: this.rateLimits }),
      blocks,
      text,
      diagnostics: this.diagnostics()
    }
  }

  #ids() {
    return this.responseId === undefined ? {} : { responseId: this.responseId }
  }

  diagnostics(): Turn.Diagnostics {
    return {
      events: this.events,
      unknown: this.unknown,
      malformed: this.malformed,
      driftCount: this.driftCount,
      drift: this.drift.slice(),
      ...(this.lastEventType !== undefined && { lastEventType: this.lastEventType }),
      ...(this.unterminatedFinalEvent && { unterminatedFinalEvent: true })
    }
  }

  #noteDrift(type: string, field: string): void {
    this.driftCount++
    if (this.drift.length < maxDrift) this.drift.push({ type, field })
  }

  /** A text that contradicts the deltas before it is worth noting; the later one counts. */
  #settle(type: string, agrees: boolean): void {
    if (!agrees) this.#noteDrift(type, "differs from its deltas")
  }

  /** What every response object tells, at the start and at the end. */
  #response(value: unknown, out: Array<TurnEvent.TurnEvent>): Raw | undefined {
    const response = asObject(value)
    this.responseId = asText(response?.["id"]) ?? this.responseId
    this.model = asText(response?.["model"]) ?? this.model
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

  #headers(value: unknown, out: Array<TurnEvent.TurnEvent>): void {
    const headers = asHeaders(value)
    if (headers === undefined) return
    this.model = headers["openai-model"] ?? this.model
    this.routingToken = RoutingToken.first(this.routingToken, RoutingToken.fromHeaders(headers))
    this.#limits(RateLimits.fromHeaders(headers, this.#now?.() ?? 0), out)
  }

  #limits(limits: RateLimits.RateLimits | undefined, out: Array<TurnEvent.TurnEvent>): void {
    if (limits === undefined) return
    this.rateLimits = this.rateLimits === undefined ? limits : RateLimits.merge(this.rateLimits, limits)
    out.push({ _tag: "RateLimitsUpdated", rateLimits: this.rateLimits })
  }

  #finish(event: { readonly type: string; readonly response?: unknown }, out: Array<TurnEvent.TurnEvent>): void {
    const response = this.#response(event.response, out)
    if (response === undefined && event.response !== undefined && event.response !== null) {
      this.outcome = { _tag: "Failed", error: malformedEvent(event.type, this) }
      return
    }
    const status = response?.["status"]
    // whatever the event is called: a response that says it failed has failed
    if (status === "failed") return this.#fail(this.#facts(response?.["error"]))
    const wireUsage = response?.["usage"]
    if (wireUsage !== undefined && wireUsage !== null && usageGuard(wireUsage) === undefined) {
      this.usage = Usage.fromWire(wireUsage as Usage.WireUsage)
      out.push({ _tag: "UsageReported", usage: this.usage })
    }
    const output = response?.["output"]
    if (Array.isArray(output))
      this.#output.backfill(
        output.filter((item) => asObject(item) !== undefined),
        out
      )
    const completed = event.type !== "response.incomplete" && status !== "incomplete" && status !== "cancelled"
    this.#output.close(completed, out)
    const { blocks, calls, finishedCalls, items, refusal, text, unfinishedCalls } = this.#output.read()
    const reason =
      asText(asObject(response?.["incomplete_details"])?.["reason"]) ??
      (status === "cancelled" ? "cancelled" : undefined)
    const endTurn = response?.["end_turn"]
    const serviceTier = asText(response?.["service_tier"])
    const turn: Turn.Turn = {
      ...this.#content(blocks, text),
      status: completed ? "completed" : "incomplete",
      ...(!completed && reason !== undefined && { incompleteReason: reason }),
      items,
      toolCalls: completed ? finishedCalls : [],
      abandonedToolCalls: completed ? unfinishedCalls : calls,
      ...(refusal !== undefined && { refusal }),
      ...(typeof endTurn === "boolean" && { endTurn }),
      ...(serviceTier !== undefined && { serviceTier }),
      ...(this.routingToken !== undefined && { routingToken: this.routingToken })
    }
    this.outcome = { _tag: "Finished", turn }
    out.push({ _tag: "TurnCompleted", turn })
  }

  /** An `error` event: flat, nested, with a `detail`, with a status and headers of its own (protocol D.5, H.4). */
  #error(event: Raw): void {
    const nested = event["error"] ?? event["detail"]
    this.#fail({
      ...this.#facts(event),
      ...(typeof nested === "string" ? { message: nested } : this.#facts(nested)),
      status: asNumber(event["status"]) ?? asNumber(event["status_code"])
    })
  }

  #facts(value: unknown): ServiceError.Facts {
    const error = asObject(value)
    if (error === undefined) return {}
    const resetsAt = asNumber(error["resets_at"])
    const resetsIn = asNumber(error["resets_in_seconds"])
    const now = this.#now?.()
    return {
      code: asText(error["code"]),
      // the event's own type says only that it is an error
      type: error["type"] === "error" || error["type"] === "response.error" ? undefined : asText(error["type"]),
      message: asText(error["message"]),
      param: asText(error["param"]),
      planType: asText(error["plan_type"]),
      resetsAt:
        resetsAt !== undefined
          ? resetsAt * 1000
          : resetsIn !== undefined && now !== undefined
            ? now + resetsIn * 1000
            : undefined
    }
  }

  #fail(stated: ServiceError.Facts): void {
    const facts: ServiceError.Facts = {
      ...stated,
      ...(stated.code === "rate_limit_exceeded" &&
        stated.message !== undefined && { retryAfterMillis: ServiceError.delayInText(stated.message) }),
      model: this.model,
      rateLimits: this.rateLimits,
      responseId: this.responseId,
      partial: this.partial()
    }
    this.outcome = { _tag: "Failed", error: ServiceError.classify(facts) ?? ServiceError.responseFailed(facts) }
  }
}

const malformedEvent = (type: string, state: TurnState): InvalidEvent =>
  new InvalidEvent(
    {
      ...(state.responseId !== undefined && { responseId: state.responseId }),
      reason: "malformed",
      type,
      partial: state.partial()
    },
    Failure.trusted
  )

/**
 * The whole fold over events already at hand: a pure function.
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
