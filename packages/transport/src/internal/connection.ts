/** Classifies connection failures. Only the code of the client's error is kept. */
import { defined } from "@effect-codex/schema/Defined"
import type { CarrierFailure } from "../Carrier.ts"
import { ConnectionFailed, StreamIdle, TimedOut } from "../TransportError.ts"

type Reason = ConnectionFailed["reason"]

const reasons: ReadonlyMap<string, Reason> = new Map<string, Reason>([
  ["ECONNREFUSED", "refused"],
  ["ECONNRESET", "reset"],
  ["ECONNABORTED", "reset"],
  ["EPIPE", "reset"],
  ["ETIMEDOUT", "reset"],
  ["UND_ERR_SOCKET", "reset"],
  ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "reset"],
  ["Z_BUF_ERROR", "reset"],
  ["ERR_STREAM_PREMATURE_CLOSE", "reset"],
  ["ENOTFOUND", "dns"],
  ["EAI_AGAIN", "dns"],
  ["EAI_FAIL", "dns"],
  ["EHOSTUNREACH", "unreachable"],
  ["ENETUNREACH", "unreachable"],
  ["ENETDOWN", "unreachable"],
  ["EADDRNOTAVAIL", "unreachable"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "tls"],
  ["HOSTNAME_MISMATCH", "tls"],
  ["EPROTO", "tls"],
  ["UND_ERR_PRX_TLS", "proxy"],
  ["UND_ERR_HEADERS_OVERFLOW", "protocol"],
  ["UND_ERR_RESPONSE", "protocol"]
])

const patterns: ReadonlyArray<readonly [RegExp, Reason]> = [
  [/^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_)/, "tls"],
  [/^(?:HPE_|Z_|ERR_BROTLI|ERR__BROTLI|ERR_ZSTD|ZSTD_)/, "protocol"],
  [/^EAI_/, "dns"]
]

const texts: ReadonlyArray<readonly [RegExp, Reason]> = [
  [/proxy/i, "proxy"],
  [/^terminated$|other side closed|socket hang up|premature close/i, "reset"],
  [/HTTP\/1\.1 protocol|parse error/i, "protocol"],
  [/certificate/i, "tls"]
]

/** The error and its causes, at most five levels; errors of several addresses count as one level. */
const chain = (error: unknown): ReadonlyArray<object> => {
  const found: Array<object> = []
  let level: unknown = error
  while (typeof level === "object" && level !== null && found.length < 5) {
    found.push(level)
    level =
      "cause" in level && level.cause !== undefined
        ? level.cause
        : "errors" in level && Array.isArray(level.errors)
          ? level.errors[0]
          : undefined
  }
  return found
}

const codeOf = (level: object): string | undefined =>
  "code" in level && typeof level.code === "string" && /^[A-Z][A-Z0-9_]{1,63}$/.test(level.code)
    ? level.code
    : undefined

const textOf = (level: object): string => ("message" in level && typeof level.message === "string" ? level.message : "")

const reasonOf = (codes: ReadonlyArray<string>, messages: ReadonlyArray<string>): Reason => {
  for (const code of codes) {
    const reason = reasons.get(code) ?? patterns.find(([pattern]) => pattern.test(code))?.[1]
    if (reason !== undefined) return reason
  }
  for (const message of messages) {
    const reason = texts.find(([pattern]) => pattern.test(message))?.[1]
    if (reason !== undefined) return reason
  }
  return "unknown"
}

/** The context of the error. `silentMillis` is how long the body had been idle. */
export interface Circumstances {
  readonly phase: ConnectionFailed["phase"]
  readonly elapsedMillis?: number
  readonly bytesReceived?: number
  readonly silentMillis?: number
  readonly requestId?: string
  readonly cfRay?: string
}

export const fromFailure = (
  failure: CarrierFailure,
  { silentMillis, ...rest }: Circumstances
): ConnectionFailed | TimedOut | StreamIdle => {
  const { phase, ...fields } = rest
  if (failure.reason === "url") return new ConnectionFailed({ ...fields, phase: "request", reason: "url" })
  if (failure.reason === "redirect") return new ConnectionFailed({ ...fields, phase, reason: "redirect" })
  const levels = chain(failure.cause)
  const codes = levels.flatMap((level) => codeOf(level) ?? [])
  if (codes.includes("UND_ERR_CONNECT_TIMEOUT")) return new TimedOut({ ...fields, phase: "connect" })
  if (phase !== "body" && codes.includes("ETIMEDOUT")) return new TimedOut({ ...fields, phase: "connect" })
  if (codes.includes("UND_ERR_HEADERS_TIMEOUT")) return new TimedOut({ ...fields, phase: "headers" })
  if (codes.includes("UND_ERR_BODY_TIMEOUT")) {
    return new StreamIdle({ ...fields, kind: "bytes", idleMillis: silentMillis ?? 0 })
  }
  return new ConnectionFailed({
    ...fields,
    phase,
    reason: reasonOf(codes, levels.map(textOf)),
    ...defined({ systemCode: codes[0] })
  })
}
