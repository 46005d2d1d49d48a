/**
 * The ChatGPT Codex backend as a `LanguageModel` of `@effect/ai`.
 *
 * A program written against `@effect/ai` runs on a ChatGPT login by this Layer, and goes on through `Chat` without losing
 * ids, encrypted reasoning or the server's prompt cache:
 *
 * - **Tools run only when they may.** Calls are held back until the turn has ended well, and go out together, so that
 *   `concurrency` counts. A turn that was cut or failed runs no handler.
 * - **Calls that fit nothing are answered.** An unknown name, broken JSON and arguments that do not fit are told to the
 *   model in words; see {@link Config.Service}.
 * - **No text twice.** A request is tried again only before its first word.
 * - **Turns are remembered.** A prompt that comes back through a `Chat` is sent with the exact items of its turns, under
 *   the same conversation id.
 *
 * @since 0.1.0
 */
import type * as AiError from "@effect/ai/AiError"
import type * as IdGenerator from "@effect/ai/IdGenerator"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as AiModel from "@effect/ai/Model"
import type * as Response from "@effect/ai/Response"
import * as Telemetry from "@effect/ai/Telemetry"
import { OutputFormat, type Repair, RoutingToken, Turn } from "@effect-codex/schema"
import { ConversationId } from "@effect-codex/transport"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Codex, CodexError } from "effect-codex"
import type { KeptTurn } from "./CodexMetadata.ts"
import { type Cause, fromCause, type Method } from "./internal/aiError.ts"
import * as Digest from "./internal/digest.ts"
import * as Outcome from "./internal/outcome.ts"
import * as Parts from "./internal/parts.ts"
import * as PromptReader from "./internal/prompt.ts"
import * as Rounds from "./internal/rounds.ts"
import * as Toolkit from "./internal/toolkit.ts"
import * as TurnMemory from "./internal/turnMemory.ts"

/**
 * Settings for the requests made within an effect, over those of the Layer: see {@link withConfig}.
 *
 * @since 0.1.0
 * @category configuration
 */
export class Config extends Context.Tag("@effect-codex/ai/CodexLanguageModel/Config")<Config, Config.Service>() {}

/**
 * @since 0.1.0
 * @category configuration
 */
export declare namespace Config {
  /**
   * Everything of a `Codex.Request` but what comes from the prompt, the toolkit and the schema. What the backend refuses
   * (`temperature`, a cap on the output, …) has no key.
   *
   * - `instructions` stand before the system messages of the prompt.
   * - `toolChoice` takes the place of the call's own; `allowed_tools` restricts the tools without changing their list,
   *   which keeps the prompt cache.
   * - `conversationId` names the conversation. Without it a prompt that goes on from a remembered turn keeps the id of that
   *   turn, and any other gets a new one.
   * - `timeLimit` is that of each request; a call can take several.
   * - `invalidToolCalls`: what becomes of calls that fit no tool of the toolkit. `"answer"` (the default) tells the model:
   *   at once, in a hidden request, when no call of the turn fits, at most three times; else with the next request.
   *   `"fail"` fails with `MalformedOutput` before any handler runs.
   *
   * @since 0.1.0
   * @category configuration
   */
  export interface Service extends Omit<Codex.Request, "prompt" | "input" | "tools" | "output" | "routingToken"> {
    readonly invalidToolCalls?: "answer" | "fail"
  }
}

/**
 * What the Layer needs to know.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /** Default: the model of `CodexConfig`. */
  readonly model?: string
  readonly config?: Omit<Config.Service, "model">
  /**
   * How many finished turns are remembered, and how large they may be all together (in characters of JSON): by default
   * 1024 turns and 64 Mi. The turns that were not used for longest are forgotten first; their reasoning is then left out of
   * the next request, which reports it as a repair.
   */
  readonly memory?: { readonly maxTurns?: number; readonly maxSize?: number }
}

const defaultLimits: TurnMemory.Limits = { maxTurns: 1024, maxSize: 64 * 1024 * 1024 }

/** One call of the interface, from prompt to outcome. */
interface Run {
  readonly method: Method
  readonly request: Codex.Request
  readonly invalidToolCalls: "answer" | "fail"
  readonly toolkit: Toolkit.Toolkit
  readonly prompt: PromptReader.Read
  readonly conversationId: string
  readonly options: LanguageModel.ProviderOptions
  readonly output: OutputFormat.OutputFormat<unknown> | undefined
}

/** The request that goes on from there. */
const requestOf = ({ prompt, request }: Run, { items, turn }: Rounds.Progress): Codex.Request => {
  const routingToken = RoutingToken.first(prompt.routingToken, turn?.routingToken)
  return {
    ...request,
    input: [...prompt.entries, ...items],
    ...(routingToken !== undefined && { routingToken })
  }
}

/** Names of schemas may be identifiers of any form. */
const formatName = (name: string): string => name.replaceAll(/[^a-zA-Z0-9_-]/g, "_").slice(0, 64) || "answer"

/**
 * The language model over a `Codex`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<LanguageModel.Service, never, Codex.Codex> =>
  Effect.gen(function* () {
    const codex = yield* Codex.Codex
    const memory = TurnMemory.make({ ...defaultLimits, ...options.memory })
    const digests = Digest.make()
    const declarations: Toolkit.Declarations = new WeakMap()

    const prepare = (method: Method, providerOptions: LanguageModel.ProviderOptions): Effect.Effect<Run, Cause> =>
      Effect.gen(function* () {
        const local = Option.getOrUndefined(yield* Effect.serviceOption(Config))
        const {
          invalidToolCalls = "answer",
          toolChoice: ownChoice,
          ...config
        } = {
          ...(options.model !== undefined && { model: options.model }),
          ...options.config,
          ...local
        } as Config.Service
        const { prompt, responseFormat } = providerOptions
        const toolkit = yield* Toolkit.make(providerOptions, declarations)
        const read = yield* PromptReader.read(prompt, {
          digests,
          memory,
          seed: config.conversationId ?? "",
          toolkit
        })
        const conversationId = config.conversationId ?? read.conversationId ?? (yield* ConversationId.random)
        const output =
          responseFormat.type === "json"
            ? yield* OutputFormat.make({
                name: formatName(responseFormat.objectName),
                // its services are those of the call, where it is decoded
                schema: responseFormat.schema as Schema.Schema<unknown, unknown>
              })
            : undefined
        // without tools there is nothing to choose
        const toolChoice = toolkit.specs.length === 0 ? undefined : (ownChoice ?? toolkit.choice)
        Telemetry.addGenAIAnnotations(providerOptions.span, {
          system: "openai",
          operation: { name: "chat" },
          request: { model: config.model }
        })
        const request: Codex.Request = {
          ...config,
          conversationId,
          ...(toolkit.specs.length > 0 && { tools: toolkit.specs }),
          ...(toolChoice !== undefined && { toolChoice }),
          ...(output !== undefined && { output })
        }
        return {
          method,
          request,
          invalidToolCalls,
          toolkit,
          prompt: read,
          conversationId,
          options: providerOptions,
          output
        }
      })

    /** Remembers a turn that ended. `text` is what the response says of it. */
    const keep = (
      { conversationId, prompt }: Run,
      { answers, items, outcome }: Rounds.Done,
      text: string
    ): Effect.Effect<KeptTurn> =>
      Effect.gen(function* () {
        const said = yield* Digest.ofSaid({ text, callIds: outcome.calls.map(({ call }) => call.callId) })
        const kept: KeptTurn = { items, answers, said, conversationId }
        const digest = yield* Digest.join(prompt.digest, said)
        memory.remember({ digest, asked: prompt.asked }, { ...kept, routingToken: outcome.turn.routingToken })
        return kept
      })

    const annotate = ({ options: { span } }: Run, { reason, turn }: Outcome.Outcome): void => {
      Telemetry.addGenAIAnnotations(span, {
        system: "openai",
        response: { id: turn.responseId, model: turn.model, finishReasons: [reason] },
        usage: { inputTokens: turn.usage?.inputTokens, outputTokens: turn.usage?.outputTokens }
      })
    }

    const now = Effect.map(DateTime.now, DateTime.formatIso)

    const turnOf = (request: Codex.Request) =>
      Effect.suspend(() => {
        let turn: Turn.Turn | undefined
        const repairs: Array<Repair.Repair> = []
        return codex.stream(request, { shown: "nothing" }).pipe(
          Stream.runForEachChunk((events) => {
            for (const event of events) {
              if (event._tag === "RequestRepaired") repairs.push(...event.repairs)
              if (event._tag === "TurnCompleted") turn = event.turn
            }
            return Effect.void
          }),
          Effect.map(() => ({ turn, repairs }))
        )
      })

    const run = (self: Run, progress: Rounds.Progress): Effect.Effect<Rounds.Done, Cause> =>
      Effect.flatMap(turnOf(requestOf(self, progress)), ({ repairs, turn }) =>
        Effect.flatMap(
          // a stream of the client that does not fail ends with its turn
          Rounds.conclude(self, progress, turn ?? Turn.fromItems([]), repairs),
          (next) => (next._tag === "Again" ? run(self, next.progress) : Effect.succeed(next))
        )
      )

    const generateText = (
      providerOptions: LanguageModel.ProviderOptions
    ): Effect.Effect<Array<Response.PartEncoded>, AiError.AiError, IdGenerator.IdGenerator> => {
      const method = providerOptions.responseFormat.type === "json" ? "generateObject" : "generateText"
      return Effect.gen(function* () {
        const self = yield* prepare(method, providerOptions)
        const timestamp = yield* now
        const done = yield* run(self, Rounds.beginning)
        const { outcome } = done
        annotate(self, outcome)
        const words = yield* wordsOf(self, outcome)
        const text = words.map((part) => (part.type === "text" ? part.text : "")).join("")
        const kept = yield* keep(self, done, text)
        return [
          Outcome.metadata(outcome.turn, timestamp),
          ...words,
          ...(yield* Outcome.sources(outcome.turn)),
          ...Outcome.hosted(outcome.turn, self.toolkit),
          ...Outcome.toolCalls(outcome),
          Outcome.finish(outcome, kept)
        ]
      }).pipe(Effect.mapError((cause) => fromCause(method, cause)))
    }

    /** The parts of one request as they come, and then those of what follows it. */
    const stream = (
      self: Run,
      progress: Rounds.Progress,
      spoken: string
    ): Stream.Stream<Response.StreamPartEncoded, Cause, IdGenerator.IdGenerator> =>
      Stream.unwrap(
        Effect.map(Effect.clock, (clock) => {
          const timestamp = () => DateTime.formatIso(DateTime.unsafeMake(clock.unsafeCurrentTimeMillis()))
          const writer = Parts.writer(progress.requests === 1 ? "" : `${progress.requests}_`, timestamp)
          const repairs: Array<Repair.Repair> = []
          let turn: Turn.Turn | undefined
          const live = codex.stream(requestOf(self, progress), { onceShown: "fail", shown: "text" }).pipe(
            Stream.mapChunks((events) => {
              for (const event of events) {
                if (event._tag === "RequestRepaired") repairs.push(...event.repairs)
                if (event._tag === "TurnCompleted") turn = event.turn
              }
              return Chunk.fromIterable(writer.write(events))
            })
          )
          const rest = Effect.gen(function* () {
            const begun: ReadonlyArray<Response.StreamPartEncoded> =
              writer.started() || turn === undefined ? [] : [Outcome.metadata(turn, timestamp())]
            const ending = Stream.fromIterable([...begun, ...writer.end()])
            // a stream of the client that does not fail ends with its turn
            const next = yield* Rounds.conclude(self, progress, turn ?? Turn.fromItems([]), repairs)
            const text = spoken + writer.text()
            return Stream.concat(
              ending,
              next._tag === "Again" ? stream(self, next.progress, text) : yield* closing(self, next, text)
            )
          })
          return Stream.concat(live, Stream.unwrap(rest))
        })
      )

    /** The calls go out in one chunk; the end of the response comes after their results. */
    const closing = (
      self: Run,
      done: Rounds.Done,
      text: string
    ): Effect.Effect<Stream.Stream<Response.StreamPartEncoded>, never, IdGenerator.IdGenerator> =>
      Effect.gen(function* () {
        const { outcome } = done
        annotate(self, outcome)
        const kept = yield* keep(self, done, text)
        const sources = yield* Outcome.sources(outcome.turn)
        return Stream.fromChunks<Response.StreamPartEncoded>(
          Chunk.fromIterable([
            ...sources,
            ...Outcome.hosted(outcome.turn, self.toolkit),
            ...Outcome.toolCalls(outcome)
          ]),
          Chunk.of(Outcome.finish(outcome, kept))
        )
      })

    return yield* LanguageModel.make({
      generateText,
      streamText: (providerOptions) =>
        Stream.unwrap(
          Effect.map(prepare("streamText", providerOptions), (self) => stream(self, Rounds.beginning, ""))
        ).pipe(Stream.mapError((cause) => fromCause("streamText", cause)))
    })
  })

/** What the model said: its words, or the JSON of the answer. */
const wordsOf = (
  { output }: Run,
  { calls, last, turn }: Outcome.Outcome
): Effect.Effect<ReadonlyArray<Response.PartEncoded>, OutputFormat.InvalidOutput> =>
  output === undefined || calls.length > 0
    ? Effect.succeed(Parts.ofTurn(turn))
    : Effect.map(output.decodeEncoded(last), (value) => [{ type: "text", text: JSON.stringify(value) }])

/**
 * The Layer of a language model over a `Codex`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { LanguageModel } from "@effect/ai"
 * import { CodexLanguageModel } from "@effect-codex/ai"
 * import * as CodexNode from "effect-codex/node"
 * import { Effect, Layer } from "effect"
 *
 * const program = LanguageModel.generateText({ prompt: "Say hello." }).pipe(
 *   Effect.provide(Layer.provide(CodexLanguageModel.layer({ model: "gpt-5.5" }), CodexNode.layer()))
 * )
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<LanguageModel.LanguageModel, never, Codex.Codex> =>
  Layer.effect(LanguageModel.LanguageModel, make(options))

/**
 * The same as a `Model` of `@effect/ai`, which also says the name of its provider, `"codex"`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const model = (
  model: string,
  config?: Options["config"]
): AiModel.Model<"codex", LanguageModel.LanguageModel, Codex.Codex> =>
  AiModel.make("codex", layer({ model, ...(config !== undefined && { config }) }))

const over = (config: Config.Service) => (local: Option.Option<Config.Service>) => ({
  ...Option.getOrUndefined(local),
  ...config
})

/**
 * Settings for the requests made within an effect. They win over those of the Layer, and inner ones over outer ones.
 *
 * @since 0.1.0
 * @category configuration
 * @example
 * ```ts
 * import { LanguageModel } from "@effect/ai"
 * import { CodexLanguageModel } from "@effect-codex/ai"
 *
 * const program = LanguageModel.generateText({ prompt: "Prove it." }).pipe(
 *   CodexLanguageModel.withConfig({ reasoning: { effort: "high" }, verbosity: "low" })
 * )
 * ```
 */
export const withConfig: {
  (config: Config.Service): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, config: Config.Service): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, config: Config.Service) =>
  Effect.flatMap(Effect.serviceOption(Config), (local) => Effect.provideService(self, Config, over(config)(local)))
)

/**
 * The same for the requests of a stream.
 *
 * @since 0.1.0
 * @category configuration
 */
export const withConfigStream: {
  (config: Config.Service): <A, E, R>(self: Stream.Stream<A, E, R>) => Stream.Stream<A, E, R>
  <A, E, R>(self: Stream.Stream<A, E, R>, config: Config.Service): Stream.Stream<A, E, R>
} = dual(2, <A, E, R>(self: Stream.Stream<A, E, R>, config: Config.Service) =>
  Stream.unwrap(
    Effect.map(Effect.serviceOption(Config), (local) => Stream.provideService(self, Config, over(config)(local)))
  )
)

/**
 * The error of this library that is the cause of an `AiError`, with its tag and its facts: when a limit resets, what had
 * arrived of a broken turn, which model is not available.
 *
 * @since 0.1.0
 * @category errors
 * @example
 * ```ts
 * import { LanguageModel } from "@effect/ai"
 * import { CodexLanguageModel } from "@effect-codex/ai"
 * import { Effect, Option } from "effect"
 *
 * const program = LanguageModel.generateText({ prompt: "Hi" }).pipe(
 *   Effect.catchAll((error) =>
 *     Option.match(CodexLanguageModel.codexError(error), {
 *       onNone: () => Effect.fail(error),
 *       onSome: (cause) =>
 *         cause._tag === "UsageLimit" ? Effect.succeed(`used up until ${cause.resetsAt}`) : Effect.fail(error)
 *     })
 *   )
 * )
 * ```
 */
export const codexError = (error: AiError.AiError): Option.Option<CodexError.CodexError> =>
  Option.liftPredicate(error.cause, CodexError.isCodexError)
