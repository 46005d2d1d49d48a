/**
 * The least that can be done: what a person would write who trusts the server's every byte. One streaming
 * `TextDecoder`, one scan for the end of a frame, `JSON.parse` for each, and a fold that keeps text, arguments and items.
 * No framework, no errors, no drift, only LF.
 */
import { createParser } from "eventsource-parser"

interface WireEvent {
  readonly type: string
  readonly delta: string
  readonly output_index: number
  readonly item: unknown
  readonly response: { readonly usage: unknown }
}

export interface Folded {
  text: string
  readonly calls: Map<number, string>
  readonly items: Array<unknown>
  usage: unknown
  over: boolean
}

export const folded = (): Folded => ({ text: "", calls: new Map(), items: [], usage: undefined, over: false })

const fold = (state: Folded, event: WireEvent): void => {
  switch (event.type) {
    case "response.output_text.delta":
      state.text += event.delta
      return
    case "response.function_call_arguments.delta":
      state.calls.set(event.output_index, (state.calls.get(event.output_index) ?? "") + event.delta)
      return
    case "response.output_item.done":
      state.items[event.output_index] = event.item
      return
    case "response.completed":
      state.usage = event.response.usage
      state.over = true
  }
}

/** The bare limit, fed chunk by chunk. */
export const bare = (): { readonly push: (chunk: Uint8Array) => void; readonly state: Folded } => {
  const state = folded()
  const decoder = new TextDecoder()
  let rest = ""
  let endsLine = false
  const frame = (text: string) => {
    const data = text.indexOf("data: ")
    if (data !== -1) fold(state, JSON.parse(text.slice(data + 6)))
  }
  const push = (chunk: Uint8Array) => {
    const piece = decoder.decode(chunk, { stream: true })
    if (piece === "") return
    let at = 0
    if (rest !== "") {
      // an unfinished frame stays a rope and is searched only in its new piece
      const cutInSeparator = endsLine && piece.startsWith("\n")
      const end = cutInSeparator ? 0 : piece.indexOf("\n\n")
      if (end !== -1) {
        frame(rest + piece.slice(0, end))
        rest = ""
        at = end + (cutInSeparator ? 1 : 2)
      }
    }
    if (rest === "") {
      for (let end = piece.indexOf("\n\n", at); end !== -1; end = piece.indexOf("\n\n", at)) {
        frame(piece.slice(at, end))
        at = end + 2
      }
    }
    if (at < piece.length) {
      rest += at === 0 ? piece : piece.slice(at)
      endsLine = piece.endsWith("\n")
    }
  }
  return { push, state }
}

/** The same fold behind `eventsource-parser`. */
export const eventsource = (): { readonly push: (chunk: Uint8Array) => void; readonly state: Folded } => {
  const state = folded()
  const decoder = new TextDecoder()
  const parser = createParser({ onEvent: ({ data }) => fold(state, JSON.parse(data)) })
  return { push: (chunk) => parser.feed(decoder.decode(chunk, { stream: true })), state }
}
