/** The options of all commands. They can be in any position (`Arguments.ts`). */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"

export const root = Command.make("effect-codex", {
  mock: Options.boolean("mock").pipe(
    Options.withDescription("Use an embedded backend instead of the real one: no login, no network.")
  ),
  debug: Options.boolean("debug").pipe(
    Options.withDescription("Show the log, event times, and the origin of an error.")
  )
})
