import * as Http from "node:http"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LoginFailed } from "../AuthError.ts"
import { CallbackServer, ports as defaultPorts } from "../CallbackServer.ts"

/** The address in the redirect; nobody else on the network can reach it. */
const host = "127.0.0.1"

/** Loaded with the first login: nothing else needs a server. */
const NodeHttpServer = Effect.promise(() => import("@effect/platform-node/NodeHttpServer"))

const listen = (port: number) =>
  Effect.gen(function* () {
    const { make } = yield* NodeHttpServer
    const server = Http.createServer()
    const httpServer = yield* make(() => server, { port, host })
    return { httpServer, server, port: httpServer.address._tag === "TcpAddress" ? httpServer.address.port : port }
  })

const make = (ports: ReadonlyArray<number>): CallbackServer.Service => ({
  serve: (app) =>
    Effect.gen(function* () {
      const { httpServer, server, port } = yield* Effect.firstSuccessOf(ports.map(listen)).pipe(
        Effect.mapError(() => new LoginFailed({ reason: "ports", description: ports.join(", ") }))
      )
      yield* httpServer.serve(app)
      yield* Effect.addFinalizer(() =>
        // The last page is still on its way; then nobody may hold the server open.
        Effect.zipRight(
          Effect.sleep("100 millis"),
          Effect.sync(() => server.closeAllConnections())
        )
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
