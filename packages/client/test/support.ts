import { ScriptedBackend } from "@effect-codex/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"

/**
 * Lets virtual time pass until the effect is done; the backend without sockets needs real macrotasks in between. After a
 * minute it passes faster.
 */
export const run = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    for (let step = 0; (yield* Fiber.poll(fiber))._tag === "None"; step++) {
      yield* TestClock.adjust(step < 60 ? "1 seconds" : "10 seconds")
      yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
    }
    return yield* Fiber.join(fiber)
  })

/** What the scripted backend was asked. */
export const requests = Effect.flatMap(ScriptedBackend.ScriptedBackend, (backend) => backend.requests)

/** The JSON bodies it was sent. */
export const bodies = Effect.map(requests, (all) =>
  all.map(
    (request) => request.body as { readonly input: ReadonlyArray<Record<string, unknown>> } & Record<string, unknown>
  )
)

/** Lets virtual time pass until the scripted backend has been asked this often. */
export const untilAsked = (times: number) =>
  run(Effect.repeat(Effect.zipLeft(requests, Effect.sleep("1 seconds")), { until: ({ length }) => length >= times }))
