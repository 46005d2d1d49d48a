import { mergeConfig } from "vitest/config"
import shared from "./vitest.shared.ts"

/** A project for each package, for work on one; the whole is in `vitest.whole.config.ts`. */
export default mergeConfig(shared, {
  test: { projects: ["packages/*/vitest.config.ts", "examples/vitest.config.ts", "test/vitest.config.ts"] }
})
