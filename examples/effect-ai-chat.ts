/**
 * A conversation of `@effect/ai` that keeps its reasoning: through `Chat` in one process, through `CodexPrompt` into
 * another one.
 */
import * as Chat from "@effect/ai/Chat"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as Prompt from "@effect/ai/Prompt"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { CodexLanguageModel, CodexPrompt } from "@effect-codex/ai"
import { PromptCache } from "@effect-codex/testing"
import { Console, Effect, Layer, Schema } from "effect"
import { scripted } from "./backend.ts"

/** A model that reasons, and says how much of the prompt the server had cached and how much reasoning came back. */
const script = PromptCache.responder(({ input, prompt }) => ({
  reasoning: [],
  text: `"${prompt}" after ${input.filter(({ type }) => type === "reasoning").length} pieces of reasoning`
}))

/** A process of its own: its Layer remembers nothing of others. */
const inAProcess = Effect.provide(Layer.fresh(CodexLanguageModel.layer({ model: "gpt-5.5" })))

const ask = (history: Prompt.Prompt, words: string) =>
  Effect.gen(function* () {
    const prompt = Prompt.merge(history, words)
    const response = yield* LanguageModel.generateText({ prompt })
    yield* Console.log(`${response.text}, ${response.usage.cachedInputTokens} tokens cached`)
    return Prompt.merge(prompt, CodexPrompt.fromResponseParts(response.content))
  })

const program = Effect.gen(function* () {
  // a stock Chat keeps words only; the Layer puts the rest back
  yield* Effect.gen(function* () {
    const chat = yield* Chat.empty
    for (const prompt of ["My name is Ada.", "What is my name?"]) {
      const response = yield* chat.generateText({ prompt })
      yield* Console.log(`${response.text}, ${response.usage.cachedInputTokens} tokens cached`)
    }
  }).pipe(inAProcess)

  // a prompt that keeps everything by itself goes anywhere
  const saved = yield* ask(Prompt.empty, "I like cats.").pipe(
    Effect.flatMap(Schema.encode(Prompt.FromJson)),
    inAProcess
  )
  const taken = yield* Schema.decode(Prompt.FromJson)(saved)
  yield* ask(taken, "What do I like?").pipe(inAProcess)
})

program.pipe(Effect.provide(scripted(script)), NodeRuntime.runMain)
