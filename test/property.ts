/** Property tests: the one place that knows the library behind them. */
import { make } from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import type * as Schema from "effect/Schema"

export type Arbitrary<A> = FastCheck.Arbitrary<A>

/** Values drawn at random. */
export const draw = FastCheck

/** Values of a schema, drawn at random. */
export const drawFrom = <A, I>(schema: Schema.Schema<A, I>): Arbitrary<A> => make(schema)

/** How many values are drawn, 100 by default, and from which seed: see `test/setup.ts`. */
interface Options {
  readonly runs?: number
  readonly seed?: number
}

type Arbitraries<Values extends ReadonlyArray<unknown>> = { readonly [K in keyof Values]: Arbitrary<Values[K]> }

const together = <Values extends ReadonlyArray<unknown>>(arbitraries: Arbitraries<Values>): Arbitrary<Values> =>
  FastCheck.tuple(...(arbitraries as ReadonlyArray<Arbitrary<unknown>>)) as unknown as Arbitrary<Values>

const parameters = ({ runs = 100, seed }: Options) => ({ numRuns: runs, ...(seed !== undefined && { seed }) })

/** The values themselves. */
export const sample = <A>(arbitrary: Arbitrary<A>, options: Options): ReadonlyArray<A> =>
  FastCheck.sample(arbitrary, parameters(options))

/** Checks a property of values drawn at random. */
export const forAll = <Values extends ReadonlyArray<unknown>>(
  arbitraries: Arbitraries<Values>,
  check: (...values: Values) => void,
  options: Options = {}
): void =>
  FastCheck.assert(
    FastCheck.property(together(arbitraries), (values) => check(...values)),
    parameters(options)
  )

/** The same for a check that is an effect. Each runs by itself, in real time. */
export const forAllEffect = <Values extends ReadonlyArray<unknown>, E>(
  arbitraries: Arbitraries<Values>,
  check: (...values: Values) => Effect.Effect<void, E>,
  options: Options = {}
): Effect.Effect<void> =>
  Effect.promise(() =>
    FastCheck.assert(
      FastCheck.asyncProperty(together(arbitraries), (values) => Effect.runPromise(check(...values))),
      parameters(options)
    )
  )
