/**
 * The backend of the examples: an embedded one on 127.0.0.1 that plays a script and needs no login, or the real one
 * with `--live`. Your own program only needs `CodexNode.layer()`.
 */

import type { HttpServerError } from "@effect/platform"
import { type Script, TestAuth } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import { CodexConfig, type TransportError } from "@effect-codex/transport"
import * as HttpLayer from "@effect-codex/transport/node"
import { type ConfigError, Effect, Layer } from "effect"
import { Codex } from "effect-codex"
import * as CodexNode from "effect-codex/node"

type Failure = TransportError.InvalidConfig | ConfigError.ConfigError | HttpServerError.ServeError

export const embedded = (script: Script.Script, config?: CodexConfig.Options): Layer.Layer<Codex.Codex, Failure> =>
  Layer.unwrapEffect(
    Effect.map(BackendServer.BackendServer, ({ url }) =>
      Layer.provide(Codex.layerCarrier, CodexConfig.layer({ ...config, baseUrl: url }))
    )
  ).pipe(
    Layer.provide(BackendServer.layer({ script })),
    Layer.provide(TestAuth.layer()),
    Layer.provide(HttpLayer.layer())
  )

/** The embedded backend with this script, or the real one. */
export const scripted = (script: Script.Script): Layer.Layer<Codex.Codex, Failure> =>
  process.argv.includes("--live") ? CodexNode.layer() : embedded(script)

/** The embedded backend with these answers, or the real one. */
export const backend = (...script: ReadonlyArray<Script.Step>): Layer.Layer<Codex.Codex, Failure> => scripted(script)
