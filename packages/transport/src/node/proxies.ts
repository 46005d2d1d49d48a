/** Selects the proxy of a request. */
import * as Net from "node:net"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type { Proxy } from "../node.ts"
import { InvalidConfig } from "../TransportError.ts"

export interface Proxies {
  /** For `http:` and `https:` requests; absent for direct connections. */
  readonly http: string | undefined
  readonly https: string | undefined
  readonly isExcluded: (url: URL) => boolean
}

const trimmed = (name: string): Effect.Effect<string | undefined> =>
  Effect.map(
    Effect.orElseSucceed(Config.string(name), () => ""),
    (value) => value.trim() || undefined
  )

/** A variable in lower or upper case, trimmed; `undefined` if both are empty. */
export const variable = (name: string): Effect.Effect<string | undefined> =>
  Effect.flatMap(trimmed(name.toLowerCase()), (value) => (value === undefined ? trimmed(name) : Effect.succeed(value)))

const schemes: ReadonlySet<string> = new Set(["http:", "https:", "socks:", "socks5:"])

/** `host:port` without a scheme is common and means http. */
const parse = (where: string, text: string | undefined): Effect.Effect<string | undefined, InvalidConfig> => {
  if (text === undefined) return Effect.succeed(undefined)
  const url = text.includes("://") ? text : `http://${text}`
  const problem = (advice: string) => Effect.fail(new InvalidConfig({ problems: [`${where}: ${advice}`] }))
  if (/^socks(?:4a?|5h):/i.test(url)) {
    return problem(
      "this kind of SOCKS proxy is not supported; use socks5://, which resolves names at the proxy as well"
    )
  }
  return URL.canParse(url) && schemes.has(new URL(url).protocol)
    ? Effect.succeed(url)
    : problem("use the URL of a proxy, such as http://proxy.example:3128")
}

/** The proxies from options or from the environment, with `ALL_PROXY` as fallback. */
export const resolve = (proxy: "environment" | "none" | Proxy): Effect.Effect<Proxies, InvalidConfig> =>
  Effect.gen(function* () {
    if (proxy === "none") return { http: undefined, https: undefined, isExcluded: () => true }
    if (proxy !== "environment") {
      const url = yield* parse("proxy.url", proxy.url.trim() === "" ? "://" : proxy.url.trim())
      const rules = excluding(proxy.noProxy)
      // plain-text credentials of a loopback request must not leave this machine
      return { http: url, https: url, isExcluded: (url) => rules(url) || (url.protocol === "http:" && isLoopback(url)) }
    }
    const all = yield* Effect.flatMap(variable("ALL_PROXY"), (text) => parse("ALL_PROXY", text))
    const http = yield* Effect.flatMap(variable("HTTP_PROXY"), (text) => parse("HTTP_PROXY", text))
    const https = yield* Effect.flatMap(variable("HTTPS_PROXY"), (text) => parse("HTTPS_PROXY", text))
    const rules = excluding(yield* variable("NO_PROXY"))
    return { http: http ?? all, https: https ?? all ?? http, isExcluded: (url) => isLoopback(url) || rules(url) }
  })

const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase()

const isLoopback = (url: URL): boolean => /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/.test(hostOf(url))

/** The rules of `NO_PROXY`: hosts with their subdomains, `host:port`, addresses, blocks such as 10.0.0.0/8, or `*`. */
const excluding = (list = ""): ((url: URL) => boolean) => {
  const entries = list.split(/[,\s]+/).filter((entry) => entry !== "")
  if (entries.includes("*")) return () => true
  const blocks = new Net.BlockList()
  const hosts: Array<{ readonly host: string; readonly port: string | undefined }> = []
  for (const entry of entries) {
    const [, network = "", prefix = ""] = /^(.+)\/(\d{1,3})$/.exec(entry) ?? []
    const family = Net.isIP(network)
    if (family !== 0 && Number(prefix) <= (family === 4 ? 32 : 128)) {
      blocks.addSubnet(network, Number(prefix), family === 4 ? "ipv4" : "ipv6")
      continue
    }
    const [, host = entry, port] = Net.isIPv6(entry) ? [] : (/^\[?(.+?)\]?:(\d+)$/.exec(entry) ?? [])
    hosts.push({
      host: host
        .replace(/^\*?\./, "")
        .replace(/^\[(.*)\]$/, "$1")
        .toLowerCase(),
      port
    })
  }
  return (url) => {
    const name = hostOf(url)
    const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port
    const family = Net.isIP(name)
    return (
      (family !== 0 && blocks.check(name, family === 4 ? "ipv4" : "ipv6")) ||
      hosts.some(
        (rule) =>
          (rule.port === undefined || rule.port === port) && (name === rule.host || name.endsWith(`.${rule.host}`))
      )
    )
  }
}

/** The proxy of a request, if any. */
export const proxyOf = ({ http, https, isExcluded }: Proxies, url: URL): string | undefined => {
  const proxy = url.protocol === "https:" ? https : http
  return proxy === undefined || isExcluded(url) ? undefined : proxy
}
