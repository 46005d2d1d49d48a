/** Attempts at something that gives values batch by batch: when one fails, another may take its place. */
import type { Pulling } from "@effect-codex/stream"
import * as Effect from "effect/Effect"

/**
 * Attempts one after the other, as if they were one. A failed attempt is closed before `restart` decides: it gives the
 * values that announce the next attempt, once it is time for that, or fails.
 */
export const restarting = <A, E, Attempt extends Pulling.Pulling<A, E>>(options: {
  /** Makes the attempt of this number, from 1. Nothing happens before it is pulled. */
  readonly attempt: (number: number) => Attempt
  readonly restart: (error: E, failed: Attempt) => Effect.Effect<ReadonlyArray<A>, E>
}): Pulling.Pulling<A, E> => {
  let current: Attempt | undefined
  let attempts = 0
  const close = Effect.suspend(() => {
    const attempt = current
    current = undefined
    return attempt === undefined ? Effect.void : attempt.close
  })
  const pull: Effect.Effect<ReadonlyArray<A>, E> = Effect.suspend(() => {
    current ??= options.attempt(++attempts)
    const attempt = current
    return Effect.catchAll(attempt.pull, (error) =>
      Effect.flatMap(Effect.zipRight(close, options.restart(error, attempt)), (announced) =>
        announced.length > 0 ? Effect.succeed(announced) : pull
      )
    )
  })
  return { pull, close }
}
