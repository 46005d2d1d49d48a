/**
 * A `LanguageModel` of `@effect/ai` for the ChatGPT Codex backend.
 *
 * This Layer runs `@effect/ai` programs on a ChatGPT login. Conversations with `Chat` keep ids, encrypted reasoning and
 * the server's prompt cache:
 *
 * - **Tools run only after a completed turn.** Calls are buffered until the turn completes and then emitted together,
 *   so that `concurrency` applies. A truncated or failed turn runs no handler.
 * - **Invalid calls are answered.** For an unknown name, invalid JSON or arguments that do not match the schema, the
 *   model gets an error text; see {@link Config.Service}.
 * - **No duplicate text.** A request is retried only before its first output.
 * - **Turns are remembered.** A prompt from a `Chat` is sent with the exact items of its earlier turns and the same
 *   conversation id.
 *
 * @since 0.1.0
 */
import type * as AiError from "@effect/ai/AiError"
import type * as IdGenerator from "@effect/ai/IdGenerator"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as AiModel from "@effect/ai/Model"
import type * as Response from "@effect/ai/Response"
import * as Telemetry from "@effect/ai/Telemetry"
import { OutputFormat, Redaction, type Repair, RoutingToken, Turn } from "@effect-codex/schema"
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
import * as Refused from "./internal/refused.ts"
import * as Rounds from "./internal/rounds.ts"
import * as Toolkit from "./internal/toolkit.ts"
import * as TurnMemory from "./internal/turnMemory.ts"

/**
 * Settings for requests within an effect, overriding those of the Layer: see {@link withConfig}.
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
   * The fields of a `Codex.Request` that do not come from the prompt, the toolkit or the schema. Parameters that the
   * backend refuses (`temperature`, output limits, …) have no key.
   *
   * - `instructions` precede the system messages of the prompt.
   * - `toolChoice` overrides the call's own; `allowed_tools` restricts the tools without changing their list, which
   *   keeps the prompt cache.
   * - `conversationId` identifies the conversation. By default, a prompt that continues a remembered turn uses that
   *   turn's id, and any other prompt gets a new one.
   * - `timeLimit` applies to each request; a call can need several.
   * - `invalidToolCalls`: how to handle calls that match no tool of the toolkit. `"answer"` (the default) sends the
   *   model an error: with the next request, or, if no call of the turn is valid, at once in a hidden request, at most
   *   three times. `"fail"` fails with `MalformedOutput` before any handler runs.
   *
   * @since 0.1.0
   * @category configuration
   */
  export interface Service extends Omit<Codex.Request, "prompt" | "input" | "tools" | "output" | "routingToken"> {
    readonly invalidToolCalls?: "answer" | "fail"
  }
}

/**
 * Options of the Layer.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /** Default: the model of `CodexConfig`. */
  readonly model?: string
  readonly config?: Omit<Config.Service, "model">
  /**
   * The maximum number of remembered turns, and their maximum total size (in characters of JSON): by default 1024 turns
   * and 64 Mi. The least recently used turns are evicted first; the next request then omits their reasoning and reports
   * it as a repair.
   */
  readonly memory?: { readonly maxTurns?: number; readonly maxSize?: number }
}

const defaultLimits: TurnMemory.Limits = { maxTurns: 1024, maxSize: 64 * 1024 * 1024 }

/** One call of `LanguageModel`, from prompt to outcome. */
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

/** The next request. */
const requestOf = ({ prompt, request }: Run, progress: Rounds.Progress): Codex.Request => {
  const routingToken = RoutingToken.first(prompt.routingToken, progress.turn?.routingToken)
  return {
    ...request,
    input: Rounds.entriesOf(prompt, progress),
    ...(routingToken !== undefined && { routingToken })
  }
}

/** Schema identifiers can have any form. */
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
                // its services come from the caller, where it is decoded
                schema: responseFormat.schema as Schema.Schema<unknown, unknown>
              })
            : undefined
        // without tools, a tool choice is invalid
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

    /** Remembers a finished turn. `text` is its text in the response. */
    const keep = (
      { conversationId, prompt }: Run,
      { answers, items, outcome, refused }: Rounds.Done,
      text: string
    ): Effect.Effect<KeptTurn> =>
      Effect.gen(function* () {
        const said = yield* Digest.ofSaid({ text, callIds: outcome.calls.map(({ call }) => call.callId) })
        const kept: KeptTurn = {
          items,
          answers,
          said,
          conversationId,
          ...(refused.size > 0 && { refused: yield* Refused.digests([...refused]) })
        }
        const digest = yield* Digest.join(prompt.digest, said)
        memory.remember({ digest, asked: prompt.asked }, { ...kept, routingToken: outcome.turn.routingToken })
        return kept
      })

    const annotate = ({ options: { span } }: Run, { reason, turn }: Outcome.Outcome): void => {
      // any text of the server can quote the request
      const scrub = (text: string | undefined) => text && Redaction.scrub(text)
      Telemetry.addGenAIAnnotations(span, {
        system: "openai",
        response: { id: scrub(turn.responseId), model: scrub(turn.model), finishReasons: [reason] },
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
          // a client stream that does not fail ends with a completed turn
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

    /** Streams the parts of one request, and then of its follow-up requests. */
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
            // a client stream that does not fail ends with a completed turn
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

    /** Emits the calls in one chunk; the `finish` part follows their results. */
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

/** The model's text, or the JSON of the answer. */
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
 * A `Model` of `@effect/ai`, with the provider name `"codex"`.
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
 * Sets options for requests within an effect. They override those of the Layer, and inner ones override outer ones.
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
 * Like {@link withConfig}, for the requests of a stream.
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
 * The error of this library that caused an `AiError`, with its details: when a limit resets, the partial output of a
 * failed turn, which model is not available.
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
