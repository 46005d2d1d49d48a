import { assert, describe, it } from "@effect/vitest"
import { JsonSchema } from "@effect-codex/schema"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { fewer } from "../../../test/exhaustive.ts"
import { type Arbitrary, draw, drawFrom, forAll, sample } from "../../../test/property.ts"
import { fits, openFaults, strictFaults } from "./serverRules.ts"

type AnySchema = Schema.Schema<unknown, unknown>

const formOf = (schema: Schema.Schema.AnyNoContext, strict: boolean) =>
  Either.getOrThrowWith(JsonSchema.fromSchema("s", schema as AnySchema, { strict }), (error) => error)

const refusal = (schema: Schema.Schema.AnyNoContext, strict: boolean): ReadonlyArray<string> =>
  Either.match(JsonSchema.fromSchema("s", schema as AnySchema, { strict }), {
    onLeft: ({ problems }) => problems,
    onRight: () => []
  })

const both = [false, true] as const

/** The JSON Schema of a key `x`. */
const keyOf = (schema: Schema.Schema.AnyNoContext, strict = false) =>
  (formOf(Schema.Struct({ x: schema }), strict).jsonSchema["properties"] as Record<string, JsonSchema.JsonSchema>)["x"]

class Person extends Schema.Class<Person>("Person")({ name: Schema.String }) {}

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
})

describe("every word of a schema is sent", () => {
  it("bounds, patterns and descriptions around a schema with a name", () => {
    assert.deepStrictEqual(
      keyOf(Schema.Int.pipe(Schema.between(1, 5)).annotations({ description: "1 = worst, 5 = best" }), true),
      { type: "integer", description: "1 = worst, 5 = best", minimum: 1, maximum: 5 }
    )
    assert.deepStrictEqual(keyOf(Schema.NonEmptyString.pipe(Schema.pattern(/^a/, { description: "starts" })), true), {
      type: "string",
      description: "starts (minLength: 1)",
      pattern: "^a"
    })
    assert.deepInclude(keyOf(Schema.NonNegativeInt.pipe(Schema.lessThan(9))), { minimum: 0, exclusiveMaximum: 9 })
  })

  it("the tighter of two bounds, whichever comes first", () => {
    for (const strict of both) {
      assert.deepInclude(keyOf(Schema.Number.pipe(Schema.greaterThan(5), Schema.greaterThan(1)), strict), {
        exclusiveMinimum: 5
      })
      assert.deepInclude(keyOf(Schema.Number.pipe(Schema.lessThan(1), Schema.lessThan(5)), strict), {
        exclusiveMaximum: 1
      })
    }
  })

  it("the descriptions of two uses of one class, and none where there is none", () => {
    const schema = Schema.Struct({
      first: Person.annotations({ description: "who pays" }),
      second: Person.annotations({ description: "who gets it" }),
      third: Person,
      fourth: Person
    })
    for (const strict of both) {
      const { $defs, properties } = formOf(schema, strict).jsonSchema as Record<string, Record<string, unknown>>
      const person = {
        type: "object",
        properties: { name: { type: "string" } },
        required: ["name"],
        additionalProperties: false
      }
      assert.deepStrictEqual(properties, {
        first: { ...person, description: "who pays" },
        second: { ...person, description: "who gets it" },
        third: { $ref: "#/$defs/Person" },
        fourth: { $ref: "#/$defs/Person" }
      })
      assert.deepStrictEqual($defs, { Person: person })
    }
  })

  it("of keys beside a default, of classes and their keys, of filters, and of filters after a transformation", () => {
    class Order extends Schema.Class<Order>("Order")(
      {
        count: Schema.optionalWith(Schema.Int, { default: () => 1 }).annotations({ description: "how many" }),
        buyer: Schema.propertySignature(Person).annotations({ description: "who buys" })
      },
      { description: "an order" }
    ) {}
    const order = keyOf(Order) as { description: string; properties: Record<string, { description?: string }> }
    assert.strictEqual(order.description, "an order")
    assert.strictEqual(order.properties["count"]?.description, "how many")
    assert.strictEqual(order.properties["buyer"]?.description, "who buys")
    assert.strictEqual(
      keyOf(Schema.String.pipe(Schema.filter(() => true, { description: "a word" })))?.["description"],
      "a word"
    )
    assert.strictEqual(
      keyOf(Schema.Date.annotations({ description: "its birthday" }))?.["description"],
      "its birthday (a string to be decoded into a Date)"
    )
    const { properties } = formOf(
      Schema.Struct({
        x: Schema.propertySignature(Schema.String).annotations({ description: "its key" }).pipe(Schema.fromKey("y"))
      }),
      false
    ).jsonSchema
    assert.deepStrictEqual(properties, { y: { type: "string", description: "its key" } })
  })

  it("of a recursive schema with words of its own", () => {
    class Node extends Schema.Class<Node>("Node")({
      up: Schema.optional(Schema.suspend((): Schema.Schema<Node> => Node as never)).annotations({
        description: "above"
      }),
      down: Schema.Array(Schema.suspend((): Schema.Schema<Node> => Node as never))
    }) {}
    const { $defs, properties } = formOf(Node, false).jsonSchema as Record<
      string,
      Record<string, JsonSchema.JsonSchema>
    >
    assert.deepStrictEqual(properties?.["up"], { $ref: "#/$defs/Node" })
    assert.strictEqual($defs?.["Node"]?.["description"], "above")
    assert.deepStrictEqual(properties?.["down"], { type: "array", items: { $ref: "#/$defs/Node_2" } })
    assert.strictEqual($defs?.["Node_2"]?.["description"], undefined)
  })

  it("also if two schemas share an identifier: both are kept", () => {
    const Text = Schema.String.annotations({ identifier: "Value" })
    const Count = Schema.Number.annotations({ identifier: "Value" })
    for (const strict of both) {
      const { $defs, properties } = formOf(Schema.Struct({ a: Text, b: Count, c: Text, d: Count }), strict).jsonSchema
      assert.deepStrictEqual(properties, {
        a: { $ref: "#/$defs/Value" },
        b: { $ref: "#/$defs/Value_2" },
        c: { $ref: "#/$defs/Value" },
        d: { $ref: "#/$defs/Value_2" }
      })
      assert.deepStrictEqual($defs, { Value: { type: "string" }, Value_2: { type: "number" } })
    }
  })

  it("what strict mode has no keyword for in the description", () => {
    const text = Schema.String.pipe(Schema.length({ min: 2, max: 5 })).annotations({
      description: "a code",
      default: "aa",
      examples: ["ab"]
    })
    assert.deepStrictEqual(keyOf(text, true), {
      type: "string",
      description: 'a code (minLength: 2) (maxLength: 5) (default: aa) (examples: ["ab"])'
    })
    assert.deepInclude(keyOf(text), {
      description: "a code",
      minLength: 2,
      maxLength: 5,
      default: "aa",
      examples: ["ab"]
    })
  })

  it("also where the description has the same letters or digits", () => {
    const text = Schema.String.pipe(Schema.length({ min: 1, max: 10 })).annotations({
      description: "a code of 2010, given when known",
      default: "en"
    })
    assert.strictEqual(
      keyOf(text, true)?.["description"],
      "a code of 2010, given when known (minLength: 1) (maxLength: 10) (default: en)"
    )
    assert.strictEqual(keyOf(Schema.Char, true)?.["description"], "a single character (minLength: 1) (maxLength: 1)")
    const curious = Schema.Any.annotations({
      jsonSchema: { type: "string", format: "uri", description: "a curious one" }
    })
    assert.strictEqual(keyOf(curious)?.["description"], "a curious one (format: uri)")
  })

  it("recursive schemas need no name, and may create a new AST at every recursion", () => {
    for (const schema of [Category, Schema.typeSchema(Category), Schema.encodedSchema(Category)]) {
      for (const strict of both) {
        const { jsonSchema } = formOf(schema, strict)
        assert.deepStrictEqual(strict ? strictFaults(jsonSchema) : openFaults(jsonSchema), [])
        const fill = strict ? { parent: null } : {}
        assert.isTrue(fits(jsonSchema, { name: "a", parent: { name: "b", parent: { name: "c", ...fill } } }))
        assert.isFalse(fits(jsonSchema, { name: "a", parent: { name: "b", parent: { name: 1, ...fill } } }))
      }
    }
  })
})

describe("patterns", () => {
  const pattern = (regex: RegExp) => Schema.String.pipe(Schema.pattern(regex))

  it.each([
    [/^(?!\.)a/, "lookaround"],
    [/a(?=b)/, "lookaround"],
    [/(?<=a)b/, "lookaround"],
    [/(?<!a)b/, "lookaround"],
    [/(a)\1/, "a backreference"],
    [/(?<x>a)\k<x>/, "a backreference"],
    [/abc/i, "the flag i"],
    [/a.c/s, "the flag s"],
    [/^a$/m, "the flag m"],
    [/^a.$/ims, "the flag ims"],
    [/\p{L}/u, "a Unicode property"],
    [/\u{1F600}/u, "the escape \\u{1F600}"],
    [new RegExp(["^[", "^]$"].join("")), "an empty class"]
  ])("%s is refused in strict mode, and left out with a warning in open mode", (regex, what) => {
    const schema = Schema.Struct({ deep: Schema.Struct({ x: pattern(regex).annotations({ description: "a name" }) }) })
    const [problem, ...others] = refusal(schema, true)
    assert.include(problem, `"deep.x" has the pattern`)
    assert.include(problem, `with ${what}`)
    assert.deepStrictEqual(others, [])
    const { codec, jsonSchema, warnings } = formOf(schema, false)
    assert.strictEqual(warnings.length, 1)
    assert.include(warnings[0], what)
    assert.deepStrictEqual(openFaults(jsonSchema), [])
    assert.include(JSON.stringify(jsonSchema), "a name (pattern: ")
    assert.isFalse(Schema.is(codec)({ deep: { x: "" } }))
  })

  it.each([
    [/^[a-z]+(?:-[a-z]+)*$/, "^[a-z]+(?:-[a-z]+)*$"],
    [/^\/[\w-.]+\/$/, "^/[\\w\\-.]+/$"],
    [/^(?<year>\d{4})-(?<month>\d\d)$/, "^(\\d{4})-(\\d\\d)$"],
    [/^a\(\?=b$/, "^a\\(\\?=b$"],
    [/^[(?=]$/, "^[(?=]$"],
    [/^a$/g, "^a$"],
    [/^é$/u, "^é$"],
    [/ab/y, "^(?:ab)"]
  ])("%s is sent in the syntax every engine has", (regex, sent) => {
    for (const strict of both) assert.strictEqual(keyOf(pattern(regex), strict)?.["pattern"], sent)
  })

  it("of Effect's filters match what the filters accept", () => {
    const sent = (schema: Schema.Schema.AnyNoContext) => new RegExp(String(keyOf(schema, true)?.["pattern"]))
    const odd = "a.(b)[c]*"
    for (const [schema, right] of [
      [Schema.String.pipe(Schema.startsWith(odd)), `${odd}\nmore`],
      [Schema.String.pipe(Schema.endsWith(odd)), `more\n${odd}`],
      [Schema.String.pipe(Schema.includes(odd)), `more\n${odd}\nmore`]
    ] as const) {
      assert.isTrue(Schema.is(schema)(right))
      assert.match(right, sent(schema))
      assert.notMatch("aXXXb", sent(schema))
    }
    assert.deepInclude(keyOf(Schema.UUID, true), { type: "string", format: "uuid" })
  })

  it("that are two at once are one too many for strict mode", () => {
    const schema = Schema.Struct({ x: pattern(/^a/).pipe(Schema.pattern(/b$/)) })
    assert.match(refusal(schema, true).join(), /"x" has more than one pattern/)
    const { jsonSchema } = formOf(schema, false)
    assert.isTrue(fits(jsonSchema, { x: "ab" }))
    assert.isFalse(fits(jsonSchema, { x: "b" }))
    assert.isFalse(fits(jsonSchema, { x: "a" }))
  })
})

describe("formats", () => {
  const format = (name: string) =>
    Schema.Struct({ x: Schema.String.annotations({ jsonSchema: { type: "string", format: name } }) })

  it.each(["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"])(
    "%s is sent",
    (name) => {
      for (const strict of both) {
        const { jsonSchema, warnings } = formOf(format(name), strict)
        assert.strictEqual((jsonSchema["properties"] as Record<string, JsonSchema.JsonSchema>)["x"]?.["format"], name)
        assert.deepStrictEqual(warnings, [])
      }
    }
  )

  it.each(["uri", "url", "regex", "uri-reference", "int32", "binary", "json-pointer", "DATE"])(
    "%s never is",
    (name) => {
      assert.match(refusal(format(name), true).join(), new RegExp(`"x" has the format "${name}"`))
      const { jsonSchema, warnings } = formOf(format(name), false)
      assert.deepStrictEqual(openFaults(jsonSchema), [])
      assert.strictEqual(warnings.length, 1)
      assert.notProperty((jsonSchema["properties"] as Record<string, JsonSchema.JsonSchema>)["x"], "format")
    }
  )
})

describe("what the server takes from no tool is refused with its path", () => {
  const anywhere: ReadonlyArray<readonly [string, Schema.Schema.AnyNoContext, RegExp]> = [
    ["a tuple", Schema.Tuple(Schema.String, Schema.Number), /is a tuple.*Schema\.Struct or a Schema\.Array/],
    ["an empty tuple", Schema.Tuple(), /is a tuple/],
    ["a tuple with a rest", Schema.Tuple([Schema.String], Schema.Number), /is a tuple/],
    ["a Map", Schema.Map({ key: Schema.String, value: Schema.Number }), /is a tuple/],
    ["a HashMap", Schema.HashMap({ key: Schema.String, value: Schema.Number }), /is a tuple/],
    ["a Duration", Schema.Duration, /is a tuple/],
    ["any object", Schema.Object, /is any object or array/],
    ["an array without items", Schema.Any.annotations({ jsonSchema: { type: "array" } }), /is an array without items/],
    ["items: true", Schema.Any.annotations({ jsonSchema: { type: "array", items: true } }), /has items: true/],
    [
      "an object without properties",
      Schema.Any.annotations({ jsonSchema: { type: "object" } }),
      /is an object without properties/
    ],
    ["a dangling reference", Schema.Any.annotations({ jsonSchema: { $ref: "#/$defs/Nowhere" } }), /cannot be resolved/],
    [
      "a malformed keyword",
      Schema.Any.annotations({ jsonSchema: { type: "string", minLength: "3" } as never }),
      /has minLength: "3"/
    ],
    ["a bigint", Schema.BigIntFromSelf, /is bigint, which JSON cannot represent/],
    ["a Date", Schema.DateFromSelf, /is DateFromSelf, which JSON cannot represent/],
    ["the decoded side of a class", Schema.typeSchema(Person), /is Person, which JSON cannot represent/],
    ["NaN", Schema.Literal(Number.NaN), /is NaN, which JSON cannot represent/],
    [
      "an infinite bound",
      Schema.Number.pipe(Schema.greaterThan(Number.POSITIVE_INFINITY)),
      /has exclusiveMinimum Infinity/
    ]
  ]
  for (const strict of both) {
    it.each(anywhere)(`%s, with strict ${strict}`, (_, schema, words) => {
      const problems = refusal(Schema.Struct({ a: Schema.Array(Schema.Struct({ x: schema })) }), strict)
      assert.match(problems.join("\n"), words)
      assert.include(problems.join("\n"), '"a[].x')
    })
  }

  it("strict mode refuses more", () => {
    for (const [schema, words] of [
      [Schema.Record({ key: Schema.String, value: Schema.Number }), /"x" is a record/],
      [
        Schema.Struct({ a: Schema.String }, Schema.Record({ key: Schema.String, value: Schema.String })),
        /"x" is a record/
      ],
      [Schema.Unknown, /"x" accepts anything/],
      [Schema.Array(Schema.Unknown), /"x\[\]" accepts anything/],
      [Schema.Never, /"x" accepts anything or nothing/],
      [Schema.UndefinedOr(Schema.String), /"x" may be undefined.*Schema\.optional/]
    ] as const) {
      assert.match(refusal(Schema.Struct({ x: schema as Schema.Schema.AnyNoContext }), true).join("\n"), words)
    }
  })

  it("names everything it refuses at once, and each place once", () => {
    const schema = Schema.Struct({
      a: Schema.Unknown,
      b: Schema.Array(Schema.Struct({ c: Schema.Tuple(Schema.String) })),
      d: Schema.String.pipe(Schema.pattern(/a/i)),
      e: Schema.DateFromSelf
    })
    assert.deepStrictEqual(
      refusal(schema, true)
        .map((problem) => problem.split(" ")[0])
        .sort(),
      ['"a"', '"b[].c"', '"d"', '"e"']
    )
  })

  it("a root that is not an object", () => {
    for (const schema of [
      Schema.Array(Schema.String),
      Schema.String,
      Schema.Unknown,
      Schema.Union(Schema.Struct({ a: Schema.String }), Schema.Struct({ b: Schema.String })),
      Schema.parseJson(Schema.Struct({ a: Schema.String }))
    ] as ReadonlyArray<Schema.Schema.AnyNoContext>) {
      for (const strict of both) assert.match(refusal(schema, strict).join(), /put it into a Schema\.Struct/)
    }
  })

  it("a schema beyond the sizes of strict mode", () => {
    const nested = (levels: number): Schema.Schema.AnyNoContext =>
      levels === 0 ? Schema.String : Schema.Struct({ x: nested(levels - 1) })
    assert.match(refusal(nested(20), true).join(), /nested more than 10 levels deep/)
    assert.deepStrictEqual(refusal(nested(20), false), [])
    const values = Array.from({ length: 1001 }, (_, index) => `v${index}`)
    assert.match(refusal(Schema.Struct({ x: Schema.Literal(...values) }), true).join(), /lists 1001 values/)
    const long = Array.from({ length: 300 }, (_, index) => `${index}${"v".repeat(60)}`)
    assert.match(
      refusal(Schema.Struct({ x: Schema.Literal(...long) }), true).join(),
      /"x" lists 300 values of \d+ characters/
    )
    const keys = Object.fromEntries(Array.from({ length: 5001 }, (_, index) => [`k${index}`, Schema.String]))
    assert.match(refusal(Schema.Struct(keys), true).join(), /has 5001 keys/)
  })

  it("a schema nested beyond the stack, as an error", () => {
    let ast: AST.AST = Schema.String.ast
    for (let level = 0; level < 20_000; level++) {
      ast = new AST.TypeLiteral([new AST.PropertySignature("x", ast, false, true)], [])
    }
    for (const strict of both) assert.match(refusal(Schema.make(ast), strict).join(), /nested too deeply/)
  })
})

describe("optional keys in strict mode", () => {
  it("that can only be absent are null", () => {
    const { codec, jsonSchema } = formOf(Schema.Struct({ x: Schema.optional(Schema.Never), y: Schema.String }), true)
    assert.deepStrictEqual(strictFaults(jsonSchema), [])
    assert.deepStrictEqual(Schema.decodeUnknownSync(codec)({ x: null, y: "a" }), { y: "a" })
  })

  it("that list null only if they may be it", () => {
    const schema = Schema.Struct({
      x: Schema.optional(Schema.Literal("a", null)),
      y: Schema.optional(Schema.Literal("a"))
    })
    const { jsonSchema } = formOf(schema, true)
    for (const value of [
      { x: null, y: null },
      { x: "a", y: "a" }
    ])
      assert.isTrue(fits(jsonSchema, value))
  })
})

/** A schema drawn at random, with the words it was given. */
interface Drawn {
  readonly schema: Schema.Schema.AnyNoContext
  readonly words: ReadonlyArray<string>
}

const drawing = (seed: number) => {
  let state = seed | 1
  let counter = 0
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return Math.floor((state / 0x80000000) * below)
  }
  const pick = <A>(all: ReadonlyArray<A>): A => all[next(all.length)] as A
  const name = () => `n${counter++}`
  const shared: Array<Drawn> = []

  const leaf = (): Schema.Schema.AnyNoContext =>
    pick<() => Schema.Schema.AnyNoContext>([
      () => Schema.String,
      () => Schema.Boolean,
      () => Schema.Int,
      () => Schema.JsonNumber,
      () => Schema.NonEmptyString,
      () => Schema.UUID,
      () => Schema.Date,
      () => Schema.NumberFromString.pipe(Schema.int()),
      () => Schema.Literal(name(), name()),
      () => Schema.Literal(1, "x", true),
      () => Schema.Enums({ Red: 0, Blue: 1 }),
      () => Schema.Int.pipe(Schema.between(-next(50), next(50))),
      () => Schema.Number.pipe(Schema.finite(), Schema.greaterThan(1), Schema.lessThan(3 + next(9))),
      () => Schema.String.pipe(Schema.pattern(pick([/^[a-f]{2,5}$/, /^\d+$/, /^[\w-]+$/]))),
      () => Schema.String.pipe(Schema.startsWith(pick(["a.", "b"]))),
      () => Schema.String.pipe(Schema.length({ min: 1, max: 4 }))
    ])()

  const described = (drawn: Drawn): Drawn => {
    if (next(2) === 0) return drawn
    const word = `word ${name()}`
    return { schema: drawn.schema.annotations({ description: word }), words: [...drawn.words.slice(1), word] }
  }

  const field = (depth: number): { readonly field: Schema.Struct.Field; readonly words: ReadonlyArray<string> } => {
    const { schema, words } = any(depth)
    const plain = schema as AnySchema
    const word = `word ${name()}`
    return pick<() => { readonly field: Schema.Struct.Field; readonly words: ReadonlyArray<string> }>([
      () => ({ field: schema, words }),
      () => ({ field: Schema.optional(plain), words }),
      () => ({ field: Schema.optionalWith(plain, { exact: true }), words }),
      () => ({ field: Schema.optionalWith(plain, { as: "Option", exact: true }), words }),
      () => ({ field: Schema.NullOr(plain), words }),
      () => ({ field: Schema.propertySignature(plain).annotations({ description: word }), words: [word] }),
      () => ({ field: Schema.optional(plain).annotations({ description: word }), words: [word] })
    ])()
  }

  const fields = (depth: number) => {
    const all = Array.from({ length: 1 + next(4) }, () => [name(), field(depth)] as const)
    return {
      fields: Object.fromEntries(all.map(([key, { field }]) => [key, field])),
      words: all.flatMap(([, { words }]) => words)
    }
  }

  const struct = (depth: number): Drawn => {
    const drawn = fields(depth)
    return { schema: Schema.Struct(drawn.fields) as unknown as AnySchema, words: drawn.words }
  }

  const composite = (depth: number): Drawn =>
    pick<() => Drawn>([
      () => struct(depth - 1),
      () => {
        const { schema, words } = any(depth - 1)
        return {
          schema: pick([Schema.Array, Schema.NonEmptyArray])(schema as AnySchema) as unknown as AnySchema,
          words
        }
      },
      () => {
        const members = Array.from({ length: 2 + next(2) }, () => fields(depth - 1))
        const tagged = members.map(({ fields }) => Schema.TaggedStruct(name(), fields))
        return { schema: Schema.Union(...tagged) as unknown as AnySchema, words: members.flatMap(({ words }) => words) }
      },
      () => {
        const { fields: own, words } = fields(depth - 1)
        class Drawn extends Schema.Class<Drawn>(pick(["A", "B", name()]))(own) {}
        return { schema: Drawn as unknown as AnySchema, words }
      },
      () => {
        const { schema, words } = struct(depth - 1)
        const named = { schema: schema.annotations({ identifier: pick(["A", "B", name()]) }), words }
        shared.push(named)
        return named
      }
    ])()

  const any = (depth: number): Drawn => {
    if (shared.length > 0 && next(4) === 0) return pick(shared)
    if (depth === 0 || next(2) === 0) return leafDrawn()
    return composite(depth)
  }

  const leafDrawn = (): Drawn => described({ schema: leaf(), words: [""] })

  return () => {
    const { schema, words } = struct(3)
    return { schema, words: words.filter((word) => word !== "") }
  }
}

describe("schemas drawn at random", () => {
  const runs = fewer(100)

  for (const strict of both) {
    it(`keep the server's rules, every word and every value, with strict ${strict}`, () => {
      forAll(
        [draw.integer()],
        (seed) => {
          const { schema, words } = drawing(seed)()
          const { codec, jsonSchema } = formOf(schema, strict)
          assert.deepStrictEqual(strict ? strictFaults(jsonSchema) : openFaults(jsonSchema), [])
          const text = JSON.stringify(jsonSchema)
          for (const word of words) assert.include(text, word)
          const written = (value: unknown) =>
            JSON.parse(JSON.stringify(Schema.encodeUnknownSync(schema as AnySchema)(value)))
          for (const value of sample(drawFrom(schema as AnySchema), { runs: 3, seed })) {
            const json = JSON.parse(JSON.stringify(Schema.encodeSync(codec)(value)))
            assert.isTrue(fits(jsonSchema, json), `${JSON.stringify(json)} does not fit ${text}`)
            assert.deepStrictEqual(written(Schema.decodeUnknownSync(codec)(json)), written(value))
          }
        },
        { runs, seed: 7 }
      )
    })
  }

  it("with one piece the server has no form for are refused at its path", () => {
    const pieces = [
      Schema.Tuple(Schema.String, Schema.Int),
      Schema.Duration,
      Schema.Object,
      Schema.BigIntFromSelf,
      Schema.String.pipe(Schema.pattern(/(?!a)/)),
      Schema.String.annotations({ jsonSchema: { type: "string", format: "uri" } })
    ] as ReadonlyArray<Schema.Schema.AnyNoContext>
    forAll(
      [draw.integer(), draw.constantFrom(...pieces)],
      (seed, piece) => {
        const { schema } = drawing(seed)()
        const problems = refusal(
          Schema.Struct({ good: schema as AnySchema, bad: Schema.Array(Schema.Struct({ piece })) }),
          true
        )
        assert.isNotEmpty(problems)
        for (const problem of problems) assert.match(problem, /^"bad\[\]\.piece/)
      },
      { runs: 50, seed: 7 }
    )
  })
})

const normalized = (schema: unknown, strict = false) => JsonSchema.normalize("t", schema, { strict })

describe("a schema of somebody else", () => {
  it.each([
    { type: "object", properties: {} },
    {
      $schema: "http://json-schema.org/draft-07/schema#",
      type: "object",
      properties: { a: { type: "string" } },
      additionalProperties: false
    },
    {
      type: "object",
      properties: {
        a: { $ref: "#/definitions/A" },
        b: {
          anyOf: [{ type: "string", minLength: 1, "x-odd": [1] }, { type: ["integer", "null"] }],
          title: "B",
          default: null
        },
        c: { type: "array", items: {}, uniqueItems: true },
        d: { oneOf: [{ const: 1 }, { enum: ["a", { b: 1 }] }], not: { type: "null" } },
        e: {
          type: "object",
          properties: {},
          additionalProperties: { type: "string", pattern: "^a$" },
          patternProperties: { "^x": {} }
        }
      },
      required: ["a"],
      definitions: { A: { type: "object", properties: { more: { $ref: "#/definitions/A" } } } }
    }
  ])("the server takes is sent as it is, to the last key", (schema) => {
    const result = Either.getOrThrow(normalized(schema))
    assert.strictEqual(result.jsonSchema, schema)
    assert.deepStrictEqual(result, { jsonSchema: schema, strict: false, changes: [] })
    assert.deepStrictEqual(openFaults(schema), [])
  })

  const properties = (schema: unknown) => ({ type: "object", properties: { x: schema } })
  const nearest: ReadonlyArray<readonly [string, unknown, unknown]> = [
    ["no properties", { type: "object" }, { type: "object", properties: {} }],
    ["nothing at all", {}, { type: "object", properties: {} }],
    ["true", true, { type: "object", properties: {} }],
    ["an object or null", { type: ["object", "null"], properties: {} }, { type: "object", properties: {} }],
    [
      "the empty arrays of PHP",
      { type: "object", properties: [], required: [] },
      { type: "object", properties: {}, required: [] }
    ],
    ["an array without items", properties({ type: "array" }), properties({ type: "array", items: {} })],
    ["items: true", properties({ type: "array", items: true }), properties({ type: "array", items: {} })],
    ["an array or null", properties({ type: ["null", "array"] }), properties({ type: ["null", "array"], items: {} })],
    [
      "a tuple of draft 7",
      properties({ type: "array", items: [{ type: "string" }, { type: "null" }] }),
      properties({ type: "array", items: { anyOf: [{ type: "string" }, { type: "null" }] } })
    ],
    [
      "a closed tuple",
      properties({ type: "array", prefixItems: [{ type: "string" }, { type: "string" }], items: false }),
      properties({ type: "array", items: { type: "string" }, maxItems: 2 })
    ],
    [
      "an inner object without properties",
      properties({ type: "object" }),
      properties({ type: "object", properties: {} })
    ],
    ["a boolean schema", properties(true), properties({})],
    [
      "a format",
      properties({ type: "string", format: "uri", description: "where" }),
      properties({ type: "string", description: "where (format: uri)" })
    ],
    [
      "a pattern",
      properties({ type: "string", pattern: "^(?!a)" }),
      properties({ type: "string", description: "(pattern: ^(?!a))" })
    ],
    [
      "a pattern of Python",
      properties({ type: "string", pattern: "(?P<x>a)" }),
      properties({ type: "string", description: "(pattern: (?P<x>a))" })
    ],
    ["a type of Python", properties({ type: "str" }), properties({ type: "string" })],
    ["no type of anything", properties({ type: "any" }), properties({})],
    [
      "required inside",
      properties({ type: "string", required: true }),
      { ...properties({ type: "string" }), required: ["x"] }
    ],
    [
      "exclusive bounds of draft 4",
      properties({ type: "number", minimum: 1, exclusiveMinimum: true }),
      properties({ type: "number", exclusiveMinimum: 1 })
    ],
    [
      "keywords of the wrong type",
      properties({ type: "string", minLength: "1", enum: [], description: 5 }),
      properties({ type: "string" })
    ],
    [
      "a reference to elsewhere",
      properties({ $ref: "https://example.com/schema", description: "it" }),
      properties({ description: "it" })
    ],
    [
      "words beside a reference",
      {
        ...properties({ $ref: "#/$defs/A", description: "mine", minimum: 3 }),
        $defs: { A: { type: "integer", minimum: 1 } }
      },
      properties({ type: "integer", minimum: 3, description: "mine" })
    ],
    [
      "a reference to a place of its own",
      { type: "object", properties: { a: { type: "string", maxLength: 3 }, b: { $ref: "#/properties/a" } } },
      { type: "object", properties: { a: { type: "string", maxLength: 3 }, b: { type: "string", maxLength: 3 } } }
    ],
    [
      "a reference at the root",
      { $ref: "#/$defs/A", $defs: { A: properties({ type: "string" }) } },
      properties({ type: "string" })
    ],
    [
      "alternatives at the root",
      {
        anyOf: [
          { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
          { ...properties({ type: "null" }), required: ["x"] }
        ]
      },
      {
        type: "object",
        properties: { a: { type: "string" }, x: { type: "null" } },
        required: [],
        description: "Give one of: a; x."
      }
    ],
    [
      "parts at the root",
      {
        allOf: [{ $ref: "#/$defs/A" }, { ...properties({ type: "null" }), required: ["x"] }],
        $defs: { A: { type: "object", properties: { a: {} }, required: ["a"] } }
      },
      {
        type: "object",
        properties: { x: { type: "null" }, a: {} },
        required: ["x", "a"],
        $defs: { A: { type: "object", properties: { a: {} }, required: ["a"] } }
      }
    ]
  ]
  it.each(nearest)("with %s is brought to the nearest form, and says so", (_, schema, sent) => {
    const before = JSON.stringify(schema)
    const { changes, jsonSchema } = Either.getOrThrow(normalized(schema))
    assert.deepStrictEqual(jsonSchema, sent)
    assert.isNotEmpty(changes)
    assert.deepStrictEqual(openFaults(jsonSchema), [])
    assert.strictEqual(JSON.stringify(schema), before)
  })

  const cyclic: Record<string, unknown> = { type: "object", properties: {} }
  cyclic["properties"] = { a: cyclic }
  it.each([
    ["a list", { type: "array", items: { type: "string" } }],
    ["alternatives that are no objects", { anyOf: [{ type: "string" }, { type: "null" }] }],
    ["no schema", "object"],
    ["a list of schemas", [{ type: "object" }]],
    ["nothing", null],
    ["false", false],
    ["a schema with a circle", cyclic],
    ["a function", { type: "object", properties: { a: { default: () => 1 } } }],
    [
      "a depth beyond the stack",
      JSON.parse(`${'{"type":"object","properties":{"a":'.repeat(100_000)}{}${"}}".repeat(100_000)}`)
    ]
  ])("is refused by name when it is %s", (_, schema) => {
    for (const strict of both) {
      const result = normalized(schema, strict)
      assert.isTrue(Either.isLeft(result))
      if (Either.isLeft(result)) assert.match(result.left.message, /^The schema of "t" cannot be sent\. /)
    }
  })

  it("is cut where its references lead too far", () => {
    const schema = {
      ...properties({ $ref: "#/$defs/d0", description: "x" }),
      $defs: Object.fromEntries(
        Array.from({ length: 20_000 }, (_, i) => [`d${i}`, { ...properties({ $ref: `#/$defs/d${i + 1}` }) }])
      )
    }
    const growing = {
      type: "object",
      properties: { x: { $ref: "#", properties: { x: { properties: { x: { minLength: 1 } } } } } }
    }
    for (const given of [schema, growing]) {
      const { changes, jsonSchema } = Either.getOrThrow(normalized(given))
      assert.deepStrictEqual(openFaults(jsonSchema), [])
      assert.isNotEmpty(changes)
    }
  })

  it("stays strict only where the model can be held to it as it is", () => {
    const closed = { ...properties({ type: "string" }), required: ["x"], additionalProperties: false }
    assert.deepStrictEqual(Either.getOrThrow(normalized(closed, true)), {
      jsonSchema: closed,
      strict: true,
      changes: []
    })
    const unclosed = Either.getOrThrow(
      normalized({ ...properties({ type: "string", title: "X" }), required: ["x"] }, true)
    )
    assert.deepStrictEqual(unclosed.jsonSchema, closed)
    assert.isTrue(unclosed.strict)
    for (const open of [
      properties({ type: "string" }),
      { ...closed, additionalProperties: true },
      { ...properties({ type: "object", additionalProperties: { type: "string" }, properties: {} }), required: ["x"] },
      { ...properties({}), required: ["x"] },
      { ...properties({ type: "array", items: [{ type: "string" }, {}] }), required: ["x"] },
      { ...properties({ type: "string", not: { const: "a" } }), required: ["x"] }
    ]) {
      const { changes, jsonSchema, strict } = Either.getOrThrow(normalized(open, true))
      assert.isFalse(strict)
      assert.match(changes.join(), /sent with strict: false/)
      assert.deepStrictEqual(openFaults(jsonSchema), [])
    }
  })

  it("drawn at random is sent in a form the server takes, or refused; and what is sent is not changed again", () => {
    const { schema: drawn } = draw.letrec((tie) => {
      const inner = tie("schema")
      const junk = draw.oneof(
        draw.constantFrom(null, true, false, 0, -1, 1.5, "", "string", "any", [], {}),
        draw.array(inner, { maxLength: 2 }),
        inner
      )
      const often = (right: Arbitrary<unknown>) =>
        draw.oneof({ weight: 4, arbitrary: right }, { weight: 1, arbitrary: junk })
      const record = draw.dictionary(draw.constantFrom("a", "b", "$ref", "__proto__", "constructor"), inner, {
        maxKeys: 3
      })
      const list = draw.array(inner, { minLength: 1, maxLength: 3 })
      const type = draw.constantFrom("object", "array", "string", "integer", "null")
      const refs = draw.constantFrom(
        "#",
        "#/$defs/a",
        "#/definitions/b",
        "#/properties/a",
        "#/nope",
        "other.json",
        "#/$defs/a~1b"
      )
      const keywords: Readonly<Record<string, Arbitrary<unknown>>> = {
        type: often(draw.oneof(type, draw.array(type, { maxLength: 3 }))),
        properties: often(record),
        required: often(draw.array(draw.constantFrom("a", "b", "c"), { maxLength: 3 })),
        items: often(inner),
        prefixItems: often(list),
        additionalProperties: often(inner),
        anyOf: often(list),
        oneOf: often(list),
        allOf: often(list),
        not: often(inner),
        $ref: often(refs),
        $defs: often(record),
        definitions: often(record),
        enum: often(draw.array(draw.constantFrom("a", 1, null), { maxLength: 3 })),
        pattern: often(draw.constantFrom("^a$", "(?!a)", "(", "[\\w-.]", "(?<n>a)", "\\p{L}")),
        patternProperties: often(draw.dictionary(draw.constantFrom("^a$", "(?!a)", "("), inner, { maxKeys: 2 })),
        format: often(draw.constantFrom("date", "uri")),
        description: often(draw.constant("words")),
        minimum: often(draw.integer()),
        exclusiveMinimum: often(draw.boolean()),
        minItems: often(draw.nat(5)),
        examples: often(draw.constant([1])),
        dependentRequired: often(draw.constantFrom({ a: ["b"] }, { a: "b" })),
        "x-mine": junk
      }
      const pairs = Object.entries(keywords).map(([key, value]) => value.map((value) => [key, value] as const))
      return {
        schema: draw.oneof(
          { maxDepth: 5, depthSize: "small" },
          draw.constantFrom<unknown>({ type: "string" }, {}, true, { type: "object" }, { type: "array" }),
          draw.array(draw.oneof(...pairs), { maxLength: 5 }).map((pairs) => Object.fromEntries(pairs))
        )
      }
    })
    const roots = draw.oneof(
      drawn,
      draw
        .tuple(drawn, draw.dictionary(draw.constantFrom("a", "b"), drawn))
        .map(([schema, properties]) =>
          typeof schema === "object" ? { ...schema, type: "object", properties, $ref: undefined } : schema
        )
    )
    let sent = 0
    let held = 0
    forAll(
      [roots, draw.boolean()],
      (schema, strict) => {
        const result = normalized(schema, strict)
        if (Either.isLeft(result)) return
        sent++
        const { jsonSchema, strict: isStrict } = result.right
        assert.deepStrictEqual(openFaults(jsonSchema), [])
        if (isStrict) {
          held++
          assert.deepStrictEqual(strictFaults(jsonSchema), [])
        }
        const again = Either.getOrThrow(normalized(jsonSchema, isStrict))
        assert.deepStrictEqual(again, { jsonSchema, strict: isStrict, changes: [] })
        assert.strictEqual(again.jsonSchema, jsonSchema)
      },
      { runs: fewer(2000), seed: 7 }
    )
    assert.isAbove(sent, fewer(500))
    assert.isAbove(held, fewer(10))
  })
})
