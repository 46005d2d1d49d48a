/**
 * Creates and modifies steps.
 */
import * as Duration from "effect/Duration"
import { pipeArguments } from "effect/Pipeable"
import type { BodyPart, Step } from "../Script.ts"

export type Fields = Omit<Step, "pipe">

const Proto = {
  pipe() {
    // biome-ignore lint/complexity/noArguments: the protocol of Pipeable
    return pipeArguments(this, arguments)
  }
}

export const make = (fields: Partial<Fields>): Step =>
  Object.assign(Object.create(Proto), {
    kind: "respond",
    delay: Duration.zero,
    status: 200,
    headers: {},
    body: () => [],
    keepAlive: undefined,
    cut: undefined,
    ending: "close",
    closeCode: 1000,
    messages: "text",
    endDelay: Duration.zero,
    gzip: false,
    chunkSize: undefined,
    interval: Duration.zero,
    expects: undefined,
    problem: undefined,
    ...fields
  } satisfies Fields)

export const modify =
  (change: (self: Step) => Partial<Fields>) =>
  (self: Step): Step =>
    make({ ...self, ...change(self) })

export const raw = (bytes: Uint8Array): BodyPart => ({ bytes, isEvent: false })
