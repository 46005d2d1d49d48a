/** Differences between two clients, and those that are accepted. */
import { type Seen, whyKey } from "./seen.ts"

/** In one respect of one scenario. */
export interface Difference {
  readonly scenario: string
  readonly what: string
  readonly cli: string
  readonly here: string
}

/** Differences with a common reason. */
export interface Accepted {
  readonly why: string
  readonly differences: ReadonlyArray<Difference>
}

const absent = "–"

export const differences = (scenario: string, cli: Seen, here: Seen): ReadonlyArray<Difference> =>
  [...new Set([...Object.keys(cli), ...Object.keys(here)])]
    .filter((what) => what !== whyKey)
    .map((what) => ({ scenario, what, cli: cli[what] ?? absent, here: here[what] ?? absent }))
    .filter(({ cli, here }) => cli !== here)

const isSame = (one: Difference) => (other: Difference) =>
  one.scenario === other.scenario && one.what === other.what && one.cli === other.cli && one.here === other.here

/**
 * What of the differences nobody has accepted, and what was accepted and no longer occurs, among the scenarios that were
 * played. With all of them played, an accepted difference of a scenario that is gone no longer occurs either.
 */
export const judge = (
  found: ReadonlyArray<Difference>,
  accepted: ReadonlyArray<Accepted>,
  played: (scenario: string) => boolean
): { readonly unaccepted: ReadonlyArray<Difference>; readonly gone: ReadonlyArray<Difference> } => {
  const known = accepted.flatMap(({ differences }) => differences)
  return {
    unaccepted: found.filter((difference) => !known.some(isSame(difference))),
    gone: known.filter((difference) => played(difference.scenario) && !found.some(isSame(difference)))
  }
}

/** Why a difference is accepted. */
export const reasonFor = (difference: Difference, accepted: ReadonlyArray<Accepted>): string | undefined =>
  accepted.find(({ differences }) => differences.some(isSame(difference)))?.why
