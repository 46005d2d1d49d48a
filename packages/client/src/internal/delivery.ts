/**
 * The delivery of one turn: attempts one after the other under a single retry budget, as one stream of events.
 *
 * What an attempt has shown cannot be taken back, so a retry is silent only while nothing has been shown. After that
 * the caller has chosen: the failure with what had arrived, or a `TurnRestarted` that says to drop it.
 */
import {
  type Item,
  RateLimits,
  type ResponseEvent,
  type ResponsesRequest,
  Turn,
  type TurnEvent
} from "@effect-codex/schema"
import { type StreamError, TurnDecoder, TurnState } from "@effect-codex/stream"
import { type CodexTransport, EncryptedReasoning, RetryPolicy } from "@effect-codex/transport"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CodexError } from "../CodexError.ts"

export type Delivered = TurnEvent.TurnEvent | TurnEvent.TurnRestarted

export interface Delivery {
  readonly transport: CodexTransport.CodexTransport.Service
  readonly body: ResponsesRequest.ResponsesRequest
  readonly attemptOptions: CodexTransport.AttemptOptions
  readonly policy: RetryPolicy.RetryPolicy
  readonly schedule: RetryPolicy.RetrySchedule | undefined
  readonly mode: "fail" | "restart"
  /** Whether an event shows the consumer something that a retry would show again. */
  readonly shows: (event: TurnEvent.TurnEvent) => boolean
  /** Whether refused encrypted reasoning is left out and the request sent once more. */
  readonly discardReasoning: boolean
  /** Whether a new attempt goes on from the finished items of the broken one. */
  readonly keepItems: boolean
  /** Told of the headers of every response. */
  readonly onResponse: (metadata: CodexTransport.ResponseMetadata) => Effect.Effect<void>
  /** Told of what events say about the plan's limits. */
  readonly onRateLimits: (limits: RateLimits.RateLimits) => Effect.Effect<void>
  /** Outlives the turn: where the rest of a finished body is read, so that its connection can serve again. */
  readonly background: Scope.Scope
}

/** How long the rest of a body may take after its terminal event. */
const drainLimit = Duration.seconds(1)

interface Attempt {
  readonly scope: Scope.CloseableScope
  readonly decoder: TurnDecoder.TurnDecoder
  readonly response: CodexTransport.ResponseMetadata
  readonly progress: () => void
  readonly failed: CodexTransport.CodexResponse["failed"]
  readonly pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<CodexError>>
  /** The limits that were passed on last. */
  limits: RateLimits.RateLimits | undefined
}

export type Pull = Effect.Effect<Chunk.Chunk<Delivered>, Option.Option<CodexError>>

/** The same failure with what it does not say itself: what had arrived when it struck, the ids of the request. */
const saying = (
  error: CodexError,
  facts: { readonly partial?: Turn.PartialTurn | undefined; readonly requestId?: string; readonly cfRay?: string }
): CodexError => {
  for (const [key, value] of Object.entries(facts)) {
    if (value !== undefined && !(key in error)) Object.defineProperty(error, key, { value, enumerable: true })
  }
  return error
}

const finishedItems = (attempt: Attempt): ReadonlyArray<Item.Item> =>
  Redacted.value(attempt.decoder.state.partial().items)

/**
 * The finished items another request can go on from: up to the first tool call, whose answer is not there, and without
 * reasoning that nothing follows (protocol C.5).
 */
const replayable = (items: ReadonlyArray<Item.Item>): ReadonlyArray<Item.Item> => {
  const isOutput = (item: Item.Item) => item.type === "message" || item.type === "web_search_call"
  const call = items.findIndex((item) => item.type !== "reasoning" && !isOutput(item))
  const before = call === -1 ? items : items.slice(0, call)
  return before.slice(0, before.map(isOutput).lastIndexOf(true) + 1)
}

/** A turn that goes on from items kept of broken attempts, whole. */
const withKept = (kept: ReadonlyArray<Item.Item>, turn: Turn.Turn): Turn.Turn => {
  if (kept.length === 0) return turn
  const events = kept.map(
    (item, index) =>
      ({ type: "response.output_item.done", output_index: index, item }) satisfies ResponseEvent.ResponseEvent
  )
  const { outcome } = TurnState.fold([...events, { type: "response.completed" }]).state
  return outcome?._tag === "Finished" ? Turn.join(outcome.turn, turn) : turn
}

/** What headers and events said about the plan's limits; events come later. */
const limitsOf = (response: CodexTransport.ResponseMetadata, turn: Turn.Turn): Pick<Turn.Turn, "rateLimits"> => {
  const said = [response.rateLimits, turn.rateLimits].filter((limits) => limits !== undefined)
  return said.length === 0 ? {} : { rateLimits: said.reduce(RateLimits.merge) }
}

const decodeAll = (
  decoder: TurnDecoder.TurnDecoder,
  chunks: Iterable<Uint8Array>
): ReadonlyArray<TurnEvent.TurnEvent> => {
  const events: Array<TurnEvent.TurnEvent> = []
  for (const chunk of chunks) for (const event of decoder.push(chunk)) events.push(event)
  return events
}

/** The pull of one turn's events. Whoever stops pulling before the end closes the scope, which ends the request. */
export const deliver = (delivery: Delivery): Effect.Effect<Pull, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { attemptOptions, background, mode, policy, schedule, shows, transport } = delivery
    const clock = yield* Effect.clock
    const retries = yield* RetryPolicy.start(policy, { schedule, deadline: attemptOptions.deadline })
    let attempts = 0
    let shown = false
    let over = false
    let current: Attempt | undefined
    let kept: ReadonlyArray<Item.Item> = []
    let request = delivery.body
    let mayDiscard = delivery.discardReasoning
    /** What the last attempt that brought anything had brought when it broke. */
    let arrived: Turn.PartialTurn | undefined

    const open = Effect.fnUntraced(function* (scope: Scope.CloseableScope) {
      const body = kept.length === 0 ? request : { ...request, input: [...request.input, ...kept] }
      const response = yield* transport.attempt(body, { ...attemptOptions, attempt: attempts })
      yield* delivery.onResponse(response.metadata)
      current = {
        scope,
        decoder: new TurnDecoder.TurnDecoder({ now: () => clock.unsafeCurrentTimeMillis() }),
        response: response.metadata,
        progress: response.progress,
        failed: response.failed,
        limits: undefined,
        pull: yield* Stream.toPull(response.body)
      }
    })

    const begin: Pull = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        attempts++
        const scope = yield* Scope.fork(background, ExecutionStrategy.sequential)
        yield* restore(open(scope)).pipe(
          Scope.extend(scope),
          Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void))
        )
        return Chunk.empty<Delivered>()
      })
    ).pipe(Effect.catchAll((error) => retry(error)))

    const retry = (error: CodexError): Pull =>
      Effect.gen(function* () {
        const finished = delivery.keepItems && current !== undefined ? finishedItems(current) : []
        yield* release(Exit.fail(error))
        if (shown && mode === "fail") return yield* Effect.fail(error)
        const restarted = (delay: Duration.Duration): ReadonlyArray<Delivered> => {
          if (!shown) return []
          shown = false
          const { _tag: reason, message } = error
          const delayMillis = Duration.toMillis(delay)
          return [{ _tag: "TurnRestarted", attempt: attempts + 1, reason, message, delayMillis, kept }]
        }
        if (mayDiscard && EncryptedReasoning.isRefused(error)) {
          mayDiscard = false
          const shorter = EncryptedReasoning.discard(request)
          if (shorter !== undefined) {
            request = shorter.request
            yield* Effect.logWarning("The server refused the encrypted reasoning; the request is sent without it.")
            const repaired: Delivered = { _tag: "RequestRepaired", repairs: shorter.repairs }
            return Chunk.unsafeFromArray([...restarted(Duration.zero), repaired])
          }
        }
        // a retry that does not even get an answer must not lose what an earlier attempt had
        const delay = yield* Effect.mapError(retries.next(error), (error) => saying(error, { partial: arrived }))
        yield* Effect.sleep(delay)
        kept = [...kept, ...replayable(finished)]
        return Chunk.unsafeFromArray(restarted(delay))
      }).pipe(Effect.mapError(Option.some))

    const located = (error: CodexError, attempt: Attempt): CodexError => {
      const { cfRay, requestId } = attempt.response
      const partial = attempt.decoder.state.partial()
      if (partial.blocks.length > 0 || arrived === undefined) arrived = partial
      return saying(error, {
        partial: arrived,
        ...(requestId !== undefined && { requestId }),
        ...(cfRay !== undefined && { cfRay })
      })
    }

    /** What the decoder finds in a body is news to the transport. */
    const broken = (attempt: Attempt, failure: StreamError.StreamError): Pull => {
      const { responseId } = attempt.decoder.state
      const said = {
        ...(failure.serverMessage !== undefined && { payload: failure.serverMessage }),
        ...(responseId !== undefined && { responseId })
      }
      return Effect.zipRight(attempt.failed(failure, said), retry(located(failure, attempt)))
    }

    const release = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
      Effect.uninterruptible(
        Effect.suspend(() => {
          const scope = current?.scope
          current = undefined
          return scope === undefined ? Effect.void : Scope.close(scope, exit)
        })
      )

    /** The turn is whole; what the body still has is read aside, and nobody waits for it. */
    const finish = (attempt: Attempt): Effect.Effect<void> =>
      Effect.uninterruptible(
        Effect.suspend(() => {
          over = true
          current = undefined
          return Effect.forever(attempt.pull).pipe(
            Effect.timeout(drainLimit),
            Effect.interruptible,
            Effect.exit,
            Effect.flatMap((exit) => Scope.close(attempt.scope, exit)),
            Effect.forkIn(background),
            Effect.asVoid
          )
        })
      )

    const take = (attempt: Attempt, events: ReadonlyArray<TurnEvent.TurnEvent>): Pull => {
      if (events.length > 0) attempt.progress()
      const limits = attempt.decoder.state.rateLimits
      if (limits === attempt.limits) return settle(attempt, events)
      attempt.limits = limits
      return limits === undefined
        ? settle(attempt, events)
        : Effect.zipRight(delivery.onRateLimits(limits), settle(attempt, events))
    }

    const settle = (attempt: Attempt, events: ReadonlyArray<TurnEvent.TurnEvent>): Pull => {
      if (!shown) shown = events.some(shows)
      const { failure, state, turn } = attempt.decoder
      if (turn === undefined) {
        return failure === undefined || events.length > 0
          ? Effect.succeed(Chunk.unsafeFromArray<Delivered>(events))
          : broken(attempt, failure)
      }
      const { model, requestId } = attempt.response
      // the first value wins (protocol B.5), and headers come first
      const routingToken = attempt.response.routingToken ?? state.routingToken
      const completed: TurnEvent.TurnCompleted = {
        _tag: "TurnCompleted",
        turn: {
          ...withKept(kept, turn),
          // the header tells the model that really served
          ...(model !== undefined && { model }),
          ...limitsOf(attempt.response, turn),
          attempts,
          ...(requestId !== undefined && { requestId })
        },
        ...(routingToken !== undefined && { routingToken })
      }
      const all: Array<Delivered> = events.filter((event) => event._tag !== "TurnCompleted")
      all.push(completed)
      return Effect.as(finish(attempt), Chunk.unsafeFromArray(all))
    }

    const step: Pull = Effect.suspend(() => {
      if (over) return Effect.fail(Option.none())
      const attempt = current
      if (attempt === undefined) return begin
      if (attempt.decoder.failure !== undefined) return broken(attempt, attempt.decoder.failure)
      return Effect.matchEffect(attempt.pull, {
        onSuccess: (chunks) => take(attempt, decodeAll(attempt.decoder, chunks)),
        onFailure: Option.match({
          onNone: () => take(attempt, attempt.decoder.end()),
          onSome: (error) => retry(located(error, attempt))
        })
      })
    })

    yield* Effect.addFinalizer(release)
    return step
  })
