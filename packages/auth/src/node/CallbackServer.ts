import * as Http from "node:http"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { LoginFailed } from "../AuthError.ts"
import { CallbackServer, ports as defaultPorts, type Service } from "../CallbackServer.ts"

/** The host of the redirect URI. Other computers cannot reach it. */
const host = "127.0.0.1"

/** Imported lazily, because only a login needs a server. */
const NodeHttpServer = Effect.promise(() => import("@effect/platform-node/NodeHttpServer"))

const listen = (port: number) =>
  Effect.gen(function* () {
    const { make } = yield* NodeHttpServer
    const server = Http.createServer()
    const httpServer = yield* make(() => server, { port, host })
    return { httpServer, server, port: httpServer.address._tag === "TcpAddress" ? httpServer.address.port : port }
  })

/** Closes idle connections and returns the number of active ones. */
const openConnections = (server: Http.Server): Effect.Effect<number> =>
  Effect.async((resume) => {
    server.closeIdleConnections()
    server.getConnections((_, count) => resume(Effect.succeed(count ?? 0)))
  })

const make = (ports: ReadonlyArray<number>): Service => ({
  serve: (app) =>
    Effect.gen(function* () {
      const { httpServer, server, port } = yield* Effect.firstSuccessOf(ports.map(listen)).pipe(
        Effect.mapError(() => new LoginFailed({ reason: "ports", ports }))
      )
      yield* httpServer.serve(app)
      // Give the last page time to be sent, but do not let a connection keep the server open.
      yield* Effect.addFinalizer(() =>
        Effect.repeat(openConnections(server), {
          until: (count) => count === 0,
          schedule: Schedule.upTo(Schedule.spaced("10 millis"), "2 seconds")
        }).pipe(Effect.zipRight(Effect.sync(() => server.closeAllConnections())))
      )
      return `http://${host}:${port}`
    })
})

/**
 * `CallbackServer` on the first free port.
 *
 * @internal
 */
export const layer = (ports: ReadonlyArray<number> = defaultPorts): Layer.Layer<CallbackServer> =>
  Layer.succeed(CallbackServer, make(ports))
