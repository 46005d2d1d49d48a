/**
 * Whether the memory of turns stays within its bound over many chats: `pnpm --filter @effect-codex/ai soak` (10,000 chats of two rounds).
 * It prints the heap after every thousand and fails when a chat got an item of another one, or when the heap goes on growing.
 */
import * as Chat from "@effect/ai/Chat"
import type * as Response from "@effect/ai/Response"
import { CodexLanguageModel } from "@effect-codex/ai"
import type { Turn } from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Codex } from "effect-codex"

const chats = Number(process.argv[2] ?? 10_000)
const every = Math.max(1, Math.round(chats / 10))

let requests = 0
let foreign = 0
let recalled = 0

/** A backend of no memory of its own: it answers everybody the same, with reasoning of the asking chat. */
const secretOf = (input: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  input.flatMap((item) => {
    const { encrypted_content: secret } = item as { readonly encrypted_content?: unknown }
    return typeof secret === "string" ? [secret] : []
  })

const turnOf = (n: number): Turn.Turn => ({
  status: "completed",
  responseId: `resp_${n}`,
  blocks: [{ _tag: "Text", outputIndex: 1, text: "OK.", annotations: [] }],
  text: "OK.",
  items: [
    { type: "reasoning", id: `rs_${n}`, summary: [], encrypted_content: `${n} `.padEnd(2000, "x") },
    { type: "message", id: `msg_${n}`, role: "assistant", content: [{ type: "output_text", text: "OK." }] }
  ],
  toolCalls: [],
  abandonedToolCalls: [],
  diagnostics: { events: 0, unknown: 0, malformed: 0, driftCount: 0, drift: [] }
})

let sent: ReadonlyArray<string> = []

const codex = Layer.succeed(Codex.Codex, {
  stream: (request: Codex.Request) =>
    Stream.suspend(() => {
      sent = secretOf(request.input ?? [])
      return Stream.succeed({ _tag: "TurnCompleted", turn: turnOf(requests++) })
    })
} as unknown as Codex.Service)

const secretsOf = (content: ReadonlyArray<Response.AnyPart>): ReadonlyArray<string> =>
  content.flatMap((part) => (part.type === "finish" ? secretOf(part.metadata.codex?.turn.items ?? []) : []))

const one = Effect.gen(function* () {
  const chat = yield* Chat.empty
  const first = yield* chat.generateText({ prompt: "Hi" })
  const own = new Set(secretsOf(first.content as ReadonlyArray<Response.AnyPart>))
  yield* chat.generateText({ prompt: "Go on" })
  foreign += sent.filter((secret) => !own.has(secret)).length
  recalled += sent.length
})

const heap = () => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1024 / 1024
}

const program = Effect.gen(function* () {
  const heaps: Array<number> = []
  for (let n = 1; n <= chats; n++) {
    yield* one
    if (n % every !== 0) continue
    heaps.push(heap())
    process.stdout.write(`${n} chats: heap ${heaps.at(-1)?.toFixed(1)} MiB, ${recalled} items recalled\n`)
  }
  const [early, late] = [heaps[Math.floor(heaps.length / 2)] ?? 0, heaps.at(-1) ?? 0]
  if (foreign > 0) return yield* Effect.fail(`${foreign} items of other chats`)
  if (recalled !== chats) return yield* Effect.fail(`${chats - recalled} items were not recalled`)
  if (late > early + 8) return yield* Effect.fail(`the heap grew from ${early.toFixed(1)} to ${late.toFixed(1)} MiB`)
})

program.pipe(
  Effect.provide(Layer.provide(CodexLanguageModel.layer(), codex)),
  Effect.catchAll((problem) =>
    Effect.sync(() => {
      process.stderr.write(`FAILED: ${problem}\n`)
      process.exitCode = 1
    })
  ),
  Effect.runPromise
)
