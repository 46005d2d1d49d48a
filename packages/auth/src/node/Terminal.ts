import { spawn } from "node:child_process"
import * as Readline from "node:readline"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LoginInteraction } from "../LoginInteraction.ts"

/** The program that opens an address in the browser, with its arguments. No shell is involved. */
const opener = (url: string): readonly [command: string, args: ReadonlyArray<string>] => {
  switch (process.platform) {
    case "darwin":
      return ["open", [url]]
    case "win32":
      return ["rundll32", ["url.dll,FileProtocolHandler", url]]
    default:
      return ["xdg-open", [url]]
  }
}

/** Detached, because the browser may be a child of the opener. Errors are ignored. */
const openBrowser = (url: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    const [command, args] = opener(url)
    const child = spawn(command, args, { detached: true, stdio: "ignore" })
    child.once("error", () => resume(Effect.void))
    child.once("spawn", () => {
      child.unref()
      resume(Effect.void)
    })
  })

const print = (text: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    process.stderr.write(`${text}\n`, () => resume(Effect.void))
  })

/** Reads one line from standard input. Never resolves if standard input is not a terminal. */
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
 * `LoginInteraction` on the terminal: messages go to standard error, pasted text comes from standard input.
 *
 * @internal
 */
export const layer: Layer.Layer<LoginInteraction> = Layer.succeed(LoginInteraction, {
  openPage: (url) => Effect.zipRight(print(`Log in on this page:\n\n${url}\n`), openBrowser(url)),
  showDeviceCode: ({ verificationUrl, userCode }) =>
    print(`Open ${verificationUrl} on any device and enter this code:\n\n    ${userCode}\n`),
  pastedCode: (problem) =>
    Effect.zipRight(
      print(problem ?? "If the browser cannot reach this computer, paste the address of the last page here."),
      readLine
    )
})
