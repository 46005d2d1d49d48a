/**
 * Serves a recorded stream over real HTTP, folds it through the client, and compares the result with what the recording
 * itself says at its end.
 */

import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import type { Turn } from "@effect-codex/schema"
import { Script } from "@effect-codex/testing"
import { Effect, Either, Option, Schema } from "effect"
import { Codex, type CodexError } from "effect-codex"
import { embedded } from "../backend.ts"
import { line } from "./print.ts"

/** What the end of a recorded response says, as far as it is compared. */
const Ending = Schema.parseJson(
  Schema.Struct({
    type: Schema.Literal("response.completed", "response.incomplete", "response.failed"),
    response: Schema.Struct({
      error: Schema.optional(Schema.NullOr(Schema.Struct({ message: Schema.optional(Schema.NullOr(Schema.String)) }))),
      output: Schema.optional(Schema.Array(Schema.Record({ key: Schema.String, value: Schema.Unknown })))
    })
  })
)
type Ending = typeof Ending.Type

interface Comparable {
  readonly text: string
  readonly calls: ReadonlyArray<{ readonly callId: string; readonly name: string; readonly arguments: string }>
}

const recorded = ({ response }: Ending): Comparable => {
  const output = response.output ?? []
  const parts = output.flatMap((item) =>
    item["type"] === "message" && Array.isArray(item["content"])
      ? (item["content"] as ReadonlyArray<{ type?: string; text?: string }>)
      : []
  )
  return {
    text: parts.map((part) => (part.type === "output_text" ? (part.text ?? "") : "")).join(""),
    calls: output.flatMap((item) =>
      item["type"] === "function_call" || item["type"] === "custom_tool_call"
        ? [
            {
              callId: String(item["call_id"]),
              name: String(item["name"]),
              arguments: String(item["type"] === "function_call" ? item["arguments"] : item["input"])
            }
          ]
        : []
    )
  }
}

const folded = (turn: Turn.Turn): Comparable => ({
  text: turn.text,
  // what was decoded, whether or not it may be carried out
  calls: turn.blocks.flatMap((block) =>
    block._tag === "ToolCall" && block.finished
      ? [{ callId: block.call.callId, name: block.call.name, arguments: block.call.arguments }]
      : []
  )
})

const differences = (expected: Comparable, actual: Comparable): ReadonlyArray<string> => {
  let at = 0
  while (at < expected.text.length && expected.text[at] === actual.text[at]) at++
  return [
    ...(expected.text === actual.text
      ? []
      : [`the text differs at character ${at} (${expected.text.length} recorded, ${actual.text.length} folded)`]),
    ...(expected.calls.length === actual.calls.length
      ? expected.calls.flatMap((call, index) =>
          JSON.stringify(call) === JSON.stringify(actual.calls[index])
            ? []
            : [`tool call ${index}: recorded ${JSON.stringify(call)}, folded ${JSON.stringify(actual.calls[index])}`]
        )
      : [`${expected.calls.length} tool calls recorded, ${actual.calls.length} folded`])
  ]
}

const describe = (turn: Turn.Turn) =>
  [
    ...turn.blocks.map((block) => {
      switch (block._tag) {
        case "Text":
        case "Refusal":
          return block.text
        case "Reasoning":
          return `(reasoning: ${[...block.summary, ...block.content].join(" ").length} characters)`
        case "ToolCall":
          return `→ ${block.call.name} ${block.call.arguments}`
        case "Item":
          return `(${block.type}${block.status === undefined ? "" : `: ${block.status}`})`
      }
    }),
    `(${turn.status}, ${turn.items.length} items, ${turn.usage?.totalTokens ?? 0} tokens, ${turn.diagnostics.unknown} unknown events)`
  ].join("\n")

/** Compares one response of the recording with its fold; `true` when they agree. */
const compare = (ending: Ending, result: Either.Either<Turn.Turn, CodexError.CodexError>) =>
  Effect.gen(function* () {
    if (Either.isLeft(result)) {
      const expected = ending.response.error?.message
      yield* line(`${result.left._tag}: ${result.left.message}`)
      if (ending.type !== "response.failed") {
        yield* line("DIFFERS: the recording ends well")
        return false
      }
      if ("serverMessage" in result.left && result.left.serverMessage === expected) return true
      yield* line(`DIFFERS: the recording's failure says ${expected}`)
      return false
    }
    yield* line(describe(result.right))
    const found =
      ending.type === "response.failed"
        ? ["the recording ends in a failure, the fold does not"]
        : differences(recorded(ending), folded(result.right))
    yield* Effect.forEach(found, (difference) => line(`DIFFERS: ${difference}`))
    return found.length === 0
  })

export const replay = (file: string) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const text = yield* files.readFileString(file)
    const endings = text.split("\n").flatMap((json) => Option.toArray(Schema.decodeOption(Ending)(json)))
    if (endings.length === 0) {
      yield* line(`${file} holds no response.completed, response.incomplete or response.failed event.`)
      return 1
    }
    const agreed = yield* Effect.gen(function* () {
      const codex = yield* Codex.Codex
      return yield* Effect.forEach(endings, (ending) =>
        Effect.flatMap(Effect.either(codex.turn({ prompt: "replay" })), (result) => compare(ending, result))
      )
    }).pipe(
      // a recorded failure is to be seen, not tried again
      Effect.provide(embedded(Script.recording(text), { retry: { retries: 0 } }))
    )
    yield* line(`${agreed.filter(Boolean).length} of ${agreed.length} responses agree with the recording.`)
    return agreed.every(Boolean) ? 0 : 1
  }).pipe(Effect.provide(NodeFileSystem.layer))
