"""Speed of the whole pipeline while typing traces are replayed, key by key.

Each edit is made, and at each place the suggestion is asked for as the server does it: first
among those already offered, then from the engine. The next key is not pressed before the answer
is there; where in the trace it was, the answer counts as late. In a pause of the trace the prompt
is anchored anew, as by the server.
"""

import math
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from dsc_lsp import context
from dsc_lsp.anchors import PAUSE_SECONDS
from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import Completion, anchor_anew, complete, prompt_at
from dsc_lsp.document import Cursor
from dsc_lsp.engine.base import Engine, Generation, GenerationRequest, Tokenizer
from dsc_lsp.measure.percentiles import Percentiles, percentiles
from dsc_lsp.measure.traces import Trace
from dsc_lsp.models import ModelFamily
from dsc_lsp.prompt import Prompts
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from dsc_lsp.suggestions import Suggestions
from dsc_lsp.withheld import Withheld

_INDEX_SECONDS = 300.0
_PLANNING_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Keystroke:
    """One key and the suggestion after it; ``completion`` is ``None`` if one was known.

    ``sync_ms`` is the edit of the document, ``total_ms`` all from the key to the suggestion,
    whose text is ``offered``. ``request`` is what the engine was asked, ``None`` also where an
    answer that was withheld goes on. ``late`` says that the next key came before the answer.
    """

    cursor: Cursor
    sync_ms: float
    total_ms: float
    late: bool
    offered: str
    completion: Completion | None = None
    request: GenerationRequest | None = None


def replay(
    traces: Iterable[Trace], settings: Settings, engine: Engine, workspace: Path | None = None
) -> Iterator[Keystroke]:
    """Type the traces one after the other, each into a document of its own.

    In a ``workspace`` their names are paths of it, and its other files are shown to the model.
    The next key is then not pressed before there is a plan for the last one, so that what is read
    does not depend on how fast the machine plans.

    Raises:
        EngineError: the engine failed.
        TimeoutError: the workspace has not been indexed in time.
    """
    recorder = _Recorder(engine)
    for trace in traces:
        repository = Repository(None if workspace is None else context.plan)
        if workspace is not None:
            repository.open_folders((workspace,), lambda _report: None, scan=False)
            if not repository.wait_until_known(_INDEX_SECONDS):
                raise TimeoutError(f"{workspace} was not indexed in {_INDEX_SECONDS:.0f} s")
        try:
            yield from _replay(trace, settings, recorder, repository, workspace or Path("/"))
        finally:
            repository.close_folders()


def answer_again(
    keystrokes: Iterable[Keystroke], settings: Settings, engine: Engine
) -> Iterator[float]:
    """Have another engine answer each keystroke, and yield how many milliseconds that took.

    It is given the same prompts; where the first engine was not asked, because a known answer
    went on, the prompt that would have been made there. It is asked for exactly as many tokens as
    were used of the first engine's answer, then or now, or stand in what was offered, so that it
    does not pay for deciding late where to stop.
    """
    for key in keystrokes:
        if key.completion is None:
            tokens = len(engine.tokenizer.encode(key.offered))
        else:
            tokens = key.completion.new_tokens
        if key.request is None:
            prompt = prompt_at(key.cursor, settings, engine)
        else:
            prompt = key.request.prompt
        start = time.perf_counter()
        for _ in engine.generate(GenerationRequest(prompt, max(1, tokens)), CancelToken()).tokens:
            pass
        yield (time.perf_counter() - start) * 1000


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same keystrokes with this engine and with another one; the ratios are how much faster.

    ``total`` is the sum over all keystrokes, which no percentile tells where some are free.
    """

    keystrokes: int
    ours_ms: Percentiles
    ours_total_ms: float
    other_ms: Percentiles
    other_total_ms: float
    ratio_p50: float
    ratio_p95: float
    ratio_total: float


def compare(ours: Sequence[float], other: Sequence[float]) -> Comparison:
    """Return how two engines did at the same keystrokes, at least one."""
    mine, theirs = percentiles(ours), percentiles(other)
    my_total, their_total = math.fsum(ours), math.fsum(other)
    return Comparison(
        keystrokes=len(ours),
        ours_ms=mine,
        ours_total_ms=my_total,
        other_ms=theirs,
        other_total_ms=their_total,
        ratio_p50=theirs.p50 / mine.p50,
        ratio_p95=theirs.p95 / mine.p95,
        ratio_total=their_total / my_total,
    )


@dataclass(frozen=True, slots=True)
class Report:
    """What a replay cost. ``asked`` are the keystrokes at which the engine was asked.

    ``keystroke_ms`` is over those, from the key to the suggestion; keystrokes along a known
    suggestion are in ``typed_along_ms``, those at which the repository's word is enough, or what
    was withheld is again, in ``not_asked_ms``. A step is a run of the model after the prompt was
    read, which writes several tokens where drafts hold.
    ``contexts`` is how often what is shown of other files was not what the key before had.
    """

    keystrokes: int
    asked: int
    late: int
    suggested: int
    keystroke_ms: Percentiles
    first_token_ms: Percentiles
    typed_along_ms: Percentiles | None
    not_asked_ms: Percentiles | None
    stages_ms: dict[str, Percentiles]
    prompt_tokens_median: float
    prefilled_tokens_median: float
    prefilled_tokens: Percentiles
    prefilled_tokens_mean: float
    contexts: int
    reused_tokens_median: float
    new_tokens_median: float
    drafted: int
    accepted: int
    decode_tokens_per_second: float | None
    decode_steps_per_second: float | None
    memory_megabytes: float


def summarize(keystrokes: Sequence[Keystroke]) -> Report:
    """Return the figures of a replay in which the engine was asked at least once."""
    answered = [(key, key.completion) for key in keystrokes if key.completion is not None]
    asked = [(key, result) for key, result in answered if key.request is not None]
    again = [key.total_ms for key, _ in answered if key.request is None]
    along = [key.total_ms for key in keystrokes if key.completion is None]
    results = [result for _, result in asked]
    prefilled = [result.prompt_tokens - result.reused_tokens for result in results]
    efforts = [result.effort for result in results]
    decode_seconds = sum(effort.decode_ms for effort in efforts) / 1000
    return Report(
        keystrokes=len(keystrokes),
        asked=len(asked),
        late=sum(key.late for key in keystrokes),
        suggested=sum(bool(result.text) for _, result in answered) + len(along),
        keystroke_ms=percentiles(key.total_ms for key, _ in asked),
        first_token_ms=percentiles(key.sync_ms + result.first_token_ms for key, result in asked),
        typed_along_ms=percentiles(along) if along else None,
        not_asked_ms=percentiles(again) if again else None,
        stages_ms={
            "sync": percentiles(key.sync_ms for key in keystrokes),
            "syntax": percentiles(result.syntax_ms for result in results),
            "context": percentiles(result.context_ms - result.syntax_ms for result in results),
            "prompt": percentiles(result.prompt_ms - result.context_ms for result in results),
            "prefill": percentiles(result.effort.prefill_ms for result in results),
            "decode": percentiles(result.effort.decode_ms for result in results),
            "post": percentiles(result.post_ms for result in results),
        },
        prompt_tokens_median=statistics.median(result.prompt_tokens for result in results),
        prefilled_tokens_median=statistics.median(prefilled),
        prefilled_tokens=percentiles(prefilled),
        prefilled_tokens_mean=statistics.mean(prefilled),
        contexts=_changes(_context(key.request) for key, _ in asked if key.request is not None),
        reused_tokens_median=statistics.median(result.reused_tokens for result in results),
        new_tokens_median=statistics.median(result.new_tokens for result in results),
        drafted=sum(result.effort.drafted for result in results),
        accepted=sum(result.effort.accepted for result in results),
        decode_tokens_per_second=_rate((one.written for one in efforts), decode_seconds),
        decode_steps_per_second=_rate((one.steps for one in efforts), decode_seconds),
        memory_megabytes=psutil.Process().memory_info().rss / 2**20,
    )


def _replay(
    trace: Trace, settings: Settings, engine: "_Recorder", repository: Repository, folder: Path
) -> Iterator[Keystroke]:
    suggestions, prompts, withheld = Suggestions(), Prompts(), Withheld()
    repository.update(trace.document(folder))
    cursors = trace.cursors(folder)
    after = [edit.ms for edit in trace.edits[1:]] + [math.inf]
    for edit, next_ms in zip(trace.edits, after, strict=True):
        start = time.perf_counter()
        cursor = next(cursors)
        repository.update(cursor.document)
        sync_ms = _since(start)
        completion, offered = None, next(iter(suggestions.find(cursor)), "")
        if not offered:
            engine.last = None
            completion = complete(
                cursor,
                repository,
                settings,
                engine,
                CancelToken(),
                prompts=prompts,
                withheld=withheld,
            )
            offered = completion.text
            suggestions.remember(cursor, offered)
        total_ms = _since(start)
        late = edit.ms + total_ms > next_ms
        request = None if completion is None else engine.last
        yield Keystroke(cursor, sync_ms, total_ms, late, offered, completion, request)
        while not repository.is_planned:
            time.sleep(_PLANNING_SECONDS)
        if edit.ms + total_ms + PAUSE_SECONDS * 1000 < next_ms < math.inf:
            anchor_anew(cursor, repository, settings, engine, CancelToken(), prompts=prompts)


class _Recorder:
    """An engine that remembers what it was asked last."""

    def __init__(self, engine: Engine) -> None:
        self.last: GenerationRequest | None = None
        self._engine = engine

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def family(self) -> ModelFamily:
        return self._engine.family

    @property
    def tokenizer(self) -> Tokenizer:
        # Of several servers, another one may answer from now on.
        return self._engine.tokenizer

    @property
    def context_tokens(self) -> int:
        return self._engine.context_tokens

    def generate(self, request: GenerationRequest, cancel: CancelToken) -> Generation:
        self.last = request
        return self._engine.generate(request, cancel)

    def close(self) -> None:
        self._engine.close()


def _context(request: GenerationRequest) -> str:
    """Return what stands before the current file: a text after the control token of the start."""
    parts = request.prompt.parts
    return parts[1].text if len(parts) > 1 and not parts[1].control else ""


def _changes(texts: Iterable[str]) -> int:
    before, changes = "", 0
    for text in texts:
        changes += text != before
        before = text
    return changes


def _rate(counts: Iterable[int], seconds: float) -> float | None:
    return sum(counts) / seconds if seconds else None


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
