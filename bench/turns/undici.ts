import * as Undici from "undici"
import type { Contestant } from "./contestants.ts"
import { accessToken, instructions, model, prompt } from "./request.ts"

/** What is left when nothing is done but what has to be: one request, blank lines, `JSON.parse`, deltas. */
export const undici: Contestant = async (baseUrl) => {
  const dispatcher = new Undici.Agent()
  const headers = {
    authorization: `Bearer ${accessToken}`,
    "content-type": "application/json",
    accept: "text/event-stream"
  }
  return async (onText) => {
    const input = [{ type: "message", role: "user", content: [{ type: "input_text", text: prompt }] }]
    const body = JSON.stringify({ model, stream: true, instructions, input, store: false })
    const url = `${baseUrl}/codex/responses`
    const response = await Undici.request(url, { dispatcher, method: "POST", headers, body })
    const decoder = new TextDecoder()
    let rest = ""
    for await (const chunk of response.body) {
      const frames = (rest + decoder.decode(chunk, { stream: true })).split("\n\n")
      rest = frames.pop() ?? ""
      for (const frame of frames) {
        const event = JSON.parse(frame.slice(frame.indexOf("data: ") + 6))
        if (event.type === "response.output_text.delta") onText(event.delta)
      }
    }
  }
}
