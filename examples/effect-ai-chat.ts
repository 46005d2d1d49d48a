/**
 * A conversation of `@effect/ai` that keeps its reasoning: with `Chat` in one process, with `CodexPrompt` across
 * processes.
 */
import * as Chat from "@effect/ai/Chat"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as Prompt from "@effect/ai/Prompt"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { CodexLanguageModel, CodexPrompt } from "@effect-codex/ai"
import { PromptCache } from "@effect-codex/testing"
import { Console, Effect, Layer, Schema } from "effect"
import { scripted } from "./backend.ts"

/** A model with reasoning. Prints the cached part of the prompt and the reasoning that was sent back. */
const script = PromptCache.responder(({ input, prompt }) => ({
  reasoning: [],
  text: `"${prompt}" after ${input.filter(({ type }) => type === "reasoning").length} pieces of reasoning`
}))

/** Simulates a separate process: its Layer shares no state with others. */
const inAProcess = Effect.provide(Layer.fresh(CodexLanguageModel.layer({ model: "gpt-5.5" })))

const ask = (history: Prompt.Prompt, words: string) =>
  Effect.gen(function* () {
    const prompt = Prompt.merge(history, words)
    const response = yield* LanguageModel.generateText({ prompt })
    yield* Console.log(`${response.text}, ${response.usage.cachedInputTokens} tokens cached`)
    return Prompt.merge(prompt, CodexPrompt.fromResponseParts(response.content))
  })

const program = Effect.gen(function* () {
  // `Chat` keeps only text, so the Layer restores the rest
  yield* Effect.gen(function* () {
    const chat = yield* Chat.empty
    for (const prompt of ["My name is Ada.", "What is my name?"]) {
      const response = yield* chat.generateText({ prompt })
      yield* Console.log(`${response.text}, ${response.usage.cachedInputTokens} tokens cached`)
    }
  }).pipe(inAProcess)

  // this prompt contains everything, so it works in any process
  const saved = yield* ask(Prompt.empty, "I like cats.").pipe(
    Effect.flatMap(Schema.encode(Prompt.FromJson)),
    inAProcess
  )
  const taken = yield* Schema.decode(Prompt.FromJson)(saved)
  yield* ask(taken, "What do I like?").pipe(inAProcess)
})

program.pipe(Effect.provide(scripted(script)), NodeRuntime.runMain)
