import { assert, describe, it } from "@effect/vitest"
import { JsonSchema, OutputFormat, Tool, ToolSpec, type Turn } from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { drawFrom, forAll } from "../../../test/property.ts"
import * as ToolSchemas from "../src/internal/toolSchemas.ts"
import { fits, openFaults, strictFaults } from "./serverRules.ts"

const call = (text: string): Turn.ToolCall => ({ type: "function", callId: "call_1", name: "weather", arguments: text })

const Weather = Schema.Struct({
  city: Schema.String.annotations({ description: "Its name" }),
  days: Schema.optional(Schema.Array(Schema.Struct({ offset: Schema.Int })))
})

const weather = Tool.make({ name: "weather", description: "The weather.", parameters: Weather })

describe("a tool from a Schema", () => {
  it.effect("sends the JSON Schema of its parameters", () =>
    Effect.gen(function* () {
      const { spec } = yield* weather
      assert.deepStrictEqual(spec, {
        type: "function",
        name: "weather",
        description: "The weather.",
        strict: false,
        parameters: {
          type: "object",
          required: ["city"],
          properties: {
            city: { type: "string", description: "Its name" },
            days: {
              type: "array",
              items: {
                type: "object",
                required: ["offset"],
                properties: { offset: { type: "integer", description: "an integer", title: "int" } },
                additionalProperties: false
              }
            }
          },
          additionalProperties: false
        }
      })
    })
  )

  it.effect("may have no parameters, and a class for them", () =>
    Effect.gen(function* () {
      const none = yield* Tool.make({ name: "now", parameters: Schema.Struct({}) })
      assert.deepStrictEqual(none.spec, {
        type: "function",
        name: "now",
        strict: false,
        parameters: { type: "object", properties: {}, required: [], additionalProperties: false }
      })
      class Point extends Schema.Class<Point>("Point")({ x: Schema.Number }) {}
      const point = yield* Tool.make({ name: "point", parameters: Point, deferred: true })
      assert.strictEqual(point.spec.defer_loading, true)
      assert.instanceOf(yield* point.decode(call('{"x":1}')), Point)
    })
  )

  it.effect("has a root that is an object even when the schema has a name and refers to itself", () =>
    Effect.gen(function* () {
      interface Tree {
        readonly children: ReadonlyArray<Tree>
      }
      const Tree: Schema.Schema<Tree> = Schema.Struct({
        children: Schema.Array(Schema.suspend((): Schema.Schema<Tree> => Tree))
      }).annotations({ identifier: "Tree" })
      const tool = yield* Tool.make({ name: "grow", parameters: Tree })
      assert.strictEqual(tool.spec.type === "function" && tool.spec.parameters?.["type"], "object")
      assert.deepStrictEqual(yield* tool.decode(call('{"children":[{"children":[]}]}')), {
        children: [{ children: [] }]
      })
    })
  )

  it.effect("is refused at its declaration if JSON Schema cannot express it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Tool.make({ name: "big", parameters: Schema.Struct({ n: Schema.BigIntFromSelf }) })
      )
      assert.strictEqual(error._tag, "UnsupportedSchema")
      assert.match(error.message, /The schema of "big" cannot be sent\. "n" is bigint/)
      const root = yield* Effect.flip(Tool.make({ name: "list", parameters: Schema.Array(Schema.String) }))
      assert.match(root.message, /put it into a Schema\.Struct/)
    })
  )
})

describe("a tool declared without an effect", () => {
  it("is the same tool", () => {
    const tool = Tool.unsafeMake({ name: "weather", description: "The weather.", parameters: Weather })
    assert.deepStrictEqual(tool.spec, Effect.runSync(weather).spec)
    assert.deepStrictEqual(Effect.runSync(tool.decode(call('{"city":"Oslo"}'))), { city: "Oslo" })
  })

  it("is thrown as the error when it cannot be sent", () => {
    const pair = Schema.Struct({ pair: Schema.Tuple(Schema.String, Schema.String) })
    for (const declare of [
      () => Tool.unsafeMake({ name: "pair", parameters: pair }),
      () => Tool.unsafeMake({ name: "a pair", parameters: Weather })
    ]) {
      try {
        declare()
      } catch (error) {
        assert.instanceOf(error, JsonSchema.UnsupportedSchema)
        assert.match((error as Error).message, /"pair" is a tuple|name is not allowed/)
        continue
      }
      assert.fail("it was declared")
    }
  })
})

describe("what is declared is checked where it is declared", () => {
  it.effect.each(["", "my tool", "mcp.server.tool", "é", "x".repeat(65), "a\0"])("the name %j is refused", (name) =>
    Effect.gen(function* () {
      const errors = [
        yield* Effect.flip(Tool.make({ name, parameters: Weather })),
        yield* Effect.flip(Tool.fromJsonSchema({ name, parameters: {} })),
        yield* Effect.flip(OutputFormat.make({ name, schema: Weather }))
      ]
      for (const error of errors) assert.match(error.message, /name is not allowed/)
    })
  )

  it.effect("what is left out is logged and kept as a warning", () =>
    Effect.gen(function* () {
      const logged: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        logged.push(`${logLevel._tag} ${[message].flat().join(" ")}`)
      })
      const parameters = Schema.Struct({ name: Schema.String.pipe(Schema.pattern(/^[a-z]+$/i)) })
      const tool = yield* Tool.make({ name: "find", parameters }).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      assert.deepStrictEqual(logged, [`Warning Tool "find": ${tool.warnings[0]}`])
      assert.match(tool.warnings.join(), /^"name" has the pattern .* with the flag i: sent without the pattern/)
      const wrong = yield* Effect.flip(tool.decode(call('{"name":"1"}')))
      assert.strictEqual(wrong.reason, "mismatch")
    })
  )
})

describe("a tool from a JSON Schema", () => {
  it.effect("is sent in the nearest accepted form, and lists the changes", () =>
    Effect.gen(function* () {
      const tool = yield* Tool.fromJsonSchema({
        name: "list_files",
        description: "All files.",
        parameters: { type: "object", properties: { in: { type: "array" } } },
        strict: true,
        deferred: true
      })
      assert.deepStrictEqual(tool.spec, {
        type: "function",
        name: "list_files",
        description: "All files.",
        strict: false,
        parameters: { type: "object", properties: { in: { type: "array", items: {} } } },
        defer_loading: true
      })
      assert.lengthOf(tool.warnings, 2)
      assert.deepStrictEqual(yield* tool.decode(call('{"in":[1],"more":null}')), { in: [1], more: null })
      assert.deepStrictEqual(yield* tool.decode(call("")), {})
      for (const text of ["[]", "null", '"in"', "{", " "]) yield* Effect.flip(tool.decode(call(text)))
    })
  )

  it.effect("that is not the schema of an object is refused by name, without affecting others", () =>
    Effect.gen(function* () {
      const schemas = [{ type: "object" }, { type: "array" }, null, { properties: { a: { items: [] } } }, "x"]
      const results = yield* Effect.forEach(schemas, (parameters, index) =>
        Effect.either(Tool.fromJsonSchema({ name: `tool_${index}`, parameters }))
      )
      assert.deepStrictEqual(
        results.map((result) => (Either.isLeft(result) ? result.left.name : openFaults(result.right.spec.parameters))),
        [[], "tool_1", "tool_2", [], "tool_4"]
      )
    })
  )
})

describe("tools of others, as they travel", () => {
  const raw = (name: string, parameters: unknown, rest: { readonly strict?: boolean | null } = {}) => ({
    type: "function",
    name,
    ...rest,
    parameters
  })

  it("that the server takes are the very same", () => {
    for (const tool of [
      raw("a", { type: "object", properties: {} }, { strict: null }),
      raw("a", null),
      { type: "web_search" },
      { type: "custom", name: "c", parameters: "mine" },
      { type: "namespace", name: "n", tools: [raw("a", { type: "object", properties: {} })] },
      ToolSpec.other({ type: "newer", parameters: { type: "array" } })
    ]) {
      assert.strictEqual(ToolSchemas.normalize(tool).tool, tool)
      assert.deepStrictEqual(ToolSchemas.normalize(tool), { tool, changes: [], refused: [] })
    }
  })

  it("are converted to an accepted form, keeping all other keys", () => {
    const tool = { type: "function", name: "a", parameters: { type: "object" }, strict: true, description: "A.", x: 1 }
    const { changes, refused, tool: sent } = ToolSchemas.normalize(tool)
    assert.strictEqual(
      JSON.stringify(sent),
      '{"type":"function","name":"a","parameters":{"type":"object","properties":{},"required":[],"additionalProperties":false},"strict":true,"description":"A.","x":1}'
    )
    assert.deepStrictEqual(
      changes.map(({ name }) => name),
      ["a"]
    )
    assert.deepStrictEqual(refused, [])
    const open = raw("b", { type: "object", properties: { x: { type: "string" } } }, { strict: true })
    assert.deepInclude(ToolSchemas.normalize(open).tool, { strict: false, parameters: open.parameters })
  })

  it("are refused by name, in a namespace one by one", () => {
    const bad = ToolSchemas.normalize(raw("bad", { type: "array" }))
    assert.notProperty(bad, "tool")
    assert.deepStrictEqual(
      bad.refused.map(({ name }) => name),
      ["bad"]
    )
    const good = raw("good", { type: "object", properties: {} })
    const some = ToolSchemas.normalize({
      type: "namespace",
      name: "n",
      tools: [raw("bad", []), good, raw("worse", true, {})]
    })
    assert.deepStrictEqual(
      some.tool?.tools.map(({ name }) => name),
      ["good", "worse"]
    )
    assert.deepStrictEqual(
      some.refused.map(({ name }) => name),
      ["bad"]
    )
    const none = ToolSchemas.normalize({ type: "namespace", name: "n", tools: [raw("bad", [])] })
    assert.notProperty(none, "tool")
    assert.lengthOf(none.refused, 1)
    const parameters: unknown = { type: "object" }
    const search = ToolSchemas.normalize({ type: "tool_search", execution: "client", parameters })
    assert.deepInclude(search.tool, { parameters: { type: "object", properties: {} } })
  })
})

describe("arguments that come back", () => {
  it.effect("decode", () =>
    Effect.gen(function* () {
      const { decode } = yield* weather
      assert.deepStrictEqual(yield* decode(call('{"city":"Oslo","days":[{"offset":1}]}')), {
        city: "Oslo",
        days: [{ offset: 1 }]
      })
    })
  )

  it.effect("decode as {} if empty, which is how models write no arguments", () =>
    Effect.gen(function* () {
      const { decode } = yield* Tool.make({ name: "now", parameters: Schema.Struct({}) })
      assert.deepStrictEqual(yield* decode(call("")), {})
      const missing = yield* Effect.flip((yield* weather).decode(call("")))
      assert.strictEqual(missing.reason, "mismatch")
    })
  )

  it.effect("that are no object do not fit, also where nothing is required", () =>
    Effect.gen(function* () {
      const { decode } = yield* Tool.make({ name: "now", parameters: Schema.Struct({}) })
      for (const text of ["1", '"x"', "true", "null", "[]", "[{}]"]) {
        const error = yield* Effect.flip(decode(call(text)))
        assert.strictEqual(error.reason, "mismatch", text)
      }
    })
  )

  it.effect("that are not JSON never become {}", () =>
    Effect.gen(function* () {
      const { decode } = yield* Tool.make({ name: "now", parameters: Schema.Struct({}) })
      for (const text of ["{", '{"a":', "null}", "go!", " ", "\n", "\t \r\n", "\u00a0", "\u200b", "\ufeff", "\0"]) {
        const error = yield* Effect.flip(decode(call(text)))
        assert.strictEqual(error.reason, "invalid_json")
        assert.strictEqual(error.arguments, text)
        assert.match(error.message, /"now" are not valid JSON \(.+\); call it again/)
      }
    })
  )

  it.effect("that do not match report all issues at once", () =>
    Effect.gen(function* () {
      const { decode } = yield* weather
      const error = yield* Effect.flip(decode(call('{"city":1,"days":[{"offset":0},{"offset":"x"}]}')))
      assert.strictEqual(error._tag, "InvalidToolArguments")
      assert.strictEqual(error.callId, "call_1")
      assert.deepStrictEqual(
        error.issues.map(({ path }) => path),
        [["city"], ["days", 1, "offset"]]
      )
      assert.match(error.message, /city: Expected string, actual 1; days\[1\]\.offset: Expected number, actual "x"/)
    })
  )

  const deep = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`
  const deepObject = (depth: number) => `${'{"parent":'.repeat(depth)}{"name":1}${"}".repeat(depth)}`
  const Anything = Schema.Struct({ x: Schema.Unknown })

  it.effect("with a number that overflows are a typed error with any schema", () =>
    Effect.gen(function* () {
      const tools: ReadonlyArray<Tool.Tool<unknown>> = [
        yield* Tool.make({ name: "sum", parameters: Schema.Struct({ x: Schema.Number }) }),
        yield* Tool.make({ name: "sum", parameters: Schema.Struct({ x: Schema.Number }), strict: true }),
        yield* Tool.make({ name: "any", parameters: Anything }),
        yield* Tool.fromJsonSchema({ name: "raw", parameters: { type: "object" } })
      ]
      for (const tool of tools) {
        for (const number of ["1e999", "-1e400", `1${"0".repeat(400)}`]) {
          const error = yield* Effect.flip(tool.decode(call(`{"x":${number}}`)))
          assert.deepStrictEqual(error.issues, [{ path: ["x"], message: "is a number that is too large" }])
        }
        assert.deepInclude(yield* tool.decode(call('{"x":1e300}')), { x: 1e300 })
      }
    })
  )

  it.effect("nested too deeply are a typed error with any schema", () =>
    Effect.gen(function* () {
      const tools: ReadonlyArray<Tool.Tool<unknown>> = [
        yield* weather,
        yield* Tool.make({ name: "any", parameters: Anything }),
        yield* Tool.make({ name: "tree", parameters: Category }),
        yield* Tool.make({ name: "tree", parameters: Category, strict: true }),
        yield* Tool.fromJsonSchema({ name: "raw", parameters: { type: "object" } })
      ]
      for (const tool of tools) {
        for (const depth of [257, 2_200, 100_000]) {
          for (const text of [deep(depth), `{"x":${deep(depth)}}`, `{"city":${deep(depth)}}`, deepObject(depth)]) {
            const error = yield* Effect.flip(tool.decode(call(text)))
            assert.strictEqual(error._tag, "InvalidToolArguments")
            assert.strictEqual(error.reason, "mismatch")
            assert.match(error.message, /nested more than 256 levels deep/)
          }
          const error = yield* Effect.flip(tool.decode(call("[".repeat(depth))))
          assert.strictEqual(error.reason, "invalid_json")
        }
      }
    })
  )

  it.effect("nested less deeply decode, or report where they do not match", () =>
    Effect.gen(function* () {
      const any = yield* Tool.make({ name: "any", parameters: Anything })
      assert.deepStrictEqual(yield* any.decode(call(`{"x":${deep(255)}}`)), { x: JSON.parse(deep(255)) })
      const brackets = { x: `${"[".repeat(1000)}\\"{[` }
      assert.deepStrictEqual(yield* any.decode(call(JSON.stringify(brackets))), brackets)
      for (const strict of [false, true]) {
        const tree = yield* Tool.make({ name: "tree", parameters: Category, strict })
        const error = yield* Effect.flip(tree.decode(call(deepObject(255))))
        assert.strictEqual(error.reason, "mismatch")
        assert.isNotEmpty(error.issues)
      }
    })
  )

  it.effect("that make a codec throw are a typed error, for any thrown value", () =>
    Effect.forEach(
      [
        Object.create(null),
        {
          toString() {
            throw new Error("unreadable")
          }
        },
        JSON.parse("[".repeat(50_000) + "]".repeat(50_000)),
        Symbol("thrown"),
        undefined
      ],
      (thrown) =>
        Effect.gen(function* () {
          const throwing = Schema.transform(Schema.String, Schema.String, {
            strict: true,
            decode: () => {
              throw thrown
            },
            encode: (text) => text
          })
          const error = yield* Effect.flip(JsonSchema.parse(throwing, '"x"'))
          assert.strictEqual(error.reason, "mismatch")
        })
    )
  )

  it.effect("that a codec throws over are a typed error", () =>
    Effect.gen(function* () {
      const Thrower = Schema.transform(Schema.String, Schema.String, {
        strict: true,
        decode: (text) => new URL(text).href,
        encode: (text) => text
      })
      const tool = yield* Tool.make({ name: "open", parameters: Schema.Struct({ url: Thrower }) })
      const error = yield* Effect.flip(tool.decode(call('{"url":"nowhere"}')))
      assert.strictEqual(error.reason, "mismatch")
      assert.match(error.message, /could not be decoded: .*Invalid URL/)
    })
  )

  it.effect("of a custom tool are its text", () =>
    Effect.gen(function* () {
      const note = Tool.custom({ name: "note", description: "Notes.", format: { type: "text" } })
      assert.deepStrictEqual(note.spec, {
        type: "custom",
        name: "note",
        description: "Notes.",
        format: { type: "text" }
      })
      assert.strictEqual(yield* note.decode({ ...call("{ not json"), type: "custom" }), "{ not json")
    })
  )

  it.effect("errors survive JSON", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* weather).decode(call("[]")))
      const json = JSON.parse(JSON.stringify(yield* Schema.encode(Tool.InvalidToolArguments)(error)))
      const back = yield* Schema.decodeUnknown(Tool.InvalidToolArguments)(json)
      assert.strictEqual(back.message, error.message)
    })
  )
})

interface Category {
  readonly name: string
  readonly parent?: Category
}
const Category: Schema.Schema<Category> = Schema.Struct({
  name: Schema.String,
  parent: Schema.optionalWith(
    Schema.suspend((): Schema.Schema<Category> => Category),
    { exact: true }
  )
}).annotations({ identifier: "Category" })

class Person extends Schema.Class<Person>("Person")({
  name: Schema.NonEmptyString,
  age: Schema.optionalWith(Schema.Int, { exact: true }),
  nick: Schema.NullOr(Schema.String)
}) {}

const schemas: ReadonlyArray<readonly [string, Schema.Schema.AnyNoContext]> = [
  ["a class", Person],
  ["a recursive one", Category],
  ["an empty one", Schema.Struct({})],
  [
    "one of everything",
    Schema.Struct({
      text: Schema.optional(Schema.String.pipe(Schema.maxLength(5)).annotations({ description: "short" })),
      tag: Schema.Literal("a", "b"),
      level: Schema.Literal(1, "x", null),
      many: Schema.Array(Schema.Struct({ flag: Schema.optional(Schema.Boolean) })),
      some: Schema.NonEmptyArray(Schema.Int),
      either: Schema.Union(
        Schema.TaggedStruct("A", { a: Schema.optionalWith(Schema.Number.pipe(Schema.finite()), { exact: true }) }),
        Schema.TaggedStruct("B", { a: Schema.optional(Schema.String) })
      ),
      filled: Schema.optionalWith(Schema.Int, { default: () => 7 }),
      option: Schema.optionalWith(Schema.String, { as: "Option", exact: true }),
      id: Schema.optional(Schema.UUID),
      person: Schema.optional(Person.annotations({ description: "who" }))
    })
  ]
]

describe("the strict subset", () => {
  it.effect("closes objects, requires every key, and uses null for absent keys", () =>
    Effect.gen(function* () {
      const { codec, jsonSchema } = yield* JsonSchema.strictFromSchema("weather", Weather)
      assert.deepStrictEqual(jsonSchema, {
        type: "object",
        properties: {
          city: { type: "string", description: "Its name" },
          days: {
            anyOf: [
              {
                type: "array",
                items: {
                  type: "object",
                  properties: { offset: { type: "integer", description: "an integer" } },
                  required: ["offset"],
                  additionalProperties: false
                }
              },
              { type: "null" }
            ]
          }
        },
        required: ["city", "days"],
        additionalProperties: false
      })
      assert.deepStrictEqual(yield* Schema.decodeUnknown(codec)({ city: "Oslo", days: null }), { city: "Oslo" })
    })
  )

  it.effect("serves tools that ask for it", () =>
    Effect.gen(function* () {
      const tool = yield* Tool.make({ name: "weather", parameters: Weather, strict: true })
      assert.strictEqual(tool.spec.type === "function" && tool.spec.strict, true)
      assert.deepStrictEqual(yield* tool.decode(call('{"city":"Oslo","days":null}')), { city: "Oslo" })
    })
  )

  for (const [name, schema] of schemas) {
    it.effect(`of ${name} keeps the strict rules, and its values survive the way there and back`, () =>
      Effect.gen(function* () {
        const { codec, jsonSchema } = yield* JsonSchema.strictFromSchema("s", schema)
        assert.deepStrictEqual(strictFaults(jsonSchema), [])
        const written = (value: unknown) => JSON.parse(JSON.stringify(Schema.encodeUnknownSync(schema)(value)))
        forAll([drawFrom(schema)], (value) => {
          const json = JSON.parse(JSON.stringify(Schema.encodeSync(codec)(value)))
          assert.isTrue(fits(jsonSchema, json), JSON.stringify(json))
          assert.deepStrictEqual(written(Schema.decodeUnknownSync(codec)(json)), written(value))
        })
      })
    )
  }
})

describe("structured output", () => {
  const person = OutputFormat.make({ name: "person", description: "Who", schema: Person })
  const answer = (text: string) => ({ status: "completed", text }) as const

  it.effect("asks for JSON of the schema, strictly", () =>
    Effect.gen(function* () {
      const { format } = yield* person
      assert.deepInclude(format, { type: "json_schema", name: "person", description: "Who", strict: true })
    })
  )

  it.effect("decodes the answer, typed", () =>
    Effect.gen(function* () {
      const { decode } = yield* person
      const ada: Person = yield* decode(answer('{"name":"Ada","age":null,"nick":null}'))
      assert.deepStrictEqual({ ...ada }, { name: "Ada", nick: null })
    })
  )

  it.effect.each([
    ["refused", { status: "completed", text: "", refusal: "I can't." }, /declined.*I can't/],
    ["incomplete", { status: "incomplete", text: '{"name":"A' }, /cut off/],
    ["invalid_json", answer("Sure! {"), /not valid JSON/],
    ["mismatch", answer('{"name":"","age":1,"nick":null}'), /name: Expected a non empty string/]
  ] as const)("without a value fails as %s", ([reason, turn, pattern]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* person).decode(turn))
      assert.strictEqual(error.reason, reason)
      assert.match(error.message, pattern)
      const json = JSON.parse(JSON.stringify(yield* Schema.encode(OutputFormat.InvalidOutput)(error)))
      assert.strictEqual((yield* Schema.decodeUnknown(OutputFormat.InvalidOutput)(json)).message, error.message)
    })
  )

  it.effect("nested beyond reason fails as a mismatch", () =>
    Effect.gen(function* () {
      const formats: ReadonlyArray<OutputFormat.OutputFormat<unknown>> = [
        yield* person,
        yield* OutputFormat.make({ name: "tree", schema: Category })
      ]
      for (const { decode } of formats) {
        for (const depth of [300, 2_200, 100_000]) {
          for (const text of [
            `${"[".repeat(depth)}${"]".repeat(depth)}`,
            `{"name":${"[".repeat(depth)}${"]".repeat(depth)}}`,
            `${'{"name":"a","parent":'.repeat(depth)}null${"}".repeat(depth)}`
          ]) {
            const error = yield* Effect.flip(decode(answer(text)))
            assert.strictEqual(error._tag, "InvalidOutput")
            assert.strictEqual(error.reason, "mismatch")
            assert.match(error.message, /nested more than 256 levels deep/)
          }
        }
      }
    })
  )

  it.effect("needs a name the server takes", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(OutputFormat.make({ name: "my person", schema: Person }))
      assert.match(error.message, /name is not allowed/)
    })
  )
})
