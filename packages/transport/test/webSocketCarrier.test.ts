/** The carrier of WebSockets over sockets that a test plays by hand. */
import { assert, describe, it } from "@effect/vitest"
import { ResponsesRequest } from "@effect-codex/schema"
import type { Carrier, WebSocketConnector } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as WebSocketCarrier from "../src/internal/webSocketCarrier.ts"

interface Socket {
  readonly receiver: WebSocketConnector.Receiver
  readonly sent: Array<string>
  open: boolean
}

/** A carrier that may have one socket. */
const withOne = () => {
  const sockets: Array<Socket> = []
  const carrier = WebSocketCarrier.make({
    connector: {
      maxSockets: 1,
      connect: (_, receiver) => {
        const socket: Socket = { receiver, sent: [], open: true }
        sockets.push(socket)
        return {
          send: (text) => void socket.sent.push(text),
          close: () => {
            socket.open = false
          }
        }
      }
    },
    http: { send: () => Effect.dieMessage("no HTTP") },
    now: () => 0,
    timer: () => () => {}
  })
  /** Sends a request, and notes what is told of it; `then` can react. */
  const send = (thread: string, then: (told: string, control: Carrier.Control | undefined) => void = () => {}) => {
    const told: Array<string> = []
    let control: Carrier.Control | undefined
    const tell = (what: string) => () => {
      told.push(what)
      then(what, control)
    }
    const request: Carrier.Request = {
      method: "POST",
      url: "https://example.org/responses",
      headers: { "thread-id": thread },
      turn: {
        request: ResponsesRequest.make({ model: "gpt-5.5", input: [] }),
        mode: "websocket",
        handshakeLimit: 15_000
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
    return told
  }
  return { sockets, send }
}

const completed = (id: string) => JSON.stringify({ type: "response.completed", response: { id } })

describe("a request that is aborted while its last message is delivered", () => {
  it("leaves the socket to the next request, which has it already", () => {
    const { send, sockets } = withOne()
    const first = send("a", (told, control) => {
      if (told === "headers") control?.abort()
    })
    const second = send("a")
    const [socket] = sockets
    socket?.receiver.onOpen({}, [])
    socket?.receiver.onMessage(completed("resp_1"))
    assert.deepStrictEqual(first, ["headers"])
    assert.strictEqual(socket?.open, true)
    socket?.receiver.onMessage(completed("resp_2"))
    assert.deepStrictEqual(second, ["headers", "message", "end"])
    assert.lengthOf(sockets, 1)
  })
})
