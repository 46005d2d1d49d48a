/**
 * What the steps of `History.compile` hand to each other.
 */

import type * as Item from "../../Item.ts"
import type { HistoryRepair } from "../../Repair.ts"

/** An item and the place it has in the history given. */
export interface Placed {
  readonly index: number
  readonly item: Item.Item
}

/** Where each step reports what it changed. */
export type Report = Array<HistoryRepair>
