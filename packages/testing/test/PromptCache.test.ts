import { assert, describe, it } from "@effect/vitest"
import * as PromptCache from "@effect-codex/testing/PromptCache"
import * as Support from "./support.ts"

const item = (text: string) => ({ type: "message", role: "user", content: [{ type: "input_text", text }] })

const request = (body: unknown, headers: Record<string, string> = {}) => Support.request({ body, headers })

const prompt = (texts: ReadonlyArray<string>, more: Record<string, unknown> = {}) =>
  request({ model: "m", instructions: "Be brief.", input: texts.map(item), prompt_cache_key: "s1", ...more })

describe("PromptCache", () => {
  const first = prompt(["one", "two"])

  it("has nothing cached at first", () => {
    const { cachedTokens, inputTokens } = PromptCache.usage(first, [])
    assert.strictEqual(cachedTokens, 0)
    assert.isAbove(inputTokens, 20)
  })

  it("has the whole earlier prompt cached when items are only added", () => {
    const usage = PromptCache.usage(prompt(["one", "two", "three"]), [first])
    assert.strictEqual(usage.cachedTokens, PromptCache.usage(first, []).inputTokens)
    assert.isAbove(usage.inputTokens, usage.cachedTokens)
  })

  it("has only the items before a change cached", () => {
    const one = PromptCache.usage(prompt(["one"]), []).inputTokens
    assert.strictEqual(PromptCache.usage(prompt(["one", "changed", "two"]), [first]).cachedTokens, one)
  })

  it("takes the earlier request that fits best", () => {
    const other = prompt(["other"])
    const all = PromptCache.usage(first, []).inputTokens
    assert.strictEqual(PromptCache.usage(first, [first, other]).cachedTokens, all)
  })

  it("has next to nothing cached when tools or instructions change", () => {
    const model = Math.ceil('"m"'.length / 4)
    assert.strictEqual(
      PromptCache.usage(prompt(["one", "two"], { tools: [{ name: "f" }] }), [first]).cachedTokens,
      model
    )
    assert.isBelow(PromptCache.usage(prompt(["one", "two"], { instructions: "Be long." }), [first]).cachedTokens, 3)
  })

  it("keeps sessions apart", () => {
    assert.strictEqual(PromptCache.usage(prompt(["one"], { prompt_cache_key: "s2" }), [first]).cachedTokens, 0)
    const byHeader = request({ input: [item("one")] }, { "session-id": "s3" })
    assert.isAbove(PromptCache.usage(byHeader, [byHeader]).cachedTokens, 0)
    const neither = request({ input: [item("one")] })
    assert.strictEqual(PromptCache.usage(neither, [neither]).cachedTokens, 0)
  })

  it("survives bodies that are no prompts", () => {
    for (const body of [undefined, null, "text", 1, [], { input: "text" }]) {
      assert.strictEqual(PromptCache.usage(request(body), [request(body)]).cachedTokens, 0)
    }
  })
})
