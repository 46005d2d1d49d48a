/** Error messages and exit codes of commands. */
import { Failure } from "@effect-codex/schema"
import * as ConfigError from "effect/ConfigError"
import * as Predicate from "effect/Predicate"
import { ClientEvent } from "effect-codex"

/** The exit codes listed in `docs/command-line.md`. */
export const exitCodes = { failed: 1, usage: 2, account: 3, later: 4, interrupted: 130 } as const

const usageErrors = ["UnknownOption", "MisusedOption", "UnreadableFile"]

export const of = (error: unknown): number => {
  if (usageErrors.some((tag) => Predicate.isTagged(error, tag))) return exitCodes.usage
  if (ConfigError.isConfigError(error) || Predicate.isTagged(error, "ChatsUnusable")) return exitCodes.account
  return Failure.isFailure(error) && error.group !== "request" ? exitCodes[error.group] : exitCodes.failed
}

/** The last event of a command that fails. */
export const event = (error: unknown): ClientEvent.ClientEvent => {
  if (Failure.isFailure(error)) return ClientEvent.fromError(error)
  const reason = Predicate.hasProperty(error, "_tag") ? String(error._tag) : "ConfigError"
  return { _tag: "Failed", reason, group: of(error) === exitCodes.account ? "account" : "request" }
}

/** The message of an error, or its name if it has no message. */
export const sentence = (error: unknown): string => {
  // the message alone does not name the variable
  if (ConfigError.isConfigError(error))
    return `The settings are invalid: ${error}. See docs/settings.md for the valid values.`
  const message = Predicate.hasProperty(error, "message") ? error.message : undefined
  if (typeof message === "string" && message.trim() !== "") return message
  return Predicate.hasProperty(error, "_tag") ? String(error._tag) : "Something failed."
}
