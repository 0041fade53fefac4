/**
 * All files that decide what a version answers: its model file, those beside it (tokenizer, external weights), and its
 * plugin's module. Their hash depends on contents and names alone, so it is the same on every machine that has the same.
 */
import * as Effect from "effect/Effect"
import { createHash, webcrypto } from "node:crypto"
import type { BigIntStats } from "node:fs"
import { open, readdir, readFile, stat } from "node:fs/promises"
import { findPackageJSON } from "node:module"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { fileDigest, type FileUnreadable } from "./FileDigest.ts"

/** A file is hashed in pieces off the event loop, so that nothing waits for it. */
const pieceBytes = 1024 * 1024

interface Known {
  readonly stamp: string
  readonly digest: Promise<string>
}

/** By path: versions of one folder load together, and folders are looked at again with each load. */
const known = new Map<string, Known>()

/** SHA-256 of the SHA-256 of each piece. */
const hashPieces = async (path: string): Promise<string> => {
  const whole = createHash("sha256")
  await using file = await open(path)
  const buffer = new Uint8Array(pieceBytes)
  while (true) {
    const { bytesRead } = await file.read(buffer)
    if (bytesRead === 0) return whole.digest("hex")
    whole.update(new Uint8Array(await webcrypto.subtle.digest("SHA-256", buffer.subarray(0, bytesRead))))
  }
}

/** What cannot be read decides nothing: the plugin cannot read it either. */
const contentOf = (path: string, { ctimeNs, dev, ino, mtimeNs, size }: BigIntStats): Promise<string> => {
  const stamp = [dev, ino, size, mtimeNs, ctimeNs].join()
  const before = known.get(path)
  if (before?.stamp === stamp) return before.digest
  const digest = hashPieces(path).catch(() => {
    known.delete(path)
    return "unreadable"
  })
  known.set(path, { stamp, digest })
  return digest
}

const statOf = (path: string): Promise<BigIntStats | undefined> => stat(path, { bigint: true }).catch(() => undefined)

/** The regular files in the model's folder but itself, links followed. */
const filesBeside = async (modelPath: string) => {
  const folder = Path.dirname(modelPath)
  const names = await readdir(folder).catch((): ReadonlyArray<string> => [])
  const found = await Promise.all(names.map(async (name) => {
    const path = Path.join(folder, name)
    return { name, path, stats: path === modelPath ? undefined : await statOf(path) }
  }))
  return found.flatMap(({ name, path, stats }) => stats?.isFile() === true ? [{ name, path, stats }] : [])
    .sort((a, b) => a.name < b.name ? -1 : 1)
}

const packageVersion = async (url: string): Promise<unknown> => {
  try {
    const manifest: unknown = JSON.parse(await readFile(findPackageJSON(url) ?? "", "utf8"))
    return typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : ""
  } catch {
    // A plugin need not lie in a package.
    return ""
  }
}

const pluginCode = async (url: string): Promise<string> => {
  const path = fileURLToPath(url)
  const stats = await statOf(path)
  return `${stats === undefined ? "" : await contentOf(path, stats)} ${String(await packageVersion(url))}`
}

export interface DecidingFiles {
  /** What lies beside the model file, in bytes. */
  readonly bytesBeside: number
  /** The hash of all of them, in hexadecimal. */
  readonly digest: Effect.Effect<string, FileUnreadable>
}

/** Those of a model file's absolute path and a plugin's module. Nothing is read before the digest is asked for. */
export const decidingFiles = (modelPath: string, pluginUrl: string): Effect.Effect<DecidingFiles> =>
  Effect.promise(async () => {
    const beside = await filesBeside(modelPath)
    const contents = async () => {
      const lines: Array<string> = []
      for (const { name, path, stats } of beside) lines.push(`${await contentOf(path, stats)} ${JSON.stringify(name)}`)
      return [await pluginCode(pluginUrl), ...lines].join("\n")
    }
    return {
      bytesBeside: beside.reduce((total, { stats }) => total + Number(stats.size), 0),
      digest: Effect.zipWith(
        fileDigest(modelPath),
        Effect.promise(contents),
        (model, others) => createHash("sha256").update(`${model}\n${others}`).digest("hex"),
        { concurrent: true }
      )
    }
  })
