/**
 * The language model of `@effect/ai` over Codex, beside `@effect/ai-openai` with its own client.
 *
 * `--cases`: the shared byte-level cases of whole turns through both, and turns that break after a call. Without it: what
 * `streamText` of 2,000 deltas costs, as a multiple of `Codex.stream`. `@effect/ai-openai` is installed into a temporary
 * directory for this; `--own` leaves it out, so that nothing is fetched. `--quick` is a short run.
 */
import { type ChildProcess, execFileSync, fork } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { broken } from "./ai/broken.ts"
import { median } from "./measure.ts"
import { bundle } from "./turns/bundle.ts"

const own = process.argv.includes("--own")
const quick = process.argv.includes("--quick")

const print = (line = "") => process.stdout.write(`${line}\n`)

/** The versions that work together on Effect 3. */
const stockPackages = [
  "@effect/ai-openai@^0.41.0",
  "@effect/ai@^0.37.0",
  "@effect/experimental@^0.61.0",
  "@effect/platform@^0.97.0",
  "@effect/rpc@^0.76.0",
  "effect@^3.22.0"
]

/** The other provider in a directory of its own, with the same program. */
const installStock = (): string => {
  const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-ai-openai-"))
  process.on("exit", () => Fs.rmSync(folder, { recursive: true, force: true }))
  Fs.writeFileSync(Path.join(folder, "package.json"), '{ "private": true, "type": "module" }')
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", ...stockPackages], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"]
  })
  for (const name of ["contestant.mjs", "stock.mjs"]) {
    Fs.copyFileSync(fileURLToPath(new URL(`./ai/${name}`, import.meta.url)), Path.join(folder, name))
  }
  return Path.join(folder, "stock.mjs")
}

const told = (child: ChildProcess): Promise<Record<string, unknown>> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`a process ended with ${code}`))
    child.once("exit", ended)
    child.once("message", (message: Record<string, unknown>) => {
      child.off("exit", ended)
      resolve(message)
    })
  })

const ask = async <A>(child: ChildProcess, task: object): Promise<A> => {
  const reply = told(child)
  child.send(task)
  const { answer, error } = await reply
  if (error !== undefined) throw new Error(String(error))
  return answer as A
}

const ownFile = await bundle(new URL("./ai/own.ts", import.meta.url), "ai")
const stockFile = own ? undefined : installStock()

const start = async (file: string, ...args: ReadonlyArray<string>): Promise<ChildProcess> => {
  const child = fork(file, args, { execArgv: [] })
  await told(child)
  return child
}

const server = fork(new URL("./ai/server.ts", import.meta.url))
const { length, port } = await told(server)
const base = `http://127.0.0.1:${port}`

// cases --------------------------------------------------------------------------------------------------------------

interface Case {
  readonly id: string
  readonly expected_end: string
  readonly expected_state: {
    readonly text: string
    readonly tool_calls: ReadonlyArray<{ readonly call_id: string; readonly name: string }>
    readonly usage: { readonly input_tokens: number; readonly output_tokens: number } | null
  }
}

interface Outcome {
  readonly ran: number
  readonly failed?: true
  readonly got?: {
    readonly text: string
    readonly calls: ReadonlyArray<{ readonly id: string; readonly name: string }>
    readonly reason?: string
    readonly inputTokens?: number
    readonly outputTokens?: number
  }
}

/** The order of calls is free. */
const ids = (calls: ReadonlyArray<string>): string => [...calls].sort().join(" ")

/** Whether the outcome is the one the case asks for: the words, the calls and the cost, or a failure without handlers. */
const isRight = ({ expected_end, expected_state: state, id }: Case, { failed, got, ran }: Outcome): boolean => {
  if (expected_end !== "terminal" && failed === true) return ran === 0
  // a terminal event that lacks only its blank line may be taken
  if (got === undefined || (expected_end !== "terminal" && id !== "full-terminal-no-blank-line")) return false
  return (
    got.text === state.text &&
    ids(got.calls.map(({ id, name }) => `${id}:${name}`)) ===
      ids(state.tool_calls.map(({ call_id, name }) => `${call_id}:${name}`)) &&
    got.reason === (state.tool_calls.length > 0 ? "tool-calls" : "stop") &&
    (state.usage === null ||
      (got.inputTokens === state.usage.input_tokens && got.outputTokens === state.usage.output_tokens))
  )
}

const outcomes = async () => {
  const shared = fileURLToPath(new URL("../../shared/sse-cases.json", import.meta.url))
  const all: ReadonlyArray<Case> = Fs.existsSync(shared) ? JSON.parse(Fs.readFileSync(shared, "utf8")).cases : []
  const cases: ReadonlyArray<Case> = [
    ...all.filter(({ id }) => id.startsWith("full-")),
    ...Object.keys(broken).map((id) => ({
      id,
      expected_end: "failed",
      expected_state: { text: "", tool_calls: [], usage: null }
    }))
  ]
  const files = { "@effect-codex/ai": ownFile, ...(stockFile !== undefined && { "@effect/ai-openai": stockFile }) }
  const columns: Array<{ readonly head: string; readonly cells: ReadonlyArray<string> }> = []
  for (const [name, file] of Object.entries(files)) {
    const child = await start(file)
    for (const method of ["streamText", "generateText"]) {
      const cells: Array<string> = []
      let right = 0
      let handlers = 0
      for (const one of cases) {
        const outcome = await ask<Outcome>(child, { do: "case", base: `${base}/case/${one.id}`, method })
        const isBroken = one.id in broken
        if (isRight(one, outcome) && !isBroken) right++
        if (isBroken) handlers += outcome.ran
        const what = outcome.failed === true ? "fails" : JSON.stringify(outcome.got?.text ?? "")
        const ran = isBroken ? `, ${outcome.ran === 0 ? "no handler" : "the handler runs"}` : ""
        cells.push(`${isRight(one, outcome) ? "✓" : "✗"} ${what}${ran}`)
      }
      cells.push(`${right} of ${cases.length - Object.keys(broken).length} right, ${handlers} handlers of broken turns`)
      columns.push({ head: `${name} ${method}`, cells })
    }
    child.disconnect()
  }
  print(`| case | ${columns.map(({ head }) => head).join(" | ")} |`)
  print(`| --- |${columns.map(() => " --- |").join("")}`)
  for (const [n, id] of [...cases.map(({ id }) => `\`${id}\``), "**all**"].entries()) {
    print(`| ${id} | ${columns.map(({ cells }) => cells[n]).join(" | ")} |`)
  }
}

// cost ---------------------------------------------------------------------------------------------------------------

const costs = async () => {
  const contestants: Record<string, ChildProcess> = {
    "Codex.stream": await start(ownFile, "native"),
    "@effect-codex/ai streamText": await start(ownFile),
    "Codex.stream over fetch": await start(ownFile, "native", "fetch"),
    "@effect-codex/ai streamText over fetch": await start(ownFile, "fetch"),
    ...(stockFile !== undefined && { "@effect/ai-openai streamText (fetch)": await start(stockFile) })
  }
  const names = Object.keys(contestants)
  const plans = {
    whole: quick ? { rounds: 3, turns: 3 } : { rounds: 15, turns: 10 },
    each: quick ? { rounds: 1, turns: 1 } : { rounds: 5, turns: 1 }
  }
  print(`Node ${process.version}, ${Os.cpus().length} cores, load ${Os.loadavg()[0]?.toFixed(1)} at the start`)
  print("2,000 deltas a turn; CPU of the client's process, medians over the rounds, ratios of the same round")
  for (const how of ["whole", "each"] as const) {
    const { rounds, turns } = plans[how]
    const times: Record<string, Array<number>> = Object.fromEntries(names.map((name) => [name, []]))
    for (let round = -1; round < rounds; round++) {
      for (const n of names.keys()) {
        const name = names[(n + Math.max(0, round)) % names.length] as string
        const task = { do: "texts", base: `${base}/${how}`, turns }
        const result = await ask<{ readonly length: number; readonly cpuMillis: number }>(
          contestants[name] as ChildProcess,
          task
        )
        if (result.length !== length) throw new Error(`${name} got ${result.length} characters of ${length}`)
        if (round >= 0) times[name]?.push(result.cpuMillis)
      }
    }
    const of = (name: string) => times[name] ?? []
    print()
    print(how === "whole" ? "The events arrive in large pieces:" : "An event arrives every millisecond:")
    print()
    print("| | CPU ms a turn | × Codex.stream |")
    print("| --- | ---: | ---: |")
    for (const name of names) {
      const ratios = of(name).map((ms, round) => ms / (of("Codex.stream")[round] as number))
      print(`| ${name} | ${median(of(name)).toFixed(1)} | ${median(ratios).toFixed(2)} |`)
    }
  }
  for (const child of Object.values(contestants)) child.disconnect()
}

await (process.argv.includes("--cases") ? outcomes() : costs())
server.disconnect()
