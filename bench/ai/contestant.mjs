/**
 * A program of `@effect/ai`, which knows nothing of its provider: one text, or one byte-level case. It is plain
 * JavaScript so that it also runs outside the workspace, with another provider's packages beside it.
 */
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const ReadFile = Tool.make("read_file", { parameters: { path: Schema.String }, success: Schema.String })
const tools = Toolkit.make(ReadFile)

const gotOf = (parts) => {
  const finish = parts.find((part) => part.type === "finish")
  return {
    text: parts
      .map((part) => (part.type === "text-delta" ? part.delta : part.type === "text" ? part.text : ""))
      .join(""),
    calls: parts.flatMap((part) => (part.type === "tool-call" ? [{ id: part.id, name: part.name }] : [])),
    reason: finish?.reason,
    inputTokens: finish?.usage.inputTokens,
    outputTokens: finish?.usage.outputTokens
  }
}

const methods = {
  generateText: Effect.suspend(() =>
    Effect.map(LanguageModel.generateText({ prompt: "Hi", toolkit: tools }), ({ content }) => content)
  ),
  streamText: Effect.suspend(() =>
    Effect.map(Stream.runCollect(LanguageModel.streamText({ prompt: "Hi", toolkit: tools })), (parts) => [...parts])
  )
}

/** Does what the parent process says, with the model that `provide` gives for a base URL. */
export const serve = (provide) => {
  const runOne = async ({ base, method }) => {
    let ran = 0
    const handlers = tools.toLayer({
      read_file: () =>
        Effect.sync(() => {
          ran++
          return "content"
        })
    })
    const outcome = await methods[method].pipe(
      Effect.map(gotOf),
      Effect.provide(handlers),
      Effect.provide(provide(base)),
      Effect.timeout("5 seconds"),
      Effect.sandbox,
      Effect.either,
      Effect.runPromise
    )
    return { ran, ...(Either.isRight(outcome) ? { got: outcome.right } : { failed: true }) }
  }

  const texts = ({ base, turns }) => {
    const one = LanguageModel.streamText({ prompt: "Hi" }).pipe(
      Stream.runFold(0, (length, part) => length + (part.type === "text-delta" ? part.delta.length : 0))
    )
    return Effect.gen(function* () {
      let length = yield* one
      const start = process.cpuUsage()
      for (let n = 0; n < turns; n++) length = yield* one
      const { system, user } = process.cpuUsage(start)
      return { length, cpuMillis: (system + user) / 1000 / turns }
    }).pipe(Effect.provide(provide(base)), Effect.runPromise)
  }

  process.on("message", (task) =>
    (task.do === "case" ? runOne(task) : texts(task)).then(
      (answer) => process.send({ answer }),
      (error) => process.send({ error: String(error?.stack ?? error) })
    )
  )
  process.on("disconnect", () => process.exit())
  process.send({ ready: true })
}
