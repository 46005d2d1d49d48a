/**
 * The data passed between the steps of `History.compile`.
 */

import type * as Item from "../../Item.ts"
import type { HistoryRepair } from "../../Repair.ts"

/** An item and its position in the given history. */
export interface Placed {
  readonly index: number
  readonly item: Item.Item
}

/** Collects the changes of each step. */
export type Report = Array<HistoryRepair>
