import { assert, describe, it } from "@effect/vitest"
import { PartialJson } from "@effect-codex/schema"
import { fewer } from "../../../test/exhaustive.ts"
import { draw, forAll } from "../../../test/property.ts"

/** Whether `part` can be read from a beginning of the text of `whole`. */
const isBeginning = (part: unknown, whole: unknown): boolean => {
  if (typeof part === "string") return typeof whole === "string" && whole.startsWith(part)
  if (typeof part === "number") return typeof whole === "number"
  if (Array.isArray(part)) {
    return Array.isArray(whole) && part.length <= whole.length && part.every((value, n) => isBeginning(value, whole[n]))
  }
  if (typeof part === "object" && part !== null) {
    return (
      typeof whole === "object" &&
      whole !== null &&
      Object.entries(part).every(([key, value]) => Object.hasOwn(whole, key) && isBeginning(value, whole[key as never]))
    )
  }
  return part === whole
}

describe("PartialJson", () => {
  it("reads whole JSON as JSON.parse does", () => {
    forAll(
      [draw.json(), draw.nat(4)],
      (text, indent) => {
        const value: unknown = JSON.parse(text)
        assert.deepStrictEqual(PartialJson.parse(text), value)
        assert.deepStrictEqual(PartialJson.parse(`\t\r\n ${JSON.stringify(value, null, indent)} `), value)
      },
      { runs: 500 }
    )
  })

  it("reads every beginning of a text as a beginning of its value", () => {
    forAll([draw.json({ stringUnit: "binary" })], (text) => {
      const value: unknown = JSON.parse(text)
      for (let end = 0; end <= text.length; end++) {
        const part = PartialJson.parse(text.slice(0, end))
        assert.isTrue(part === undefined || isBeginning(part, value), text.slice(0, end))
      }
    })
  })

  it("takes any text at all", () => {
    const token = draw.constantFrom("{", "}", "[", "]", ",", ":", '"', "\\", "\\u00", "1", "-", "e", "true", "nul", " ")
    forAll(
      [draw.array(draw.oneof(token, draw.fullUnicodeString({ maxLength: 3 })))],
      (tokens) => {
        PartialJson.parse(tokens.join(""))
      },
      { runs: fewer(2000) }
    )
  })

  it.each([
    ["", undefined],
    ["  ", undefined],
    ["{", {}],
    ['{"a', {}],
    ['{"a"', {}],
    ['{"a":', {}],
    ['{"a":tru', {}],
    ['{"a":true', { a: true }],
    ['{"a":"x\\', { a: "x" }],
    ['{"a":"x\\u00e', { a: "x" }],
    ['{"a":"x\\u00e4', { a: "xä" }],
    ['{"a":[1,{"b":"c"},', { a: [1, { b: "c" }] }],
    ['{"a":-', {}],
    ['{"a":1.', { a: 1 }],
    ['{"a":1,"a":2', { a: 2 }],
    ["[1,]", [1]],
    ["{a:1}", {}],
    ["[1] 2", [1]],
    ['"a\nb"', "a"]
  ])("%j", (text, expected) => {
    assert.deepStrictEqual(PartialJson.parse(text), expected)
  })

  it("a key named __proto__ is a key", () => {
    const value = PartialJson.parse('{"__proto__":{"x":1}')
    assert.deepStrictEqual(Object.keys(value as object), ["__proto__"])
    assert.isUndefined((value as { readonly x?: unknown }).x)
  })

  it("depth and length are bound by memory only", () => {
    assert.isArray(PartialJson.parse("[".repeat(200_000)))
    const long = "x\\n".repeat(1_000_000)
    assert.deepStrictEqual(PartialJson.parse(`{"a":"${long}`), { a: "x\n".repeat(1_000_000) })
  })
})
