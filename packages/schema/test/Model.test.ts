import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Model, ModelCatalogue } from "@effect-codex/schema"
import { draw } from "../../../test/property.ts"
import { describeShared } from "../../../test/shared.ts"

const entry = (slug: string, efforts: ReadonlyArray<string>): Model.Model => ({
  slug,
  supported_reasoning_levels: efforts.map((effort) => ({ effort }))
})

const bundled = (slug: string) => ModelCatalogue.get(ModelCatalogue.bundled, slug) ?? slug

describe("resolveEffort", () => {
  it.each([
    ["gpt-5.2", "minimal", "low"],
    ["gpt-5.2-codex", "minimal", "low"],
    ["gpt-5.2-codex", "xhigh", "xhigh"],
    ["gpt-5.3-codex", "minimal", "low"],
    ["gpt-5.3-codex", "xhigh", "xhigh"],
    ["gpt-5.5", "minimal", "low"],
    ["gpt-5.5-pro", "minimal", "low"],
    ["gpt-5.5", "xhigh", "xhigh"],
    ["gpt-5.5", "none", "none"],
    ["gpt-5.1", "xhigh", "high"],
    ["gpt-5.1", "minimal", "minimal"],
    ["gpt-5.1-codex-max", "xhigh", "xhigh"],
    ["gpt-5.1-codex-mini", "minimal", "medium"],
    ["gpt-5.1-codex-mini", "low", "medium"],
    ["gpt-5.1-codex-mini", "medium", "medium"],
    ["gpt-5.1-codex-mini", "high", "high"],
    ["gpt-5.1-codex-mini", "xhigh", "high"],
    ["gpt-5.6-sol", "xhigh", "xhigh"],
    ["gpt-daybreak-blue-latest", "xhigh", "xhigh"]
  ])("sends to %s, asked for %s, %s", (slug, requested, sent) => {
    assert.strictEqual(Model.resolveEffort(bundled(slug), requested), sent)
  })

  it.each([
    ["gpt-5.6-sol-preview", "xhigh"],
    ["gpt-daybreak-blue-latest-preview", "max"],
    ["gpt-99", "ultra"]
  ])("fails closed for a name it does not know: %s, %s", (slug, requested) => {
    assert.strictEqual(Model.resolveEffort(bundled(slug), requested), "high")
  })

  it.each([
    ["gpt-6-sol", "ultra", "max"],
    ["gpt-6-luna", "ultra", "max"],
    ["gpt-5.5", "ultra", "xhigh"],
    ["gpt-5.5", "max", "xhigh"],
    ["gpt-6-sol", "minimal", "low"],
    ["gpt-6-sol", "none", "low"]
  ])("keeps to the catalogue: %s, asked for %s, gets %s", (slug, requested, sent) => {
    assert.strictEqual(Model.resolveEffort(bundled(slug), requested), sent)
  })

  it("trusts the entry over what it knows by name, and an effort it has no rank for", () => {
    assert.strictEqual(Model.resolveEffort(entry("gpt-5.1-codex-mini", ["low", "xhigh"]), "xhigh"), "xhigh")
    assert.strictEqual(Model.resolveEffort(entry("m", ["low"]), "gigantic"), "gigantic")
    assert.strictEqual(Model.resolveEffort(entry("m", ["gigantic"]), "high"), "high")
  })

  const efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"]

  it.prop(
    "sends a listed effort for every known one, never ultra, never more than asked for unless there is nothing less",
    [draw.subarray(efforts.slice(2), { minLength: 1 }), draw.constantFrom(...efforts)],
    ([listed, requested]) => {
      const sent = Model.resolveEffort(entry("m", listed), requested)
      if (listed.join() === "ultra") return
      assert.notStrictEqual(sent, "ultra")
      assert.include(listed, sent)
      const less = listed.filter((effort) => efforts.indexOf(effort) <= efforts.indexOf(requested))
      if (less.length > 0) assert.isAtMost(efforts.indexOf(sent), efforts.indexOf(requested))
      assert.strictEqual(Model.resolveEffort(entry("m", listed), sent), sent)
    }
  )
})

describe("the catalogue", () => {
  it("is read entry by entry, keeping what it does not know", () => {
    const { models, problems } = ModelCatalogue.decode({
      models: [
        { slug: "a", new_key: { deep: [1] }, context_window: null },
        { display_name: "no slug" },
        "no object",
        null,
        { slug: "b", priority: "first", context_window: 1000, supported_reasoning_levels: [{ effort: 3 }] }
      ],
      etag: "x"
    })
    assert.deepStrictEqual(models, [
      { slug: "a", new_key: { deep: [1] }, context_window: null },
      { slug: "b", context_window: 1000 }
    ])
    assert.deepStrictEqual(problems, [
      'Entry 1 is left out: it is not an object with a "slug".',
      'Entry 2 is left out: it is not an object with a "slug".',
      'Entry 3 is left out: it is not an object with a "slug".',
      'The key "priority" of entry 4 has an unexpected type.',
      'The key "supported_reasoning_levels" of entry 4 has an unexpected type.'
    ])
  })

  it.prop("decodes any value without throwing", [draw.anything()], ([json]) => {
    const wrapped = ModelCatalogue.decode({ models: [json, { slug: "m" }] })
    assert.strictEqual(wrapped.models.at(-1)?.slug, "m")
    assert.isArray(ModelCatalogue.decode(json).models)
  })

  it("is read without a throw, however deeply it is nested", () => {
    const lists = JSON.parse("[".repeat(50_000) + "]".repeat(50_000))
    const objects = JSON.parse(`${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`)
    for (const deep of [lists, objects]) {
      for (const key of ["display_name", "context_window", "supported_reasoning_levels", "truncation_policy"]) {
        assert.deepStrictEqual(ModelCatalogue.decode({ models: [{ slug: "m", [key]: deep }] }), {
          models: [{ slug: "m" }],
          problems: [`The key "${key}" of entry 0 has an unexpected type.`]
        })
      }
      assert.lengthOf(ModelCatalogue.decode({ models: [deep, { slug: deep }, { slug: "m" }] }).models, 1)
    }
  })

  it("finds an entry by its name, else by the longest name that begins it", () => {
    const models = [entry("gpt-6", []), entry("gpt-6-sol", [])]
    assert.strictEqual(ModelCatalogue.resolve(models, "gpt-6-sol-preview")?.slug, "gpt-6-sol")
    assert.strictEqual(ModelCatalogue.resolve(models, "gpt-6")?.slug, "gpt-6")
    assert.strictEqual(ModelCatalogue.get(models, "gpt-6-sol-preview"), undefined)
    assert.strictEqual(ModelCatalogue.resolve(models, "other"), undefined)
  })

  it("that is bundled decodes without a problem and lists its models in order", () => {
    assert.deepStrictEqual(ModelCatalogue.decode({ models: ModelCatalogue.bundled }), {
      models: ModelCatalogue.bundled,
      problems: []
    })
    const listed = ModelCatalogue.listed(ModelCatalogue.bundled)
    assert.strictEqual(ModelCatalogue.bundled.length, 12)
    assert.strictEqual(listed[0]?.slug, "gpt-6.1-sol")
    assert.isFalse(listed.some(({ slug }) => slug.startsWith("gpt-daybreak")))
  })

  it("gives the compaction limit: its own, else the usable part of the window", () => {
    assert.strictEqual(Model.compactionLimit({ slug: "m", auto_compact_token_limit: 5, context_window: 100 }), 5)
    assert.strictEqual(Model.compactionLimit({ slug: "m", context_window: 272_000 }), 258_400)
    assert.strictEqual(Model.compactionLimit({ slug: "m" }), undefined)
  })

  describeShared("that is bundled", { path: "models-bundled.json", count: 1 }, (snapshot) => {
    it("equals the snapshot", () => {
      const { models, problems } = ModelCatalogue.decode(JSON.parse(readFileSync(snapshot, "utf8")))
      assert.deepStrictEqual(problems, [])
      assert.strictEqual(models.length, ModelCatalogue.bundled.length)
      for (const model of models) assert.deepInclude(model, bundled(model.slug) as object)
    })
  })
})
