/** In-memory WebSockets, by the `Clock` of the fiber that created them. */
import type { WebSocketConnector } from "@effect-codex/transport"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type * as Script from "../Script.ts"
import type { Journal } from "./journal.ts"
import * as SocketSession from "./socketSession.ts"

export interface Options {
  readonly script: Script.Script
  readonly journal: Journal
  readonly sleep: (duration: Duration.Duration) => Effect.Effect<void>
  readonly handshakes: ReadonlyArray<Script.Handshake>
}

export interface Sockets {
  readonly connector: WebSocketConnector.Service
  readonly count: { opened: number; open: number }
}

export const make = ({ handshakes, journal, script, sleep }: Options): Effect.Effect<Sockets> =>
  Effect.map(Effect.runtime<never>(), (runtime) => {
    const count = { opened: 0, open: 0 }
    const connect = (request: WebSocketConnector.Request, receiver: WebSocketConnector.Receiver) => {
      const socket = ++count.opened
      count.open++
      let closed = false
      const running = new Set<{ readonly unsafeInterruptAsFork: (id: FiberId.FiberId) => void }>()
      const leave = (): boolean => {
        if (closed) return false
        closed = true
        count.open--
        return true
      }
      const run = (effect: Effect.Effect<void>) => {
        const fiber = Runtime.runFork(runtime)(Effect.interruptible(effect))
        running.add(fiber)
        fiber.addObserver(() => running.delete(fiber))
      }
      const gone = (code: number, cause?: unknown) =>
        Effect.sync(() => {
          if (leave()) receiver.onClose(code, cause)
        })
      const here = { script, now: Clock.currentTimeMillis, socket, url: request.url, headers: request.headers }
      const session = SocketSession.make({
        ...here,
        journal,
        wait: sleep,
        wire: {
          send: (message) =>
            Effect.sync(() => {
              if (closed) return
              if (typeof message === "string") receiver.onMessage(message)
              else receiver.onBinary()
            }),
          close: (code) => gone(code),
          reset: gone(1006, { code: "ECONNRESET" })
        }
      })
      const answer = Effect.gen(function* () {
        const handshake = yield* SocketSession.handshake({ ...here, handshakes })
        if (handshake === "silence") return yield* Effect.never
        if (handshake === "refuse") return yield* gone(1006, { code: "ECONNREFUSED" })
        const { body = "", cookies = [], delay = 0, headers = {}, status } = handshake
        if (delay !== 0) yield* sleep(Duration.decode(delay))
        if (closed) return
        if (status === 101) receiver.onOpen(headers, cookies)
        else if (leave()) receiver.onRefused(status, headers, cookies, body)
      })
      run(Effect.zipRight(Effect.yieldNow(), answer))
      return {
        send: (text: string) => run(Effect.zipRight(Effect.yieldNow(), session.receive(text))),
        close: () => {
          if (!leave()) return
          for (const fiber of running) fiber.unsafeInterruptAsFork(FiberId.none)
        }
      }
    }
    return { connector: { connect }, count }
  })
