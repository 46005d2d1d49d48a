/**
 * `npm run bench:websocket`: a tool loop of 20 requests by server-sent events, by server-sent events with compressed
 * requests where Node has zstd, and over a WebSocket: the bytes it sends, and the time it takes when the server answers
 * 50 ms later.
 */
import * as Zlib from "node:zlib"
import { Script, TestAuth } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Codex, CodexConfig, Conversation, Tool, Toolkit } from "effect-codex"

const steps = 20
const rounds = 5

/** A file of 2 KB, another one each time, of random words: code and prose compress better. */
const content = (() => {
  let seed = 1
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return (seed >> 8) % below
  }
  const word = () => Array.from({ length: 2 + random(7) }, () => String.fromCharCode(97 + random(26))).join("")
  const words = Array.from({ length: 2000 }, word)
  return (path: string) => `${path}: ${Array.from({ length: 340 }, () => words[random(words.length)]).join(" ")}`
})()

const read = Toolkit.handler(
  Tool.unsafeMake({
    name: "read",
    description: "Reads a file of the project.",
    parameters: Schema.Struct({ path: Schema.String })
  }),
  ({ path }) => Effect.succeed(content(path))
)

const script = Array.from({ length: steps }, (_, n) =>
  Script.turn(
    n === steps - 1
      ? { text: "All of them are alike." }
      : {
          reasoning: `Now file ${n}.`,
          toolCalls: [{ name: "read", callId: `call_${n}`, arguments: { path: `src/file${n}.ts` } }]
        }
  ).pipe(Script.delay("50 millis"))
)

const instructions = "You read the files of a project and say what they have in common. ".repeat(60)

const ways = {
  SSE: { transport: "sse" },
  ...("zstdCompress" in Zlib && { "SSE, zstd": { transport: "sse", compression: "zstd" } }),
  WebSocket: { transport: "websocket" }
} as const satisfies Record<string, CodexConfig.Options>

const once = (config: CodexConfig.Options) =>
  Effect.gen(function* () {
    const conversation = yield* Conversation.make({ instructions, tools: [read] })
    const started = performance.now()
    const { turn } = yield* conversation.complete("What do they have in common?")
    const millis = performance.now() - started
    const backend = yield* BackendServer.BackendServer
    const requests = yield* backend.requests
    if (turn.text === "" || requests.length !== steps) return yield* Effect.dieMessage("The loop was not whole.")
    const bytes = requests.map(({ headers, message }) =>
      message === undefined ? Number(headers["content-length"]) : Buffer.byteLength(message.text)
    )
    return { millis, bytes: bytes.reduce((sum, size) => sum + size, 0) }
  }).pipe(
    Effect.provide(
      Layer.unwrapEffect(
        Effect.map(BackendServer.BackendServer, ({ url }) =>
          Layer.provide(Codex.layerCarrier, CodexConfig.layer({ baseUrl: url, ...config }))
        )
      ).pipe(
        Layer.provideMerge(BackendServer.layer({ script })),
        Layer.provide(TestAuth.layer()),
        Layer.provide(TransportNode.layer({ proxy: "none" }))
      )
    )
  )

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
const print = (line: string) => process.stdout.write(`${line}\n`)

print(`Node ${process.version}; ${steps} requests, 50 ms of waiting in each; medians of ${rounds} rounds`)
print("")
print("| way | sent, KB | × SSE | time, ms |")
print("| --- | ---: | ---: | ---: |")
let plain: number | undefined
for (const [name, config] of Object.entries(ways)) {
  const results = await Effect.runPromise(Effect.replicateEffect(once(config), rounds))
  const bytes = median(results.map(({ bytes }) => bytes))
  plain ??= bytes
  const time = median(results.map(({ millis }) => millis))
  print(`| ${name} | ${(bytes / 1024).toFixed(0)} | ${(bytes / plain).toFixed(2)} | ${time.toFixed(0)} |`)
}
