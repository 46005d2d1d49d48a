/**
 * Delivers one turn: all its attempts share one retry budget and appear as one sequence of events.
 *
 * A retry is silent only while nothing has been shown. After that the caller chooses: an error with the partial turn,
 * or a `TurnRestarted` event, which says to discard what was shown.
 */
import {
  Failure,
  type Item,
  Origin,
  RateLimits,
  type Repair,
  type ResponsesRequest,
  RoutingToken,
  Turn,
  type TurnEvent
} from "@effect-codex/schema"
import { type Pulling, TurnDecoder } from "@effect-codex/stream"
import { type CodexTransport, EncryptedReasoning, RetryPolicy } from "@effect-codex/transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { CodexError } from "../CodexError.ts"
import { restarting } from "./restart.ts"

export type Delivered = TurnEvent.TurnEvent | TurnEvent.TurnRestarted

export interface Delivery {
  readonly transport: CodexTransport.Service
  readonly body: ResponsesRequest.ResponsesRequest
  /** Repairs made while compiling `body`. */
  readonly repairs: ReadonlyArray<Repair.Repair>
  readonly attemptOptions: CodexTransport.AttemptOptions
  readonly policy: RetryPolicy.RetryPolicy
  readonly schedule: RetryPolicy.RetrySchedule | undefined
  /** What to do when an attempt fails after something was shown. */
  readonly onceShown: "fail" | "restart"
  /** Whether the user sees the event, so that a retry would show it twice. */
  readonly isShown: (event: TurnEvent.TurnEvent) => boolean
  /** Deliver only the last event. */
  readonly onlyEnd: boolean
  /** If the server rejects encrypted reasoning, remove it and send the request again. */
  readonly discardReasoning: boolean
  /** A new attempt keeps the completed items of the failed one. */
  readonly keepItems: boolean
  readonly onResponse: (metadata: CodexTransport.ResponseMetadata) => Effect.Effect<void>
  readonly onRateLimits: (limits: RateLimits.RateLimits) => void
}

/** The state shared by all attempts. */
interface Progress {
  /** The request of the next attempt. */
  request: ResponsesRequest.ResponsesRequest
  repairs: ReadonlyArray<Repair.Repair>
  /** Completed items of failed attempts, added to the input of the next one. */
  kept: ReadonlyArray<Item.Item>
  /** The partial turn of the last failed attempt that received anything. */
  partial: Turn.PartialTurn | undefined
  routingToken: RoutingToken.RoutingToken | undefined
  shown: boolean
}

interface Attempt extends Pulling.Pulling<Delivered, CodexError> {
  readonly decoder: TurnDecoder.TurnDecoder
  readonly route: () => Turn.Route | undefined
  readonly number: number
}

/** The events of one turn, in batches. The last batch ends with `TurnCompleted`. */
export const deliver = (delivery: Delivery): Effect.Effect<Pulling.Pulling<Delivered, CodexError>> =>
  Effect.gen(function* () {
    const { attemptOptions, body, policy, schedule } = delivery
    const clock = yield* Effect.clock
    const retries = yield* RetryPolicy.start(policy, { schedule, deadline: attemptOptions.deadline })
    const progress: Progress = {
      request: body,
      repairs: delivery.repairs,
      kept: [],
      partial: undefined,
      routingToken: attemptOptions.routingToken,
      shown: false
    }
    const now = () => clock.unsafeCurrentTimeMillis()
    return restarting({
      attempt: (number) => attempt(delivery, progress, number, now),
      restart: (error: CodexError, failed: Attempt) => restart(delivery, progress, retries, error, failed)
    })
  })

const attempt = (delivery: Delivery, progress: Progress, number: number, now: () => number): Attempt => {
  const { attemptOptions, onlyEnd, transport } = delivery
  const { kept, request, routingToken } = progress
  const decoder = new TurnDecoder.TurnDecoder({ now })
  const { close, open, pull, route } = transport.attempt(
    kept.length === 0 ? request : { ...request, input: [...request.input, ...kept] },
    decoder,
    {
      attempt: number,
      ...attemptOptions,
      hold: onlyEnd,
      attributes: () => usageAttributes(decoder),
      partial: () => decoder.state.partial(),
      ...(routingToken !== undefined && { routingToken })
    }
  )
  let metadata: CodexTransport.ResponseMetadata | undefined
  let limits: RateLimits.RateLimits | undefined

  const opened = Effect.flatMap(open, (response) => {
    metadata = response
    // the token of the headers takes precedence over that of the events (protocol B.5)
    progress.routingToken = RoutingToken.first(progress.routingToken, response.routingToken)
    return Effect.zipRight(delivery.onResponse(response), pull)
  })

  const delivered = (events: ReadonlyArray<TurnEvent.TurnEvent>): ReadonlyArray<Delivered> => {
    const { state, turn } = decoder
    if (state.rateLimits !== undefined && state.rateLimits !== limits) {
      limits = state.rateLimits
      delivery.onRateLimits(limits)
    }
    if (!progress.shown) progress.shown = events.some(delivery.isShown)
    // the decoder can be ahead of the delivered events
    const isEnd = onlyEnd || events.at(-1)?._tag === "TurnCompleted"
    if (!isEnd || turn === undefined || metadata === undefined) return events
    const end: Delivered = {
      _tag: "TurnCompleted",
      turn: completed(turn, { metadata, ...progress, attempts: number, route: route() })
    }
    return [...events.slice(0, -1), end]
  }

  return {
    decoder,
    number,
    route,
    pull: Effect.map(
      Effect.suspend(() => (metadata === undefined ? opened : pull)),
      (events) => {
        progress.routingToken = RoutingToken.first(progress.routingToken, decoder.state.routingToken)
        return delivered(events)
      }
    ),
    close
  }
}

/** Decides whether to retry after a failed attempt, and waits for the retry delay. */
const restart = (
  delivery: Delivery,
  progress: Progress,
  retries: RetryPolicy.Retries,
  error: CodexError,
  { decoder, number, route }: Attempt
): Effect.Effect<ReadonlyArray<Delivered>, CodexError> =>
  Effect.gen(function* () {
    progress.routingToken = RoutingToken.first(progress.routingToken, decoder.state.routingToken)
    if (decoder.state.rateLimits !== undefined) delivery.onRateLimits(decoder.state.rateLimits)
    // the transport has removed secrets from what the error has
    const arrived = withRoute(error.partial ?? decoder.state.partial(), route())
    progress.partial = fuller(arrived, progress.partial)
    const failure = Failure.withFacts(error, { partial: progress.partial })
    if (progress.shown && delivery.onceShown === "fail") return yield* Effect.fail(failure)

    const announce = (delay: Duration.Duration): ReadonlyArray<Delivered> => {
      if (!progress.shown) return []
      progress.shown = false
      const { _tag: reason, message } = error
      const delayMillis = Duration.toMillis(delay)
      return [{ _tag: "TurnRestarted", attempt: number + 1, reason, message, delayMillis, kept: progress.kept }]
    }
    if (delivery.discardReasoning && EncryptedReasoning.isRefused(error)) {
      const account = yield* delivery.transport.account
      const shorter = EncryptedReasoning.discard(progress.request, {
        account: Redacted.value(account),
        model: progress.request.model
      })
      if (shorter !== undefined) {
        progress.request = shorter.request
        progress.repairs = [...progress.repairs, ...shorter.repairs]
        yield* Effect.logWarning("The server refused the encrypted reasoning; the request is sent without it.")
        return [...announce(Duration.zero), { _tag: "RequestRepaired", repairs: shorter.repairs }]
      }
    }
    const delay = yield* Effect.mapError(retries.next(error, { shown: progress.shown }), () => failure)
    yield* Effect.sleep(delay)
    if (delivery.keepItems) progress.kept = [...progress.kept, ...replayable(Redacted.value(arrived.items))]
    return announce(delay)
  })

const withRoute = <A extends Pick<Turn.Turn, "diagnostics">>(self: A, route: Turn.Route | undefined): A =>
  route === undefined ? self : { ...self, diagnostics: { ...self.diagnostics, route } }

/** The later partial turn, unless it is empty. */
export const fuller = (later: Turn.PartialTurn, earlier: Turn.PartialTurn | undefined): Turn.PartialTurn =>
  later.blocks.length > 0 || earlier === undefined ? later : earlier

/**
 * The completed items that another request can include: those before the first tool call, which has no answer yet, and
 * without trailing reasoning (protocol C.5).
 */
export const replayable = (items: ReadonlyArray<Item.Item>): ReadonlyArray<Item.Item> => {
  const isOutput = (item: Item.Item) => item.type === "message" || item.type === "web_search_call"
  const call = items.findIndex((item) => item.type !== "reasoning" && !isOutput(item))
  const before = call === -1 ? items : items.slice(0, call)
  return before.slice(0, before.map(isOutput).lastIndexOf(true) + 1)
}

interface End extends Pick<Progress, "kept" | "repairs" | "request" | "routingToken"> {
  readonly attempts: number
  readonly metadata: CodexTransport.ResponseMetadata
  readonly route?: Turn.Route | undefined
}

/** Adds what only the client knows: the request, kept items, headers, and the number of attempts. */
export const completed = (
  turn: Turn.Turn,
  { attempts, kept, metadata, repairs, request, route, routingToken }: End
): Turn.Turn => {
  const { accountId, model, requestId } = metadata
  // events override headers
  const limits = [metadata.rateLimits, turn.rateLimits].filter((limits) => limits !== undefined)
  return {
    ...withRoute(kept.length === 0 ? turn : Turn.join(Turn.fromItems(kept), turn), route),
    attempts,
    repairs,
    input: Redacted.make(request.input),
    ...(accountId !== undefined && {
      origin: Origin.toTag({ account: Redacted.value(accountId), model: request.model })
    }),
    // the header names the model that actually served the turn
    ...(model !== undefined && { model }),
    ...(requestId !== undefined && { requestId }),
    ...(limits.length > 0 && { rateLimits: limits.reduce(RateLimits.merge) }),
    ...(routingToken !== undefined && { routingToken })
  }
}

/** Span attributes of a completed turn. */
const usageAttributes = ({ state: { responseId, usage } }: TurnDecoder.TurnDecoder) => ({
  "gen_ai.response.id": responseId,
  "gen_ai.usage.input_tokens": usage?.inputTokens,
  "gen_ai.usage.output_tokens": usage?.outputTokens
})
