"""A FastAPI app that serves the same models with onnxruntime, a run for each request, without batching.

EMBEDDINGS and BREAST_CANCER name the model files; PORT the port of the loopback.
"""
import os
from pathlib import Path

import numpy
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from tokenizers import Tokenizer

MAX_TOKENS = 512

app = FastAPI()


def open_session(path: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Texts(BaseModel):
    model: str
    texts: list[str]


class Tensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Infer(BaseModel):
    inputs: list[Tensor]


if path := os.environ.get("EMBEDDINGS"):
    embeddings = open_session(path)
    tokenizer = Tokenizer.from_file(str(Path(path).parent / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    takes = {value.name for value in embeddings.get_inputs()}

    # Not async: Starlette runs it in a thread of its pool, so that runs take all cores
    @app.post("/api/v1/predict")
    def predict(request: Texts) -> dict:
        results = []
        for text in request.texts:
            encoding = tokenizer.encode(text)
            feeds = {
                "input_ids": numpy.array([encoding.ids], dtype=numpy.int64),
                "attention_mask": numpy.array([encoding.attention_mask], dtype=numpy.int64),
                "token_type_ids": numpy.array([encoding.type_ids], dtype=numpy.int64),
            }
            [vectors] = embeddings.run(["sentence_embedding"], {name: feeds[name] for name in takes})
            results.append({"text": text, "embedding": vectors[0].tolist()})
        return {"model": request.model, "results": results}


if path := os.environ.get("BREAST_CANCER"):
    breast_cancer = open_session(path)
    labels = [output.name for output in breast_cancer.get_outputs()]

    @app.post("/v2/models/breast-cancer/infer")
    def infer(request: Infer) -> dict:
        [tensor] = request.inputs
        features = numpy.array(tensor.data, dtype=numpy.float32).reshape(tensor.shape)
        outputs = breast_cancer.run(None, {"features": features})
        return {
            "model_name": "breast-cancer",
            "outputs": [
                {"name": name, "shape": list(values.shape), "data": values.ravel().tolist()}
                for name, values in zip(labels, outputs)
            ],
        }


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=False)
