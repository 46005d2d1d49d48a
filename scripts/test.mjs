// `npm test`: type-check, lint, Effect diagnostics, every test; ends with the line "N passed, N failed".
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { root, run, setup } from "./setup.mjs"

setup()

const report = join(root, ".reports/vitest.json")
rmSync(report, { force: true })

const steps = [
  ["types", () => run("tsc", ["-b", "tsconfig.json"])],
  ["lint", () => run("biome", ["check", "--error-on-warnings", "."])],
  [
    "Effect diagnostics",
    () =>
      run("effect-language-service", [
        "diagnostics",
        "--project",
        "tsconfig.lint.json",
        "--format",
        "pretty",
        "--severity",
        "error"
      ])
  ],
  [
    "tests",
    () =>
      run("vitest", [
        "run",
        "--reporter=default",
        "--reporter=json",
        `--outputFile.json=${report}`,
        ...process.argv.slice(2)
      ])
  ]
]

let failedSteps = 0
for (const [name, step] of steps) {
  process.stdout.write(`\n== ${name}\n`)
  if (step() !== 0) {
    failedSteps++
    process.stdout.write(`== ${name}: FAILED\n`)
  }
}

// A step that fails without a failing test (types, lint, a crash of the runner) counts as one failure of its own.
const results = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : { numPassedTests: 0, numFailedTests: 0 }
const failed = results.numFailedTests > 0 ? results.numFailedTests + failedSteps - 1 : failedSteps
process.stdout.write(`\n${results.numPassedTests} passed, ${failed} failed\n`)
process.exitCode = failed === 0 && results.numPassedTests > 0 ? 0 : 1
