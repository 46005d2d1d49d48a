/** Limits from headers, events and `/wham/usage`, and what stays known of them. */
import { assert, describe, it } from "@effect/vitest"
import { RateLimits, Usage } from "@effect-codex/schema"

const now = 1_795_000_000_000
const reset = 1_795_400_000

describe("the answer of /wham/usage", () => {
  it("is read in full", () => {
    const usage = RateLimits.fromUsage(
      {
        plan_type: "team",
        rate_limit: {
          allowed: false,
          limit_reached: true,
          primary_window: { used_percent: 100, limit_window_seconds: 18000, reset_after_seconds: 60 },
          secondary_window: { used_percent: 40, limit_window_seconds: 604800, reset_at: reset }
        },
        additional_rate_limits: [
          {
            limit_name: "Spark",
            metered_feature: "codex_bengalfox",
            normal_model_slug: "gpt-5.5",
            rate_limit: { allowed: true, limit_reached: false, primary_window: null }
          },
          { limit_name: "unnamed", rate_limit: { allowed: true } },
          null
        ],
        credits: { has_credits: true, unlimited: false, balance: "0", overage_limit_reached: true },
        spend_control: {
          reached: true,
          individual_limit: { limit: "20", used: 20, remaining: "0", used_percent: 100, reset_at: reset }
        },
        model_usage: {
          "gpt-5.5": { available: false, available_at: reset },
          "gpt-5": { available: true, available_at: null },
          odd: 5
        },
        rate_limit_reached_type: { type: "workspace_member_credits_depleted", details: "default" },
        rate_limit_reset_credits: { available_count: 2 }
      },
      now
    )
    assert.deepStrictEqual(usage, {
      planType: "team",
      limits: [
        {
          limitId: "codex",
          windows: [
            { usedPercent: 100, windowMinutes: 300, resetsAt: now + 60_000 },
            { usedPercent: 40, windowMinutes: 10080, resetsAt: reset * 1000 }
          ],
          allowed: false,
          limitReached: true
        },
        {
          limitId: "codex_bengalfox",
          limitName: "Spark",
          windows: [],
          normalModelSlug: "gpt-5.5",
          allowed: true,
          limitReached: false
        },
        { limitId: "unnamed", limitName: "unnamed", windows: [], allowed: true }
      ],
      credits: { hasCredits: true, unlimited: false, balance: "0", overageLimitReached: true },
      spendControl: {
        reached: true,
        individualLimit: { limit: "20", used: "20", remaining: "0", usedPercent: 100, resetsAt: reset * 1000 }
      },
      modelUsage: [
        { model: "gpt-5.5", available: false, availableAt: reset * 1000 },
        { model: "gpt-5", available: true }
      ],
      reachedType: "workspace_member_credits_depleted",
      reachedDetails: "default",
      resetCreditsAvailable: 2,
      receivedAt: now
    })
  })

  it("may have a text as its reached type, or nothing at all", () => {
    assert.strictEqual(RateLimits.fromUsage({ rate_limit_reached_type: "x" }, now).reachedType, "x")
    for (const nothing of [
      {},
      null,
      "x",
      [],
      { rate_limit: null, credits: null, model_usage: null, spend_control: {} }
    ]) {
      assert.deepStrictEqual(RateLimits.fromUsage(nothing, now), { limits: [], receivedAt: now })
    }
  })
})

describe("headers and events", () => {
  it("have the time they were received; a delay without a clock stays unknown", () => {
    const headers = { "x-codex-primary-used-percent": "5", "x-codex-primary-reset-after-seconds": "60" }
    assert.deepStrictEqual(RateLimits.fromHeaders(headers, now), {
      limits: [{ limitId: "codex", windows: [{ usedPercent: 5, resetsAt: now + 60_000 }] }],
      receivedAt: now
    })
    assert.deepStrictEqual(RateLimits.fromHeaders(headers), {
      limits: [{ limitId: "codex", windows: [{ usedPercent: 5 }] }]
    })
    assert.isUndefined(RateLimits.fromHeaders({ "content-type": "x" }, now))
    assert.isUndefined(RateLimits.fromEvent({ type: "codex.rate_limits", rate_limits: null }, now))
  })

  it("keep the server's verdict without a window", () => {
    const event = { limit_name: "codex", rate_limits: { allowed: false, limit_reached: true, primary: null } }
    assert.deepStrictEqual(RateLimits.fromEvent(event)?.limits, [
      { limitId: "codex", windows: [], allowed: false, limitReached: true }
    ])
  })
})

describe("current", () => {
  const limits: RateLimits.RateLimits = {
    limits: [
      {
        limitId: "codex",
        limitReached: true,
        windows: [
          { usedPercent: 100, windowMinutes: 300, resetsAt: now },
          { usedPercent: 40, windowMinutes: 10080, resetsAt: now + 1 }
        ]
      }
    ]
  }

  it("shows no window as used whose reset is past", () => {
    assert.strictEqual(RateLimits.current(limits, now - 1), limits)
    assert.deepStrictEqual(RateLimits.current(limits, now).limits, [
      {
        limitId: "codex",
        windows: [
          { usedPercent: 0, windowMinutes: 300 },
          { usedPercent: 40, windowMinutes: 10080, resetsAt: now + 1 }
        ]
      }
    ])
  })

  it("keeps the verdict while another window is full", () => {
    const full: RateLimits.RateLimits = {
      limits: [
        {
          limitId: "codex",
          limitReached: true,
          windows: [
            { usedPercent: 20, windowMinutes: 300, resetsAt: now },
            { usedPercent: 100, windowMinutes: 10080, resetsAt: now + 1 }
          ]
        }
      ]
    }
    assert.isTrue(RateLimits.current(full, now).limits[0]?.limitReached)
  })
})

describe("merge", () => {
  const event = (windows: object, at?: number) =>
    RateLimits.fromEvent({ rate_limits: windows }, at) as RateLimits.RateLimits
  const both = event(
    {
      primary: { used_percent: 10, window_minutes: 300, reset_at: now / 1000 + 100 },
      secondary: { used_percent: 20, window_minutes: 10080, reset_at: now / 1000 + 1000 }
    },
    now
  )

  it("keeps the window that an event does not name", () => {
    const next = event({ secondary: { used_percent: 30, window_minutes: 10080 } }, now + 1)
    const merged = RateLimits.merge(both, next)
    assert.strictEqual(RateLimits.window(merged, 300)?.usedPercent, 10)
    assert.strictEqual(RateLimits.window(merged, 10080)?.usedPercent, 30)
    assert.strictEqual(merged.receivedAt, now + 1)
    const moved = event({ primary: { used_percent: 35, window_minutes: 10080 } }, now + 1)
    assert.lengthOf(RateLimits.merge(both, moved).limits[0]?.windows ?? [], 2)
  })

  it("takes a sole window without a length for the one before", () => {
    const weekly = event({ primary: { used_percent: 10, window_minutes: 10080 } })
    const merged = RateLimits.merge(weekly, event({ primary: { used_percent: 15 } }))
    assert.deepStrictEqual(merged.limits[0]?.windows, [{ usedPercent: 15, windowMinutes: 10080 }])
  })

  it("empties a kept window whose reset has passed", () => {
    const next = event({ secondary: { used_percent: 30, window_minutes: 10080 } }, now + 100_000)
    assert.deepStrictEqual(RateLimits.window(RateLimits.merge(both, next), 300), { usedPercent: 0, windowMinutes: 300 })
  })

  it("keeps the receive time of an older limit", () => {
    const other = RateLimits.fromEvent(
      { limit_name: "spark", rate_limits: { primary: { used_percent: 1, window_minutes: 300 } } },
      now + 5
    ) as RateLimits.RateLimits
    const merged = RateLimits.merge(both, other)
    assert.strictEqual(merged.limits.find(({ limitId }) => limitId === "codex")?.receivedAt, now)
    assert.notProperty(
      merged.limits.find(({ limitId }) => limitId === "spark"),
      "receivedAt"
    )
    const again = RateLimits.merge(merged, { limits: [], receivedAt: now + 9 })
    assert.deepStrictEqual(
      again.limits.map(({ receivedAt }) => receivedAt),
      [now, now + 5]
    )
    const renewed = RateLimits.merge(again, event({ primary: { used_percent: 3, window_minutes: 300 } }, now + 10))
    assert.notProperty(
      renewed.limits.find(({ limitId }) => limitId === "codex"),
      "receivedAt"
    )
  })

  it("keeps fields that the next does not name, and drops a verdict that it takes back", () => {
    const earlier = RateLimits.fromUsage(
      {
        plan_type: "pro",
        credits: { has_credits: true, unlimited: false, overage_limit_reached: true },
        rate_limit_reached_type: { type: "x", details: "y" },
        model_usage: { a: { available: false }, b: { available: true } }
      },
      now
    )
    const kept = RateLimits.merge(earlier, event({ primary: { used_percent: 1, window_minutes: 300 } }))
    assert.deepInclude(kept, { planType: "pro", reachedType: "x", reachedDetails: "y" })
    const taken = RateLimits.merge(earlier, event({ limit_reached: false }))
    assert.notProperty(taken, "reachedType")
    assert.notProperty(taken, "reachedDetails")
    const reached = RateLimits.merge(earlier, event({ limit_reached: true }))
    const beside = RateLimits.fromEvent({ limit_name: "codex_one_model", rate_limits: { limit_reached: false } }, now)
    assert.strictEqual(RateLimits.merge(reached, beside ?? reached).reachedType, "x")
    const usage = RateLimits.fromUsage({ credits: { has_credits: false }, model_usage: { a: { available: true } } })
    const merged = RateLimits.merge(earlier, usage)
    assert.deepStrictEqual(merged.credits, { hasCredits: false, unlimited: false, overageLimitReached: true })
    assert.deepStrictEqual(merged.modelUsage, [
      { model: "a", available: true },
      { model: "b", available: true }
    ])
  })

  it("holds a bounded number of limits, the known ones first", () => {
    let limits = both
    for (let n = 0; n < 500; n++) {
      limits = RateLimits.merge(limits, { limits: [{ limitId: `n${n}`, windows: [] }] })
    }
    assert.lengthOf(limits.limits, RateLimits.maxLimits)
    const updated = RateLimits.merge(limits, event({ primary: { used_percent: 77, window_minutes: 300 } }))
    assert.strictEqual(RateLimits.window(updated, 300)?.usedPercent, 77)
  })
})

describe("Usage", () => {
  it("is read though a detail is odd, and not at all without its two counts", () => {
    const usage = { input_tokens: 3, output_tokens: 2 }
    for (const odd of [{ total_tokens: "x" }, { input_tokens_details: 5 }, { output_tokens_details: null }]) {
      assert.deepInclude(Usage.fromWire({ ...usage, ...odd }) as object, {
        inputTokens: 3,
        outputTokens: 2,
        totalTokens: 5
      })
    }
    for (const bad of [undefined, null, 5, {}, { input_tokens: 1 }, { input_tokens: -1, output_tokens: 1 }]) {
      assert.isUndefined(Usage.fromWire(bad))
    }
  })

  it("adds up, and keeps the later of what it does not read", () => {
    const a = Usage.fromWire({ input_tokens: 1, output_tokens: 1, x: 1, y: 1 }) ?? Usage.zero
    const b = Usage.fromWire({ input_tokens: 2, output_tokens: 2, x: 2 }) ?? Usage.zero
    assert.deepStrictEqual(Usage.add(a, b).extra, { x: 2, y: 1 })
    assert.notProperty(Usage.add(Usage.zero, Usage.zero), "extra")
  })
})

describe("odd numbers", () => {
  const read = (headers: Record<string, string>) => RateLimits.fromHeaders(headers, 1_000)?.limits

  it("below zero say nothing", () => {
    const prefix = "x-codex-primary"
    assert.isUndefined(read({ [`${prefix}-used-percent`]: "-5" }))
    assert.deepStrictEqual(
      read({
        [`${prefix}-used-percent`]: "5",
        [`${prefix}-window-minutes`]: "-300",
        [`${prefix}-reset-at`]: "-1"
      }),
      [{ limitId: "codex", windows: [{ usedPercent: 5 }] }]
    )
  })

  it("of a time may be in milliseconds", () => {
    const event = { rate_limits: { primary: { used_percent: 5, reset_at: 1_795_400_000_000 } } }
    assert.strictEqual(RateLimits.fromEvent(event)?.limits[0]?.windows[0]?.resetsAt, 1_795_400_000_000)
  })

  it("may stand in the second window alone", () => {
    assert.deepStrictEqual(
      read({ "x-codex-secondary-used-percent": "5", "x-codex-secondary-window-minutes": "10080" }),
      [{ limitId: "codex", windows: [{ usedPercent: 5, windowMinutes: 10080 }] }]
    )
  })
})
