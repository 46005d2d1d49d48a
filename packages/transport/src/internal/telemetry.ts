/** Spans where somebody listens. */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"

/** Where the span of a call is kept; `undefined` when nobody listens, or once it has ended. */
export interface Traced {
  span: Tracer.Span | undefined
}

/** The tracer of a program that installs none: it throws its spans away. */
const idleTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** Starts a span of a request to the backend below the current one; attributes that are `undefined` are left out. */
export const start = (
  name: string,
  attributes: () => Readonly<Record<string, unknown>>
): Effect.Effect<Tracer.Span | undefined> =>
  Effect.flatMap(Effect.tracer, (tracer) => {
    if (tracer === idleTracer) return Effect.succeed(undefined)
    return Effect.map(Effect.makeSpan(name, { kind: "client" }), (span) => {
      annotateSpan(span, attributes())
      return span
    })
  })

const annotateSpan = (span: Tracer.Span, attributes: Readonly<Record<string, unknown>>): void => {
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) span.attribute(key, value)
}

export const annotate = ({ span }: Traced, attributes: Readonly<Record<string, unknown>>): void => {
  if (span !== undefined) annotateSpan(span, attributes)
}

/** Ends the span, if there is one that has not ended. */
export const end = (
  traced: Traced,
  exit: Exit.Exit<unknown, unknown>,
  attributes?: () => Readonly<Record<string, unknown>>
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
