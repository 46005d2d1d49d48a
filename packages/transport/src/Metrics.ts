/**
 * Metrics. Labels have few values and never contain ids or request content.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"

/**
 * Requests sent, including retries.
 *
 * @since 0.1.0
 * @category metrics
 */
export const requests = Metric.counter("codex.requests", { description: "HTTP requests sent", incremental: true })

/**
 * Retries, labelled `error.type` with the tag of the error that caused them.
 *
 * @since 0.1.0
 * @category metrics
 */
export const retries = Metric.counter("codex.retries", { description: "Requests sent again", incremental: true })

/**
 * Failed attempts, labelled `error.type` with the error's tag.
 *
 * @since 0.1.0
 * @category metrics
 */
export const errors = Metric.counter("codex.errors", { description: "Attempts that failed", incremental: true })

/**
 * Requests that fell back from WebSocket to SSE, labelled `reason`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const fallbacks = Metric.counter("codex.websocket.fallbacks", {
  description: "Requests sent by SSE instead of over a WebSocket",
  incremental: true
})

const millis = MetricBoundaries.exponential({ start: 10, factor: 2, count: 16 })

/**
 * Milliseconds from sending to the response headers.
 *
 * @since 0.1.0
 * @category metrics
 */
export const timeToHeaders = Metric.histogram("codex.time_to_headers", millis, "Milliseconds to the response headers")

/**
 * Milliseconds from sending to the first bytes of the body, which contain the first event.
 *
 * @since 0.1.0
 * @category metrics
 */
export const timeToFirstEvent = Metric.histogram(
  "codex.time_to_first_event",
  millis,
  "Milliseconds to the first bytes of the body"
)
