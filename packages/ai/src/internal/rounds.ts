/** Decides after each request of a call whether another one follows. */
import { type History, Origin, type Repair, Turn } from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { ToolError } from "effect-codex"
import * as Outcome from "./outcome.ts"
import * as Refused from "./refused.ts"
import type { Fit, Misfit, Toolkit } from "./toolkit.ts"

/** The maximum number of hidden requests to answer turns without a valid tool call. */
const maxHidden = 3

/** The maximum number of requests to finish a turn with `endTurn: false` (protocol D.4). */
const maxFollowUps = 16

/** The output of the requests so far. */
export interface Progress {
  readonly turn: Turn.Turn | undefined
  readonly items: ReadonlyArray<History.Entry>
  readonly misfits: ReadonlyArray<Misfit>
  readonly requests: number
  readonly hidden: number
  readonly followUps: number
  /** The encrypted reasoning that the server refused so far. */
  readonly refused: ReadonlySet<string>
}

export const beginning: Progress = {
  turn: undefined,
  items: [],
  misfits: [],
  requests: 1,
  hidden: 0,
  followUps: 0,
  refused: new Set()
}

/** `items` is everything after the prompt; `answers` are sent with the next request. */
export interface Done {
  readonly _tag: "Done"
  readonly outcome: Outcome.Outcome
  readonly items: ReadonlyArray<History.Entry>
  readonly answers: ReadonlyArray<History.Entry>
  readonly refused: ReadonlySet<string>
}

/** The entries of the next request. */
export const entriesOf = (
  prompt: { readonly entries: ReadonlyArray<History.Entry> },
  { items, refused }: Progress
): ReadonlyArray<History.Entry> => Refused.omit([...prompt.entries, ...items], refused)

export type Next = { readonly _tag: "Again"; readonly progress: Progress } | Done

/** The ids of the calls that the request already had: these are not carried out again. */
const earlierCalls = ({ input }: Turn.Turn): ReadonlySet<unknown> =>
  new Set(
    (input === undefined ? [] : Redacted.value(input)).flatMap((item) => ("call_id" in item ? [item.call_id] : []))
  )

/** The next step after a finished turn. `repairs` are those of its request, which includes all earlier entries. */
export const conclude = (
  {
    invalidToolCalls,
    prompt,
    toolkit
  }: {
    readonly invalidToolCalls: "answer" | "fail"
    readonly prompt: { readonly entries: ReadonlyArray<History.Entry> }
    readonly toolkit: Toolkit
  },
  before: Progress,
  turn: Turn.Turn,
  repairs: ReadonlyArray<Repair.Repair>
): Effect.Effect<Next, Misfit["error"]> =>
  Effect.gen(function* () {
    const earlier = earlierCalls(turn)
    const judged = yield* Effect.forEach(turn.toolCalls, (call): Effect.Effect<Fit | Misfit> => {
      if (!earlier.has(call.callId)) return toolkit.judge(call)
      const error = new ToolError.CallRejected({ name: call.name, reason: "repeated" })
      return Effect.succeed({ _tag: "Misfit", call, error })
    })
    const calls = judged.flatMap((one) => (one._tag === "Fit" ? [one] : []))
    const misfits = judged.flatMap((one) => (one._tag === "Misfit" ? [one] : []))
    if (invalidToolCalls === "fail" && misfits[0] !== undefined) return yield* Effect.fail(misfits[0].error)
    const answers = misfits.map(Outcome.answerOf)
    const whole = before.turn === undefined ? turn : Turn.join(before.turn, turn)
    const { origin } = turn
    const items = [...before.items, ...(origin === undefined ? turn.items : Origin.tag(turn.items, origin))]
    const refused = new Set([...before.refused, ...Refused.inRequest(entriesOf(prompt, before), turn)])
    const again: Progress = {
      ...before,
      turn: whole,
      items,
      misfits: [...before.misfits, ...misfits],
      requests: before.requests + 1,
      refused
    }
    const noneFits = calls.length === 0 && misfits.length > 0
    if (noneFits && before.hidden < maxHidden) {
      return { _tag: "Again", progress: { ...again, items: [...items, ...answers], hidden: before.hidden + 1 } }
    }
    if (Turn.isUnfinished(turn) && before.followUps < maxFollowUps) {
      return { _tag: "Again", progress: { ...again, followUps: before.followUps + 1 } }
    }
    const outcome: Outcome.Outcome = {
      turn: whole,
      last: turn,
      requests: before.requests,
      repairs,
      misfits: again.misfits,
      calls,
      reason: noneFits ? "error" : Outcome.finishReason(turn, calls)
    }
    return { _tag: "Done", outcome, items, answers, refused }
  })
