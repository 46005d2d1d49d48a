// Every TypeScript snippet of the README files, the documents and the doc comments, each as a module of its own.
import { readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { packages } from "./packages.mjs"
import { root } from "./setup.mjs"

const filesOf = (directory, extension) =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort()

export const documents = () => [
  ...readdirSync(root)
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(root, name)),
  ...filesOf(join(root, "docs"), ".md"),
  ...packages.map(({ directory }) => join(directory, "README.md"))
]

/** The name a module is imported under, and the line that imports it. */
const importsOf = (code) =>
  [...code.matchAll(/^import\s+(?:type\s+)?(?:\*\s+as\s+(\w+)|\{([^}]*)\})\s+from\s+"([^"]+)".*$/gm)].flatMap(
    ([, namespace, names, from]) =>
      namespace !== undefined
        ? [[namespace, `import * as ${namespace} from "${from}"`]]
        : names
            .split(",")
            .map((name) => name.trim())
            .filter((name) => name !== "")
            .map((name) => [
              name
                .split(/\s+as\s+/)
                .at(-1)
                .replace("type ", ""),
              `import { ${name} } from "${from}"`
            ])
  )

/** A snippet that goes on from an earlier one of its document has the imports of that one. */
const completed = (code, known) => {
  const own = importsOf(code)
  for (const [name, line] of own) known.set(name, line)
  const has = new Set(own.map(([name]) => name))
  const missing = [...known].filter(
    ([name]) =>
      !has.has(name) &&
      new RegExp(`(?<![.\\w"'])${name}\\b(?!\\s*:)`).test(code) &&
      !new RegExp(`(?:const|class|function)\\s+${name}\\b`).test(code)
  )
  return `${missing.map(([, line]) => `${line}\n`).join("")}${code}${/^(?:import|export)\b/m.test(code) ? "" : "\nexport {}\n"}`
}

/** A program that is run has all of its imports; later snippets may go on from it. */
const whole = (code, known) => {
  for (const [name, line] of importsOf(code)) known.set(name, line)
  return code
}

/** A fence ` ```ts run ` is a whole program; the fence ` ```text ` right behind it is what it prints. */
const fences = (text) =>
  [...text.matchAll(/^( *)```ts([^\n]*)\n([\s\S]*?)^\1```(?:\n+^\1```text\n([\s\S]*?)^\1```)?/gm)]
    .filter(([, , info]) => !info.includes("skip"))
    .map(({ 2: info, 3: code, 4: printed = "", index }) => ({
      code,
      line: text.slice(0, index).split("\n").length,
      ...(info.trim() === "run" && { printed })
    }))

/** `{ from, code }` for each snippet; `from` says where it stands, `printed` what it prints if it is to be run. */
export const snippets = () => {
  const all = []
  const add = (file, found) => {
    const known = new Map()
    for (const { code, line, ...rest } of found) {
      all.push({
        ...rest,
        from: `${relative(root, file)}:${line}`,
        code: rest.printed === undefined ? completed(code, known) : whole(code, known)
      })
    }
  }
  for (const file of documents()) add(file, fences(readFileSync(file, "utf8")))
  for (const { directory } of packages) {
    for (const file of filesOf(join(directory, "src"), ".ts")) {
      const text = readFileSync(file, "utf8")
      for (const comment of text.matchAll(/^( *)\/\*\*[\s\S]*?\*\//gm)) {
        const start = text.slice(0, comment.index).split("\n").length - 1
        const plain = comment[0].replaceAll(/^ *\* ?/gm, "")
        add(
          file,
          fences(plain).map(({ line, ...rest }) => ({ ...rest, line: start + line }))
        )
      }
    }
  }
  return all
}
