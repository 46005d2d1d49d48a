import { mergeConfig } from "vitest/config"
import shared from "./vitest.shared.ts"

/**
 * Every test as one project, for `npm test`. Vitest runs projects one after the other, each in new workers that load
 * Effect and compile the sources anew, and the last file of each leaves the other worker idle.
 */
export default mergeConfig(shared, {
  test: {
    include: ["packages/*/test/**/*.test.ts", "examples/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["**/node_modules/**"]
  }
})
