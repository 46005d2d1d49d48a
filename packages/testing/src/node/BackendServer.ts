/**
 * Plays a script over real sockets on loopback.
 *
 * @since 0.1.0
 */
import * as Http from "node:http"
import * as Https from "node:https"
import type * as Net from "node:net"
import * as Tls from "node:tls"
import * as Zlib from "node:zlib"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import type * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Socket from "@effect/platform/Socket"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Journal from "../internal/journal.ts"
import * as Play from "../internal/play.ts"
import * as SocketSession from "../internal/socketSession.ts"
import type * as Script from "../Script.ts"
import type * as ScriptedBackend from "../ScriptedBackend.ts"
import * as StrictBackend from "../StrictBackend.ts"
import type { TestCertificate } from "./TestCertificate.ts"

/**
 * A backend that listens on 127.0.0.1.
 *
 * @since 0.1.0
 * @category tags
 */
export class BackendServer extends Context.Tag("@effect-codex/testing/node/BackendServer")<
  BackendServer,
  BackendServer.Service
>() {}

/**
 * @since 0.1.0
 */
export declare namespace BackendServer {
  /**
   * @since 0.1.0
   * @category models
   */
  interface Service extends ScriptedBackend.ScriptedBackend.Service {
    /** The base URL for a client, `http://127.0.0.1:<port>/backend-api`. The path of a request is ignored. */
    readonly url: string
    /** Connections accepted so far. */
    readonly connections: Effect.Effect<number>
    /** Connections open now. */
    readonly openConnections: Effect.Effect<number>
  }
}

/**
 * @since 0.1.0
 * @category configuration
 */
export interface Options extends Pick<ScriptedBackend.Options, "onUnexpected" | "handshakes"> {
  readonly script: Script.Script
  /** The duration of one second of the script, in seconds. Default: 1. Delays use real time, even with `TestClock`. */
  readonly timeScale?: number
  /** Enables https, for example with `TestCertificate.make`. */
  readonly tls?: TestCertificate
  /** Default: 0, any free port. */
  readonly port?: number
  /**
   * Accepts requests of pages of any origin. CORS preflight requests are answered, use no step of the script, and are
   * not recorded. Default: `false`.
   */
  readonly cors?: boolean
}

const host = "127.0.0.1"

const corsHeaders = ({ headers: { origin } }: Http.IncomingMessage): Record<string, string> =>
  origin === undefined
    ? {}
    : { "access-control-allow-origin": origin, "access-control-expose-headers": "*", vary: "origin" }

const isPreflight = ({ headers, method }: Http.IncomingMessage): boolean =>
  method === "OPTIONS" && headers.origin !== undefined && headers["access-control-request-method"] !== undefined

const preflightHeaders = (incoming: Http.IncomingMessage): Record<string, string> => {
  const { headers } = incoming
  const asked = headers["access-control-request-headers"]
  return {
    ...corsHeaders(incoming),
    "access-control-allow-methods": headers["access-control-request-method"] ?? "POST",
    ...(asked === undefined ? {} : { "access-control-allow-headers": asked }),
    ...(headers["access-control-request-private-network"] === undefined
      ? {}
      : { "access-control-allow-private-network": "true" }),
    "access-control-max-age": "600"
  }
}

/** A delay, so that the client reads the sent data before the reset. */
const beforeReset = Duration.millis(20)

const decompressors: Record<string, ((bytes: Uint8Array) => Uint8Array) | undefined> = {
  gzip: Zlib.gunzipSync,
  br: Zlib.brotliDecompressSync,
  // Node 22.15 and later
  zstd: (Zlib as { readonly zstdDecompressSync?: (bytes: Uint8Array) => Uint8Array }).zstdDecompressSync
}

const readBody = (incoming: Http.IncomingMessage): Effect.Effect<unknown> =>
  Effect.async<unknown>((resume) => {
    const chunks: Array<Buffer> = []
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
    incoming.on("end", () => {
      const bytes = Buffer.concat(chunks)
      const decompress = decompressors[incoming.headers["content-encoding"] ?? ""]
      resume(
        Effect.try(() => Journal.readBody(decompress === undefined ? bytes : decompress(bytes))).pipe(
          Effect.orElseSucceed(() => Journal.readBody(bytes))
        )
      )
    })
  })

/** Completes when the bytes are sent. Does not complete if the connection closes first: that interrupts the response. */
const sent = (outgoing: Http.ServerResponse, bytes: Uint8Array): Effect.Effect<void> =>
  Effect.async((resume) => {
    outgoing.write(bytes, (error) => {
      if (!error) resume(Effect.void)
    })
  })

/** Completes when everything is sent, or when the connection is closed. */
const ended = (outgoing: Http.ServerResponse, last = ""): Effect.Effect<void> =>
  Effect.async((resume) => {
    const done = () => resume(Effect.void)
    outgoing.once("close", done).end(last, done)
  })

/** Adds headers to the 101 response, because the WebSocket library has no option for it. */
const addToUpgrade = (socket: Net.Socket, headers: ReadonlyArray<readonly [name: string, value: string]>): void => {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")
  const write = socket.write.bind(socket) as (chunk: unknown, ...rest: ReadonlyArray<unknown>) => boolean
  socket.write = ((chunk: unknown, ...rest: ReadonlyArray<unknown>) => {
    socket.write = write as Net.Socket["write"]
    return write(typeof chunk === "string" ? chunk.replace("\r\n", `\r\n${lines}`) : chunk, ...rest)
  }) as Net.Socket["write"]
}

/**
 * Starts a server that plays the script until the scope closes. Then it closes all connections.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<BackendServer.Service, HttpServerError.ServeError, Scope.Scope> =>
  Effect.gen(function* () {
    const { script, tls } = options
    const scheme = tls === undefined ? "http" : "https"
    const clock = Clock.make()
    const journal = Journal.make(script)
    if (options.onUnexpected !== "answer") yield* Effect.addFinalizer(() => journal.failUnexpected)
    const server: Http.Server = tls === undefined ? Http.createServer() : Https.createServer(tls)
    server.keepAliveTimeout = 0
    let connections = 0
    server.on("connection", () => {
      connections++
    })

    const wait = (duration: Duration.Duration) =>
      Duration.greaterThan(duration, Duration.zero)
        ? clock.sleep(Duration.times(duration, options.timeScale ?? 1))
        : Effect.void

    // a closed port cannot count connection attempts, so it is closed only when all remaining steps are refusals
    const steps = typeof script === "function" ? [] : script
    const firstRefusal = steps.map((step) => step.kind !== "refuse").lastIndexOf(true) + 1
    const closePort = (received: number): boolean => {
      const close = received >= firstRefusal && received < steps.length
      if (close) server.close()
      return close
    }

    const reset = (socket: Net.Socket, entry: Journal.Entry) =>
      Effect.sync(() => {
        entry.finish()
        // a TLS socket cannot be reset, but closing it without close_notify looks the same to the client
        if (socket instanceof Tls.TLSSocket) socket.destroy()
        else socket.resetAndDestroy()
      })

    const answer = (incoming: Http.IncomingMessage, outgoing: Http.ServerResponse) =>
      Effect.gen(function* () {
        const body = yield* readBody(incoming)
        if (options.cors === true && isPreflight(incoming)) {
          outgoing.writeHead(204, preflightHeaders(incoming))
          return yield* ended(outgoing)
        }
        const target = incoming.url ?? "/"
        const { entry, step: decide } = journal.receive({
          method: incoming.method ?? "GET",
          url: `${scheme}://${incoming.headers.host ?? host}${target}`,
          path: target.replace(/[?#].*/, ""),
          headers: Object.fromEntries(
            Object.entries(incoming.headers).map(([name, value]) => [name, [value ?? []].flat().join(", ")])
          ),
          body,
          receivedAt: yield* clock.currentTimeMillis
        })
        const last = closePort(entry.request.number)

        return yield* Effect.gen(function* () {
          const step = yield* decide
          yield* wait(step.delay)
          if (step.kind === "silence") return yield* Effect.never
          if (step.kind !== "respond") {
            yield* reset(incoming.socket, entry)
            return yield* Effect.never
          }
          outgoing.writeHead(step.status, {
            ...(options.cors === true ? corsHeaders(incoming) : {}),
            ...Play.headers(step, entry.request),
            ...(last ? { connection: "close" } : {})
          })
          outgoing.flushHeaders()
          for (const piece of Play.pieces(step, entry.request)) {
            yield* wait(piece.wait)
            yield* sent(outgoing, piece.bytes)
          }
          yield* wait(step.endDelay)
          if (step.ending === "silence") return yield* Effect.never
          if (step.ending === "reset") {
            yield* clock.sleep(beforeReset)
            yield* reset(incoming.socket, entry)
            return yield* Effect.never
          }
          entry.finish()
          yield* ended(outgoing)
        }).pipe(Effect.onInterrupt(() => Effect.sync(entry.abort)))
      })

    const sockets = { opened: 0, open: 0 }
    // the server forgets connections that were upgraded
    const upgraded = new Set<Net.Socket>()
    const handshakes = options.handshakes ?? []

    const upgrade = (request: HttpServerRequest.HttpServerRequest) =>
      Effect.gen(function* () {
        const incoming = NodeHttpServerRequest.toIncomingMessage(request)
        const number = ++sockets.opened
        const here = {
          script,
          now: clock.currentTimeMillis,
          socket: number,
          url: `${scheme}://${incoming.headers.host ?? host}${incoming.url ?? "/"}`,
          headers: request.headers
        }
        const handshake = yield* SocketSession.handshake({ ...here, handshakes })
        if (handshake === "silence") return yield* Effect.never
        if (handshake === "refuse") {
          incoming.socket.destroy()
          return HttpServerResponse.empty()
        }
        const { body = "", cookies = [], delay = 0, headers = {}, status } = handshake
        yield* wait(Duration.decode(delay))
        const all = [...Object.entries(headers), ...cookies.map((cookie) => ["set-cookie", cookie] as const)]
        if (status !== 101) {
          const outgoing = NodeHttpServerRequest.toServerResponse(request)
          outgoing.writeHead(status, [...all, ["connection", "close"]].flat() as Array<string>)
          yield* ended(outgoing, body)
          return HttpServerResponse.empty()
        }
        addToUpgrade(incoming.socket, all)
        sockets.open++
        upgraded.add(incoming.socket)
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            sockets.open--
            upgraded.delete(incoming.socket)
          })
        )
        const socket = yield* request.upgrade
        const write = yield* socket.writer
        const session = SocketSession.make({
          ...here,
          journal,
          wait,
          wire: {
            send: (message) => Effect.ignore(write(message)),
            close: (code) => Effect.ignore(write(new Socket.CloseEvent(code))),
            reset: Effect.zipRight(
              clock.sleep(beforeReset),
              Effect.sync(() => {
                incoming.socket.destroy()
              })
            )
          }
        })
        const scope = yield* Effect.scope
        yield* socket.runRaw((data) =>
          typeof data === "string" ? Effect.asVoid(Effect.forkIn(session.receive(data), scope)) : undefined
        )
        return HttpServerResponse.empty()
      }).pipe(
        Effect.scoped,
        Effect.interruptible,
        Effect.orElseSucceed(() => HttpServerResponse.empty())
      )

    const app = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      request.headers["upgrade"]?.toLowerCase() === "websocket"
        ? upgrade(request)
        : answer(
            NodeHttpServerRequest.toIncomingMessage(request),
            NodeHttpServerRequest.toServerResponse(request)
          ).pipe(
            Effect.interruptible,
            // the response was already written, and the server ignores an ended one
            Effect.as(HttpServerResponse.empty())
          )
    )

    // a scope of its own: it waits for open WebSockets, so they have to be gone before it closes
    const serving = yield* Effect.acquireRelease(Scope.make(), Scope.close)
    const { address } = yield* NodeHttpServer.make(() => server, { host, port: options.port ?? 0 }).pipe(
      Effect.tap((http) => HttpMiddleware.withTracerDisabledWhenEffect(http.serve(app), () => true)),
      Scope.extend(serving)
    )
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
        for (const socket of upgraded) socket.destroy()
      })
    )
    closePort(0)

    return {
      url: `${scheme}://${host}:${address._tag === "TcpAddress" ? address.port : 0}/backend-api`,
      requests: journal.requests,
      aborted: journal.aborted,
      sockets: Effect.sync(() => ({ ...sockets })),
      verify: journal.verify,
      connections: Effect.sync(() => connections),
      openConnections: Effect.async<number>((resume) => {
        server.getConnections((_, count) => resume(Effect.succeed(count)))
      })
    }
  })

/**
 * Runs a {@link BackendServer} while the Layer exists.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<BackendServer, HttpServerError.ServeError> =>
  Layer.scoped(BackendServer, make(options))

/**
 * Runs a {@link BackendServer} with a strict backend, and provides its controls. The login server is at the origin of
 * the URL.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStrict = (
  options: Omit<Options, "script"> & StrictBackend.Options = {}
): Layer.Layer<BackendServer | StrictBackend.StrictBackend, HttpServerError.ServeError> =>
  Layer.unwrapEffect(
    Effect.map(StrictBackend.make(options), (backend) =>
      Layer.merge(layer({ ...options, script: backend.script }), Layer.succeed(StrictBackend.StrictBackend, backend))
    )
  )
