/**
 * `npm run bench:websocket`: a tool loop of 20 requests by server-sent events, by server-sent events with compressed
 * requests where Node has zstd, and over a WebSocket: the bytes it sends, and the time it takes when the server answers
 * 50 ms later. Then what 1,000 conversations hold between their turns by each way, in a process of their own.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
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

const clients = 8
const idle = 1000

const megabytes = () => {
  for (let n = 0; n < 4; n++) globalThis.gc?.()
  const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
  return { heap: (heapUsed + arrayBuffers) / 1_048_576, rss: rss / 1_048_576 }
}

/** In a process of its own: conversations of several clients, a turn in each, and what the process holds more after them. */
const hold = (url: string, config: CodexConfig.Options) =>
  Effect.gen(function* () {
    const layer = Codex.layerCarrier.pipe(
      Layer.provide(CodexConfig.layer({ baseUrl: url, ...config })),
      Layer.provide(TestAuth.layer()),
      Layer.provide(TransportNode.layer({ proxy: "none" }))
    )
    const contexts = yield* Effect.replicateEffect(Layer.build(layer), clients)
    const talk = Effect.gen(function* () {
      const conversation = yield* Conversation.make()
      yield* conversation.send("Hello!")
      return conversation
    })
    const each = (count: number) =>
      Effect.forEach(contexts, (context) =>
        Effect.provide(
          Effect.all(
            Array.from({ length: count }, () => talk),
            { concurrency: 25 }
          ),
          context
        )
      )
    // code is compiled and pools are made
    yield* each(1)
    const before = megabytes()
    const conversations = yield* each(idle / clients)
    yield* Effect.sleep("200 millis")
    const after = megabytes()
    const more = { heap: after.heap - before.heap, rss: after.rss - before.rss }
    return conversations.length === clients ? more : before
  }).pipe(Effect.scoped)

const held = (way: string) =>
  Effect.gen(function* () {
    const backend = yield* BackendServer.BackendServer
    const output = yield* Effect.promise(
      () =>
        new Promise<string>((resolve, reject) => {
          execFile(
            process.execPath,
            ["--expose-gc", "--import", "tsx", fileURLToPath(import.meta.url), way, backend.url],
            (error, stdout) => (error === null ? resolve(stdout) : reject(error))
          )
        })
    )
    const { opened } = yield* backend.sockets
    return { ...(JSON.parse(output) as { readonly heap: number; readonly rss: number }), opened }
  }).pipe(Effect.provide(BackendServer.layer({ script: Script.always(Script.turn({ text: "Hello." })) })))

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
const print = (line: string) => process.stdout.write(`${line}\n`)

const [way, url] = process.argv.slice(2)

if (way !== undefined && url !== undefined) {
  print(JSON.stringify(await Effect.runPromise(hold(url, ways[way as keyof typeof ways] ?? {}))))
} else {
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
  print("")
  print(
    `${idle} conversations of ${clients} clients after a turn in each; what the process holds more, in a process of its own`
  )
  print("")
  print("| way | sockets opened | heap, MB | resident, MB |")
  print("| --- | ---: | ---: | ---: |")
  for (const name of Object.keys(ways)) {
    const { heap, opened, rss } = await Effect.runPromise(held(name))
    print(`| ${name} | ${opened} | ${heap.toFixed(1)} | ${rss.toFixed(1)} |`)
  }
}
