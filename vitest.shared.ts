import type { ViteUserConfig } from "vitest/config"

/** What every test project has in common. */
export default {
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    sequence: { concurrent: true }
  }
} satisfies ViteUserConfig
