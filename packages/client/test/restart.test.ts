/** Attempts one after the other, at anything. */
import { assert, describe, it } from "@effect/vitest"
import type { Pulling } from "@effect-codex/stream"
import * as Effect from "effect/Effect"
import { restarting } from "../src/internal/restart.ts"

/** An attempt that gives these batches, and then fails with the last thing if it is a text. */
const scripted = (log: Array<string>, name: string, ...steps: ReadonlyArray<ReadonlyArray<number> | string>) => {
  let at = 0
  const attempt: Pulling.Pulling<number, string> = {
    pull: Effect.suspend(() => {
      const step = steps[at++] ?? []
      return typeof step === "string" ? Effect.fail(step) : Effect.succeed(step)
    }),
    close: Effect.sync(() => void log.push(`close ${name}`))
  }
  return attempt
}

const all = <A, E>({ pull }: Pulling.Pulling<A, E>): Effect.Effect<ReadonlyArray<ReadonlyArray<A>>, E> =>
  Effect.flatMap(pull, (batch) =>
    batch.length === 0 ? Effect.succeed([]) : Effect.map(all({ pull, close: Effect.void }), (rest) => [batch, ...rest])
  )

describe("restarting", () => {
  it.effect("goes on with the next attempt, announced, once the failed one is closed", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const run = restarting<number, string, Pulling.Pulling<number, string>>({
        attempt: (number) =>
          number === 1 ? scripted(log, "1", [1], [2, 3], "broken") : scripted(log, String(number), [4]),
        restart: (error) =>
          Effect.sync(() => {
            log.push(`restart after ${error}`)
            return [0]
          })
      })
      assert.deepStrictEqual(yield* all(run), [[1], [2, 3], [0], [4]])
      assert.deepStrictEqual(log, ["close 1", "restart after broken"])
      yield* run.close
      assert.deepStrictEqual(log.slice(2), ["close 2"])
    })
  )

  it.effect("without an announcement the next attempt is pulled at once, as often as it is allowed", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const run = restarting<number, string, Pulling.Pulling<number, string>>({
        attempt: (number) => scripted(log, String(number), number < 1000 ? "broken" : [number]),
        restart: () => Effect.succeed([])
      })
      assert.deepStrictEqual(yield* all(run), [[1000]])
      assert.lengthOf(log, 999)
    })
  )

  it.effect("fails with what the decision fails with, and is closed only once", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const run = restarting<number, string, Pulling.Pulling<number, string>>({
        attempt: () => scripted(log, "1", "broken"),
        restart: (error) => Effect.fail(`${error} for good`)
      })
      assert.strictEqual(yield* Effect.flip(run.pull), "broken for good")
      yield* run.close
      assert.deepStrictEqual(log, ["close 1"])
    })
  )

  it.effect("makes nothing before it is pulled", () =>
    Effect.gen(function* () {
      const run = restarting<number, string, Pulling.Pulling<number, string>>({
        attempt: () => assert.fail("made"),
        restart: Effect.fail
      })
      yield* run.close
    })
  )
})
