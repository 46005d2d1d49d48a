/** The clients that are compared. Each asks for one turn at a time and hands over the text as it comes. */
import { CodexAuth } from "@effect-codex/auth"
import { TestAuth } from "@effect-codex/testing"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { Codex } from "effect-codex"
import OpenAI from "openai"
import * as Undici from "undici"

/** One turn. Resolves when it is whole; `onText` gets the pieces of its answer. */
export type Turn = (onText: (text: string) => void) => Promise<void>

/** A client of the server at a base URL; turns may be asked for concurrently. */
export type Contestant = (baseUrl: string) => Promise<Turn>

const model = "gpt-5.5"
const instructions = "You are a helpful assistant."
const prompt = "Write a sentence about a fox and some dogs."
const accessToken = TestAuth.jwt()

/** What is left when nothing is done but what has to be: one request, blank lines, `JSON.parse`, deltas. */
const undici: Contestant = async (baseUrl) => {
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

const openai: Contestant = async (baseUrl) => {
  const client = new OpenAI({ apiKey: accessToken, baseURL: `${baseUrl}/codex`, maxRetries: 0 })
  return async (onText) => {
    const events = await client.responses.create({ model, instructions, input: prompt, stream: true, store: false })
    for await (const event of events) if (event.type === "response.output_text.delta") onText(event.delta)
  }
}

/** `Codex` over the HTTP client of `@effect-codex/transport/node`, in a runtime of its own. */
export const runtime = (baseUrl: string) =>
  ManagedRuntime.make(
    Codex.layer({ baseUrl, model }).pipe(
      Layer.provide(CodexAuth.layerToken({ accessToken: Redacted.make(accessToken) })),
      Layer.provide(TransportNode.layer({ proxy: "none" }))
    )
  )

const effectCodex =
  (take: (codex: Codex.Codex.Service, onText: (text: string) => void) => Effect.Effect<void, unknown>): Contestant =>
  async (baseUrl) => {
    const running = runtime(baseUrl)
    const codex = await running.runPromise(Codex.Codex)
    return (onText) => running.runPromise(take(codex, onText))
  }

export const contestants = {
  undici,
  openai,
  "Codex.turn": effectCodex((codex, onText) =>
    Effect.map(codex.turn({ instructions, prompt }), ({ text }) => onText(text))
  ),
  "Codex.stream": effectCodex((codex, onText) =>
    Stream.runForEachChunk(codex.stream({ instructions, prompt }), (events) =>
      Effect.sync(() => {
        for (const event of events) if (event._tag === "TextDelta") onText(event.delta)
      })
    )
  )
} satisfies Record<string, Contestant>

export type Name = keyof typeof contestants
