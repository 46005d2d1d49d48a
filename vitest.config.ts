import { defineConfig } from "vitest/config"
import projects from "./vitest.workspace.ts"

/**
 * Two workers also where Vitest would take one, as it does on two cores: many tests wait for sockets and processes.
 * Files share their worker's modules, because loading Effect anew for each costs more than most files take: a test
 * leaves nothing global behind.
 */
export default defineConfig({
  test: { projects, minWorkers: 2, maxWorkers: 2, poolOptions: { forks: { isolate: false } } }
})
