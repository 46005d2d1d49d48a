import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Service, Signals } from "../Signals.ts"

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const

/** Marks listeners of this library, across several copies of it. */
const mark = Symbol.for("@effect-codex/auth/Signals/listener")

type Listener = ((signal: NodeJS.Signals) => void) & { readonly [mark]?: true }

const othersOf = (signal: NodeJS.Signals): number =>
  process.listeners(signal).filter((listener: Listener) => listener[mark] === undefined).length

const hold: Service["hold"] = Effect.asVoid(
  Effect.acquireRelease(
    Effect.sync(() => {
      const held = new Set<NodeJS.Signals>()
      const listener: Listener = Object.assign(
        (signal: NodeJS.Signals) => {
          // Checked before the program's listeners run, because one of them may remove itself.
          if (othersOf(signal) === 0) held.add(signal)
        },
        { [mark]: true } as const
      )
      for (const signal of signals) process.prependListener(signal, listener)
      return { held, listener }
    }),
    ({ held, listener }) =>
      Effect.sync(() => {
        for (const signal of signals) process.removeListener(signal, listener)
        for (const signal of held) process.kill(process.pid, signal)
      })
  )
)

/**
 * `Signals` of this process.
 *
 * @internal
 */
export const layer: Layer.Layer<Signals> = Layer.succeed(Signals, { hold })
