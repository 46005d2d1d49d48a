/** The ways through a body that are compared. Each returns the length of what it kept, so that all can be checked. */

import type { Turn } from "@effect-codex/schema"
import { TurnDecoder, TurnStream } from "@effect-codex/stream"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { asyncChunks, type Body, type Chunking, chunks } from "./corpora.ts"
import * as Limit from "./limit.ts"

/** What a turn came to, in a number: characters of text and arguments, and items. */
export type Form = (body: Body, chunking: Chunking) => number | Promise<number>

/** Reads a character, as a program would: a text that was only ever appended to is still in pieces. */
const sizeOf = (text: string): number => text.length + (text.charCodeAt(text.length - 1) > 0 ? 1 : 0)

const sizeOfFolded = ({ calls, items, text }: Limit.Folded): number =>
  sizeOf(text) + items.length + [...calls.values()].reduce((sum, args) => sum + sizeOf(args), 0)

const sizeOfTurn = (turn: Turn.Turn | undefined): number =>
  turn === undefined
    ? -1
    : sizeOf(turn.text) + turn.items.length + turn.toolCalls.reduce((sum, call) => sum + sizeOf(call.arguments), 0)

const sync =
  (make: typeof Limit.bare): Form =>
  (body, chunking) => {
    const { push, state } = make()
    for (const chunk of chunks(body, chunking)) push(chunk)
    return sizeOfFolded(state)
  }

const unexpected = (cause: unknown) => new Error(String(cause))

const run = (turn: Effect.Effect<Turn.Turn, unknown>): Promise<number> =>
  Effect.runPromise(Effect.map(turn, sizeOfTurn))

export const forms = {
  limit: sync(Limit.bare),
  "limit, async": async (body, chunking) => {
    const { push, state } = Limit.bare()
    for await (const chunk of asyncChunks(body, chunking)) push(chunk)
    return sizeOfFolded(state)
  },
  "eventsource-parser": sync(Limit.eventsource),
  core: (body, chunking) => {
    const decoder = new TurnDecoder.TurnDecoder()
    for (const chunk of chunks(body, chunking)) decoder.push(chunk)
    return sizeOfTurn(decoder.turn)
  },
  "fold only": (body, chunking) => run(TurnStream.foldAsyncIterable(asyncChunks(body, chunking), unexpected)),
  Stream: (body, chunking) =>
    run(TurnStream.fromAsyncIterable(asyncChunks(body, chunking), unexpected).pipe(TurnStream.collect)),
  decode: (body, chunking) =>
    run(Stream.fromAsyncIterable(asyncChunks(body, chunking), unexpected).pipe(TurnStream.decode(), TurnStream.collect))
} satisfies Record<string, Form>

export type FormName = keyof typeof forms
