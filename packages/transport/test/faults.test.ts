import * as ChildProcess from "node:child_process"
import * as Net from "node:net"
import { fileURLToPath } from "node:url"
import * as Zlib from "node:zlib"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { BackendServer } from "@effect-codex/testing/node"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import { Carrier, CodexConfig, CodexTransport } from "@effect-codex/transport"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Certificates from "./certificates.ts"
import { assertFields, attempt, carriers, read, request, scripted } from "./fixture.ts"

const events = Script.turnEvents({ reasoning: "Hm.", text: "Grüße, 🌍!" })
const turn = Script.events(events)
const expected = events.map((event) => `event: ${event["type"]}\ndata: ${JSON.stringify(event)}\n\n`).join("")

const transport = (baseUrl: string, client: Layer.Layer<Carrier.Carrier, unknown>, options: CodexConfig.Options = {}) =>
  CodexTransport.layer.pipe(
    Layer.provide([
      CodexConfig.layer({ baseUrl, retry: { retries: 0 }, ...options }),
      TestAuth.layer({ refreshes: 1 }),
      client
    ]),
    Layer.orDie
  )

/** A plain server of node's, for what a script cannot say. */
const listening = (server: Net.Server) =>
  Effect.gen(function* () {
    const sockets = new Set<Net.Socket>()
    server.on("connection", (socket) => {
      socket.on("error", () => {})
      sockets.add(socket)
    })
    return yield* Effect.acquireRelease(
      Effect.async<number>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
      }),
      () =>
        Effect.async<void>((resume) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => resume(Effect.void))
        })
    )
  })

for (const [name, over] of Object.entries(carriers))
  describe(`over ${name}`, () => {
    /** A turn against a server that plays the script. */
    const against = (
      script: Script.Script,
      client: Layer.Layer<Carrier.Carrier, unknown> = over(),
      options?: Omit<BackendServer.Options, "script">
    ) =>
      Effect.gen(function* () {
        const server = yield* BackendServer.make({ script, ...options })
        return { server, turn: Effect.provide(read, transport(server.url, client)) }
      })

    describe("bodies arrive whole", () => {
      for (const size of [1, 2, 3, 7, 1000]) {
        it.scopedLive(`in chunks of ${size}`, () =>
          Effect.gen(function* () {
            const { turn: whole } = yield* against([turn.pipe(Script.chunked(size))])
            assert.strictEqual(yield* whole, expected)
          })
        )
      }

      it.scopedLive("dripping slowly", () =>
        Effect.gen(function* () {
          const { turn: whole } = yield* against([turn.pipe(Script.chunked(50), Script.drip("5 millis"))])
          assert.strictEqual(yield* whole, expected)
        })
      )

      it.scopedLive("compressed with gzip, event by event", () =>
        Effect.gen(function* () {
          const server = yield* BackendServer.make({ script: [turn.pipe(Script.gzip, Script.holdOpen)] })
          const first = Effect.gen(function* () {
            const { body } = yield* attempt()
            return yield* body.pipe(
              Stream.decodeText(),
              Stream.scan("", (all, text) => all + text),
              Stream.takeUntil((all) => all.includes("response.completed")),
              Stream.runLast
            )
          })
          const last = yield* Effect.provide(first, transport(server.url, over()))
          assert.strictEqual(last._tag === "Some" ? last.value : "", expected)
        })
      )

      for (const [encoding, encode] of [
        ["br", Zlib.brotliCompressSync],
        ["deflate", Zlib.deflateSync],
        ["gzip", Zlib.gzipSync]
      ] as const) {
        it.scopedLive(`compressed with ${encoding}`, () =>
          Effect.gen(function* () {
            const step = Script.bytes([encode(expected)]).pipe(Script.headers({ "content-encoding": encoding }))
            const { turn: whole } = yield* against([step])
            assert.strictEqual(yield* whole, expected)
          })
        )
      }

      it.scopedLive("or are an error, whatever the status", () =>
        Effect.gen(function* () {
          for (const status of [600, 999]) {
            const { turn: error } = yield* against([
              Script.status(status, { body: "odd" }).pipe(Script.headers({ "content-encoding": "gzip" }))
            ])
            assertFields(yield* Effect.flip(error), { _tag: "HttpFailure", status })
          }
        })
      )

      it.scopedLive("unless the compressed bytes are cut or broken", () =>
        Effect.gen(function* () {
          const { turn: cut } = yield* against([turn.pipe(Script.gzip, Script.truncateAfterBytes(200))])
          assertFields(yield* Effect.flip(cut), { _tag: "ConnectionFailed", phase: "body", reason: "reset" })
          const { turn: broken } = yield* against([
            Script.bytes(["this is not gzip"]).pipe(Script.headers({ "content-encoding": "gzip" }))
          ])
          assertFields(yield* Effect.flip(broken), { _tag: "ConnectionFailed", phase: "body", reason: "protocol" })
        })
      )
    })

    describe("zstd, where this Node has it", () => {
      const compress: unknown = "zstdCompressSync" in Zlib ? Zlib.zstdCompressSync : undefined
      const has = typeof compress === "function"

      it.scopedLive("compresses request bodies", () =>
        Effect.gen(function* () {
          const server = yield* BackendServer.make({ script: [turn] })
          const instructions = "Say it again. ".repeat(1000)
          yield* Effect.scoped(attempt({ ...request, instructions })).pipe(
            Effect.provide(transport(server.url, over(), { compression: "zstd" }))
          )
          const [sent] = yield* server.requests
          assert.strictEqual(sent?.headers["content-encoding"], has ? "zstd" : undefined)
          assert.deepInclude(sent?.body, { instructions })
          assert.strictEqual(Number(sent?.headers["content-length"]) < 1000, has)
        })
      )

      it.scopedLive("is decoded in response bodies", () =>
        Effect.gen(function* () {
          const body: Uint8Array | string = has ? compress(expected) : expected
          const step = Script.bytes([body]).pipe(Script.headers({ "content-encoding": has ? "zstd" : null }))
          const { turn: whole } = yield* against([step])
          assert.strictEqual(yield* whole, expected)
        })
      )
    })

    describe("connections", () => {
      it.scopedLive("are used again", () =>
        Effect.gen(function* () {
          const server = yield* BackendServer.make({ script: Script.always(turn) })
          yield* Effect.provide(Effect.replicateEffect(read, 5), transport(server.url, over()))
          assert.isAtMost(yield* server.connections, 2)
        })
      )

      it.scopedLive("that cannot be made in time are given up", () =>
        Effect.gen(function* () {
          const port = yield* listening(Net.createServer())
          const client = over({ connectTimeout: "300 millis" })
          const error = yield* Effect.flip(Effect.provide(read, transport(`https://127.0.0.1:${port}`, client)))
          assertFields(error, { _tag: "TimedOut", phase: "connect" })
        })
      )

      it.scopedLive("to something that does not speak HTTP fail", () =>
        Effect.gen(function* () {
          const port = yield* listening(
            Net.createServer((socket) => {
              socket.end("SSH-2.0-Hello\r\n")
            })
          )
          const error = yield* Effect.flip(Effect.provide(read, transport(`http://127.0.0.1:${port}`, over())))
          assertFields(error, { _tag: "ConnectionFailed", reason: "protocol", phase: "headers" })
        })
      )

      it.scopedLive("half open: silence in the body is noticed and the request aborted", () =>
        Effect.gen(function* () {
          const server = yield* BackendServer.make({ script: [turn.pipe(Script.silenceAfterEvents(2))] })
          const error = yield* Effect.flip(
            Effect.provide(read, transport(server.url, over(), { timeouts: { idle: "200 millis" } }))
          )
          assertFields(error, { _tag: "StreamIdle", kind: "bytes" })
          yield* server.aborted(1)
        })
      )
    })

    describe("answers that are too much", () => {
      const checkHeaders = (error: unknown) =>
        assertFields(error, { _tag: "ConnectionFailed", reason: "protocol", phase: "headers" })

      const checkBody = (error: { readonly _tag: string; readonly message: string }) => {
        assertFields(error, { _tag: "HttpFailure", status: 500 })
        assert.isBelow(error.message.length, 1000)
      }

      const huge = Script.status(500, { body: "" }).pipe(Script.largeBody(100 * 1024 * 1024))

      it.scopedLive("10,000 headers, over a socket", () =>
        Effect.gen(function* () {
          const { turn: error } = yield* against([turn.pipe(Script.manyHeaders(10_000))])
          checkHeaders(yield* Effect.flip(error))
        })
      )

      it.effect("10,000 headers, scripted", () =>
        Effect.flip(read).pipe(
          Effect.map(checkHeaders),
          Effect.provide(scripted([turn.pipe(Script.manyHeaders(10_000))]))
        )
      )

      it.scopedLive("100 MB of an error body, over a socket: what is not wanted is not fetched", () =>
        Effect.gen(function* () {
          const { server, turn: error } = yield* against([huge])
          checkBody(yield* Effect.flip(error))
          yield* server.aborted(1)
        })
      )

      it.effect("100 MB of an error body, scripted", () =>
        Effect.gen(function* () {
          checkBody(yield* Effect.flip(read))
          const backend = yield* ScriptedBackend.ScriptedBackend
          yield* backend.aborted(1)
        }).pipe(Effect.provide(scripted([huge])))
      )
    })

    describe("redirects", () => {
      const clients = { own: over(), fetch: Layer.provide(Carrier.layerHttpClient, FetchHttpClient.layer) }
      for (const [name, client] of Object.entries(clients)) {
        for (const code of [301, 302, 303, 307, 308]) {
          it.scopedLive(`${code}: credentials do not arrive at another origin, by ${name}`, () =>
            Effect.gen(function* () {
              const other = yield* BackendServer.make({ script: Script.always(turn) })
              const { turn: error } = yield* against([Script.redirect(other.url, code)], client)
              assertFields(yield* Effect.flip(error), {
                _tag: "HttpFailure",
                status: code,
                location: new URL(other.url).origin
              })
              assert.isEmpty(yield* other.requests)
              assert.strictEqual(yield* other.connections, 0)
            })
          )
        }
      }
    })

    describe("TLS with a private authority", () => {
      it.scopedLive("is trusted when its certificate is given", () =>
        Effect.gen(function* () {
          const client = over({ extraCertificates: [Certificates.authority] })
          const { turn: whole } = yield* against([turn], client, { tls: Certificates.server })
          assert.strictEqual(yield* whole, expected)
        })
      )

      it.effect("is refused when the Layer is built if it is none", () =>
        Effect.gen(function* () {
          const client = over({ extraCertificates: ["ca.pem"] })
          assertFields(yield* Effect.flip(Effect.scoped(Layer.build(client))), { _tag: "InvalidConfig" })
        })
      )

      it.scopedLive("is refused otherwise, for good and with advice", () =>
        Effect.gen(function* () {
          const { server, turn: error } = yield* against([turn], over(), { tls: Certificates.server })
          const failure = yield* Effect.flip(error)
          assertFields(failure, { _tag: "ConnectionFailed", reason: "tls", isRetryable: false })
          assert.include(failure.message, "NODE_EXTRA_CA_CERTS")
          assert.isEmpty(yield* server.requests)
        })
      )
    })

    describe("host names", () => {
      for (const [scheme, tls] of [
        ["http", undefined],
        ["https", Certificates.server]
      ] as const) {
        it.scopedLive(`are resolved, once for several requests, and kept for ${scheme}`, () =>
          Effect.gen(function* () {
            const server = yield* BackendServer.make({
              script: Script.always(turn),
              ...(tls === undefined ? {} : { tls })
            })
            const client = over({ extraCertificates: [Certificates.authority] })
            const { port } = new URL(server.url)
            const baseUrl = `${scheme}://localhost:${port}/backend-api`
            yield* Effect.provide(Effect.replicateEffect(read, 3), transport(baseUrl, client))
            assert.deepStrictEqual(
              (yield* server.requests).map(({ headers }) => headers["host"]),
              Array.from({ length: 3 }, () => `localhost:${port}`)
            )
            assert.isAtMost(yield* server.connections, 2)
          })
        )
      }
    })

    describe("a CONNECT proxy", () => {
      const proxy = (mode = "tunnel") =>
        Effect.gen(function* () {
          const lines: Array<string> = []
          const path = fileURLToPath(new URL("connect-proxy.mjs", import.meta.url))
          const port = yield* Effect.acquireRelease(
            Effect.async<{ readonly child: ChildProcess.ChildProcess; readonly port: number }>((resume) => {
              const child = ChildProcess.spawn(process.execPath, [path, mode], { stdio: ["ignore", "pipe", "inherit"] })
              child.stdout.on("data", (data: Buffer) => {
                lines.push(...data.toString().trim().split("\n"))
                const port = /^LISTENING (\d+)$/.exec(lines[0] ?? "")?.[1]
                if (port !== undefined) resume(Effect.succeed({ child, port: Number(port) }))
              })
            }),
            ({ child }) => Effect.sync(() => child.kill())
          )
          return { url: `http://user:pass@127.0.0.1:${port.port}`, tunnels: () => lines.slice(1) }
        })

      it.scopedLive("carries the turn, to https with a private authority too", () =>
        Effect.gen(function* () {
          const { tunnels, url } = yield* proxy()
          const client = over({ proxy: { url }, extraCertificates: [Certificates.authority] })
          const { server, turn: whole } = yield* against([turn], client, { tls: Certificates.server })
          assert.strictEqual(yield* whole, expected)
          const { host } = new URL(server.url)
          assert.deepStrictEqual(tunnels(), [`CONNECT ${host} Basic ${Buffer.from("user:pass").toString("base64")}`])
          assert.notProperty((yield* server.requests)[0]?.headers, "proxy-authorization")
        })
      )

      it.scopedLive("is passed by for hosts of NO_PROXY", () =>
        Effect.gen(function* () {
          const { tunnels, url } = yield* proxy()
          const client = over({
            proxy: { url, noProxy: "127.0.0.0/8" },
            extraCertificates: [Certificates.authority]
          })
          const { turn: whole } = yield* against([turn], client, { tls: Certificates.server })
          assert.strictEqual(yield* whole, expected)
          assert.isEmpty(tunnels())
        })
      )

      it.scopedLive("that refuses is a typed failure without its password", () =>
        Effect.gen(function* () {
          const { url } = yield* proxy("refuse")
          const { turn: error } = yield* against([turn], over({ proxy: { url } }), { tls: Certificates.server })
          const failure = yield* Effect.flip(error)
          assertFields(failure, { _tag: "ConnectionFailed", reason: "proxy", isRetryable: false })
          assert.notInclude(JSON.stringify(failure), "pass")
        })
      )

      it.scopedLive("that closes the connection is a failed connection, and is asked once", () =>
        Effect.gen(function* () {
          const { tunnels, url } = yield* proxy("close")
          const { turn: error } = yield* against([turn], over({ proxy: { url } }), { tls: Certificates.server })
          assertFields(yield* Effect.flip(error), { _tag: "ConnectionFailed", reason: "reset", isRetryable: true })
          assert.lengthOf(tunnels(), 1)
        })
      )

      it.scopedLive("is not used for loopback addresses: it would see the credentials", () =>
        Effect.gen(function* () {
          const { tunnels, url } = yield* proxy()
          const environment = over({ proxy: "environment" }).pipe(
            Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["HTTP_PROXY", url]]))))
          )
          for (const client of [environment, over({ proxy: { url } })]) {
            assert.strictEqual(yield* (yield* against([turn], client)).turn, expected)
          }
          assert.isEmpty(tunnels())
        })
      )

      it.effect("whose URL is none is refused when the Layer is built", () =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(Effect.scoped(Layer.build(over({ proxy: { url: "proxy:x" } }))))
          assert.strictEqual(error._tag, "InvalidConfig")
        })
      )
    })
  })
