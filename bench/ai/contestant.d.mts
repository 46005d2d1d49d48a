import type * as LanguageModel from "@effect/ai/LanguageModel"
import type * as Layer from "effect/Layer"

export declare const serve: (provide: (base: string) => Layer.Layer<LanguageModel.LanguageModel, unknown>) => void
