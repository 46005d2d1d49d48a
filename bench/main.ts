/**
 * `npm run bench`: what decoding costs, against the bare limit. Prints the tables of `bench/README.md`.
 *
 * `--quick` takes small corpora and few rounds; `--corpus NAME` (text, tool, small, big, encrypted, thinking) takes one.
 */

import * as Os from "node:os"
import { parseArgs } from "node:util"
import { TurnDecoder } from "@effect-codex/stream"
import * as Corpora from "./corpora.ts"
import { type FormName, forms } from "./forms.ts"
import { growths } from "./linear.ts"
import * as Measure from "./measure.ts"

const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, corpus: { type: "string" } }
})
const quick = options.quick

const corpora: ReadonlyArray<() => Corpora.Corpus> = [
  () => Corpora.text(quick ? 4_000 : 20_000),
  () => (quick ? Corpora.tool(40_000, 10_000) : Corpora.tool(200_000, 50_000)),
  () => Corpora.small(quick ? 300 : 2_000),
  () => Corpora.big(quick ? 8 : 64),
  () => Corpora.encrypted(quick ? 10 : 40),
  () => Corpora.thinking(quick ? 10 : 40)
]

const chunkings: ReadonlyArray<Corpora.Chunking> = ["one event", "64 KB", "16 bytes"]

const print = (line = ""): void => {
  process.stdout.write(`${line}\n`)
}
const row = (cells: ReadonlyArray<string>): void => print(`| ${cells.join(" | ")} |`)
const head = (cells: ReadonlyArray<string>): void => {
  row(cells)
  row(cells.map(() => "---"))
}
const times = (ratio: number): string => ratio.toFixed(2)

const compareForms = async (): Promise<void> => {
  print("## Time, as a multiple of the bare limit")
  print()
  head([
    "corpus",
    "chunks",
    "limit, ms",
    "eventsource-parser",
    "core",
    "limit, async",
    "fold only",
    "Stream",
    "decode",
    "rounds"
  ])
  for (const make of corpora) {
    const corpus = make()
    if (options.corpus !== undefined && options.corpus !== corpus.name) continue
    for (const chunking of chunkings) {
      const chunks =
        chunking === "16 bytes" ? corpus.bytes / 16 : chunking === "64 KB" ? corpus.bytes / 65_536 : corpus.events
      // a stream that is not drained takes microseconds for every chunk: minutes here, and nothing is learnt
      const { decode, ...others } = forms
      const cell = await Measure.compare(chunks > 100_000 ? others : forms, corpus, chunking, {
        minRounds: quick ? 2 : 5,
        maxRounds: quick ? 3 : 15,
        millis: quick ? 500 : 8_000
      })
      const sync = (form: FormName) => times(cell.ratio(form, "limit"))
      const async = (form: FormName) => `${sync(form)} (${times(cell.ratio(form, "limit, async"))})`
      row([
        corpus.name,
        chunking,
        (cell.ms["limit"] ?? Number.NaN).toFixed(1),
        sync("eventsource-parser"),
        sync("core"),
        sync("limit, async"),
        async("fold only"),
        async("Stream"),
        chunks > 100_000 ? "–" : async("decode"),
        String(cell.rounds)
      ])
    }
  }
  print()
}

/** Sixteen times the input in one turn, over sixteen turns of the input: 1 is linear, 18/16 = 1.125 the most allowed. */
const linearity = async (): Promise<void> => {
  print("## Sixteen times the input")
  print()
  head(["corpus", "chunks", "form", "time, × that of one"])
  const base = quick ? 500 : 2_500
  const pairs: ReadonlyArray<readonly [string, Corpora.Corpus, Corpora.Corpus]> = [
    [`${base} → ${base * 16} text deltas`, Corpora.text(base), Corpora.text(base * 16)],
    [`${base * 5} → ${base * 80} characters of arguments`, Corpora.tool(base * 5), Corpora.tool(base * 80)],
    ["one event of 0.5 → 8 MB", Corpora.encryptedOf(1, 500_000), Corpora.encryptedOf(1, 8_000_000)]
  ]
  for (const [name, one, sixteen] of pairs) {
    const ones: Corpora.Corpus = { ...one, bodies: Array.from({ length: 16 }, () => one.bodies).flat() }
    for (const chunking of ["64 KB", "16 bytes"] as const) {
      for (const form of ["limit", "core", "Stream"] as const) {
        const ratios: Array<number> = []
        for (let round = -1; round < (quick ? 2 : 7); round++) {
          const first = await Measure.time(forms[form], round % 2 === 0 ? ones : sixteen, chunking)
          const second = await Measure.time(forms[form], round % 2 === 0 ? sixteen : ones, chunking)
          const ratio = round % 2 === 0 ? second.ms / first.ms : first.ms / second.ms
          if (round >= 0) ratios.push(ratio)
        }
        row([name, chunking, form, (Measure.median(ratios) * 16).toFixed(1)])
      }
    }
  }
  print()
}

const hostile = (): void => {
  print("## Sixteen times what no honest server sends")
  print()
  head(["shape", "time, × that of one", "ns a byte"])
  for (const { factor, name, perByte } of growths(quick)) row([name, factor.toFixed(1), perByte.toFixed(1)])
  print()
}

const heap = (): number => {
  // what the first one finalises, the second one frees
  Measure.collectGarbage()
  Measure.collectGarbage()
  return process.memoryUsage().heapUsed
}

/** What an open turn holds besides its text, as it grows. */
const memory = (): void => {
  print("## Memory of an open turn")
  print()
  if (globalThis.gc === undefined) return print("Not measured: start with --expose-gc.\n")
  head(["corpus", "read, MB", "text or arguments, MB", "heap beyond it, MB"])
  const measured: ReadonlyArray<readonly [string, Corpora.Corpus]> = [
    ["text in 2 KB deltas", Corpora.big(quick ? 8 : 64)],
    ["text in small deltas", Corpora.text(quick ? 20_000 : 160_000)],
    ["arguments in 5-character deltas", Corpora.tool(quick ? 100_000 : 800_000)]
  ]
  for (const [name, { bodies }] of measured) {
    const body = bodies[0] as Corpora.Body
    const decoder = new TurnDecoder.TurnDecoder()
    const deltas = body.ends.slice(0, -5)
    const end = deltas.at(-1) ?? 0
    let kept = 0
    const before = heap()
    let quarter = 1
    for (let at = 0; at < end; at += 16_384) {
      for (const event of decoder.push(body.bytes.subarray(at, Math.min(at + 16_384, end)))) {
        if (event._tag === "TextDelta" || event._tag === "ToolCallDelta") kept += event.delta.length
      }
      if (at + 16_384 < (end * quarter) / 4) continue
      quarter++
      const beyond = heap() - before - kept
      row([name, (at / 1e6).toFixed(1), (kept / 1e6).toFixed(2), (beyond / 1e6).toFixed(2)])
    }
    if (decoder.done) print("the turn is over")
  }
  const first = encodeStart()
  const open = 10_000
  const before = heap()
  const turns = Array.from({ length: open }, () => {
    const decoder = new TurnDecoder.TurnDecoder()
    decoder.push(first)
    return decoder
  })
  const each = (heap() - before) / open
  print()
  print(`${turns.length} turns that have begun: ${(each / 1024).toFixed(1)} KB each.`)
  print()
}

const encodeStart = (): Uint8Array => {
  const { bytes, ends } = Corpora.text(100).bodies[0] as Corpora.Body
  return bytes.subarray(0, ends[50])
}

const cpu = Os.cpus()[0]?.model ?? "unknown CPU"
print(`Node ${process.version}, ${Os.cpus().length} × ${cpu}, load ${Os.loadavg()[0]?.toFixed(1)}`)
print()
await compareForms()
if (options.corpus === undefined) {
  await linearity()
  hostile()
  memory()
}
print(`load at the end ${Os.loadavg()[0]?.toFixed(1)}`)
