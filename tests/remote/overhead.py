"""Side by side with llama-server, if there is one: ``python -m tests.remote.overhead``.

In one run, key by key, the same prompts go to the local engine with and without drafts and to the
remote engine on loopback, and the server says how long it computed itself; the same weights in
float32 and one thread everywhere. Tokens per second are of the tokens after the first, which
comes with the prompt. Only meaningful on a machine that does nothing else.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
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


@dataclass
class Timing:
    """The milliseconds of each answer, and those of the tokens after the first."""

    whole: list[float] = field(default_factory=list[float])
    decode_ms: float = 0.0
    decoded: int = 0

    def add(self, whole: float, decode_ms: float, decoded: int) -> None:
        self.whole.append(whole)
        self.decode_ms += decode_ms
        self.decoded += decoded


def main() -> None:
    """Measure and print."""
    own = list[dict[str, float]]()
    read = servers.LLAMA_SERVER.read

    def reading(event: object) -> Chunk:
        timings = event.get("timings") if isinstance(event, dict) else None
        if timings:
            own.append(timings)
        return read(event)

    object.__setattr__(servers.LLAMA_SERVER, "read", reading)
    quietly = lambda _message, _percent: None  # noqa: E731 - one line of a script
    local_settings = Settings(model="starter", device="cpu")
    drafting, plain, remote, computing = Timing(), Timing(), Timing(), Timing()
    with tempfile.TemporaryDirectory() as folder:
        server = serve_checkpoint(STARTER_CHECKPOINT, Path(folder))
        settings = Settings(remote_url=f"{server.root}/v1", remote_fallback=False)
        there = open_engine(settings, quietly)
        here, without = (open_engine(local_settings, quietly) for _ in range(2))
        without.drafts = False
        for _ in range(REPEATS):
            for cursor in _keys():
                request = GenerationRequest(prompt_at(cursor, local_settings, here), TOKENS)
                drafting.add(*_timed(here, request))
                own.clear()
                remote.add(*_timed(there, request))
                said = own[-1]
                decoded = int(said["predicted_n"]) - 1
                computing.add(
                    said["prompt_ms"] + said["predicted_ms"], said["predicted_ms"], decoded
                )
                plain.add(*_timed(without, request))
        there.close()
        server.kill()
    over = Timing([a - b for a, b in zip(remote.whole, computing.whole, strict=True)])
    for name, timing in {
        "local engine": drafting,
        "local engine, no drafts": plain,
        "llama-server's own time": computing,
        "remote engine": remote,
        "overhead over it": over,
    }.items():
        cuts = statistics.quantiles(timing.whole, n=100, method="inclusive")
        line = f"{name:26} p50 {cuts[49]:7.2f} ms   p95 {cuts[94]:7.2f} ms"
        if timing.decoded:
            line += f"   {1000 * timing.decoded / timing.decode_ms:7.0f} tokens/s"
        sys.stdout.write(f"{line}   ({len(timing.whole)} keys)\n")


def _keys() -> Iterator[Cursor]:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines(keepends=True)
    for column in range(len(TYPED) + 1):
        text = "".join([*lines[:40], TYPED[:column] + "\n", *lines[40:]])
        document = Document.of(text, uri="file:///code.py", language="python")
        yield Cursor(document, Position(40, column))


def _timed(engine: Engine, request: GenerationRequest) -> tuple[float, float, int]:
    start = time.perf_counter()
    tokens = engine.generate(request, CancelToken()).tokens
    next(tokens, None)
    first = time.perf_counter()
    decoded = sum(1 for _ in tokens)
    end = time.perf_counter()
    return (end - start) * 1000, (end - first) * 1000, decoded


if __name__ == "__main__":
    main()
