"""From a request to suggestions: known, under way or new, and why there is none.

Everything is on the event loop. Every early return gives its reason, which ``dsc.explain`` tells.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled

from dsc_lsp import completion
from dsc_lsp.anchors import PAUSE_SECONDS
from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.completion import Completion, Progress
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine.base import Engine, EngineError, EngineNotReady
from dsc_lsp.engine.worker import WorkerState
from dsc_lsp.postprocess import Candidate, breaks_code, distinct, ranked
from dsc_lsp.server.alternatives import Make
from dsc_lsp.server.failures import place_of
from dsc_lsp.server.generations import Answer, Kind, Work
from dsc_lsp.server.offers import Offer
from dsc_lsp.server.session import Server
from dsc_lsp.server.statistics import kept_characters
from dsc_lsp.shortening import shortened
from dsc_lsp.suggestions import Suggestion, as_accepted

LONGEST_ANSWER_SECONDS = 60.0
"""An engine that hangs must not make its callers hang; a slow one is superseded long before."""

_GLANCE_SECONDS = 0.05
"""Nobody takes a suggestion sooner; who types on meanwhile should not wait for the next one."""
_KEPT_AFTER = ((30.0, "30_seconds"), (300.0, "5_minutes"))

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """Where a suggestion is asked for.

    ``base`` is the document as the editor has it; the cursor's differs from it where the popup
    has an item selected that is not inserted yet. ``invoked`` says that the user asked.
    """

    kind: Kind
    cursor: Cursor
    base: Document
    invoked: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    """What may be inserted, the first one to be shown, maybe nothing.

    ``completion`` is what the engine did for it; ``None`` if it was known.
    """

    texts: tuple[str, ...]
    completion: Completion | None


async def offer(server: Server, question: Question | None) -> tuple[Offer, ...]:
    """Return what to offer, from memory or the engine, the suggestion to show first.

    Raises:
        JsonRpcRequestCancelled: a newer request has taken this one's place.
    """
    begun = time.perf_counter()
    server.rhythm.key(begun)
    if question is None:
        server.offers.explanation = "The editor has not opened this document with the server."
        return ()
    if server.glance is not None:
        server.glance.cancel()
    _await_pause(server, question.cursor)
    server.alternatives.supersede(
        question.cursor, question.base, is_same_kind=question.kind is Kind.INLINE
    )
    found = await _found(server, question)
    if not isinstance(found, str) and question.invoked:
        found = await _with_alternatives(server, question, found, begun)
    if isinstance(found, str) or not found.texts:
        server.offers.explanation = found if isinstance(found, str) else _why_nothing(found)
        return ()
    suggestions = [Suggestion(question.cursor, text) for text in found.texts]
    made, is_new = server.offers.add(suggestions)
    milliseconds = (time.perf_counter() - begun) * 1000
    server.offers.explanation = (
        f"The last position got a suggestion, {milliseconds:.0f} ms after it was asked for."
        f" {_how_sure(found.completion)}"
    )
    if is_new and server.base_settings.statistics:
        server.statistics.shown(len(found.texts[0]), milliseconds)
    if is_new:
        # Later: who types on at once is not to wait even for the question whether it is known.
        loop = asyncio.get_running_loop()
        server.glance = loop.call_later(_GLANCE_SECONDS, _prepare_next, server, suggestions[0])
    return made


def document_changed(server: Server, document: Document) -> None:
    """Take note of an edit: it may be the acceptance of what was offered."""
    taken = server.offers.taken_by(document)
    if taken is not None:
        accepted(server, taken.number)


def accepted(server: Server, number: int) -> None:
    """Count an acceptance, told by the editor's command or seen in the document, once."""
    made = server.offers.accept(number)
    if made is None or not server.base_settings.statistics:
        return
    server.statistics.session.accepted += 1
    server.statistics.session.accepted_characters += len(made.suggestion.text)
    for seconds, name in _KEPT_AFTER:
        server.in_background(_count_kept(server, made.suggestion, seconds, name))


def partially_accepted(server: Server, number: int, length: int) -> None:
    """Count that a part of a suggestion was accepted; the rest is found as when it is typed."""
    if server.offers.get(number) is not None and server.base_settings.statistics:
        server.statistics.session.partially_accepted += 1
        server.statistics.session.accepted_characters += max(0, length)


def warm_up(server: Server, document: Document) -> None:
    """Have done what only the first suggestion in a document costs, before it is asked for."""
    if _why_not(server, Cursor(document, Position(0, 0))):
        return
    repository, chosen = server.repository, server.settings
    server.in_background(
        server.background.run(
            lambda engine, cancel: completion.warm_up(
                document, repository, chosen, engine, cancel
            ),
            lambda _nothing: None,
        )
    )


async def _found(server: Server, question: Question) -> _Found | str:
    """Return a suggestion, or why there can be none."""
    reason = _why_not(server, question.cursor)
    if reason:
        return reason
    cursor = question.cursor
    known = server.suggestions.find(cursor)
    if known:
        server.generations.supersede(question.kind, cursor, question.base)
        return _Found(known, None)
    answer = await _from_engine(server, question)
    if isinstance(answer, str):
        return answer
    server.suggestions.remember(cursor, answer.text)
    return _Found((answer.text,) if answer.text else (), answer.completion)


async def _with_alternatives(
    server: Server, question: Question, found: _Found, begun: float
) -> _Found:
    """Return with a suggestion the others that are there before the deadline.

    What has been shown stays the first; a suggestion of which the user has not seen anything yet
    is ranked with the others.
    """
    cursor, most = question.cursor, server.settings.candidates
    if len(found.texts) >= most or (most == 1 and found.texts):
        return found
    deadline = server.settings.deadline_milliseconds / 1000
    left = max(0.0, begun + deadline - time.perf_counter()) if deadline else None
    make = _alternatives(server, cursor, found)
    try:
        with server.status.thinking():
            candidates = await server.alternatives.at(cursor, question.base, make, left)
    except Cancelled:
        raise JsonRpcRequestCancelled from None
    texts = ranked(candidates)
    if not set(found.texts) <= set(texts) or found.completion is None:
        texts = distinct((*found.texts, *texts))
    server.suggestions.remember(cursor, *texts[:most])
    return _Found(texts[:most], found.completion)


def _alternatives(server: Server, cursor: Cursor, found: _Found) -> Make:
    """Return what makes as many candidates as the user wants, found ones included."""
    most = server.settings.candidates
    ranks = range(1 if found.texts else 0, 2 * most)
    after_acceptance = _follows_acceptance(server, cursor)
    works = [
        _work(server, cursor, after_acceptance=after_acceptance, rank=rank, least=0.0)
        for rank in ranks
    ]

    def make(engine: Engine, cancel: CancelToken, found_one: Callable[[Candidate], None]) -> None:
        texts = found.texts
        first = found.completion
        if first is not None and first.text in texts and not first.is_part:
            found_one(_candidate(cursor, first))
        for work in works:
            if len(texts) >= most:
                return
            made = work(engine, cancel, Progress())
            if not made.raw.strip():
                return
            if made.text:
                found_one(_candidate(cursor, made))
                texts = distinct((*texts, made.text))

    return make


def _candidate(cursor: Cursor, made: Completion) -> Candidate:
    return Candidate(made.text, made.confidence, breaks_code(shortened(cursor), made.text))


def _follows_acceptance(server: Server, cursor: Cursor) -> bool:
    accepted_at = server.offers.accepted_last
    return accepted_at is not None and _is_at(accepted_at, cursor)


def _why_nothing(found: _Found) -> str:
    return found.completion.withheld if found.completion is not None else ""


def _how_sure(completion: Completion | None) -> str:
    if completion is None:
        return "It was known from before."
    if completion.confidence is None:
        return (
            "How sure the model was is unknown, because its server does not tell:"
            " `dsc.minConfidence` withheld nothing."
        )
    return f"The model was {completion.confidence:.0%} sure of its first line."


async def _from_engine(server: Server, question: Question) -> Answer | str:
    """Return what the engine says, or why it cannot, which the user is told once."""
    after_acceptance = _follows_acceptance(server, question.cursor)
    work = _work(server, question.cursor, after_acceptance=after_acceptance)
    chosen = server.settings
    wait = server.rhythm.wait(
        chosen.min_debounce_milliseconds / 1000, chosen.max_debounce_milliseconds / 1000
    )
    server.background.give_way()
    server.alternatives.give_up()
    try:
        with server.status.thinking():
            async with asyncio.timeout(LONGEST_ANSWER_SECONDS):
                answer = await server.generations.complete(
                    question.kind,
                    question.cursor,
                    work,
                    base=question.base,
                    wait_seconds=0.0 if question.invoked else wait,
                    deadline_seconds=chosen.deadline_milliseconds / 1000,
                )
    except (Cancelled, asyncio.CancelledError) as error:
        server.offers.explanation = "The editor gave the request up, or asked again elsewhere."
        if isinstance(error, asyncio.CancelledError):
            raise
        raise JsonRpcRequestCancelled from None
    except TimeoutError:
        _log.error("no answer from the engine within %.0f s", LONGEST_ANSWER_SECONDS)
        return f"The model has not answered within {LONGEST_ANSWER_SECONDS:.0f} seconds."
    except EngineNotReady as error:
        return f"The model is still being loaded: {error}"
    except EngineError as error:
        server.tell_once(str(error), types.MessageType.Error)
        return str(error)
    except Exception as error:  # noqa: BLE001 - the shell: every request is answered
        _log.error("completion failed: %s", place_of(error))
        bug = (
            f"dsc-lsp could not complete here ({type(error).__name__}, a bug in dsc-lsp);"
            " the log says where."
        )
        server.tell_once(bug, types.MessageType.Error)
        return bug
    is_part = answer.completion.is_part
    took = chosen.deadline_milliseconds if is_part else answer.completion.total_ms
    server.rhythm.answered(took / 1000)
    return answer


def _why_not(server: Server, cursor: Cursor) -> str:
    """Return why no suggestion may be made here; empty if one may."""
    if not server.settings.enabled:
        return "Suggestions are switched off (`dsc.enabled`)."
    if server.is_starved:
        return "dsc-lsp uses more memory than `dsc.maxMemoryMegabytes` allows."
    most = server.settings.max_document_characters
    if cursor.document.length <= most:
        return ""
    reason = (
        f"dsc-lsp makes no suggestions in files of more than {most} characters"
        " (`dsc.maxDocumentCharacters`)."
    )
    server.tell_once(reason, types.MessageType.Info)
    return reason


def _work(
    server: Server,
    cursor: Cursor,
    *,
    after_acceptance: bool,
    rank: int = 0,
    least: float | None = None,
) -> Work:
    """Return what completes at a cursor; ``least`` confidence instead of what the user wants."""
    repository, chosen, prompts = server.repository, server.settings, server.prompts
    withheld = server.withheld
    if least is not None:
        chosen = replace(chosen, min_confidence=least)

    def complete(engine: Engine, cancel: CancelToken, progress: Progress) -> Completion:
        result = completion.complete(
            cursor,
            repository,
            chosen,
            engine,
            cancel,
            prompts=prompts,
            withheld=withheld,
            after_acceptance=after_acceptance,
            progress=progress,
            rank=rank,
        )
        _log_effort(result, engine.name)
        return result

    return complete


def _log_effort(result: Completion, model: str) -> None:
    _log.info(
        "%s: %.0f ms (prompt %.1f, first token %.0f), %d tokens read, %d of them known, %d new",
        model,
        result.total_ms,
        result.prompt_ms,
        result.first_token_ms,
        result.prompt_tokens,
        result.reused_tokens,
        result.new_tokens,
    )


def _prepare_next(server: Server, shown: Suggestion) -> None:
    """Ask the model, while the user reads, what comes once the suggestion is accepted."""
    if not _may_prepare(server):
        return
    cursor = as_accepted(shown)
    if server.suggestions.find(cursor):
        return
    work = _work(server, cursor, after_acceptance=True)

    def remember(result: Completion) -> None:
        if cursor.document.uri in server.documents:
            server.suggestions.remember(cursor, result.text)

    server.background.give_way()
    server.in_background(
        server.background.run(lambda engine, cancel: work(engine, cancel, Progress()), remember)
    )


def _await_pause(server: Server, cursor: Cursor) -> None:
    """Have the prompt anchored anew at a cursor if no suggestion is asked for in the meantime."""
    if server.pause is not None:
        server.pause.cancel()
    loop = asyncio.get_running_loop()
    server.pause = loop.call_later(PAUSE_SECONDS, _anchor_anew, server, cursor)


def _anchor_anew(server: Server, cursor: Cursor) -> None:
    if not _may_prepare(server) or server.documents.get(cursor.document.uri) != cursor.document:
        return
    repository, chosen, prompts = server.repository, server.settings, server.prompts
    server.in_background(
        server.background.run(
            lambda engine, cancel: completion.anchor_anew(
                cursor, repository, chosen, engine, cancel, prompts=prompts
            ),
            lambda _nothing: None,
        )
    )


def _may_prepare(server: Server) -> bool:
    is_ready = server.worker.status.state is WorkerState.READY
    is_busy = server.generations.is_busy or server.alternatives.are_made
    return server.settings.prepare_next and is_ready and not is_busy


async def _count_kept(server: Server, suggestion: Suggestion, seconds: float, name: str) -> None:
    then, start = as_accepted(suggestion).document, suggestion.cursor.position
    await asyncio.sleep(seconds)
    now = server.documents.get(then.uri)
    if now is None:
        return
    kept = await asyncio.to_thread(kept_characters, then, start, suggestion.text, now)
    if kept is None:
        return
    session = server.statistics.session
    setattr(session, f"kept_{name}", getattr(session, f"kept_{name}") + kept)
    checked = getattr(session, f"checked_{name}") + len(suggestion.text)
    setattr(session, f"checked_{name}", checked)


def _is_at(accepted_at: Cursor, cursor: Cursor) -> bool:
    return (
        accepted_at.position == cursor.position
        and accepted_at.document.uri == cursor.document.uri
        and accepted_at.document.lines == cursor.document.lines
    )
