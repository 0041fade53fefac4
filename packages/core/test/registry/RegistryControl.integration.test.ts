/**
 * Changes to the served registry by its file and by callers, on real files and a host in memory.
 */
import { assert, describe, it } from "@effect/vitest"
import { AuditLog } from "@sluice/core/registry/AuditLog"
import { entityTagOf } from "@sluice/core/registry/EntityTag"
import { type LastKnownGood, lastKnownGood, nothingKept } from "@sluice/core/registry/LastKnownGood"
import { RegistryControl } from "@sluice/core/registry/RegistryControl"
import type { Registry } from "@sluice/core/registry/RegistryEntry"
import { readRegistrySource } from "@sluice/core/registry/RegistryFile"
import { RegistryHost } from "@sluice/core/registry/RegistryHost"
import { EntryRefused } from "@sluice/core/registry/VersionPlan"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as NodeFs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { standInRegistryHost } from "./StandInHost.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => NodeFs.mkdtempSync(join(tmpdir(), "sluice-control-"))),
  (path) => Effect.sync(() => NodeFs.rmSync(path, { recursive: true }))
)

/** A registry of `iris` with these versions, each with the file `model.onnx`. */
const text = (...versions: ReadonlyArray<string>): string =>
  `models:
  iris:
    default_version: ${versions[0] ?? "v1"}
    versions:
${versions.map((version) => `      ${version}: { path: model.onnx }`).join("\n")}
`

/** A live test without the log, which every change writes to. */
const live = <A, E>(name: string, test: () => Effect.Effect<A, E, Scope.Scope>) =>
  it.live(name, () => Effect.provide(test(), Logger.layer([])))

const quick = { every: Duration.millis(40), still: Duration.millis(20) }

/** Which versions the host was given, one list an apply; `v-refused` is what its plugins cannot serve. */
const recordingHost = (given: Array<string>, registry: Registry, unproven: ReadonlyArray<string>) =>
  Layer.effect(
    RegistryHost,
    Effect.map(RegistryHost, (host) => {
      const refusing = (next: Registry) => {
        const entry = next.models.flatMap(({ versions }) => versions).find(({ version }) => version === "v-refused")
        return entry === undefined
          ? Effect.void
          : Effect.fail(new EntryRefused({ entry, reason: "no plugin takes it" }))
      }
      return RegistryHost.of({
        ...host,
        unprovenDefaults: Effect.sync(() => [...unproven]),
        preview: (next) => Effect.andThen(refusing(next), host.preview(next)),
        apply: (next) =>
          Effect.andThen(refusing(next), () => {
            given.push(next.models.flatMap(({ versions }) => versions.map(({ version }) => version)).join(" "))
            return host.apply(next)
          })
      })
    })
  ).pipe(Layer.provide(standInRegistryHost(registry)))

const started = Effect.fnUntraced(function*(
  files: {
    readonly file?: string
    readonly directory?: string
    readonly kept?: LastKnownGood
    readonly unproven?: ReadonlyArray<string>
  } = {}
) {
  const directory = files.directory ?? (yield* folder)
  const file = files.file ?? join(directory, "registry.yaml")
  if (files.file === undefined) {
    NodeFs.writeFileSync(join(directory, "model.onnx"), "")
    NodeFs.writeFileSync(file, text("v1"))
  }
  const source = yield* readRegistrySource(file)
  const given: Array<string> = []
  const services = yield* Layer.build(
    RegistryControl.layer({ file, start: { source }, watch: quick, kept: files.kept ?? nothingKept }).pipe(
      Layer.provideMerge(
        Layer.merge(recordingHost(given, source.registry, files.unproven ?? []), AuditLog.layer(undefined))
      )
    )
  )
  const control = Context.get(services, RegistryControl)
  const audit = Context.get(services, AuditLog)
  const status = (expected: (status: Effect.Success<typeof control.status>) => boolean) =>
    control.status.pipe(Effect.repeat({ until: expected, schedule: Schedule.spaced("10 millis") }))
  return {
    directory,
    file,
    given,
    control,
    status,
    audited: Effect.map(
      audit.last(100),
      (entries) => entries.map(({ by, detail, outcome }) => `${outcome} by ${by}: ${detail}`)
    ),
    write: (content: string) => NodeFs.writeFileSync(file, content),
    read: () => NodeFs.readFileSync(file, "utf8")
  }
})

const by = "http:anonymous"

describe("a registry that is sent", () => {
  live("is served, becomes the file, and is not taken from there once more", () =>
    Effect.gen(function*() {
      const { audited, control, given, read, status } = yield* started()
      const next = text("v1", "v2")
      const applied = yield* control.apply(next, { by, requestId: "r-1" })
      assert.deepStrictEqual(applied, {
        dry_run: false,
        etag: entityTagOf(next),
        added: ["iris@v2"],
        changed: [],
        removed: [],
        rerouted: []
      })
      assert.strictEqual(read(), next)
      assert.deepStrictEqual(yield* control.current, { text: next, etag: applied.etag })
      yield* Effect.sleep("200 millis")
      assert.deepInclude(yield* status(() => true), { etag: applied.etag, by, pending_error: null })
      assert.deepStrictEqual(given, ["v1 v2"])
      assert.deepStrictEqual(yield* audited, [`applied by ${by}: added iris@v2`])
    }))

  live("again changes nothing", () =>
    Effect.gen(function*() {
      const { audited, control, file, given } = yield* started()
      const { ino } = NodeFs.statSync(file)
      const applied = yield* control.apply(text("v1"), { by })
      assert.deepInclude(applied, { etag: entityTagOf(text("v1")), added: [], changed: [], removed: [], rerouted: [] })
      assert.deepStrictEqual([given, yield* audited, NodeFs.statSync(file).ino], [[], [], ino])
    }))

  live("with mistakes changes nothing, and each is named with its line and field", () =>
    Effect.gen(function*() {
      const { audited, control, given, read } = yield* started()
      const wrong = text("v1", "v2").replace("v2: { path: model.onnx }", "v2: { paht: model.onnx, threads: 0 }")
      const error = yield* Effect.flip(control.apply(wrong, { by }))
      if (error._tag !== "RegistryInvalid") return assert.fail(error._tag)
      assert.lengthOf(error.mistakes, 3)
      assert.isTrue(error.mistakes.every((mistake) => mistake.startsWith("line 6: models.iris.versions.v2")))
      assert.deepStrictEqual([read(), given], [text("v1"), []])
      assert.match((yield* audited).join("\n"), /^refused by http:anonymous: nothing was changed: line 6/)
    }))

  live("whose files are missing is refused without the server's paths", () =>
    Effect.gen(function*() {
      const { control, directory } = yield* started()
      const error = yield* Effect.flip(control.apply(text("v1").replace("model.onnx", "gone.onnx"), { by }))
      assert.match(error.message, /line 5: models\.iris\.versions\.v1\.path: .*does not exist: gone\.onnx/)
      assert.notInclude(error.message, directory)
    }))

  live("that no plugin takes is refused as a whole", () =>
    Effect.gen(function*() {
      const { control, given, read } = yield* started()
      const wanted = text("v1", "v-refused")
      for (const dryRun of [true, false]) {
        const error = yield* Effect.flip(control.apply(wanted, { by, dryRun }))
        assert.include(error.message, "line 6: model \"iris\" version \"v-refused\": no plugin takes it")
      }
      assert.deepStrictEqual([read(), given], [text("v1"), []])
    }))

  live("as a dry run says what would change, and changes nothing", () =>
    Effect.gen(function*() {
      const { audited, control, given, read } = yield* started()
      const applied = yield* control.apply(text("v2"), { by, dryRun: true })
      assert.deepInclude(applied, { dry_run: true, added: ["iris@v2"], removed: ["iris@v1"], rerouted: ["iris"] })
      assert.deepStrictEqual([read(), given, yield* audited], [text("v1"), [], []])
    }))

  live("by somebody who saw another one is refused", () =>
    Effect.gen(function*() {
      const { control, read } = yield* started()
      const before = (yield* control.current).etag
      yield* control.apply(text("v1", "v2"), { by, ifMatch: before })
      const conflict = yield* Effect.flip(control.apply(text("v1", "v3"), { by, ifMatch: before }))
      assert.deepInclude(conflict, { _tag: "RevisionConflict", current: entityTagOf(text("v1", "v2")) })
      assert.strictEqual(read(), text("v1", "v2"))
    }))

  live("loses to an edit of the file that this process has not seen yet", () =>
    Effect.gen(function*() {
      const { control, write } = yield* started()
      const { etag } = yield* control.current
      write(text("v1", "edited"))
      const conflict = yield* Effect.flip(control.apply(text("v1", "v3"), { by, ifMatch: etag }))
      assert.strictEqual(conflict._tag, "RevisionConflict")
    }))

  live(
    "is taken by one of two servers of one file, where both are sent one at the same moment",
    () =>
      Effect.gen(function*() {
        const one = yield* started()
        const other = yield* started({ file: one.file, directory: one.directory })
        let { etag } = yield* one.control.current
        for (let round = 0; round < 10; round++) {
          const answers = yield* Effect.all(
            [one, other].map(({ control }, index) =>
              Effect.result(control.apply(text("v1", `w${round}-${index}`), { by, ifMatch: etag }))
            ),
            { concurrency: "unbounded" }
          )
          const [taken, ...more] = answers.filter(Result.isSuccess)
          assert.lengthOf(more, 0)
          const [refused] = answers.filter(Result.isFailure)
          assert.strictEqual(refused?.failure._tag, "RevisionConflict")
          etag = taken?.success.etag ?? ""
          assert.strictEqual(entityTagOf(one.read()), etag)
        }
      })
  )

  live("is refused where its file cannot be written, and what was served is served", () =>
    Effect.gen(function*() {
      const { control, directory, given } = yield* started()
      const link = join(directory, "registry.yaml")
      NodeFs.rmSync(link)
      NodeFs.symlinkSync("/proc/version", link)
      const refused = yield* Effect.flip(control.apply(text("v1", "v2"), { by }))
      assert.strictEqual(refused._tag, "ChangeRefused")
      assert.deepStrictEqual([given, (yield* control.current).text], [[], text("v1")])
    }))

  live("comes one at a time: the file, what is served and the last answer agree", () =>
    Effect.gen(function*() {
      const { control, given, read } = yield* started()
      const texts = Array.from({ length: 20 }, (_, i) => text("v1", `w${i}`))
      yield* Effect.forEach(texts, (each) => control.apply(each, { by }), { concurrency: "unbounded" })
      assert.deepStrictEqual(given.toSorted(), texts.map((_, i) => `v1 w${i}`).toSorted())
      assert.strictEqual(read(), (yield* control.current).text)
    }))
})

describe("the registry file", () => {
  /** Each makes the file have this text, as some program does it. */
  const ways: Readonly<Record<string, (file: string, content: string) => void>> = {
    "written in place, in pieces": (file, content) => {
      const handle = NodeFs.openSync(file, "w")
      for (const line of content.split(/(?<=\n)/)) NodeFs.writeSync(handle, line)
      NodeFs.closeSync(handle)
    },
    "moved over": (file, content) => {
      NodeFs.writeFileSync(`${file}.new`, content)
      NodeFs.renameSync(`${file}.new`, file)
    },
    "copied over": (file, content) => {
      NodeFs.writeFileSync(`${file}.new`, content)
      NodeFs.copyFileSync(`${file}.new`, file)
    },
    "removed, then written anew": (file, content) => {
      NodeFs.rmSync(file)
      NodeFs.writeFileSync(file, content)
    },
    "of another time only in its nanoseconds": (file, content) => {
      const { atime, mtime } = NodeFs.statSync(file)
      NodeFs.writeFileSync(file, content)
      NodeFs.utimesSync(file, atime, mtime)
    }
  }

  it.live.each(Object.entries(ways))("is taken up when it is %s", ([, change]) =>
    Effect.gen(function*() {
      const { audited, file, given, status } = yield* started()
      change(file, text("v1", "v2"))
      const { by } = yield* status(({ etag }) => etag === entityTagOf(text("v1", "v2")))
      assert.deepStrictEqual([by, given], ["file", ["v1 v2"]])
      assert.deepStrictEqual(yield* audited, ["applied by file: added iris@v2"])
    }).pipe(Effect.provide(Logger.layer([]))))

  live("is taken up when Kubernetes turns the links of a ConfigMap", () =>
    Effect.gen(function*() {
      const mount = yield* folder
      const version = (name: string, content: string) => {
        NodeFs.mkdirSync(join(mount, name))
        NodeFs.writeFileSync(join(mount, name, "registry.yaml"), content)
        NodeFs.symlinkSync(name, join(mount, "..data_tmp"))
        NodeFs.renameSync(join(mount, "..data_tmp"), join(mount, "..data"))
      }
      NodeFs.writeFileSync(join(mount, "model.onnx"), "")
      version("..2026_1", text("v1"))
      NodeFs.symlinkSync("..data/registry.yaml", join(mount, "registry.yaml"))
      const { given, status } = yield* started({ file: join(mount, "registry.yaml"), directory: mount })
      version("..2026_2", text("v1", "v2"))
      yield* status(({ etag }) => etag === entityTagOf(text("v1", "v2")))
      assert.deepStrictEqual(given, ["v1 v2"])
    }))

  live("with mistakes changes nothing, says so once, and is taken up when it is mended", () =>
    Effect.gen(function*() {
      const { audited, control, given, status, write } = yield* started()
      write("models: {}\n")
      const { etag, pending_error } = yield* status((status) => status.pending_error !== null)
      assert.deepStrictEqual(pending_error, ["line 1: models: a registry needs at least one model"])
      assert.strictEqual(etag, entityTagOf(text("v1")))
      assert.deepStrictEqual([given, (yield* control.current).text], [[], text("v1")])
      write("models:  {}\n")
      yield* Effect.sleep("300 millis")
      assert.deepStrictEqual(yield* audited, [
        "refused by file: line 1: models: a registry needs at least one model"
      ])
      write(text("v1", "v2"))
      assert.isNull((yield* status(({ by }) => by === "file")).pending_error)
    }))

  live("with mistakes may be put back, or replaced by what is sent", () =>
    Effect.gen(function*() {
      const { control, given, read, status, write } = yield* started()
      write("models: {}\n")
      yield* status((status) => status.pending_error !== null)
      write(text("v1"))
      yield* status((status) => status.pending_error === null)
      assert.deepStrictEqual(given, [])
      write("models: {}\n")
      const { etag } = yield* status((status) => status.pending_error !== null)
      yield* control.apply(text("v1"), { by, ifMatch: etag })
      assert.isNull((yield* control.status).pending_error)
      assert.strictEqual(read(), text("v1"))
    }))

  live("that comes before its models' files is taken up when they are there", () =>
    Effect.gen(function*() {
      const { directory, status, write } = yield* started()
      const next = text("v1").replace("model.onnx", "later.onnx")
      write(next)
      yield* status((status) => status.pending_error !== null)
      NodeFs.writeFileSync(join(directory, "later.onnx"), "")
      yield* status(({ etag, pending_error }) => etag === entityTagOf(next) && pending_error === null)
    }))

  live("that is gone changes nothing, and is taken up when it is back", () =>
    Effect.gen(function*() {
      const { file, given, status, write } = yield* started()
      NodeFs.rmSync(file)
      const { pending_error } = yield* status((status) => status.pending_error !== null)
      assert.deepStrictEqual(pending_error, ["this file does not exist"])
      write(text("v1"))
      yield* status((status) => status.pending_error === null)
      assert.deepStrictEqual(given, [])
    }))
})

describe("what served last", () => {
  const beginning = Effect.fnUntraced(function*(before: string | undefined, now: string, unproven: Array<string>) {
    const directory = yield* folder
    const file = join(directory, "registry.yaml")
    const kept = lastKnownGood(join(directory, "state", "kept.json"), file)
    NodeFs.writeFileSync(join(directory, "model.onnx"), "")
    NodeFs.writeFileSync(file, now)
    if (before !== undefined) yield* kept.keep(before)
    const { control } = yield* started({ directory, file, kept, unproven })
    yield* control.begun
    return kept
  })

  live("is not a default that was never loaded, until it was", () =>
    Effect.gen(function*() {
      const unproven = ["iris"]
      const kept = yield* beginning(text("v1"), text("v2", "v1"), unproven)
      assert.strictEqual(yield* kept.read, text("v1"))
      unproven.pop()
      yield* kept.read.pipe(
        Effect.repeat({ until: (kept) => kept === text("v2", "v1"), schedule: Schedule.spaced("20 millis") })
      )
    }))

  live("is a default that was not loaded yet and is as it was when it served", () =>
    Effect.gen(function*() {
      const kept = yield* beginning(text("v1"), text("v1", "v2"), ["iris"])
      assert.strictEqual(yield* kept.read, text("v1", "v2"))
      assert.isUndefined(yield* (yield* beginning(undefined, text("v1"), ["iris"])).read)
    }))
})
