/** What every test file begins with. */
import * as FastCheck from "effect/FastCheck"
import { afterEach } from "vitest"
import { exhaustive } from "./exhaustive.ts"

// A run draws the values of the one before, so that what fails is of the change at hand; `EXHAUSTIVE=1` draws new ones.
if (!exhaustive) FastCheck.configureGlobal({ seed: 7 })

// Lets timers and messages through after each test: Vitest gives up on a worker that computes for a minute without a
// pause, as files of many synchronous tests do.
afterEach(() => new Promise<void>((resolve) => setImmediate(resolve)))
