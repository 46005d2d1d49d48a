/**
 * Test helpers for `@effect/vitest`.
 *
 * @since 0.1.0
 */
import { it } from "@effect/vitest"
import type { CodexConfig } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as TestServices from "effect/TestServices"
import { Codex } from "effect-codex"
import type * as Script from "./Script.ts"
import * as ScriptedBackend from "./ScriptedBackend.ts"
import * as StrictBackend from "./StrictBackend.ts"
import * as TestCodex from "./TestCodex.ts"

/** The services available to a test. */
type Environment = Codex.Codex | ScriptedBackend.ScriptedBackend | Scope.Scope | TestServices.TestServices

/**
 * A test with `Codex` over a scripted backend, in virtual time. An unexpected request or an unused step fails it.
 *
 * @example
 * ```ts
 * import * as Script from "@effect-codex/testing/Script"
 * import { codex } from "@effect-codex/testing/vitest"
 * import { assert } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 *
 * codex("answers", [Script.turn({ text: "Hello" })], ({ codex }) =>
 *   Effect.gen(function* () {
 *     assert.strictEqual((yield* codex.turn({ prompt: "Hi" })).text, "Hello")
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category tests
 */
export const codex = <E>(
  name: string,
  script: Script.Script,
  test: (context: {
    readonly codex: Codex.Service
    readonly backend: ScriptedBackend.ScriptedBackend.Service
  }) => Effect.Effect<unknown, E, Environment>,
  config?: CodexConfig.Options
): void =>
  it.scoped(name, () =>
    Effect.gen(function* () {
      const backend = yield* ScriptedBackend.ScriptedBackend
      yield* test({ codex: yield* Codex.Codex, backend })
      yield* backend.verify
    }).pipe(Effect.provide(TestCodex.layer(script, config)))
  )

/**
 * A test with `Codex` over a strict backend, in virtual time.
 *
 * @since 0.1.0
 * @category tests
 */
export const strict = <E>(
  name: string,
  options: StrictBackend.Options,
  test: (context: {
    readonly codex: Codex.Service
    readonly backend: StrictBackend.StrictBackend.Service
  }) => Effect.Effect<unknown, E, Environment | StrictBackend.StrictBackend>,
  config?: CodexConfig.Options
): void =>
  it.scoped(name, () =>
    Effect.gen(function* () {
      yield* test({ codex: yield* Codex.Codex, backend: yield* StrictBackend.StrictBackend })
    }).pipe(Effect.provide(TestCodex.layerStrict(options, config)))
  )
