/** Turns over WebSockets, in virtual time: only what is new is sent, and every failure is what it is by SSE. */

import { assert, describe, it } from "@effect/vitest"
import { CodexAuth, Credentials } from "@effect-codex/auth"
import { History, type Item, type Turn, type TurnEvent } from "@effect-codex/schema"
import { Script, ScriptedBackend, TestAuth, TestCodex } from "@effect-codex/testing"
import { Metrics, RateLimitWatch, WebSocketConnector } from "@effect-codex/transport"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { Codex, CodexConfig, type CodexError, Conversation, Message, Tool, Toolkit } from "effect-codex"
import { exhaustive, stepOf } from "../../../test/exhaustive.ts"
import { draw, sample } from "../../../test/property.ts"
import { requests, run } from "./support.ts"
import * as Rows from "./webSocketRows.ts"

/** Lets time pass at once. */
const later = (duration: Duration.DurationInput) =>
  Effect.zipRight(
    TestClock.adjust(duration),
    Effect.promise(() => new Promise<void>((done) => setImmediate(done)))
  )

const says = (text: string) => Script.turn({ text, reasoning: "Hm." })

const messages = Effect.map(requests, (all) =>
  all.map(({ message }) => ({
    socket: message?.socket,
    ...(JSON.parse(message?.text ?? "{}") as {
      readonly previous_response_id?: string
      readonly input?: ReadonlyArray<unknown>
    })
  }))
)

const sockets = Effect.flatMap(ScriptedBackend.ScriptedBackend, (backend) => backend.sockets)

const overSockets = (
  script: Script.Script,
  config: CodexConfig.Options = {},
  options?: ScriptedBackend.Options
): ReturnType<typeof TestCodex.layer> => TestCodex.layer(script, { transport: "websocket", ...config }, options)

/** The client of a row of the table. */
const scripted = ({ handshakes = [], refreshes = 0, script, ...row }: Rows.Row) =>
  Codex.layer.pipe(
    Layer.provide(CodexConfig.layer(Rows.configOf({ script, ...row }, "virtual"))),
    Layer.provide(TestAuth.layer({ refreshes })),
    Layer.provideMerge(ScriptedBackend.layer(script, { handshakes, onUnexpected: "answer" }))
  )

/** A client that may have four sockets. */
const withFour = (script: Script.Script) =>
  Codex.layer.pipe(
    Layer.provide(CodexConfig.layer({ transport: "websocket" })),
    Layer.provide(TestAuth.layer()),
    Layer.provide(
      Layer.effect(
        WebSocketConnector.WebSocketConnector,
        Effect.map(WebSocketConnector.WebSocketConnector, (connector) => ({ ...connector, maxSockets: 4 }))
      )
    ),
    Layer.provideMerge(ScriptedBackend.layer(script))
  )

const broken = says("A").pipe(Script.truncateAfterEvents(2))

const expired = Script.events([{ type: "error", status: 401, error: { code: "token_expired" } }])

const anyRow: Rows.Row = { name: "", script: [], results: ["", ""], ways: [], opened: 0 }

/** Two turns of one conversation. */
const twoTurns = Effect.gen(function* () {
  const conversation = yield* Conversation.make()
  const first = yield* run(Effect.either(conversation.send("one")))
  const second = yield* run(Effect.either(conversation.send("two")))
  return [first, second] as const
})

/** By which way each request came: the number of its socket, or 0 for SSE. */
const ways = Effect.map(requests, (all) => all.map(({ message }) => message?.socket ?? 0))

const tagOf = <A>(result: Either.Either<A, CodexError.CodexError>) => (Either.isLeft(result) ? result.left._tag : "ok")

describe("a conversation over a WebSocket", () => {
  it.effect("sends only what is new, on one socket", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make({ instructions: "Be brief." })
      for (const said of ["one", "two", "three"]) yield* run(conversation.send(said))
      const sent = yield* messages
      assert.deepStrictEqual(
        sent.map(({ input, previous_response_id, socket }) => [socket, previous_response_id, input?.length]),
        [
          [1, undefined, 1],
          [1, "resp_1", 1],
          [1, "resp_2", 1]
        ]
      )
      assert.deepStrictEqual((yield* sockets).opened, 1)
    }).pipe(Effect.provide(overSockets([says("A"), says("B"), says("C")])))
  )

  it.effect("goes on over the socket whose last response ended with response.done", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      for (const said of ["one", "two"]) yield* run(conversation.send(said))
      const sent = yield* messages
      assert.deepStrictEqual(
        sent.map(({ previous_response_id, socket }) => [socket, previous_response_id]),
        [
          [1, undefined],
          [1, "resp_done"]
        ]
      )
    }).pipe(
      Effect.provide(
        overSockets([
          Script.events(
            Script.turnEvents({ id: "resp_done", text: "A" }).map((event) =>
              event["type"] === "response.completed" ? { ...event, type: "response.done" } : event
            )
          ),
          says("B")
        ])
      )
    )
  )

  it.effect("sends everything where an edit changed the instructions or the model", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(conversation.send("one"))
      yield* run(conversation.send("two", { model: "gpt-5.4" }))
      const sent = yield* messages
      assert.strictEqual(sent[1]?.previous_response_id, undefined)
      assert.strictEqual(sent[1]?.input?.length, 4)
    }).pipe(Effect.provide(overSockets([says("A"), says("B")])))
  )

  it.effect("sends the handshake with the credentials, and without the headers of a body", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(conversation.send("one"))
      const [request] = yield* requests
      assert.strictEqual(request?.headers["openai-beta"], "responses_websockets=2026-02-06")
      assert.match(request?.headers["authorization"] ?? "", /^Bearer /)
      assert.isString(request?.headers["chatgpt-account-id"])
      for (const name of ["accept", "content-type"]) assert.notProperty(request?.headers, name)
    }).pipe(Effect.provide(overSockets([says("A")])))
  )

  it.effect("sends the routing token of the handshake in the body, in the requests of its turn alone", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      const turn = yield* run(conversation.send("one"))
      yield* run(
        conversation.sendToolResults(
          turn.toolCalls.map(
            ({ callId }) => ({ type: "function_call_output", call_id: callId, output: "seen" }) as Item.Item
          )
        )
      )
      yield* run(conversation.send("two"))
      const sent = yield* requests
      assert.deepStrictEqual(
        sent.map(({ message }) => JSON.parse(message?.text ?? "{}").client_metadata?.["x-codex-turn-state"]),
        [undefined, "ts-1", undefined]
      )
      for (const { headers } of sent) assert.notProperty(headers, "x-codex-turn-state")
    }).pipe(
      Effect.provide(
        overSockets(
          [Script.turn({ toolCalls: [{ name: "look", callId: "call_1", arguments: {} }] }), says("B"), says("C")],
          {},
          { handshakes: [{ status: 101, headers: { "x-codex-turn-state": "ts-1" } }] }
        )
      )
    )
  )

  it.effect("stays with SSE after the third failed dial, and another conversation still dials", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      for (const said of ["one", "two", "three", "four", "five"]) yield* run(conversation.send(said))
      assert.deepStrictEqual(yield* ways, [0, 0, 0, 0, 0])
      assert.strictEqual((yield* sockets).opened, 3)
      yield* run((yield* Conversation.make()).send("one"))
      assert.deepStrictEqual((yield* ways).at(-1), 4)
    }).pipe(
      Effect.provide(
        overSockets(() => says("A"), { transport: "auto" }, { handshakes: ["refuse", "refuse", "refuse"] })
      )
    )
  )

  it.effect("opens another socket when it has been idle for 5 minutes, or is 55 minutes old", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(conversation.send("one"))
      yield* later("6 minutes")
      assert.strictEqual((yield* sockets).open, 0)
      yield* run(conversation.send("two"))
      for (let n = 0; n < 14; n++) {
        yield* later("4 minutes")
        yield* run(conversation.send("more"))
      }
      assert.deepStrictEqual(yield* sockets, { opened: 3, open: 1 })
      const sent = yield* messages
      assert.deepStrictEqual(
        sent.map(({ previous_response_id }) => previous_response_id === undefined),
        sent.map((_, n) => n === 0 || n === 1 || n === 15)
      )
    }).pipe(Effect.provide(overSockets(() => says("A"))))
  )

  it.effect("closes the socket of a turn that is interrupted, and starts afresh", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(Effect.timeoutOption(conversation.send("one"), "5 seconds"))
      assert.strictEqual((yield* sockets).open, 0)
      yield* run(conversation.send("two"))
      assert.deepStrictEqual(yield* ways, [1, 2])
    }).pipe(Effect.provide(overSockets([Script.silence, says("B")])))
  )

  it.effect("is used by `auto` for conversations, and not for single turns", () =>
    Effect.gen(function* () {
      yield* run(Codex.Codex.pipe(Effect.flatMap((codex) => codex.turn({ prompt: "Hi" }))))
      yield* twoTurns
      assert.deepStrictEqual(yield* ways, [0, 1, 1])
    }).pipe(Effect.provide(overSockets(() => says("A"), { transport: "auto" })))
  )

  it.effect("opens another socket for a request with other headers", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(conversation.send("one"))
      yield* run(conversation.send("two", { config: { headers: { "x-tenant": "b" } } }))
      yield* run(conversation.send("three"))
      assert.deepStrictEqual(
        (yield* requests).map(({ headers, message }) => [message?.socket, headers["x-tenant"]]),
        [
          [1, undefined],
          [2, "b"],
          [1, undefined]
        ]
      )
    }).pipe(Effect.provide(overSockets(() => says("A"))))
  )

  it.effect("keeps no socket after a single turn, which nothing can follow", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      yield* run(codex.turn({ prompt: "Hi" }))
      assert.deepStrictEqual(yield* sockets, { opened: 1, open: 0 })
    }).pipe(Effect.provide(overSockets([says("A")])))
  )

  for (const [name, events] of [
    [
      "streamed without its item",
      [
        { type: "response.output_text.delta", item_id: "msg_1", output_index: 0, content_index: 0, delta: "A" },
        { type: "response.completed", response: { id: "resp_1" } }
      ]
    ],
    [
      "only in the terminal event",
      [
        {
          type: "response.completed",
          response: {
            id: "resp_1",
            output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "A" }] }]
          }
        }
      ]
    ]
  ] as ReadonlyArray<readonly [string, ReadonlyArray<Script.Event>]>) {
    it.effect(`sends everything after output that was ${name}, and none of it twice`, () =>
      Effect.gen(function* () {
        const [first, second] = yield* twoTurns
        assert.deepStrictEqual([first, second].map(tagOf), ["ok", "ok"])
        const sent = (yield* messages)[1]
        assert.strictEqual(sent?.previous_response_id, undefined)
        assert.lengthOf(sent?.input ?? [], 3)
      }).pipe(Effect.provide(overSockets([Script.events(events), says("B")])))
    )
  }

  it.effect("interrupts the turns that run or wait for a socket when the Layer ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        withFour(() => Script.silence),
        scope
      )
      const { turn } = yield* Effect.provide(Codex.Codex, context)
      const turns = yield* Effect.forEach(Array.from("abcdef"), (conversationId) =>
        Effect.fork(turn({ conversationId, prompt: "?" }))
      )
      const single = yield* Effect.fork(turn({ prompt: "?", config: { transport: "sse" } }))
      yield* later("1 seconds")
      yield* Scope.close(scope, Exit.void)
      for (const fiber of [...turns, single]) assert.isTrue(Exit.isInterrupted(yield* Fiber.await(fiber)))
      assert.deepStrictEqual(yield* Effect.provide(sockets, context), { opened: 4, open: 0 })
      const afterwards = yield* Effect.exit(
        Effect.fork(turn({ conversationId: "a", prompt: "?" })).pipe(Effect.flatMap(Fiber.join))
      )
      assert.isTrue(Exit.isInterrupted(afterwards))
    })
  )

  it.effect("leaves no socket open when the Layer ends", () =>
    Effect.gen(function* () {
      const counted = yield* Effect.provide(
        Effect.zipRight(
          twoTurns,
          Effect.map(ScriptedBackend.ScriptedBackend, (backend) => backend.sockets)
        ),
        overSockets(() => says("A"))
      )
      assert.deepStrictEqual(yield* counted, { opened: 1, open: 0 })
    })
  )
})

describe("what fails over a WebSocket", () => {
  for (const row of Rows.rows) {
    it.effect(row.name, () =>
      Effect.gen(function* () {
        const backend = yield* ScriptedBackend.ScriptedBackend
        yield* Rows.check(row, backend, run)
      }).pipe(Effect.provide(scripted(row)))
    )
  }

  it.effect("a refused handshake in mode websocket says so", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      const error = yield* run(Effect.flip(conversation.send("one")))
      assert.deepInclude(error, { _tag: "HttpFailure", reason: "handshake", status: 404 })
      assert.match(error.message, /refused the WebSocket \(HTTP 404\).*transport: "auto"/)
      assert.deepStrictEqual(error.partial?.diagnostics.route, { via: "websocket" })
    }).pipe(Effect.provide(scripted({ ...anyRow, handshakes: [{ status: 404 }] })))
  )

  it.effect("an error frame is not a refused handshake", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      const error = yield* run(Effect.flip(conversation.send("one")))
      assert.strictEqual(error._tag, "HttpFailure")
      assert.notProperty(error, "reason")
    }).pipe(Effect.provide(overSockets([Script.events([{ type: "error", status: 418, error: {} }])])))
  )

  it.effect("after a 401 no idle socket that was opened with these credentials is used again", () =>
    Effect.gen(function* () {
      const one = yield* Conversation.make()
      const two = yield* Conversation.make()
      yield* run(one.send("one"))
      yield* run(two.send("one"))
      assert.strictEqual(tagOf(yield* run(Effect.either(one.send("two")))), "LoginExpired")
      assert.deepStrictEqual(yield* sockets, { opened: 2, open: 0 })
      yield* run(two.send("two"))
      assert.deepStrictEqual(yield* ways, [1, 2, 1, 3])
    }).pipe(Effect.provide(overSockets([says("A"), says("B"), expired, says("C")])))
  )

  it.effect("a 401 on a socket of older credentials is not held against the newer ones", () =>
    Effect.gen(function* () {
      const token = yield* Ref.make("older")
      const auth = Layer.effect(
        CodexAuth.CodexAuth,
        Effect.map(CodexAuth.CodexAuth, ({ recover }) => ({
          credentials: Effect.flatMap(Ref.get(token), (id) =>
            Credentials.fromTokens({ accessToken: Redacted.make(TestAuth.jwt({ id })) })
          ),
          recover
        }))
      ).pipe(Layer.provide(TestAuth.layer()))
      const client = Codex.layer.pipe(
        Layer.provide(CodexConfig.layer({ transport: "websocket" })),
        Layer.provide(auth),
        Layer.provideMerge(ScriptedBackend.layer([says("A"), expired, says("B")]))
      )
      yield* Effect.gen(function* () {
        const conversation = yield* Conversation.make()
        yield* run(conversation.send("one"))
        yield* Ref.set(token, "newer")
        const turn = yield* run(conversation.send("two"))
        assert.deepStrictEqual([turn.text, turn.attempts], ["B", 1])
        assert.deepStrictEqual(yield* ways, [1, 1, 2])
      }).pipe(Effect.provide(client))
    })
  )

  for (const status of [401, 429]) {
    it.effect(`a handshake that is refused with ${status} has sent nothing`, () =>
      Effect.gen(function* () {
        const conversation = yield* Conversation.make()
        const error = yield* run(Effect.flip(conversation.send("one")))
        assert.deepStrictEqual(error.partial?.diagnostics.route, { via: "websocket" })
      }).pipe(
        Effect.provide(
          overSockets([], {}, { handshakes: [{ status, body: `{"error":{"type":"usage_limit_reached"}}` }] })
        )
      )
    )
  }

  it.effect("a message that is too large goes by SSE before dialling, or is an error", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const input = Array.from({ length: 2 }, () => Message.user("x".repeat(8_400_000)))
      const turn = yield* run(codex.turn({ conversationId: "a", input, config: { transport: "auto" } }))
      assert.strictEqual(turn.text, "A")
      const error = yield* run(Effect.flip(codex.turn({ conversationId: "a", input })))
      assert.strictEqual(error._tag, "InvalidRequest")
      assert.deepStrictEqual(yield* sockets, { opened: 0, open: 0 })
    }).pipe(Effect.provide(overSockets([says("A")], { model: "unknown-model" })))
  )
})

describe("a conversation that connects ahead", () => {
  const counted = Effect.flatMap(sockets, (all) => Effect.map(requests, ({ length }) => ({ ...all, requests: length })))

  it.effect("has its socket before its first turn, and none after its scope", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* run(conversation.connect())
          yield* run(conversation.connect())
          assert.deepStrictEqual(yield* counted, { opened: 1, open: 1, requests: 0 })
          yield* run(conversation.send("one"))
          assert.deepStrictEqual(yield* counted, { opened: 1, open: 1, requests: 1 })
        })
      )
      assert.deepStrictEqual(yield* counted, { opened: 1, open: 0, requests: 1 })
      yield* run(conversation.send("two"))
      assert.deepStrictEqual(yield* ways, [1, 2])
    }).pipe(Effect.provide(overSockets(() => says("A"))))
  )

  it.effect("keeps the socket of a turn that runs when the scope ends until the turn is over", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      const scope = yield* Scope.make()
      yield* run(Scope.extend(conversation.connect(), scope))
      const turn = yield* Effect.fork(conversation.send("one"))
      yield* later("1 seconds")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* run(Fiber.join(turn))).text, "A")
      assert.deepStrictEqual(yield* counted, { opened: 1, open: 0, requests: 1 })
    }).pipe(Effect.provide(overSockets([says("A").pipe(Script.delay("1 minute"))])))
  )

  it.scoped("may have the server read ahead, and then sends only what is new", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make({ instructions: "Be brief." })
      yield* run(conversation.connect({ warmUp: true }))
      yield* run(conversation.connect({ warmUp: true }))
      yield* run(conversation.send("one"))
      yield* run(conversation.send("two"))
      const sent = (yield* requests).map(({ message }) => JSON.parse(message?.text ?? "{}"))
      assert.deepStrictEqual(
        sent.map(({ generate, input, instructions, previous_response_id }) => ({
          ...{ generate, previous_response_id, instructions, input: input.length }
        })),
        [
          { generate: false, previous_response_id: undefined, instructions: "Be brief.", input: 0 },
          { generate: undefined, previous_response_id: "resp_1", instructions: "Be brief.", input: 1 },
          { generate: undefined, previous_response_id: "resp_2", instructions: "Be brief.", input: 1 }
        ]
      )
      assert.lengthOf((yield* requests).at(-1)?.input ?? [], 4)
    }).pipe(Effect.provide(overSockets([Script.turn({}), says("A"), says("B")])))
  )

  for (const [name, transport, handshakes, script, end, opened] of [
    ["does nothing by SSE", "sse", [], [], "ok", 0],
    ["does nothing in mode auto where none can be opened", "auto", ["refuse"], [], "ok", 1],
    ["does nothing in mode auto where the server takes none", "auto", [{ status: 426 }], [], "ok", 1],
    ["fails in mode websocket", "websocket", [{ status: 404 }], [], "HttpFailure", 1],
    ["recovers from a 401", "websocket", [{ status: 401 }], [], "ok", 2],
    ["fails with what a frame says", "websocket", [], [expired, expired], "Unauthorized", 2],
    [
      "fails with what response.failed says",
      "websocket",
      [],
      [Script.failed({ code: "context_length_exceeded", message: "Too long" })],
      "ContextWindowExceeded",
      1
    ],
    ["fails where the socket is reset", "websocket", [], [Script.resetBeforeHeaders], "ConnectionFailed", 1],
    ["fails where the socket is closed", "websocket", [], [broken], "ConnectionFailed", 1],
    ["does nothing in mode auto where the socket is reset", "auto", [], [Script.resetBeforeHeaders], "ok", 1],
    ["does nothing in mode auto where the socket is closed", "auto", [], [broken], "ok", 1]
  ] as ReadonlyArray<
    readonly [string, "sse" | "auto" | "websocket", ReadonlyArray<Script.Handshake>, Script.Script, string, number]
  >) {
    it.scoped(name, () =>
      Effect.gen(function* () {
        const conversation = yield* Conversation.make()
        const result = yield* run(Effect.either(conversation.connect({ warmUp: script.length > 0 })))
        assert.strictEqual(tagOf(result), end)
        assert.strictEqual((yield* sockets).opened, opened)
      }).pipe(Effect.provide(scripted({ ...anyRow, script, handshakes, transport, refreshes: 1 })))
    )
  }

  it.scoped("needs no second socket while a turn runs on the first", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const turn = yield* Effect.fork(codex.turn({ conversationId: "a", prompt: "Hi" }))
      yield* later("1 seconds")
      yield* run(codex.connect({ conversationId: "a" }))
      assert.deepStrictEqual(yield* counted, { opened: 1, open: 1, requests: 1 })
      yield* run(Fiber.join(turn))
    }).pipe(Effect.provide(overSockets([says("A").pipe(Script.delay("5 minutes"))])))
  )

  it.effect("leaves no socket when it is interrupted", () =>
    Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* run(Effect.scoped(Effect.timeoutOption(conversation.connect(), "5 seconds")))
      assert.deepStrictEqual(yield* counted, { opened: 1, open: 0, requests: 0 })
    }).pipe(Effect.provide(overSockets([], {}, { handshakes: ["silence"] })))
  )
})

describe("a client has so many sockets at the most", () => {
  const many = (n: number) => Effect.replicateEffect(Conversation.make(), n)
  const all = (conversations: ReadonlyArray<Conversation.Conversation>, said: string) =>
    Effect.forEach(conversations, (conversation) => conversation.send(said), { concurrency: "unbounded" })

  it.effect("by default 128; the one that has rested longest makes room for a new one", () =>
    Effect.gen(function* () {
      const conversations = yield* many(128)
      yield* run(all(conversations, "one"))
      const [first, , third] = conversations
      const another = yield* Conversation.make()
      for (const conversation of [another, third, first]) {
        if (conversation !== undefined) yield* run(conversation.send("two"))
      }
      assert.deepStrictEqual((yield* ways).slice(128), [129, 3, 130])
      assert.deepStrictEqual(yield* sockets, { opened: 130, open: 128 })
    }).pipe(Effect.provide(overSockets(() => says("A"))))
  )

  it.effect("turns that find none wait, each in its order", () =>
    Effect.gen(function* () {
      const conversations = yield* many(10)
      const turns = yield* Effect.fork(all(conversations, "one"))
      yield* later("1 seconds")
      assert.deepStrictEqual(yield* sockets, { opened: 4, open: 4 })
      assert.lengthOf(yield* run(Fiber.join(turns)), 10)
      assert.deepStrictEqual(
        yield* ways,
        Array.from({ length: 10 }, (_, n) => n + 1)
      )
      assert.deepStrictEqual(yield* sockets, { opened: 10, open: 4 })
    }).pipe(Effect.provide(withFour(() => says("A").pipe(Script.delay("1 minute")))))
  )

  it.effect("a turn that is interrupted while it waits, or waits too long, takes none", () =>
    Effect.gen(function* () {
      const conversations = yield* many(4)
      const turns = yield* Effect.fork(all(conversations, "one"))
      yield* later("1 seconds")
      const interrupted = yield* Effect.fork((yield* Conversation.make()).send("two"))
      const once = { timeouts: { headers: "10 seconds" }, retry: { retries: 0, outageRetries: 0 } } as const
      const late = yield* Effect.fork(Effect.flip((yield* Conversation.make()).send("two", { config: once })))
      yield* later("1 seconds")
      yield* Fiber.interrupt(interrupted)
      yield* later("10 seconds")
      assert.strictEqual((yield* Fiber.join(late))._tag, "TimedOut")
      yield* run(Fiber.join(turns))
      assert.deepStrictEqual(yield* sockets, { opened: 4, open: 4 })
    }).pipe(Effect.provide(withFour(() => says("A").pipe(Script.delay("1 minute")))))
  )
})

/** What the headers of a response say of the limits, the model, the catalogue and the load balancer. */
const said = {
  "openai-model": "gpt-5.5-served",
  "x-codex-primary-used-percent": "40",
  "x-codex-primary-window-minutes": "300",
  "x-models-etag": "v2",
  "x-request-id": "req_said"
}

/** A turn, what is known after it, and the cookie that later requests have by either way. */
const learned = (transport: "sse" | "websocket") => {
  const cookie = "__cflb=route-1; Path=/"
  const list = (slug: string, etag: string) => Script.status(200, { headers: { etag }, body: { models: [{ slug }] } })
  const script = Script.routes({
    "/responses": () =>
      transport === "sse" ? says("A").pipe(Script.headers({ ...said, "set-cookie": cookie })) : says("A"),
    "/models": [list("gpt-a", "v1"), list("gpt-b", "v2")]
  })
  return Effect.gen(function* () {
    const codex = yield* Codex.Codex
    const watch = yield* RateLimitWatch.RateLimitWatch
    const slugs = Effect.map(run(codex.models), ({ models }) => models.map(({ slug }) => slug))
    const before = yield* slugs
    const conversation = yield* Conversation.make()
    const { model, rateLimits, requestId } = yield* run(conversation.send("one"))
    const limits = [rateLimits?.limits, (yield* watch.latest)?.limits]
    const after = yield* slugs
    yield* later("6 minutes")
    yield* run(conversation.send("two"))
    yield* run(codex.turn({ prompt: "Hi", config: { transport: "sse" } }))
    const turns = (yield* requests).filter(({ path }) => path.endsWith("/responses"))
    const cookies = turns.map(({ headers }) => headers["cookie"])
    return { before, after, model, limits, requestId, cookies }
  }).pipe(
    Effect.provide(
      overSockets(script, { transport }, { handshakes: [{ status: 101, headers: said, cookies: [cookie] }] })
    )
  )
}

describe("the headers of a handshake", () => {
  it.effect("say what those of a response by SSE say: limits, model, catalogue, request id and cookies", () =>
    Effect.gen(function* () {
      const socket = yield* learned("websocket")
      assert.deepStrictEqual(socket, yield* learned("sse"))
      assert.strictEqual(socket.model, "gpt-5.5-served")
      assert.strictEqual(socket.requestId, "req_said")
      assert.strictEqual(socket.limits[1]?.[0]?.windows[0]?.usedPercent, 40)
      assert.deepStrictEqual([socket.before, socket.after], [["gpt-a"], ["gpt-b"]])
      assert.deepStrictEqual(socket.cookies, [undefined, "__cflb=route-1", "__cflb=route-1"])
    })
  )

  it.effect("may be missing: limits that a message tells before an error count as well", () =>
    Effect.gen(function* () {
      const watch = yield* RateLimitWatch.RateLimitWatch
      const error = yield* run(Effect.flip(Effect.flatMap(Conversation.make(), ({ send }) => send("one"))))
      assert.strictEqual(error._tag, "UsageLimit")
      for (const limits of [error._tag === "UsageLimit" ? error.rateLimits : undefined, yield* watch.latest]) {
        assert.strictEqual(limits?.limits[0]?.windows[0]?.usedPercent, 100)
      }
    }).pipe(
      Effect.provide(
        overSockets([
          Script.events([
            { type: "codex.rate_limits", rate_limits: { primary: { used_percent: 100, window_minutes: 300 } } },
            { type: "error", status: 429, error: { type: "usage_limit_reached" } }
          ])
        ])
      )
    )
  )

  it.effect("of a refusal count as well", () =>
    Effect.gen(function* () {
      const watch = yield* RateLimitWatch.RateLimitWatch
      const error = yield* run(Effect.flip(Effect.flatMap(Conversation.make(), ({ send }) => send("one"))))
      assert.strictEqual(error._tag, "UsageLimit")
      assert.strictEqual(error.requestId, "req_said")
      assert.strictEqual((yield* watch.latest)?.limits[0]?.windows[0]?.usedPercent, 40)
    }).pipe(
      Effect.provide(
        overSockets(
          [],
          {},
          { handshakes: [{ status: 429, headers: said, body: `{"error":{"type":"usage_limit_reached"}}` }] }
        )
      )
    )
  )
})

/** Keeps the spans of attempts. */
const recordingTo = (spans: Array<Tracer.Span>) =>
  Tracer.make({
    context: (f) => f(),
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const span = {
        ...{ _tag: "Span" as const, name, spanId: "1", traceId: "1", parent, context, links, kind, sampled: true },
        status: { _tag: "Started" as const, startTime },
        attributes,
        attribute: (key: string, value: unknown) => void attributes.set(key, value),
        event: () => {},
        addLinks: () => {},
        end: () => {}
      }
      if (name === "CodexTransport.attempt") spans.push(span)
      return span
    }
  })

describe("a fallback", () => {
  it.effect("is logged once for a client, counted by its reason, and stands on the turn and on the span", () => {
    const logged: Array<unknown> = []
    const logger = Logger.make(({ message }) => logged.push(message))
    const spans: Array<Tracer.Span> = []
    return Effect.gen(function* () {
      const counted = Effect.map(
        Metric.value(Metric.tagged(Metrics.fallbacks, "reason", "dial_failed")),
        ({ count }) => count
      )
      const conversation = yield* Conversation.make()
      for (const said of ["one", "two"]) {
        const { diagnostics } = yield* run(conversation.send(said))
        assert.deepStrictEqual(diagnostics.route, { via: "sse", fallback: "dial_failed" })
      }
      assert.strictEqual(yield* counted, 2)
      const third = yield* run(conversation.send("three"))
      assert.deepStrictEqual(third.diagnostics.route, { via: "websocket", input: "full", reason: "no_previous" })
      const fourth = yield* run(conversation.send("four"))
      assert.deepStrictEqual(fourth.diagnostics.route, { via: "websocket", input: "incremental" })
      const fifth = yield* run(conversation.send("five", { model: "gpt-5.4" }))
      assert.deepStrictEqual(fifth.diagnostics.route, {
        via: "websocket",
        input: "full",
        reason: "field",
        at: "model"
      })
      assert.strictEqual(yield* counted, 2)
      assert.lengthOf(logged, 1)
      assert.include(String(logged[0]), "dial_failed")
      assert.deepStrictEqual(
        spans.map(({ attributes }) => [
          attributes.get("codex.transport"),
          attributes.get("codex.transport.fallback"),
          attributes.get("codex.websocket.input")
        ]),
        [
          ["sse", "dial_failed", undefined],
          ["sse", "dial_failed", undefined],
          ["websocket", undefined, "full no_previous"],
          ["websocket", undefined, "incremental"],
          ["websocket", undefined, "full field model"]
        ]
      )
    }).pipe(
      Effect.tagMetrics("test", "a fallback"),
      Effect.withTracer(recordingTo(spans)),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Effect.provide(overSockets(() => says("A"), { transport: "auto" }, { handshakes: ["refuse", { status: 403 }] }))
    )
  })
})

const answer = {
  id: "resp_fixed",
  reasoning: "Let me see.",
  text: "The answer, in a few words.",
  toolCalls: [{ name: "look", callId: "call_1", arguments: { at: "it" } }]
}
const answerEvents = Script.turnEvents(answer)
const whole = Script.events(answerEvents)

type Seen = TurnEvent.TurnEvent | TurnEvent.TurnRestarted | { readonly _tag: "Text"; readonly text: string }

describe("a socket that dies at frame k, for every k", () => {
  type Mode = (codex: Codex.Service) => Stream.Stream<Seen, CodexError.CodexError>
  const modes: Readonly<Record<string, Mode>> = {
    restart: (codex) => codex.stream({ prompt: "?" }),
    fail: (codex) => codex.stream({ prompt: "?" }, { onceShown: "fail" }),
    "restart, text shown": (codex) => codex.stream({ prompt: "?" }, { shown: "text" }),
    "fail, text shown": (codex) => codex.stream({ prompt: "?" }, { onceShown: "fail", shown: "text" }),
    "nothing shown": (codex) => codex.stream({ prompt: "?" }, { shown: "nothing" }),
    keepItems: (codex) => codex.stream({ prompt: "?", keepItems: true }),
    "keepItems, nothing shown": (codex) => codex.stream({ prompt: "?", keepItems: true }, { shown: "nothing" }),
    "Codex.text": (codex) => Stream.map(codex.text({ prompt: "?" }), (text) => ({ _tag: "Text", text })),
    "Codex.turn": (codex) =>
      Stream.map(Stream.fromEffect(codex.turn({ prompt: "?" })), (turn) => ({ _tag: "TurnCompleted", turn }))
  }

  const outcome = (mode: Mode, transport: "sse" | "websocket", script: Script.Script) =>
    Effect.gen(function* () {
      const seen: Array<Seen> = []
      const stream = mode(yield* Codex.Codex)
      const result = yield* run(
        Effect.either(Stream.runForEach(stream, (event) => Effect.sync(() => seen.push(event))))
      )
      const end = Either.isLeft(result) ? result.left._tag : "ok"
      const asked = (yield* requests).map(({ body }) => (body as { readonly input: unknown }).input)
      const events = seen.map((event) => {
        // the id of a request is in the headers of its response, which a message has not
        if (event._tag === "TurnRestarted") return { ...event, message: event.message.replace(/ \(request .*\)$/, "") }
        if (event._tag !== "TurnCompleted") return event
        const { requestId: _, diagnostics, ...turn } = event.turn
        const { route: __, ...rest } = diagnostics
        return { ...event, turn: { ...turn, diagnostics: rest } }
      })
      return { end, events, asked }
    }).pipe(Effect.provide(overSockets(script, { transport, retry: { jitter: 0 } }, { onUnexpected: "answer" })))

  // each mode begins at another frame, so that together they have them all
  const step = stepOf(answerEvents.length, 6)
  for (const [n, [name, mode]] of Object.entries(modes).entries()) {
    it.effect(`is what a body that breaks there is by SSE: ${name}`, () =>
      Effect.gen(function* () {
        for (let k = n % step; k <= answerEvents.length; k += step) {
          const script = [whole.pipe(Script.truncateAfterEvents(k)), whole]
          const [socket, sse] = [yield* outcome(mode, "websocket", script), yield* outcome(mode, "sse", script)]
          assert.deepStrictEqual(JSON.stringify(socket), JSON.stringify(sse), `after ${k} events`)
        }
      })
    )
  }
})

describe("interruption at every moment", () => {
  // a handshake of two seconds, then an event each second
  const last = answerEvents.length + 2
  it.effect("leaves no socket, and the next turn sends everything on a new one", () =>
    Effect.gen(function* () {
      for (let second = 0; second <= last; second++) {
        yield* Effect.gen(function* () {
          const conversation = yield* Conversation.make()
          const first = yield* run(Effect.timeoutOption(conversation.send("one"), `${second * 1000 + 500} millis`))
          assert.strictEqual(Option.isSome(first), second === last, `${second} s`)
          assert.strictEqual((yield* sockets).open, Option.isSome(first) ? 1 : 0, `${second} s`)
          assert.strictEqual((yield* run(conversation.send("two"))).text, "B")
          const { message } = (yield* requests).at(-1) ?? {}
          assert.strictEqual(message?.text.includes("previous_response_id"), Option.isSome(first))
        }).pipe(
          Effect.provide(
            overSockets(
              ({ prompt }) => (prompt === "one" ? whole.pipe(Script.drip("1 second")) : says("B")),
              {},
              { handshakes: [{ status: 101, delay: "2 seconds" }] }
            )
          )
        )
      }
    })
  )
})

/** What a random conversation does next. */
const allMoves = [
  "say",
  "tools",
  "loop",
  "fork",
  "resume",
  "edit",
  "model",
  "break",
  "overloaded",
  "fail",
  "interrupt",
  "lost",
  "repair",
  "connect"
] as const
type Move = (typeof allMoves)[number]

/** Carries out any call. */
const look = Toolkit.handler(
  Tool.unsafeMake({ name: "look", description: "Looks.", parameters: Schema.Struct({}) }),
  () => Effect.succeed("seen")
)

const results = (turn: Turn.Turn) =>
  turn.toolCalls.map(({ callId }) => ({ type: "function_call_output", call_id: callId, output: "seen" }) as Item.Item)

const answerTo: Script.Responder = (request, earlier) => {
  const { input, number, prompt } = request
  const isFirst = !earlier.some((other) => other.prompt === prompt)
  const [move] = prompt.split("-")
  if (move === "break" && isFirst) return says("Half").pipe(Script.truncateAfterEvents(5))
  if (move === "overloaded" && isFirst) return Script.status(503, { body: { error: { code: "server_is_overloaded" } } })
  if (move === "fail") return Script.failed({ code: "context_length_exceeded", message: "Too long." })
  if (move === "interrupt") return says("Half").pipe(Script.silenceAfterEvents(5))
  const isAnswered = (input.at(-1)?.type ?? "").endsWith("_output")
  const steps = move === "tools" ? 1 : move === "loop" ? 2 : 0
  if (steps > 0 && (!isAnswered || earlier.filter((other) => other.prompt === prompt).length < steps)) {
    const calls = [1, 2].map((n) => ({ name: "look", callId: `call_${number}_${n}`, arguments: {} }))
    return Script.turn({ reasoning: "Hm.", text: "Let me look.", toolCalls: calls })
  }
  return says(`heard ${prompt}`)
}

const play = (moves: ReadonlyArray<Move>, transport: "sse" | "websocket") =>
  Effect.gen(function* () {
    const options = { tools: [look] }
    let conversation: Conversation.Conversation<unknown> = yield* Conversation.make({ ...options, conversationId: "a" })
    for (const [n, move] of moves.entries()) {
      const prompt = `${move}-${n}`
      const snapshot = yield* conversation.snapshot
      if (move === "fork") conversation = yield* conversation.fork
      if (move === "resume") conversation = yield* Conversation.resume(snapshot, options)
      if (move === "edit") conversation = yield* Conversation.resume({ ...snapshot, instructions: prompt }, options)
      if (move === "lost") yield* later("6 minutes")
      if (move === "connect") yield* run(Effect.scoped(conversation.connect()))
      const orphan = { type: "function_call_output", call_id: "nobody", output: "?" } as Item.Item
      const said = move === "repair" ? [Message.user(prompt), orphan] : prompt
      if (move === "loop") yield* run(conversation.complete(said))
      else {
        const sending = conversation.send(said, move === "model" ? { model: "gpt-5.4" } : {})
        const turn = yield* run(Effect.either(Effect.timeoutOption(sending, "20 seconds")))
        if (Either.isLeft(turn)) assert.strictEqual(move, "fail")
        else if (Option.isNone(turn.right)) assert.strictEqual(move, "interrupt")
        else if (move === "tools") yield* run(conversation.sendToolResults(results(turn.right.value)))
      }
    }
    return yield* requests
  }).pipe(Effect.provide(overSockets(answerTo, { transport, retry: { jitter: 0 } })))

const conversations = exhaustive ? 200 : 10

describe("the law of incremental input", () => {
  it.effect(
    "what the server has cached and what is sent are the full input of SSE, item for item",
    () =>
      Effect.gen(function* () {
        const moves = draw.array(draw.constantFrom(...allMoves), { minLength: 3, maxLength: 9 })
        const samples = sample(moves, { runs: conversations, seed: 7 })
        assert.deepStrictEqual(new Set(samples.flat()), new Set(allMoves))
        let incremental = 0
        for (const sample of samples) {
          const [bySse, bySocket] = [yield* play(sample, "sse"), yield* play(sample, "websocket")]
          assert.strictEqual(bySocket.length, bySse.length, sample.join())
          for (const [n, { input }] of bySse.entries()) {
            assert.deepStrictEqual(
              History.compile(bySocket[n]?.input ?? []).items.map((item) => JSON.stringify(item)),
              input.map((item) => JSON.stringify(item)),
              sample.join()
            )
            // a fork has an id of its own
            const [one, other] = [bySse[n], bySocket[n]].map((request) => ({
              ...Object(request?.body),
              input: undefined
            }))
            if (!sample.includes("fork")) assert.deepStrictEqual(other, one, sample.join())
          }
          incremental += bySocket.filter(({ message }) => message?.text.includes("previous_response_id")).length
        }
        assert.isAbove(incremental, conversations * 2)
      }),
    600_000
  )
})
