/**
 * A request and its response, byte by byte.
 */

export interface Chunk {
  /** Milliseconds since the previous chunk, or since the headers. */
  readonly wait: number
  readonly bytes: Uint8Array
}

export interface Request {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export interface Response {
  readonly _tag: "Response"
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Milliseconds from the request to the headers. */
  readonly wait: number
  readonly chunks: ReadonlyArray<Chunk>
  /** What followed the last chunk: the end, a broken connection, or an abort by the client. */
  readonly ending: "end" | "reset" | "abort"
  /** Milliseconds from the last chunk to the ending. */
  readonly endWait: number
}

/** No response: the connection was refused or broke, or the client aborted. */
export interface NoResponse {
  readonly _tag: "NoResponse"
  readonly reason: "refused" | "reset" | "abort"
  readonly wait: number
}

export interface Exchange {
  readonly request: Request
  readonly response: Response | NoResponse
}
