/**
 * Lets timers and messages through after each test: Vitest gives up on a worker that computes for a minute without a
 * pause, as files of many synchronous tests do.
 */
import { afterEach } from "vitest"

afterEach(() => new Promise<void>((resolve) => setImmediate(resolve)))
