import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { BrowserLogin, DeviceLogin, Logout } from "@effect-codex/auth"
import * as Effect from "effect/Effect"
import * as Backend from "../Backend.ts"
import * as Screen from "../Screen.ts"
import { root } from "./root.ts"

const device = Options.boolean("device").pipe(
  Options.withDescription("Show a code for a browser on another device, instead of opening one here.")
)

const unlessMock = <E, R>(self: Effect.Effect<void, E, R>) =>
  Effect.flatMap(root, ({ mock }) => (mock ? Screen.line("The embedded backend needs no login.") : self))

export const login = Command.make("login", { device }, ({ device }) =>
  unlessMock(
    Effect.gen(function* () {
      const { planType } = yield* device ? DeviceLogin.login() : BrowserLogin.login()
      yield* Screen.line(`Logged in${planType === undefined ? "" : `, plan ${planType}`}.`)
    }).pipe(Effect.provide(Backend.login))
  )
).pipe(Command.withDescription("Log in to ChatGPT."))

export const logout = Command.make("logout", {}, () =>
  unlessMock(
    Effect.gen(function* () {
      yield* Screen.line((yield* Logout.logout) ? "Logged out." : "There was no login.")
    }).pipe(Effect.provide(Backend.login))
  )
).pipe(Command.withDescription("End the login and revoke its tokens."))
