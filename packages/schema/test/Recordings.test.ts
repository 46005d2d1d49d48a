import { readdirSync, readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import { History, Item } from "@effect-codex/schema"
import * as Schema from "effect/Schema"
import { describeShared } from "../../../test/shared.ts"

interface ItemDone {
  readonly type: string
  readonly item?: unknown
}

const finishedItems = (folder: string, file: string): ReadonlyArray<Item.Item> =>
  readFileSync(`${folder}/${file}`, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as ItemDone)
    .filter((event) => event.type === "response.output_item.done")
    .map((event) => Schema.decodeUnknownSync(Item.Item)(event.item))

describeShared("the items of a recorded turn", { path: "recordings", count: 20 }, (folder) => {
  for (const file of readdirSync(folder)) {
    it(`${file}: go into the next request unchanged, except for what no server accepts`, () => {
      const items = finishedItems(folder, file)
      const compiled = History.compile(items)
      assert.deepStrictEqual(History.validate(compiled.items), [])
      const touched = new Set(compiled.repairs.map((repair) => repair.index))
      const sent = new Set(compiled.items.map((item) => JSON.stringify(item)))
      items.forEach((item, index) => {
        if (!touched.has(index)) assert.isTrue(sent.has(JSON.stringify(item)))
      })
      for (const repair of compiled.repairs) {
        assert.include(["OutputAdded", "ReasoningDropped", "IdRemoved", "EmptyMessageDropped"], repair._tag)
      }
    })
  }
})
