/**
 * The server of the comparison, a process of its own: `/whole/…` and `/each/…` a turn of 2,000 text deltas, in one piece or
 * an event every millisecond; `/case/<id>/…` a byte-level case of the shared folder or one of `broken.ts`.
 */
import * as Fs from "node:fs"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import { closing, delta, encode, opening } from "../turns/events.ts"
import { broken } from "./broken.ts"

/** How many text deltas a measured turn has. */
const deltas = 2000

const word = (n: number) => `word${n % 10} `
const text = Array.from({ length: deltas }, (_, n) => word(n)).join("")
const events = [...opening, ...Array.from({ length: deltas }, (_, n) => delta(word(n), n)), ...closing(text)]
const each = events.map((event) => encode([event]))
const whole = encode(events)

interface Case {
  readonly id: string
  readonly bytes_base64_chunks: ReadonlyArray<string>
  readonly hold_open?: boolean
}

const file = fileURLToPath(new URL("../../../shared/sse-cases.json", import.meta.url))
const shared: ReadonlyArray<Case> = Fs.existsSync(file) ? JSON.parse(Fs.readFileSync(file, "utf8")).cases : []
const chunksOf = new Map<string, ReadonlyArray<Uint8Array>>([
  ...shared.map(
    ({ bytes_base64_chunks, id }) => [id, bytes_base64_chunks.map((chunk) => Buffer.from(chunk, "base64"))] as const
  ),
  ...Object.entries(broken).map(([id, events]) => [id, [encode(events)]] as const)
])
const held = new Set(shared.flatMap(({ hold_open, id }) => (hold_open === true ? [id] : [])))

const turn = () => new Promise((resolve) => setImmediate(resolve))
const millisecond = () => new Promise((resolve) => setTimeout(resolve, 1))

/** Pieces that arrive one by one. */
const pieces = async (
  to: Http.ServerResponse,
  chunks: ReadonlyArray<Uint8Array>,
  { open = false, pause = turn }: { readonly open?: boolean; readonly pause?: () => Promise<unknown> } = {}
) => {
  for (const chunk of chunks) {
    if (chunk.length > 0 && !to.write(chunk)) await new Promise((resolve) => to.once("drain", resolve))
    await pause()
  }
  if (!open) to.end()
}

const server = Http.createServer((request, to) => {
  const [, what, id = ""] = request.url?.split("/") ?? []
  request.resume().on("end", () => {
    to.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" })
    if (what === "whole") to.end(whole)
    else if (what === "each") void pieces(to, each, { pause: millisecond })
    else void pieces(to, chunksOf.get(id) ?? [], { open: held.has(id) })
  })
})
server.listen({ host: "127.0.0.1", port: 0 }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port, length: text.length })
})
process.on("disconnect", () => process.exit())
