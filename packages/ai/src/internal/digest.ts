/**
 * A digest of a conversation's content so far.
 *
 * It covers only what survives in programs and in JSON: roles, texts, call ids, results, file bytes. It ignores
 * options, key order and decoded parameters. For assistant messages it covers only texts and call ids, which is what a
 * `Chat` keeps.
 */
import type * as Prompt from "@effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"

const encoder = new TextEncoder()

export const sha256 = (text: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => globalThis.crypto.subtle.digest("SHA-256", encoder.encode(text))),
    (digest) => Encoding.encodeBase64(new Uint8Array(digest))
  )

/** JSON with sorted keys; values that JSON cannot represent are omitted. */
const canonicalJson = (value: unknown): string => {
  try {
    return JSON.stringify(sorted(JSON.parse(JSON.stringify(value) ?? "null")))
  } catch {
    return "not JSON"
  }
}

const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : typeof value === "object" && value !== null
      ? Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, inner]) => [key, sorted(inner)])
      : value

/** The digested content of an assistant message. */
export interface Said {
  readonly text: string
  readonly callIds: ReadonlyArray<string>
}

export const saidIn = (content: ReadonlyArray<Prompt.AssistantMessagePart>): Said => ({
  text: content.map((part) => (part.type === "text" ? part.text : "")).join(""),
  callIds: content.flatMap((part) => (part.type === "tool-call" && !part.providerExecuted ? [part.id] : []))
})

const fileContent = (data: Prompt.FilePart["data"]): string =>
  typeof data === "string" ? data : data instanceof URL ? data.href : Encoding.encodeBase64(data)

const canonical = (message: Prompt.Message): string => {
  switch (message.role) {
    case "system":
      return canonicalJson(["system", message.content])
    case "user":
      return canonicalJson([
        "user",
        message.content.map((part) =>
          part.type === "text"
            ? ["text", part.text]
            : ["file", part.mediaType, part.fileName ?? null, fileContent(part.data)]
        )
      ])
    case "assistant":
      return canonicalSaid(saidIn(message.content))
    case "tool":
      return canonicalJson(["tool", message.content.map(({ id, isFailure, result }) => [id, isFailure, result])])
  }
}

const canonicalSaid = ({ callIds, text }: Said): string => canonicalJson(["assistant", text, callIds])

export const ofSaid = (said: Said): Effect.Effect<string> => sha256(canonicalSaid(said))

/** Digests of whole conversations, cached by message and position. */
export interface Digests {
  readonly start: (seed: string) => string
  readonly after: (before: string, message: Prompt.Message) => Effect.Effect<Step>
}

/** The digests of one message, and of the conversation before and including it. */
export interface Step {
  readonly before: string
  readonly own: string
  readonly digest: string
}

/** The digest after an assistant message, from the digest of its content. */
export const join = (before: string, own: string): Effect.Effect<string> => sha256(`${before} ${own}`)

export const make = (): Digests => {
  const steps = new WeakMap<Prompt.Message, Step>()
  return {
    start: (seed) => `start ${seed}`,
    after: (before, message) =>
      Effect.suspend(() => {
        const known = steps.get(message)
        if (known?.before === before) return Effect.succeed(known)
        return Effect.flatMap(known === undefined ? sha256(canonical(message)) : Effect.succeed(known.own), (own) =>
          Effect.map(join(before, own), (digest) => {
            const step: Step = { before, own, digest }
            steps.set(message, step)
            return step
          })
        )
      })
  }
}
