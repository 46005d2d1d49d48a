/**
 * Encrypted reasoning that the server refused. It stays in the prompt and in the memory, so the turn that had to do
 * without it says what later requests leave out: it is refused only once.
 */
import type { History, Turn } from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Digest from "./digest.ts"

const contentOf = (entry: History.Entry): string | undefined => {
  const { encrypted_content: content, type } = entry as {
    readonly encrypted_content?: unknown
    readonly type?: unknown
  }
  return type === "reasoning" && typeof content === "string" ? content : undefined
}

const contentsOf = (entries: ReadonlyArray<History.Entry>): ReadonlyArray<string> =>
  entries.flatMap((entry) => contentOf(entry) ?? [])

/** The contents among the sent entries that the turn had to do without. */
export const inRequest = (sent: ReadonlyArray<History.Entry>, { input, repairs }: Turn.Turn): ReadonlyArray<string> => {
  const isAsked = repairs?.some((repair) => repair._tag === "ReasoningDropped" && repair.reason === "asked") === true
  if (!isAsked || input === undefined) return []
  const accepted = new Set(contentsOf(Redacted.value(input)))
  return contentsOf(sent).filter((content) => !accepted.has(content))
}

/** The entries without these contents. Their items stay, so that compiling removes what refers to them as well. */
export const omit = (
  entries: ReadonlyArray<History.Entry>,
  refused: ReadonlySet<string>
): ReadonlyArray<History.Entry> =>
  refused.size === 0
    ? entries
    : entries.map((entry) =>
        refused.has(contentOf(entry) ?? "") ? Object.assign({}, entry, { encrypted_content: null }) : entry
      )

/** The digests of contents, as a turn keeps them. */
export const digests = (contents: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>> =>
  Effect.forEach(contents, Digest.sha256)

/** The same as {@link omit}, by digests. */
export const omitDigests = (
  entries: ReadonlyArray<History.Entry>,
  refused: unknown
): Effect.Effect<ReadonlyArray<History.Entry>> => {
  if (!Array.isArray(refused)) return Effect.succeed(entries)
  return Effect.map(
    Effect.filter(contentsOf(entries), (content) =>
      Effect.map(Digest.sha256(content), (digest) => refused.includes(digest))
    ),
    (contents) => omit(entries, new Set(contents))
  )
}
