// The full run: 16 processes, 50 refreshes each, on one credential file. Prints its report and fails when a refresh token
// was used twice without a lost answer or a kill, or when the file was ever found broken. `LOCK=portable` takes the lock
// of `FileLock` instead of flock.
import * as Effect from "effect/Effect"
import { run } from "./processes.ts"

const number = (name: string, fallback: number) => Number(process.env[name] ?? fallback)

const lock = process.env["LOCK"] === "portable" ? "portable" : "flock"

const report = await Effect.runPromise(
  run({
    processes: number("PROCESSES", 16),
    refreshes: number("REFRESHES", 50),
    lossRate: number("LOSS_RATE", 0.05),
    kills: number("KILLS", 24),
    stops: number("STOPS", 24),
    lock
  })
)
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
process.exitCode = report.unexplained.length === 0 && report.broken.length === 0 && report.isAlive ? 0 : 1
