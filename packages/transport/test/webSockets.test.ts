/** WebSockets of undici against servers that do what a script cannot say. */
import * as Crypto from "node:crypto"
import * as Http from "node:http"
import * as Http2 from "node:http2"
import * as Https from "node:https"
import * as Net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { WebSocketConnector } from "@effect-codex/transport"
import * as NodeTransport from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Certificates from "./certificates.ts"

type Serve = (connection: Net.Socket, accept: () => void) => void

const acceptKey = (key: string) =>
  Crypto.createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")

/** The bytes of a frame from a server. */
const frame = (
  opcode: number,
  payload: string | Buffer,
  { fin = true, size }: { fin?: boolean; size?: number } = {}
) => {
  const bytes = Buffer.from(payload)
  const length = size ?? bytes.length
  const head = length < 126 ? Buffer.from([opcode | (fin ? 128 : 0), length]) : Buffer.alloc(4)
  if (length >= 126) {
    head[0] = opcode | (fin ? 128 : 0)
    head[1] = 126
    head.writeUInt16BE(length, 2)
  }
  return Buffer.concat([head, bytes])
}

/** A server that hands its sockets out before they are accepted, and knows which are open. */
const serving = (serve: Serve, server: Http.Server | Https.Server | Http2.Http2SecureServer = Http.createServer()) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly open: Set<Net.Socket>; readonly dials: () => number }>((resume) => {
      const open = new Set<Net.Socket>()
      let dials = 0
      server.on("upgrade", (request: Http.IncomingMessage, connection: Net.Socket) => {
        dials++
        open.add(connection)
        connection.on("error", () => {})
        connection.on("end", () => connection.end())
        connection.resume()
        connection.on("close", () => open.delete(connection))
        serve(connection, () => {
          const key = acceptKey(request.headers["sec-websocket-key"] ?? "")
          connection.write(
            `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\nX-Said: yes\r\n\r\n`
          )
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const scheme = server instanceof Http.Server ? "http" : "https"
        const { port } = server.address() as Net.AddressInfo
        resume(Effect.succeed({ url: `${scheme}://127.0.0.1:${port}/ws`, open, dials: () => dials }))
      })
    }),
    () =>
      Effect.sync(() => {
        server.close()
      })
  )

const over = (options: NodeTransport.Options = {}) =>
  NodeTransport.layer({ proxy: "none", extraCertificates: [Certificates.authority], ...options })

/** Accepts the handshake and sends this. */
const sending =
  (bytes: Buffer, { end = false } = {}): Serve =>
  (connection, accept) => {
    accept()
    if (end) connection.end(bytes)
    else connection.write(bytes)
  }

type Seen = readonly [what: string, ...rest: ReadonlyArray<unknown>]

/** A socket, and what is told of it. */
const dialled = (url: string) =>
  Effect.gen(function* () {
    const { connect } = yield* WebSocketConnector.WebSocketConnector
    const seen: Array<Seen> = []
    let told = () => {}
    const tell = (...what: Seen) => {
      seen.push(what)
      told()
    }
    const socket = connect?.(
      { url, headers: { authorization: "Bearer t" } },
      {
        onOpen: (headers) => tell("open", headers["x-said"]),
        onRefused: (status, _, __, body) => tell("refused", status, body.length),
        onMessage: (text) => tell("message", text.length > 40 ? text.length : text),
        onBinary: () => tell("binary"),
        onClose: (code, cause) => tell("close", code, cause !== undefined)
      }
    )
    /** Waits until so much was told. */
    const until = (count: number) =>
      Effect.async<ReadonlyArray<Seen>>((resume) => {
        told = () => {
          if (seen.length >= count) resume(Effect.succeed(seen))
        }
        told()
      })
    return { seen, until, close: () => socket?.close(), send: (text: string) => socket?.send(text) }
  })

/** Real time, until it holds. */
const eventually = (holds: () => boolean) =>
  Effect.repeat(Effect.delay(Effect.sync(holds), 2), { until: (held) => held })

/** A proxy that notes what it is asked for. */
const proxying = (asked: Array<string | undefined>) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = Http.createServer()
      server.on("connect", (request, client: Net.Socket) => {
        asked.push(request.url)
        const { hostname, port } = new URL(`http://${request.url}`)
        const target = Net.connect(Number(port), hostname, () => client.write("HTTP/1.1 200 Yes\r\n\r\n"))
        for (const [from, to] of [
          [client, target],
          [target, client]
        ] as const) {
          from.pipe(to)
          from.on("error", () => to.destroy())
        }
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as Net.AddressInfo
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const open: Seen = ["open", "yes"]

const rows: ReadonlyArray<readonly [name: string, serve: Serve, seen: ReadonlyArray<Seen>]> = [
  [
    "a message in fragments, between which is a ping",
    (connection, accept) => {
      accept()
      connection.write(frame(1, "one ", { fin: false }))
      connection.write(frame(9, "ping"))
      connection.write(frame(0, "message"))
    },
    [open, ["message", "one message"]]
  ],
  [
    "a frame byte by byte, a character cut in two",
    (connection, accept) => {
      accept()
      void (async () => {
        for (const byte of frame(1, "Grüße 🌍")) {
          connection.write(Buffer.from([byte]))
          await new Promise((resolve) => setTimeout(resolve, 1))
        }
      })()
    },
    [open, ["message", "Grüße 🌍"]]
  ],
  [
    "a message in the packet of the handshake",
    (connection, accept) => {
      connection.cork()
      accept()
      connection.write(frame(1, "at once"))
      connection.uncork()
    },
    [open, ["message", "at once"]]
  ],
  [
    "half a frame, then nothing more",
    (connection, accept) => {
      accept()
      connection.end(frame(1, "half", { size: 90 }))
    },
    [open, ["close", 1006, false]]
  ],
  ["an empty message", sending(frame(1, "")), [open, ["message", ""]]],
  ["a binary message", sending(frame(2, "bytes")), [open, ["binary"]]],
  ...(
    [
      ["a frame of an unknown kind", frame(3, "?")],
      ["a masked frame", Buffer.from([0x81, 0x81, 1, 2, 3, 4, 5])],
      ["text that is no UTF-8", frame(1, Buffer.from([0xc3, 0x28]))],
      ["a continuation of nothing", frame(0, "?")],
      ["a reserved bit", Buffer.from([0xf1, 0])]
    ] as const
  ).map(([name, bytes]) => [name, sending(bytes), [open, ["close", 1006, false]]] as const),
  [
    "a closing frame with a code",
    sending(frame(8, Buffer.from([0x03, 0xf1])), { end: true }),
    [open, ["close", 1009, false]]
  ],
  ["a closing frame without a code", sending(frame(8, ""), { end: true }), [open, ["close", 1005, false]]],
  ["a connection that is closed in the handshake", (connection) => void connection.end(), [["close", 1006, true]]],
  [
    "a connection that is closed in the middle of the handshake",
    (connection) => void connection.end("HTTP/1.1 101 Switching Pro"),
    [["close", 1006, true]]
  ],
  ["a handshake that is no HTTP", (connection) => void connection.end("what?\r\n\r\n"), [["close", 1006, true]]],
  [
    "a 101 with the wrong key",
    (connection) =>
      void connection.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n"
      ),
    [["close", 1006, true]]
  ],
  [
    "a 401, which is not dialled again",
    (connection) => void connection.end("HTTP/1.1 401 No\r\ncontent-length: 4\r\n\r\nText"),
    [["refused", 401, 4]]
  ],
  [
    "a refusal that is cut short",
    (connection) => void connection.end("HTTP/1.1 403 No\r\ncontent-length: 10\r\n\r\nText"),
    [["refused", 403, 4]]
  ],
  [
    "a refusal without an end",
    (connection) => {
      connection.write("HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n")
      const more = setInterval(() => connection.write(`2000\r\n${"x".repeat(8192)}\r\n`), 1)
      connection.on("close", () => clearInterval(more))
    },
    [["refused", 503, 65_536]]
  ],
  [
    "a redirect, which is not followed",
    (connection) =>
      void connection.end("HTTP/1.1 307 There\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
    [["refused", 307, 0]]
  ]
]

describe("a WebSocket that meets", () => {
  for (const [name, serve, expected] of rows) {
    it.scopedLive(name, () =>
      Effect.gen(function* () {
        const server = yield* serving(serve)
        const { seen, until } = yield* dialled(server.url)
        yield* until(expected.length)
        yield* Effect.sleep("20 millis")
        assert.deepStrictEqual(seen, [...expected])
        assert.strictEqual(server.dials(), 1)
      }).pipe(Effect.provide(over()))
    )
  }
})

describe("a WebSocket that is closed", () => {
  for (const [name, serve, send] of [
    ["is gone where the server does not answer the closing frame", (_, accept) => accept(), ""],
    [
      "is gone where the server reads nothing of a large message",
      (connection, accept) => {
        accept()
        connection.pause()
      },
      "x".repeat(9_000_000)
    ]
  ] as ReadonlyArray<readonly [string, Serve, string]>) {
    it.scopedLive(name, () =>
      Effect.gen(function* () {
        const server = yield* serving(serve)
        const { close, seen, send: say, until } = yield* dialled(server.url)
        yield* until(1)
        if (send !== "") say(send)
        assert.strictEqual(server.open.size, 1)
        close()
        for (const connection of server.open) connection.resume()
        yield* eventually(() => server.open.size === 0)
        assert.deepStrictEqual(seen, [open])
      }).pipe(Effect.provide(over()))
    )
  }

  it.scopedLive("in the handshake is closed, for any outcome", () =>
    Effect.gen(function* () {
      for (const wait of [0, 1, 5]) {
        const server = yield* serving((_, accept) => void setTimeout(accept, 5))
        const { close, seen } = yield* dialled(server.url)
        if (wait > 0) yield* eventually(() => server.dials() > 0)
        if (wait > 1) yield* Effect.sleep(wait)
        const before = seen.length
        close()
        yield* Effect.sleep("30 millis")
        yield* eventually(() => server.open.size === 0)
        assert.lengthOf(seen, before)
      }
    }).pipe(Effect.provide(over()))
  )

  it.scopedLive("with its Layer is gone", () =>
    Effect.gen(function* () {
      const server = yield* serving((_, accept) => accept())
      yield* Effect.provide(
        Effect.gen(function* () {
          const { until } = yield* dialled(server.url)
          yield* until(1)
          assert.strictEqual(server.open.size, 1)
        }),
        over()
      )
      yield* eventually(() => server.open.size === 0)
    })
  )
})

describe("a WebSocket uses the same connections as requests", () => {
  it.scopedLive("through TLS with certificates of the program's own, by HTTP/1.1 where requests go by HTTP/2", () =>
    Effect.gen(function* () {
      const secure = Http2.createSecureServer({ ...Certificates.server, allowHTTP1: true })
      const server = yield* serving(sending(frame(1, "hello")), secure)
      for (const http2 of [false, true]) {
        const { seen, until } = yield* Effect.provide(
          Effect.tap(dialled(server.url), ({ until }) => until(2)),
          over({ http2 })
        )
        yield* until(2)
        assert.deepStrictEqual(seen.slice(0, 2), [open, ["message", "hello"]])
      }
    })
  )

  it.scopedLive("through a proxy, and has the headers of the handshake", () =>
    Effect.gen(function* () {
      const server = yield* serving(sending(frame(1, "hello")), Https.createServer(Certificates.server))
      const asked: Array<string | undefined> = []
      const proxy = yield* proxying(asked)
      const { seen } = yield* Effect.provide(
        Effect.tap(dialled(server.url), ({ until }) => until(2)),
        over({ proxy: { url: proxy.url } })
      )
      assert.deepStrictEqual(seen.slice(0, 2), [open, ["message", "hello"]])
      assert.deepStrictEqual(asked, [new URL(server.url).host])
    })
  )
})
