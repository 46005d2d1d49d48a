/** The test projects of the workspace; `vitest.config.ts` hands them to Vitest. */
export default ["packages/*/vitest.config.ts", "examples/vitest.config.ts", "test/vitest.config.ts"]
