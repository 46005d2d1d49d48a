/** A test project for each package, for work on one; `npm test` runs all as one (`vitest.whole.config.ts`). */
export default ["packages/*/vitest.config.ts", "examples/vitest.config.ts", "test/vitest.config.ts"]
