/** What is fast in the hot path agrees with what it stands for: the guards with the schemas, the matcher with the parser. */
import { assert, describe, it } from "@effect/vitest"
import { Guard, ResponseEvent, Usage } from "@effect-codex/schema"
import * as Schema from "effect/Schema"
import { fewer } from "../../../test/exhaustive.ts"
import { draw, drawFrom, forAll } from "../../../test/property.ts"
import * as Delta from "../src/internal/delta.ts"
import { mutants } from "./mutate.ts"

const schemas: Readonly<Record<string, Schema.Schema.AnyNoContext>> = {
  ...ResponseEvent.byType,
  hosted: ResponseEvent.HostedEvent,
  usage: Usage.WireUsage
}

describe("Guard", () => {
  for (const [type, schema] of Object.entries(schemas)) {
    it(`agrees with Schema.is: ${type}`, () => {
      const guard = Guard.make(schema)
      const is = Schema.is(schema)
      const check = (value: unknown, name?: string) =>
        assert.strictEqual(guard(value) === undefined, is(value), name ?? JSON.stringify(value))
      forAll(
        [drawFrom(schema), draw.nat()],
        (value, pick) => {
          assert.isUndefined(guard(value))
          check(value)
          const all = mutants(value as Record<string, unknown>)
          // some of them each time: a large item has thousands
          for (let n = 0; n < Math.min(all.length, 40); n++) {
            const mutant = all[(pick + n * 7) % all.length]
            if (mutant !== undefined) check(mutant.event, mutant.name)
          }
        },
        { runs: fewer(25) }
      )
      forAll([draw.anything()], (value) => check({ ...Object(value), type }, "anything"))
      for (const value of [undefined, null, 1, "x", [], {}]) check(value)
    })
  }

  it("names the place that does not fit", () => {
    const guard = Guard.make(ResponseEvent.byType["response.output_item.done"])
    const item = { type: "message", role: "assistant", content: [{ type: "output_text", text: 1 }] }
    assert.strictEqual(guard({ type: "response.output_item.done", item }), "item.content.0.text")
  })
})

describe("Delta", () => {
  const types = Object.keys(ResponseEvent.byType).filter((type) => type.endsWith(".delta"))

  /** A payload as servers write it, with what may be missing missing and what may be odd odd. */
  const payload = draw.record({
    type: draw.constantFrom(...types, "response.other.delta"),
    sequence: draw.option(draw.constantFrom("0", "7", "123456", "01", "-1", "1.5", "9007199254740993", '"1"')),
    id: draw.constantFrom('"msg_1"', '"ä"', '"a\\u0062"', "null", '"x\ty"', '"\u007f"'),
    index: draw.constantFrom("0", "12", "-1", "1e3", "null", "00", "123456789012345", "1234567890123456"),
    part: draw.option(
      draw.tuple(
        draw.constantFrom("content_index", "summary_index", "other_index"),
        draw.constantFrom("0", "3", "null")
      )
    ),
    delta: draw.oneof(
      draw.fullUnicodeString().map((text) => JSON.stringify(text)),
      draw.constantFrom(
        '""',
        '"\\n"',
        '"\\u00e4"',
        '"\\ud83d"',
        '"\\x"',
        '"\\u12"',
        '"a\nb"',
        "null",
        '"',
        '"a"b"',
        '"\\"',
        '"\\\\"'
      )
    ),
    rest: draw.constantFrom(
      "",
      ',"logprobs":[]',
      ',"logprobs":[1]',
      ',"obfuscation":"abc"',
      ',"logprobs":[],"obfuscation":"a\\n"',
      ',"delta":"again"',
      ",",
      "}",
      " "
    )
  })

  it("matches only what parses to the same and fits its schema", () => {
    let matched = 0
    forAll(
      [payload],
      ({ delta, id, index, part, rest, sequence, type }) => {
        const text = `{"type":"${type}"${sequence === null ? "" : `,"sequence_number":${sequence}`},"item_id":${id},"output_index":${index}${
          part === null ? "" : `,"${part[0]}":${part[1]}`
        },"delta":${delta}${rest}}`
        const read = Delta.read(text)
        if (read === undefined) return
        matched++
        const parsed = JSON.parse(text)
        assert.isTrue(Schema.is(schemas[read.type] as Schema.Schema.AnyNoContext)(parsed), text)
        for (const key of ["type", "item_id", "output_index", "content_index", "summary_index", "delta"] as const) {
          assert.strictEqual(read[key], parsed[key], text)
        }
      },
      { runs: fewer(5000) }
    )
    assert.isAbove(matched, fewer(20))
  })

  it("matches the events of the backend", () => {
    for (const type of types) {
      const event = { type, sequence_number: 4, item_id: "msg_1", output_index: 0, delta: " a long enough delta: ä" }
      for (const extra of [{}, { obfuscation: "x" }]) {
        assert.strictEqual(Delta.read(JSON.stringify({ ...event, ...extra }))?.delta, event.delta)
      }
    }
  })

  it("a payload of any length ends without a match or with one", () => {
    const event = { type: types[0], item_id: "msg_1", output_index: 0, delta: "\\".repeat(5_000_000) }
    assert.isUndefined(Delta.read(JSON.stringify(event)))
  })
})
