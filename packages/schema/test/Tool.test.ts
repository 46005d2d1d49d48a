import { assert, describe, it } from "@effect/vitest"
import { JsonSchema, OutputFormat, Tool, type Turn } from "@effect-codex/schema"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"

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
                properties: { offset: { $ref: "#/$defs/Int" } },
                additionalProperties: false
              }
            }
          },
          additionalProperties: false,
          $defs: { Int: { type: "integer", description: "an integer", title: "int" } }
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

  it.effect("is refused at its declaration when no JSON Schema can say it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Tool.make({ name: "big", parameters: Schema.Struct({ n: Schema.BigIntFromSelf }) })
      )
      assert.strictEqual(error._tag, "UnsupportedSchema")
      assert.match(error.message, /The schema of "big" cannot be sent.*path: \["n"\]/)
      const root = yield* Effect.flip(Tool.make({ name: "list", parameters: Schema.Array(Schema.String) }))
      assert.match(root.message, /put it into a Schema\.Struct/)
    })
  )
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

  it.effect("decode as {} when there is no text, as models write no arguments", () =>
    Effect.gen(function* () {
      const { decode } = yield* Tool.make({ name: "now", parameters: Schema.Struct({}) })
      assert.deepStrictEqual(yield* decode(call("")), {})
      const missing = yield* Effect.flip((yield* weather).decode(call("")))
      assert.strictEqual(missing.reason, "mismatch")
    })
  )

  it.effect("that are no JSON are never turned into {}", () =>
    Effect.gen(function* () {
      const { decode } = yield* Tool.make({ name: "now", parameters: Schema.Struct({}) })
      for (const text of ["{", '{"a":', "null}", "go!"]) {
        const error = yield* Effect.flip(decode(call(text)))
        assert.strictEqual(error.reason, "invalid_json")
        assert.strictEqual(error.arguments, text)
        assert.match(error.message, /"now" are not valid JSON \(.+\); call it again/)
      }
    })
  )

  it.effect("that do not fit say where, all at once", () =>
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

/** What strict mode asks of a schema (protocol C.6, and the public API's rules for it). */
const strictFaults = (node: unknown, path = "$"): ReadonlyArray<string> => {
  if (typeof node !== "object" || node === null || Array.isArray(node)) return [`${path} is no schema`]
  const schema = node as Readonly<Record<string, unknown>>
  const inner = (record: unknown, place: string) =>
    Object.entries((record ?? {}) as object).flatMap(([key, value]) => strictFaults(value, `${place}.${key}`))
  const allowed = new Set([
    ..."type description enum const pattern format minimum maximum exclusiveMinimum exclusiveMaximum".split(" "),
    ..."multipleOf minItems maxItems properties required additionalProperties items anyOf $ref $defs".split(" ")
  ])
  const faults = [
    ...Object.keys(schema).flatMap((key) => (allowed.has(key) ? [] : [`${path} has ${key}`])),
    ...inner(schema["$defs"], `${path}.$defs`)
  ]
  if (typeof schema["$ref"] === "string") return faults
  if (Array.isArray(schema["anyOf"])) {
    return [...faults, ...schema["anyOf"].flatMap((member, i) => strictFaults(member, `${path}|${i}`))]
  }
  if (schema["type"] === "object") {
    const keys = Object.keys((schema["properties"] ?? {}) as object)
    return [
      ...faults,
      ...(schema["additionalProperties"] === false ? [] : [`${path} is open`]),
      ...(JSON.stringify(keys) === JSON.stringify(schema["required"]) ? [] : [`${path} has keys not required`]),
      ...inner(schema["properties"], path)
    ]
  }
  if (schema["type"] === "array") return [...faults, ...strictFaults(schema["items"], `${path}[]`)]
  return typeof schema["type"] === "string" || "enum" in schema ? faults : [...faults, `${path} has no type`]
}

/** Whether a value fits a schema, by those keywords that tell shapes apart. */
const fits = (value: unknown, schema: JsonSchema.JsonSchema, root: JsonSchema.JsonSchema): boolean => {
  const at = (record: unknown, key: string) => (record as Record<string, JsonSchema.JsonSchema>)[key] ?? {}
  const ref = schema["$ref"]
  if (typeof ref === "string") return fits(value, at(root["$defs"], ref.slice("#/$defs/".length)), root)
  if (Array.isArray(schema["anyOf"])) return schema["anyOf"].some((member) => fits(value, member, root))
  if (Array.isArray(schema["enum"]) && !schema["enum"].includes(value)) return false
  switch (schema["type"]) {
    case "object": {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return false
      const keys = Object.keys(schema["properties"] as object)
      return (
        Object.keys(value).length === keys.length &&
        keys.every((key) => key in value && fits(Reflect.get(value, key), at(schema["properties"], key), root))
      )
    }
    case "array":
      return Array.isArray(value) && value.every((one) => fits(one, schema["items"] as JsonSchema.JsonSchema, root))
    case "null":
      return value === null
    case "integer":
      return Number.isInteger(value)
    default:
      return typeof value === schema["type"]
  }
}

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
  it.effect("closes objects, requires every key, and lets null stand for absence", () =>
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
                  properties: { offset: { $ref: "#/$defs/Int" } },
                  required: ["offset"],
                  additionalProperties: false
                }
              },
              { type: "null" }
            ]
          }
        },
        required: ["city", "days"],
        additionalProperties: false,
        $defs: { Int: { type: "integer", description: "an integer" } }
      })
      assert.deepStrictEqual(yield* Schema.decodeUnknown(codec)({ city: "Oslo", days: null }), { city: "Oslo" })
    })
  )

  it.effect.each([
    ["a record", Schema.Record({ key: Schema.String, value: Schema.Number }), /"x" is a record/],
    ["a tuple", Schema.Tuple(Schema.String, Schema.Number), /"x" is a tuple/],
    ["unknown", Schema.Unknown, /"x" accepts anything/],
    ["an open object", Schema.Object, /"x\|?.*accepts|"x" /],
    ["nothing", Schema.Never, /"x" accepts anything or nothing/],
    ["maybe undefined", Schema.UndefinedOr(Schema.String), /"x" may be undefined.*Schema\.optional/]
  ] as ReadonlyArray<readonly [string, Schema.Schema.AnyNoContext, RegExp]>)(
    "refuses %s at the declaration",
    ([, schema, pattern]) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(JsonSchema.strictFromSchema("s", Schema.Struct({ x: schema })))
        assert.match(error.message, pattern)
      })
  )

  it.effect("names everything it refuses at once", () =>
    Effect.gen(function* () {
      const schema = Schema.Struct({ a: Schema.Unknown, b: Schema.Array(Schema.Struct({ c: Schema.Unknown })) })
      const error = yield* Effect.flip(JsonSchema.strictFromSchema("s", schema))
      assert.deepStrictEqual(
        error.problems.map((problem) => problem.split(" ")[0]),
        ['"a"', '"b[].c"']
      )
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
        FastCheck.assert(
          FastCheck.property(Arbitrary.make(schema), (value) => {
            const json = JSON.parse(JSON.stringify(Schema.encodeSync(codec)(value)))
            assert.isTrue(fits(json, jsonSchema, jsonSchema), JSON.stringify(json))
            assert.deepStrictEqual(written(Schema.decodeUnknownSync(codec)(json)), written(value))
          })
        )
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

  it.effect("needs a name the server takes", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(OutputFormat.make({ name: "my person", schema: Person }))
      assert.match(error.message, /name is not allowed/)
    })
  )
})
