/** Account commands: `whoami`, `models` and `usage`. */
import * as Command from "@effect/cli/Command"
import { ModelCatalogue, RateLimits } from "@effect-codex/schema"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { Codex, CodexAuth } from "effect-codex"
import * as Backend from "../Backend.ts"
import * as Screen from "../Screen.ts"
import { root } from "./root.ts"

export const whoami = Command.make("whoami", {}, () =>
  Effect.gen(function* () {
    const { mock } = yield* root
    yield* Effect.gen(function* () {
      const { accountId, expiresAt, planType } = yield* (yield* CodexAuth.CodexAuth).credentials
      const expires = expiresAt === undefined ? "unknown" : DateTime.formatIso(DateTime.unsafeMake(expiresAt))
      yield* Screen.line(
        Screen.table([
          ["plan", planType ?? "unknown"],
          ["account", Screen.hint(accountId)],
          ["expires", expires]
        ])
      )
    }).pipe(Effect.provide(Backend.auth(mock)))
  })
).pipe(Command.withDescription("Show the account and the expiry of the access token."))

export const models = Command.make("models", {}, () =>
  Effect.gen(function* () {
    const { mock } = yield* root
    yield* Effect.gen(function* () {
      const { models, source } = yield* (yield* Codex.Codex).models
      if (source === "bundled")
        yield* Screen.note(
          "The server's list could not be loaded (`effect-codex doctor` says why). This is the list bundled with this version."
        )
      yield* Screen.line(
        Screen.table([
          ["model", "effort", "context", "description"],
          ...ModelCatalogue.listed(models).map((model) => [
            model.slug,
            model.default_reasoning_level ?? "",
            model.context_window === undefined || model.context_window === null
              ? ""
              : `${Math.round(model.context_window / 1000)}k`,
            model.description ?? ""
          ])
        ])
      )
    }).pipe(Effect.provide(Backend.codex(mock)))
  })
).pipe(Command.withDescription("List the models of the account."))

export const usage = Command.make("usage", {}, () =>
  Effect.gen(function* () {
    const { mock } = yield* root
    yield* Effect.gen(function* () {
      const heard = yield* (yield* Codex.Codex).usage
      const now = yield* Clock.currentTimeMillis
      const { credits, limits, planType } = RateLimits.current(heard, now)
      yield* Screen.line(`plan ${planType ?? "unknown"}`)
      for (const { limitId, limitName, windows } of limits) {
        yield* Screen.line(`\n${limitName ?? limitId}`)
        for (const window of windows) yield* Screen.line(Screen.bar(window, now))
      }
      if (credits?.hasCredits === true) {
        yield* Screen.line(`\ncredits ${credits.unlimited ? "unlimited" : (credits.balance ?? "some")}`)
      }
    }).pipe(Effect.provide(Backend.codex(mock)))
  })
).pipe(Command.withDescription("Show the usage of the plan's limits, and when they reset."))
