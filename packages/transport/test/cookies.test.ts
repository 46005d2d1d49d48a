/** Protocol N.1. */
import { assert, describe, it } from "@effect/vitest"
import * as Script from "@effect-codex/testing/Script"
import * as Effect from "effect/Effect"
import * as Cookies from "../src/internal/cookies.ts"
import { attempt, headersOf, request, scripted } from "./fixture.ts"

const url = "https://chatgpt.com/backend-api/codex/responses"

describe("the jar", () => {
  it("keeps what is on the list, and nothing else", () => {
    const jar = new Cookies.Jar()
    const listed = ["__cf_bm", "__cflb", "_cfuvid", "cf_clearance", "cf_chl_rc_i", "__oailb"]
    jar.store(url, [...listed.map((name) => `${name}=v; Path=/; Secure`), "oai-did=x", "session=x", "=x", "x"], 0)
    assert.strictEqual(jar.header(url, 0), listed.map((name) => `${name}=v`).join("; "))
  })

  it("takes from and gives to https://chatgpt.com only", () => {
    const jar = new Cookies.Jar()
    for (const other of [
      "http://chatgpt.com/",
      "https://chatgpt.com:8443/",
      "https://eu.chatgpt.com/",
      "https://chatgpt.com.evil.example/",
      "http://127.0.0.1/"
    ]) {
      jar.store(other, ["__cflb=evil"], 0)
      assert.isUndefined(jar.header(url, 0), other)
    }
    jar.store(url, ["__cflb=v"], 0)
    assert.isUndefined(jar.header("https://eu.chatgpt.com/", 0))
    assert.strictEqual(jar.header("https://chatgpt.com/", 0), "__cflb=v")
  })

  it("forgets what has ended, and what is replaced or cannot be a header", () => {
    const jar = new Cookies.Jar()
    jar.store(url, ["__cflb=1; Max-Age=10", "__cf_bm=1; Expires=Thu, 01 Jan 1970 00:00:20 GMT"], 0)
    assert.strictEqual(jar.header(url, 9999), "__cflb=1; __cf_bm=1")
    assert.strictEqual(jar.header(url, 10_000), "__cf_bm=1")
    assert.isUndefined(jar.header(url, 20_000))
    jar.store(url, ["__cflb=2"], 20_000)
    jar.store(url, ["__cflb=3", `__oailb=${"x".repeat(5000)}`, "__cf_bm=a\r\nb: c"], 20_000)
    assert.strictEqual(jar.header(url, 20_000), "__cflb=3")
    jar.store(url, ["__cflb=; Max-Age=0"], 20_000)
    assert.isUndefined(jar.header(url, 20_000))
  })
})

describe("cookies", () => {
  const script = Script.always(
    Script.turn({ text: "ok" }).pipe(Script.headers({ "set-cookie": "__cflb=route-1; Path=/" }))
  )

  it.scoped("of one response go with the next request, also after a failure", () =>
    Effect.gen(function* () {
      yield* attempt()
      assert.notProperty(yield* headersOf(1), "cookie")
      yield* attempt()
      assert.strictEqual((yield* headersOf(2))["cookie"], "__cflb=route-1")
    }).pipe(Effect.provide(scripted(script)))
  )

  it.scoped("go nowhere when they are turned off, or to another base URL", () =>
    Effect.gen(function* () {
      yield* attempt(request, { overrides: { cookies: false } })
      yield* attempt()
      assert.notProperty(yield* headersOf(2), "cookie")
      yield* attempt(request, { overrides: { baseUrl: "https://example.org" } })
      assert.notProperty(yield* headersOf(3), "cookie")
      yield* attempt(request, { overrides: { cookies: false } })
      assert.notProperty(yield* headersOf(4), "cookie")
    }).pipe(Effect.provide(scripted(script)))
  )

  it.scoped("are secrets: no error quotes them", () =>
    Effect.gen(function* () {
      yield* attempt()
      const error = yield* Effect.flip(attempt())
      assert.strictEqual(error.serverMessage, "The cookie __cf_bm=<redacted> is odd.")
      assert.notInclude(JSON.stringify(error), "planted")
    }).pipe(
      Effect.provide(
        scripted([
          Script.turn({ text: "ok" }).pipe(Script.headers({ "set-cookie": "__cf_bm=planted-by-the-edge; Path=/" })),
          Script.status(400, { body: { detail: "The cookie __cf_bm=planted-by-the-edge is odd." } })
        ])
      )
    )
  )
})
