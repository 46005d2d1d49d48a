/** How the differential run judges: `npm run differential` is the run itself. */
import * as Fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { type Accepted, type Difference, differences, judge } from "./interop/differential/compare.ts"
import { scenarios } from "./interop/differential/scenarios.ts"

const accepted = JSON.parse(
  Fs.readFileSync(new URL("interop/differential/accepted.json", import.meta.url), "utf8")
) as ReadonlyArray<Accepted>

const cli = { outcome: "fails", "(why)": "its words", requests: "1" }
const here = { outcome: "Hello there.", "(why)": "other words", requests: "2", waited: "as told" }
const found = differences("E 429", cli, here)
const all = () => true

describe("the differential run", () => {
  it("finds every difference but that of words", () => {
    assert.deepStrictEqual(
      found.map(({ cli, here, what }) => [what, cli, here]),
      [
        ["outcome", "fails", "Hello there."],
        ["requests", "1", "2"],
        ["waited", "–", "as told"]
      ]
    )
    assert.deepStrictEqual(differences("E 429", cli, cli), [])
  })

  it("has nothing to say where exactly the accepted differences occur", () => {
    assert.deepStrictEqual(judge(found, [{ why: "", differences: found }], all), { unaccepted: [], gone: [] })
  })

  it("names a difference that nobody has accepted, also one that has become another", () => {
    const isCount = ({ what }: Difference) => what === "requests"
    const others = found.map((difference) => (isCount(difference) ? { ...difference, here: "3" } : difference))
    const { gone, unaccepted } = judge(found, [{ why: "", differences: others }], all)
    assert.deepStrictEqual(unaccepted, found.filter(isCount))
    assert.deepStrictEqual(gone, others.filter(isCount))
  })

  it("names an accepted difference that no longer occurs, of scenarios that were played", () => {
    const list = [{ why: "", differences: found }]
    assert.deepStrictEqual(judge([], list, all).gone, found)
    assert.deepStrictEqual(
      judge([], list, () => false),
      { unaccepted: [], gone: [] }
    )
  })

  it("has a reason for every accepted difference, each of one scenario that exists", () => {
    const names = scenarios.map(({ name }) => name)
    assert.strictEqual(new Set(names).size, names.length)
    const keys = accepted.flatMap(({ differences }) => differences.map(({ scenario, what }) => `${scenario} ${what}`))
    assert.strictEqual(new Set(keys).size, keys.length)
    for (const { differences, why } of accepted) {
      assert.notStrictEqual(why, "")
      for (const { scenario } of differences) assert.include(names, scenario)
    }
  })
})
