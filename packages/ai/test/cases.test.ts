/** The shared byte-level cases of whole turns, through the language model: the right outcome in each, both ways. */
import * as Fs from "node:fs"
import { LanguageModel, type Response, Tool, Toolkit } from "@effect/ai"
import { assert, it } from "@effect/vitest"
import { CodexLanguageModel } from "@effect-codex/ai"
import { Script, TestCodex } from "@effect-codex/testing"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { describeShared } from "../../../test/shared.ts"

interface Case {
  readonly id: string
  readonly bytes_base64_chunks: ReadonlyArray<string>
  readonly expected_end: "terminal" | "failed" | "truncated" | "invalid_utf8"
  readonly hold_open?: boolean
  readonly expected_state: {
    readonly text: string
    readonly tool_calls: ReadonlyArray<{ readonly call_id: string; readonly name: string; readonly arguments: string }>
    readonly usage: Readonly<Record<"input_tokens" | "cached_tokens" | "output_tokens", number>> | null
    readonly response_id: string | null
  }
}

const layer = ({ bytes_base64_chunks: chunks, hold_open }: Case) => {
  const step = Script.bytes(chunks.map((chunk) => new Uint8Array(Buffer.from(chunk, "base64"))))
  return Layer.provideMerge(
    CodexLanguageModel.layer(),
    TestCodex.layer([hold_open === true ? step.pipe(Script.holdOpen) : step], {
      retry: { retries: 0, outageRetries: 0 }
    })
  )
}

const toolkitOf = ({ expected_state: { tool_calls } }: Case) =>
  Toolkit.make(
    ...tool_calls.map(({ name }) =>
      Tool.make(name, {
        parameters: { path: Schema.String },
        success: Schema.String
      })
    )
  )

interface Got {
  readonly text: string
  readonly calls: ReadonlyArray<{ readonly id: string; readonly name: string }>
  readonly finish: Response.FinishPart | undefined
}

const gotOf = (parts: ReadonlyArray<Response.AnyPart>): Got => ({
  text: parts.map((part) => (part.type === "text-delta" ? part.delta : part.type === "text" ? part.text : "")).join(""),
  calls: parts.flatMap((part) => (part.type === "tool-call" ? [{ id: part.id, name: part.name }] : [])),
  finish: parts.flatMap((part) => (part.type === "finish" ? [part] : []))[0]
})

const tags: Readonly<Record<Exclude<Case["expected_end"], "terminal">, string>> = {
  failed: "ResponseFailed",
  truncated: "StreamTruncated",
  invalid_utf8: "InvalidUtf8"
}

const methods = {
  generateText: (one: Case) =>
    Effect.map(
      LanguageModel.generateText({ prompt: "Hi", toolkit: toolkitOf(one), disableToolCallResolution: true }),
      ({ content }) => content as ReadonlyArray<Response.AnyPart>
    ),
  streamText: (one: Case) =>
    LanguageModel.streamText({ prompt: "Hi", toolkit: toolkitOf(one), disableToolCallResolution: true }).pipe(
      Stream.runCollect,
      Effect.map((parts) => Chunk.toReadonlyArray(parts) as ReadonlyArray<Response.AnyPart>)
    )
}

describeShared("the cases of whole turns", { path: "sse-cases.json", count: 45 }, (file) => {
  const all: ReadonlyArray<Case> = JSON.parse(Fs.readFileSync(file, "utf8")).cases
  const cases = all.filter(({ id }) => id.startsWith("full-"))

  it("are 22", () => {
    assert.strictEqual(cases.length, 22)
  })

  for (const [method, run] of Object.entries(methods)) {
    for (const one of cases) {
      it.effect(`${method}: ${one.id}`, () =>
        Effect.gen(function* () {
          const outcome = yield* Effect.either(
            Effect.map(run(one) as Effect.Effect<ReadonlyArray<Response.AnyPart>, never>, gotOf)
          )
          const { expected_end, expected_state: state } = one
          // the client takes a terminal event that lacks only its blank line
          const end = one.id === "full-terminal-no-blank-line" ? "terminal" : expected_end
          if (end === "terminal") {
            if (Either.isLeft(outcome)) return assert.fail(String(outcome.left))
            const { calls, finish, text } = outcome.right
            assert.strictEqual(text, state.text)
            assert.deepStrictEqual(
              calls,
              state.tool_calls.map(({ call_id: id, name }) => ({ id, name }))
            )
            assert.strictEqual(finish?.reason, state.tool_calls.length > 0 ? "tool-calls" : "stop")
            if (state.usage !== null) {
              assert.strictEqual(finish?.usage.inputTokens, state.usage.input_tokens)
              assert.strictEqual(finish?.usage.outputTokens, state.usage.output_tokens)
              assert.strictEqual(finish?.usage.cachedInputTokens, state.usage.cached_tokens)
            }
            assert.strictEqual(finish?.metadata.codex?.responseId, state.response_id ?? undefined)
          } else {
            if (Either.isRight(outcome)) return assert.fail("the turn did not fail")
            const error = Option.getOrThrow(CodexLanguageModel.codexError(outcome.left))
            assert.strictEqual(error._tag, tags[end])
            assert.strictEqual(error.partial?.text ?? "", state.text)
          }
        }).pipe(Effect.provide(layer(one)))
      )
    }
  }
})
