/**
 * A conversation: the history that each turn goes on from, kept exactly as it was sent and received.
 *
 * The next request is always the one before plus what is new, byte for byte, under one id, so that the server finds
 * what it has cached. A turn that fails leaves the history as it was.
 *
 * @since 0.1.0
 */
import { History, Item, type RoutingToken, Turn, type TurnEvent, type TurnRequest } from "@effect-codex/schema"
import { ConversationId } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Codex from "./Codex.ts"
import type { CodexError } from "./CodexError.ts"
import * as Floor from "./internal/floor.ts"
import * as FollowUp from "./internal/followUp.ts"

/**
 * What holds for all turns of a conversation: everything of a request but its input.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<Codex.Request, "prompt" | "input" | "routingToken" | "cacheKey"> {}

/**
 * What is said next: a prompt, one message or item, or several.
 *
 * @since 0.1.0
 * @category models
 */
export type Said = string | History.Entry | ReadonlyArray<History.Entry>

/**
 * Settings that hold for one turn only.
 *
 * @since 0.1.0
 * @category models
 */
export type TurnOptions = Omit<Options, "conversationId" | "instructions" | "tools">

/**
 * One conversation. Turns are taken one after the other: a `send` waits until the one before it is over.
 *
 * @since 0.1.0
 * @category models
 */
export interface Conversation {
  readonly id: string
  /** Says something and waits for the turn. What the server wants finished in a further request is (`endTurn: false`). */
  readonly send: (said: Said, options?: TurnOptions) => Effect.Effect<Turn.Turn, CodexError>
  /**
   * The same as a stream of events. The history grows with the last `TurnCompleted`, and from then on the next `send` can
   * begin. A `send` by whoever reads the stream before that fails: it would wait for itself.
   */
  readonly stream: (
    said: Said,
    options?: TurnOptions
  ) => Stream.Stream<TurnEvent.TurnEvent | TurnEvent.TurnRestarted, CodexError>
  /** Answers the tool calls of the last turn; goes on with the same turn of the server's. */
  readonly sendToolResults: (
    results: ReadonlyArray<History.Entry>,
    options?: TurnOptions
  ) => Effect.Effect<Turn.Turn, CodexError>
  /** Everything said so far, as the items the next request begins with. */
  readonly history: Effect.Effect<ReadonlyArray<Item.Item>>
  /** The last finished turn; its `responseId` is the latest one. */
  readonly lastTurn: Effect.Effect<Option.Option<Turn.Turn>>
  /** The failure of the last turn that was tried, if it failed; its `partial` is what had arrived. */
  readonly lastFailure: Effect.Effect<Option.Option<CodexError>>
  /** Changes that were made to what was said, so that the server accepts it. */
  readonly repairs: Effect.Effect<ReadonlyArray<TurnRequest.Repair>>
  /** A conversation of its own with the same past. */
  readonly fork: Effect.Effect<Conversation>
  /** The conversation as it stands, to be encoded with {@link Snapshot} and taken up again with {@link resume}. */
  readonly snapshot: Effect.Effect<Snapshot>
}

/**
 * A conversation at rest. Settings and tools are not part of it: they are code.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Snapshot = Schema.Struct({
  version: Schema.Literal(1),
  id: ConversationId.ConversationId,
  instructions: Schema.String,
  items: Schema.Array(Item.Item)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Snapshot = typeof Snapshot.Type

/**
 * The JSON is no conversation this version can take up.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidSnapshot extends Schema.TaggedError<InvalidSnapshot>("effect-codex/InvalidSnapshot")(
  "InvalidSnapshot",
  { version: Schema.optionalWith(Schema.Unknown, { exact: true }), problem: Schema.String }
) {
  readonly isRetryable = false
  override get message(): string {
    return this.version !== undefined && this.version !== 1
      ? `The conversation was saved as version ${JSON.stringify(this.version)}; this library reads version 1. Use the version that wrote it.`
      : `The conversation cannot be read: ${this.problem}`
  }
}

/** Enough to find the place by; what stands there may be a whole conversation. */
const maxProblemLength = 500

interface State {
  readonly instructions: string
  readonly items: ReadonlyArray<Item.Item>
  readonly lastTurn: Option.Option<Turn.Turn>
  readonly routingToken: RoutingToken.RoutingToken | undefined
  readonly lastFailure: Option.Option<CodexError>
  readonly repairs: ReadonlyArray<TurnRequest.Repair>
}

const entries = (said: Said): ReadonlyArray<History.Entry> =>
  typeof said === "string"
    ? [{ role: "user", content: [{ _tag: "Text", text: said }] }]
    : Array.isArray(said)
      ? (said as ReadonlyArray<History.Entry>)
      : [said as History.Entry]

/** Answers to tool calls go on with the turn that made them, and only they do (protocol B.5). */
const goesOn = (said: ReadonlyArray<History.Entry>): boolean =>
  said.every((entry) => ("type" in entry ? entry.type.endsWith("_output") : entry.role === "tool"))

/** One request of a conversation: what is added to which state. `followUps` counts the requests of the turn before it. */
interface Step {
  readonly before: State
  readonly said: ReadonlyArray<History.Entry>
  readonly sameTurn: boolean
  readonly followUps: number
}

const makeFrom = (codex: Codex.Service, options: Options, id: string, initial: State): Effect.Effect<Conversation> =>
  Effect.gen(function* () {
    const state = yield* Ref.make(initial)
    const floor = yield* Floor.make

    /** The request of a step, and the state once its turn is over. */
    const plan = ({ before, said, sameTurn }: Step, turnOptions: TurnOptions) => {
      const { items, instructions, repairs } = History.compile([...before.items, ...said])
      const routedTo = sameTurn ? before.routingToken : undefined
      const request: Codex.Request = {
        ...options,
        ...turnOptions,
        conversationId: id,
        instructions: [before.instructions, instructions].filter((part) => part !== "").join("\n\n"),
        input: items,
        ...(routedTo !== undefined && { routingToken: routedTo })
      }
      const after = (turn: Turn.Turn): State => ({
        instructions: before.instructions,
        items: [...items, ...turn.items],
        lastTurn: Option.some(turn),
        routingToken: turn.routingToken,
        lastFailure: Option.none(),
        repairs: [...before.repairs, ...repairs]
      })
      return { request, after }
    }

    const firstStep = (said: Said): Effect.Effect<Step> =>
      Effect.map(Ref.get(state), (before) => {
        const news = entries(said)
        return { before, said: news, sameTurn: goesOn(news), followUps: 0 }
      })

    const followUp = (step: Step, before: State): Step => ({
      before,
      said: [],
      sameTurn: true,
      followUps: step.followUps + 1
    })

    const remember = (error: CodexError): Effect.Effect<void> =>
      Ref.update(state, (before): State => ({ ...before, lastFailure: Option.some(error) }))

    /** The conversation changes once, when the last request of a turn is over: what breaks leaves nothing behind. */
    const finish = (step: Step, turnOptions: TurnOptions): Effect.Effect<Turn.Turn, CodexError> =>
      Effect.suspend(() => {
        const { after, request } = plan(step, turnOptions)
        return Effect.flatMap(codex.turn(request), (turn) =>
          FollowUp.isWanted(turn, step.followUps)
            ? Effect.map(finish(followUp(step, after(turn)), turnOptions), (rest) => Turn.join(turn, rest))
            : Effect.as(Ref.set(state, after(turn)), turn)
        )
      })

    const events = (
      step: Step,
      turnOptions: TurnOptions,
      onOver: Effect.Effect<void>
    ): Stream.Stream<TurnEvent.TurnEvent | TurnEvent.TurnRestarted, CodexError> =>
      Stream.suspend(() => {
        const { after, request } = plan(step, turnOptions)
        let unfinished: State | undefined
        const completed = ({ turn }: TurnEvent.TurnCompleted): Effect.Effect<void> => {
          const state_ = after(turn)
          if (!FollowUp.isWanted(turn, step.followUps)) return Effect.zipRight(Ref.set(state, state_), onOver)
          unfinished = state_
          return Effect.void
        }
        return Stream.concat(
          Stream.tap(codex.stream(request), (event) =>
            event._tag === "TurnCompleted" ? completed(event) : Effect.void
          ),
          Stream.suspend(() =>
            unfinished === undefined ? Stream.empty : events(followUp(step, unfinished), turnOptions, onOver)
          )
        )
      })

    const stream: Conversation["stream"] = (said, turnOptions = {}) =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const giveBack = yield* floor.take
          return Stream.tapError(events(yield* firstStep(said), turnOptions, giveBack), remember)
        })
      )

    const send: Conversation["send"] = (said, turnOptions = {}) =>
      floor.hold(
        Effect.tapError(
          Effect.flatMap(firstStep(said), (step) => finish(step, turnOptions)),
          remember
        )
      )

    return {
      id,
      send,
      stream,
      sendToolResults: send,
      history: Effect.map(Ref.get(state), ({ items }) => items),
      lastTurn: Effect.map(Ref.get(state), ({ lastTurn }) => lastTurn),
      lastFailure: Effect.map(Ref.get(state), ({ lastFailure }) => lastFailure),
      repairs: Effect.map(Ref.get(state), ({ repairs }) => repairs),
      fork: Effect.flatMap(Effect.all([ConversationId.random, Ref.get(state)]), ([forkId, past]) =>
        makeFrom(codex, options, forkId, { ...past, routingToken: undefined })
      ),
      snapshot: Effect.map(Ref.get(state), ({ instructions, items }) => ({
        version: 1,
        id: id as ConversationId.ConversationId,
        instructions,
        items
      }))
    }
  })

const blank = (instructions: string): State => ({
  instructions,
  items: [],
  lastTurn: Option.none(),
  routingToken: undefined,
  lastFailure: Option.none(),
  repairs: []
})

/**
 * Begins a conversation.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Conversation } from "effect-codex"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const conversation = yield* Conversation.make({ instructions: "Answer in one sentence." })
 *   yield* conversation.send("What is a monad?")
 *   const turn = yield* conversation.send("And a comonad?")
 *   return turn.text
 * })
 * ```
 */
export const make = (options: Options = {}): Effect.Effect<Conversation, never, Codex.Codex> =>
  Effect.gen(function* () {
    const codex = yield* Codex.Codex
    const { conversationId, instructions = "", ...settings } = options
    return yield* makeFrom(codex, settings, conversationId ?? (yield* ConversationId.random), blank(instructions))
  })

/**
 * Takes a conversation up where it was left. Settings and tools are given anew.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resume = (
  snapshot: Snapshot,
  options: Omit<Options, "conversationId" | "instructions"> = {}
): Effect.Effect<Conversation, never, Codex.Codex> =>
  Effect.flatMap(Codex.Codex, (codex) =>
    makeFrom(codex, options, snapshot.id, { ...blank(snapshot.instructions), items: snapshot.items })
  )

/**
 * A snapshot as JSON text.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toJson = (snapshot: Snapshot): string => JSON.stringify(snapshot)

/**
 * The snapshot in a JSON text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromJson = (json: string): Effect.Effect<Snapshot, InvalidSnapshot> =>
  Effect.mapError(
    Schema.decodeUnknown(Schema.parseJson())(json),
    () => new InvalidSnapshot({ problem: "it is no JSON" })
  ).pipe(
    Effect.flatMap((value) =>
      Effect.mapError(Schema.decodeUnknown(Snapshot)(value), (error) => {
        const version = (value as { readonly version?: unknown } | null)?.version
        return new InvalidSnapshot({
          ...(version !== undefined && { version }),
          problem: error.message.split("\n").slice(0, 3).join(" ").slice(0, maxProblemLength)
        })
      })
    )
  )
