/**
 * Log in to ChatGPT: `login.ts` opens the browser, `login.ts --device` shows a code for another device,
 * `login.ts --logout` ends the login.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { BrowserLogin, DeviceLogin, Logout } from "@effect-codex/auth"
import * as NodeAuth from "@effect-codex/auth/node"
import { Console, Effect, Layer } from "effect"

const has = (flag: string) => process.argv.includes(flag)

const program = Effect.gen(function* () {
  if (has("--logout")) {
    const was = yield* Logout.logout
    return yield* Console.log(was ? "Logged out." : "There was no login.")
  }
  const { planType } = yield* has("--device") ? DeviceLogin.login() : BrowserLogin.login()
  yield* Console.log(`Logged in${planType === undefined ? "" : `, plan ${planType}`}.`)
})

program.pipe(
  Effect.provide(NodeAuth.layerLogin().pipe(Layer.provide(FetchHttpClient.layer))),
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
