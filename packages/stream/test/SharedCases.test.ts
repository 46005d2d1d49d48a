/** The shared byte-level cases and recordings, each also cut differently than it came. */

import { assert, it } from "@effect/vitest"
import type { Turn } from "@effect-codex/schema"
import { Sse } from "@effect-codex/stream"
import * as Redacted from "effect/Redacted"
import { stepOf } from "../../../test/exhaustive.ts"
import { describeShared } from "../../../test/shared.ts"
import * as Shared from "./shared.ts"
import { byteByByte, concat, type Decoded, decode, shown } from "./support.ts"

/** The bytes whole, one by one, and cut in two: at each byte where they are few, else at so many places. */
const cuts = (bytes: Uint8Array): ReadonlyArray<ReadonlyArray<Uint8Array>> => {
  const step = bytes.length > 6000 ? Math.floor(bytes.length / 60) : stepOf(bytes.length, 60)
  const splits = Array.from({ length: Math.ceil(bytes.length / step) }, (_, n) => n * step)
  return [
    [bytes],
    byteByByte(bytes),
    ...splits.map((at) => [bytes.subarray(0, at), new Uint8Array(0), bytes.subarray(at)])
  ]
}

const readSse = (chunks: ReadonlyArray<Uint8Array>) => {
  const decoder = new Sse.Decoder()
  const events = chunks.flatMap((chunk) => [...decoder.push(chunk)])
  const end = decoder.failure?._tag === "InvalidUtf8" ? "invalid_utf8" : decoder.unfinished ? "truncated" : "clean"
  return { events, end, decoder }
}

const checkSse = (c: Shared.Case, chunks: ReadonlyArray<Uint8Array>) => {
  const { decoder, end, events } = readSse(chunks)
  assert.include([c.expected_end, ...(c.also_ok ?? [])], end)
  const expected = c.expected_events_strict ?? c.expected_events ?? []
  assert.deepStrictEqual(
    events.map(({ data, event }) => ({ event, data })),
    expected.map(({ data, event }) => ({ event, data }))
  )
  expected.forEach((event, n) => {
    if (event.id !== undefined) assert.strictEqual(events[n]?.id, event.id)
  })
  if (c.invalid_at !== undefined) {
    assert.strictEqual(decoder.failure?._tag === "InvalidUtf8" ? decoder.failure.offset : undefined, c.invalid_at)
  }
  if (c.expected_retry !== undefined) assert.deepStrictEqual(decoder.retries, c.expected_retry)
}

const endOf = ({ failure, turn }: Decoded): string =>
  turn !== undefined
    ? "terminal"
    : failure?._tag === "StreamTruncated"
      ? "truncated"
      : failure?._tag === "InvalidUtf8"
        ? "invalid_utf8"
        : "failed"

const classOf = (error: Decoded["failure"]): string => {
  switch (error?._tag) {
    case "UsageLimit":
      return { limit_reached: "usage_limit", not_included: "usage_not_included", quota: "quota" }[error.reason]
    case "RateLimited":
      return "rate_limited"
    case "ContextWindowExceeded":
      return "context_overflow"
    case "InvalidRequest":
      return "invalid_request"
    case "ResponseFailed":
      return error.code === undefined ? "unknown" : error.code
    default:
      return error?._tag ?? "none"
  }
}

const checkCodex = (c: Shared.Case, chunks: ReadonlyArray<Uint8Array>) => {
  const decoded = decode(chunks)
  const { decoder, failure, turn } = decoded
  const end = endOf(decoded)
  assert.include([c.expected_end, ...(c.also_ok ?? []), ...(c.lenient === undefined ? [] : [c.lenient])], end)
  const content: Turn.Turn | Turn.PartialTurn = turn ?? decoder.state.partial()
  const state = c.expected_state
  if (state !== undefined && end === c.expected_end) {
    assert.strictEqual(content.text, state.text)
    // deltas of several parts may interleave; those of each part join up to it
    if ((state.text_parts?.length ?? 1) === 1) assert.strictEqual(shown(decoded.events), state.text)
    if (state.text_parts !== undefined) {
      assert.deepStrictEqual(
        content.blocks.flatMap((block) => (block._tag === "Text" ? [block.text] : [])),
        state.text_parts
      )
    }
    const reasoning = content.blocks.flatMap((block) =>
      block._tag === "Reasoning" ? [[...block.summary, ...block.content].join("")] : []
    )
    assert.deepStrictEqual(
      reasoning.filter((text) => text !== ""),
      state.reasoning
    )
    const callsOf = (finished: boolean) =>
      content.blocks.flatMap((block) =>
        block._tag === "ToolCall" && block.finished === finished
          ? [
              {
                type: block.call.type,
                call_id: block.call.callId,
                name: block.call.name,
                arguments: block.call.arguments
              }
            ]
          : []
      )
    assert.deepStrictEqual(callsOf(true), state.tool_calls)
    if (state.incomplete_tool_calls !== undefined) assert.deepStrictEqual(callsOf(false), state.incomplete_tool_calls)
    assert.strictEqual(content.responseId ?? null, state.response_id)
    assert.deepStrictEqual(
      content.usage === undefined
        ? null
        : {
            input_tokens: content.usage.inputTokens,
            cached_tokens: content.usage.cachedTokens,
            output_tokens: content.usage.outputTokens,
            reasoning_tokens: content.usage.reasoningTokens,
            total_tokens: content.usage.totalTokens
          },
      state.usage
    )
    const items = turn?.items ?? Redacted.value(decoder.state.partial().items)
    if (state.item_order !== undefined) {
      assert.deepStrictEqual(
        items.map((item) => String(item.type)),
        state.item_order
      )
    }
    if (state.reasoning_items !== undefined) {
      assert.deepStrictEqual(
        items.flatMap((item) =>
          item.type === "reasoning" ? [{ id: item.id, encrypted_content: item.encrypted_content }] : []
        ),
        state.reasoning_items as never
      )
    }
    if (state.server_items !== undefined) {
      assert.deepStrictEqual(
        content.blocks.flatMap((block) => (block._tag === "Item" ? [block.type] : [])),
        state.server_items
      )
    }
    if (state.phases !== undefined) {
      assert.deepStrictEqual(
        items.flatMap((item) => (item.type === "message" ? [item.phase ?? null] : [])),
        state.phases
      )
    }
    if (state.end_turn !== undefined) assert.strictEqual(turn?.endTurn, state.end_turn)
    if (state.refusal !== undefined) assert.strictEqual(turn?.refusal, state.refusal)
    if (state.incomplete_reason !== undefined) assert.strictEqual(turn?.incompleteReason, state.incomplete_reason)
    if (state.served_model !== undefined) assert.strictEqual(content.model, state.served_model)
    if (state.turn_state !== undefined) {
      assert.strictEqual(
        decoder.state.routingToken === undefined ? undefined : Redacted.value(decoder.state.routingToken),
        state.turn_state
      )
    }
    if (state.rate_limits !== undefined) assert.isDefined(content.rateLimits)
  }
  if (turn === undefined || turn.status === "incomplete") {
    assert.isEmpty(turn?.toolCalls ?? [])
  }
  const expected = c.expected_error
  if (expected !== undefined) {
    assert.isDefined(failure)
    assert.strictEqual(classOf(failure), expected.class === "policy" ? "PolicyViolation" : expected.class)
    assert.strictEqual((failure?.code ?? null) as string | null, expected.code)
    assert.strictEqual((failure?.serverMessage ?? null) as string | null, expected.message)
    if (expected.retry_after_ms !== undefined) assert.strictEqual(failure?.retryAfterMillis, expected.retry_after_ms)
    if (failure?._tag === "UsageLimit") {
      if (expected.plan_type !== undefined) assert.strictEqual(failure.planType, expected.plan_type)
      if (expected.resets_at !== undefined) assert.strictEqual(failure.resetsAt, expected.resets_at * 1000)
    }
  }
  if (c.skipped_events !== undefined) assert.strictEqual(content.diagnostics.malformed, c.skipped_events)
}

describeShared("shared cases", { path: "sse-cases.json", count: 207 }, (file) => {
  const cases = Shared.readCases(file)
  for (const c of cases) {
    it(c.id, () => {
      const check = c.layer === "sse" ? checkSse : checkCodex
      const chunks = Shared.bytesOf(c)
      check(c, chunks)
      for (const cut of cuts(concat(chunks))) check(c, cut)
    })
  }

  it("an event is out as soon as its chunk is in", () => {
    for (const c of cases.filter((c) => c.emit_by_chunk !== undefined)) {
      const decoder = new Sse.Decoder()
      let seen = 0
      Shared.bytesOf(c).forEach((chunk, n) => {
        seen += decoder.push(chunk).length
        assert.isAtLeast(seen, c.emit_by_chunk?.[n] ?? 0, `${c.id}, chunk ${n}`)
      })
    }
  })
})
