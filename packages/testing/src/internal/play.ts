/**
 * Converts a step to headers and delayed chunks. Shared by both players.
 */
import * as Duration from "effect/Duration"
import type * as Script from "../Script.ts"
import { concat } from "./bytes.ts"
import * as Gzip from "./gzip.ts"

/** Bytes that are sent together, after a delay. */
export interface Piece {
  readonly wait: Duration.Duration
  readonly bytes: Uint8Array
}

const encoder = new TextEncoder()

function* keepAlives(keepAlive: Script.KeepAlive): Generator<Piece> {
  for (let i = 0; i < keepAlive.times; i++) {
    const text =
      keepAlive.form === "comment" ? ": keepalive\n\n" : `data: {"type":"keepalive","sequence_number":${i}}\n\n`
    yield { wait: keepAlive.interval, bytes: encoder.encode(text) }
  }
}

function* parts(step: Script.Step, request: Script.Request): Generator<Piece> {
  const limit = step.cut?.unit === "events" ? step.cut.after : Number.POSITIVE_INFINITY
  let events = 0
  function* signsOfLife() {
    if (step.keepAlive?.after === events) yield* keepAlives(step.keepAlive)
  }
  yield* signsOfLife()
  if (limit === 0) return
  for (const part of step.body(request)) {
    yield { wait: part.wait ?? Duration.zero, bytes: part.bytes }
    if (!part.isEvent) continue
    events++
    yield* signsOfLife()
    if (events >= limit) return
  }
}

function* gzip(pieces: Iterable<Piece>, whole: boolean): Generator<Piece> {
  const encoder = Gzip.make()
  yield { wait: Duration.zero, bytes: Gzip.header }
  for (const { bytes, wait } of pieces) {
    let first = true
    for (const block of encoder.encode(bytes)) {
      yield { wait: first ? wait : Duration.zero, bytes: block }
      first = false
    }
  }
  if (whole) yield { wait: Duration.zero, bytes: encoder.trailer() }
}

function* cutBytes(pieces: Iterable<Piece>, limit: number): Generator<Piece> {
  let left = limit
  for (const { bytes, wait } of pieces) {
    if (left <= 0) return
    yield { wait, bytes: bytes.subarray(0, left) }
    left -= bytes.length
  }
}

/** Bytes before a delay are sent even if they do not fill a chunk. */
function* rechunk(pieces: Iterable<Piece>, size: number): Generator<Piece> {
  let pending: Uint8Array = new Uint8Array(0)
  let wait = Duration.zero
  for (const piece of pieces) {
    if (Duration.greaterThan(piece.wait, Duration.zero)) {
      if (pending.length > 0) yield { wait, bytes: pending }
      pending = new Uint8Array(0)
      wait = piece.wait
    }
    pending = concat([pending, piece.bytes])
    let start = 0
    for (; pending.length - start >= size; start += size) {
      yield { wait, bytes: pending.subarray(start, start + size) }
      wait = Duration.zero
    }
    pending = pending.slice(start)
  }
  if (pending.length > 0) yield { wait, bytes: pending }
}

/** The body of a step, lazily. */
export function* pieces(step: Script.Step, request: Script.Request): Generator<Piece> {
  let body: Iterable<Piece> = parts(step, request)
  if (step.gzip) body = gzip(body, step.ending === "close")
  if (step.cut?.unit === "bytes") body = cutBytes(body, step.cut.after)
  if (step.chunkSize !== undefined) body = rechunk(body, step.chunkSize)
  for (const piece of body) yield { wait: Duration.sum(piece.wait, step.interval), bytes: piece.bytes }
}

/** The response headers, with a generated request id. */
export const headers = (step: Script.Step, { number }: Script.Request): Record<string, string> =>
  Object.fromEntries(
    Object.entries({ "x-request-id": `req_${number}`, ...step.headers }).filter(
      (entry): entry is [string, string] => entry[1] !== null
    )
  )
