"""Several servers and the model on this machine: who answers, and what the user hears of it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine.base import Engine, EngineError
from dsc_lsp.engine.remote import circuit, client, fallback, probe
from dsc_lsp.engine.remote.fallback import FallbackEngine
from dsc_lsp.engine.remote.opening import open_remote
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests.protocol.client import connected
from tests.remote.fake_server import Call, FakeServer, answer, says, serving
from tests.remote.processes import free_port
from tests.scripted import ScriptedEngine


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit, "FIRST_WAIT_SECONDS", 0.05)


class Clock:
    """Time that passes for the engine only where a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now

    monotonic = perf_counter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (client, probe):
        monkeypatch.setattr(module, "time", clock)
    return clock


@contextmanager
def engine_of(
    *urls: str, local: Callable[[], Engine] | None = None
) -> Iterator[tuple[FallbackEngine, list[str]]]:
    """Open an engine; with it what the user was told."""
    settings = Settings(remote_url=" ".join(urls), remote_seconds=10)
    engine = open_remote(settings, lambda _message, _percent: None, local)
    assert isinstance(engine, FallbackEngine)
    told: list[str] = []
    engine.announce_to(told.append)
    try:
        yield engine, told
    finally:
        engine.close()


def suggest(engine: Engine) -> str:
    document = Document.of("def f(x):\n    \n", uri="file:///a.py", language="python")
    cursor = Cursor(document, Position(1, 4))
    return complete(cursor, Repository(), Settings(), engine, CancelToken()).text


def failing(call: Call) -> None:
    answer(call, "503 Down")


def dead_url() -> str:
    return f"http://127.0.0.1:{free_port()}/v1"


def test_the_first_server_answers() -> None:
    with serving(says("first")) as one, serving(says("second")) as two:
        with engine_of(one.url, two.url) as (engine, told):
            seem(engine, 50, 50)
            assert suggest(engine) == "first"
            assert not two.calls
            assert not told


def test_the_next_server_answers_the_request_at_which_the_first_failed() -> None:
    with serving(failing) as one, serving(says("second")) as two:
        with engine_of(one.url, two.url) as (engine, _told):
            assert suggest(engine) == "second"
            before = len(one.calls)
            assert suggest(engine) == "second"
            assert len(one.calls) == before, "a server that is down is left alone"


def test_a_server_that_is_down_from_the_start_is_passed_over() -> None:
    with serving(says("second")) as two, engine_of(dead_url(), two.url) as (engine, _told):
        assert suggest(engine) == "second"


def test_the_model_on_this_machine_answers_when_no_server_does_and_the_user_hears_once() -> None:
    opened: list[ScriptedEngine] = []

    def local() -> Engine:
        opened.append(ScriptedEngine("local"))
        return opened[-1]

    with engine_of(dead_url(), local=local) as (engine, told):
        assert [suggest(engine) for _ in range(3)] == ["local"] * 3
        assert engine.name == "scripted"
        assert len(opened) == 1
        (message,) = told
        assert "cannot be reached. Suggestions resume when it is back." in message
        assert "Until then the model on this machine answers (scripted)." in message
    assert opened[0].closed


def test_a_server_that_comes_back_answers_again() -> None:
    down = [True]

    def sometimes(call: Call) -> None:
        failing(call) if down[0] else says("remote")(call)

    with serving(sometimes) as server:
        with engine_of(server.url, local=lambda: ScriptedEngine("local")) as (engine, _told):
            assert suggest(engine) == "local"
            down[0] = False
            wait_for(lambda: suggest(engine) == "remote")


def test_a_server_that_comes_up_later_is_found() -> None:
    port = free_port()
    with engine_of(f"http://127.0.0.1:{port}/v1") as (engine, _told):
        with pytest.raises(EngineError, match="cannot be reached"):
            suggest(engine)
        with serving(says("late"), port=port):
            wait_for(lambda: answers(engine) == "late")


def test_the_first_is_left_for_one_that_is_much_faster(clock: Clock) -> None:
    def slow(call: Call) -> None:
        clock.now += 0.2
        says("slow")(call)

    with serving(slow) as one, serving(says("fast")) as two:
        with engine_of(one.url, two.url) as (engine, _told):
            seem(engine, 50, 50)
            answered = [suggest(engine) for _ in range(10)]
            assert answered == ["slow"] * 8 + ["fast"] * 2, "the best of the last eight counts"


def test_a_little_faster_is_not_worth_a_server_that_does_not_know_the_prompt() -> None:
    with serving(says("first")) as one, serving(says("second")) as two:
        with engine_of(one.url, two.url) as (engine, _told):
            for first, second in ((100, 60), (15, 1)):
                seem(engine, first, second)
                assert suggest(engine) == "first"


def test_one_that_is_not_asked_is_looked_at_again_and_found_to_have_become_faster(
    clock: Clock,
) -> None:
    busy = [0.3]

    def as_busy(call: Call) -> None:
        clock.now += busy[0]
        said = {"choices": [{"text": "first"}]}
        answer(call, "200 OK", json.dumps(said), "Content-Type: application/json")

    def slow(call: Call) -> None:
        if is_due:
            wait_for(lambda: engine.servers[0].latency_ms < 1)
        clock.now += 0.1
        says("second")(call)

    is_due = False
    with serving(as_busy, answers_probes=False) as one, serving(slow) as two:
        with engine_of(one.url, two.url) as (engine, _told):
            assert engine.servers[0].latency_ms == pytest.approx(300)
            seem(engine, 300, 100)
            assert suggest(engine) == "second"
            looks = len(one.calls)
            busy[0] = 0.0
            suggest(engine)
            assert len(one.calls) == looks, "it was looked at a moment ago"
            is_due = True
            clock.now += fallback.LOOK_AGAIN_SECONDS
            assert [suggest(engine) for _ in range(2)] == ["second", "first"]


def test_one_that_is_not_asked_and_goes_down_is_passed_over_before_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fallback, "LOOK_AGAIN_SECONDS", 0.05)
    with serving(says("first")) as one, ExitStack() as second:
        two = second.enter_context(serving(says("second")))
        with engine_of(one.url, two.url) as (engine, _told):
            seem(engine, 50, 50)
            assert suggest(engine) == "first"
            assert engine.servers[1].is_usable
            second.close()
            wait_for(lambda: suggest(engine) == "first" and not engine.servers[1].is_usable)


def seem(engine: FallbackEngine, *milliseconds: float) -> None:
    """Make servers look as if each had always begun to answer after so long."""
    for server, each in zip(engine.servers, milliseconds, strict=True):
        for _ in range(8):
            server.took(each)


def test_without_anybody_the_user_hears_why() -> None:
    def broken() -> Engine:
        raise EngineError("no weights")

    with engine_of(dead_url(), local=broken) as (engine, told):
        with pytest.raises(EngineError, match="cannot be reached"):
            suggest(engine)
        assert not told


def test_a_fault_of_the_request_alone_keeps_the_server(server_fault: FakeServer) -> None:
    with engine_of(server_fault.url, local=lambda: ScriptedEngine("local")) as (engine, _told):
        with pytest.raises(EngineError, match="HTTP 422"):
            suggest(engine)
        with pytest.raises(EngineError, match="HTTP 422"):
            suggest(engine)
        assert suggest(engine) == "local", "three in a row are no accident"


@pytest.fixture
def server_fault() -> Iterator[FakeServer]:
    with serving(lambda call: answer(call, "422 No")) as server:
        yield server


async def test_the_editor_is_told_once_who_answers() -> None:
    settings = Settings(remote_url=dead_url())

    def load(chosen: Settings, report: Callable[[str, int], None]) -> Engine:
        return open_remote(chosen, report, lambda: ScriptedEngine("local"))

    async with connected(load, settings) as client:
        await client.open_session()
        await client.loaded()
        client.open("x = \ny = \n")
        for line in (0, 1):
            answered = await client.answer(client.ghost_text(line, 4))
            assert answered["result"]["items"][0]["insertText"].endswith("local")
        assert len(client.shown()) == 1
        assert "the model on this machine answers" in client.shown()[0]


def answers(engine: Engine) -> str | None:
    try:
        return suggest(engine)
    except EngineError:
        return None


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
