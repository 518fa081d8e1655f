"""Against a real llama-server that serves the embedded starter (skipped where there is none)."""

from pathlib import Path

import httpx2

from dsc_lsp.cancel import CancelToken
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import GenerationRequest
from dsc_lsp.prompt import build_prompt
from dsc_lsp.settings import Settings
from tests.remote.llama_server import LlamaServer

CODE = Path(__file__).read_text(encoding="utf-8")


def test_the_converted_starter_says_what_the_local_engine_says(llama_server: LlamaServer) -> None:
    engine = open_engine(Settings(model="starter", device="cpu"), lambda _message, _percent: None)
    document = Document.of(CODE, uri="file:///code.py", language="python")
    with httpx2.Client(trust_env=False) as client:
        for line in range(10, len(document.lines), 8):
            cursor = Cursor(document, Position(line, len(document.line(line)) // 2))
            prompt = build_prompt(cursor, engine.family, engine.tokenizer, 400)
            request = GenerationRequest(prompt, 16)
            ours = [token.id for token in engine.generate(request, CancelToken()).tokens]
            body = {"prompt": prompt.ids, "max_tokens": 16, "temperature": 0, "logprobs": 1}
            answer = client.post(f"{llama_server.root}/v1/completions", json=body).json()
            theirs = [entry["id"] for entry in answer["choices"][0]["logprobs"]["content"]]
            assert theirs[: len(ours)] == ours
