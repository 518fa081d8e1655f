"""What an editor shows while its user types, accepts, deletes and goes back.

Cases: ``cases/sessions``. The code is the file as it is opened, each ``raw`` block what the model
says to the next question, ``raw or`` another way in which it could say the same. ``steps`` are
the user's, one a line, each followed by the editor's question for ghost text:

- ``ask``: nothing but the question;
- ``type TEXT``: key by key, with a question at each; ``⏎`` is the Enter key;
- ``close TEXT``: the editor puts this behind the cursor by itself;
- ``backspace N``, ``go LINE:COLUMN`` (from 1), ``edit LINE TEXT`` (a line is replaced);
- ``accept``, ``accept word``, ``accept line``, ``undo`` (of the last acceptance);
- ``next``, ``previous``: the user asks for others;
- ``pause``: until the model has prepared what follows.

``expect`` is each step with the ghost text after it, then the file, and how often the model was
asked.
"""

import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dsc_lsp.document import Cursor, Document, Position, line_ending
from dsc_lsp.settings import Settings
from tests import documents
from tests.documents import CARET, Case, cursor_in
from tests.protocol.client import Client, connected, inline_params
from tests.scripted import ScriptedEngine

URI = "file:///project/session"
_ENTER = "⏎"
_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)")
_LINE = re.compile(r"\n*[^\n]*")
INVOKED = 1


class Typist:
    """An editor and its user: one file, one cursor, the ghost text on screen."""

    def __init__(self, client: Client, engine: ScriptedEngine, cursor: Cursor) -> None:
        self.document, self.position = cursor.document, cursor.position
        self.items: list[dict[str, Any]] = []
        self.chosen = 0
        self._client = client
        self._engine = engine
        self._before: list[tuple[Document, Position]] = []
        self._steps: dict[str, Callable[[str], Coroutine[Any, Any, None]]] = {
            name: getattr(self, name)
            for name in (
                *("ask", "type", "close", "backspace", "go", "edit", "accept", "undo"),
                *("next", "previous", "pause"),
            )
        }

    @property
    def ghost(self) -> str:
        """The ghost text on screen, as far as it is new."""
        if not self.items:
            return ""
        item = self.items[self.chosen]
        behind = item["range"]["end"]["character"] - self.position.column
        text = item["insertText"].replace("\r\n", "\n")
        return text[: len(text) - behind] if behind else text

    async def do(self, step: str) -> None:
        """Do one step."""
        name, _, rest = step.partition(" ")
        await self._steps[name](rest)

    async def ask(self, _nothing: str = "", *, kind: int = 2) -> None:
        params = inline_params(*self.position, URI)
        params["context"]["triggerKind"] = kind
        answer = await self._client.request("textDocument/inlineCompletion", params)
        self.items, self.chosen = answer["result"]["items"], 0

    async def type(self, text: str) -> None:
        for key in text:
            self._insert("\n" if key == _ENTER else key)
            await self.ask()

    async def close(self, text: str) -> None:
        self._change(self.position, self.position, text)
        await self.ask()

    async def backspace(self, count: str) -> None:
        for _ in range(int(count or 1)):
            line, column = self.position
            end = self.position
            if column:
                start = Position(line, column - 1)
            else:
                start = Position(line - 1, len(self.document.line(line - 1)))
            self._change(start, end, "")
            self.position = start
            await self.ask()

    async def go(self, place: str) -> None:
        line, column = map(int, place.split(":"))
        self.position = Position(line - 1, column - 1)
        await self.ask()

    async def edit(self, rest: str) -> None:
        number, _, text = rest.partition(" ")
        line = int(number) - 1
        end = Position(line, len(self.document.line(line)))
        self._change(Position(line, 0), end, text)
        await self.ask()

    async def accept(self, how: str = "") -> None:
        item, ghost = self.items[self.chosen], self.ghost
        self._before.append((self.document, self.position))
        part = {"": None, "word": _WORD, "line": _LINE}[how]
        cut = ghost if part is None else part.match(ghost)[0]
        self._insert(cut)
        if cut == ghost:
            command = item["command"]
            await self._client.request("workspace/executeCommand", command)
        await self.ask()

    async def undo(self, _nothing: str = "") -> None:
        before, self.position = self._before.pop()
        whole = self.document.clamp(Position(len(self.document.lines), 0))
        self._change(Position(0, 0), whole, before.text)
        await self.ask()

    async def next(self, _nothing: str = "", by: int = 1) -> None:
        chosen = self.chosen
        await self.ask(kind=INVOKED)
        self.chosen = (chosen + by) % len(self.items)

    async def previous(self, _nothing: str = "") -> None:
        await self.next(by=-1)

    async def pause(self, _nothing: str = "") -> None:
        asked = len(self._engine.requests)
        while len(self._engine.requests) == asked:
            await self._client.settled()
        await self.ask()

    def open(self) -> None:
        self._client.open(self.document.text, URI, self.document.language)

    def _insert(self, text: str) -> None:
        text = text.replace("\n", self.document.newline)
        start = self.position
        self._change(start, start, text)
        lines = Document.of(text).lines
        column = len(lines[-1]) + (start.column if len(lines) == 1 else 0)
        self.position = Position(start.line + len(lines) - 1, column)

    def _change(self, start: Position, end: Position, text: str) -> None:
        version = self.document.version + 1
        self.document = self.document.replace(start, end, text, version)
        place = {"start": _wire(start), "end": _wire(end)}
        self._client.change(version, {"range": place, "text": text}, uri=URI)


def _wire(position: Position) -> dict[str, int]:
    return {"line": position.line, "character": position.column}


async def opened(client: Client, engine: ScriptedEngine, cursor: Cursor) -> Typist:
    await client.open_session(general={"positionEncodings": ["utf-32"]})
    await client.loaded()
    typist = Typist(client, engine, cursor)
    typist.open()
    return typist


def answers(case: Case) -> list[tuple[str, ...]]:
    """Return what the model says to each question, with the other ways to say it."""
    said: list[tuple[str, ...]] = []
    for block in case.blocks:
        if block.kind == "raw" and "or" in block.options:
            said[-1] += (block.text + "\n",)
        elif block.kind == "raw":
            said.append((block.text + "\n",))
    return [*said, ("",)]


@pytest.mark.parametrize("case", documents.cases("sessions"))
async def test_session(case: Case, *, update: bool) -> None:
    engine = ScriptedEngine(*answers(case))
    steps = case.block("steps").text.split("\n")
    settings = Settings(prepare_next="pause" in steps)
    seen: list[str] = []
    async with connected(engine, settings) as client:
        code = cursor_in(case.code.text, language=case.code.kind, uri=URI)
        typist = await opened(client, engine, code)
        for step in steps:
            await typist.do(step)
            ghost = typist.ghost.replace("\n", f"{_ENTER}\n" + " " * 20)
            seen.append(f"{step:<20}{ghost}".rstrip())
    start, lines = typist.position, list(typist.document.lines)
    line = lines[start.line]
    lines[start.line] = line[: start.column] + CARET + line[start.column :]
    seen += ["", "".join(lines), "", f"Questions to the model: {len(engine.requests)}"]
    case.check("\n".join(seen), update=update)


@pytest.mark.parametrize(
    ("language", "marked", "said"),
    [
        ("python", "x = ‸\ny = 2\n", "total(a, [1, 2])\n"),
        (
            "python",
            "def f(a):‸\n\n\nx = 1\n",
            "\n    if a:\n        return [1]\n    return 2\n\n\n",
        ),
        ("python", "s = ‸\n", "\"é☃😀 naïve\" + f('a')\n"),
        ("typescript", "const f = (a: A) => {‸\n", "\n  return a\n    .b(1);\n};\n\n\n"),
        ("go", "func f() {‸\n}\n", "\n\tfor {\n\t\tg()\n\t}\n"),
        ("c", "int f(void) {\r\n‸\r\n}\r\n", "    if (a) {\n        b();\n    }\n"),
    ],
)
async def test_typing_along_and_accepting_give_the_same_text_without_the_model(
    language: str, marked: str, said: str
) -> None:
    engine = ScriptedEngine(said, "something else\n")
    async with connected(engine) as client:
        start = cursor_in(marked, language=language, uri=URI)
        typist = await opened(client, engine, start)
        await typist.ask()
        offered = typist.ghost
        assert len(offered) > 8
        for place, key in enumerate(offered[:-1], 1):
            await typist.type(_ENTER if key == "\n" else key)
            assert typist.ghost == offered[place:], offered[:place]
            assert len(engine.requests) == 1
        typed = typist.document.replace(
            typist.position, typist.position, offered[-1], typist.document.version
        )
        for _ in offered[:-1]:
            await typist.backspace("1")
            assert len(engine.requests) == 1
        assert typist.ghost == offered
        await typist.accept()
        assert typist.document.lines == typed.lines
        assert len({line_ending(line) for line in typist.document.lines[:-1]}) == 1
