import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Proxies from "../src/node/proxies.ts"

const inEnvironment = (variables: Readonly<Record<string, string>>) =>
  Proxies.resolve("environment").pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
  )

const of = (proxies: Proxies.Proxies, url: string) => Proxies.proxyOf(proxies, new URL(url))

const proxy = "http://proxy.example:3128"

describe("the proxy of a request", () => {
  for (const [name, variables, expected] of [
    ["none", {}, [undefined, undefined]],
    ["HTTPS_PROXY", { HTTPS_PROXY: proxy }, [undefined, proxy]],
    ["https_proxy in lower case, without a scheme", { https_proxy: "proxy.example:3128" }, [undefined, proxy]],
    ["HTTP_PROXY for both", { HTTP_PROXY: proxy }, [proxy, proxy]],
    ["ALL_PROXY", { ALL_PROXY: proxy }, [proxy, proxy]],
    ["all_proxy over SOCKS", { all_proxy: "socks5://127.0.0.1:1080" }, Array(2).fill("socks5://127.0.0.1:1080")],
    ["ALL_PROXY beside another", { ALL_PROXY: "http://other:1", HTTPS_PROXY: proxy }, ["http://other:1", proxy]],
    ["a blank one in lower case", { all_proxy: "", ALL_PROXY: proxy }, [proxy, proxy]],
    ["blank variables", { HTTP_PROXY: " ", HTTPS_PROXY: "", ALL_PROXY: "  " }, [undefined, undefined]]
  ] as ReadonlyArray<readonly [string, Record<string, string>, ReadonlyArray<string | undefined>]>) {
    it.effect(`of the environment: ${name}`, () =>
      Effect.gen(function* () {
        const proxies = yield* inEnvironment(variables)
        assert.deepStrictEqual([of(proxies, "http://a.example/"), of(proxies, "https://a.example/")], expected)
      })
    )
  }

  for (const text of ["socks5h://127.0.0.1:1080", "socks4://h:1", "socks4a://h:1", "ftp://h", "http://", "://"]) {
    it.effect(`that cannot be one is refused with its variable and advice: ${text}`, () =>
      Effect.gen(function* () {
        for (const name of ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"]) {
          const error = yield* Effect.flip(inEnvironment({ [name]: text }))
          assert.strictEqual(error._tag, "InvalidConfig")
          assert.include(error.message, name)
          assert.include(error.message, text.startsWith("socks") ? "use socks5://" : "use the URL")
        }
        assert.strictEqual((yield* Effect.flip(Proxies.resolve({ url: text })))._tag, "InvalidConfig")
      })
    )
  }

  it.effect("no password of a proxy is quoted", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(inEnvironment({ HTTPS_PROXY: "ftp://me:canary@h" }))
      assert.notInclude(error.message, "canary")
    })
  )

  it.effect("is none for what NO_PROXY names", () =>
    Effect.gen(function* () {
      const NO_PROXY =
        "internal.example, .suffix.example *.star.example,10.0.0.0/8,fd00::/8,192.168.1.7,port.example:8443"
      const proxies = yield* inEnvironment({ HTTPS_PROXY: proxy, NO_PROXY })
      for (const direct of [
        "https://internal.example/",
        "https://a.internal.example/",
        "https://a.suffix.example/",
        "https://a.star.example/",
        "https://10.1.2.3/",
        "https://[fd00::1]/",
        "https://192.168.1.7/",
        "https://port.example:8443/"
      ]) {
        assert.isUndefined(of(proxies, direct), direct)
      }
      for (const proxied of [
        "https://external.example/",
        "https://notinternal.example/",
        "https://11.1.2.3/",
        "https://[fe80::1]/",
        "https://192.168.1.70/",
        "https://port.example/"
      ]) {
        assert.strictEqual(of(proxies, proxied), proxy, proxied)
      }
      assert.isUndefined(of(yield* inEnvironment({ HTTPS_PROXY: proxy, NO_PROXY: "*" }), "https://a.example/"))
    })
  )

  it.effect("is none for loopback addresses", () =>
    Effect.gen(function* () {
      const environment = yield* inEnvironment({ ALL_PROXY: proxy })
      const explicit = yield* Proxies.resolve({ url: proxy })
      for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"]) {
        assert.isUndefined(of(environment, `http://${host}:8080/`))
        assert.isUndefined(of(environment, `https://${host}:8080/`))
        assert.isUndefined(of(explicit, `http://${host}:8080/`))
        // the tunnel of an explicit proxy shows it nothing
        assert.strictEqual(of(explicit, `https://${host}:8080/`), proxy)
      }
    })
  )
})
