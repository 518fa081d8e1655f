"""What the remote engine costs: ``python -m tests.remote.overhead``, with a llama-server here.

In one run, key by key, the same prompts go to the local engine, to the remote engine on loopback,
and the server says how long it computed itself. Only meaningful on a machine that does nothing
else.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import prompt_at
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine, GenerationRequest
from dsc_lsp.engine.remote import servers
from dsc_lsp.engine.remote.dialects import Chunk
from dsc_lsp.models import STARTER_CHECKPOINT
from dsc_lsp.settings import Settings
from tests.remote.llama_server import serve_checkpoint

TYPED = "    counted = sum(len(word) for word in words if word.startswith(prefix))"
TOKENS = 16
REPEATS = 3


def main() -> None:
    """Measure and print."""
    own: list[float] = []
    read = servers.LLAMA_SERVER.read

    def reading(event: object) -> Chunk:
        timings = event.get("timings") if isinstance(event, dict) else None
        if timings:
            own.append(timings["prompt_ms"] + timings["predicted_ms"])
        return read(event)

    object.__setattr__(servers.LLAMA_SERVER, "read", reading)
    quietly = lambda _message, _percent: None  # noqa: E731 - one line of a script
    local_settings = Settings(model="starter", device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        server = serve_checkpoint(STARTER_CHECKPOINT, Path(folder))
        settings = Settings(remote_url=f"{server.root}/v1", remote_fallback=False)
        remote = open_engine(settings, quietly)
        local = open_engine(local_settings, quietly)
        there, here, computing = list[float](), list[float](), list[float]()
        for _ in range(REPEATS):
            for cursor in _keys():
                request = GenerationRequest(prompt_at(cursor, local_settings, local), TOKENS)
                here.append(_milliseconds(local, request))
                own.clear()
                there.append(_milliseconds(remote, request))
                computing.append(own[-1])
        remote.close()
        server.kill()
    over = [whole - part for whole, part in zip(there, computing, strict=True)]
    for name, values in {
        "local engine": here,
        "remote engine": there,
        "llama-server's own time": computing,
        "overhead over it": over,
    }.items():
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        line = f"{name:26} p50 {cuts[49]:7.2f} ms   p95 {cuts[94]:7.2f} ms   ({len(values)} keys)"
        sys.stdout.write(line + "\n")


def _keys() -> Iterator[Cursor]:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines(keepends=True)
    for column in range(len(TYPED) + 1):
        text = "".join([*lines[:40], TYPED[:column] + "\n", *lines[40:]])
        document = Document.of(text, uri="file:///code.py", language="python")
        yield Cursor(document, Position(40, column))


def _milliseconds(engine: Engine, request: GenerationRequest) -> float:
    start = time.perf_counter()
    for _ in engine.generate(request, CancelToken()).tokens:
        pass
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    main()
