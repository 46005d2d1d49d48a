/** One turn by the official client; prints its text, the calls it made, and the error it ended with. */
import OpenAI from "openai"

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 1 })
const seen = { text: "", calls: [] }
try {
  const stream = await client.responses.create({
    model: "gpt-5.5",
    instructions: "Be brief.",
    input: [{ role: "user", content: "Say it." }],
    tools: [{ type: "function", name: "look", strict: false, parameters: { type: "object", properties: {} } }],
    store: false,
    stream: true
  })
  for await (const event of stream) {
    if (event.type === "response.output_text.delta") seen.text += event.delta
    if (event.type === "response.output_item.done" && event.item.type === "function_call") {
      seen.calls.push(event.item.name)
    }
  }
} catch (error) {
  seen.error = `${error.name} ${error.status ?? ""}`.trim()
}
process.stdout.write(JSON.stringify(seen))
