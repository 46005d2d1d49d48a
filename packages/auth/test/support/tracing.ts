import * as Tracer from "effect/Tracer"

/** A tracer that hands out everything its spans are told. */
export const recordingTracer = (note: (...values: ReadonlyArray<unknown>) => void): Tracer.Tracer =>
  Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      note(name)
      return {
        _tag: "Span",
        spanId: "1",
        traceId: "1",
        sampled: true,
        name,
        parent,
        context,
        links: [...links],
        status: { _tag: "Started", startTime },
        attributes: new Map(),
        kind,
        end: (_time, exit) => note(exit),
        attribute: (key, value) => note(`${key}=${String(value)}`, value),
        event: (key, _time, attributes) => note(key, attributes),
        addLinks: () => {}
      }
    },
    context: (f) => f()
  })
