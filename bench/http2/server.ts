/**
 * The server of `bench/http2.ts`, a process of its own: https that speaks HTTP/1.1, or HTTP/2 when its argument
 * is 2. The first segment of the
 * path says what is wanted: `/turn/…` one turn at once, `/slow/…` one of 50 text deltas 20 ms apart, `/held/…` the first
 * events and then nothing, `/cut/…` the same, and then the connection is closed, `/drop/…` that without any answer. Each message to the process is answered with what it has seen.
 */
import * as Http2 from "node:http2"
import * as Https from "node:https"
import type { AddressInfo } from "node:net"
import * as Certificates from "../../packages/transport/test/certificates.ts"
import { closing, delta, encode, opening } from "../turns/events.ts"

const seen = { connections: 0, open: 0, requests: 0, aborted: 0 }
const close = (request: Http2.Http2ServerRequest) => {
  if (request.stream?.session !== undefined) request.stream.session.destroy()
  else request.socket.destroy()
}

const answer = (request: Http2.Http2ServerRequest, response: Http2.Http2ServerResponse) => {
  const kind = request.url.split("/")[1] ?? ""
  request.resume().on("end", () => {
    seen.requests++
    let over = false
    response.on("close", () => {
      if (!over) seen.aborted++
    })
    if (kind === "drop") return void setTimeout(() => close(request), 20)
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.write(encode(opening))
    const end = () => {
      over = true
      response.end(encode(closing("The end.")))
    }
    switch (kind) {
      case "turn":
        return end()
      case "held":
      case "cut":
        response.write(encode([delta("The", 0)]))
        if (kind === "cut") setTimeout(() => close(request), 20)
        return
      default: {
        let sent = 0
        const timer = setInterval(() => {
          response.write(encode([delta("word ", sent)]))
          if (++sent < 50) return
          clearInterval(timer)
          end()
        }, 20)
      }
    }
  })
}

const server =
  process.argv[2] === "2"
    ? Http2.createSecureServer(Certificates.server, answer)
    : Https.createServer(Certificates.server, (request, response) =>
        answer(request as unknown as Http2.Http2ServerRequest, response as unknown as Http2.Http2ServerResponse)
      )
server.on("secureConnection", (socket) => {
  seen.connections++
  seen.open++
  socket.on("close", () => seen.open--)
  socket.on("error", () => {})
})
server.on("sessionError", () => {})
process.on("message", () => process.send?.(seen))
server.listen(0, "127.0.0.1", 4096, () => process.send?.((server.address() as AddressInfo).port))
