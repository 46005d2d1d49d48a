/** Times and ratios: rounds in one process, every form once a round, the order turned by one each round. */
import type { Chunking, Corpus } from "./corpora.ts"
import type { Form } from "./forms.ts"

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? high)) / 2
}

export const collectGarbage = (): void => {
  globalThis.gc?.()
}

export const time = async (form: Form, corpus: Corpus, chunking: Chunking): Promise<{ ms: number; kept: number }> => {
  let kept = 0
  const start = process.cpuUsage()
  for (const body of corpus.bodies) kept += await form(body, chunking)
  const { system, user } = process.cpuUsage(start)
  return { ms: (user + system) / 1000, kept }
}

export interface Cell {
  readonly rounds: number
  /** The median time of each form in milliseconds. */
  readonly ms: Readonly<Record<string, number>>
  /** A form's time over another's, of the same round; the median over the rounds. */
  readonly ratio: (form: string, to: string) => number
}

/** Rounds until the time is used up, but at least `minRounds` and one to warm up. */
export const compare = async (
  forms: Readonly<Record<string, Form>>,
  corpus: Corpus,
  chunking: Chunking,
  { maxRounds, minRounds, millis }: { readonly minRounds: number; readonly maxRounds: number; readonly millis: number }
): Promise<Cell> => {
  const names = Object.keys(forms)
  const times: Record<string, Array<number>> = Object.fromEntries(names.map((name) => [name, []]))
  let expected: number | undefined
  collectGarbage()
  let deadline = Number.POSITIVE_INFINITY
  for (let round = -1; round < minRounds || (round < maxRounds && performance.now() < deadline); round++) {
    if (round === 0) deadline = performance.now() + millis
    for (let n = 0; n < names.length; n++) {
      const name = names[(n + Math.max(round, 0)) % names.length] as string
      const { kept, ms } = await time(forms[name] as Form, corpus, chunking)
      expected ??= kept
      if (kept !== expected) throw new Error(`${name} kept ${kept} on ${corpus.name}, ${chunking}; others ${expected}`)
      if (round >= 0) times[name]?.push(ms)
    }
  }
  const of = (name: string) => times[name] ?? []
  return {
    rounds: of(names[0] as string).length,
    ms: Object.fromEntries(names.map((name) => [name, median(of(name))])),
    ratio: (form, to) => median(of(form).map((ms, round) => ms / (of(to)[round] as number)))
  }
}
