"""A build that is told to end: nothing is lost, and it ends as if it had not been interrupted."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dsc_lsp.starter import build, interruption
from tests.starter import forked, smoke

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def arguments(place: Path) -> list[str]:
    return smoke.arguments(place, "--until", "training")


def stop(place: Path, directory: Path, number: signal.Signals, *, times: int) -> forked.Ended:
    """Train from the same corpus in a process that gets signals at its seventh step."""
    (place / "work").mkdir()
    for name in ("recipe.json", *smoke.CORPUS):
        shutil.copy(directory / "work" / name, place / "work")
    return forked.run(build_with_signals, arguments(place), 7, number, times)


def build_with_signals(
    arguments: Sequence[str], step: int, number: signal.Signals, times: int
) -> int:
    """Run the command line; a training step sends the signal so many times to its process."""
    from dsc_lsp.starter import training

    numbers, train_step = count(1), training._train_step

    def signalling(*given: Any) -> Any:
        loss = train_step(*given)
        if next(numbers) == step:
            for _ in range(times):
                os.kill(os.getpid(), number)
        return loss

    training._train_step = signalling
    return build.main(arguments)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_step_and_the_same_command_ends_as_if_nothing_had_been(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
):
    stopped = stop(tmp_path, directory, number, times=1)
    assert stopped.returncode == 128 + number
    assert "a second signal ends at once" in stopped.stdout
    assert "saved at step 7" in stopped.stdout
    assert f"the same command goes on from {tmp_path / 'work'}" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert not (tmp_path / "work" / "training.json").exists()

    assert build.main(arguments(tmp_path)) == 0
    assert "resumed at step 7" in capsys.readouterr().out
    weights = Path("dsc-starter") / "model.safetensors"
    assert (tmp_path / weights).read_bytes() == (directory / weights).read_bytes()
    results = [
        json.loads((place / "work" / "training.json").read_text())
        for place in (tmp_path, directory)
    ]
    assert results[0]["step"] == results[1]["step"] == 20
    assert results[0]["loss"] == results[1]["loss"]


def test_a_second_signal_ends_at_once(directory: Path, tmp_path: Path):
    stopped = stop(tmp_path, directory, signal.SIGINT, times=2)
    assert stopped.returncode == -signal.SIGINT
    assert "saved" not in stopped.stdout
    assert not (tmp_path / "work" / "training.pt").exists()
    assert build.main(arguments(tmp_path)) == 0


def test_elsewhere_a_signal_ends_what_is_done_there_and_handlers_are_as_before():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(interruption.Interruption) as stopped:
        with interruption.raised():
            os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.exit_code == 143
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_probe_can_be_interrupted_though_steps_cannot():
    told: list[str] = []
    with interruption.held(told.append) as kept:
        with pytest.raises(interruption.Interruption):
            with interruption.raised():
                os.kill(os.getpid(), signal.SIGTERM)
        assert kept.number is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert kept.number == signal.SIGTERM
    assert len(told) == 1
