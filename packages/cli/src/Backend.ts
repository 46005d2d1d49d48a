/** The backend of the commands: the real one with the login of this machine, or an embedded one. */
import * as NodeAuth from "@effect-codex/auth/node"
import { Demo, StrictBackend, TestCodex } from "@effect-codex/testing"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Codex, type CodexAuth, CodexConfig, Doctor } from "effect-codex"
import * as CodexNode from "effect-codex/node"

/** With `--mock` the embedded backend answers any prompt, without login or network. */
export const codex = (isMock: boolean): Layer.Layer<Codex.Codex, Failure> =>
  isMock ? TestCodex.layerStrict({ script: Demo.script }) : CodexNode.layer()

/** Runs the doctor's examination. */
export const examination = (
  isMock: boolean,
  { turn }: { readonly turn: boolean }
): Effect.Effect<Doctor.Report, Failure> =>
  isMock
    ? (turn ? Doctor.examineWithTurn : Doctor.examine).pipe(
        Effect.provide(
          Codex.layer.pipe(
            Layer.provideMerge(Layer.merge(StrictBackend.layerAuth(), CodexConfig.layer())),
            Layer.provide(StrictBackend.layer({ script: Demo.script }))
          )
        )
      )
    : CodexNode.doctor({ turn })

export const auth = (isMock: boolean): Layer.Layer<CodexAuth.CodexAuth, Failure> =>
  isMock ? Layer.provide(StrictBackend.layerAuth(), StrictBackend.layer()) : Layer.provide(NodeAuth.layer(), http)

/** Logs in over the same connections as turns: Node's `fetch` ignores proxies. */
const http = TransportNode.layer()

export const login = Layer.provide(NodeAuth.layerLogin(), http)

/** Errors of building the Layers. */
type Failure =
  | Layer.Layer.Error<ReturnType<typeof CodexNode.layer>>
  | Layer.Layer.Error<ReturnType<typeof NodeAuth.layer>>
  | Effect.Effect.Error<ReturnType<typeof StrictBackend.StrictBackend.Service.login>>
