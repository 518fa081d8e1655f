"""The state of one session with one client."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter

from dsc_lsp import __version__, context, settings
from dsc_lsp.document import Cursor, Document
from dsc_lsp.engine.base import Engine
from dsc_lsp.engine.lookup import LookupEngine
from dsc_lsp.engine.worker import EngineWorker, Report, WorkerState, WorkerStatus
from dsc_lsp.postprocess import Candidate, distinct, ranked
from dsc_lsp.prompt import Prompts
from dsc_lsp.repository import IndexReport, Repository
from dsc_lsp.server.alternatives import Alternatives
from dsc_lsp.server.background import Background
from dsc_lsp.server.generations import Generations
from dsc_lsp.server.lifecycle import Ending
from dsc_lsp.server.offers import Offers
from dsc_lsp.server.progress import IndexingProgress, LoadingProgress
from dsc_lsp.server.protocol import Protocol
from dsc_lsp.server.rhythm import Rhythm
from dsc_lsp.server.statistics import Statistics, statistics_file
from dsc_lsp.server.status import StatusReport
from dsc_lsp.settings import Parsed, Settings
from dsc_lsp.suggestions import Suggestions
from dsc_lsp.withheld import Withheld

OpenEngine: TypeAlias = Callable[[Settings, Report], Engine]
"""Loads the model that the settings name; called on the engine's thread."""

_SECONDS_PER_MINUTE = 60.0
_MOST_PROBLEMS = 10
_GRACE_SECONDS = 0.2
_MOST_MESSAGES = 200
_STARVED = (
    "dsc-lsp uses more memory than `dsc.maxMemoryMegabytes` allows and makes no suggestions until"
    " it uses less."
)

_log = logging.getLogger(__name__)


class Server(LanguageServer):
    """The state of one session with one client; event loop only."""

    def __init__(self, open_engine: OpenEngine, user_settings: Parsed, ending: Ending) -> None:
        super().__init__(
            "dsc-lsp",
            __version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            protocol_cls=Protocol,
            converter_factory=default_converter,
        )
        assert isinstance(self.protocol, Protocol), "pygls makes what protocol_cls says"
        self.wire: Protocol = self.protocol
        self.documents: dict[str, Document] = {}
        self.base_settings = user_settings.settings
        self.settings = user_settings.settings
        self.ending = ending
        self.problems = list(user_settings.problems)
        self.worker = EngineWorker(
            lambda report: open_engine(self.base_settings, report),
            self._status_from_worker,
            self._announcement_from_worker,
            stand_in=LookupEngine(),
            idle_seconds=lambda: self.base_settings.idle_unload_minutes * _SECONDS_PER_MINUTE,
        )
        self.generations = Generations(
            self.worker, lambda cursor, late: self.suggestions.remember(cursor, late.text)
        )
        self.alternatives = Alternatives(self.worker, self._alternatives_made)
        self.background = Background(self.worker)
        self.repository = Repository(context.plan)
        self.reading_folders = asyncio.Lock()
        self.settings_are_taken = asyncio.Event()
        self.settings_are_taken.set()
        self.refuses_to_watch = False
        self.suggestions = Suggestions()
        self.prompts = Prompts()
        self.withheld = Withheld()
        self.offers = Offers()
        self.glance: asyncio.TimerHandle | None = None
        self.pause: asyncio.TimerHandle | None = None
        self.selected: tuple[Document, types.SelectedCompletionInfo, Cursor] | None = None
        self.rhythm = Rhythm()
        self.statistics = Statistics(statistics_file)
        self.loading = LoadingProgress(self)
        self.indexing = IndexingProgress(self)
        self.status = StatusReport(self.protocol.notify)
        self._loop = asyncio.get_running_loop()
        self.is_started = False
        self.is_starved = False
        self._told: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def encoding(self) -> types.PositionEncodingKind:
        """The position encoding that was negotiated."""
        return types.PositionEncodingKind(self.workspace.position_encoding)

    @property
    def longest_message(self) -> int:
        """How many bytes a message may have."""
        return self.base_settings.max_message_megabytes * 2**20

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end, keeping it from being collected as garbage."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def tell_once(self, message: str, kind: types.MessageType) -> None:
        """Show a message to the user, the first time only."""
        if not message or message in self._told or len(self._told) > _MOST_MESSAGES:
            return
        self._told.add(message)
        self.window_show_message(types.ShowMessageParams(kind, message))

    def take_settings(self, raw: object) -> None:
        """Use settings that a workspace may send, over those of the user."""
        parsed = settings.merge(self.base_settings, raw, machine=False)
        if parsed.settings != self.settings:
            self.settings = parsed.settings
            self.generations.forget_all()
            self.alternatives.give_up()
            self.suggestions = Suggestions()
            self.tell_whether_off()
        self.tell_problems(parsed.problems)

    def tell_problems(self, problems: Iterable[str]) -> None:
        """Tell the user which settings were not taken: one message, with what is new in it."""
        new = [problem for problem in problems if problem not in self._told]
        self.tell_once("\n".join(new[:_MOST_PROBLEMS]), types.MessageType.Warning)
        self._told.update(new)

    def tell_whether_off(self) -> None:
        """Tell the client's status bar whether suggestions are made, and why not."""
        if not self.settings.enabled:
            self.status.switched_off("Switched off by the setting `dsc.enabled`.")
        elif self.is_starved:
            self.status.switched_off(_STARVED)
        else:
            self.status.switched_off("")

    def memory_changed(self, *, exceeded: bool) -> None:
        """Stop suggesting while the server occupies too much memory."""
        self.is_starved = exceeded
        _log.warning("memory: %s", "above the limit" if exceeded else "below the limit again")
        self.tell_whether_off()
        if exceeded:
            self.generations.forget_all()
            self.alternatives.give_up()
            self.tell_once(_STARVED, types.MessageType.Warning)

    def client_is_gone(self) -> None:
        """End the server; safe from any thread."""
        self._from_thread(self.ending.ask, 1)

    async def close(self, timeout_seconds: float) -> bool:
        """Stop all work; false if the engine's thread did not end in time.

        Whatever does not end is left alone after that: a thread may be deep in a library, or in
        a file system that does not answer.
        """
        for task in self._tasks:
            task.cancel()
        folders = asyncio.ensure_future(asyncio.to_thread(self.repository.close_folders))
        engine = asyncio.ensure_future(asyncio.to_thread(self.worker.close, timeout_seconds))
        ending = {*self._tasks, folders, engine}
        ended, _ = await asyncio.wait(ending, timeout=timeout_seconds + _GRACE_SECONDS)
        return engine in ended and engine.result()

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what pygls caught; its messages to the user would hold code and tracebacks."""
        _log.error("%s in %s", type(error).__name__, getattr(source, "__name__", source))

    def index_reported(self, report: IndexReport) -> None:
        """Show how far the indexing of the workspace is, or why there is none; any thread."""
        self._from_thread(self._index_reported, report)

    def _alternatives_made(self, cursor: Cursor, found: list[Candidate]) -> None:
        """Keep what came behind the deadline; what has been shown stays before it."""
        if cursor.document.uri in self.documents:
            known = self.suggestions.find(cursor)
            texts = distinct((*known, *ranked(found)))[: self.settings.candidates]
            self.suggestions.remember(cursor, *texts)

    def _status_from_worker(self, status: WorkerStatus) -> None:
        self._from_thread(self._status_changed, status)

    def _announcement_from_worker(self, text: str) -> None:
        self._from_thread(self.tell_once, text, types.MessageType.Warning)

    def _from_thread(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop is closed: the server has ended
            return

    def _index_reported(self, report: IndexReport) -> None:
        self.indexing.update(report)
        self.tell_once(report.problem, types.MessageType.Warning)

    def _status_changed(self, status: WorkerStatus) -> None:
        _log.info("model: %s (%s)", status.state.value, status.message)
        self.loading.update(status)
        self.status.worker_changed(status)
        if status.state is WorkerState.READY:
            # What was said until now was said by the stand-in.
            self.generations.forget_finished()
            self.alternatives.give_up()
            self.suggestions = Suggestions()
        if status.state is WorkerState.FAILED:
            self.tell_once(status.message, types.MessageType.Error)
