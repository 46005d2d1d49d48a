/**
 * A conversation: the history that each turn goes on from, kept exactly as it was sent and received.
 *
 * The next request is always the one before plus what is new, byte for byte, under one id, so that the server finds what
 * it has cached. What was finished is kept at every moment: a turn that fails or is interrupted leaves the turns and the
 * results of tools before it, and a call without a result is answered neutrally when the conversation goes on.
 *
 * @since 0.1.0
 */
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import { Failure, History, type Repair, type RoutingToken, type Turn, type TurnEvent } from "@effect-codex/schema"
import { ConversationId } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Codex from "./Codex.ts"
import type { CodexError } from "./CodexError.ts"
import * as Floor from "./internal/floor.ts"
import * as Loop from "./internal/loop.ts"
import * as Snapshot from "./Snapshot.ts"
import type { LoopLimitReached } from "./ToolError.ts"
import type { Limits, LoopCompleted, LoopEvent, LoopTool } from "./ToolLoop.ts"

/**
 * What holds for all turns of a conversation: everything of a request but its input. Handlers of tools run in the
 * environment the conversation was made in.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<out E = never, out R = never>
  extends Omit<Codex.Request, "prompt" | "input" | "routingToken" | "cacheKey" | "tools" | "timeLimit"> {
  readonly tools?: ReadonlyArray<LoopTool<E, R>> | undefined
}

/**
 * What comes next in a conversation: a prompt, one message or item, or several.
 *
 * @since 0.1.0
 * @category models
 */
export type Input = string | History.Entry | ReadonlyArray<History.Entry>

/**
 * Settings that hold for one turn only.
 *
 * @since 0.1.0
 * @category models
 */
export interface TurnOptions
  extends Omit<
    Codex.Request,
    "prompt" | "input" | "routingToken" | "cacheKey" | "tools" | "conversationId" | "instructions"
  > {}

/**
 * Settings and limits of one run. `tools` take the place of the conversation's own; other tools than before cost the
 * prompt cache.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunOptions<out E = never, out R = never> extends Omit<TurnOptions, "timeLimit">, Limits<R> {
  readonly tools?: ReadonlyArray<LoopTool<E, R>> | undefined
}

/**
 * One conversation, one turn at a time: a `send` waits until the one before it is over. `E` are the failures of its tools,
 * which `ToolFailed` brings, and `S` the failure to save it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Conversation<out E = never, out S = never> {
  readonly id: string
  /**
   * Says something and waits for the turn. Tool calls in it are the program's to answer, by {@link sendToolResults}. What
   * the server wants finished in a further request is (`endTurn: false`).
   */
  readonly send: (input: Input, options?: TurnOptions) => Effect.Effect<Turn.Turn, CodexError | S>
  /**
   * The same as a stream of events. The history grows with each `TurnCompleted`, and from the last one on the next `send`
   * can begin. A `send` by the fiber that reads the stream fails before that: it would wait for itself.
   */
  readonly stream: (
    input: Input,
    options?: TurnOptions
  ) => Stream.Stream<TurnEvent.TurnEvent | TurnEvent.TurnRestarted, CodexError | S>
  /** Answers the tool calls of the last turn; goes on with the same turn of the server's. */
  readonly sendToolResults: (
    results: ReadonlyArray<History.Entry>,
    options?: TurnOptions
  ) => Effect.Effect<Turn.Turn, CodexError | S>
  /**
   * Says something and lets the model use the tools until it is done: the events of all turns and tools, then
   * `LoopCompleted`. It can be interrupted at any time; interrupting it interrupts the tools that run.
   */
  readonly run: <E1 = never, R1 = never>(
    input: Input,
    options?: RunOptions<E1, R1>
  ) => Stream.Stream<LoopEvent<E | E1>, CodexError | LoopLimitReached | S, R1>
  /** The same for programs that show nothing before the end. */
  readonly complete: <E1 = never, R1 = never>(
    input: Input,
    options?: RunOptions<E1, R1>
  ) => Effect.Effect<LoopCompleted, CodexError | LoopLimitReached | S, R1>
  /**
   * Opens the WebSocket ahead of the next turn, so that the turn does not wait for the handshake, and closes the
   * conversation's WebSocket with the scope. Waits for a turn that runs. Does nothing where turns go by server-sent events.
   */
  readonly connect: (options?: Codex.ConnectOptions) => Effect.Effect<void, CodexError, Scope.Scope>
  /** Everything so far: the `input` of a request that goes on from here. */
  readonly history: Effect.Effect<ReadonlyArray<History.Entry>>
  /** The last finished turn; its `responseId` is the latest one. */
  readonly lastTurn: Effect.Effect<Option.Option<Turn.Turn>>
  /** The failure of what was tried last, if it failed; its `partial` is what had arrived. */
  readonly lastFailure: Effect.Effect<Option.Option<CodexError | LoopLimitReached | S>>
  /** Changes that were made to the input, so that the server accepts it. */
  readonly repairs: Effect.Effect<ReadonlyArray<Repair.Repair>>
  /** A conversation of its own with the same past. It is not saved. */
  readonly fork: Effect.Effect<Conversation<E>>
  /** The conversation as it stands, to be taken up again with {@link resume}. */
  readonly snapshot: Effect.Effect<Snapshot.Snapshot>
}

interface State<S> {
  readonly instructions: string
  readonly items: ReadonlyArray<History.Entry>
  readonly lastTurn: Option.Option<Turn.Turn>
  readonly routingToken: RoutingToken.RoutingToken | undefined
  readonly lastFailure: Option.Option<CodexError | LoopLimitReached | S>
  readonly repairs: ReadonlyArray<Repair.Repair>
}

const entries = (input: Input): ReadonlyArray<History.Entry> =>
  typeof input === "string"
    ? [{ role: "user", content: [{ _tag: "Text", text: input }] }]
    : Array.isArray(input)
      ? (input as ReadonlyArray<History.Entry>)
      : [input as History.Entry]

/** Answers to tool calls go on with the turn that made them, and only they do (protocol B.5). */
const goesOn = (news: ReadonlyArray<History.Entry>): boolean =>
  news.every((entry) => ("type" in entry ? entry.type.endsWith("_output") : entry.role === "tool"))

const snapshotOf = <S>(id: string, { instructions, items }: State<S>): Snapshot.Snapshot => ({
  version: 1,
  id: id as ConversationId.ConversationId,
  instructions,
  items: History.compile(items).items
})

/** What a conversation is made of. `save` is run after everything that was finished. */
interface Parts<E, S> {
  readonly codex: Codex.Service
  readonly id: string
  readonly request: Omit<Options, "conversationId" | "instructions" | "tools">
  readonly tools: ReadonlyArray<LoopTool<E, never>>
  readonly initial: State<S>
  readonly save: (snapshot: () => Snapshot.Snapshot) => Effect.Effect<void, S>
}

const makeFrom = <E, S>({ codex, id, initial, request, save, tools }: Parts<E, S>): Effect.Effect<Conversation<E, S>> =>
  Effect.map(Floor.make, (floor) => {
    let state = initial

    const serving = <E1, R1>(loop: Loop.Loop<E1, R1, S>): Loop.Loop<E1, R1, S> => ({
      ...loop,
      answer: (emit) => floor.serving(loop.answer(emit))
    })

    const loop = <E1, R1>(
      input: Input,
      options: TurnOptions,
      limits: Limits<R1> | undefined,
      tools: ReadonlyArray<LoopTool<E | E1, R1>>
    ) =>
      Effect.suspend(() => {
        const news = entries(input)
        const { entries: items, instructions } = History.splitInstructions([...state.items, ...news])
        const all = [state.instructions, instructions].filter((part) => part !== "").join("\n\n")
        return Loop.make<E | E1, R1, S>({
          codex,
          request: { ...request, ...options, conversationId: id, instructions: all },
          tools,
          limits,
          entries: items,
          routingToken: goesOn(news) ? state.routingToken : undefined,
          keep: (items, turn) => {
            state = {
              ...state,
              instructions: all,
              items,
              ...(turn !== undefined && {
                lastTurn: Option.some(turn),
                routingToken: turn.routingToken,
                lastFailure: Option.none(),
                repairs: [...state.repairs, ...(turn.repairs ?? [])]
              })
            }
          },
          save: Effect.suspend(() => save(() => snapshotOf(id, state)))
        })
      }).pipe(Effect.map(serving))

    const remember = (error: CodexError | LoopLimitReached | S) =>
      Effect.sync(() => {
        state = { ...state, lastFailure: Option.some(error) }
      })

    /** Has the floor until the loop is over. */
    const streaming = <E1, R1>(
      begin: Effect.Effect<Loop.Loop<E1, R1, S>>
    ): Stream.Stream<LoopEvent<E1>, CodexError | LoopLimitReached | S, R1> =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const giveBack = yield* floor.take
          return Stream.tapError(Loop.stream(yield* begin, giveBack), remember)
        })
      )

    const completing = <E1, R1>(
      begin: Effect.Effect<Loop.Loop<E1, R1, S>>
    ): Effect.Effect<LoopCompleted, CodexError | LoopLimitReached | S, R1> =>
      floor.hold(Effect.tapError(Effect.flatMap(begin, Loop.complete), remember))

    /** Without limits no call is carried out, and no limit is reached. */
    const once = (input: Input, options: TurnOptions = {}) => loop<never, never>(input, options, undefined, tools)

    const send: Conversation<E, S>["send"] = (input, options) =>
      Effect.map(completing(once(input, options)), ({ turn }) => turn) as Effect.Effect<Turn.Turn, CodexError | S>

    const stream: Conversation<E, S>["stream"] = (input, options) =>
      Stream.filter(streaming(once(input, options)), isTurnEvent) as ReturnType<Conversation<E, S>["stream"]>

    const many = <E1, R1>(
      input: Input,
      { approve, concurrency, maxSteps, maxTokens, timeLimit, tools: own, ...options }: RunOptions<E1, R1> = {}
    ) => loop<E1, R1>(input, options, { approve, concurrency, maxSteps, maxTokens, timeLimit }, own ?? tools)

    return {
      id,
      send,
      stream,
      sendToolResults: send,
      run: (input, options) => streaming(many(input, options)),
      complete: (input, options) => completing(many(input, options)),
      connect: (options) =>
        floor.hold(
          Effect.suspend(() => {
            const { instructions, items } = state
            return codex.connect({ ...request, conversationId: id, instructions, tools, input: items }, options)
          })
        ),
      history: Effect.sync(() => state.items),
      lastTurn: Effect.sync(() => state.lastTurn),
      lastFailure: Effect.sync(() => state.lastFailure),
      repairs: Effect.sync(() => state.repairs),
      fork: Effect.flatMap(ConversationId.random, (forkId) =>
        makeFrom<E, never>({
          codex,
          id: forkId,
          request,
          tools,
          initial: { ...state, routingToken: undefined, lastFailure: Option.none() },
          save: () => Effect.void
        })
      ),
      snapshot: Effect.sync(() => snapshotOf(id, state))
    }
  })

const isTurnEvent = (event: LoopEvent<unknown>) => event._tag !== "LoopCompleted"

const blank = (instructions: string): State<never> => ({
  instructions,
  items: [],
  lastTurn: Option.none(),
  routingToken: undefined,
  lastFailure: Option.none(),
  repairs: []
})

/** A stored conversation may hold anything; what the server would refuse of it is repaired once and for all. */
const restored = (past: Resumable): Effect.Effect<State<never>, Snapshot.InvalidSnapshot> =>
  Effect.try({
    try: () => {
      const { items, repairs } = History.compile(past.items)
      return { ...blank(past.instructions ?? ""), items, repairs }
    },
    // a property that fails when it is read
    catch: () => new Snapshot.InvalidSnapshot({ problem: "a property of it cannot be read" })
  })

/** What is wrong with a document as a whole, which a program without types may have read from anywhere. */
const misfitOf = (past: unknown): Snapshot.InvalidSnapshot | undefined => {
  if (!Predicate.isRecord(past)) return new Snapshot.InvalidSnapshot({ problem: "it is not an object" })
  const { instructions, items, version } = past
  if (version !== undefined && version !== 1) {
    return new Snapshot.InvalidSnapshot({ version, problem: "it has another version" })
  }
  if (!Array.isArray(items)) return new Snapshot.InvalidSnapshot({ problem: 'its "items" are not a list' })
  return Predicate.isNullable(instructions) || typeof instructions === "string"
    ? undefined
    : new Snapshot.InvalidSnapshot({ problem: 'its "instructions" are not a text' })
}

/** What a conversation is made of, whatever its past. The handlers get the environment of this moment. */
const partsOf = <E, R>({ conversationId, instructions = "", tools = [], ...request }: Options<E, R>) =>
  Effect.gen(function* () {
    const codex = yield* Codex.Codex
    const context = yield* Effect.context<R>()
    return {
      codex,
      request,
      tools: tools.map((tool): LoopTool<E, never> => Loop.provideHandler(tool, context)),
      id: conversationId ?? (yield* ConversationId.random),
      initial: blank(instructions)
    }
  })

const inMemory = () => Effect.void

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
export const make = <E = never, R = never>(
  options: Options<E, R> = {}
): Effect.Effect<Conversation<E>, never, Codex.Codex | R> =>
  Effect.flatMap(partsOf(options), (parts) => makeFrom<E, never>({ ...parts, save: inMemory }))

/**
 * What a conversation can be taken up from: a `Snapshot`, or items and messages from wherever you keep them, such as the
 * `history` of another conversation.
 *
 * @since 0.1.0
 * @category models
 */
export interface Resumable {
  readonly items: ReadonlyArray<History.Entry>
  /** Default: none. */
  readonly instructions?: string | undefined
  /** The id it had, so that the server finds its prompt cache: 1 to 64 visible ASCII characters. Default: a new one. */
  readonly id?: string | undefined
}

/**
 * Takes a conversation up where it was left. Settings and tools are given again. What the server would refuse of the items
 * is repaired (`History.compile`), and `repairs` says how. With an id that fits no header the first turn fails with
 * `InvalidRequest`, and nothing is sent. A document without a list of items fails with `InvalidSnapshot`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Conversation, Snapshot } from "effect-codex"
 *
 * const next = (saved: string) =>
 *   Effect.gen(function* () {
 *     const conversation = yield* Conversation.resume(yield* Snapshot.fromJson(saved))
 *     return yield* conversation.send("Where were we?")
 *   })
 * ```
 */
export const resume = <E = never, R = never>(
  past: Resumable,
  options: Omit<Options<E, R>, "conversationId" | "instructions"> = {}
): Effect.Effect<Conversation<E>, Snapshot.InvalidSnapshot, Codex.Codex | R> =>
  Effect.gen(function* () {
    const misfit = misfitOf(past)
    if (misfit !== undefined) return yield* misfit
    const parts = yield* partsOf(options)
    const initial = yield* restored(past)
    return yield* makeFrom<E, never>({ ...parts, id: past.id ?? parts.id, initial, save: inMemory })
  })

/**
 * The conversation of this id in the `KeyValueStore`, or a new one. It is saved after every finished turn and after every
 * set of tool results, so that it can be taken up after a crash; a call that ran when the program died is answered neutrally
 * and not run again. The instructions it began with stay.
 *
 * When another writer has saved the same conversation since it was loaded, the next save fails with `StoreFailed` and
 * changes nothing. See `Snapshot` for what a store must not do.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Conversation } from "effect-codex"
 *
 * const program = Effect.gen(function* () {
 *   const conversation = yield* Conversation.persisted("holiday", { instructions: "Plan the trip." })
 *   yield* Stream.runDrain(conversation.run("Where were we?"))
 * })
 * ```
 */
export const persisted = <E = never, R = never>(
  id: string,
  options: Omit<Options<E, R>, "conversationId"> = {}
): Effect.Effect<
  Conversation<E, Snapshot.StoreFailed>,
  Snapshot.StoreFailed | Snapshot.InvalidSnapshot,
  Codex.Codex | KeyValueStore.KeyValueStore | R
> =>
  Effect.gen(function* () {
    const store = yield* KeyValueStore.KeyValueStore
    const parts = yield* partsOf(options)
    const saved = yield* Snapshot.load(store, id)
    let revision = Option.match(saved, { onNone: () => 0, onSome: ({ revision }) => revision })
    return yield* makeFrom<E, Snapshot.StoreFailed>({
      ...parts,
      id,
      initial: yield* Option.match(saved, {
        onNone: () => Effect.succeed(parts.initial),
        onSome: ({ snapshot }) => restored(snapshot)
      }),
      save: (snapshot) =>
        Effect.suspend(() => {
          const now = snapshot()
          return Snapshot.save(store, now, revision).pipe(
            Effect.mapError((error) =>
              Failure.withFacts<Snapshot.StoreFailed>(error, { history: Redacted.make(now.items) })
            ),
            Effect.map((next) => {
              revision = next
            })
          )
        })
    })
  })
