/** Turns over WebSockets, in virtual time: only what is new is sent, and every failure is what it is by SSE. */

import { assert, describe, it } from "@effect/vitest"
import { History, type Item, type TurnEvent } from "@effect-codex/schema"
import { Script, ScriptedBackend, TestCodex } from "@effect-codex/testing"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fc from "effect/FastCheck"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Codex, type CodexConfig, type CodexError, Conversation, Message } from "effect-codex"
import { requests, run } from "./support.ts"

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

const frame = (error: object, more: object = {}) => Script.events([{ type: "error", ...more, error }])
const ok = { status: 101 }
const no = (status: number, body = "") => ({ status, body })

interface Row {
  readonly name: string
  readonly script: Script.Script
  readonly handshakes?: ReadonlyArray<ScriptedBackend.Handshake>
  readonly transport?: "auto" | "websocket"
  readonly results: ReadonlyArray<string>
  /** The socket of each request, 0 for SSE. */
  readonly ways: ReadonlyArray<number>
  readonly opened?: number
}

const rows: ReadonlyArray<Row> = [
  {
    name: "websocket_connection_limit_reached: a new socket, the full input",
    script: [says("A"), frame({ code: "websocket_connection_limit_reached" }, { status: 400 }), says("B")],
    results: ["ok", "ok"],
    ways: [1, 1, 2]
  },
  {
    name: "previous_response_not_found: a new socket, the full input",
    script: [says("A"), frame({ code: "previous_response_not_found" }, { status_code: 400 }), says("B")],
    results: ["ok", "ok"],
    ways: [1, 1, 2]
  },
  {
    name: "a frame of 503 server_is_overloaded",
    script: [says("A"), frame({ code: "server_is_overloaded" }, { status: 503 }), says("B")],
    results: ["ok", "ok"],
    ways: [1, 1, 2]
  },
  {
    name: "a frame of 429: the usage limit, with its headers",
    script: [
      says("A"),
      frame(
        { type: "usage_limit_reached", plan_type: "pro", resets_at: 1_795_400_000 },
        { status: 429, headers: { "x-codex-primary-used-percent": 100, "x-codex-primary-window-minutes": "15" } }
      )
    ],
    results: ["ok", "UsageLimit"],
    ways: [1, 1]
  },
  {
    name: "a frame of 500 is retried on a new socket",
    script: [says("A"), frame({ message: "Oops" }, { status: 500 }), says("B")],
    results: ["ok", "ok"],
    ways: [1, 1, 2]
  },
  {
    name: "a frame without a status is read by its code",
    script: [says("A"), frame({ code: "context_length_exceeded", message: "Too long" })],
    results: ["ok", "ContextWindowExceeded"],
    ways: [1, 1]
  },
  {
    name: "a close before the terminal event is a truncated stream",
    script: [says("A"), says("B").pipe(Script.truncateAfterEvents(3)), says("B")],
    results: ["ok", "ok"],
    ways: [1, 1, 2]
  },
  {
    name: "nothing for 300 s: idle, retried on a new socket",
    script: [says("A"), Script.silence, says("B")],
    results: ["ok", "ok"],
    ways: [1, 1, 2]
  },
  {
    name: "a reset before any event",
    script: [says("A"), Script.resetBeforeHeaders, says("B")],
    results: ["ok", "ok"],
    ways: [1, 1, 2]
  },
  {
    name: "426: SSE for the life of the client",
    script: [says("A"), says("B")],
    handshakes: [no(426)],
    transport: "auto",
    results: ["ok", "ok"],
    ways: [0, 0],
    opened: 1
  },
  {
    name: "426 in mode websocket is an error",
    script: [],
    handshakes: [no(426), no(426)],
    results: ["HttpFailure", "HttpFailure"],
    ways: []
  },
  {
    name: "401: what recovery says, and no SSE",
    script: [says("A"), says("B")],
    handshakes: [no(401), no(401)],
    transport: "auto",
    results: ["LoginExpired", "LoginExpired"],
    ways: []
  },
  {
    name: "403: SSE for this request",
    script: [says("A"), says("B")],
    handshakes: [no(403), ok],
    transport: "auto",
    results: ["ok", "ok"],
    ways: [0, 2],
    opened: 2
  },
  {
    name: "a handshake refused by the network, or not answered for 15 s: SSE for this request",
    script: [says("A"), says("B"), says("C")],
    handshakes: ["refuse", "silence"],
    transport: "auto",
    results: ["ok", "ok"],
    ways: [0, 0],
    opened: 2
  },
  {
    name: "404 in mode websocket is an error",
    script: [],
    handshakes: [no(404), no(404)],
    results: ["HttpFailure", "HttpFailure"],
    ways: []
  },
  {
    name: "429: final, and no SSE",
    script: [],
    handshakes: [
      no(429, `{"error":{"type":"usage_limit_reached"}}`),
      no(429, `{"error":{"type":"usage_limit_reached"}}`)
    ],
    transport: "auto",
    results: ["UsageLimit", "UsageLimit"],
    ways: []
  }
]

describe("what fails over a WebSocket", () => {
  for (const row of rows) {
    it.effect(row.name, () =>
      Effect.gen(function* () {
        const results = yield* twoTurns
        assert.deepStrictEqual(results.map(tagOf), [...row.results])
        assert.deepStrictEqual(yield* ways, [...row.ways])
        if (row.opened !== undefined) assert.strictEqual((yield* sockets).opened, row.opened)
      }).pipe(
        Effect.provide(
          overSockets(
            row.script,
            { transport: row.transport ?? "websocket" },
            { onUnexpected: "answer", ...(row.handshakes !== undefined && { handshakes: row.handshakes }) }
          )
        )
      )
    )
  }

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
    }).pipe(
      Effect.provide(overSockets([says("A"), says("B"), frame({ code: "token_expired" }, { status: 401 }), says("C")]))
    )
  )

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

const answer = {
  id: "resp_fixed",
  reasoning: "Let me see.",
  text: "The answer, in a few words.",
  toolCalls: [{ name: "look", callId: "call_1", arguments: { at: "it" } }]
}
const answerEvents = Script.turnEvents(answer)
const whole = Script.events(answerEvents)

type Seen = TurnEvent.TurnEvent | TurnEvent.TurnRestarted

describe("a socket that dies at frame k, for every k", () => {
  const modes = {
    restart: (codex: Codex.Service): Stream.Stream<Seen, CodexError.CodexError> => codex.stream({ prompt: "?" }),
    fail: (codex: Codex.Service): Stream.Stream<Seen, CodexError.CodexError> =>
      codex.stream({ prompt: "?" }, { onceShown: "fail" }),
    nothing: (codex: Codex.Service): Stream.Stream<Seen, CodexError.CodexError> =>
      codex.stream({ prompt: "?" }, { shown: "nothing" }),
    keepItems: (codex: Codex.Service): Stream.Stream<Seen, CodexError.CodexError> =>
      codex.stream({ prompt: "?", keepItems: true })
  }

  const outcome = (mode: keyof typeof modes, transport: "sse" | "websocket", script: Script.Script) =>
    Effect.gen(function* () {
      const seen: Array<Seen> = []
      const stream = modes[mode](yield* Codex.Codex)
      const result = yield* run(
        Effect.either(Stream.runForEach(stream, (event) => Effect.sync(() => seen.push(event))))
      )
      const end = Either.isLeft(result) ? result.left._tag : "ok"
      const asked = (yield* requests).map(({ body }) => (body as { readonly input: unknown }).input)
      const events = seen.map((event) => {
        // the id of a request is in the headers of its response, which a message has not
        if (event._tag === "TurnRestarted") return { ...event, message: event.message.replace(/ \(request .*\)$/, "") }
        if (event._tag !== "TurnCompleted") return event
        const { requestId: _, ...turn } = event.turn
        return { ...event, turn }
      })
      return { end, events, asked }
    }).pipe(Effect.provide(overSockets(script, { transport, retry: { jitter: 0 } }, { onUnexpected: "answer" })))

  for (const mode of Object.keys(modes) as Array<keyof typeof modes>) {
    it.effect(`is what a body that breaks there is by SSE: ${mode}`, () =>
      Effect.gen(function* () {
        for (let k = 0; k <= answerEvents.length; k++) {
          const script = [whole.pipe(Script.truncateAfterEvents(k)), whole]
          const [socket, sse] = [yield* outcome(mode, "websocket", script), yield* outcome(mode, "sse", script)]
          assert.deepStrictEqual(JSON.stringify(socket), JSON.stringify(sse), `after ${k} events`)
        }
      })
    )
  }
})

/** What a random conversation does next. */
type Move = "say" | "tool" | "fork" | "edit" | "model" | "break" | "lost" | "broken item"

const play = (moves: ReadonlyArray<Move>, transport: "sse" | "websocket") => {
  const responder: Script.Responder = (request, earlier) => {
    const again = earlier.some(({ prompt }) => prompt === request.prompt)
    if (request.prompt.includes("break") && !again)
      return Script.turn({ text: "Half" }).pipe(Script.truncateAfterEvents(3))
    if (request.prompt.includes("tool") && request.toolOutputs.length === 0) {
      return Script.turn({
        id: request.prompt,
        toolCalls: [{ name: "look", callId: `call_${request.prompt}`, arguments: {} }]
      })
    }
    return Script.turn({ reasoning: "Hm.", text: `heard ${request.prompt}` })
  }
  return Effect.gen(function* () {
    let conversation = yield* Conversation.make({ conversationId: "main" })
    let forks = 0
    for (const [n, move] of moves.entries()) {
      const prompt = `${move}-${n}`
      if (move === "fork") {
        const snapshot = yield* conversation.snapshot
        conversation = yield* Conversation.resume({ ...snapshot, id: `fork-${++forks}` as typeof snapshot.id })
      }
      if (move === "edit") {
        const snapshot = yield* conversation.snapshot
        conversation = yield* Conversation.resume({ ...snapshot, instructions: prompt })
      }
      if (move === "lost") yield* later("6 minutes")
      const said =
        move === "broken item"
          ? [Message.user(prompt), { type: "function_call_output", call_id: "nobody", output: "?" } as Item.Item]
          : prompt
      const turn = yield* run(conversation.send(said, move === "model" ? { model: "gpt-5.4" } : {}))
      if (turn.toolCalls.length > 0) {
        yield* run(
          conversation.sendToolResults(
            turn.toolCalls.map(
              ({ callId }) => ({ type: "function_call_output", call_id: callId, output: "seen" }) as Item.Item
            )
          )
        )
      }
    }
    return yield* requests
  }).pipe(Effect.provide(overSockets(responder, { transport })))
}

describe("the law of incremental input", () => {
  it.effect("what the server has cached and what is sent are the full input of SSE, item for item", () =>
    Effect.gen(function* () {
      const moves = Fc.array(
        Fc.constantFrom<Array<Move>>(
          "say",
          "say",
          "tool",
          "tool",
          "fork",
          "edit",
          "model",
          "break",
          "lost",
          "broken item"
        ),
        { minLength: 2, maxLength: 7 }
      )
      let incremental = 0
      for (const sample of Fc.sample(moves, { numRuns: 20, seed: 7 })) {
        const [bySse, bySocket] = [yield* play(sample, "sse"), yield* play(sample, "websocket")]
        assert.strictEqual(bySocket.length, bySse.length, sample.join())
        for (const [n, { input }] of bySse.entries()) {
          assert.deepStrictEqual(
            History.compile(bySocket[n]?.input ?? []).items.map((item) => JSON.stringify(item)),
            input.map((item) => JSON.stringify(item)),
            sample.join()
          )
        }
        incremental += bySocket.filter(({ message }) => message?.text.includes("previous_response_id")).length
      }
      assert.isAbove(incremental, 20)
    })
  )
})
