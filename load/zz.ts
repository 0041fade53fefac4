import onnxruntime from "onnxruntime-node"
import { Agent, request } from "node:http"
const body = '{"model":"embeddings","texts":["The battery life of this laptop is great, but the keyboard feels cheap and the screen is dim."]}'
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const ask = () => new Promise<string>((resolve) => { const r = request({ port: 26000, path: "/api/v1/predict", method: "POST", agent, headers: { "content-type": "application/json", "cache-control": "no-store", "content-length": body.length } }, (res) => { res.resume(); res.on("end", () => resolve(String(res.headers["server-timing"]))) }); r.end(body) })
const n = 24
const ids = BigInt64Array.from({ length: n }, (_, i) => BigInt(2000 + i)), ones = new BigInt64Array(n).fill(1n), zeros = new BigInt64Array(n)
const t = (d: BigInt64Array) => new onnxruntime.Tensor("int64", d, [1, n])
const med = (v: number[]) => v.sort((a, b) => a - b)[v.length >> 1]!.toFixed(2)
const sessions: Record<string, any> = {}
for (const [name, o] of Object.entries({ t1: { intraOpNumThreads: 1 }, t2: { intraOpNumThreads: 2 }, t2nospin: { intraOpNumThreads: 2, extra: { session: { intra_op: { allow_spinning: "0" } } } }, t2nopat: { intraOpNumThreads: 2, enableMemPattern: false } })) sessions[name] = await onnxruntime.InferenceSession.create("/work/shared/models/minilm/model.onnx", o as any)
for (let round = 0; round < 4; round++) {
  const out: string[] = []
  for (const [name, s] of Object.entries(sessions)) { const v: number[] = []; for (let i = 0; i < 40; i++) { const a = performance.now(); await s.run({ input_ids: t(ids), attention_mask: t(ones), token_type_ids: t(zeros) }); v.push(performance.now() - a) } out.push(name + " " + med(v)) }
  const total: number[] = [], compute: number[] = [], wall: number[] = []
  for (let i = 0; i < 40; i++) { const a = performance.now(); const h = await ask(); wall.push(performance.now() - a); compute.push(Number(/compute;dur=([\d.]+)/.exec(h)![1])); total.push(Number(/total;dur=([\d.]+)/.exec(h)![1])) }
  console.log(out.join("  "), "| server compute", med(compute), "total", med(total), "wall", med(wall))
}
process.exit(0)
