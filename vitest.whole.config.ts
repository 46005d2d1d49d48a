import { mergeConfig } from "vitest/config"
import shared from "./vitest.shared.ts"

/**
 * Every test as one project, for `npm test`. Vitest runs projects one after the other, each in new workers that load
 * Effect and compile the sources anew, and the last file of each leaves the other worker idle.
 *
 * The one project is listed, because Vitest takes those of `vitest.workspace.ts` where a configuration lists none.
 */
export default mergeConfig(shared, {
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: "whole",
          include: ["packages/*/test/**/*.test.ts", "examples/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["**/node_modules/**"]
        }
      }
    ]
  }
})
