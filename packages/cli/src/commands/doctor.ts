/** The `doctor` command. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Doctor } from "effect-codex"
import * as Backend from "../Backend.ts"
import * as ExitCode from "../ExitCode.ts"
import * as Screen from "../Screen.ts"
import { root } from "./root.ts"

const rows = (facts: Doctor.Facts): ReadonlyArray<readonly [string, string | undefined]> => [
  ["backend", facts.baseUrl],
  ["proxy", facts.proxy],
  ["plan", facts.planType],
  ["account", facts.account && Screen.hint(facts.account)],
  ["expires", facts.expiresAt === undefined ? undefined : DateTime.formatIso(DateTime.unsafeMake(facts.expiresAt))],
  ["model", facts.model],
  ["models", facts.models?.toString()],
  ["clock", facts.clockAheadMillis === undefined ? undefined : `${Math.round(facts.clockAheadMillis / 1000)} s ahead`]
]

const turn = Options.boolean("turn").pipe(
  Options.withDescription("Also send one small turn, which costs tokens, to detect a proxy that buffers streams.")
)

export const doctor = Command.make("doctor", { turn }, ({ turn }) =>
  Effect.gen(function* () {
    const { mock } = yield* root
    const { facts, findings } = yield* Backend.examination(mock, { turn })
    const known = rows(facts).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
    if (known.length > 0) yield* Screen.line(Screen.table(known))
    for (const { _tag, advice, message } of findings) yield* Screen.line(`\n${_tag}: ${message}\n  ${advice}`)
    if (findings.length === 0) {
      const more = turn ? "" : " Only a turn can show a proxy that buffers streams: `doctor --turn` sends one."
      return yield* Screen.line(`\nNo problems found.${more}`)
    }
    yield* Effect.sync(() => {
      process.exitCode = ExitCode.exitCodes.account
    })
  })
).pipe(Command.withDescription("Find problems that keep turns from working. Without `--turn` it uses no tokens."))
