// An HTTP proxy that knows CONNECT only. It says on stdout where it listens and which tunnels were asked for.
import * as Http from "node:http"
import * as Net from "node:net"

const server = Http.createServer((_, response) => response.writeHead(405).end())

server.on("connect", (request, socket, head) => {
  process.stdout.write(`CONNECT ${request.url} ${request.headers["proxy-authorization"] ?? "-"}\n`)
  if (process.argv[2] === "refuse") {
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n")
    return
  }
  if (process.argv[2] === "close") {
    socket.destroy()
    return
  }
  const target = new URL(`http://${request.url}`)
  const upstream = Net.connect(Number(target.port), target.hostname, () => {
    socket.write("HTTP/1.1 200 Connection Established\r\n\r\n")
    upstream.write(head)
    upstream.pipe(socket).pipe(upstream)
  })
  upstream.on("error", () => socket.destroy())
  socket.on("error", () => upstream.destroy())
})

server.listen(0, "127.0.0.1", () => process.stdout.write(`LISTENING ${server.address().port}\n`))
