/**
 * What can happen to a turn over a WebSocket (protocol H.5), and what has to come of it: played without sockets in virtual
 * time, and over real ones.
 */
import { assert } from "@effect/vitest"
import { Script, type ScriptedBackend } from "@effect-codex/testing"
import { FailureCapture } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { type CodexConfig, Conversation } from "effect-codex"

export interface Row {
  readonly name: string
  /** What the requests of two turns of one conversation are answered. */
  readonly script: Script.Script
  readonly handshakes?: ReadonlyArray<Script.Handshake>
  readonly transport?: CodexConfig.Service["transport"]
  /** The time limits that pass, in seconds; over real sockets they are shorter. */
  readonly seconds?: { readonly headers?: number; readonly idle?: number }
  /** How often a 401 leads to a fresh token. */
  readonly refreshes?: number
  /** How each turn ends. */
  readonly results: readonly [string, string]
  /** The last failure of an attempt at each turn. */
  readonly failures?: readonly [string | undefined, string | undefined]
  /** The number of the socket of each request, 0 for SSE. */
  readonly ways: ReadonlyArray<number>
  /** Whether each request over a socket had all input or only what is new. */
  readonly inputs?: ReadonlyArray<"full" | "incremental">
  /** Why each turn fell back to SSE. */
  readonly fallbacks?: readonly [string | undefined, string | undefined]
  /** How many sockets were asked for. */
  readonly opened: number
}

const says = (text: string) => Script.turn({ text, reasoning: "Hm." })
const frame = (error: object, more: object = {}) => Script.events([{ type: "error", ...more, error }])
const yes = { status: 101 }
const no = (status: number, error?: object) => ({
  status,
  ...(error !== undefined && { body: JSON.stringify({ error }) })
})
const usageLimit = { type: "usage_limit_reached", plan_type: "pro", resets_at: 4_102_444_800 }

/** The first turn is well; the second is answered this. */
const then = (...steps: ReadonlyArray<Script.Step>): ReadonlyArray<Script.Step> => [says("A"), ...steps]
const again = { results: ["ok", "ok"], ways: [1, 1, 2], opened: 2 } as const
const fatal = (tag: string) => ({ results: ["ok", tag], failures: [undefined, tag], ways: [1, 1], opened: 1 }) as const

const broken = says("A").pipe(Script.truncateAfterEvents(3))

const frames: ReadonlyArray<Row> = [
  {
    name: "websocket_connection_limit_reached: a new socket, the full input, no failure",
    script: then(frame({ code: "websocket_connection_limit_reached" }, { status: 400 }), says("B")),
    ...again,
    failures: [undefined, undefined]
  },
  {
    name: "previous_response_not_found: a new socket, the full input, no failure",
    script: then(frame({ code: "previous_response_not_found" }, { status_code: 400 }), says("B")),
    ...again,
    failures: [undefined, undefined]
  },
  {
    name: "a code that asks for a new socket again and again is an error in the end",
    script: then(...Array.from({ length: 3 }, () => frame({ code: "previous_response_not_found" }, { status: 400 }))),
    results: ["ok", "InvalidRequest"],
    ways: [1, 1, 2, 3],
    opened: 3
  },
  {
    name: "a frame of 503 server_is_overloaded is retried on a new socket",
    script: then(frame({ code: "server_is_overloaded" }, { status: 503 }), says("B")),
    ...again,
    failures: [undefined, "ServerOverloaded"]
  },
  {
    name: "a frame of 500 is retried on a new socket",
    script: then(frame({ message: "Oops" }, { status: 500 }), says("B")),
    ...again,
    failures: [undefined, "HttpFailure"]
  },
  {
    name: "a frame of 429: the usage limit, with its headers",
    script: then(
      frame(usageLimit, {
        status: 429,
        headers: { "x-codex-primary-used-percent": 100, "x-codex-primary-window-minutes": "15" }
      })
    ),
    ...fatal("UsageLimit")
  },
  {
    name: "a frame of 401: recovery, and a new socket with the new credentials",
    script: then(frame({ code: "token_expired" }, { status: 401 }), says("B")),
    refreshes: 1,
    ...again
  },
  {
    name: "a frame without a status is read by its code",
    script: then(frame({ code: "context_length_exceeded", message: "Too long" })),
    ...fatal("ContextWindowExceeded")
  },
  {
    name: "an error frame in the middle of a turn",
    script: then(
      Script.events([
        ...Script.turnEvents({ text: "Half" }).slice(0, 4),
        { type: "error", status: 503, error: { code: "server_is_overloaded" } }
      ]),
      says("B")
    ),
    ...again,
    failures: [undefined, "ServerOverloaded"]
  },
  ...["websocket_connection_limit_reached", "previous_response_not_found"].map(
    (code): Row => ({
      name: `${code} in the middle of a turn is a truncated stream`,
      script: then(
        Script.events([
          ...Script.turnEvents({ text: "Half" }).slice(0, 4),
          { type: "error", status: 400, error: { code } }
        ]),
        says("B")
      ),
      ...again,
      failures: [undefined, "StreamTruncated"]
    })
  ),
  ...[
    { type: "error", status: 400, code: "previous_response_not_found" },
    { type: "error", status: "400", error: { type: "previous_response_not_found" } },
    { status_code: 400, error: { code: "previous_response_not_found" } }
  ].map(
    (event): Row => ({
      name: `an error frame of another shape: ${Object.keys(event).join()}, ${typeof event.status}`,
      script: then(Script.events([event]), says("B")),
      ...again,
      failures: [undefined, undefined]
    })
  ),
  {
    name: "a 401 without a type: recovery, and a new socket with the new credentials",
    script: then(Script.events([{ status: 401, error: { code: "token_expired" } }]), says("B")),
    refreshes: 1,
    ...again
  },
  {
    name: "an error frame between two turns: a new socket, no failure",
    script: [
      Script.events([
        ...Script.turnEvents({ text: "A" }),
        { type: "error", status: 400, error: { code: "websocket_connection_limit_reached" } }
      ]),
      says("B")
    ],
    results: ["ok", "ok"],
    failures: [undefined, undefined],
    ways: [1, 2],
    opened: 2
  },
  {
    name: "a response that is completed with an error is no previous response",
    script: [
      Script.events([
        {
          type: "response.completed",
          response: { id: "resp_bad", status: "failed", error: { code: "server_error", message: "Oops" } }
        }
      ]),
      says("A"),
      says("B")
    ],
    results: ["ok", "ok"],
    failures: ["ResponseFailed", undefined],
    ways: [1, 1, 1],
    inputs: ["full", "full", "incremental"],
    opened: 1
  },
  {
    name: "response.failed is what it is by SSE",
    script: then(Script.failed({ code: "context_length_exceeded", message: "Too long" })),
    ...fatal("ContextWindowExceeded")
  },
  {
    name: "a binary message",
    script: then(says("B").pipe(Script.binaryMessages)),
    ...fatal("ConnectionFailed")
  }
]

const closes: ReadonlyArray<Row> = [
  ...[1000, 1001, 1011, 1012].map(
    (code): Row => ({
      name: `a close with ${code} before the terminal event is a truncated stream`,
      script: then(says("B").pipe(Script.truncateAfterEvents(3), Script.closeCode(code)), says("B")),
      ...again,
      failures: [undefined, "StreamTruncated"]
    })
  ),
  {
    name: "a close before any event",
    script: [says("A").pipe(Script.truncateAfterEvents(0)), says("A"), says("B")],
    results: ["ok", "ok"],
    failures: ["StreamTruncated", undefined],
    ways: [1, 2, 2],
    opened: 2
  },
  {
    name: "a reset before any event",
    script: [Script.resetBeforeHeaders, says("A"), says("B")],
    results: ["ok", "ok"],
    failures: ["ConnectionFailed", undefined],
    ways: [1, 2, 2],
    opened: 2
  },
  {
    name: "a close of a socket that was idle, before any event: a new socket, no failure",
    script: then(says("B").pipe(Script.truncateAfterEvents(0)), says("B")),
    ...again,
    failures: [undefined, undefined]
  },
  {
    name: "a reset of a socket that was idle, before any event: a new socket, no failure",
    script: then(Script.resetBeforeHeaders, says("B")),
    ...again,
    failures: [undefined, undefined]
  },
  {
    name: "three sockets that break one after the other: SSE for the conversation",
    script: [broken, broken, broken, says("A"), says("B")],
    transport: "auto",
    results: ["ok", "ok"],
    failures: ["StreamTruncated", undefined],
    fallbacks: ["broken", "broken"],
    ways: [1, 2, 3, 0, 0],
    opened: 3
  },
  {
    name: "a turn that ends well makes up for the sockets that broke before it",
    script: [broken, says("A"), broken, broken, says("B")],
    transport: "auto",
    results: ["ok", "ok"],
    failures: ["StreamTruncated", "StreamTruncated"],
    fallbacks: [undefined, undefined],
    ways: [1, 2, 2, 3, 4],
    opened: 4
  },
  {
    name: "in mode websocket sockets that break lead to no SSE",
    script: [broken, broken, broken, broken, says("B")],
    results: ["StreamTruncated", "ok"],
    ways: [1, 2, 3, 4, 5],
    opened: 5
  },
  {
    name: "a reset in the middle of a turn",
    script: then(says("B").pipe(Script.resetAfterEvents(3)), says("B")),
    ...again,
    failures: [undefined, "ConnectionFailed"]
  },
  {
    name: "a close with 1009 before any event: SSE for this request",
    script: then(says("B").pipe(Script.truncateAfterEvents(0), Script.closeCode(1009)), says("B")),
    transport: "auto",
    results: ["ok", "ok"],
    failures: [undefined, undefined],
    fallbacks: [undefined, "too_large"],
    ways: [1, 1, 0],
    opened: 1
  },
  {
    name: "a close with 1009 before any event in mode websocket is an error",
    script: then(says("B").pipe(Script.truncateAfterEvents(0), Script.closeCode(1009))),
    ...fatal("InvalidRequest")
  }
]

const silences: ReadonlyArray<Row> = [
  {
    name: "no message for 300 s: retried on a new socket",
    script: then(Script.silence, says("B")),
    seconds: { headers: 300 },
    ...again,
    failures: [undefined, "TimedOut"]
  },
  {
    name: "no message for 300 s in the middle of a turn: idle, retried on a new socket",
    script: then(says("B").pipe(Script.silenceAfterEvents(3)), says("B")),
    seconds: { idle: 300 },
    ...again,
    failures: [undefined, "StreamIdle"]
  },
  {
    name: "three sockets that stay silent one after the other: SSE for the conversation",
    script: [Script.silence, Script.silence, Script.silence, says("A"), says("B")],
    transport: "auto",
    seconds: { headers: 300 },
    results: ["ok", "ok"],
    failures: ["TimedOut", undefined],
    fallbacks: ["broken", "broken"],
    ways: [1, 2, 3, 0, 0],
    opened: 3
  },
  {
    name: "a handshake that is not answered for 15 s: SSE for this request",
    script: then(says("B")),
    handshakes: ["silence"],
    transport: "auto",
    seconds: { headers: 300 },
    results: ["ok", "ok"],
    fallbacks: ["dial_failed", undefined],
    ways: [0, 2],
    opened: 2
  }
]

const handshakes: ReadonlyArray<Row> = [
  {
    name: "426: SSE for the life of the client",
    script: then(says("B")),
    handshakes: [no(426)],
    transport: "auto",
    results: ["ok", "ok"],
    fallbacks: ["not_allowed", "not_allowed"],
    ways: [0, 0],
    opened: 1
  },
  {
    name: "426 in mode websocket is an error",
    script: [],
    handshakes: [no(426), no(426)],
    results: ["HttpFailure", "HttpFailure"],
    ways: [],
    opened: 2
  },
  ...(["auto", "websocket"] as const).map(
    (transport): Row => ({
      name: `401: one more dial with the credentials that recovery brings (${transport})`,
      script: then(says("B")),
      handshakes: [no(401), yes],
      transport,
      refreshes: 1,
      results: ["ok", "ok"],
      failures: [undefined, undefined],
      fallbacks: [undefined, undefined],
      ways: [2, 2],
      opened: 2
    })
  ),
  {
    name: "401 again after the recovery is final, and no SSE",
    script: then(says("B")),
    handshakes: [no(401), no(401), yes],
    transport: "auto",
    refreshes: 1,
    results: ["Unauthorized", "ok"],
    ways: [3],
    opened: 3
  },
  {
    name: "401 that cannot be recovered from is the login's own failure, and no SSE",
    script: [],
    handshakes: [no(401), no(401)],
    transport: "auto",
    results: ["LoginExpired", "LoginExpired"],
    ways: [],
    opened: 2
  },
  ...[403, 404, 500, 503].map(
    (status): Row => ({
      name: `${status}: SSE for this request`,
      script: then(says("B")),
      handshakes: [no(status), yes],
      transport: "auto",
      results: ["ok", "ok"],
      failures: [undefined, undefined],
      fallbacks: ["dial_failed", undefined],
      ways: [0, 2],
      opened: 2
    })
  ),
  {
    name: "404 in mode websocket is an error",
    script: [],
    handshakes: [no(404), no(404)],
    results: ["HttpFailure", "HttpFailure"],
    ways: [],
    opened: 2
  },
  {
    name: "200 in mode websocket is an error, whatever its body says",
    script: [],
    handshakes: Array.from({ length: 2 }, () => ({
      status: 200,
      body: 'data: {"type":"response.completed","response":{"id":"resp_no"}}\n\n'
    })),
    results: ["HttpFailure", "HttpFailure"],
    ways: [],
    opened: 2
  },
  {
    name: "500 in mode websocket is retried",
    script: then(says("B")),
    handshakes: [no(500), yes],
    results: ["ok", "ok"],
    failures: ["HttpFailure", undefined],
    ways: [2, 2],
    opened: 2
  },
  {
    name: "429: the usage limit, final, and no SSE",
    script: [],
    handshakes: [no(429, usageLimit), no(429, usageLimit)],
    transport: "auto",
    results: ["UsageLimit", "UsageLimit"],
    ways: [],
    opened: 2
  },
  {
    name: "a connection that fails: SSE for this request",
    script: then(says("B")),
    handshakes: ["refuse"],
    transport: "auto",
    results: ["ok", "ok"],
    failures: [undefined, undefined],
    fallbacks: ["dial_failed", undefined],
    ways: [0, 2],
    opened: 2
  },
  {
    name: "a connection that fails in mode websocket is retried",
    script: then(says("B")),
    handshakes: ["refuse", yes],
    results: ["ok", "ok"],
    failures: ["ConnectionFailed", undefined],
    ways: [2, 2],
    opened: 2
  },
  {
    name: "a slow handshake is waited for",
    script: then(says("B")),
    handshakes: [{ status: 101, delay: "100 millis" }],
    transport: "auto",
    results: ["ok", "ok"],
    ways: [1, 1],
    opened: 1
  }
]

export const rows = [...frames, ...closes, ...silences, ...handshakes]

/** A real second of a limit lasts this long. */
const scale = 1 / 300

export const configOf = (row: Row, time: "virtual" | "real"): CodexConfig.Options => {
  const limit = (seconds: number | undefined) =>
    seconds && (`${seconds * (time === "real" ? scale : 1)} seconds` as const)
  return {
    transport: row.transport ?? "websocket",
    timeouts: { headers: limit(row.seconds?.headers), idle: limit(row.seconds?.idle) },
    ...(time === "real" && { retry: { baseDelay: "1 millis", outageBaseDelay: "1 millis" } })
  }
}

/** Two turns of one conversation, and whether everything is as the row says. */
export const check = (
  row: Row,
  backend: Pick<ScriptedBackend.ScriptedBackend.Service, "requests" | "sockets">,
  run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const conversation = yield* Conversation.make()
    const failures = yield* FailureCapture.FailureCapture
    const turn = (said: string) =>
      Effect.gen(function* () {
        const result = yield* run(Effect.either(conversation.send(said)))
        const failure = (yield* failures.takeLast)?.error
        return Either.match(result, {
          onLeft: ({ _tag, partial }) => ({ tag: _tag as string, route: partial?.diagnostics.route, failure }),
          onRight: ({ diagnostics: { route } }) => ({ tag: "ok", route, failure })
        })
      })
    const turns = [yield* turn("one"), yield* turn("two")]
    const sent = (yield* backend.requests).map(({ message }) => message)
    assert.deepStrictEqual(
      turns.map(({ tag }) => tag),
      [...row.results]
    )
    assert.deepStrictEqual(
      sent.map((message) => message?.socket ?? 0),
      [...row.ways]
    )
    assert.strictEqual((yield* backend.sockets).opened, row.opened)
    if (row.failures !== undefined)
      assert.deepStrictEqual(
        turns.map(({ failure }) => failure),
        [...row.failures]
      )
    if (row.fallbacks !== undefined) {
      assert.deepStrictEqual(
        turns.map(({ route }) => route?.fallback),
        [...row.fallbacks]
      )
    }
    if (row.inputs !== undefined)
      assert.deepStrictEqual(
        sent.map((message) => (message?.text.includes("previous_response_id") ? "incremental" : "full")),
        [...row.inputs]
      )
    for (const [n, message] of sent.entries()) {
      const isFirst = sent.findIndex((other) => other?.socket === message?.socket) === n
      if (isFirst) assert.notInclude(message?.text ?? "", "previous_response_id")
    }
  })
