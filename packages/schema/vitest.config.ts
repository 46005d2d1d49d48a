import { mergeConfig } from "vitest/config"
import shared from "../../vitest.shared.ts"

export default mergeConfig(shared, { test: { name: "schema", include: ["test/**/*.test.ts"] } })
