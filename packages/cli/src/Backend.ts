/** What the commands run on: the real backend with the login of this machine, or an embedded one. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeAuth from "@effect-codex/auth/node"
import { Demo, StrictBackend, TestCodex } from "@effect-codex/testing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Codex, type CodexAuth, CodexConfig, Doctor } from "effect-codex"
import * as CodexNode from "effect-codex/node"

/** The backend that `--mock` asks answers any prompt, without a login and without a network. */
export const codex = (isMock: boolean): Layer.Layer<Codex.Codex, Failure> =>
  isMock ? TestCodex.layerStrict({ script: Demo.script }) : CodexNode.layer()

/** What keeps turns from working. */
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
  isMock ? Layer.provide(StrictBackend.layerAuth(), StrictBackend.layer()) : Layer.provide(NodeAuth.layer(), fetch)

const fetch = FetchHttpClient.layer

export const login = Layer.provide(NodeAuth.layerLogin(), fetch)

/** What the Layers can fail with when they are built. */
type Failure =
  | Layer.Layer.Error<ReturnType<typeof CodexNode.layer>>
  | Layer.Layer.Error<ReturnType<typeof NodeAuth.layer>>
  | Effect.Effect.Error<ReturnType<typeof StrictBackend.StrictBackend.Service.login>>
