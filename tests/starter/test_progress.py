"""Steps tell how far they are and how long they still take, by time."""

import time

import pytest

from dsc_lsp.starter import progress


class Clock:
    """A clock that stands unless it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


def test_every_ten_seconds_it_is_told_how_long_the_rest_takes(monkeypatch: pytest.MonkeyPatch):
    clock, told = Clock(monkeypatch), []
    for item in progress.watched(range(10), 10, "encoding files", told.append):
        assert len(told) == item // 3
        clock.now += 4
    assert told == [
        "encoding files: 3 of 10, 00:12, 00:28 left",
        "encoding files: 6 of 10, 00:24, 00:16 left",
        "encoding files: 9 of 10, 00:36, 00:04 left",
    ]


def test_a_step_of_seconds_tells_nothing(monkeypatch: pytest.MonkeyPatch):
    clock, told = Clock(monkeypatch), []
    for _ in progress.watched(iter("abc"), 3, "letters", told.append):
        clock.now += 3
    assert not told


def test_what_was_done_before_is_no_speed():
    assert (
        progress.state("holes", 90, 100, 30.0, begun=60) == "holes: 90 of 100, 00:30, 00:10 left"
    )
    assert progress.state("holes", 12, 10, 6.0).endswith(" 00:00 left")


def test_work_that_tells_nothing_is_watched_from_outside(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "SECONDS", 0.01)
    told: list[str] = []
    answer = progress.waited_for(lambda: time.sleep(0.05) or 7, 600.0, "learning", told.append)
    assert answer == 7
    assert told[0] == "learning: 00:00, about 09:59 left"


def test_errors_of_such_work_are_raised():
    with pytest.raises(ZeroDivisionError):
        progress.waited_for(lambda: 1 / 0, 1.0, "dividing", lambda _: None)
