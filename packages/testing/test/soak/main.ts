/**
 * `npm run soak`: rounds of 2,000 turns, 64 at once, for ten minutes. `--minutes N`, `--clients N`, `--seed N`. It prints
 * the outcomes and the heap after each round, and fails with what must not be.
 */
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { soak } from "./soak.ts"

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    clients: { type: "string", default: "64" },
    seed: { type: "string", default: "1" }
  }
})
const until = Date.now() + Number(values.minutes) * 60_000
const print = (line: string) => process.stdout.write(`${line}\n`)

const heap = () => {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1_048_576
}

const total: Record<string, number> = {}
const heaps: Array<number> = []
let turns = 0
let requests = 0
let failed = false
for (let seed = Number(values.seed); !failed && Date.now() < until; seed++) {
  const report = await Effect.runPromise(soak({ clients: Number(values.clients), turns: 2000, seed }))
  turns += 2000
  requests += report.requests
  for (const [outcome, count] of Object.entries(report.outcomes)) total[outcome] = (total[outcome] ?? 0) + count
  for (const problem of report.problems.slice(0, 20)) print(`seed ${seed}: ${problem}`)
  failed = report.problems.length > 0
  await new Promise((resolve) => setTimeout(resolve, 100))
  heaps.push(heap())
  print(`seed ${seed}: ${turns} turns, ${requests} requests, heap ${heaps.at(-1)?.toFixed(1)} MB`)
}
print(JSON.stringify(total, undefined, 1))
const handles = process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name))
if (handles.length > 0) print(`left open: ${handles.join(", ")}`)
// the first rounds compile
const grown = heaps.length < 6 ? 0 : (heaps.at(-1) ?? 0) - (heaps[2] ?? 0)
if (grown > 20) print(`the heap has grown by ${grown.toFixed(1)} MB`)
process.exitCode = failed || handles.length > 0 || grown > 20 ? 1 : 0
