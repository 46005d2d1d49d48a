/** Converts a prompt to the entries of a request, using the exact items of remembered turns. */
import type * as Prompt from "@effect/ai/Prompt"
import type { History, Message, RoutingToken } from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Predicate from "effect/Predicate"
import type { KeptTurn } from "../CodexMetadata.ts"
import * as Digest from "./digest.ts"
import { jsonOf } from "./json.ts"
import * as Refused from "./refused.ts"
import type { Toolkit } from "./toolkit.ts"
import type { Remembered, TurnMemory } from "./turnMemory.ts"

export interface Read {
  readonly entries: ReadonlyArray<History.Entry>
  /** The id of the conversation that the prompt continues, if known. */
  readonly conversationId: string | undefined
  /** The routing token of the turn whose calls the prompt answers. */
  readonly routingToken: RoutingToken.RoutingToken | undefined
  /** The digest of the whole prompt and its last message: the key of the turn that answers it. */
  readonly digest: string
  readonly asked: Prompt.Message | undefined
}

const urlOf = ({ data, mediaType }: Prompt.FilePart): string => {
  if (data instanceof URL) return data.href
  if (typeof data !== "string") return `data:${mediaType};base64,${Encoding.encodeBase64(data)}`
  return /^\s*[a-z][a-z0-9+.-]*:/i.test(data) ? data : `data:${mediaType};base64,${data}`
}

const userContent = (part: Prompt.UserMessagePart): Message.Content => {
  if (part.type === "text") return { _tag: "Text", text: part.text }
  const url = urlOf(part)
  if (!part.mediaType.startsWith("image/")) {
    return { _tag: "Document", url, ...(part.fileName !== undefined && { filename: part.fileName }) }
  }
  const detail = part.options.codex?.imageDetail
  return { _tag: "Image", url, ...(detail !== undefined && { detail }) }
}

/**
 * The content of an assistant message that is not remembered. Reasoning cannot be replayed without its encrypted form.
 */
const assistantContent = (
  part: Prompt.AssistantMessagePart,
  toolkit: Toolkit
): ReadonlyArray<Message.AssistantContent> => {
  switch (part.type) {
    case "text":
      return [{ _tag: "Text", text: part.text }]
    case "reasoning":
      return [{ _tag: "Reasoning", summary: part.text === "" ? [] : [part.text] }]
    case "tool-call":
      return part.providerExecuted
        ? []
        : [{ _tag: "ToolCall", call: toolkit.earlierCall(part.id, part.name, part.params) }]
    default:
      return []
  }
}

/** Text is sent unchanged, anything else as JSON. */
const outputOf = (result: unknown): string =>
  typeof result === "string"
    ? result
    : (jsonOf(result, "The result of the tool cannot be shown: it cannot be written as JSON.") ?? "")

const resultOf = ({ id, isFailure, result }: Prompt.ToolResultPart): Message.ToolMessage => ({
  role: "tool",
  content: [{ _tag: "ToolResult", callId: id, output: outputOf(result), ...(isFailure && { isError: true }) }]
})

const isKept = (value: unknown): value is KeptTurn =>
  Predicate.isRecord(value) &&
  Array.isArray(value["items"]) &&
  Array.isArray(value["answers"]) &&
  typeof value["said"] === "string" &&
  typeof value["conversationId"] === "string"

const callIdsOf = (entry: History.Entry): ReadonlyArray<string> => {
  if ("role" in entry && entry.role === "tool") {
    return (entry as Message.ToolMessage).content.map(({ callId }) => callId)
  }
  const { call_id: callId } = entry as { readonly call_id?: unknown }
  return typeof callId === "string" ? [callId] : []
}

/** The answers to the calls of a turn, in the order of the calls. */
const inOrder = (
  answers: ReadonlyArray<History.Entry>,
  calls: ReadonlyArray<History.Entry>
): ReadonlyArray<History.Entry> => {
  const places = new Map<string, number>()
  for (const id of calls.flatMap(callIdsOf)) places.set(id, places.size)
  const placeOf = (entry: History.Entry) => places.get(callIdsOf(entry)[0] ?? "") ?? Number.POSITIVE_INFINITY
  return [...answers].sort((a, b) => {
    const [first, second] = [placeOf(a), placeOf(b)]
    return first === second ? 0 : first - second
  })
}

export const read = (
  prompt: Prompt.Prompt,
  {
    digests,
    memory,
    seed,
    toolkit
  }: {
    readonly digests: Digest.Digests
    readonly memory: TurnMemory
    /** Separates the turns of an explicitly identified conversation from all others. */
    readonly seed: string
    readonly toolkit: Toolkit
  }
): Effect.Effect<Read> =>
  Effect.gen(function* () {
    let entries: Array<History.Entry> = []
    let digest = digests.start(seed)
    let asked: Prompt.Message | undefined
    let last: KeptTurn | undefined
    let routingToken: RoutingToken.RoutingToken | undefined
    /** Answers not yet merged into a tool message. */
    let owed: KeptTurn | undefined

    const settle = (results: ReadonlyArray<History.Entry>) => {
      entries.push(...(owed === undefined ? results : inOrder([...owed.answers, ...results], owed.items)))
      owed = undefined
    }

    const resume = (kept: KeptTurn) =>
      Effect.map(Refused.omitDigests(entries, kept.refused), (readable) => {
        if (readable !== entries) entries = [...readable]
        entries.push(...kept.items)
        last = kept
        owed = kept
      })

    /**
     * A turn without text leaves no message. Consecutive user messages do not prove such a turn, so the message object
     * must match.
     */
    const silentTurn = (before: string, asked: Prompt.Message) =>
      Effect.map(
        Effect.flatMap(Digest.ofSaid({ text: "", callIds: [] }), (said) => Digest.join(before, said)),
        (digest) => memory.recall({ digest, asked }, { same: true })
      )

    for (const message of prompt.content) {
      const step = yield* digests.after(digest, message)
      switch (message.role) {
        case "system":
          settle([])
          entries.push({ role: "system", content: message.content })
          break
        case "user": {
          // a turn without text leaves no message
          const silent = asked?.role === "user" || asked?.role === "tool" ? yield* silentTurn(digest, asked) : undefined
          settle([])
          if (silent !== undefined) {
            yield* resume(silent)
            settle([])
          }
          routingToken = undefined
          entries.push({ role: "user", content: message.content.map(userContent) })
          break
        }
        case "tool":
          // results of hosted tools are in the server's items
          settle(message.content.flatMap((part) => (part.providerExecuted ? [] : [resultOf(part)])))
          break
        case "assistant": {
          settle([])
          const remembered: Remembered | undefined = memory.recall({ digest: step.digest, asked })
          const { codex } = message.options
          const kept = isKept(codex) && codex.said === step.own ? codex : remembered
          if (kept === undefined) {
            routingToken = undefined
            entries.push({
              role: "assistant",
              content: message.content.flatMap((part) => assistantContent(part, toolkit))
            })
          } else {
            yield* resume(kept)
            routingToken = remembered?.routingToken
          }
          break
        }
      }
      digest = step.digest
      asked = message
    }
    settle([])
    return { entries, conversationId: last?.conversationId, routingToken, digest, asked }
  })
