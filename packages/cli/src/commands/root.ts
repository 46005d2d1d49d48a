/** The options that all commands share. They may stand anywhere (`Arguments.ts`). */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"

export const root = Command.make("effect-codex", {
  mock: Options.boolean("mock").pipe(
    Options.withDescription("Ask an embedded backend instead of the real one: no login, no network.")
  ),
  debug: Options.boolean("debug").pipe(Options.withDescription("Show the log, times, and where an error comes from."))
})
