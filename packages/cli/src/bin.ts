#!/usr/bin/env node
/** The program `effect-codex`. */
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import manifest from "../package.json" with { type: "json" }
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
    Command.withDescription("The ChatGPT Codex backend on the command line."),
    Command.withSubcommands([ask, chat, login, logout, whoami, models, usage, doctor, replay])
  ),
  { name: "effect-codex", version: manifest.version }
)

const isDebug = process.argv.includes("--debug")

const ctrlC = CtrlC.make()

const main = cli(process.argv).pipe(
  Logger.withMinimumLogLevel(isDebug ? LogLevel.Debug : LogLevel.None),
  Screen.withPlainConsole,
  Effect.provideService(CtrlC.CtrlC, ctrlC),
  Effect.provide(NodeContext.layer)
)

const fiber = Effect.runFork(main)

// whoever reads the output may stop, as `head` does
process.stdout.on("error", () => process.exit())

process.on("SIGINT", () => ctrlC.pressed(() => fiber.unsafeInterruptAsFork(fiber.id())))

fiber.addObserver((exit) => {
  if (Exit.isSuccess(exit)) return
  if (Exit.isInterrupted(exit)) {
    process.exitCode = ExitCode.exitCodes.interrupted
    return
  }
  const error = Cause.squash(exit.cause)
  // the command line has said what is wrong with it
  if (ValidationError.isValidationError(error)) {
    process.exitCode = ExitCode.exitCodes.usage
    return
  }
  process.exitCode = ExitCode.of(error)
  process.stderr.write(`${isDebug ? Cause.pretty(exit.cause, { renderErrorCause: true }) : ExitCode.sentence(error)}\n`)
})
