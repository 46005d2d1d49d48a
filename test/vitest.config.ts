import { mergeConfig } from "vitest/config"
import shared from "../vitest.shared.ts"

export default mergeConfig(shared, {
  test: { name: "test", include: ["**/*.test.ts"], exclude: ["**/node_modules/**"] }
})
