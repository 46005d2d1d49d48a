/**
 * What a whole turn costs over HTTP, beside what plain `undici` and the official client need for the same turn.
 *
 * The server and every contestant have a process of their own. Contestants take turns, round by round; ratios are of
 * the same round. `--quick` is a short run.
 */
import { type ChildProcess, fork } from "node:child_process"
import * as Os from "node:os"
import { bundle } from "./turns/bundle.ts"
import type { Answers, Task } from "./turns/client.ts"
import type { Name } from "./turns/contestants.ts"

const quick = process.argv.includes("--quick")

const streaming: ReadonlyArray<Name> = ["undici", "openai", "Codex.stream"]
const names: ReadonlyArray<Name> = [...streaming, "Codex.turn", "Codex.turn over HttpClient"]

const clientFile = await bundle(new URL("./turns/client.ts", import.meta.url), "client")

const start = (file: string | URL, ...args: ReadonlyArray<string>): ChildProcess =>
  fork(file, args, { serialization: "advanced" })
const startClient = (name: Name): ChildProcess => start(clientFile, name, base)

const told = (child: ChildProcess): Promise<Record<string, unknown>> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`a process ended with ${code}`))
    child.once("exit", ended)
    child.once("message", (message: Record<string, unknown>) => {
      child.off("exit", ended)
      resolve(message)
    })
  })

const ask = async <T extends Task>(child: ChildProcess, task: T): Promise<Answers[T["do"]]> => {
  const reply = told(child)
  child.send(task)
  const { answer, error } = await reply
  if (error !== undefined) throw new Error(String(error))
  return answer as Answers[T["do"]]
}

const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}
const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

const print = (line = "") => process.stdout.write(`${line}\n`)
const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) => {
  print(`| ${head.join(" | ")} |`)
  print(`|${head.map((_, n) => (n === 0 ? "---" : "---:")).join("|")}|`)
  for (const row of rows) print(`| ${row.join(" | ")} |`)
  print()
}
const load = () => Os.loadavg()[0]?.toFixed(1)
const kilobytes = (bytes: number) => `${(bytes / 1024).toFixed(1)}`

/** Every contestant once a round, the order turned by one each round. */
const rounds = async <A>(
  count: number,
  of: ReadonlyArray<Name>,
  once: (name: Name) => Promise<A>
): Promise<Readonly<Record<Name, ReadonlyArray<A>>>> => {
  const results = Object.fromEntries(of.map((name) => [name, [] as Array<A>]))
  for (let round = 0; round < count; round++) {
    for (let n = 0; n < of.length; n++) {
      const name = of[(n + round) % of.length] as Name
      results[name]?.push(await once(name))
    }
  }
  return results as Record<Name, Array<A>>
}

const server = start(new URL("./turns/server.ts", import.meta.url))
const { port } = await told(server)
const base = `http://127.0.0.1:${port}`

print(`Node ${process.version}, ${Os.cpus().length} cores, load ${load()} at the start${quick ? ", quick" : ""}`)
print()

const clients = Object.fromEntries(names.map((name) => [name, startClient(name)])) as Record<Name, ChildProcess>

print("## Turns per second")
print()
// until the compiler is done with it: by turns, which slow clients would have too few of in a fixed time
const warmup: Task = { do: "turns", concurrency: 64, turns: quick ? 500 : 5000 }
for (const name of names) await ask(clients[name], warmup)
for (const concurrency of [1, 64, 512]) {
  const task = { do: "turns", concurrency, millis: quick ? 300 : 800 } as const
  const results = await rounds(quick ? 1 : 7, names, (name) => ask(clients[name], task))
  const rate = ({ millis, turns }: Answers["turns"]) => (turns / millis) * 1000
  const cpu = ({ cpuMillis, turns }: Answers["turns"]) => (cpuMillis / turns) * 1000
  const ratio = (name: Name, of: (result: Answers["turns"]) => number, to: Name = "undici") =>
    median(results[name].map((result, n) => of(result) / of(results[to][n] as Answers["turns"])))
  print(`${concurrency} at once; load ${load()}`)
  print()
  table(
    ["client", "turns/s", "× undici", "its CPU µs a turn", "× undici", "× openai"],
    names.map((name) => [
      name,
      median(results[name].map(rate)).toFixed(0),
      ratio(name, rate).toFixed(2),
      median(results[name].map(cpu)).toFixed(0),
      ratio(name, cpu).toFixed(2),
      ratio(name, cpu, "openai").toFixed(2)
    ])
  )
}

print("## Added latency of an event")
print()
const latency = await rounds(quick ? 1 : 3, streaming, (name) => ask(clients[name], { do: "latency" }))
table(
  ["client", "median ms", "p99 ms"],
  streaming.map((name) => [
    name,
    median(latency[name].map((delays) => quantile(delays, 0.5))).toFixed(2),
    median(latency[name].map((delays) => quantile(delays, 0.99))).toFixed(2)
  ])
)
for (const name of names) clients[name].disconnect()

const afresh = async <T extends Task>(name: Name, task: T): Promise<Answers[T["do"]]> => {
  const child = startClient(name)
  const answer = await ask(child, task)
  child.disconnect()
  return answer
}

print("## Memory of an idle open stream")
print()
const streams = quick ? 250 : 1000
const idle = await rounds(quick ? 1 : 3, streaming, (name) => afresh(name, { do: "idle", streams }))
const each = (name: Name, key: keyof Answers["idle"]) =>
  kilobytes(median(idle[name].map((bytes) => bytes[key])) / streams)
table(
  ["client", "RSS KB", "heap KB", "external KB"],
  streaming.map((name) => [name, each(name, "rss"), each(name, "heap"), each(name, "external")])
)

print("## Memory of a conversation")
print()
const conversations = quick ? 50 : 1000
const turns = 10
const { heap, json } = await afresh("Codex.turn", { do: "conversations", conversations, turns })
table(
  ["conversations", "turns each", "heap KB", "JSON of its history KB", "heap / JSON"],
  [
    [
      String(conversations),
      String(turns),
      kilobytes(heap / conversations),
      kilobytes(json / conversations),
      (heap / json).toFixed(2)
    ]
  ]
)
print(`load ${load()} at the end, ${(performance.now() / 1000).toFixed(0)} s`)
server.disconnect()
