/**
 * Effect `Schema`s as the JSON Schemas a model is given: as they are, or in the strict subset the server can hold its
 * output to (protocol C.6, C.9).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as JSONSchema from "effect/JSONSchema"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"

/**
 * A JSON Schema: an object, or a piece of one.
 *
 * @since 0.1.0
 * @category models
 */
export interface JsonSchema {
  readonly [key: string]: unknown
}

/**
 * A schema cannot be given to the model, for all of these reasons. Found where a tool or an output format is declared,
 * not when it is used.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnsupportedSchema extends Schema.TaggedError<UnsupportedSchema>("@effect-codex/schema/UnsupportedSchema")(
  "UnsupportedSchema",
  { name: Schema.String, problems: Schema.Array(Schema.String) }
) {
  readonly isRetryable = false
  override get message(): string {
    return `The schema of "${this.name}" cannot be sent. ${this.problems.join(" ")}`
  }
}

/**
 * One place where a value does not fit its schema. `path` leads to it from the root.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Issue = Schema.Struct({
  path: Schema.Array(Schema.Union(Schema.String, Schema.Number)),
  message: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export type Issue = typeof Issue.Type

/**
 * Issues as one text: `city.name: is missing; days[2]: Expected number, actual "x"`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const formatIssues = (issues: ReadonlyArray<Issue>): string =>
  issues
    .map(({ message, path }) => {
      const place = path.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`)).join("")
      return `${place === "" ? "the value" : place.replace(/^\./, "")}: ${message}`
    })
    .join("; ")

/** Enough to find the mistake by, without carrying a large value along. */
const maxIssues = 20
const maxIssueLength = 300

/**
 * Decodes JSON text; what is wrong with it is told as issues. That an optional key might also be `undefined` is left
 * out of them: no JSON can be.
 *
 * @since 0.1.0
 * @category combinators
 */
export const parse = <A, I>(
  schema: Schema.Schema<A, I>,
  text: string
): Effect.Effect<A, { readonly reason: "invalid_json" | "mismatch"; readonly issues: ReadonlyArray<Issue> }> =>
  Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: (cause) => ({
      reason: "invalid_json" as const,
      issues: [{ path: [], message: cause instanceof Error ? cause.message.slice(0, maxIssueLength) : "not JSON" }]
    })
  }).pipe(
    Effect.flatMap((value) =>
      Schema.decodeUnknown(schema, { errors: "all" })(value).pipe(
        Effect.mapError((error) => ({
          reason: "mismatch" as const,
          issues: ParseResult.ArrayFormatter.formatErrorSync(error)
            .filter(({ message }) => !message.startsWith("Expected undefined,"))
            .slice(0, maxIssues)
            .map(({ message, path }) => ({
              path: path.map((key) => (typeof key === "symbol" ? String(key) : key)),
              message: message.slice(0, maxIssueLength)
            }))
        }))
      )
    )
  )

const rootFromSchema = <A, I>(
  name: string,
  schema: Schema.Schema<A, I>
): Effect.Effect<JsonSchema, UnsupportedSchema> =>
  Effect.try({
    try: () => clean(JSONSchema.make(schema) as unknown as JsonSchema),
    catch: (cause) =>
      new UnsupportedSchema({
        name,
        problems: [cause instanceof Error ? cause.message.replaceAll("\n", ", ") : String(cause)]
      })
  }).pipe(
    Effect.map(withObjectRoot),
    Effect.filterOrFail(
      (root) => root["type"] === "object",
      () => new UnsupportedSchema({ name, problems: ["Its root has to be an object: put it into a Schema.Struct."] })
    )
  )

/**
 * What the model is given, and the codec for what it gives back.
 *
 * @since 0.1.0
 * @category models
 */
export interface Form<A> {
  readonly jsonSchema: JsonSchema
  readonly codec: Schema.Schema<A, unknown>
}

/**
 * The JSON Schema of what the schema decodes from, with all that JSON Schema can say. Its root is an object.
 *
 * @since 0.1.0
 * @category constructors
 */
export const openFromSchema = <A, I>(
  name: string,
  schema: Schema.Schema<A, I>
): Effect.Effect<Form<A>, UnsupportedSchema> =>
  Effect.map(rootFromSchema(name, schema), (jsonSchema) => ({ jsonSchema, codec: Schema.make<A, unknown>(schema.ast) }))

/**
 * The schema in the strict subset: objects are closed and have all their keys. An optional key is sent as one that may
 * be `null`, and `null` decodes back to its absence. Constraints the subset has no word for (`minLength`, …) hold when
 * decoding. What cannot be said at all is refused: records, tuples, `unknown`, a root that is no object.
 *
 * @since 0.1.0
 * @category constructors
 */
export const strictFromSchema = <A, I>(
  name: string,
  schema: Schema.Schema<A, I>
): Effect.Effect<Form<A>, UnsupportedSchema> =>
  Effect.flatMap(rootFromSchema(name, schema), (root) => {
    const problems: Array<string> = []
    const jsonSchema = strictNode(root, "", problems)
    const encoded = nullForAbsent(Schema.encodedSchema(schema).ast, "", problems)
    return problems.length > 0
      ? Effect.fail(new UnsupportedSchema({ name, problems: [...new Set(problems)] }))
      : Effect.succeed({
          jsonSchema,
          codec: Schema.compose(Schema.make<I, unknown>(encoded), schema)
        })
  })

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const mapValues = (record: JsonSchema, f: (value: unknown, key: string) => unknown): JsonSchema =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value, key)]))

const emptyObject: JsonSchema = { type: "object", properties: {}, required: [], additionalProperties: false }

/** Without the marks effect leaves for itself, which are no URLs a server could resolve. */
const clean = (node: JsonSchema): JsonSchema => {
  if (node["$id"] === "/schemas/%7B%7D") return emptyObject
  const { $comment: _comment, $id: _id, $schema: _schema, ...rest } = node
  return mapValues(rest, (value, key) => {
    if (key === "properties" || key === "$defs" || key === "patternProperties") {
      return isObject(value) ? mapValues(value, cleanValue) : value
    }
    return annotations.has(key) ? value : cleanValue(value)
  })
}

const cleanValue = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(cleanValue) : isObject(value) ? clean(value) : value

/** Keys whose values are data, not schemas. */
const annotations: ReadonlySet<string> = new Set(["default", "examples", "enum", "const", "required"])

/** A root that only points at a definition becomes that definition. */
const withObjectRoot = (root: JsonSchema): JsonSchema => {
  const { $defs, $ref, ...rest } = root
  if (typeof $ref !== "string" || !isObject($defs)) return root
  const target = $defs[$ref.slice("#/$defs/".length).replaceAll("~1", "/").replaceAll("~0", "~")]
  return isObject(target) ? { ...target, ...rest, $defs } : root
}

const formats: ReadonlySet<unknown> = new Set([
  "date-time",
  "time",
  "date",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "uuid"
])

const kept = [
  "type",
  "description",
  "enum",
  "const",
  "pattern",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minItems",
  "maxItems"
]

const strictNode = (node: unknown, path: string, problems: Array<string>): JsonSchema => {
  const refuse = (what: string) => {
    problems.push(`${path === "" ? "The root" : `"${path}"`} ${what}`)
    return {}
  }
  if (!isObject(node)) return refuse("accepts anything: say what it is.")
  const definitions = isObject(node["$defs"])
    ? { $defs: mapValues(node["$defs"], (inner, key) => strictNode(inner, key, problems)) }
    : {}
  const ref = node["$ref"] ?? refAmong(node["allOf"])
  if (ref !== undefined) return { $ref: ref, ...definitions }
  const own: JsonSchema = {
    ...Object.fromEntries(kept.flatMap((key) => (key in node ? [[key, node[key]]] : []))),
    ...(formats.has(node["format"]) ? { format: node["format"] } : {}),
    ...definitions
  }
  if (Array.isArray(node["anyOf"])) {
    return { ...own, anyOf: node["anyOf"].map((member) => strictNode(member, path, problems)) }
  }
  switch (node["type"]) {
    case "object":
      return { ...own, ...strictObject(node, path, problems, refuse) }
    case "array":
      if (Array.isArray(node["items"]) || "prefixItems" in node || "additionalItems" in node) {
        return refuse("is a tuple, which strict mode has no word for: use a Schema.Struct or a Schema.Array.")
      }
      return { ...own, items: strictNode(node["items"], `${path}[]`, problems) }
    case undefined:
      return "enum" in node || "const" in node
        ? own
        : refuse("accepts anything or nothing, which strict mode has no word for: say what it is.")
    default:
      return own
  }
}

const refAmong = (members: unknown): unknown =>
  Array.isArray(members) ? members.find((member) => isObject(member) && "$ref" in member)?.["$ref"] : undefined

const strictObject = (
  node: JsonSchema,
  path: string,
  problems: Array<string>,
  refuse: (what: string) => JsonSchema
): JsonSchema => {
  if ("patternProperties" in node || "propertyNames" in node || isObject(node["additionalProperties"])) {
    return refuse("is a record with keys of any name, which strict mode has no word for: use an array of pairs.")
  }
  const properties = isObject(node["properties"]) ? node["properties"] : {}
  const required: ReadonlyArray<unknown> = Array.isArray(node["required"]) ? node["required"] : []
  return {
    properties: mapValues(properties, (inner, key) => {
      const property = strictNode(inner, path === "" ? key : `${path}.${key}`, problems)
      return required.includes(key) ? property : orNull(property)
    }),
    required: Object.keys(properties),
    additionalProperties: false
  }
}

const orNull = (node: JsonSchema): JsonSchema => {
  const members: ReadonlyArray<unknown> = Array.isArray(node["anyOf"]) ? node["anyOf"] : [node]
  if (members.some((member) => isObject(member) && member["type"] === "null")) return node
  const { anyOf: _, ...rest } = Array.isArray(node["anyOf"]) ? node : {}
  return { ...rest, anyOf: [...members, { type: "null" }] }
}

/** The codec from JSON of the strict subset to what the schema decodes from: where a key is optional, `null` is absence. */
const nullForAbsent = (ast: AST.AST, path: string, problems: Array<string>): AST.AST => {
  switch (ast._tag) {
    case "TypeLiteral":
      return ast.indexSignatures.length > 0 || ast.propertySignatures.length === 0
        ? ast
        : Schema.Struct(
            Object.fromEntries(
              ast.propertySignatures.map((property) => [property.name, strictField(property, path, problems)])
            )
          ).ast
    case "Union":
      return AST.Union.make(ast.types.map((member) => nullForAbsent(member, path, problems)))
    case "TupleType":
      return new AST.TupleType(
        ast.elements.map((one) => new AST.OptionalType(nullForAbsent(one.type, path, problems), one.isOptional)),
        ast.rest.map((rest) => new AST.Type(nullForAbsent(rest.type, `${path}[]`, problems))),
        ast.isReadonly
      )
    case "Suspend":
      return new AST.Suspend(() => nullForAbsent(ast.f(), path, []))
    default:
      return ast
  }
}

const strictField = (property: AST.PropertySignature, path: string, problems: Array<string>): Schema.Struct.Field => {
  const place = path === "" ? String(property.name) : `${path}.${String(property.name)}`
  const types = AST.isUnion(property.type) ? property.type.types : [property.type]
  const present = types.filter((type) => !AST.isUndefinedKeyword(type))
  if (!property.isOptional) {
    if (present.length < types.length) {
      problems.push(`"${place}" may be undefined, which JSON has no word for: use Schema.optional.`)
    }
    return Schema.make(nullForAbsent(property.type, place, problems))
  }
  const inner = Schema.make<unknown, unknown>(nullForAbsent(AST.Union.make(present), place, problems))
  return Schema.requiredToOptional(Schema.NullOr(inner), Schema.make<unknown>(property.type), {
    decode: Option.fromNullable,
    encode: (value) => Option.getOrNull(Option.filter(value, (present) => present !== undefined))
  })
}
