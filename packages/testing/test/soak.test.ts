import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { soak } from "./soak/soak.ts"

describe("many turns at once, with faults drawn at random", () => {
  it.live("have one result each, and nothing twice", () =>
    Effect.gen(function* () {
      const { outcomes, problems } = yield* soak({ clients: 64, turns: 300, seed: 1 })
      assert.deepStrictEqual(problems, [])
      assert.isAbove(outcomes["ok"] ?? 0, 150)
      assert.isAbove(outcomes["interrupted"] ?? 0, 0)
    })
  )
})
