import * as Readline from "node:readline"
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LoginInteraction } from "../LoginInteraction.ts"

/** What opens an address in the person's browser: a program and its arguments, never a line for a shell. */
const opener = (url: string): Command.Command => {
  switch (process.platform) {
    case "darwin":
      return Command.make("open", url)
    case "win32":
      return Command.make("rundll32", "url.dll,FileProtocolHandler", url)
    default:
      return Command.make("xdg-open", url)
  }
}

const print = (text: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    process.stderr.write(`${text}\n`, () => resume(Effect.void))
  })

/** One line from the keyboard; never where there is no keyboard. */
const readLine: Effect.Effect<string> = Effect.async((resume) => {
  if (!process.stdin.isTTY) return
  const lines = Readline.createInterface({ input: process.stdin })
  lines.once("line", (line) => {
    lines.close()
    resume(Effect.succeed(line))
  })
  return Effect.sync(() => lines.close())
})

/**
 * `LoginInteraction` on the terminal: messages on the standard error, pasting on the standard input.
 *
 * @internal
 */
export const layer: Layer.Layer<LoginInteraction, never, CommandExecutor.CommandExecutor> = Layer.effect(
  LoginInteraction,
  Effect.map(CommandExecutor.CommandExecutor, (executor) => ({
    openPage: (url) =>
      Effect.gen(function* () {
        yield* print(`Log in on this page:\n\n${url}\n`)
        // Without a browser here the printed address is all there is.
        yield* executor.exitCode(opener(url)).pipe(Effect.timeout("5 seconds"), Effect.ignore)
      }),
    showDeviceCode: ({ verificationUrl, userCode }) =>
      print(`Open ${verificationUrl} on any device and enter this code:\n\n    ${userCode}\n`),
    pastedCode: (problem) =>
      Effect.zipRight(
        print(problem ?? "If the browser cannot reach this computer, paste the address it ended on here."),
        readLine
      )
  }))
)
