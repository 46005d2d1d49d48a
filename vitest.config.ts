import { mergeConfig } from "vitest/config"
import shared from "./vitest.shared.ts"
import projects from "./vitest.workspace.ts"

export default mergeConfig(shared, { test: { projects } })
