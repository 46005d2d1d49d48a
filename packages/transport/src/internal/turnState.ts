import * as Redacted from "effect/Redacted"

/** A routing token longer than this is not worth a header. */
const limit = 8192

/** The routing token of a turn, unless no header could carry it: headers and events of the stream name one. */
export const fit = (text: string | undefined): Redacted.Redacted | undefined =>
  text !== undefined && text.length <= limit && /^[\x21-\x7e]+$/.test(text) ? Redacted.make(text) : undefined
