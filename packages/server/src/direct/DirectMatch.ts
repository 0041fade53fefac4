/**
 * Which requests a direct route takes: plain calls to a model. Whatever is unusual goes the way of Effect's HTTP. Pure.
 */
import { OipInferRequest } from "@sluice/api/OipApi"
import { EmbeddingsRequest } from "@sluice/api/OpenAiApi"
import { PredictRequest } from "@sluice/domain/PredictRequest"
import type { CallHeaders } from "../calls/CallContext.ts"
import { embeddingsCall } from "../calls/EmbeddingsCall.ts"
import { jsonReader } from "../calls/JsonReader.ts"
import { oipCall } from "../calls/OipCall.ts"
import { predictCall } from "../calls/PredictCall.ts"
import { type PrepareCall, prepareCall } from "../calls/SurfaceCall.ts"
import { isJson } from "../http/JsonBody.ts"
import { decodeEmbeddings } from "./EmbeddingsDecode.ts"
import { decodeInfer } from "./OipDecode.ts"
import { decodePredict } from "./PredictDecode.ts"

const predict = prepareCall(jsonReader(PredictRequest, { exactIntegers: false, quick: decodePredict }), predictCall)

const embeddings = prepareCall(
  jsonReader(EmbeddingsRequest, { exactIntegers: false, quick: decodeEmbeddings }),
  embeddingsCall
)

const readInfer = jsonReader(OipInferRequest, { exactIntegers: true, quick: decodeInfer })

/** Names without escapes; nothing that a router could read in two ways. */
const inferPath = /^\/v2\/models\/([A-Za-z0-9][A-Za-z0-9._-]*)(?:\/versions\/([A-Za-z0-9][A-Za-z0-9._-]*))?\/infer$/

/** How the call at a request's target is prepared, where that is an inference route exactly, without a query. */
export const directRoute = (apiPrefix: string) => {
  const predictPath = `${apiPrefix}/predict`
  return (url: string): PrepareCall | undefined => {
    if (url === predictPath) return predict
    if (url === "/v1/embeddings") return embeddings
    const infer = inferPath.exec(url)
    return infer?.[1] === undefined ? undefined : prepareCall(readInfer, oipCall(infer[1], infer[2]))
  }
}

/** Whether a request has a JSON body of a known and allowed length, in no coding, and nothing unusual about it. */
export const isPlain = (headers: CallHeaders, maxBodyBytes: number): boolean => {
  const length = headers["content-length"]
  return length !== undefined && Number(length) <= maxBodyBytes &&
    headers["transfer-encoding"] === undefined && headers["content-encoding"] === undefined &&
    headers["expect"] === undefined && headers["upgrade"] === undefined && headers["origin"] === undefined &&
    isJson(headers["content-type"])
}
