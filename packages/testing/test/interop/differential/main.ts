/**
 * `npm run differential`: plays the scenarios to the official Codex CLI, installed from npm for it, and to this library, and
 * lays side by side what came of them. It fails with a difference that `accepted.json` does not have, and with one that
 * is there and no longer occurs. Words after the command choose the scenarios whose names begin with them;
 * `--cli <path>` takes a CLI that is installed already.
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as CodexCli from "../codexCli.ts"
import { type Accepted, differences, judge, reasonFor } from "./compare.ts"
import * as Players from "./players.ts"
import { scenarios } from "./scenarios.ts"
import { whyKey } from "./seen.ts"

const { positionals, values } = parseArgs({ allowPositionals: true, options: { cli: { type: "string" } } })

const accepted = JSON.parse(
  Fs.readFileSync(new URL("accepted.json", import.meta.url), "utf8")
) as ReadonlyArray<Accepted>

const isChosen = (name: string) => positionals.length === 0 || positionals.some((start) => name.startsWith(start))

// until there is a verdict
process.exitCode = 1

NodeRuntime.runMain(
  Effect.gen(function* () {
    const path = values.cli ?? (yield* CodexCli.install)
    yield* Console.log(execFileSync(path, ["--version"], { encoding: "utf8" }).trim())
    const found = yield* Effect.forEach(
      scenarios.filter(({ name }) => isChosen(name)),
      (scenario) =>
        Effect.gen(function* () {
          const cli = yield* Players.play(Players.cli(path), scenario)
          const here = yield* Players.play(Players.here, scenario)
          const found = differences(scenario.name, cli, here)
          const lines = [...new Set([...Object.keys(cli), ...Object.keys(here)])].flatMap((what) => {
            const difference = found.find((difference) => difference.what === what)
            const why = difference === undefined ? undefined : (reasonFor(difference, accepted) ?? "NOT ACCEPTED")
            if (why !== undefined || what === whyKey) {
              return [
                `  ${what}: ${cli[what] ?? "–"}`,
                `  ${" ".repeat(what.length)}  ${here[what] ?? "–"}`,
                ...(why === undefined ? [] : [`  ${" ".repeat(what.length)}  ≠ ${why}`])
              ]
            }
            return cli[what] === "" || cli[what] === "0" ? [] : [`  ${what}: ${cli[what]}`]
          })
          yield* Console.log([scenario.name, ...lines].join("\n"))
          return found
        }),
      { concurrency: 4 }
    )
    const all = found.flat()
    const { gone, unaccepted } = judge(all, accepted, isChosen)
    yield* Console.log(`${found.length} scenarios, ${all.length - unaccepted.length} accepted differences`)
    const list = (title: string, differences: ReadonlyArray<unknown>) =>
      differences.length === 0
        ? Effect.void
        : Console.log([title, ...differences.map((difference) => JSON.stringify(difference))].join("\n"))
    yield* list("Not accepted:", unaccepted)
    yield* list("Accepted, and no longer there:", gone)
    if (unaccepted.length + gone.length > 0) yield* Effect.fail("The differences are not the accepted ones")
    process.exitCode = 0
  }).pipe(Effect.scoped)
)
