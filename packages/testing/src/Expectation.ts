/**
 * The parts of a request that a test wants to check.
 *
 * @since 0.1.0
 */
import * as Diff from "./internal/diff.ts"
import { asArray, asObject } from "./internal/json.ts"
import type { Request } from "./Request.ts"

/**
 * A text, or a pattern that it must match.
 *
 * @since 0.1.0
 * @category models
 */
export type Text = string | RegExp

/**
 * A pattern for JSON: of an object only the listed keys are compared, of an array every element, and a `RegExp` matches
 * a string.
 *
 * @since 0.1.0
 * @category models
 */
export type Pattern =
  | Text
  | number
  | boolean
  | null
  | undefined
  | ReadonlyArray<Pattern>
  | { readonly [key: string]: Pattern }

/**
 * Omitted fields are not checked. `undefined` for a header or a key of the body means that it must be absent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Expectation {
  readonly method?: string
  /** The end of the path. */
  readonly path?: string
  readonly query?: Readonly<Record<string, Text | undefined>>
  readonly headers?: Readonly<Record<string, Text | undefined>>
  readonly model?: Text
  readonly instructions?: Text
  /** The text of the last message of the user. */
  readonly prompt?: Text
  /** The tool outputs since then, in order. */
  readonly toolOutputs?: ReadonlyArray<{ readonly callId?: Text; readonly output?: Text }>
  /** The types of the items, in order. */
  readonly itemTypes?: ReadonlyArray<string>
  readonly input?: ReadonlyArray<Pattern>
  /** The names of the tools, or the types of tools without a name, in order. */
  readonly toolNames?: ReadonlyArray<string>
  readonly body?: Pattern
}

/** Whether the value matches the pattern. */
const fits = (expected: unknown, actual: unknown): boolean => {
  if (expected instanceof RegExp) return typeof actual === "string" && actual.search(expected) !== -1
  const elements = asArray(expected)
  if (elements !== undefined) {
    const others = asArray(actual)
    return others?.length === elements.length && elements.every((element, n) => fits(element, others[n]))
  }
  const fields = asObject(expected)
  if (fields !== undefined) {
    const others = asObject(actual)
    return others !== undefined && Object.keys(fields).every((key) => fits(fields[key], others[key]))
  }
  return expected === actual
}

/**
 * Reduces the value to the expected parts, so that the diff shows nothing else. A matching part is shown as its
 * pattern.
 */
const projected = (expected: unknown, actual: unknown): unknown => {
  if (fits(expected, actual)) return expected
  const elements = asArray(expected)
  const others = asArray(actual)
  if (elements !== undefined && others !== undefined) {
    return others.map((other, n) => (n < elements.length ? projected(elements[n], other) : other))
  }
  const fields = asObject(expected)
  const values = asObject(actual)
  if (fields !== undefined && !(expected instanceof RegExp) && values !== undefined) {
    return Object.fromEntries(
      Object.keys(fields).flatMap((key) => (key in values ? [[key, projected(fields[key], values[key])]] : []))
    )
  }
  return actual
}

const nameOf = (tool: unknown): unknown => asObject(tool)?.["name"] ?? asObject(tool)?.["type"]

/** The request in the form of the expectation. */
const viewOf = (request: Request, expected: Expectation): unknown => ({
  ...request,
  path: expected.path !== undefined && request.path.endsWith(expected.path) ? expected.path : request.path,
  itemTypes: request.input.map((item) => item.type),
  toolNames: request.tools.map(nameOf)
})

const lowerCase = (expected: Expectation): Expectation =>
  expected.headers === undefined
    ? expected
    : {
        ...expected,
        headers: Object.fromEntries(
          Object.entries(expected.headers).map(([name, value]) => [name.toLowerCase(), value])
        )
      }

/**
 * The difference to the expectation, as a diff: lines with `-` are expected, lines with `+` were received. `undefined`
 * if the request matches.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mismatch = (expectation: Expectation, request: Request): string | undefined => {
  const expected = lowerCase(expectation)
  const view = viewOf(request, expected)
  return fits(expected, view) ? undefined : Diff.lines(Diff.print(expected), Diff.print(projected(expected, view)))
}
