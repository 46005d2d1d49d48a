import { fileURLToPath } from "node:url"
import type { ViteUserConfig } from "vitest/config"

/**
 * What all runs of the tests have in common.
 *
 * Two workers also where Vitest would take one, as it does on two cores: many tests wait for sockets and processes.
 * Files share their worker's modules, because loading Effect anew for each costs more than most files take: a test
 * leaves nothing global behind.
 */
export default {
  test: {
    setupFiles: [fileURLToPath(new URL("test/setup.ts", import.meta.url))],
    testTimeout: 60_000,
    // a hook waits for the synchronous tests beside it, which take minutes where every case is tried
    hookTimeout: 600_000,
    sequence: { concurrent: true },
    minWorkers: 2,
    maxWorkers: 2,
    poolOptions: { forks: { isolate: false } }
  }
} satisfies ViteUserConfig
