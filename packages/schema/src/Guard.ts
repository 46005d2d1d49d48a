/**
 * Fast validation of wire values, compiled from their schemas.
 *
 * The schema stays the only definition of a shape. A compiled guard takes nanoseconds where `Schema.is` takes
 * microseconds, and it runs for every event and every history item. Schema constructs that the wire schemas use are
 * compiled; all others fall back to `Schema.is`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"

/**
 * Returns the path of the first invalid property (`""` is the value itself), or `undefined` if the value is valid.
 *
 * @since 0.1.0
 * @category models
 */
export type Guard = (value: unknown) => string | undefined

type Raw = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Raw => typeof value === "object" && value !== null && !Array.isArray(value)

const join = (key: string | number, path: string): string => (path === "" ? String(key) : `${key}.${path}`)

const when =
  (test: (value: unknown) => boolean): Guard =>
  (value) =>
    test(value) ? undefined : ""

const typeLiteral = (ast: AST.TypeLiteral): Guard => {
  const properties = ast.propertySignatures.map((signature) => ({
    key: String(signature.name),
    optional: signature.isOptional,
    guard: compile(signature.type)
  }))
  return (value) => {
    if (!isObject(value)) return ""
    for (const { guard, key, optional } of properties) {
      const property = value[key]
      if (property === undefined && !(key in value)) {
        if (optional) continue
        return key
      }
      const path = guard(property)
      if (path !== undefined) return join(key, path)
    }
    return undefined
  }
}

/** The literal values of a struct's `type`, which select the member of a union. */
const typesOf = (ast: AST.AST): ReadonlyArray<AST.LiteralValue> => {
  if (ast._tag !== "TypeLiteral") return []
  const type = ast.propertySignatures.find((signature) => signature.name === "type")?.type
  const members = type?._tag === "Union" ? type.types : type === undefined ? [] : [type]
  const literals = members.flatMap((member) => (member._tag === "Literal" ? [member.literal] : []))
  return literals.length === members.length ? literals : []
}

const union = (ast: AST.Union): Guard => {
  const byType = new Map(ast.types.flatMap((member) => typesOf(member).map((type) => [type, compile(member)] as const)))
  const others = ast.types.filter((member) => typesOf(member).length === 0).map(compile)
  return (value) => {
    const named = byType.size > 0 && isObject(value) ? byType.get(value["type"] as AST.LiteralValue) : undefined
    if (named !== undefined) return named(value)
    let deepest: string | undefined = ""
    for (const other of others) {
      const path = other(value)
      if (path === undefined) return undefined
      if (path.length > deepest.length) deepest = path
    }
    return deepest
  }
}

const compile = (ast: AST.AST): Guard => {
  switch (ast._tag) {
    case "UnknownKeyword":
      return when(() => true)
    case "StringKeyword":
      return when((value) => typeof value === "string")
    case "NumberKeyword":
      return when((value) => typeof value === "number")
    case "BooleanKeyword":
      return when((value) => typeof value === "boolean")
    case "Literal":
      return when((value) => value === ast.literal)
    case "Refinement": {
      const from = compile(ast.from)
      return (value) => {
        const path = from(value)
        if (path !== undefined) return path
        return Option.isNone(ast.filter(value, {}, ast)) ? undefined : ""
      }
    }
    case "TypeLiteral":
      return typeLiteral(ast)
    case "Union":
      return union(ast)
    case "TupleType": {
      const rest = ast.rest[0]
      if (ast.elements.length > 0 || rest === undefined) return when(Schema.is(Schema.make(ast)))
      const element = compile(rest.type)
      return (value) => {
        if (!Array.isArray(value)) return ""
        for (let i = 0; i < value.length; i++) {
          const path = element(value[i])
          if (path !== undefined) return join(i, path)
        }
        return undefined
      }
    }
    default:
      return when(Schema.is(Schema.make(ast)))
  }
}

/**
 * Compiles the guard of a schema without transformations.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (schema: Schema.Schema.Any): Guard => compile(schema.ast)
