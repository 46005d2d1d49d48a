/** The one place that knows the library behind the property tests. */
import { make } from "effect/Arbitrary"
import * as FastCheck from "effect/FastCheck"
import type * as Schema from "effect/Schema"

export type Arbitrary<A> = FastCheck.Arbitrary<A>

/** Values drawn at random. */
export const draw = FastCheck

/** Values of a schema, drawn at random. */
export const drawFrom = <A, I>(schema: Schema.Schema<A, I>): Arbitrary<A> => make(schema)

/** Checks a property of values drawn at random. */
export const forAll = <Values extends ReadonlyArray<unknown>>(
  arbitraries: { readonly [K in keyof Values]: Arbitrary<Values[K]> },
  check: (...values: Values) => void,
  runs = 200
): void => {
  FastCheck.assert(
    FastCheck.property(FastCheck.tuple(...(arbitraries as ReadonlyArray<Arbitrary<unknown>>)), (values) =>
      check(...(values as unknown as Values))
    ),
    { numRuns: runs }
  )
}
