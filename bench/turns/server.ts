/**
 * The server of the measurement, a process of its own: a bare `node:http` that plays what was encoded beforehand.
 *
 * The first segment of the path says what is wanted: `/turn/…` one turn of 30 events at once, `/stamped/…` 1,000 text
 * deltas 1 ms apart, each saying when it was sent, `/held/…` the first event and then nothing.
 */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { clock } from "./clock.ts"
import { closing, delta, encode, numbered, opening } from "./events.ts"

const start = encode(opening)
const first = encode([delta("The", 0)])
const end = encode(closing("."))

const headers = {
  "content-type": "text/event-stream; charset=utf-8",
  "openai-model": "gpt-5.5",
  "x-codex-plan-type": "plus",
  "x-codex-active-limit": "codex",
  "x-codex-primary-used-percent": "12",
  "x-codex-primary-window-minutes": "300",
  "x-codex-primary-reset-after-seconds": "3600",
  "x-codex-secondary-used-percent": "40",
  "x-codex-secondary-window-minutes": "10080",
  "x-codex-secondary-reset-after-seconds": "360000",
  "cf-ray": "95d1b3f0a8b2c3d4-FRA",
  "x-request-id": "9f1c2d3e-4b5a-6978-8a9b-0c1d2e3f4a5b"
}

const stamped = 1000
let turns = 0

const play: Readonly<Record<string, (to: Http.ServerResponse) => void>> = {
  turn: (to) => {
    to.end(numbered(turns++))
  },
  held: (to) => {
    to.write(start)
    to.write(first)
  },
  stamped: (to) => {
    to.write(start)
    let sent = 0
    const timer = setInterval(() => {
      to.write(encode([delta(`${clock()};`, sent)]))
      if (++sent < stamped) return
      clearInterval(timer)
      to.end(end)
    }, 1)
  }
}

const server = Http.createServer({ keepAliveTimeout: 600_000 }, (request, to) => {
  const player = play[request.url?.split("/")[1] ?? ""]
  request.resume().on("end", () => {
    to.writeHead(player === undefined ? 404 : 200, headers)
    if (player === undefined) to.end()
    else player(to)
  })
})
server.maxHeadersCount = 0
server.listen({ host: "127.0.0.1", port: 0, backlog: 2048 }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port })
})
process.on("disconnect", () => process.exit())
