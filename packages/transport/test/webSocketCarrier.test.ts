/** The carrier of WebSockets over sockets that a test plays by hand. */
import { assert, describe, it } from "@effect/vitest"
import { ResponsesRequest } from "@effect-codex/schema"
import type { Carrier, WebSocketConnector } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import { draw, forAll } from "../../../test/property.ts"
import * as WebSocketCarrier from "../src/internal/webSocketCarrier.ts"

interface Socket {
  readonly receiver: WebSocketConnector.Receiver
  state: "dialling" | "open" | "closed"
  /** Whether a request was sent that is not answered yet. */
  busy: boolean
}

interface Job {
  readonly told: Array<string>
  readonly abort: () => void
  aborted: boolean
}

const isOver = ({ aborted, told }: Job) => aborted || told.at(-1) === "end" || told.at(-1) === "failure"

/** A carrier with so many sockets at the most, in a time of its own. */
const playing = (maxSockets: number) => {
  const sockets: Array<Socket> = []
  const jobs: Array<Job> = []
  const timers = new Set<{ readonly at: number; readonly run: () => void }>()
  let time = 0
  const carrier = WebSocketCarrier.make({
    connector: {
      maxSockets,
      connect: (_, receiver) => {
        const socket: Socket = { receiver, state: "dialling", busy: false }
        sockets.push(socket)
        return {
          send: () => {
            assert.deepStrictEqual([socket.state, socket.busy], ["open", false])
            socket.busy = true
          },
          close: () => {
            socket.state = "closed"
          }
        }
      }
    },
    http: { send: () => Effect.dieMessage("no HTTP") },
    now: () => time,
    timer: (delay, run) => {
      const timer = { at: time + delay, run }
      timers.add(timer)
      return () => timers.delete(timer)
    }
  })
  return {
    sockets,
    jobs,
    live: () => sockets.filter(({ state }) => state !== "closed"),
    pass: (millis: number) => {
      time += millis
      for (const timer of timers) if (timer.at <= time && timers.delete(timer)) timer.run()
    },
    /** Sends a request, which is aborted when it is told this. */
    send: (thread: string, ahead?: "connect" | "warm_up", abortAt?: string) => {
      let control: Carrier.Control | undefined
      const job: Job = {
        told: [],
        aborted: false,
        abort: () => {
          job.aborted = true
          control?.abort()
        }
      }
      jobs.push(job)
      const tell = (what: string) => () => {
        assert.isFalse(isOver(job), `${what} after ${job.told.join()}`)
        job.told.push(what)
        if (what === abortAt) job.abort()
      }
      const request: Carrier.Request = {
        method: "POST",
        url: "https://example.org/responses",
        headers: { "thread-id": thread },
        turn: {
          request: ResponsesRequest.make({ model: "gpt-5.5", input: [] }),
          mode: "websocket",
          handshakeLimit: 15_000,
          ahead
        }
      }
      control = Effect.runSync(
        carrier.send(request, {
          onHeaders: tell("headers"),
          onData: tell("data"),
          onMessage: tell("message"),
          onEnd: tell("end"),
          onFailure: tell("failure")
        })
      )
      return job
    }
  }
}

type Play = ReturnType<typeof playing>

const completed = JSON.stringify({ type: "response.completed", response: { id: "resp_1" } })

const answer = (socket: Socket, message: string) => {
  socket.busy = false
  socket.receiver.onMessage(message)
}

const open = (socket: Socket) => {
  socket.state = "open"
  socket.receiver.onOpen({}, [])
}

const end = (socket: Socket, tell: () => void) => {
  socket.state = "closed"
  tell()
}

/** Does it to one of these, if there is one. */
const toOne = <A>(all: ReadonlyArray<A>, n: number, act: (one: A) => void) => {
  const one = all[n % all.length]
  if (one !== undefined) act(one)
}

const toOpen = ({ live }: Play, n: number, act: (socket: Socket) => void) =>
  toOne(
    live().filter(({ state }) => state === "open"),
    n,
    act
  )
const toDialling = ({ live }: Play, n: number, act: (socket: Socket) => void) =>
  toOne(
    live().filter(({ state }) => state === "dialling"),
    n,
    act
  )

/** What can happen; the number says to which socket, request or thread. */
const moves: Readonly<Record<string, (play: Play, n: number) => void>> = {
  send: ({ send }, n) => void send(`thread-${n % 4}`),
  "send, and abort in a callback": ({ send }, n) =>
    void send(`thread-${n % 4}`, undefined, ["headers", "message"][n % 2]),
  connect: ({ send }, n) => void send(`thread-${n % 4}`, n % 2 === 0 ? "connect" : "warm_up"),
  abort: ({ jobs }, n) =>
    toOne(
      jobs.filter((job) => !isOver(job)),
      n,
      (job) => job.abort()
    ),
  open: (play, n) => toDialling(play, n, open),
  refuse: (play, n) =>
    toDialling(play, n, (socket) =>
      end(socket, () => socket.receiver.onRefused([401, 403, 429][n % 3] ?? 500, {}, [], ""))
    ),
  complete: (play, n) => toOpen(play, n, (socket) => answer(socket, completed)),
  delta: (play, n) =>
    toOpen(play, n, ({ receiver }) => receiver.onMessage('{"type":"response.output_text.delta","delta":"A"}')),
  limits: (play, n) => toOpen(play, n, ({ receiver }) => receiver.onMessage('{"type":"codex.rate_limits"}')),
  error: (play, n) => toOpen(play, n, (socket) => answer(socket, '{"type":"error","status":400}')),
  lost: (play, n) =>
    toOpen(play, n, (socket) => answer(socket, '{"type":"error","error":{"code":"previous_response_not_found"}}')),
  binary: (play, n) => toOpen(play, n, ({ receiver }) => receiver.onBinary()),
  close: (play, n) =>
    toOne(play.live(), n, (socket) => end(socket, () => socket.receiver.onClose(n % 2 === 0 ? 1000 : 1006))),
  "pass time": ({ pass }, n) => pass([1000, 15_000, 300_000][n % 3] ?? 0)
}

describe("random events of requests and sockets", () => {
  it("end each request once, tell nothing after that, and leave no socket beyond its time", () => {
    const anyMoves = draw.array(draw.tuple(draw.constantFrom(...Object.keys(moves)), draw.nat(60)), {
      maxLength: 80,
      size: "max"
    })
    forAll(
      [draw.integer({ min: 1, max: 3 }), anyMoves],
      (maxSockets, all) => {
        const play = playing(maxSockets)
        const checked = (act: () => void) => {
          act()
          assert.isAtMost(play.live().length, maxSockets)
          if (play.jobs.some((job) => !isOver(job))) assert.isNotEmpty(play.live(), "a request waits for nothing")
        }
        for (const [move, n] of all) checked(() => moves[move]?.(play, n))
        // what is left is answered, and then time passes
        for (let turn = 0; turn < 2 * play.jobs.length; turn++) {
          for (const socket of play.live()) {
            if (socket.state === "dialling") checked(() => open(socket))
            if (socket.busy) checked(() => answer(socket, completed))
          }
        }
        for (const job of play.jobs) assert.isTrue(isOver(job), job.told.join())
        play.pass(300_000)
        assert.isEmpty(play.live())
      },
      { runs: 500 }
    )
  })
})

describe("a request that is aborted while its last message is delivered", () => {
  it("leaves the socket to the next request, which has it already", () => {
    const { send, sockets } = playing(1)
    const first = send("a", undefined, "headers")
    const second = send("a")
    for (const socket of sockets) open(socket)
    for (const socket of sockets) answer(socket, completed)
    assert.deepStrictEqual(first.told, ["headers"])
    for (const socket of sockets) answer(socket, completed)
    assert.deepStrictEqual(second.told, ["headers", "message", "end"])
    assert.lengthOf(sockets, 1)
  })
})
