/** Whether the server wants a turn finished in a further request (protocol D.4). */
import { Turn } from "@effect-codex/schema"

/** How often a turn is finished in a further request before it is taken as it is. */
const limit = 16

/** `soFar` is how many further requests the turn has had. */
export const isWanted = (turn: Turn.Turn, soFar: number): boolean => Turn.isUnfinished(turn) && soFar < limit
