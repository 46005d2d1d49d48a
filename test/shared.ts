/**
 * Tests on the recordings and cases that lie beside the project, in `../shared`. A clone does not have them: there, each
 * of these tests is marked as not run, and `npm test` says at its end how many they are.
 */
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, assert, describe, it } from "@effect/vitest"

const folder = fileURLToPath(new URL("../../shared/", import.meta.url))

/** Where a file or folder of `../shared` is, if it is there. */
export const find = (path: string): string | undefined => {
  const at = `${folder}${path}`
  return Fs.existsSync(at) ? at : undefined
}

interface Tasks {
  readonly type: string
  readonly tasks?: ReadonlyArray<Tasks>
}

const testsIn = ({ tasks }: Tasks): number =>
  tasks === undefined ? 1 : tasks.reduce((sum, task) => sum + testsIn(task), 0)

/**
 * A group of tests that need `path`. `count` is how many they are: that cannot be known where the path is missing, so it
 * is checked where it is there.
 */
export const describeShared = (
  title: string,
  options: { readonly path: string; readonly count: number },
  tests: (at: string) => void
): void => {
  const { count, path } = options
  const at = find(path)
  describe(title, () => {
    if (at === undefined) {
      for (let n = 1; n <= count; n++) it.skip(`needs ../shared/${path} (${n} of ${count})`, () => {})
      return
    }
    tests(at)
    afterAll((suite) =>
      assert.strictEqual(testsIn(suite), count, `"${title}" has another number of tests: correct its count`)
    )
  })
}
