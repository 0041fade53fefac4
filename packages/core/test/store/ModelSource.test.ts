import { assert, describe, it } from "@effect/vitest"
import { addressOf, isPrivateAddress, redirectTarget } from "@sluice/core/store/Addresses"
import { fileNameMistake, isFileName } from "@sluice/core/store/FileName"
import { parseRevision, parseSource, sourceFolder } from "@sluice/core/store/ModelSource"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { join, resolve } from "node:path"

const parsed = (text: string, allowHttp = false) =>
  Result.match(parseSource(text, { allowHttp }), { onSuccess: (source) => source, onFailure: ({ reason }) => reason })

const refusal = (text: string, allowHttp = false): string => {
  const source = parsed(text, allowHttp)
  return typeof source === "string" ? source : `accepted as ${source.text}`
}

describe("parseSource", () => {
  it("reads a repository of the hub", () => {
    assert.deepStrictEqual(parsed("hf:sentence-transformers/all-MiniLM-L6-v2"), {
      _tag: "Hub",
      text: "hf:sentence-transformers/all-MiniLM-L6-v2",
      repository: "sentence-transformers/all-MiniLM-L6-v2"
    })
    assert.include(parsed("hf:gpt2"), { repository: "gpt2" })
  })

  it("reads an address, and shows it without its query", () => {
    assert.include(parsed("https://models.example/a/model.onnx?signature=s3cret#top"), {
      _tag: "Web",
      text: "https://models.example/a/model.onnx",
      file: "model.onnx"
    })
  })

  it.each(["10.0.0.7", "192.168.1.2", "127.0.0.1", "[fd00::7]", "[::ffff:10.0.0.7]"])(
    "takes an address of the operator's own network: %s",
    (host) => assert.include(parsed(`https://${host}/model.onnx`), { _tag: "Web", file: "model.onnx" })
  )

  it("reads paths, with file: and without", () => {
    for (const text of ["file:/models/a.onnx", "file:///models/a.onnx", "/models/a.onnx"]) {
      assert.deepStrictEqual(parsed(text), { _tag: "Local", text: "file:/models/a.onnx", path: "/models/a.onnx" })
    }
    assert.include(parsed("models/a.onnx"), { path: resolve("models/a.onnx") })
  })

  it.each([
    ["", /a source is needed/],
    ["hf:", /write hf:org\/name/],
    ["hf:../../etc", /write hf:org\/name/],
    ["hf:a/b/c", /write hf:org\/name/],
    ["hf:a--b/c", /write hf:org\/name/],
    ["hf:a/..", /write hf:org\/name/],
    ["s3://bucket/model.onnx", /not "s3:"/],
    ["http://models.example/model.onnx", /this machine only/],
    ["http://127.0.0.1:9/model.onnx", /--allow-http/],
    ["http://localhost/model.onnx", /--allow-http/],
    ["https://169.254.169.254/model.onnx", /link-local/],
    ["https://2852039166/model.onnx", /link-local/],
    ["https://0xa9.254.43518/model.onnx", /link-local/],
    ["http://0251.0376.169.254/model.onnx", /link-local/],
    ["https://[fe80::1]/model.onnx", /link-local/],
    ["https://[::ffff:169.254.1.1]/model.onnx", /link-local/],
    ["https://[::a9fe:a9fe]/model.onnx", /link-local/],
    ["https://[64:ff9b::a9fe:a9fe]/model.onnx", /link-local/],
    ["https://[2002:a9fe:a9fe::1]/model.onnx", /link-local/],
    ["https://[fd00:ec2::254]/model.onnx", /link-local/],
    ["https://models.example/", /does not end with a file's name/],
    ["https://models.example/a/..%2F..%2Fb.onnx", /does not end with a file's name/],
    ["https://models.example/a%00.onnx", /does not end with a file's name/],
    ["file:/models/a\0.onnx", /NUL/]
  ])("refuses %j", (text, says) => {
    assert.match(refusal(text), says)
  })

  it("takes http: from this machine only where it is allowed", () => {
    assert.match(refusal("http://127.0.0.1:9/model.onnx", true), /^accepted/)
    assert.match(refusal("http://localhost.example/model.onnx", true), /this machine only/)
    assert.match(refusal("http://127.0.0.1.example/model.onnx", true), /this machine only/)
  })

  it("never repeats a password", () => {
    const secret = fc.stringMatching(/^[a-zA-Z0-9]{12,20}$/)
    fc.assert(fc.property(secret, fc.constantFrom("https", "http"), (password, scheme) => {
      assert.notInclude(refusal(`${scheme}://ann:${password}@models.example/model.onnx`), password)
      assert.notInclude(refusal(`${scheme}://${password}@127.0.0.1/model.onnx`, true), password)
    }))
  })
})

describe("sourceFolder", () => {
  it("is one name, which leads nowhere", () => {
    fc.assert(fc.property(fc.oneof(fc.webUrl({ validSchemes: ["https"] }), fc.string()), (text) => {
      const source = parsed(text)
      if (typeof source === "string") return
      assert.isTrue(isFileName(sourceFolder(source)))
      assert.notInclude(sourceFolder(source), "/")
    }))
  })

  it("is another for another repository", () => {
    const part = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,6}[a-z0-9])?$/)
    fc.assert(fc.property(part, part, part, part, (a, b, c, d) => {
      const [one, other] = [parsed(`hf:${a}/${b}`), parsed(`hf:${c}/${d}`)]
      if (typeof one === "string" || typeof other === "string") return
      assert.strictEqual(sourceFolder(one) === sourceFolder(other), `${a}/${b}` === `${c}/${d}`)
    }))
  })
})

describe("parseRevision", () => {
  it.each(["main", "v1.0", "refs/pr/1", "0123456789abcdef0123456789abcdef01234567"])("takes %s", (text) => {
    assert.isTrue(Result.isSuccess(parseRevision(text)))
  })
  it.each(["", "../main", "a..b", "/main", "a//b", "a b", "main/", "-x", "a\nb"])("refuses %j", (text) => {
    assert.isTrue(Result.isFailure(parseRevision(text)))
  })
})

describe("fileNameMistake", () => {
  it.each([
    "../a",
    "a/../b",
    "a/..",
    ".",
    "/a",
    "a//b",
    "a/",
    "a\\b",
    "..\\a",
    "C:a",
    "C:\\a",
    "a\0b",
    "a\nb",
    "",
    "a".repeat(256),
    "a/".repeat(600) + "a"
  ])("refuses %j", (name) => {
    assert.isString(fileNameMistake(name))
  })

  it("lets no name out of its folder", () => {
    const hostile = fc.array(fc.constantFrom("..", ".", "/", "\\", "a", "\0", ":", "é", " "), { maxLength: 12 })
    fc.assert(fc.property(fc.oneof(fc.string(), hostile.map((parts) => parts.join(""))), (name) => {
      if (isFileName(name)) assert.isTrue(join("/store", name).startsWith("/store/"))
    }))
  })
})

describe("isPrivateAddress", () => {
  it.each([
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "localhost",
    ""
  ])("says so of %s", (address) => assert.isTrue(isPrivateAddress(address)))

  it.each(["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700::1111"])("says no of %s", (address) => {
    assert.isFalse(isPrivateAddress(address))
  })

  it("is asked of hosts as URLs write them", () => {
    assert.strictEqual(addressOf(new URL("http://[::1]:8/").hostname), "::1")
    assert.strictEqual(addressOf(new URL("http://0x7f.1/").hostname), "127.0.0.1")
    assert.isUndefined(addressOf("models.example"))
  })
})

describe("redirectTarget", () => {
  const from = new URL("https://hub.example/a/b")
  const target = (location: string | undefined, at = from) =>
    Result.match(redirectTarget(at, location), { onSuccess: String, onFailure: (reason) => reason })

  it("is where it leads, from here", () => {
    assert.strictEqual(target("https://files.example/x?y=1"), "https://files.example/x?y=1")
    assert.strictEqual(target("/c"), "https://hub.example/c")
  })

  it.each([
    [undefined, /to nowhere/],
    ["https://", /to nowhere/],
    ["http://files.example/x", /from https: to http:/],
    ["http://127.0.0.1/x", /from https: to http:/],
    ["file:///etc/passwd", /to file:/],
    ["javascript:0", /to javascript:/],
    ["https://ann:hush@files.example/", /a password/]
  ])("is none for %s", (location, says) => assert.match(target(location), says))

  it("is no other machine by http:", () => {
    assert.match(target("http://files.example/x", new URL("http://127.0.0.1:8/")), /this machine only/)
    assert.strictEqual(target("http://127.0.0.1:9/x", new URL("http://127.0.0.1:8/")), "http://127.0.0.1:9/x")
  })
})
