import { mergeConfig } from "vitest/config"
import shared from "../../vitest.shared.ts"

export default mergeConfig(shared, { test: { name: "client", include: ["test/**/*.test.ts"] } })
