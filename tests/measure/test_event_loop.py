"""What completing costs the event loop: the looks, and the keys that are typed meanwhile."""

import asyncio
import itertools
import json
import re
import sys
from pathlib import Path

import pytest

from dsc_lsp.document import Document
from dsc_lsp.measure import event_loop
from dsc_lsp.measure.lateness import Looks, looks_until


def test_what_holds_the_interpreter_is_blamed_for_it(tmp_path: Path) -> None:
    def hold() -> None:
        sum(range(3_000_000))  # one call, which lets nobody else go on

    async def looked() -> Looks:
        over = asyncio.Event()
        with (tmp_path / "stacks").open("wb") as stacks:
            looks = asyncio.create_task(looks_until(over, stacks))
            await asyncio.sleep(0)
            await asyncio.to_thread(hold)
            over.set()
            return await looks

    looks = asyncio.run(looked())

    assert max(looks.held) > 5
    assert sys.platform != "linux" or max(looks.interpreter) > 5
    written = (tmp_path / "stacks").read_bytes()
    assert b"in hold\n" in written
    assert re.search(rb"^held for \d+\.\d ms$", written, re.MULTILINE)
    assert all(held <= late for held, late in zip(looks.held, looks.late, strict=True) if held)


def test_keys_are_typed_in_one_place_and_at_others_in_turn() -> None:
    document = Document.of("".join(f"line {number}\n" for number in range(50)))

    typed = list(itertools.islice(event_loop.keys(document), 2 * 64))

    assert [one.document.version for one in typed] == [*range(1, 129)]
    text = typed[-1].document.text
    assert "total = sum(item.price * item.quantity for item in self.items)\n" in text.replace(
        "x", ""
    )
    assert len({one.position.line for one in typed[1::2]}) > 20


def test_the_command_tells_of_the_loop_and_of_an_idle_process(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert event_loop.main(["--lines", "300", "--seconds", "0.5"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["lines"] == 301
    assert told["completions"] > 0
    assert told["loop"]["probes"] > 0
    assert told["idle_process"]["probes"] > 0
