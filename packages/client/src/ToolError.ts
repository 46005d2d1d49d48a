/**
 * The errors of tool calls, which the model receives as the results of its calls, and of the tool loop.
 *
 * @since 0.1.0
 */
import { Failure, Redaction, type Tool } from "@effect-codex/schema"
import * as Schema from "effect/Schema"

/**
 * The model called an unknown tool: no tool has this name, type and namespace.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownTool extends Failure.Class<UnknownTool>("effect-codex/UnknownTool")("UnknownTool", {
  name: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const name = Redaction.visible(this.name)
    return this.known.length === 0
      ? `There is no tool named "${name}"; no tools are available.`
      : `There is no tool named "${name}". The available tools are: ${this.known.join(", ")}.`
  }
}

/**
 * A call was rejected before it reached its handler: its arguments cannot be parsed (`unreadable`), a call with the
 * same id was executed before (`repeated`), or the program denied it (`denied`, with its reason in `problem`).
 *
 * @since 0.1.0
 * @category errors
 */
export class CallRejected extends Failure.Class<CallRejected>("effect-codex/CallRejected")("CallRejected", {
  name: Schema.String,
  reason: Schema.Literal("unreadable", "repeated", "denied"),
  problem: Schema.optionalWith(Schema.String, { exact: true })
}) {
  override get message(): string {
    return {
      unreadable: `The arguments of the call to "${this.name}" cannot be parsed. Call it again with the arguments as one JSON object.`,
      repeated: `The call to "${Redaction.visible(this.name)}" repeats an earlier call. It was not executed again.`,
      denied: `The call to "${this.name}" was denied: ${this.problem ?? "no reason was given"}`
    }[this.reason]
  }
}

/**
 * A handler ended without a result: it has a bug (`defect`, in `cause`), interrupted itself (`interrupted`), exceeded
 * its time limit (`time`), or its output cannot be sent (`output`, with the reason in `problem`). The model receives
 * the message, but not the cause.
 *
 * @since 0.1.0
 * @category errors
 */
export class HandlerFailed extends Failure.Class<HandlerFailed>("effect-codex/HandlerFailed")("HandlerFailed", {
  name: Schema.String,
  reason: Schema.Literal("defect", "interrupted", "time", "output"),
  problem: Schema.optionalWith(Schema.String, { exact: true }),
  cause: Schema.optionalWith(Schema.Defect, { exact: true })
}) {
  override get message(): string {
    const what = {
      defect: "failed unexpectedly",
      interrupted: "was interrupted",
      time: "took too long and was stopped",
      output: `returned an output that cannot be sent: ${this.problem ?? "neither text nor parts"}`
    }[this.reason]
    return `The tool "${this.name}" ${what}.`
  }
}

/**
 * The errors of a call besides those of its handler.
 *
 * @since 0.1.0
 * @category errors
 */
export type ToolError = Tool.InvalidToolArguments | UnknownTool | CallRejected | HandlerFailed

/**
 * The loop reached a limit before the model was done. Continue from `history`, the history so far.
 *
 * @since 0.1.0
 * @category errors
 */
export class LoopLimitReached extends Failure.Class<LoopLimitReached>("effect-codex/LoopLimitReached")(
  "LoopLimitReached",
  { limit: Schema.Literal("steps", "tokens", "time"), steps: Schema.Number }
) {
  override get message(): string {
    const what = { steps: "maxSteps", tokens: "maxTokens", time: "timeLimit" }[this.limit]
    return `The model was not done after ${this.steps} requests. Raise ${what}, or ask for less.`
  }
}
