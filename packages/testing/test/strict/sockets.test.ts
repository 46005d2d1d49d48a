/** The strict backend over WebSockets: who may open one, what may be sent over it, and how it is refused. */
import { assert, describe, it } from "@effect/vitest"
import { BackendServer } from "@effect-codex/testing/node"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as StrictBackend from "@effect-codex/testing/StrictBackend"
import * as TestCodex from "@effect-codex/testing/TestCodex"
import { WebSocketConnector } from "@effect-codex/transport"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { Codex, CodexConfig, Conversation, Message, Tool, Toolkit } from "effect-codex"
import { exhaustive } from "../../../../test/exhaustive.ts"
import { draw, sample } from "../../../../test/property.ts"
import { base, body, credentials, type Json, user } from "./support.ts"

/** What comes of a socket: `open`, `refused`, `close`, or a message. */
type Heard = Json

const beta = { "openai-beta": "responses_websockets=2026-02-06", "user-agent": "test/1.0" }

/** A socket as it is, without a client. */
const open = Effect.fnUntraced(function* (headers: Readonly<Record<string, string>>, url = base) {
  const { connect } = yield* WebSocketConnector.WebSocketConnector
  const heard = yield* Queue.unbounded<Heard>()
  const hear = (what: Heard) => Queue.unsafeOffer(heard, what)
  const socket = connect?.(
    { url: `${url}/codex/responses`, headers: { ...beta, ...headers } },
    {
      onOpen: (headers) => hear({ type: "open", headers }),
      onRefused: (status, headers, _, body) => hear({ type: "refused", status, headers, body }),
      onMessage: (text) => hear(JSON.parse(text)),
      onBinary: () => hear({ type: "binary" }),
      onClose: (code) => hear({ type: "close", code })
    }
  )
  /** What comes until one of these types, that one last. */
  const until = Effect.fnUntraced(function* (...types: ReadonlyArray<string>) {
    const all: Array<Heard> = []
    do all.push(yield* Queue.take(heard))
    while (!types.includes(String(all.at(-1)?.["type"])))
    return all
  })
  const ends = ["response.completed", "response.incomplete", "response.failed", "error", "close"]
  return {
    heard,
    until,
    /** Sends a message, and gives back what comes of it. */
    say: (message: unknown) => {
      socket?.send(typeof message === "string" ? message : JSON.stringify(message))
      return until(...ends)
    },
    opened: Effect.map(until("open", "refused", "close"), (all) => all[0] ?? {})
  }
})

const opened = Effect.fnUntraced(function* (url?: string) {
  const socket = yield* open(yield* credentials(), url)
  assert.strictEqual((yield* socket.opened)["type"], "open")
  return socket
})

const create = (changes: Json = {}): Json => ({ type: "response.create", ...body(changes) })

const last = (heard: ReadonlyArray<Heard>): Heard => heard.at(-1) ?? {}

const idOf = (heard: ReadonlyArray<Heard>): string => String(Object(last(heard)["response"]).id)

/** That it was refused like this, which the backend knows as well. */
const refused = Effect.fnUntraced(function* (heard: ReadonlyArray<Heard>, status: number, error: Json) {
  assert.lengthOf(heard, 1)
  const frame = last(heard)
  assert.deepInclude(frame, { type: "error", status })
  assert.deepInclude(frame["error"], error)
  const backend = yield* StrictBackend.StrictBackend
  assert.deepInclude((yield* backend.refusals).at(-1), { status })
})

// handshakes and messages --------------------------------------------------------------------------------------------

const cases: ReadonlyArray<
  readonly [
    name: string,
    (url?: string) => Effect.Effect<void, unknown, StrictBackend.StrictBackend>,
    StrictBackend.Options?
  ]
> = [
  [
    "a handshake of nobody",
    Effect.fnUntraced(function* (url) {
      const socket = yield* open({}, url)
      const refusal = yield* socket.opened
      assert.deepInclude(refusal, { type: "refused", status: 401 })
      assert.deepStrictEqual(JSON.parse(String(refusal["body"])), { detail: "Unauthorized" })
      const backend = yield* StrictBackend.StrictBackend
      assert.deepInclude((yield* backend.refusals).at(-1), { status: 401, body: { detail: "Unauthorized" } })
    })
  ],
  [
    "a handshake with a token that has expired",
    Effect.fnUntraced(function* (url) {
      const headers = yield* credentials()
      yield* (yield* StrictBackend.StrictBackend).expireTokens()
      const refusal = yield* (yield* open(headers, url)).opened
      assert.deepInclude(refusal, { type: "refused", status: 401 })
      assert.strictEqual(JSON.parse(String(refusal["body"])).error.code, "token_expired")
      assert.deepInclude(refusal["headers"], { "x-openai-authorization-error": "token_expired" })
    })
  ],
  [
    "a handshake for another account",
    Effect.fnUntraced(function* (url) {
      const headers = { ...(yield* credentials("acc_test")), "chatgpt-account-id": "acc_other" }
      const refusal = yield* (yield* open(headers, url)).opened
      assert.deepInclude(refusal, { type: "refused", status: 403 })
      assert.deepStrictEqual(JSON.parse(String(refusal["body"])), { detail: { code: "invalid_workspace_selected" } })
    })
  ],
  [
    "a handshake that the edge lets nobody make",
    Effect.fnUntraced(function* (url) {
      const headers = { ...(yield* credentials()), "user-agent": "curl/8.5.0" }
      const refusal = yield* (yield* open(headers, url)).opened
      assert.deepInclude(refusal, { type: "refused", status: 403 })
      assert.match(String(refusal["body"]), /^<!DOCTYPE html>/)
    })
  ],
  [
    "a handshake elsewhere",
    Effect.fnUntraced(function* (url = base) {
      const refusal = yield* (yield* open(yield* credentials(), `${url}/other`)).opened
      assert.deepInclude(refusal, { type: "refused", status: 404 })
    })
  ],
  [
    "a message that is no JSON, or asks for nothing",
    Effect.fnUntraced(function* (url) {
      const socket = yield* opened(url)
      yield* refused(yield* socket.say("{"), 400, { type: "invalid_request_error" })
      yield* refused(yield* socket.say({ type: "session.update" }), 400, { code: "invalid_value", param: "type" })
      assert.strictEqual(last(yield* socket.say(create()))["type"], "response.completed")
    })
  ],
  [
    "a body that is refused over HTTP",
    Effect.fnUntraced(function* (url) {
      const socket = yield* opened(url)
      yield* refused(yield* socket.say(create({ store: true })), 400, { message: "Store must be set to false" })
      yield* refused(yield* socket.say(create({ input: "Hi" })), 400, { message: "Input must be a list" })
      const orphan = { type: "function_call_output", call_id: "call_1", output: "x" }
      yield* refused(yield* socket.say(create({ input: [user("Hi"), orphan] })), 400, {
        message: "No tool call found for function call output with call_id call_1."
      })
      yield* refused(yield* socket.say(create({ generate: "no" })), 400, { param: "generate", code: "invalid_type" })
    })
  ],
  [
    "a response that this socket has not got",
    Effect.fnUntraced(function* (url) {
      const [one, other] = [yield* opened(url), yield* opened(url)]
      const id = idOf(yield* one.say(create()))
      const next = create({ previous_response_id: id, input: [user("And?")] })
      yield* refused(yield* other.say(next), 400, {
        code: "previous_response_not_found",
        message: `Previous response with id '${id}' not found.`,
        param: "previous_response_id"
      })
      assert.strictEqual(last(yield* one.say(next))["type"], "response.completed")
    })
  ],
  [
    "a second response while one is on its way",
    Effect.fnUntraced(function* (url) {
      const socket = yield* opened(url)
      const first = yield* Effect.fork(socket.say(create()))
      yield* socket.until("response.created").pipe(Effect.zipLeft(Fiber.interrupt(first)))
      yield* refused(yield* socket.say(create()), 400, { code: "response_in_progress" })
    }),
    { script: Script.always(Script.turn({ text: "Half" }).pipe(Script.silenceAfterEvents(1))) }
  ],
  [
    "a message of more than 16 MiB",
    Effect.fnUntraced(function* (url) {
      const socket = yield* opened(url)
      assert.deepStrictEqual(yield* socket.say("x".repeat(16_777_216)), [{ type: "close", code: 1009 }])
      const backend = yield* StrictBackend.StrictBackend
      assert.deepInclude((yield* backend.refusals).at(-1), { status: 413 })
    })
  ],
  [
    "a socket that is 60 minutes old",
    Effect.fnUntraced(function* (url) {
      const socket = yield* opened(url)
      const backend = yield* StrictBackend.StrictBackend
      yield* backend.elapse("59 minutes")
      assert.strictEqual(last(yield* socket.say(create()))["type"], "response.completed")
      yield* backend.elapse("1 minute")
      yield* refused(yield* socket.say(create()), 400, { code: "websocket_connection_limit_reached" })
    })
  ],
  [
    "a full window, until it ends",
    Effect.fnUntraced(function* (url) {
      const socket = yield* opened(url)
      const backend = yield* StrictBackend.StrictBackend
      yield* backend.fillWindow("primary", 100)
      const heard = yield* socket.say(create())
      yield* refused(heard, 429, { type: "usage_limit_reached", plan_type: "plus", limit_window_minutes: 300 })
      assert.deepInclude(last(heard)["headers"], { "x-codex-primary-used-percent": "100" })
    })
  ],
  [
    "a token that expires on an open socket",
    Effect.fnUntraced(function* (url) {
      const socket = yield* opened(url)
      yield* (yield* StrictBackend.StrictBackend).expireTokens()
      yield* refused(yield* socket.say(create()), 401, { code: "token_expired" })
    })
  ]
]

describe("is refused over a WebSocket", () => {
  for (const [name, test, options] of cases) {
    const layer = StrictBackend.layer({ accounts: [{ id: "acc_test" }, { id: "acc_other" }], ...options })
    it.effect(name, () => Effect.provide(test(), layer))
  }

  for (const [name, test, options] of cases) {
    it.live(`over a real one: ${name}`, () =>
      Effect.flatMap(BackendServer.BackendServer, ({ url }) => test(url)).pipe(
        Effect.provide(BackendServer.layerStrict({ accounts: [{ id: "acc_test" }, { id: "acc_other" }], ...options })),
        Effect.provide(TransportNode.layer())
      )
    )
  }
})

describe("is answered over a WebSocket", () => {
  it.effect("with the limits and what HTTP has in headers first, then as over HTTP", () =>
    Effect.gen(function* () {
      const socket = yield* opened()
      const [limits, metadata, ...rest] = yield* socket.say(create())
      assert.deepInclude(limits, { type: "codex.rate_limits", plan_type: "plus", limit_name: "codex" })
      assert.deepInclude(Object(limits?.["rate_limits"]).primary, { used_percent: 0, window_minutes: 300 })
      const headers = Object(metadata?.["headers"])
      assert.deepInclude(headers, { "openai-model": "gpt-5.5", "x-reasoning-included": "true" })
      assert.match(headers["x-codex-turn-state"], /^ts_/)
      assert.deepStrictEqual(
        rest.map(({ type }) => type),
        Script.turnEvents({ reasoning: [], text: "You said: Hi" }).map(({ type }) => type)
      )
      // the token of a turn comes once
      const again = yield* socket.say(create({ client_metadata: { "x-codex-turn-state": "ts_1" } }))
      assert.isUndefined(Object(again[1]?.["headers"])["x-codex-turn-state"])
      assert.isAbove(Object(Object(again[0]?.["rate_limits"]).primary).used_percent, -1)
    }).pipe(Effect.provide(StrictBackend.layer()))
  )

  it.effect("where it only prepares the next one, with a response that says nothing and costs nothing", () =>
    Effect.gen(function* () {
      const socket = yield* opened()
      const prepared = yield* socket.say(create({ generate: false, input: [] }))
      assert.deepStrictEqual(
        prepared.map(({ type }) => type),
        ["codex.rate_limits", "response.metadata", "response.created", "response.in_progress", "response.completed"]
      )
      assert.deepInclude(Object(last(prepared)["response"]).usage, { total_tokens: 0 })
      const said = yield* socket.say(create({ previous_response_id: idOf(prepared) }))
      assert.include(JSON.stringify(said), "You said: Hi")
    }).pipe(Effect.provide(StrictBackend.layer()))
  )

  it.effect("after what was refused, and after what failed or ended early", () =>
    Effect.gen(function* () {
      const socket = yield* opened()
      assert.strictEqual(last(yield* socket.say(create()))["type"], "response.failed")
      const early = yield* socket.say(create())
      assert.strictEqual(last(early)["type"], "response.incomplete")
      const next = yield* socket.say(create({ previous_response_id: idOf(early), input: [user("Go on")] }))
      assert.strictEqual(last(next)["type"], "response.completed")
    }).pipe(
      Effect.provide(
        StrictBackend.layer({
          script: [
            Script.failed({ code: "server_error", message: "Later" }),
            Script.turn({ text: "Half", incomplete: "max_output_tokens" }),
            Script.turn({ text: "Whole" })
          ]
        })
      )
    )
  )
})

// the client of this library -----------------------------------------------------------------------------------------

const look = Toolkit.handler(
  Tool.unsafeMake({ name: "look", description: "Looks.", parameters: Schema.Struct({}) }),
  () => Effect.succeed("sunny")
)

/** Calls a tool where it is asked to, and tells what it gave back. */
const weather: Script.Responder = ({ prompt, toolOutputs }) =>
  prompt.includes("weather") && toolOutputs.length === 0
    ? Script.turn({ reasoning: "Hm.", toolCalls: [{ name: "look", arguments: {} }] })
    : Script.turn({ reasoning: [], text: `It is ${toolOutputs[0]?.output ?? "fine"}.` })

const story = Effect.gen(function* () {
  const conversation = yield* Conversation.make({ tools: [look] })
  assert.strictEqual((yield* conversation.complete("The weather?")).turn.text, "It is sunny.")
  const { diagnostics, text } = yield* conversation.send("And you?")
  assert.strictEqual(text, "It is fine.")
  assert.deepStrictEqual(diagnostics.route, { via: "websocket", input: "incremental" })
  const backend = yield* StrictBackend.StrictBackend
  assert.deepStrictEqual(yield* backend.refusals, [])
  // lost logins and full windows are what they are by HTTP
  yield* backend.expireTokens()
  assert.strictEqual((yield* conversation.send("And now?")).text, "It is fine.")
  yield* backend.fillWindow("primary", 100)
  assert.strictEqual((yield* Effect.flip(conversation.send("And now?")))._tag, "UsageLimit")
})

describe("a conversation with tools", () => {
  it.effect("in virtual time", () =>
    Effect.gen(function* () {
      yield* story
      const backend = yield* ScriptedBackend.ScriptedBackend
      const turns = (yield* backend.requests).filter(({ path }) => path.endsWith("/codex/responses"))
      assert.deepStrictEqual(
        turns.map(({ message }) => message?.socket),
        [1, 1, 1, 1, 2, 2]
      )
    }).pipe(Effect.provide(TestCodex.layerStrict({ script: weather }, { transport: "websocket" })))
  )

  it.scopedLive("over a real socket", () =>
    Effect.gen(function* () {
      const { url } = yield* BackendServer.BackendServer
      const client = Codex.layerCarrier.pipe(
        Layer.provide(CodexConfig.layer({ baseUrl: url, transport: "websocket" })),
        Layer.provide(StrictBackend.layerAuth({ issuer: new URL(url).origin })),
        Layer.provide(TransportNode.layer())
      )
      yield* Effect.provide(story, client)
    }).pipe(Effect.provide(BackendServer.layerStrict({ script: weather })))
  )
})

const moves = ["say", "weather", "fork", "resume", "model", "effort", "rest", "connect", "warm", "image"] as const
type Move = (typeof moves)[number]

const play = (all: ReadonlyArray<Move>) =>
  Effect.gen(function* () {
    let conversation: Conversation.Conversation<unknown> = yield* Conversation.make({ tools: [look] })
    for (const move of all) {
      if (move === "fork") conversation = yield* conversation.fork
      if (move === "resume") conversation = yield* Conversation.resume(yield* conversation.snapshot, { tools: [look] })
      if (move === "rest") yield* TestClock.adjust("6 minutes")
      if (move === "connect" || move === "warm") {
        yield* Effect.scoped(conversation.connect({ warmUp: move === "warm" }))
      }
      const prompt = move === "image" ? Message.user([yield* Message.image("https://example.org/a.png")]) : move
      yield* conversation.complete(prompt, {
        ...(move === "model" && { model: "gpt-5.6-sol" }),
        ...(move === "effort" && { reasoning: { effort: "low" } })
      })
    }
    const backend = yield* StrictBackend.StrictBackend
    assert.deepStrictEqual(yield* backend.refusals, [], all.join())
    return (yield* (yield* ScriptedBackend.ScriptedBackend).requests).filter(({ message }) =>
      message?.text.includes("previous_response_id")
    ).length
  }).pipe(Effect.provide(TestCodex.layerStrict({ script: weather }, { transport: "websocket" })))

const conversations = exhaustive ? 300 : 20

describe("a random conversation", () => {
  it.effect("is refused nothing", () =>
    Effect.gen(function* () {
      const samples = sample(draw.array(draw.constantFrom(...moves), { minLength: 2, maxLength: 8 }), {
        runs: conversations,
        seed: 13
      })
      assert.deepStrictEqual(new Set(samples.flat()), new Set(moves))
      let incremental = 0
      for (const moves of samples) incremental += yield* play(moves)
      assert.isAbove(incremental, conversations)
    })
  )
})
