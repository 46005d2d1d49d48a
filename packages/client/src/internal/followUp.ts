/** Whether the server wants a turn to be continued in another request (protocol D.4). */
import { Turn } from "@effect-codex/schema"

/** The maximum number of follow-up requests of a turn. */
const limit = 16

/** `soFar` is the number of follow-up requests the turn already had. */
export const isWanted = (turn: Turn.Turn, soFar: number): boolean => Turn.isUnfinished(turn) && soFar < limit
