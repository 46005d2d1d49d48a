/** What the compiler promises a caller: which errors an effect can fail with, and what each Layer still needs. */

import type * as HttpClient from "@effect/platform/HttpClient"
import { describe, expectTypeOf, it } from "@effect/vitest"
import type { CodexAuth } from "@effect-codex/auth"
import type {
  FailedExchange,
  Failure,
  JsonSchema,
  OutputFormat,
  ServiceError,
  Turn,
  TurnEvent
} from "@effect-codex/schema"
import type { Carrier, CodexConfig, TransportError } from "@effect-codex/transport"
import type * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import {
  type ClientEvent,
  type Codex,
  type CodexError,
  Conversation,
  type Snapshot,
  Tool,
  type ToolError,
  Toolkit,
  ToolLoop
} from "effect-codex"
import type * as CodexNode from "effect-codex/node"

declare const codex: Codex.Service

describe("types", () => {
  it("a turn fails with CodexError and needs nothing", () => {
    expectTypeOf<ReturnType<typeof codex.turn>>().toEqualTypeOf<Effect.Effect<Turn.Turn, CodexError.CodexError>>()
    expectTypeOf<ReturnType<typeof codex.text>>().toEqualTypeOf<Stream.Stream<string, CodexError.CodexError>>()
  })

  it("an option that is not set may be undefined", () => {
    const onceShown = undefined as "restart" | undefined
    const calls = () => [
      codex.stream({ prompt: "" }, { onceShown, shown: undefined }),
      codex.object({ prompt: "" }, Schema.Struct({}), { name: undefined }),
      Tool.unsafeMake({
        name: "t",
        description: undefined,
        parameters: Schema.Struct({}),
        strict: undefined,
        deferred: undefined
      })
    ]
    expectTypeOf(calls).toBeFunction()
    expectTypeOf<{ config: undefined; auth: undefined; http: undefined }>().toExtend<CodexNode.Options>()
    expectTypeOf<{ maxConnections: undefined; proxy: undefined }>().toExtend<
      Exclude<CodexNode.Options["http"], undefined>
    >()
    expectTypeOf<{ file: undefined; token: undefined; oauth: { issuer: undefined } }>().toExtend<
      Exclude<CodexNode.Options["auth"], undefined>
    >()
  })

  it("only a stream that may restart can say so", () => {
    const failing = () => codex.stream({ prompt: "" }, { onceShown: "fail" })
    const restarting = () => codex.stream({ prompt: "" })
    expectTypeOf<ReturnType<typeof failing>>().toEqualTypeOf<
      Stream.Stream<TurnEvent.TurnEvent, CodexError.CodexError>
    >()
    expectTypeOf<ReturnType<typeof restarting>>().toEqualTypeOf<
      Stream.Stream<TurnEvent.TurnEvent | TurnEvent.TurnRestarted, CodexError.CodexError>
    >()
  })

  it("object gives the schema's type and names what it can fail with besides", () => {
    const object = () => codex.object({ prompt: "" }, Schema.Struct({ n: Schema.NumberFromString }))
    expectTypeOf<ReturnType<typeof object>>().toEqualTypeOf<
      Effect.Effect<
        { readonly n: number },
        CodexError.CodexError | OutputFormat.InvalidOutput | JsonSchema.UnsupportedSchema
      >
    >()
    expectTypeOf<Effect.Effect.Error<ReturnType<typeof object>>>().toExtend<Failure.Failure>()
    expectTypeOf<ToolError.ToolError>().toExtend<Failure.Failure>()
  })

  it("a layer's requirements shrink from part to whole", () => {
    expectTypeOf<typeof Codex.layerCarrier>().toEqualTypeOf<
      Layer.Layer<Codex.Parts, never, CodexConfig.CodexConfig | CodexAuth.CodexAuth | Carrier.Carrier>
    >()
    expectTypeOf<typeof Codex.layer>().toEqualTypeOf<
      Layer.Layer<Codex.Parts, never, CodexConfig.CodexConfig | CodexAuth.CodexAuth | HttpClient.HttpClient>
    >()
    expectTypeOf<ReturnType<typeof CodexNode.layer>>().toEqualTypeOf<
      Layer.Layer<Codex.Parts, TransportError.InvalidConfig | ConfigError.ConfigError>
    >()
  })

  it("every failure has a message, and says whether a retry can help", () => {
    expectTypeOf<CodexError.CodexError["message"]>().toEqualTypeOf<string>()
    expectTypeOf<CodexError.CodexError["isRetryable"]>().toEqualTypeOf<boolean>()
    expectTypeOf<CodexError.CodexError["_tag"]>().toExtend<string>()
    expectTypeOf<CodexError.CodexError>().toExtend<Failure.Failure>()
    expectTypeOf<CodexError.CodexError["retryAfter"]>().toEqualTypeOf<Duration.Duration | undefined>()
    expectTypeOf<CodexError.CodexError["partial"]>().toExtend<Turn.PartialTurn | undefined>()
    expectTypeOf<CodexError.CodexError["status"]>().toEqualTypeOf<number | undefined>()
    expectTypeOf<
      CodexError.CodexError["code" | "serverMessage" | "requestId" | "cfRay" | "responseId"]
    >().toEqualTypeOf<string | undefined>()
    expectTypeOf<CodexError.CodexError["exchange"]>().toEqualTypeOf<
      Redacted.Redacted<FailedExchange.FailedExchange> | undefined
    >()
  })

  it("a handler's failure and needs show in the loop", () => {
    interface Boom {
      readonly _tag: "Boom"
    }
    interface Disk {
      readonly _: unique symbol
    }
    const loop = (handler: Toolkit.Handler<Boom, Disk>) => ToolLoop.run({ prompt: "", tools: [handler] })
    expectTypeOf<ReturnType<typeof loop>>().toEqualTypeOf<
      Stream.Stream<ToolLoop.LoopEvent<Boom>, CodexError.CodexError | ToolError.LoopLimitReached, Codex.Codex | Disk>
    >()
    expectTypeOf<Conversation.Conversation["send"]>().returns.toEqualTypeOf<
      Effect.Effect<Turn.Turn, CodexError.CodexError>
    >()
  })

  it("a toolkit needs its handlers, and their Layer what the functions need", () => {
    interface Disk {
      readonly _: unique symbol
    }
    const tools = { read: Tool.unsafeMake({ name: "read", parameters: Schema.Struct({ path: Schema.String }) }) }
    const kit = () => Toolkit.make("app/Files", tools)
    type Kit = ReturnType<typeof kit>
    expectTypeOf<Effect.Effect.Context<Kit["handlers"]>>().toEqualTypeOf<Toolkit.Handlers<"app/Files">>()
    const layer = (read: (path: string) => Effect.Effect<string, Error, Disk>) =>
      kit().toLayer({
        read: ({ path }, { call }) => {
          expectTypeOf(path).toEqualTypeOf<string>()
          expectTypeOf(call).toEqualTypeOf<Turn.ToolCall>()
          return read(path)
        }
      })
    expectTypeOf<ReturnType<typeof layer>>().toEqualTypeOf<Layer.Layer<Toolkit.Handlers<"app/Files">, never, Disk>>()
    // @ts-expect-error a function is missing
    const missing = () => kit().toLayer({})
    expectTypeOf(missing).toBeFunction()
  })

  it("a browser's event is made of every event of a turn or a loop, and of every failure", () => {
    expectTypeOf<ToolLoop.LoopEvent<Error>>().toExtend<Parameters<typeof ClientEvent.fromEvent>[0]>()
    expectTypeOf<TurnEvent.TurnEvent | TurnEvent.TurnRestarted>().toExtend<
      Parameters<typeof ClientEvent.fromEvent>[0]
    >()
    expectTypeOf<CodexError.CodexError | Snapshot.StoreFailed>().toExtend<Parameters<typeof ClientEvent.fromError>[0]>()
  })

  it("a history goes from any part into any other without a cast", () => {
    type Input = NonNullable<Codex.Request["input"]>
    expectTypeOf<ToolLoop.LoopCompleted["items"]>().toExtend<Input>()
    expectTypeOf<Snapshot.Snapshot["items"]>().toExtend<Input>()
    expectTypeOf<Turn.Turn["items"]>().toExtend<Input>()
    expectTypeOf<NonNullable<CodexError.CodexError["items"]>>().toExtend<Input>()
    expectTypeOf<NonNullable<ToolError.LoopLimitReached["items"]>>().toExtend<Input>()
    expectTypeOf<Effect.Effect.Success<Conversation.Conversation["history"]>>().toExtend<Input>()
    expectTypeOf<Input>().toExtend<Conversation.Input>()
    expectTypeOf<Input>().toExtend<NonNullable<ToolLoop.Options<never, never>["input"]>>()
  })

  it("a persisted conversation fails with what its store can fail with, an unsaved one does not", () => {
    const persisted = () => Conversation.persisted("id")
    expectTypeOf<Effect.Effect.Error<ReturnType<typeof persisted>>>().toEqualTypeOf<
      Snapshot.StoreFailed | Snapshot.InvalidSnapshot
    >()
    type Persisted = Effect.Effect.Success<ReturnType<typeof persisted>>
    expectTypeOf<ReturnType<Persisted["send"]>>().toEqualTypeOf<
      Effect.Effect<Turn.Turn, CodexError.CodexError | Snapshot.StoreFailed>
    >()
  })

  it("an error is made of the shared facts and its own fields, and none it lacks", () => {
    type Props = ConstructorParameters<typeof ServiceError.InvalidRequest>[0]
    expectTypeOf<{ readonly problems: ReadonlyArray<string>; readonly status: number }>().toExtend<Props>()
    expectTypeOf<{ readonly problems: number }>().not.toExtend<Props>()
    expectTypeOf<
      Extract<CodexError.CodexError, { readonly _tag: "UsageLimit" }>
    >().toEqualTypeOf<ServiceError.UsageLimit>()
    expectTypeOf<CodexError.CodexError["group"]>().toEqualTypeOf<Failure.Group>()
  })
})
