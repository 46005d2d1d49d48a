/**
 * A conversation keeps its history exactly as it was sent and received, and sends it with each turn.
 *
 * Each request is the previous one plus the new input, byte for byte and under the same id, so that the server can use
 * its prompt cache. Completed work is never lost: after a failed or interrupted turn, the earlier turns and tool
 * results remain. A call without a result gets a neutral answer with the next request.
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
import * as Loop from "./internal/loop.ts"
import * as TurnLock from "./internal/turnLock.ts"
import * as Snapshot from "./Snapshot.ts"
import type { LoopLimitReached } from "./ToolError.ts"
import type { Limits, LoopCompleted, LoopEvent, LoopTool } from "./ToolLoop.ts"

/**
 * Options for all turns of a conversation: every field of a request except its input. Tool handlers run in the
 * environment in which the conversation was created.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<out E = never, out R = never>
  extends Omit<Codex.Request, "prompt" | "input" | "routingToken" | "cacheKey" | "tools" | "timeLimit"> {
  readonly tools?: ReadonlyArray<LoopTool<E, R>> | undefined
}

/**
 * New input: a prompt, or one or more messages or items.
 *
 * @since 0.1.0
 * @category models
 */
export type Input = string | History.Entry | ReadonlyArray<History.Entry>

/**
 * Options for one turn only.
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
 * Options and limits of one run. `tools` replaces the tools of the conversation. A change of tools invalidates the
 * prompt cache.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunOptions<out E = never, out R = never> extends Omit<TurnOptions, "timeLimit">, Limits<R> {
  readonly tools?: ReadonlyArray<LoopTool<E, R>> | undefined
}

/**
 * One conversation. Turns run one at a time: a `send` waits for the previous one. `E` is the error type of its tools,
 * reported by `ToolFailed`. `S` is the error type of saving it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Conversation<out E = never, out S = never> {
  readonly id: string
  /**
   * Sends input and waits for the turn. The program answers the turn's tool calls with {@link sendToolResults}. A turn
   * that the server continues in another request (`endTurn: false`) is continued.
   */
  readonly send: (input: Input, options?: TurnOptions) => Effect.Effect<Turn.Turn, CodexError | S>
  /**
   * Like `send`, as a stream of events. Each `TurnCompleted` extends the history, and after the last one the next
   * `send` can begin. The reader of the stream cannot call `send` earlier, nor can a fiber that it starts: the call
   * would wait for itself, so it fails.
   */
  readonly stream: (
    input: Input,
    options?: TurnOptions
  ) => Stream.Stream<TurnEvent.TurnEvent | TurnEvent.TurnRestarted, CodexError | S>
  /** Answers the tool calls of the last turn. For the server this continues the same turn. */
  readonly sendToolResults: (
    results: ReadonlyArray<History.Entry>,
    options?: TurnOptions
  ) => Effect.Effect<Turn.Turn, CodexError | S>
  /**
   * Sends input and runs the tool loop until the model is done. Emits the events of all turns and tools, then
   * `LoopCompleted`. Interrupting the stream interrupts the running tools.
   */
  readonly run: <E1 = never, R1 = never>(
    input: Input,
    options?: RunOptions<E1, R1>
  ) => Stream.Stream<LoopEvent<E | E1>, CodexError | LoopLimitReached | S, R1>
  /** Like `run`, for programs that only need the result. */
  readonly complete: <E1 = never, R1 = never>(
    input: Input,
    options?: RunOptions<E1, R1>
  ) => Effect.Effect<LoopCompleted, CodexError | LoopLimitReached | S, R1>
  /**
   * Opens the WebSocket, so that the next turn does not wait for the handshake, and closes it with the scope. Waits for
   * a running turn. Does nothing if turns use server-sent events.
   */
  readonly connect: (options?: Codex.ConnectOptions) => Effect.Effect<void, CodexError, Scope.Scope>
  /** The whole history so far. Use it as the `input` of a request that continues the conversation. */
  readonly history: Effect.Effect<ReadonlyArray<History.Entry>>
  /** The last completed turn. Its `responseId` is the latest one. */
  readonly lastTurn: Effect.Effect<Option.Option<Turn.Turn>>
  /** The error of the last operation, if it failed. `partial` contains what had arrived. */
  readonly lastFailure: Effect.Effect<Option.Option<CodexError | LoopLimitReached | S>>
  /** Changes made to the history so that the server accepts it. */
  readonly repairs: Effect.Effect<ReadonlyArray<Repair.Repair>>
  /** A new, independent conversation with the same history. It is not saved. */
  readonly fork: Effect.Effect<Conversation<E>>
  /** The current state, to be continued with {@link resume}. */
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

/** Only answers to tool calls continue the server's turn (protocol B.5). */
const continuesTurn = (input: ReadonlyArray<History.Entry>): boolean => input.every(History.isToolOutput)

const snapshotOf = <S>(id: string, { instructions, items }: State<S>): Snapshot.Snapshot => ({
  version: 1,
  id: id as ConversationId.ConversationId,
  instructions,
  items: History.compile(items).items
})

/** `save` runs after each completed turn and set of tool results. */
interface Parts<E, S> {
  readonly codex: Codex.Service
  readonly id: string
  readonly request: Omit<Options, "conversationId" | "instructions" | "tools">
  readonly tools: ReadonlyArray<LoopTool<E, never>>
  readonly initial: State<S>
  readonly save: (snapshot: () => Snapshot.Snapshot) => Effect.Effect<void, S>
}

const makeFrom = <E, S>({ codex, id, initial, request, save, tools }: Parts<E, S>): Effect.Effect<Conversation<E, S>> =>
  Effect.map(TurnLock.make, (turnLock) => {
    let state = initial

    const insideTurn = <E1, R1>(loop: Loop.Loop<E1, R1, S>): Loop.Loop<E1, R1, S> => ({
      ...loop,
      answer: (emit) => turnLock.partOfTurn(loop.answer(emit))
    })

    const loop = <E1, R1>(
      input: Input,
      options: TurnOptions,
      limits: Limits<R1> | undefined,
      tools: ReadonlyArray<LoopTool<E | E1, R1>>
    ) =>
      Effect.suspend(() => {
        const added = entries(input)
        const { entries: items, instructions } = History.splitInstructions([...state.items, ...added])
        const all = [state.instructions, instructions].filter((part) => part !== "").join("\n\n")
        return Loop.make<E | E1, R1, S>({
          codex,
          request: { ...request, ...options, conversationId: id, instructions: all },
          tools,
          limits,
          entries: items,
          routingToken: continuesTurn(added) ? state.routingToken : undefined,
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
      }).pipe(Effect.map(insideTurn))

    const remember = (error: CodexError | LoopLimitReached | S) =>
      Effect.sync(() => {
        state = { ...state, lastFailure: Option.some(error) }
      })

    /** Holds the lock until the loop is over. */
    const streaming = <E1, R1>(
      begin: Effect.Effect<Loop.Loop<E1, R1, S>>
    ): Stream.Stream<LoopEvent<E1>, CodexError | LoopLimitReached | S, R1> =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const release = yield* turnLock.acquire
          return Stream.tapError(Loop.stream(yield* begin, release), remember)
        })
      )

    const completing = <E1, R1>(
      begin: Effect.Effect<Loop.Loop<E1, R1, S>>
    ): Effect.Effect<LoopCompleted, CodexError | LoopLimitReached | S, R1> =>
      turnLock.withLock(Effect.tapError(Effect.flatMap(begin, Loop.complete), remember))

    /** Without limits, no call is executed and no limit can be reached. */
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
        turnLock.withLock(
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

const emptyState = (instructions: string): State<never> => ({
  instructions,
  items: [],
  lastTurn: Option.none(),
  routingToken: undefined,
  lastFailure: Option.none(),
  repairs: []
})

/** A stored conversation may contain items the server rejects, so the history is repaired once here. */
const restored = (past: Resumable): Effect.Effect<State<never>, Snapshot.InvalidSnapshot> =>
  Effect.try({
    try: () => {
      const { items, repairs } = History.compile(past.items)
      return { ...emptyState(past.instructions ?? ""), items, repairs }
    },
    // a getter can throw
    catch: () => new Snapshot.InvalidSnapshot({ problem: "one of its properties cannot be read" })
  })

/** Checks the shape of the document, because untyped programs can pass any value. */
const problemOf = (past: unknown): Snapshot.InvalidSnapshot | undefined => {
  if (!Predicate.isRecord(past)) return new Snapshot.InvalidSnapshot({ problem: "it is not an object" })
  const { instructions, items, version } = past
  if (version !== undefined && version !== 1) {
    return new Snapshot.InvalidSnapshot({ version, problem: "its version is not supported" })
  }
  if (!Array.isArray(items)) return new Snapshot.InvalidSnapshot({ problem: 'its "items" are not a list' })
  return Predicate.isNullable(instructions) || typeof instructions === "string"
    ? undefined
    : new Snapshot.InvalidSnapshot({ problem: 'its "instructions" are not a string' })
}

/** The parts that do not depend on the history. Tool handlers get the current environment. */
const partsOf = <E, R>({ conversationId, instructions = "", tools = [], ...request }: Options<E, R>) =>
  Effect.gen(function* () {
    const codex = yield* Codex.Codex
    const context = yield* Effect.context<R>()
    return {
      codex,
      request,
      tools: tools.map((tool): LoopTool<E, never> => Loop.provideHandler(tool, context)),
      id: conversationId ?? (yield* ConversationId.random),
      initial: emptyState(instructions)
    }
  })

const inMemory = () => Effect.void

/**
 * Creates a conversation.
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
 * The stored form of a conversation: a `Snapshot`, or items and messages from another source, such as the `history` of
 * another conversation.
 *
 * @since 0.1.0
 * @category models
 */
export interface Resumable {
  readonly items: ReadonlyArray<History.Entry>
  /** Default: none. */
  readonly instructions?: string | undefined
  /**
   * Its previous id, so that the server can use its prompt cache: 1 to 64 visible ASCII characters. Default: a new one.
   */
  readonly id?: string | undefined
}

/**
 * Continues a stored conversation. Pass the settings and tools again. Items that the server would reject are repaired
 * (`History.compile`), and `repairs` lists the changes. With an id that is not a valid header value, the first turn
 * fails with `InvalidRequest` before anything is sent. A document without a list of items fails with `InvalidSnapshot`.
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
    const problem = problemOf(past)
    if (problem !== undefined) return yield* problem
    const parts = yield* partsOf(options)
    const initial = yield* restored(past)
    return yield* makeFrom<E, never>({ ...parts, id: past.id ?? parts.id, initial, save: inMemory })
  })

/**
 * Loads the conversation with this id from the `KeyValueStore`, or creates a new one. It is saved after every completed
 * turn and every set of tool results, so that it can continue after a crash. A call that was running during the crash
 * gets a neutral answer and does not run again. A stored conversation keeps its instructions.
 *
 * If another writer has saved the same conversation since it was loaded, the next save fails with `StoreFailed` and
 * changes nothing. See `Snapshot` for requirements on the store.
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
    const writer = yield* ConversationId.random
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
          return Snapshot.save(store, now, revision, writer).pipe(
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
