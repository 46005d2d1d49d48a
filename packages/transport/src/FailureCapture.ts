/**
 * Keeps the last failed exchange, without secrets and user content. Every error has its own in `exchange`.
 *
 * @since 0.1.0
 */

import { defined } from "@effect-codex/schema/Defined"
import type { FailedExchange, RequestOutline } from "@effect-codex/schema/FailedExchange"
import * as Redaction from "@effect-codex/schema/Redaction"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"

/**
 * Keeps one failed exchange, of bounded size, if the configuration enables capture.
 *
 * @since 0.1.0
 * @category tags
 */
export class FailureCapture extends Context.Tag("@effect-codex/transport/FailureCapture")<FailureCapture, Service>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Stores the exchange as the last one. */
  readonly record: (exchange: FailedExchange) => Effect.Effect<void>
  /** Takes the last failed exchange: afterwards it is `undefined` until another exchange fails. */
  readonly takeLast: Effect.Effect<FailedExchange | undefined>
}

/** The maximum length of a captured response, in characters. */
const responseLimit = 16_384
const inputLimit = 200
const toolLimit = 100

/**
 * Redacts a response text and truncates it to 16,384 characters.
 *
 * @since 0.1.0
 * @category combinators
 */
export const payload = (text: string, secrets: ReadonlyArray<string> = []): string => {
  const scrubbed = Redaction.scrub(text, { secrets, limit: Number.POSITIVE_INFINITY })
  return scrubbed.length > responseLimit ? `${scrubbed.slice(0, responseLimit)}…` : scrubbed
}

/**
 * The outline of a request, without any of its content.
 *
 * @since 0.1.0
 * @category combinators
 */
export const outline = (request: ResponsesRequest.ResponsesRequest): RequestOutline => {
  const { effort, summary } = request.reasoning ?? {}
  return defined({
    model: request.model,
    effort,
    summary,
    verbosity: request.text?.verbosity,
    format: request.text?.format?.type,
    serviceTier: request.service_tier,
    instructionsLength: request.instructions.length,
    input: request.input.slice(0, inputLimit).map((item) => `${item.type} (${JSON.stringify(item).length})`),
    inputCount: request.input.length,
    tools: (request.tools ?? [])
      .slice(0, toolLimit)
      .map((tool) => ("name" in tool && typeof tool.name === "string" ? `${tool.type} ${tool.name}` : tool.type))
  })
}

/**
 * Makes an empty capture.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service> = Effect.map(Ref.make<FailedExchange | undefined>(undefined), (last) => ({
  record: (exchange) => Ref.set(last, exchange),
  takeLast: Ref.getAndSet(last, undefined)
}))

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<FailureCapture> = Layer.effect(FailureCapture, make)
