/**
 * Serves a recorded stream over real HTTP, folds it through the client, and compares the result with what the recording
 * itself says at its end.
 */

import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { ErrorStatement, ResponseEvent, type Turn } from "@effect-codex/schema"
import { Script } from "@effect-codex/testing"
import { Effect, Either, Option, Schema } from "effect"
import { Codex, type CodexError } from "effect-codex"
import { embedded } from "../backend.ts"
import { line } from "./print.ts"

type Raw = Readonly<Record<string, unknown>>

const asObject = (value: unknown): Raw | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : undefined

const asList = (value: unknown): ReadonlyArray<Raw> =>
  Array.isArray(value) ? value.flatMap((one: unknown): ReadonlyArray<Raw> => [asObject(one) ?? {}]) : []

/** One recorded response: what its items say, where it says so, and how it ends. */
interface Recorded {
  /** The items as they were done, and the list of the last event, where it has one: this backend leaves it empty. */
  readonly statements: ReadonlyArray<ReadonlyArray<Raw>>
  readonly ending: "well" | "failure" | "cut"
  readonly failure: string | undefined
}

const decodeEvent = Schema.decodeOption(Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown })))

const typeOf = (event: Raw): string => String(event["type"])

/** The responses of a recording: the next one begins at `response.created` behind an ending. */
const responsesOf = (text: string): ReadonlyArray<Recorded> => {
  const responses: Array<Array<Raw>> = [[]]
  let ended = false
  for (const event of text.split("\n").flatMap((line) => Option.toArray(decodeEvent(line)))) {
    if (ended && typeOf(event) === "response.created") responses.push([])
    if (typeOf(event) === "response.created") ended = false
    if (!ended) responses.at(-1)?.push(event)
    ended ||= ResponseEvent.isTerminalType(typeOf(event))
  }
  return responses.filter((events) => events.length > 0).map(read)
}

const read = (events: ReadonlyArray<Raw>): Recorded => {
  const done = events
    .filter((event) => typeOf(event) === "response.output_item.done")
    .sort((a, b) => Number(a["output_index"] ?? 0) - Number(b["output_index"] ?? 0))
    .map(({ item }): Raw => asObject(item) ?? {})
  const last = events.at(-1) ?? {}
  const response = asObject(last["response"])
  const listed = asList(response?.["output"])
  const error = ErrorStatement.fromValue(response?.["error"] ?? last)
  const isFailure =
    ["response.failed", "response.error", "error"].includes(typeOf(last)) ||
    response?.["status"] === "failed" ||
    [response?.["error"], last["error"]].some(ErrorStatement.isPresent)
  return {
    statements: [done, listed].filter((items) => items.length > 0),
    ending: !ResponseEvent.isTerminalType(typeOf(last)) ? "cut" : isFailure ? "failure" : "well",
    failure: isFailure ? error.message : undefined
  }
}

interface Comparable {
  readonly text: string
  readonly calls: ReadonlyArray<{ readonly callId: string; readonly name: string; readonly arguments: string }>
}

/** What some items say. Half a call is none. */
const said = (items: ReadonlyArray<Raw>): Comparable => ({
  text: items
    .flatMap((item) => (item["type"] === "message" ? asList(item["content"]) : []))
    .map((part) => (part["type"] === "output_text" ? String(part["text"] ?? "") : ""))
    .join(""),
  calls: items.flatMap((item) =>
    (item["type"] === "function_call" || item["type"] === "custom_tool_call") && item["status"] !== "incomplete"
      ? [
          {
            callId: String(item["call_id"]),
            name: String(item["name"]),
            arguments: String(item["type"] === "function_call" ? item["arguments"] : item["input"])
          }
        ]
      : []
  )
})

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
const compare = (recorded: Recorded, result: Either.Either<Turn.Turn, CodexError.CodexError>) =>
  Effect.gen(function* () {
    if (Either.isLeft(result)) {
      const error = result.left
      yield* line(`${error._tag}: ${error.message}`)
      if (recorded.ending === "cut") {
        yield* line(
          `CUT: the recording has no last event. So far: ${("partial" in error && error.partial?.text) || "nothing"}`
        )
        return false
      }
      if (recorded.ending === "well") {
        yield* line("DIFFERS: the recording ends well")
        return false
      }
      if ("serverMessage" in error && error.serverMessage === recorded.failure) return true
      yield* line(`DIFFERS: the recording's failure says ${recorded.failure}`)
      return false
    }
    const turn = result.right
    yield* line(describe(turn))
    const found =
      recorded.ending === "well"
        ? new Set(recorded.statements.flatMap((items) => differences(said(items), folded(turn))))
        : ["the recording does not end well, the fold does"]
    for (const difference of found) yield* line(`DIFFERS: ${difference}`)
    return [...found].length === 0
  })

export const replay = (file: string) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const text = yield* files.readFileString(file)
    const responses = responsesOf(text)
    if (responses.length === 0) {
      yield* line(`${file} holds no events: it should have one JSON event a line.`)
      return 1
    }
    const agreed = yield* Effect.gen(function* () {
      const codex = yield* Codex.Codex
      return yield* Effect.forEach(responses, (recorded) =>
        Effect.flatMap(Effect.either(codex.turn({ prompt: "replay" })), (result) => compare(recorded, result))
      )
    }).pipe(
      // a recorded failure is to be seen, not tried again
      Effect.provide(embedded(Script.recording(text), { retry: { retries: 0 } }))
    )
    yield* line(`${agreed.filter(Boolean).length} of ${agreed.length} responses agree with the recording.`)
    return agreed.every(Boolean) ? 0 : 1
  }).pipe(Effect.provide(NodeFileSystem.layer))
