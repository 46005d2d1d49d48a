/** Counts events, unknown events, malformed payloads, and differences from the protocol. */
import type { Turn } from "@effect-codex/schema"

/** The maximum number of differences listed individually. */
const maxDrift = 20

export class Diagnostics {
  events = 0
  unknown = 0
  /** Payloads that are not JSON objects, or have no type. */
  malformed = 0
  driftCount = 0
  lastEventType: string | undefined
  unterminatedFinalEvent = false
  readonly drift: Array<Turn.Drift> = []

  /** Counts an event of this type. */
  read(type: string): void {
    this.events++
    this.lastEventType = type
  }

  /** Records a difference from the protocol. */
  differs(type: string, field: string): void {
    this.driftCount++
    if (this.drift.length < maxDrift) this.drift.push({ type, field })
  }

  toTurn(): Turn.Diagnostics {
    return {
      events: this.events,
      unknown: this.unknown,
      malformed: this.malformed,
      driftCount: this.driftCount,
      drift: this.drift.slice(),
      ...(this.lastEventType !== undefined && { lastEventType: this.lastEventType }),
      ...(this.unterminatedFinalEvent && { unterminatedFinalEvent: true })
    }
  }
}
