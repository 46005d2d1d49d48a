/**
 * Connections for Node: undici with timeouts, keep-alive, proxies and certificates configured for long streams.
 *
 * undici's own 300 s timeouts for headers and body are disabled: `timeouts` of the configuration applies instead.
 * (Node's `fetch` has these timeouts and cannot disable them.)
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Tls from "node:tls"
import * as Zlib from "node:zlib"
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Undici from "@effect/platform-node/Undici"
import { defined } from "@effect-codex/schema/Defined"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Carrier from "./Carrier.ts"
import { Compression } from "./Compression.ts"
import { decoded } from "./node/decoding.ts"
import * as DispatcherCarrier from "./node/dispatcherCarrier.ts"
import * as Proxies from "./node/proxies.ts"
import * as NodeWebSocketConnector from "./node/webSocketConnector.ts"
import { InvalidConfig } from "./TransportError.ts"
import { WebSocketConnector } from "./WebSocketConnector.ts"

/**
 * Connection options; all have defaults.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The connect timeout, including proxy and TLS. undici measures it coarsely. Default 30 s. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** How long an idle connection is kept. Default 120 s. */
  readonly keepAlive?: Duration.DurationInput | undefined
  /** The idle time before TCP sends a keep-alive probe. Default 60 s. */
  readonly tcpKeepAlive?: Duration.DurationInput | undefined
  /** How long DNS results are cached, per origin. Default 60 s; not used with a proxy. */
  readonly dnsTimeToLive?: Duration.DurationInput | undefined
  /**
   * The maximum number of connections per origin, and of WebSockets; further requests wait, within their headers
   * timeout. Default 128, well below the usual limit on open files.
   */
  readonly maxConnections?: number | undefined
  /**
   * Use HTTP/2 with servers that offer it, so that up to a hundred turns share one connection. Not used through
   * proxies. A lost connection then fails all its turns. Default: `false`. See `bench/README.md` for measurements.
   */
  readonly http2?: boolean | undefined
  /**
   * The source of proxy settings: the variables `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` (upper or lower
   * case; the default), explicit values, or none. Proxies from the environment are never used for loopback addresses.
   */
  readonly proxy?: "environment" | "none" | Proxy | undefined
  /** Additional trusted certificates (PEM), besides the default ones and those of `NODE_EXTRA_CA_CERTS`. */
  readonly extraCertificates?: ReadonlyArray<string> | undefined
}

/**
 * `url` is the proxy's URL, with user and password if required; `noProxy` is a list of hosts to reach directly.
 *
 * @since 0.1.0
 * @category models
 */
export interface Proxy {
  readonly url: string
  /** Hosts with their subdomains, `host:port`, addresses, or blocks such as `10.0.0.0/8`, separated by commas. */
  readonly noProxy?: string | undefined
}

/**
 * All trusted certificates, parsed once: given as text, every connection would parse all of them. `undefined` for
 * Node's default, which already includes `NODE_EXTRA_CA_CERTS`.
 */
const certificatesOf = ({
  extraCertificates: extra = []
}: Options): Effect.Effect<Tls.SecureContext | undefined, InvalidConfig> =>
  Effect.gen(function* () {
    if (extra.length === 0) return undefined
    yield* Effect.try({
      try: () => extra.map((pem) => new Crypto.X509Certificate(pem)),
      catch: () => new InvalidConfig({ problems: ["extraCertificates: use certificates in PEM form"] })
    })
    const path = yield* Proxies.variable("NODE_EXTRA_CA_CERTS")
    // Node also ignores an unreadable file.
    const file =
      path === undefined
        ? ""
        : yield* Effect.orElseSucceed(
            Effect.tryPromise(() => Fs.readFile(path, "utf8")),
            () => ""
          )
    const ca = [...Tls.rootCertificates, ...(file === "" ? [] : [file]), ...extra]
    return yield* Effect.try({
      try: () => Tls.createSecureContext({ ca }),
      catch: () => new InvalidConfig({ problems: ["NODE_EXTRA_CA_CERTS: use a file of certificates in PEM form"] })
    })
  })

/**
 * The proxy used for this URL, without its user and password; `undefined` for a direct connection.
 *
 * @since 0.1.0
 * @category combinators
 */
export const proxyFor = (url: string, options: Options = {}): Effect.Effect<string | undefined, InvalidConfig> =>
  Effect.map(Proxies.resolve(options.proxy ?? "environment"), (proxies) => {
    const proxy = URL.canParse(url) ? Proxies.proxyOf(proxies, new URL(url)) : undefined
    if (proxy === undefined) return undefined
    const { host, protocol } = new URL(proxy)
    return `${protocol}//${host}`
  })

const millis = (duration: Duration.DurationInput | undefined, fallback: Duration.DurationInput): number =>
  Duration.toMillis(duration ?? fallback)

/**
 * undici's dispatcher, destroyed with its Scope.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDispatcher = (options: Options = {}): Layer.Layer<NodeHttpClient.Dispatcher, InvalidConfig> =>
  Layer.scoped(
    NodeHttpClient.Dispatcher,
    Effect.gen(function* () {
      // Bun replaces undici with its own module, which lacks parts used here
      if ("bun" in process.versions) {
        return yield* new InvalidConfig({
          problems: ["undici does not run on Bun: use `effect-codex/bun`, or `Codex.layer` with `FetchHttpClient`"]
        })
      }
      const proxies = yield* Proxies.resolve(options.proxy ?? "environment")
      const connect = defined({
        timeout: millis(options.connectTimeout, "30 seconds"),
        keepAliveInitialDelay: millis(options.tcpKeepAlive, "60 seconds"),
        secureContext: yield* certificatesOf(options)
      })
      const agentOptions = {
        connect,
        connections: options.maxConnections ?? 128,
        keepAliveTimeout: millis(options.keepAlive, "120 seconds"),
        headersTimeout: 0,
        bodyTimeout: 0
      }
      return yield* Effect.acquireRelease(
        Effect.sync(() => {
          const direct = new Undici.Agent(agentOptions)
          const dns = Undici.interceptors.dns({ maxTTL: millis(options.dnsTimeToLive, "60 seconds") })
          const plain =
            options.http2 === true ? new Multiplexed(agentOptions, direct.compose(dns)) : direct.compose(dns)
          // a proxy resolves names itself, so it needs host names
          const urls = new Set([proxies.http, proxies.https].filter((url) => url !== undefined))
          const agents = new Map(
            Array.from(urls, (uri) => [
              uri,
              new Undici.ProxyAgent({
                ...agentOptions,
                uri,
                proxyTls: connect,
                requestTls: connect,
                clientFactory: tunnelsVia
              })
            ])
          )
          return new Router(
            [direct, ...(plain instanceof Multiplexed ? [plain] : []), ...agents.values()],
            agents.size === 0
              ? () => plain
              : (origin) => {
                  const proxy = Proxies.proxyOf(proxies, new URL(origin))
                  return (proxy === undefined ? undefined : agents.get(proxy)) ?? plain
                }
          )
        }),
        (router) => Effect.promise(() => router.destroy())
      )
    })
  )

/**
 * Connections to a proxy. If it closes one instead of opening the tunnel, undici tries again without pause or end,
 * because of the error's code.
 */
const tunnelsVia = (proxy: URL, options: object): Undici.Dispatcher => {
  const pool = new Undici.Pool(proxy, options)
  const connect = pool.connect.bind(pool)
  const closed = (error: NodeJS.ErrnoException) => {
    if (error.code === "UND_ERR_SOCKET") error.code = "ECONNRESET"
    return Promise.reject(error)
  }
  return Object.assign(pool, { connect: (to: Undici.Dispatcher.ConnectOptions) => connect(to).catch(closed) })
}

/** Routes each request to the dispatcher for its origin. */
class Router extends Undici.Dispatcher {
  constructor(
    private readonly all: ReadonlyArray<Undici.Dispatcher>,
    private readonly dispatcherOf: (origin: string) => Undici.Dispatcher
  ) {
    super()
  }

  override dispatch(options: Undici.Dispatcher.DispatchOptions, handler: Undici.Dispatcher.DispatchHandler): boolean {
    return this.dispatcherOf(String(options.origin)).dispatch(options, handler)
  }

  override destroy(): Promise<void> {
    return Promise.all(this.all.map((dispatcher) => dispatcher.destroy())).then(() => {})
  }
}

/** The maximum number of turns per connection, a common server limit. */
const maxStreams = 100

/**
 * Connections with HTTP/1.1 or HTTP/2. The first connection to a server shows its protocol; from then on, requests to
 * an HTTP/2 server share connections. undici multiplexes a POST only if it is marked idempotent, but then also
 * pipelines it over HTTP/1.1, so it is marked only for HTTP/2.
 */
class Multiplexed extends Undici.Dispatcher {
  readonly #speaking = new Set<string>()
  readonly #single: Undici.Agent
  readonly #shared: Undici.Agent

  constructor(
    { connect, ...options }: Undici.Agent.Options & { readonly connect: Undici.buildConnector.BuildOptions },
    /** For WebSockets, which need one connection each. */
    private readonly upgrades: Undici.Dispatcher
  ) {
    super()
    const connector = Undici.buildConnector({ ...connect, allowH2: true })
    const noting: Undici.buildConnector.connector = (to, done) =>
      connector(to, (...result) => {
        const socket = result[1]
        // undici leaves it out when the connection fails, against its types
        if (socket && "alpnProtocol" in socket && socket.alpnProtocol === "h2") {
          this.#speaking.add(`${to.protocol}//${to.host}`)
        }
        done(...result)
      })
    this.#single = new Undici.Agent({ ...options, connect: noting, allowH2: true })
    this.#shared = new Undici.Agent({
      ...options,
      connect: noting,
      allowH2: true,
      connections: Math.ceil((options.connections ?? 1) / maxStreams),
      pipelining: maxStreams
    })
  }

  override dispatch(options: Undici.Dispatcher.DispatchOptions, handler: Undici.Dispatcher.DispatchHandler): boolean {
    if (typeof options.upgrade === "string") return this.upgrades.dispatch(options, handler)
    return this.#speaking.has(String(options.origin))
      ? this.#shared.dispatch({ ...options, idempotent: true }, handler)
      : this.#single.dispatch(options, handler)
  }

  override destroy(): Promise<void> {
    return Promise.all([this.#single.destroy(), this.#shared.destroy()]).then(() => {})
  }
}

/** zstd if this Node supports it (22.15 and later), at its default level 3 (protocol K). */
const layerCompression: Layer.Layer<Compression> = Layer.sync(Compression, () => {
  const compress: unknown = "zstdCompressSync" in Zlib ? Zlib.zstdCompressSync : undefined
  return {
    zstd: typeof compress === "function" ? (bytes) => Effect.sync(() => compress(bytes) as Uint8Array) : undefined
  }
})

/**
 * Connections over undici with one shared pool: `Carrier`, the fastest on Node; `HttpClient` for other requests and for
 * client middleware; WebSockets; and the compressions this Node supports.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { layer } from "@effect-codex/transport/node"
 *
 * const http = layer({ connectTimeout: "10 seconds" })
 * ```
 */
export const layer = (
  options: Options = {}
): Layer.Layer<Carrier.Carrier | HttpClient.HttpClient | Compression | WebSocketConnector, InvalidConfig> =>
  Layer.mergeAll(
    Layer.scoped(
      WebSocketConnector,
      Effect.acquireRelease(
        Effect.map(NodeHttpClient.Dispatcher, (dispatcher) =>
          NodeWebSocketConnector.make(dispatcher, options.maxConnections)
        ),
        (connector) => Effect.sync(connector.destroy)
      )
    ),
    Layer.effect(Carrier.Carrier, Effect.map(NodeHttpClient.Dispatcher, DispatcherCarrier.make)),
    Layer.map(NodeHttpClient.layerUndiciWithoutDispatcher, (context) =>
      Context.add(
        context,
        HttpClient.HttpClient,
        HttpClient.transformResponse(Context.get(context, HttpClient.HttpClient), Effect.flatMap(decoded))
      )
    ),
    layerCompression
  ).pipe(Layer.provide(layerDispatcher(options)))
