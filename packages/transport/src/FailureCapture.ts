/**
 * The last exchange that failed, without its secrets and its texts: what to look at, and what to put into a bug report.
 *
 * @since 0.1.0
 */

import { defined } from "@effect-codex/schema/Defined"
import * as Redaction from "@effect-codex/schema/Redaction"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"

/**
 * One failed exchange. The request is an outline (see {@link outline}); the response is its text, scrubbed and cut.
 *
 * @since 0.1.0
 * @category models
 */
export interface FailedExchange {
  readonly provider: "openai-codex"
  /** The error's tag. */
  readonly error: string
  readonly model?: string
  readonly status?: number
  readonly requestId?: string
  readonly cfRay?: string
  readonly responseId?: string
  readonly request?: RequestOutline
  readonly response?: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/**
 * What a request was like: its settings, and kinds and lengths where there were texts.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestOutline {
  readonly model: string
  readonly effort?: string
  readonly summary?: string
  readonly verbosity?: string
  readonly format?: string
  readonly serviceTier?: string
  readonly instructionsLength: number
  /** Kind and length of the JSON of each input item, in order; the first 200. */
  readonly input: ReadonlyArray<string>
  readonly inputCount: number
  /** Kind and name of each tool; the first 100. */
  readonly tools: ReadonlyArray<string>
}

/**
 * Keeps the last failed exchange: one, of bounded size. Nothing is kept when the configuration turns capture off.
 *
 * @since 0.1.0
 * @category tags
 */
export class FailureCapture extends Context.Tag("@effect-codex/transport/FailureCapture")<
  FailureCapture,
  FailureCapture.Service
>() {}

/**
 * @since 0.1.0
 */
export declare namespace FailureCapture {
  /**
   * @since 0.1.0
   * @category models
   */
  interface Service {
    /** Remembers the exchange as the last one and puts it on the error, where {@link of} finds it. */
    readonly record: (error: object, exchange: FailedExchange) => Effect.Effect<void>
    /** The last failed exchange, once: the next call gives `undefined` until another fails. */
    readonly takeLast: Effect.Effect<FailedExchange | undefined>
  }
}

/** The most of a response that is kept, in characters. */
const responseLimit = 16_384
const inputLimit = 200
const toolLimit = 100

const key: unique symbol = Symbol.for("@effect-codex/transport/FailureCapture/exchange")

/**
 * The failed exchange of an error, if it was captured. It is no field of the error: logs and JSON do not show it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const of = (error: object): FailedExchange | undefined => (error as { readonly [key]?: FailedExchange })[key]

/**
 * A response text fit to be kept: without secrets, cut after 16,384 characters.
 *
 * @since 0.1.0
 * @category combinators
 */
export const payload = (text: string, secrets: ReadonlyArray<string> = []): string => {
  const scrubbed = Redaction.scrub(text, { secrets, limit: Number.POSITIVE_INFINITY })
  return scrubbed.length > responseLimit ? `${scrubbed.slice(0, responseLimit)}…` : scrubbed
}

/**
 * The outline of a request: no text of it survives.
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
 * A capture that holds nothing yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<FailureCapture.Service> = Effect.map(
  Ref.make<FailedExchange | undefined>(undefined),
  (last) => ({
    record: (error, exchange) =>
      Effect.zipRight(
        Effect.sync(() =>
          Object.defineProperty(error, key, { value: exchange, enumerable: false, configurable: true })
        ),
        Ref.set(last, exchange)
      ),
    takeLast: Ref.getAndSet(last, undefined)
  })
)

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<FailureCapture> = Layer.effect(FailureCapture, make)
