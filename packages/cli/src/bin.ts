#!/usr/bin/env node
/** The program `effect-codex`. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import manifest from "../package.json" with { type: "json" }
import * as Arguments from "./Arguments.ts"
import * as CtrlC from "./CtrlC.ts"
import { models, usage, whoami } from "./commands/account.ts"
import { ask } from "./commands/ask.ts"
import { chat } from "./commands/chat.ts"
import { doctor } from "./commands/doctor.ts"
import { login, logout } from "./commands/login.ts"
import { replay } from "./commands/replay.ts"
import { root } from "./commands/root.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Screen from "./Screen.ts"

const cli = Command.run(
  root.pipe(
    Command.withDescription(
      "The ChatGPT Codex backend on the command line. `--completions bash`, `zsh` or `fish` prints completions, `--version` the version."
    ),
    Command.withSubcommands([ask, chat, login, logout, whoami, models, usage, doctor, replay])
  ),
  { name: "effect-codex", version: manifest.version }
)

const isDebug = Arguments.isDebug(process.argv)

const ctrlC = CtrlC.make()

const main = Effect.suspend(() => Arguments.unknownOption(process.argv) ?? cli(Arguments.arranged(process.argv))).pipe(
  Logger.withMinimumLogLevel(isDebug ? LogLevel.Debug : LogLevel.None),
  Effect.withUnhandledErrorLogLevel(Option.none()),
  Screen.withConsole,
  Effect.provideService(CtrlC.CtrlC, ctrlC),
  Effect.provide([
    // logs are not part of the answer
    Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)),
    CliConfig.layer({ showBuiltIns: false }),
    NodeContext.layer
  ])
)

const fiber = Effect.runFork(main)

// a reader such as `head` may stop early; report any other error, such as a full disk
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit()
  process.stderr.write(`The output cannot be written: ${error.message}.\n`)
  process.exit(ExitCode.exitCodes.failed)
})
process.stderr.on("error", () => {})

const busy = Effect.runSync(
  Effect.once(
    Screen.note(
      "The login is being refreshed, and the program ends once it is stored: ending now could lose it. Ctrl-\\ ends at once."
    )
  )
)

process.on("SIGINT", () => ctrlC.pressed(() => void Effect.runFork(CtrlC.end(fiber, busy))))

fiber.addObserver((exit) => {
  if (Exit.isSuccess(exit)) return
  if (Exit.isInterrupted(exit)) {
    process.exitCode = ExitCode.exitCodes.interrupted
    return
  }
  const error = Cause.squash(exit.cause)
  // the parser has printed what is wrong
  if (ValidationError.isValidationError(error)) {
    process.exitCode = ExitCode.exitCodes.usage
    process.stderr.write("`effect-codex --help` lists commands and options.\n")
    return
  }
  process.exitCode = ExitCode.of(error)
  process.stderr.write(`${isDebug ? Cause.pretty(exit.cause, { renderErrorCause: true }) : ExitCode.sentence(error)}\n`)
})
