// `npm test`: type-check, lint, Effect diagnostics, every test; ends with the line "N passed, N failed".
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { root, run, setup } from "./setup.mjs"

setup()

const reportFile = join(root, ".reports/vitest.json")
rmSync(reportFile, { force: true })

const checks = [
  ["types", "tsc", ["-b", "tsconfig.json"]],
  ["lint", "biome", ["check", "--error-on-warnings", "."]],
  [
    "Effect diagnostics",
    "effect-tsgo",
    ["diagnostics", "--strict", "--severity", "error,warning", "--project", "tsconfig.lint.json"]
  ],
  // after the types, which build what is packed
  ["packed packages and snippets", "tsx", [join(root, "scripts/check-packages.mjs")]],
  // in what that has laid out
  ["a page in Chromium", "tsx", [join(root, "scripts/check-browser.mjs"), "--laid"]]
]

/** The static checks one after the other, beside the tests; what they print is shown when the tests are through. */
const runChecks = async () => {
  const results = []
  for (const [name, command, args] of checks) results.push({ name, ...(await run(command, args, { quiet: true })) })
  return results
}

const [results, tests] = await Promise.all([
  runChecks(),
  run("vitest", [
    "run",
    "--config=vitest.whole.config.ts",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${reportFile}`,
    ...process.argv.slice(2)
  ])
])

const report = existsSync(reportFile)
  ? JSON.parse(readFileSync(reportFile, "utf8"))
  : { numFailedTests: 0, numPassedTests: 0, testResults: [] }

for (const { code, name, output } of results) {
  const isSkipped = code === 0 && output.startsWith("NOT CHECKED")
  process.stdout.write(`\n== ${name}: ${isSkipped ? "NOT CHECKED" : code === 0 ? "fine" : "FAILED"}\n`)
  if (code !== 0 || isSkipped) process.stdout.write(output)
}

/** The tests that were not run for want of a file beside the project (test/shared.ts), by that file. */
const notRun = new Map()
for (const { assertionResults } of report.testResults) {
  for (const { status, title } of assertionResults) {
    const missing = status === "passed" || status === "failed" ? null : /^needs (\S+) /.exec(title)
    if (missing !== null) notRun.set(missing[1], (notRun.get(missing[1]) ?? 0) + 1)
  }
}
if (notRun.size > 0) {
  const total = [...notRun.values()].reduce((sum, count) => sum + count, 0)
  process.stdout.write(`\n== ${total} TESTS WERE NOT RUN: this clone does not have what they read\n`)
  for (const [missing, count] of notRun) process.stdout.write(`   ${count} need ${missing}\n`)
}

// A check that fails counts as one failure, and so does a test run that breaks down without a failing test.
const { numFailedTests, numPassedTests } = report
const failedChecks = results.filter(({ code }) => code !== 0).length
const failed = failedChecks + (tests.code !== 0 ? Math.max(1, numFailedTests) : numFailedTests)
process.stdout.write(`\n${numPassedTests} passed, ${failed} failed\n`)
process.exitCode = failed === 0 && numPassedTests > 0 ? 0 : 1
