"""Random sessions against a plain model: documents equal, every request answered once."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dsc_lsp.settings import Settings
from tests.protocol.client import Client, connected
from tests.scripted import ScriptedEngine

URIS = [f"file:///{name}.py" for name in "abc"]
ENCODINGS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
TEXTS = st.text(st.sampled_from(list("ab() :\n\n\r\u2028\x0cé価😀")), max_size=12)
PLACES = st.tuples(st.integers(0, 6), st.integers(0, 12))


class Session(RuleBasedStateMachine):
    """An editor that does what it likes; ``texts`` is what the documents must be."""

    encoding = "utf-16"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.texts: dict[str, str] = {}
        self.asked: list[int] = []
        self.version = 1
        # Slow enough for deadlines to come while the model writes.
        engine = ScriptedEngine(
            "one\ntwo\nthree", "four", before_token=lambda _number: time.sleep(0.0005)
        )
        self.connection = connected(engine, Settings(deadline_milliseconds=1))
        self.client: Client = self.run(self.connection.__aenter__())
        general = {"positionEncodings": [self.encoding]}
        self.run(self.client.open_session(general=general))
        self.run(self.client.loaded())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @rule(uri=st.sampled_from(URIS), text=TEXTS)
    def open(self, uri: str, text: str) -> None:
        self.texts[uri] = text
        self.client.open(text, uri)

    @precondition(lambda self: self.texts)
    @rule(data=st.data(), edits=st.lists(st.tuples(PLACES, PLACES, TEXTS), min_size=1, max_size=3))
    def change(self, data: st.DataObject, edits: list[Any]) -> None:
        uri = data.draw(st.sampled_from(sorted(self.texts)))
        changes: list[dict[str, Any]] = []
        for start, end, text in edits:
            changes.append({"range": {"start": point(start), "end": point(end)}, "text": text})
            self.texts[uri] = edited(self.texts[uri], start, end, text, self.encoding)
        self.version += 1
        self.client.change(self.version, *changes, uri=uri)

    @rule(uri=st.sampled_from(URIS), text=TEXTS)
    def change_whole(self, uri: str, text: str) -> None:
        self.version += 1
        self.client.change(self.version, {"text": text}, uri=uri)
        if uri in self.texts:
            self.texts[uri] = text

    @rule(uri=st.sampled_from(URIS))
    def close(self, uri: str) -> None:
        self.texts.pop(uri, None)
        self.client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    @rule(uri=st.sampled_from(URIS), at=PLACES, popup=st.booleans())
    def ask(self, uri: str, at: tuple[int, int], popup: bool) -> None:  # noqa: FBT001
        ask = self.client.popup if popup else self.client.ghost_text
        self.asked.append(ask(*at, uri))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.client.notify("$/cancelRequest", {"id": data.draw(st.sampled_from(self.asked))})

    @rule(settings=st.sampled_from([{"enabled": False}, {"dsc": {"maxLines": 1}}, None, 5]))
    def configure(self, settings: Any) -> None:
        self.client.notify("workspace/didChangeConfiguration", {"settings": settings})

    @invariant()
    def documents_are_equal(self) -> None:
        self.run(self.client.settled())
        documents = self.client.server.documents
        assert {uri: document.text for uri, document in documents.items()} == self.texts

    def teardown(self) -> None:
        """See that every request has its answer: the connection checks that it is the only one."""
        self.run(self.client.until(lambda: not self.client.unanswered()))
        codes = {m["error"]["code"] for m in self.client.received if "error" in m}
        assert codes <= {-32800, -32601}, "nothing but cancelled, and the barrier's unknown method"
        self.run(self.connection.__aexit__(None, None, None))
        self.loop.close()


class Utf8Session(Session):
    encoding = "utf-8"


class Utf32Session(Session):
    encoding = "utf-32"


OPTIONS = settings(max_examples=10, stateful_step_count=20)
TestUtf8 = Utf8Session.TestCase
TestUtf8.settings = OPTIONS
TestUtf16 = Session.TestCase
TestUtf16.settings = OPTIONS
TestUtf32 = Utf32Session.TestCase
TestUtf32.settings = OPTIONS


def point(place: tuple[int, int]) -> dict[str, int]:
    return {"line": place[0], "character": place[1]}


def edited(
    text: str, start: tuple[int, int], end: tuple[int, int], new: str, encoding: str
) -> str:
    """Edit a text the plain way: over its encoded bytes, one position at a time."""
    first, last = sorted((offset(text, start, encoding), offset(text, end, encoding)))
    return text[:first] + new + text[last:]


def offset(text: str, place: tuple[int, int], encoding: str) -> int:
    codec, size = ENCODINGS[encoding]
    line, start = place[0], 0
    while line:
        breaks = [at for at in range(start, len(text)) if text[at] in "\r\n"]
        if not breaks:
            return len(text)
        start = breaks[0] + (2 if text[breaks[0] : breaks[0] + 2] == "\r\n" else 1)
        line -= 1
    units = 0
    for at in range(start, len(text)):
        units += len(text[at].encode(codec)) // size
        if text[at] in "\r\n" or units > place[1]:
            return at
    return len(text)
