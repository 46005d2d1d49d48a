/**
 * `npm run bench:http2`: many turns at once over HTTP/1.1 and over one connection of HTTP/2 (`http2` of the options), and
 * what each does when a turn is interrupted, falls silent, is over before its body, or loses its connection.
 */
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { CodexAuth } from "@effect-codex/auth"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { Codex, CodexConfig } from "effect-codex"
import * as Certificates from "../packages/transport/test/certificates.ts"
import { accessToken, instructions, model, prompt } from "./turns/request.ts"

const many = 400
const rounds = 5

const serve = async (protocol: string) => {
  const server = fork(fileURLToPath(new URL("./http2/server.ts", import.meta.url)), [protocol])
  const port = await new Promise<number>((resolve) => server.once("message", (port) => resolve(Number(port))))
  return { server, origin: `https://localhost:${port}` }
}

interface Counts {
  readonly connections: number
  readonly open: number
  readonly requests: number
  readonly aborted: number
}

const ways = {
  "HTTP/1.1": { ...(await serve("1")), options: {} },
  "HTTP/2": { ...(await serve("2")), options: { http2: true } }
}
type Way = (typeof ways)[keyof typeof ways]

const countsOf = ({ server }: Way) =>
  Effect.async<Counts>((resume) => {
    server.once("message", (seen) => resume(Effect.succeed(seen as Counts)))
    server.send("count")
  })

const codex = ({ options, origin }: Way, kind: string) =>
  Codex.layerCarrier.pipe(
    Layer.provide([
      TransportNode.layer({
        proxy: "none",
        extraCertificates: [Certificates.authority],
        maxConnections: many,
        ...options
      }),
      CodexConfig.layer({
        baseUrl: `${origin}/${kind}/backend-api`,
        model,
        retry: { retries: 0, outageRetries: 0 },
        timeouts: { idle: "1 seconds" }
      }),
      CodexAuth.layerToken({ accessToken: Redacted.make(accessToken) })
    ])
  )

const turn = Effect.flatMap(Codex.Codex, (codex) => codex.turn({ instructions, prompt }))

const print = (cells: ReadonlyArray<string | number>) => process.stdout.write(`| ${cells.join(" | ")} |\n`)

const median = (values: ReadonlyArray<number>) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** What a program costs, and what the server sees of it. */
const measured = <A, E, R>(way: Way, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* countsOf(way)
    const cpu = process.cpuUsage()
    const start = performance.now()
    const result = yield* effect
    const millis = performance.now() - start
    const { system, user } = process.cpuUsage(cpu)
    const after = yield* countsOf(way)
    return {
      result,
      millis,
      cpu: (system + user) / 1000,
      connections: after.connections - before.connections,
      requests: after.requests - before.requests,
      aborted: after.aborted - before.aborted
    }
  })

const all = Effect.all(
  Array.from({ length: many }, () => Effect.either(turn)),
  { concurrency: "unbounded" }
)

for (const kind of ["slow", "turn"]) {
  process.stdout.write(`\n${many} turns at once, ${kind === "slow" ? "50 deltas 20 ms apart" : "whole at once"}\n\n`)
  print(["", "connections of the rounds", "time, ms", "CPU of the client, ms", "failed"])
  print(["---", "---", "---", "---", "---"])
  for (const [name, way] of Object.entries(ways)) {
    await Effect.gen(function* () {
      const runs = yield* Effect.replicateEffect(measured(way, all), rounds)
      print([
        name,
        runs.map(({ connections }) => connections).join(", "),
        Math.round(median(runs.map(({ millis }) => millis))),
        Math.round(median(runs.map(({ cpu }) => cpu))),
        runs.reduce((sum, { result }) => sum + result.filter(({ _tag }) => _tag === "Left").length, 0)
      ])
    }).pipe(Effect.provide(codex(way, kind)), Effect.runPromise)
  }
}

process.stdout.write("\n50 turns at once on a connection that is open\n\n")
print([
  "",
  "interrupted: the server sees",
  "silent for 1 s: errors",
  "whole turns, one by one: connections",
  "connection lost in the body: requests, errors",
  "lost before the headers"
])
print(["---", "---", "---", "---", "---", "---"])
const few = (effect: typeof turn) =>
  Effect.all(
    Array.from({ length: 50 }, () => Effect.either(effect)),
    { concurrency: "unbounded" }
  )
const tags = (results: Effect.Effect.Success<ReturnType<typeof few>>) =>
  [...new Set(results.map((one) => (one._tag === "Left" ? one.left._tag : "Turn")))].join(", ")
for (const [name, way] of Object.entries(ways)) {
  const via = <A, E>(kind: string, effect: Effect.Effect<A, E, Codex.Codex>) =>
    Effect.runPromise(Effect.provide(effect, codex(way, kind)))
  const interrupted = await via(
    "held",
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      yield* Effect.either(turn)
      yield* Effect.sleep("100 millis")
      const reading = yield* measured(
        way,
        Effect.gen(function* () {
          const fibers = yield* Effect.forEach(Array.from({ length: 50 }), () =>
            Effect.fork(Stream.runDrain(codex.stream({ instructions, prompt })))
          )
          yield* Effect.sleep("500 millis")
          yield* Fiber.interruptAll(fibers)
          yield* Effect.sleep("200 millis")
        })
      )
      return `${reading.aborted} of ${reading.requests} aborted`
    })
  )
  const silent = await via("held", Effect.map(few(turn), tags))
  const drained = await via("turn", measured(way, Effect.replicateEffect(turn, 50)))
  // the first turn shows which protocol is spoken
  const onOpen = (effect: typeof turn) => Effect.zipRight(Effect.either(effect), measured(way, few(effect)))
  const lost = await via("cut", onOpen(turn))
  const dropped = await via("drop", onOpen(turn))
  print([
    name,
    interrupted,
    silent,
    drained.connections,
    `${lost.requests}, ${tags(lost.result)}`,
    `${dropped.requests}, ${tags(dropped.result)}`
  ])
}
for (const { server } of Object.values(ways)) server.kill()
