"""Counts on this machine: added up over servers, never lost to an odd file."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.document import Document, Position
from dsc_lsp.server.rhythm import Rhythm
from dsc_lsp.server.statistics import Statistics, kept_characters

TEXT = st.text(st.sampled_from("ab \n"), max_size=12)


def test_servers_add_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "state" / "statistics.json"
    first, second = Statistics(lambda: path), Statistics(lambda: path)
    first.shown(5, 10.0)
    second.shown(7, 20.0)
    for statistics in (first, second, first):
        statistics.write()
    first.shown(1, 30.0)
    report = first.report()
    assert report["total"]["shown"] == 3
    assert report["total"]["shown_characters"] == 13
    assert report["session"]["shown"] == 2
    assert second.report()["latencyMs"] is None
    assert first.report()["latencyMs"]["p50"] == 20.0


def test_an_odd_file_counts_from_now(tmp_path: Path) -> None:
    path = tmp_path / "statistics.json"
    for content in ("", "[]", "{}", '{"since": "x", "shown": "many"}', "\0"):
        path.write_text(content)
        statistics = Statistics(lambda: path)
        statistics.shown(1, 1.0)
        statistics.write()
        assert Statistics(lambda: path).report()["total"]["shown"] == 1


def test_a_place_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    statistics = Statistics(lambda: blocked / "statistics.json")
    statistics.shown(1, 1.0)
    statistics.write()
    assert statistics.report()["total"]["shown"] == 1


@given(before=TEXT, text=TEXT, after=TEXT, above=TEXT, below=TEXT)
def test_a_text_around_which_others_are_written_is_kept(
    before: str, text: str, after: str, above: str, below: str
) -> None:
    then = Document.of(before + text + after)
    lines = Document.of(before).lines
    start = Position(len(lines) - 1, len(lines[-1]))
    assert kept_characters(then, start, text, then) == len(text)
    now = Document.of(above + before + text + after + below)
    kept = kept_characters(then, start, text, now)
    assert kept is not None
    assert 0 <= kept <= len(text)
    assert kept == len(text) or not text


def test_what_is_changed_is_not_kept() -> None:
    then = Document.of("x = total(1)\ny\n")
    assert kept_characters(then, Position(0, 4), "total(1)", Document.of("x = \ny\n")) == 0
    assert kept_characters(then, Position(0, 4), "total(1)", Document.of("x = total(2)\ny\n")) == 7


def test_no_wait_before_the_first_answer_nor_while_the_model_is_faster_than_the_keys() -> None:
    rhythm = Rhythm()
    assert rhythm.wait(0.0, 0.15) == 0.0
    rhythm.answered(0.05)
    for key in range(5):
        rhythm.key(key * 0.1)
    assert rhythm.wait(0.0, 0.15) == 0.0


def test_while_keys_come_faster_than_answers_the_next_one_is_waited_for() -> None:
    rhythm = Rhythm()
    rhythm.answered(0.5)
    rhythm.key(0.0)
    assert rhythm.wait(0.0, 0.15) == 0.0
    rhythm.key(0.1)
    assert 0.1 < rhythm.wait(0.0, 0.15) < 0.15
    assert rhythm.wait(0.0, 0.05) == 0.05
    rhythm.key(5.0)
    assert rhythm.wait(0.0, 0.15) == 0.0
    assert rhythm.wait(0.02, 0.15) == 0.02
