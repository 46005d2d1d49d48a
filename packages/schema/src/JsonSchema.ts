/**
 * Converts Effect `Schema`s to JSON Schemas the server accepts: open schemas with everything JSON Schema can express,
 * or the strict subset that the server can enforce (protocol C.6, C.9). A schema is either sent completely or rejected
 * where it is declared. {@link normalize} converts third-party JSON Schemas to the nearest accepted form.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import * as Failure from "./Failure.ts"
import { notJson, withoutUndefined } from "./internal/json.ts"
import { areNormalized, normalizeReferences } from "./internal/references.ts"
import { at, both, isObject } from "./internal/schemaTree.ts"
import { acceptable, isObjectRoot, objectRoot, type Report } from "./internal/serverForms.ts"
import { strictSubset } from "./internal/strictSubset.ts"
import * as Wire from "./internal/wire.ts"

/**
 * A JSON Schema object, or a fragment of one.
 *
 * @since 0.1.0
 * @category models
 */
export interface JsonSchema {
  readonly [key: string]: unknown
}

/**
 * A schema that the server does not accept; `problems` lists all reasons. Raised where a tool or an output format is
 * declared, not when it is used.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnsupportedSchema extends Failure.Class<UnsupportedSchema>("@effect-codex/schema/UnsupportedSchema")(
  "UnsupportedSchema",
  { name: Schema.String, problems: Schema.Array(Schema.String) }
) {
  override get message(): string {
    return `The schema of "${this.name}" cannot be sent. ${this.problems.join(" ")}`
  }
}

/**
 * One validation issue. `path` is its location, from the root.
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
 * Formats issues as one line: `city.name: is missing; days[2]: Expected number, actual "x"`.
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

/** Enough to find the mistake without including large values. */
const maxIssues = 20
const maxIssueLength = 300

/**
 * Deeper than any realistic value, and shallow enough that recursive decoding and formatting cannot overflow the stack.
 */
const maxDepth = 256

/**
 * Whether JSON text is nested deeper than `limit`. It does not recurse, so any depth is safe.
 */
const isDeeperThan = (text: string, limit: number): boolean => {
  if (text.length <= limit) return false
  let depth = 0
  let inString = false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (inString) {
      if (code === 0x5c) index++
      else if (code === 0x22) inString = false
    } else if (code === 0x22) {
      inString = true
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > limit) return true
    } else if (code === 0x7d || code === 0x5d) {
      depth--
    }
  }
  return false
}

/**
 * Why decoding failed: invalid JSON, or a value that does not match the schema.
 *
 * @since 0.1.0
 * @category models
 */
export interface Unparsed {
  readonly reason: "invalid_json" | "mismatch"
  readonly issues: ReadonlyArray<Issue>
}

/** A codec can throw anything, even a value whose properties throw when read. */
const messageOf = (thrown: unknown): string => {
  try {
    return `: ${thrown instanceof Error ? thrown.message : String(thrown)}`
  } catch {
    return ""
  }
}

/**
 * Decodes JSON text and reports all issues at once. Issues do not mention `undefined` as an alternative for optional
 * keys, because JSON cannot represent it. Values nested more than 256 levels deep, numbers that
 * overflow and codecs that throw are reported as issues: model output never causes a defect.
 *
 * @since 0.1.0
 * @category combinators
 */
export const parse = <A, I>(schema: Schema.Schema<A, I>, text: string): Effect.Effect<A, Unparsed> => {
  const fail = (
    reason: Unparsed["reason"],
    message: string,
    path: Issue["path"] = []
  ): Effect.Effect<never, Unparsed> =>
    Effect.fail({ reason, issues: [{ path, message: message.slice(0, maxIssueLength) }] })
  return Effect.suspend((): Effect.Effect<A, Unparsed> => {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (cause) {
      return fail("invalid_json", cause instanceof Error ? cause.message : "not JSON")
    }
    if (isDeeperThan(text, maxDepth)) return fail("mismatch", `is nested more than ${maxDepth} levels deep`)
    const tooLarge = notJson(value)
    if (tooLarge !== undefined) {
      return fail("mismatch", "is a number that is too large", tooLarge.path === "" ? [] : tooLarge.path.split("."))
    }
    return Effect.mapError(Schema.decodeUnknown(schema, { errors: "all" })(value), (error) => ({
      reason: "mismatch" as const,
      issues: ParseResult.ArrayFormatter.formatErrorSync(error)
        .filter(({ message }) => !message.startsWith("Expected undefined,"))
        .slice(0, maxIssues)
        .map(({ message, path }) => ({
          path: path.map((key) => (typeof key === "symbol" ? String(key) : key)),
          message: message.slice(0, maxIssueLength)
        }))
    }))
  }).pipe(Effect.catchAllDefect((defect) => fail("mismatch", `could not be decoded${messageOf(defect)}`)))
}

/**
 * The JSON Schema sent to the model, and the codec for its answer. `encodedCodec` decodes only to the schema's encoded
 * side (with the `null`s of strict mode removed) and needs no services. `warnings` lists constraints that the server
 * does not support and only decoding checks.
 *
 * @since 0.1.0
 * @category models
 */
export interface Form<A> {
  readonly jsonSchema: JsonSchema
  readonly codec: Schema.Schema<A, unknown>
  readonly encodedCodec: Schema.Schema<unknown, unknown>
  readonly warnings: ReadonlyArray<string>
}

/**
 * The synchronous version of {@link strictFromSchema} and {@link openFromSchema}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromSchema = <A, I>(
  name: string,
  schema: Schema.Schema<A, I>,
  options: { readonly strict: boolean }
): Either.Either<Form<A>, UnsupportedSchema> => {
  const { strict } = options
  const problems = new Set<string>()
  const warnings: Array<string> = []
  const problem = (path: string, what: string) => {
    problems.add(`${place(path)} ${what}`)
  }
  const report: Report = {
    form: (path, what) => problem(path, `${what}, which the server does not accept.`),
    check: (path, what, instead) =>
      strict
        ? problem(
            path,
            `${what}, which the server does not accept: write it in another way, or check it in a Schema.filter.`
          )
        : warnings.push(`${place(path)} ${what}: ${instead}; decoding checks it.`)
  }
  const form = attempt((): Form<A> => {
    const root = normalizeReferences(generate(schema.ast, strict, problem), (path, what) => problem(path, `${what}.`))
    if (problems.size === 0 && !isObjectRoot(root)) {
      problem("", "must be an object: put it into a Schema.Struct.")
    }
    const open = acceptable(root, "", report)
    const encoded = Schema.encodedSchema(schema).ast
    const read = strict ? nullForAbsent(encoded) : encoded
    return {
      jsonSchema: strict ? strictSubset(open, "null", problem) : open,
      codec: Wire.ofObject(
        strict ? Schema.compose(Schema.make<I, unknown>(read), schema) : Schema.make<A, unknown>(schema.ast)
      ),
      encodedCodec: Wire.ofObject(Schema.make<unknown, unknown>(read)),
      warnings
    }
  })
  if (Either.isRight(form) && problems.size === 0) return Either.right(form.right)
  if (Either.isLeft(form)) problems.add(form.left)
  return Either.left(new UnsupportedSchema({ name, problems: [...problems] }))
}

/**
 * The JSON Schema of the schema's encoded side, with everything JSON Schema can express. The root must be an object. A
 * pattern or format the server does not support is moved to the description and listed in `warnings`. Schemas the
 * server never accepts are rejected: tuples (and so `Map` and `Duration`), `Schema.Object`, values that JSON cannot
 * represent.
 *
 * @since 0.1.0
 * @category constructors
 */
export const openFromSchema = <A, I>(
  name: string,
  schema: Schema.Schema<A, I>
): Effect.Effect<Form<A>, UnsupportedSchema> => Effect.suspend(() => fromSchema(name, schema, { strict: false }))

/**
 * The schema in the strict subset: objects are closed and all keys are required. An optional key is sent as nullable,
 * and `null` decodes to an absent key. Constraints outside the subset (`minLength`, …) are moved to the description and
 * checked when decoding. Everything else is rejected with its path: records, tuples, `unknown`, a pattern with
 * lookaround, backreferences or a flag such as `i`, a format outside the subset, a root that is not an object.
 *
 * @since 0.1.0
 * @category constructors
 */
export const strictFromSchema = <A, I>(
  name: string,
  schema: Schema.Schema<A, I>
): Effect.Effect<Form<A>, UnsupportedSchema> => Effect.suspend(() => fromSchema(name, schema, { strict: true }))

/**
 * A third-party JSON Schema in the nearest form the server accepts. `changes` lists what was changed; if it is empty,
 * `jsonSchema` is the given object itself. `strict` stays `true` only if the meaning is preserved: an object with
 * optional keys is sent with `strict: false`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Normalized {
  readonly jsonSchema: JsonSchema
  readonly strict: boolean
  readonly changes: ReadonlyArray<string>
}

/**
 * Converts a third-party JSON Schema, for example from an MCP server, to the nearest form the server accepts. Missing
 * `type`, `items` and `properties` are added, tuples become arrays of any of their elements, alternatives at the root
 * become one object, unsupported formats and patterns move to the description, malformed keywords are removed. It fails
 * for anything that is not the schema of an object.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Either } from "effect"
 * import { JsonSchema } from "@effect-codex/schema"
 *
 * const { jsonSchema } = Either.getOrThrow(JsonSchema.normalize("list_files", { type: "object" }))
 * // { type: "object", properties: {} }
 * ```
 */
export const normalize = (
  name: string,
  schema: unknown,
  options?: { readonly strict?: boolean }
): Either.Either<Normalized, UnsupportedSchema> => {
  const changes = new Set<string>()
  const change = (path: string, what: string, instead: string) => {
    changes.add(`${place(path)} ${what}: ${instead}.`)
  }
  const report: Report = { form: change, check: change }
  const refuse = (problem: string) => Either.left(new UnsupportedSchema({ name, problems: [problem] }))
  const unwritable = notJson(schema)
  if (unwritable !== undefined) return refuse(`${place(unwritable.path)} is ${unwritable.what}.`)
  const given = schema === true ? {} : withoutUndefined(schema)
  if (!isObject(given)) return refuse("It is not a JSON Schema: give an object.")
  const found = attempt((): Normalized | undefined => {
    const hasNormalizedReferences = areNormalized(given)
    if (!hasNormalizedReferences) changes.add("Its references are inlined or point to $defs.")
    const normalized = hasNormalizedReferences
      ? given
      : normalizeReferences(given, (path, what) => change(path, what, "sent without it"))
    const root = objectRoot(normalized, report)
    if (root === undefined) return undefined
    const open = acceptable(root, "", report)
    if (options?.strict !== true) return { jsonSchema: open, strict: false, changes: [...changes] }
    const problems = new Set<string>()
    const closed = strictSubset(
      areNormalized(open, "strict") ? open : normalizeReferences(open, () => undefined),
      "refuse",
      (path, what) => {
        problems.add(`${place(path)} ${what}`)
      }
    )
    if (problems.size > 0) {
      const off = `It is sent with strict: false. ${[...problems].join(" ")}`
      return { jsonSchema: open, strict: false, changes: [...changes, off] }
    }
    return isEqual(closed, open)
      ? { jsonSchema: open, strict: true, changes: [...changes] }
      : { jsonSchema: closed, strict: true, changes: [...changes, "It is sent in the strict subset."] }
  })
  if (Either.isLeft(found)) return refuse(found.left)
  return found.right === undefined ? refuse("The root must be an object.") : Either.right(found.right)
}

const sorted = (value: unknown): unknown =>
  isObject(value)
    ? Object.fromEntries(
        Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, inner]) => [key, sorted(inner)])
      )
    : Array.isArray(value)
      ? value.map(sorted)
      : value

/** Equality that ignores the order of keys. */
const isEqual = (a: JsonSchema, b: JsonSchema): boolean => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))

const place = (path: string): string =>
  path === "" ? "The root" : `"${path.length > maxPlace ? `${path.slice(0, maxPlace)}…` : path}"`

const maxPlace = 200

/** Turns exceptions (stack overflow, errors thrown by a codec) into a problem of the schema. */
const attempt = <A>(evaluate: () => A): Either.Either<A, string> =>
  Either.try({
    try: evaluate,
    catch: (cause) =>
      cause instanceof RangeError
        ? "It is nested too deeply: flatten it."
        : `It cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`
  })

type Problem = (path: string, what: string) => void

/** Several schemas can share an identifier; each gets its own pointer, which ends in the identifier. */
interface Named {
  readonly identifier: string
  readonly pointer: string
  schema: JsonSchema
}

/**
 * `Schema.typeSchema` and `Schema.encodedSchema` make a recursive schema create a new AST on every recursion, so
 * comparing AST identities never detects the cycle. After `maxTurns` nested schemas with the same identifier, ASTs are
 * compared by their shape instead, up to `shapeTurns` recursions deep.
 */
const maxTurns = 8
const shapeTurns = 3
const maxNesting = 64

/**
 * The JSON Schema of an AST's encoded side. Effect's own generator names definitions by identifier alone, so a second
 * schema with the same identifier is replaced by the first. It also drops descriptions of filters, of filters after a
 * transformation, and of keys next to one with a default. Here each AST has its own definition, and all annotations are
 * kept.
 */
const generate = (root: AST.AST, strict: boolean, problem: Problem): JsonSchema => {
  const found: Array<readonly [string, string]> = []
  const schema = generateBy("identity", root, strict, (path, what) => found.push([path, what]))
  if (schema === undefined) return generateBy("shape", root, strict, problem) ?? refused
  for (const [path, what] of found) problem(path, what)
  return schema
}

/**
 * Definitions are keyed by AST identity or by shape. Returns `undefined` if comparing identities would not terminate.
 */
const generateBy = (
  mode: "identity" | "shape",
  root: AST.AST,
  strict: boolean,
  report: Problem
): JsonSchema | undefined => {
  const named = new Map<AST.AST | string, Named>()
  const open: Array<string> = []
  let endless = false
  let turnsLeft: number | undefined

  const problem: Problem = (path, what) => {
    if (turnsLeft === undefined) report(path, what)
  }

  const reference = (ast: AST.AST, identifier: string, path: string, suspended: boolean): JsonSchema => {
    if (turnsLeft !== undefined) return inShape(ast, identifier, path, suspended)
    const key = mode === "identity" ? ast : `${identifier} ${shapeOf(ast)}`
    const known = named.get(key)
    if (known !== undefined) return { $ref: known.pointer }
    const turns = open.filter((one) => one === identifier).length
    if (endless || (mode === "identity" ? turns > maxTurns : turns > maxNesting)) {
      if (mode === "shape") problem(path, "is a recursive schema without an end.")
      endless = true
      return refused
    }
    const definition: Named = {
      identifier,
      pointer: `#/$defs/${named.size}/${escapePointer(identifier)}`,
      schema: {}
    }
    named.set(key, definition)
    if (suspended) open.push(identifier)
    definition.schema = node(ast, path)
    if (suspended) open.pop()
    return { $ref: definition.pointer }
  }

  const shapeOf = (ast: AST.AST): string => {
    turnsLeft = shapeTurns
    const shape = JSON.stringify(node(ast, ""))
    turnsLeft = undefined
    return shape
  }

  const inShape = (ast: AST.AST, identifier: string, path: string, suspended: boolean): JsonSchema => {
    if (!suspended || turnsLeft === undefined) return node(ast, path)
    if (turnsLeft === 0) return { $ref: identifier }
    turnsLeft--
    const schema = node(ast, path)
    turnsLeft++
    return schema
  }

  const described = (schema: JsonSchema): unknown => {
    const target = [...named.values()].find(({ pointer }) => pointer === schema["$ref"])?.schema ?? {}
    return schema["description"] ?? ("$ref" in target ? described(target) : target["description"])
  }

  const visit = (ast: AST.AST, path: string): JsonSchema => {
    if (AST.isSuspend(ast)) {
      const target = ast.f()
      const identifier = identifierOf(target) ?? identifierOf(ast) ?? "Recursive"
      return both(reference(target, identifier, path, true), annotationsOf(ast, ast))
    }
    const identifier = identifierOf(ast)
    return identifier === undefined ? node(ast, path) : reference(ast, identifier, path, false)
  }

  const node = (ast: AST.AST, path: string): JsonSchema => {
    const annotations = annotationsOf(ast, ast)
    const annotation = Option.getOrUndefined(AST.getJSONSchemaAnnotation(ast))
    const own = isObject(annotation) ? annotation : undefined
    if (own !== undefined && isReplacement(ast, own)) return { ...annotations, ...own }
    if (AST.isRefinement(ast)) {
      const from = visit(ast.from, path)
      if (!isTransformed(ast.from)) return both(both(from, annotations), constraintsOf(ast, own ?? {}, path, problem))
      // "a valid Date", the description of `Schema.Date`, describes the decoded value; the model writes a string
      const texts = [annotations["description"], described(from)].filter((text) => typeof text === "string")
      return texts.length < 2 || texts[0] === texts[1]
        ? both(from, annotations)
        : both(from, { ...annotations, description: `${texts[0]} (${texts[1]})` })
    }
    return { ...both(structure(ast, path), annotations), ...own }
  }

  const structure = (ast: AST.AST, path: string): JsonSchema => {
    switch (ast._tag) {
      case "StringKeyword":
        return { type: "string" }
      case "NumberKeyword":
        return { type: "number" }
      case "BooleanKeyword":
        return { type: "boolean" }
      case "UnknownKeyword":
      case "AnyKeyword":
        return {}
      case "NeverKeyword":
      case "UndefinedKeyword":
        return { not: {} }
      case "Literal":
        return literal(ast, path)
      case "Enums":
        return enums(ast)
      case "TemplateLiteral":
        return {
          type: "string",
          title: String(ast),
          description: "a template literal",
          pattern: AST.getTemplateLiteralRegExp(ast).source
        }
      case "TupleType":
        return array(ast, path)
      case "TypeLiteral":
        return object(ast, path)
      case "Union":
        return union(ast, path)
      case "Transformation":
        return transformation(ast, path)
      case "ObjectKeyword":
        problem(path, "is any object or array, which the server does not accept: declare its keys or items.")
        return refused
      default:
        return unsayable(ast, path)
    }
  }

  const unsayable = (ast: AST.AST, path: string): JsonSchema => {
    problem(path, `is ${ast}, which JSON cannot represent: decode it from JSON, or give it a jsonSchema annotation.`)
    return refused
  }

  const literal = (ast: AST.Literal, path: string): JsonSchema => {
    const value = ast.literal
    if (value === null) return { type: "null" }
    return typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value))
      ? unsayable(ast, path)
      : { type: typeof value, enum: [value] }
  }

  const enums = (ast: AST.Enums): JsonSchema =>
    ast.enums.every(([, value]) => typeof value === "string")
      ? { type: "string", enum: ast.enums.map(([, value]) => value) }
      : { anyOf: ast.enums.map(([name, value]) => ({ type: typeof value, enum: [value], description: name })) }

  const array = (ast: AST.TupleType, path: string): JsonSchema => {
    const [rest, ...afterRest] = ast.rest
    if (rest === undefined || afterRest.length > 0 || ast.elements.some(({ type }) => type !== rest.type)) {
      problem(path, "is a tuple, which the server does not accept: use a Schema.Struct or a Schema.Array.")
      return refused
    }
    const minItems = ast.elements.filter(({ isOptional }) => !isOptional).length
    return {
      type: "array",
      items: both(visit(rest.type, `${path}[]`), annotationsOf(rest, rest.type)),
      ...(minItems > 0 && { minItems })
    }
  }

  const object = (ast: AST.TypeLiteral, path: string): JsonSchema => {
    const required: Array<string> = []
    const properties = ast.propertySignatures.flatMap((property) => {
      const { name, type } = property
      if (typeof name === "symbol") {
        problem(path, `has the key ${String(name)}, which JSON cannot represent.`)
        return []
      }
      const key = String(name)
      const inside = at(path, key)
      const maybe = mayBeUndefined(type)
      if (!property.isOptional && maybe && strict) {
        problem(inside, "may be undefined, which JSON cannot represent: use Schema.optional.")
      }
      if (!property.isOptional && !maybe) required.push(key)
      return [[key, both(visit(type, inside), annotationsOf(property, type))] as const]
    })
    const records = ast.indexSignatures.map(({ parameter, type }): JsonSchema => {
      const additionalProperties = visit(type, at(path, "*"))
      return AST.isStringKeyword(parameter)
        ? { additionalProperties }
        : { additionalProperties, propertyNames: visit(parameter, at(path, "*")) }
    })
    const [record = { additionalProperties: false }, ...more] = records
    if (more.length > 0) problem(path, "is a record with keys of several kinds: use one kind of key.")
    return { type: "object", properties: Object.fromEntries(properties), required, ...record }
  }

  const union = (ast: AST.Union, path: string): JsonSchema => {
    const members = ast.types.filter((type) => !AST.isUndefinedKeyword(type) && !AST.isNeverKeyword(type))
    if (members.length === 0) return { not: {} }
    const all: Array<JsonSchema> = []
    for (const member of members.map((member) => visit(member, path))) {
      const last = all[all.length - 1]
      if (last !== undefined && isPlainEnum(last) && isPlainEnum(member) && last.type === member.type) {
        all[all.length - 1] = { type: last.type, enum: [...last.enum, ...member.enum] }
      } else {
        all.push(member)
      }
    }
    const [first = {}] = all
    if (all.length === 1) return first
    return all.some((member) => Object.keys(member).length === 0) ? {} : { anyOf: all }
  }

  const transformation = (ast: AST.Transformation, path: string): JsonSchema => {
    if (ast.from.annotations[AST.SchemaIdAnnotationId] === AST.ParseJsonSchemaId) {
      return { type: "string", contentMediaType: "application/json" }
    }
    const from = visit(ast.from, path)
    // a class keeps its annotations on the decoded side
    if (isClass(ast)) return both(from, annotationsOf(ast.to, ast))
    const { properties } = from
    if (
      ast.transformation._tag !== "TypeLiteralTransformation" ||
      !AST.isTypeLiteral(ast.to) ||
      !isObject(properties)
    ) {
      return from
    }
    const sources = new Map(ast.transformation.propertySignatureTransformations.map(({ from, to }) => [to, from]))
    const annotations = ast.to.propertySignatures.flatMap((property) => {
      const key = String(sources.get(property.name) ?? property.name)
      const inner = properties[key]
      return isObject(inner) ? [[key, both(inner, annotationsOf(property, property.type))] as const] : []
    })
    return { ...from, properties: { ...properties, ...Object.fromEntries(annotations) } }
  }

  const schema = visit(root, "")
  return endless && mode === "identity"
    ? undefined
    : { ...schema, $defs: [...named.values()].map(({ identifier, schema }) => ({ [identifier]: schema })) }
}

const escapePointer = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1").replaceAll("%", "%25")

/** Placeholder for a rejected schema, so that strict mode does not report it again. */
const refused: JsonSchema = { type: "null" }

const isPlainEnum = (schema: JsonSchema): schema is { readonly type: string; readonly enum: ReadonlyArray<unknown> } =>
  Array.isArray(schema["enum"]) && typeof schema["type"] === "string" && Object.keys(schema).length === 2

const isClass = (ast: AST.Transformation): boolean =>
  AST.isDeclaration(ast.to) && Option.isSome(AST.getSurrogateAnnotation(ast.to))

const identifierOf = (ast: AST.AST): string | undefined =>
  Option.getOrUndefined(AST.getJSONIdentifier(ast)) ??
  (AST.isTransformation(ast) && isClass(ast) ? identifierOf(ast.to) : undefined)

/** Whether the encoded side differs from the type side. If so, the constraints of a filter do not apply to it. */
const isTransformed = (ast: AST.AST): boolean =>
  AST.isTransformation(ast) ? true : AST.isRefinement(ast) && isTransformed(ast.from)

const mayBeUndefined = (ast: AST.AST): boolean => {
  switch (ast._tag) {
    case "UndefinedKeyword":
      return true
    case "Union":
      return ast.types.some(mayBeUndefined)
    case "Refinement":
    case "Transformation":
      return mayBeUndefined(ast.from)
    default:
      return false
  }
}

/** Whether a `jsonSchema` annotation replaces the generated schema, rather than adding to it. */
const isReplacement = (ast: AST.AST, annotation: JsonSchema): boolean =>
  ast.annotations[AST.SchemaIdAnnotationId] === Schema.IntSchemaId
    ? "type" in annotation && annotation["type"] !== "integer"
    : ["type", "anyOf", "oneOf", "$ref"].some((key) => key in annotation)

const keywordAsts: Readonly<Partial<Record<AST.AST["_tag"], AST.AST>>> = {
  StringKeyword: AST.stringKeyword,
  NumberKeyword: AST.numberKeyword,
  BooleanKeyword: AST.booleanKeyword,
  UnknownKeyword: AST.unknownKeyword,
  AnyKeyword: AST.anyKeyword,
  NeverKeyword: AST.neverKeyword,
  UndefinedKeyword: AST.undefinedKeyword
}

/**
 * Title, description, default and examples, without Effect's built-in descriptions of `string` and the other keywords.
 */
const annotationsOf = (annotated: AST.Annotated, ast: AST.AST): JsonSchema => {
  const builtIn = annotated === ast ? keywordAsts[ast._tag] : undefined
  const text = (key: symbol) => {
    const value = annotated.annotations[key]
    return typeof value === "string" && value !== builtIn?.annotations[key] ? value : undefined
  }
  const encode = Option.liftThrowable((value: unknown) =>
    ParseResult.encodeUnknownSync(Schema.make<unknown, unknown>(ast))(value)
  )
  const encoded = (value: unknown) =>
    Option.filter(encode(value), (json) => json !== undefined && notJson(json) === undefined)
  const title = text(AST.TitleAnnotationId)
  const description = text(AST.DescriptionAnnotationId)
  const value = Option.flatMap(AST.getDefaultAnnotation(annotated), encoded)
  const examples = Option.getOrElse(AST.getExamplesAnnotation(annotated), () => []).flatMap((example) =>
    Option.toArray(encoded(example))
  )
  return {
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(Option.isSome(value) && { default: value.value }),
    ...(examples.length > 0 && { examples })
  }
}

const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")

/** A parameter of an Effect filter, such as `"a"` in `{ startsWith: "a" }`. */
const filterParameter = (ast: AST.Annotated, id: symbol, key: string): unknown => {
  const value = ast.annotations[id]
  return isObject(value) ? value[key] : undefined
}

/**
 * The constraints of a filter, from its `jsonSchema` annotation. Effect omits the flags of regular expressions there,
 * and does not escape the text of `startsWith`, `endsWith` and `includes`.
 */
const constraintsOf = (ast: AST.Refinement, annotation: JsonSchema, path: string, problem: Problem): JsonSchema => {
  const entries = Object.entries(annotation).flatMap(([key, value]) => {
    if (typeof value !== "number" || Number.isFinite(value)) return [[key, value] as const]
    const isConstraint = key.toLowerCase().includes("min") ? value !== -Infinity : value !== Infinity
    if (isConstraint) problem(path, `has ${key} ${value}, which JSON cannot represent.`)
    return []
  })
  const constraints = Object.fromEntries(entries)
  const pattern = patternOf(ast, constraints["pattern"])
  if (pattern === constraints["pattern"]) return constraints
  const { pattern: _, ...rest } = constraints
  // the pattern is redundant with the format
  return "format" in rest && String(pattern).startsWith("(?") ? rest : { ...rest, pattern }
}

const patternOf = (ast: AST.Refinement, pattern: unknown): unknown => {
  const regex = filterParameter(ast, Schema.PatternSchemaId, "regex")
  if (regex instanceof RegExp && pattern === regex.source) {
    const flags = regex.flags.replace(/[dguy]/g, "")
    const source = regex.sticky ? `^(?:${regex.source})` : regex.source
    return flags === "" ? source : `(?${flags}:${source})`
  }
  const starts = filterParameter(ast, Schema.StartsWithSchemaId, "startsWith")
  if (typeof starts === "string" && pattern === `^${starts}`) return `^${escapeRegExp(starts)}`
  const ends = filterParameter(ast, Schema.EndsWithSchemaId, "endsWith")
  if (typeof ends === "string" && pattern === `^.*${ends}$`) return `${escapeRegExp(ends)}$`
  const includes = filterParameter(ast, Schema.IncludesSchemaId, "includes")
  return typeof includes === "string" && pattern === `.*${includes}.*` ? escapeRegExp(includes) : pattern
}

/** The codec from strict-mode JSON to the schema's encoded side: for an optional key, `null` means absent. */
const nullForAbsent = (ast: AST.AST): AST.AST => {
  switch (ast._tag) {
    case "TypeLiteral":
      return ast.indexSignatures.length > 0 || ast.propertySignatures.length === 0
        ? ast
        : Schema.Struct(
            Object.fromEntries(ast.propertySignatures.map((property) => [property.name, strictField(property)]))
          ).ast
    case "Union":
      return AST.Union.make(ast.types.map(nullForAbsent))
    case "TupleType":
      return new AST.TupleType(
        ast.elements.map((one) => new AST.OptionalType(nullForAbsent(one.type), one.isOptional)),
        ast.rest.map((rest) => new AST.Type(nullForAbsent(rest.type))),
        ast.isReadonly
      )
    case "Suspend":
      return new AST.Suspend(() => nullForAbsent(ast.f()))
    default:
      return ast
  }
}

const strictField = (property: AST.PropertySignature): Schema.Struct.Field => {
  if (!property.isOptional) return Schema.make(nullForAbsent(property.type))
  const types = AST.isUnion(property.type) ? property.type.types : [property.type]
  const present = AST.Union.make(types.filter((type) => !AST.isUndefinedKeyword(type)))
  const inner = Schema.make<unknown, unknown>(nullForAbsent(present))
  return Schema.requiredToOptional(Schema.NullOr(inner), Schema.make<unknown>(property.type), {
    decode: Option.fromNullable,
    encode: (value) => Option.getOrNull(Option.filter(value, (present) => present !== undefined))
  })
}
