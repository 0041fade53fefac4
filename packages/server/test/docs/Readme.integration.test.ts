/**
 * Does what the pages tell a user to do, on a real server, and compares what comes back with what they show.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { fixture, TestServer } from "../harness/ServerProcess.ts"
import { type FencedBlock, fencedBlocks, readPage, root, tableRows } from "./Markdown.ts"
import { differences } from "./ShownAnswer.ts"

const execute = promisify(execFile)

/** Whether to skip what the pages do by bash and curl, loudly; where skips are forbidden it never is, and the tests fail. */
const withoutCurl: boolean = (() => {
  if (spawnSync("bash", ["-c", "curl --version"]).status === 0) return false
  if (process.env["SLUICE_NO_SKIPS"] === "1") return false
  process.stderr.write("SKIPPED: no curl on PATH, so the requests of the documentation are not made\n")
  return true
})()

interface Shown {
  readonly command: FencedBlock
  /** What the page shows of its output: the block after it. */
  readonly answer: FencedBlock | undefined
}

const asks = (text: string): boolean => text.includes("localhost:8000") || text.includes("npx sluice predict")

/** The commands of a page that ask a running server, each with its answer. */
const requestsOf = (page: string): ReadonlyArray<Shown> => {
  const blocks = fencedBlocks(page)
  return blocks.flatMap((command, index) => {
    const next = blocks[index + 1]
    const answer = next?.language === "json" || next?.language === "text" ? next : undefined
    return command.language === "bash" && asks(command.text) ? [{ command, answer }] : []
  })
}

/** The command as it stands, on another port, and with the command line tool of this tree. */
const onPort = (command: string, port: number): string => {
  const moved = command.replaceAll("localhost:8000", `localhost:${port}`)
  return moved.includes("npx sluice predict")
    ? `${moved.replace("npx sluice", `"${join(root, "packages/cli/bin/sluice")}"`)} --url http://localhost:${port}`
    : moved
}

const environment = { PATH: process.env["PATH"], HOME: process.env["HOME"] }

const run = (program: string, args: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const { stdout } = await execute(program, args, { cwd: root, env: environment })
    return stdout
  })

/** Text but for what differs from run to run. */
const steady = (text: string): string =>
  text.replaceAll(/localhost:\d+/g, "localhost:8000").replaceAll(/(\d+\.)?\d+ ms/g, "0 ms").trim()

const check = Effect.fnUntraced(function*({ answer, command }: Shown) {
  const { port } = yield* TestServer
  const output = yield* run("bash", ["-c", onPort(command.text, port)])
  assert.isDefined(answer, "a request without the answer that it gets")
  if (answer?.language !== "json") return assert.strictEqual(steady(output), steady(answer?.text ?? ""))
  assert.deepStrictEqual(differences(JSON.parse(answer.text), JSON.parse(output)), [])
})

const pagesOfShippedModels = ["README.md", "docs/reference/http-api.md", "docs/reference/cli.md"]

layer(TestServer.layer(), { excludeTestServices: true })("pages, on the models that ship", (it) => {
  for (const shown of pagesOfShippedModels.flatMap(requestsOf)) {
    it.effect.skipIf(withoutCurl)(shown.command.place, () => check(shown))
  }

  it.effect("README.md shows what the server prints when it starts", () =>
    Effect.gen(function*() {
      const server = yield* TestServer
      const shown = fencedBlocks("README.md").find(({ text }) => text.startsWith("Sluice listens on"))
      assert.include(steady(server.output()), steady(shown?.text ?? "nothing"))
    }))

  const programs = fencedBlocks("README.md").flatMap((block, index, blocks) =>
    block.language === "ts" ? [{ block, printed: blocks[index + 1]?.text ?? "" }] : []
  )

  it.effect("README.md's programs are type-checked, run, and print what they show", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      mkdirSync(join(root, ".cache"), { recursive: true })
      // In the tree, so that the packages are found as a user's file in the clone finds them.
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(root, ".cache/readme-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      const files = programs.map(({ block, printed }, index) => {
        const file = join(folder, `Program${index}.ts`)
        writeFileSync(file, onPort(block.text, port))
        return { file, printed, block }
      })
      writeFileSync(
        join(folder, "tsconfig.json"),
        JSON.stringify({ extends: "../../tsconfig.json", include: ["*.ts"] })
      )
      yield* run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder])
      for (const { block, file, printed } of files) {
        assert.isBelow(block.text.split("\n").length, 15, `${block.place} is longer than the 15 lines that it may have`)
        assert.strictEqual((yield* run(process.execPath, [file])).trim(), printed, block.place)
      }
      assert.lengthOf(files, 2)
    }))
})

describe("the tutorial", () => {
  const page = "docs/tutorial/serve-your-own-scikit-learn-model.md"
  const entry = fencedBlocks(page).find(({ language }) => language === "yaml")?.text ?? ""
  // The file is what the tutorial's program wrote.
  const registry = entry.replace("models/wine/model.onnx", fixture("wine/model.onnx"))

  layer(TestServer.layer({ registry }), { excludeTestServices: true })((it) => {
    for (const shown of requestsOf(page)) {
      it.effect.skipIf(withoutCurl)(`${shown.command.place} is answered as it shows`, () => check(shown))
    }

    it.effect("shows the line that the server prints for the model", () =>
      Effect.gen(function*() {
        const words = (line: string) => line.trim().split(/ +/)
        const shown = fencedBlocks(page).find(({ text }) => text.trim().startsWith("wine@v1"))
        const printed = (yield* TestServer).output().split("\n").find((line) => line.includes("wine@v1"))
        assert.deepStrictEqual(words(printed ?? ""), words(shown?.text ?? ""))
      }))
  })
})

describe("docs/reference/cli.md", () => {
  const page = "docs/reference/cli.md"
  const sections = readPage(page).split(/^## /m).slice(1)

  it.effect.each([
    "serve",
    "predict",
    "models",
    "models pull",
    "models add",
    "models inspect",
    "keys create",
    "config",
    "plugin new"
  ])(
    "has the flags of sluice %s",
    (command) =>
      Effect.gen(function*() {
        const help = yield* run(join(root, "packages/cli/bin/sluice"), [...command.split(" "), "--help"])
        const flags = /^FLAGS\n((?: .*\n)+)/m.exec(help)?.[1] ?? ""
        const section = sections.find((text) => new RegExp(`^\`sluice ${command}( [^a-z]|\`)`).test(text)) ?? ""
        assert.deepStrictEqual(
          Array.from(section.matchAll(/^\| `(--[\w-]+)`/gm), ([, flag = ""]) => flag).toSorted(),
          Array.from(flags.matchAll(/^ +(--[\w-]+)/gm), ([, flag = ""]) => flag).toSorted()
        )
        assert.isTrue(tableRows(page).some(([name]) => name === `sluice ${command}`))
      })
  )
})

it("finds the requests of the pages: an empty list would pass", () => {
  assert.isAtLeast(requestsOf("README.md").length, 5)
  assert.isAtLeast(pagesOfShippedModels.flatMap(requestsOf).length, 8)
})
