/**
 * Spans that are created only if a tracer is installed, so that other programs do not pay for them.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"

/** The default tracer, which discards all spans. */
const defaultTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/**
 * `Effect.withSpan`, if a tracer is installed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withSpan =
  (name: string) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Effect.tracer, (tracer) =>
      tracer === defaultTracer ? self : (Effect.withSpan(self, name) as Effect.Effect<A, E, R>)
    )

/**
 * Holds the span of a request: `undefined` if no tracer is installed, or after the span has ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Traced {
  span: Tracer.Span | undefined
}

type Attributes = Readonly<Record<string, unknown>>

const annotateSpan = (span: Tracer.Span, attributes: Attributes): void => {
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) span.attribute(key, value)
}

/**
 * Starts the span of a request to the backend as a child of the current span, if a tracer is installed. `undefined`
 * attributes are omitted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (name: string, attributes: () => Attributes): Effect.Effect<Tracer.Span | undefined> =>
  Effect.flatMap(Effect.tracer, (tracer) =>
    tracer === defaultTracer
      ? Effect.succeed(undefined)
      : Effect.map(Effect.makeSpan(name, { kind: "client" }), (span) => {
          annotateSpan(span, attributes())
          return span
        })
  )

/**
 * @since 0.1.0
 * @category combinators
 */
export const annotate = ({ span }: Traced, attributes: Attributes): void => {
  if (span !== undefined) annotateSpan(span, attributes)
}

/**
 * Ends the span, if there is one and it has not ended.
 *
 * @since 0.1.0
 * @category combinators
 */
export const end = (
  traced: Traced,
  exit: Exit.Exit<unknown, unknown>,
  attributes?: () => Attributes
): Effect.Effect<void> => {
  const { span } = traced
  if (span === undefined) return Effect.void
  return Effect.clockWith((clock: Clock.Clock) =>
    Effect.sync(() => {
      traced.span = undefined
      if (attributes !== undefined) annotateSpan(span, attributes())
      span.end(clock.unsafeCurrentTimeNanos(), exit)
    })
  )
}
