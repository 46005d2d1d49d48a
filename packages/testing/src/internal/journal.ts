/**
 * The received requests of a backend and their outcomes.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Request from "../Request.ts"
import * as Script from "../Script.ts"
import { parseJson } from "./json.ts"

/** A request in progress. The first call of `finish` or `abort` decides how it ended. */
export interface Entry {
  readonly request: Request.Request
  readonly aborted: Deferred.Deferred<void>
  /** The backend has completed the step. */
  readonly finish: () => void
  /** The client aborted the request before that. */
  readonly abort: () => void
}

export interface Journal {
  /** Numbers a new request and gets its step from the script. */
  readonly receive: (request: Omit<Request.Received, "number">) => {
    readonly entry: Entry
    readonly step: Effect.Effect<Script.Step>
  }
  readonly requests: Effect.Effect<ReadonlyArray<Request.Request & { readonly aborted: boolean }>>
  readonly aborted: (number: number) => Effect.Effect<void>
  /** Fails if a request was not expected, or a step of a list was not used. */
  readonly verify: Effect.Effect<void, Script.ScriptMismatch>
  /** Fails the test with the unexpected requests. */
  readonly failUnexpected: Effect.Effect<void>
}

export const make = (script: Script.Script): Journal => {
  const respond = Script.toResponder(script)
  const requests: Array<Request.Request> = []
  const problems: Array<string> = []
  const outcomes = new Map<number, "finished" | "aborted">()
  const aborts = new Map<number, Deferred.Deferred<void>>()
  const abortOf = (number: number) => {
    const known = aborts.get(number) ?? Deferred.unsafeMake<void>(FiberId.none)
    aborts.set(number, known)
    return known
  }
  return {
    receive: (received) => {
      const request = Request.make({ ...received, number: requests.length + 1 })
      // `requests` does not contain this request yet
      const step = Effect.tap(respond(request, requests), ({ problem }) =>
        Effect.sync(() => {
          if (problem !== undefined) problems.push(problem)
        })
      )
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
    aborted: (number) => Effect.suspend(() => Deferred.await(abortOf(number))),
    verify: Effect.suspend(() => {
      const unusedSteps = typeof script === "function" ? 0 : Math.max(0, script.length - requests.length)
      return problems.length === 0 && unusedSteps === 0
        ? Effect.void
        : new Script.ScriptMismatch({ problems: problems.slice(), unusedSteps })
    }),
    // a scope has no error channel, and a test with unexpected requests must not pass
    failUnexpected: Effect.suspend(() =>
      problems.length === 0
        ? Effect.void
        : Effect.die(new Script.ScriptMismatch({ problems: problems.slice(), unusedSteps: 0 }))
    )
  }
}

const decoder = new TextDecoder()

/** The decoded JSON, or the text if it is not JSON, or `undefined` if it is empty. */
export const readBody = (bytes: Uint8Array): unknown => {
  if (bytes.length === 0) return undefined
  const text = decoder.decode(bytes)
  const json = parseJson(text)
  return json === undefined ? text : json
}
