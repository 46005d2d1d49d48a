import { assert, describe, it } from "@effect/vitest"
import { OutputFormat, Repair, Tool, type ToolSpec, TurnRequest } from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { openFaults } from "./serverRules.ts"

const compile = (request: Omit<TurnRequest.TurnRequest, "prompt">) =>
  TurnRequest.compile({ prompt: "x", ...request }, { model: "gpt-5.5" })

const raw = (name: string, parameters: unknown, strict?: boolean) =>
  ({ type: "function", name, ...(strict !== undefined && { strict }), parameters }) as ToolSpec.ToolSpec

const functions = (tools: ReadonlyArray<ToolSpec.ToolSpec> | undefined) =>
  (tools ?? []).flatMap((tool) => (tool.type === "function" ? [tool] : []))

describe("the tools of a request", () => {
  it.effect("of others are sent in forms the server takes, and one bad tool is left out by name", () =>
    Effect.gen(function* () {
      const own = yield* Tool.make({ name: "own", parameters: Schema.Struct({ a: Schema.String }), strict: true })
      const deep = JSON.parse(`${'{"items":'.repeat(50_000)}{}${"}".repeat(50_000)}`)
      const { body, repairs } = yield* compile({
        tools: [
          own,
          raw("no_arguments", { type: "object" }),
          raw("empty", {}),
          raw("list", { type: "object", properties: { a: { type: "array" }, b: { type: "array", items: true } } }),
          raw("no_object", { type: "array", items: { type: "string" } }),
          raw("no_schema", "object"),
          raw("deep", { type: "object", properties: { a: deep } }),
          raw("open", { type: "object", properties: { a: { type: "string" } } }, true)
        ]
      })
      const sent = functions(body.tools)
      assert.deepStrictEqual(
        sent.map(({ name }) => name),
        ["own", "no_arguments", "empty", "list", "open"]
      )
      assert.strictEqual(sent[0], own.spec)
      for (const { parameters } of sent) assert.deepStrictEqual(openFaults(parameters), [])
      assert.strictEqual(sent.at(-1)?.strict, false)
      assert.deepStrictEqual(
        repairs.map((repair) =>
          repair._tag === "SchemaChanged" || repair._tag === "ToolDropped" ? [repair._tag, repair.name] : []
        ),
        [
          ["SchemaChanged", "no_arguments"],
          ["SchemaChanged", "empty"],
          ["SchemaChanged", "list"],
          ["ToolDropped", "no_object"],
          ["ToolDropped", "no_schema"],
          ["ToolDropped", "deep"],
          ["SchemaChanged", "open"]
        ]
      )
      const json = JSON.parse(JSON.stringify(yield* Schema.encode(Schema.Array(Repair.Repair))(repairs)))
      assert.deepStrictEqual(json, repairs)
    })
  )

  it.effect("that are sent as they are have no repair, and the same bytes", () =>
    Effect.gen(function* () {
      const fine = raw("fine", { type: "object", properties: { a: { type: "string", title: "A" } }, "x-order": 1 })
      const { body, repairs } = yield* compile({ tools: [fine] })
      assert.strictEqual(body.tools?.[0], fine)
      assert.deepStrictEqual(repairs, [])
    })
  )

  it.effect("have no key whose value is undefined", () =>
    Effect.gen(function* () {
      const parameters = { type: "object", properties: { a: { type: "string", enum: undefined }, b: undefined } }
      const tools = [
        { type: "function", name: "f", description: undefined, strict: undefined, parameters },
        { type: "function", name: "g", parameters: undefined },
        { type: "custom", name: "h", description: undefined, format: undefined },
        {
          type: "namespace",
          name: "n",
          description: undefined,
          tools: [{ type: "custom", name: "i", format: undefined }]
        }
      ] as unknown as ReadonlyArray<ToolSpec.ToolSpec>
      const { body, repairs } = yield* TurnRequest.compile({ prompt: "Hi", tools }, { model: "gpt-5.5" })
      assert.deepStrictEqual(body.tools as unknown, JSON.parse(JSON.stringify(tools)))
      assert.deepStrictEqual(repairs, [])
    })
  )

  it.effect("that fit no tool are refused with the name and the field", () =>
    Effect.gen(function* () {
      const tools = [
        { type: "function", name: "f", description: 5 },
        { type: "function", function: { name: "g" } },
        "h"
      ] as unknown as ReadonlyArray<ToolSpec.ToolSpec>
      const error = yield* Effect.flip(TurnRequest.compile({ prompt: "Hi", tools }, { model: "gpt-5.5" }))
      assert.deepStrictEqual(error.problems, [
        'Tool 0 ("f") has no field "description", or one of another type.',
        'Tool 1 has no field "name", or one of another type.',
        "Tool 2 has fields that fit no tool."
      ])
    })
  )

  it.effect("that are left out cannot be chosen", () =>
    Effect.gen(function* () {
      const tools = [raw("bad", { type: "array" }), raw("good", { type: "object", properties: {} })]
      const error = yield* Effect.flip(compile({ tools, toolChoice: { type: "function", name: "bad" } }))
      assert.match(String(error.problems), /names "bad", which is not among the tools/)
    })
  )
})

describe("the output of a request", () => {
  const format = (schema: unknown, strict?: boolean) => ({
    format: {
      type: "json_schema" as const,
      name: "answer",
      ...(strict !== undefined && { strict }),
      schema: schema as ToolSpec.JsonSchema
    }
  })

  it.effect("made by OutputFormat is sent as it is", () =>
    Effect.gen(function* () {
      const output = yield* OutputFormat.make({
        name: "answer",
        schema: Schema.Struct({ a: Schema.optional(Schema.Int) })
      })
      const { body, repairs } = yield* compile({ output })
      assert.strictEqual(body.text?.format, output.format)
      assert.deepStrictEqual(repairs, [])
    })
  )

  it.effect("of others is sent in the nearest form", () =>
    Effect.gen(function* () {
      const { body, repairs } = yield* compile({
        output: format({ type: "object", properties: { a: { type: "array" } } })
      })
      assert.deepInclude(body.text?.format, {
        schema: { type: "object", properties: { a: { type: "array", items: {} } } }
      })
      assert.strictEqual(repairs[0]?._tag, "SchemaChanged")
    })
  )

  it.effect("is refused if it is not an object, or does not fit strict mode", () =>
    Effect.gen(function* () {
      const list = yield* Effect.flip(compile({ output: format({ type: "array", items: { type: "string" } }) }))
      assert.match(String(list.problems), /The schema of "answer" cannot be sent/)
      const open = yield* Effect.flip(
        compile({ output: format({ type: "object", properties: { a: { type: "string" } } }, true) })
      )
      assert.match(String(open.problems), /strict: false\. "a" is not required/)
    })
  )
})
