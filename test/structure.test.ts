/** The rules of the workspace that no compiler knows: which package may import what. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("..", import.meta.url))

/** What each package may import of the others (docs/architecture.md). */
const allowed: Record<string, ReadonlyArray<string>> = {
  schema: [],
  stream: ["schema"],
  auth: ["schema"],
  transport: ["schema", "auth"],
  client: ["schema", "stream", "auth", "transport"],
  testing: ["schema", "auth", "transport", "client"],
  ai: ["schema", "transport", "client"],
  cli: ["schema", "stream", "auth", "transport", "testing", "client"]
}

/** Programs run on Node and bring what they need; the others are libraries. */
const programs: ReadonlySet<string> = new Set(["cli"])

/** Packages of others that a library package may import besides `effect` and `@effect/platform`: what it is made for. */
const madeFor: Record<string, string> = { ai: "@effect/ai/" }

const nameOf = (folder: string) => (folder === "client" ? "effect-codex" : `@effect-codex/${folder}`)

/** The sources of a folder, without what is installed or built. */
const filesOf = (folder: string): ReadonlyArray<string> =>
  Fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = Path.join(folder, entry.name)
    if (entry.isDirectory()) return ["node_modules", "dist"].includes(entry.name) ? [] : filesOf(path)
    return path.endsWith(".ts") ? [path] : []
  })

/**
 * The exports that a source declares, each with its doc comment; overloads share theirs. A namespace goes with its class.
 * The formatter sees to it that a declaration begins its line and that its comment ends on the line before.
 */
const documentedIn = (path: string): ReadonlyMap<string, string> => {
  const docs = new Map<string, string>()
  const declaration =
    /(?:(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\n(?:\/\/.*\n)*)?^export (?:declare |abstract |async )*(const|let|function|class|interface|type|enum)\*? (\w+)/gm
  for (const [, doc = "", kind, name] of Fs.readFileSync(path, "utf8").matchAll(declaration)) {
    const key = `${name} (${kind})`
    docs.set(key, `${docs.get(key) ?? ""}${doc}`)
  }
  return docs
}

/** The anchors of a document's headings, as GitHub and npm make them. */
const sectionsOf = (path: string): ReadonlyArray<string> =>
  [...Fs.readFileSync(path, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-")
  )

/** The modules a source imports; examples in comments do not count. */
const importsOf = (source: string): ReadonlyArray<string> =>
  [...source.replaceAll(/\/\*[\s\S]*?\*\//g, "").matchAll(/(?:from|import)\s+"([^"]+)"/g)].map(
    (match) => match[1] as string
  )

describe("packages", () => {
  for (const [folder, others] of Object.entries(allowed)) {
    const source = Path.join(root, "packages", folder, "src")
    const files = filesOf(source).map((path) => ({
      path: Path.relative(source, path),
      imports: importsOf(Fs.readFileSync(path, "utf8"))
    }))

    it(`${folder} imports only what its place allows`, () => {
      assert.isNotEmpty(files)
      const names = new Set(others.map(nameOf))
      for (const { imports, path } of files) {
        const isNode = path === "node.ts" || path.startsWith(`node${Path.sep}`)
        for (const specifier of imports) {
          if (specifier.startsWith(".")) continue
          const ours = specifier.startsWith("@effect-codex/") || /^effect-codex(?:\/|$)/.test(specifier)
          const name = ours
            ? specifier
                .split("/")
                .slice(0, specifier.startsWith("@") ? 2 : 1)
                .join("/")
            : specifier
          const fine = ours
            ? names.has(name)
            : specifier.startsWith("effect/") ||
              specifier.startsWith("@effect/platform/") ||
              (folder in madeFor && specifier.startsWith(madeFor[folder] as string)) ||
              isNode ||
              programs.has(folder) ||
              // helpers for tests stand in a module of their own
              (path === "vitest.ts" && specifier === "@effect/vitest")
          assert.isTrue(fine, `packages/${folder}/src/${path} imports ${specifier}`)
        }
      }
    })

    it(`${folder} declares what it imports`, () => {
      const manifest = JSON.parse(Fs.readFileSync(Path.join(root, "packages", folder, "package.json"), "utf8"))
      assert.deepStrictEqual(
        Object.keys(manifest.dependencies ?? {})
          .filter((name) => name.includes("effect-codex"))
          .sort(),
        others.map(nameOf).sort()
      )
      assert.property(programs.has(folder) ? manifest.dependencies : manifest.peerDependencies, "effect")
    })

    it(`${folder} exports its public modules and the entries for a runtime, and nothing below them`, () => {
      const { exports, publishConfig } = JSON.parse(
        Fs.readFileSync(Path.join(root, "packages", folder, "package.json"), "utf8")
      )
      if (programs.has(folder)) return
      const expected = Fs.readdirSync(source)
        .filter((name) => name.endsWith(".ts"))
        .map((name) => (name === "index.ts" ? "." : `./${name.slice(0, -".ts".length)}`))
      assert.deepStrictEqual(Object.keys(exports).sort(), [...expected, "./package.json"].sort())
      assert.deepStrictEqual(Object.keys(publishConfig.exports).sort(), Object.keys(exports).sort())
    })

    it(`${folder} has a README and a license`, () => {
      for (const file of ["README.md", "LICENSE"]) {
        assert.isTrue(Fs.existsSync(Path.join(root, "packages", folder, file)), `packages/${folder}/${file}`)
      }
    })
  }
})

describe("what Effect 4 writes in another way", () => {
  /** The files of the libraries that a pattern occurs in. */
  const filesWith = (pattern: RegExp): ReadonlyArray<string> =>
    Object.keys(allowed)
      .filter((folder) => !programs.has(folder) && folder !== "testing")
      .flatMap((folder) => filesOf(Path.join(root, "packages", folder, "src")))
      .filter((path) => pattern.test(Fs.readFileSync(path, "utf8").replaceAll(/^\s*(?:\/\*)?\*.*$/gm, "")))
      .map((path) => Path.relative(Path.join(root, "packages"), path).replaceAll(Path.sep, "/"))
      .sort()

  for (const [what, pattern, files] of [
    [
      "schemas with tests, transformations and open keys",
      /\bSchema\.(?:filter|transform|transformOrFail|Record)\(/,
      ["schema/src/internal/wire.ts"]
    ],
    ["classes of errors", /\bSchema\.TaggedError\b/, ["schema/src/Failure.ts"]],
    ["channels", /"effect\/Channel"/, ["stream/src/internal/channel.ts"]],
    [
      "walks over the AST of schemas",
      /\* as AST from "effect\/SchemaAST"/,
      ["schema/src/Guard.ts", "schema/src/JsonSchema.ts"]
    ]
  ] as const) {
    it(`${what} stand in one place each`, () => assert.deepStrictEqual(filesWith(pattern), files))
  }

  it("only one helper of the tests draws values at random, besides the guide, which shows how a program does it", () => {
    const knowing = Object.keys(allowed)
      .flatMap((folder) => filesOf(Path.join(root, "packages", folder, "test")))
      .filter((path) => /"effect\/(?:FastCheck|Arbitrary)"/.test(Fs.readFileSync(path, "utf8")))
    assert.deepStrictEqual(
      knowing.map((path) => Path.relative(root, path)),
      [Path.join("packages", "testing", "test", "guide.test.ts")]
    )
  })
})

describe("documents", () => {
  const documents = [
    Path.join(root, "README.md"),
    ...["SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"].map((name) => Path.join(root, name)),
    ...Fs.readdirSync(Path.join(root, "docs"))
      .filter((name) => name.endsWith(".md"))
      .map((name) => Path.join(root, "docs", name)),
    ...Object.keys(allowed).map((folder) => Path.join(root, "packages", folder, "README.md"))
  ]

  it("install lines name the line of Effect 3", () => {
    for (const path of documents) {
      for (const [line] of Fs.readFileSync(path, "utf8").matchAll(/^(?:npm install|pnpm add|yarn add|bun add) .*$/gm)) {
        assert.notMatch(line, /\s(?:effect|@effect\/[\w-]+|vitest)(?=\s|$)/, `${Path.relative(root, path)}: ${line}`)
      }
    }
  })

  it("READMEs install the packages that their snippets import", () => {
    for (const path of documents.filter((path) => path.endsWith("README.md"))) {
      const text = Fs.readFileSync(path, "utf8")
      const installed = new Set(
        [...text.matchAll(/npm install ([^#`\n]+)/g)].flatMap(([, specs = ""]) =>
          specs
            .trim()
            .split(/\s+/)
            .map((spec) => spec.replace(/(?<=.)@.*$/, ""))
        )
      )
      const imported = [...text.matchAll(/^import .* from "((?:@[^/"]+\/)?[^/":]+)/gm)].map(([, name = ""]) => name)
      for (const name of imported) assert.isTrue(installed.has(name), `${Path.relative(root, path)} imports ${name}`)
    }
  })

  it("link to files that exist", () => {
    for (const path of documents) {
      for (const [, target = "", section] of Fs.readFileSync(path, "utf8").matchAll(
        /\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g
      )) {
        const file = target === "" ? path : Path.join(Path.dirname(path), target)
        assert.isTrue(Fs.existsSync(file), `${Path.relative(root, path)} links to ${target}`)
        if (section !== undefined && file.endsWith(".md")) {
          assert.include(sectionsOf(file), section, `${Path.relative(root, path)} links to ${target}#${section}`)
        }
      }
    }
  })

  it("name files of the tree that exist", () => {
    const files = ["packages", "test"].flatMap((folder) => filesOf(Path.join(root, folder)))
    const document = Fs.readFileSync(Path.join(root, "docs/architecture.md"), "utf8")
    const names = [...document.matchAll(/`([\w./-]+\.ts)`/g)].map(([, name = ""]) => name)
    assert.isAbove(names.length, 80)
    for (const name of names)
      assert.isTrue(
        files.some((path) => path.endsWith(`/${name}`)),
        name
      )
  })

  it("the settings have every environment variable that is read", () => {
    const settings = Fs.readFileSync(Path.join(root, "docs/settings.md"), "utf8")
    const source = filesOf(Path.join(root, "packages/transport/src")).map((path) => Fs.readFileSync(path, "utf8"))
    const names = new Set(
      source.flatMap((text) => [...text.matchAll(/`(OPENAI_CODEX_[A-Z_]+)`/g)].map(([, name]) => name))
    )
    assert.isAbove(names.size, 25)
    for (const name of names) assert.include(settings, `\`${name}\``)
    // and the names that the configuration is read by are those of the comment
    const config = Fs.readFileSync(Path.join(root, "packages/transport/src/CodexConfig.ts"), "utf8")
    const read = config.slice(config.indexOf("export const config"))
    for (const [, name] of read.matchAll(/(?:string|boolean|duration|integer|literal)\("([A-Z_]+)"/g)) {
      assert.include(settings, `\`${name}\``)
    }
  })

  it("a section of the protocol that is referred to exists", () => {
    const protocol = Fs.readFileSync(Path.join(root, "docs/protocol.md"), "utf8")
    const sections = new Set([...protocol.matchAll(/^#+ ([0A-N](?:\.\d+)?)\.? /gm)].map(([, section]) => section))
    const sources = ["packages", "examples", "test"].flatMap((folder) => filesOf(Path.join(root, folder)))
    let references = 0
    for (const path of sources) {
      const text = Fs.readFileSync(path, "utf8")
      for (const [, list] of text.matchAll(/\bprotocol ((?:[0A-N](?:\.\d+)?\b(?:, (?:and )?| and | … )?)+)/g)) {
        for (const section of (list as string).match(/[0A-N](?:\.\d+)?/g) ?? []) {
          references += 1
          assert.isTrue(sections.has(section), `${Path.relative(root, path)} refers to protocol ${section}`)
        }
      }
    }
    assert.isAbove(references, 80)
  })

  /** Every string of the tests of a folder, with whatever stands for the parts of a title that are filled in. */
  const titlesIn = (folder: string): ReadonlyArray<RegExp> =>
    Fs.readdirSync(folder)
      .filter((name) => name.endsWith(".ts"))
      .flatMap((name) => [
        ...Fs.readFileSync(Path.join(folder, name), "utf8").matchAll(/(["`])((?:\\.|(?!\1)[^\\\n])+)\1/g)
      ])
      .map(([, , title = ""]) => title.split(/\$\{(?:[^{}]|\{[^{}]*\})*\}|%\w/))
      // a title of nothing but such parts would be any title
      .filter((parts) => parts.join("").length >= 5)
      .map((parts) => new RegExp(`^${parts.map((part) => part.replaceAll(/[^\w\s]/g, "\\$&")).join(".+")}$`))

  it("parity has all 48 behaviours, and the tests it names exist", () => {
    const document = Fs.readFileSync(Path.join(root, "docs/parity.md"), "utf8")
    const rows = document.match(/^\| \d+ \|.*$/gm) ?? []
    assert.deepStrictEqual(
      rows.map((row) => Number(row.split("|")[1])),
      Array.from({ length: 48 }, (_, n) => n + 1)
    )
    const numbers = ["done", "better", "left behind", "open"].map(
      (state) => `${rows.filter((row) => row.includes(`| **${state}**`)).length} ${state}`
    )
    assert.include(document, `${numbers.join(", ")}.`)
    const titles = new Map<string, ReadonlyArray<RegExp>>()
    for (const [, file = "", named = ""] of document.matchAll(
      /`((?:packages|examples)\/[^`]+\.test\.ts)`((?:,? "[^"]+")+)/g
    )) {
      assert.isTrue(Fs.existsSync(Path.join(root, file)), file)
      const folder = Path.dirname(Path.join(root, file))
      const known = titles.get(folder) ?? titlesIn(folder)
      titles.set(folder, known)
      for (const [, title = ""] of named.matchAll(/"([^"]+)"/g)) {
        const isTitle = (text: string) => known.some((pattern) => pattern.test(text))
        // or that of a group and of a test in it
        const words = title.split(" ")
        const isJoined = words.some((_, n) => isTitle(words.slice(0, n).join(" ")) && isTitle(words.slice(n).join(" ")))
        assert.isTrue(isTitle(title) || isJoined, `${file}: ${title}`)
      }
    }
    assert.isAbove(titles.size, 3)
  })
})

describe("the API reference", () => {
  it("has every public symbol with @since and @category", () => {
    const missing: Array<string> = []
    let count = 0
    for (const folder of Object.keys(allowed).filter((folder) => !programs.has(folder))) {
      for (const path of filesOf(Path.join(root, "packages", folder, "src"))) {
        if (/\/src\/(internal|node)\//.test(path)) continue
        for (const [name, doc] of documentedIn(path)) {
          count++
          const isComplete = doc.includes("@internal") || (/@since \d/.test(doc) && /@category \w/.test(doc))
          if (!isComplete) missing.push(`${Path.relative(root, path)}: ${name}`)
        }
      }
    }
    assert.isAbove(count, 500)
    assert.deepStrictEqual(missing, [])
  })
})
