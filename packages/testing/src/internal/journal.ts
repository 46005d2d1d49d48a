/**
 * The requests a backend received, and what became of them.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type * as Script from "../Script.ts"
import { parseJson } from "./json.ts"

/** One request under way. The first of `finish` and `abort` says how it ended. */
export interface Entry {
  readonly request: Script.Request
  readonly aborted: Deferred.Deferred<void>
  /** The backend has done what the step says. */
  readonly finish: () => void
  /** The client gave up before that. */
  readonly abort: () => void
}

export interface Journal {
  /** Takes a new request, which is numbered here, and asks the script for its step. */
  readonly receive: (request: Omit<Script.Request, "number">) => {
    readonly entry: Entry
    readonly step: Effect.Effect<Script.Step>
  }
  readonly requests: Effect.Effect<ReadonlyArray<Script.Request & { readonly aborted: boolean }>>
  readonly aborted: (number: number) => Effect.Effect<void>
}

export const make = (script: ReturnType<typeof Script.toResponder>): Journal => {
  const requests: Array<Script.Request> = []
  const outcomes = new Map<number, "finished" | "aborted">()
  const aborts = new Map<number, Deferred.Deferred<void>>()
  const abortOf = (number: number) => {
    const known = aborts.get(number) ?? Deferred.unsafeMake<void>(FiberId.none)
    aborts.set(number, known)
    return known
  }
  return {
    receive: (received) => {
      const request = { ...received, number: requests.length + 1 }
      // before this request joins them, `requests` are the earlier ones
      const step = script(request, requests)
      requests.push(request)
      const { number } = request
      const entry: Entry = {
        request,
        aborted: abortOf(number),
        finish: () => {
          if (!outcomes.has(number)) outcomes.set(number, "finished")
        },
        abort: () => {
          if (outcomes.has(number)) return
          outcomes.set(number, "aborted")
          Deferred.unsafeDone(entry.aborted, Effect.void)
        }
      }
      return { entry, step }
    },
    requests: Effect.sync(() =>
      requests.map((request) => ({ ...request, aborted: outcomes.get(request.number) === "aborted" }))
    ),
    aborted: (number) => Effect.suspend(() => Deferred.await(abortOf(number)))
  }
}

const decoder = new TextDecoder()

/** JSON where it is JSON, else the text; `undefined` where there is nothing. */
export const readBody = (bytes: Uint8Array): unknown => {
  if (bytes.length === 0) return undefined
  const text = decoder.decode(bytes)
  const json = parseJson(text)
  return json === undefined ? text : json
}
