/**
 * The failures of tool calls, which the model is told as the results of its calls, and of the loop that carries them out.
 *
 * @since 0.1.0
 */
import { Failure, type Tool } from "@effect-codex/schema"
import * as Schema from "effect/Schema"

/**
 * The model called a tool that is not there: no tool has this name, kind and namespace.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownTool extends Failure.Class<UnknownTool>("effect-codex/UnknownTool")("UnknownTool", {
  name: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return this.known.length === 0
      ? `There is no tool named "${this.name}"; there are no tools to call.`
      : `There is no tool named "${this.name}". The tools are: ${this.known.join(", ")}.`
  }
}

/**
 * A call was not given to its handler: its arguments cannot be read (`unreadable`), a call with the same id was carried out
 * before (`repeated`), or the program denied it (`denied`; `problem` is the reason it gave).
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
      unreadable: `The arguments of the call of "${this.name}" cannot be read; call it again with its arguments as one JSON object.`,
      repeated: `The call of "${this.name}" repeats an earlier call; it was not carried out again.`,
      denied: `The call of "${this.name}" was denied: ${this.problem ?? "no reason was given"}`
    }[this.reason]
  }
}

/**
 * A handler ended without a result: it has a bug (`defect`, in `cause`), interrupted itself (`interrupted`), took longer
 * than its time limit (`time`), or its output cannot be sent (`output`; `problem` says why). The model gets the message,
 * never the cause.
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
      output: `gave an output that cannot be sent: ${this.problem ?? "neither text nor parts"}`
    }[this.reason]
    return `The tool "${this.name}" ${what}.`
  }
}

/**
 * What can come of a call besides the failures of its handler.
 *
 * @since 0.1.0
 * @category errors
 */
export type ToolError = Tool.InvalidToolArguments | UnknownTool | CallRejected | HandlerFailed

/**
 * The loop reached its limit before the model was done. `items` is the history so far, to go on from.
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
    return `The model was not done after ${this.steps} requests; raise ${what}, or ask for less.`
  }
}
