/**
 * A bare node:http server that reads a body and sends it back: what HTTP alone costs here.
 */
import { createServer } from "node:http"

const port = Number(process.env["PORT"])

createServer((request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    response.setHeader("content-type", "application/json")
    response.end(Buffer.concat(chunks))
  })
}).listen(port, "127.0.0.1", () => process.stdout.write("listens\n"))
