"""Replaying typing traces: what is typed, what is asked, what is counted."""

import dataclasses
import itertools
import json
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.cli import main
from dsc_lsp.document import Position
from dsc_lsp.engine.tokens import load_tokenizer
from dsc_lsp.measure import bench
from dsc_lsp.measure.traces import (
    Edit,
    Trace,
    TraceError,
    read_trace,
    shipped,
    write_trace,
)
from dsc_lsp.measure.traces.record import trace_of
from dsc_lsp.models import DEEPSEEK_CODER_BASE, STARTER_CHECKPOINT
from dsc_lsp.prompt import Prompts, Terms
from dsc_lsp.settings import Settings
from tests.scripted import ScriptedEngine

SETTINGS = Settings()
_LINES = st.lists(st.sampled_from(["a = 1\n", "    b()\n", "\n", "é🙂\n", "\tc\n"]), max_size=8)


def trace(*texts: str, text: str = "", ms: int = 1000) -> Trace:
    """Return the trace in which texts are typed one after another at the start of a document."""
    edits, at = list[Edit](), Position(0, 0)
    for number, typed in enumerate(texts):
        edits.append(Edit(ms * number, at, at, typed))
        at = edits[-1].cursor
    return Trace("dir/a.py", "python", text, tuple(edits))


def final_text(typed: Trace) -> str:
    return [typed.document(), *(cursor.document for cursor in typed.cursors())][-1].text


@given(st.lists(_LINES.map("".join), min_size=1, max_size=4), st.integers(0, 3))
def test_a_recorded_trace_makes_each_version_of_the_one_before(versions: list[str], seed: int):
    typed = trace_of("a.py", versions, seed=seed, limit=10_000)
    texts = [typed.text, *(cursor.document.text for cursor in typed.cursors())]
    assert texts[-1] == versions[-1]
    assert set(versions) <= set(texts)
    times = [edit.ms for edit in typed.edits]
    assert times == sorted(times)


def test_the_traces_that_ship_are_real_typing():
    traces = shipped()
    assert len(traces) >= 4
    for typed in traces:
        single = sum(len(edit.text.strip()) <= 1 for edit in typed.edits)
        assert len(typed.edits) >= 200
        assert single > 0.9 * len(typed.edits)
        assert final_text(typed) != typed.text


def test_a_trace_is_read_as_it_was_written(tmp_path: Path):
    typed = trace("x", "é\n", "\ty", text="a\r\n")
    write_trace(typed, tmp_path / "t.jsonl")
    assert read_trace(tmp_path / "t.jsonl") == typed


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "a trace has a line for the file and one for each edit"),
        ('{"name": "a", "language": "", "text": ""}\n', "one for each edit"),
        ('{"name": "a"}\n{}\n', "line 1: not a line of a typing trace"),
        ('{"name": "a", "language": "", "text": ""}\n{"ms": 1}\n', "line 2: not a line"),
        ('{"name": "a", "language": "", "text": ""}\nno json\n', "line 2: not a line"),
        ('{"name": "a", "language": "", "text": 5}\n{}\n', "line 1: not a line"),
    ],
)
def test_a_damaged_trace_is_refused_with_its_line(tmp_path: Path, content: str, complaint: str):
    (tmp_path / "t.jsonl").write_text(content)
    with pytest.raises(TraceError, match=complaint):
        read_trace(tmp_path / "t.jsonl")


def test_the_model_is_asked_unless_a_suggestion_is_typed_along():
    engine = ScriptedEngine("alue = 1\n", "\n")
    keys = list(bench.replay([trace("v", "a", "l", "x")], SETTINGS, engine))
    assert [key.completion is not None for key in keys] == [True, False, False, True]
    assert len(engine.requests) == 2


def test_an_answer_after_the_next_key_of_the_trace_is_late():
    engine = ScriptedEngine("\n")
    [hasty, last] = bench.replay([trace("v", "a", ms=0)], SETTINGS, engine)
    assert (hasty.late, last.late) == (True, False)
    [patient, last] = bench.replay([trace("v", "a", ms=10**6)], SETTINGS, engine)
    assert (patient.late, last.late) == (False, False)


def test_a_summary_counts_what_was_asked_and_what_was_known():
    engine = ScriptedEngine("alue = 1\n", "\n")
    keys = list(bench.replay([trace("v", "a", "l", "x")], SETTINGS, engine))
    report = bench.summarize(keys)
    assert (report.keystrokes, report.asked) == (4, 2)
    assert report.suggested == 3
    asked = sorted(key.total_ms for key in keys if key.completion is not None)
    assert (report.keystroke_ms.p50, report.keystroke_ms.p99) == (asked[0], asked[1])
    prompts = [key.completion.prompt_tokens for key in keys if key.completion is not None]
    assert report.prompt_tokens_median == sum(prompts) / 2


def test_a_key_at_which_nothing_is_said_again_is_not_among_those_asked():
    engine = ScriptedEngine("alue()\n", "\n", logprob=-0.01)
    typed = trace("v", "a", "l", "x", text="\nvalue()\n")
    keys = list(bench.replay([typed], SETTINGS, engine))
    assert [key.request is not None for key in keys] == [True, False, False, True]
    assert all(key.completion is not None and not key.offered for key in keys)
    report = bench.summarize(keys)
    assert (report.asked, report.suggested, report.typed_along_ms) == (2, 0, None)
    again = sorted(key.total_ms for key in keys if key.request is None)
    assert report.not_asked_ms is not None
    assert (report.not_asked_ms.p50, report.not_asked_ms.p99) == (again[0], again[1])
    other = ScriptedEngine("z")
    assert len(list(bench.answer_again(keys, SETTINGS, other))) == len(keys)
    used = [key.completion.new_tokens for key in keys if key.completion is not None]
    assert [request.max_new_tokens for request in other.requests] == used


def test_what_the_repository_says_is_suggested_though_the_model_is_not_asked():
    family = dataclasses.replace(DEEPSEEK_CODER_BASE, lookup_margin=3.0)
    engine = ScriptedEngine("\n", family=family)
    known = "print(other)\nvalue = compute(left, right)\n" * 100
    typed = trace("value = comp", "x", text=f"\nfirst = 1\nsecond = 2\n{known}")
    keys = list(bench.replay([typed], SETTINGS, engine))
    assert [key.request is not None for key in keys] == [False, True]
    assert bench.summarize(keys).suggested == 1


def test_the_other_engine_answers_every_key_with_as_many_tokens_as_were_used():
    engine, other = ScriptedEngine("alue = 1\n", "\n"), ScriptedEngine("z")
    keys = list(bench.replay([trace("v", "a", "l", "x")], SETTINGS, engine))
    times = list(bench.answer_again(keys, SETTINGS, other))
    assert [key.offered for key in keys] == ["alue = 1", "lue = 1", "ue = 1", ""]
    asked, along, further, last = [request.prompt.ids for request in other.requests]
    assert (asked, last) == tuple(request.prompt.ids for request in engine.requests)
    assert (along, further) == ((*asked, ord("a")), (*asked, ord("a"), ord("l")))
    used = [key.completion.new_tokens for key in keys if key.completion is not None]
    most = [request.max_new_tokens for request in other.requests]
    assert most == [used[0], len("lue = 1"), len("ue = 1"), used[1]]
    assert len(times) == len(keys)
    assert all(ms > 0 for ms in times)


def test_a_comparison_is_over_the_same_keys():
    compared = bench.compare([10.0, 0.1, 20.0, 0.1], [50.0] * 4)
    assert (compared.ours_ms.p95, compared.other_ms.p95) == (20.0, 50.0)
    assert (compared.ours_total_ms, compared.other_total_ms) == (pytest.approx(30.2), 200.0)
    assert (compared.ratio_p95, compared.ratio_total) == (2.5, pytest.approx(200 / 30.2))


def test_a_key_of_a_trace_reads_four_tokens_at_most_nine_times_in_ten():
    family = DEEPSEEK_CODER_BASE
    tokenizer = load_tokenizer(STARTER_CHECKPOINT / "tokenizer.json", family)
    terms, read = Terms(family, tokenizer, 2_000), list[int]()
    for typed in shipped():
        prompts, known = Prompts(), ()
        for cursor in itertools.islice(typed.cursors(), 150):
            ids = prompts.at(cursor, terms).ids
            pairs = itertools.takewhile(
                lambda pair: pair[0] == pair[1], zip(ids, known, strict=False)
            )
            read.append(max(1, len(ids) - sum(1 for _ in pairs)))
            known = ids
    assert statistics.quantiles(read, n=10)[-1] <= 4


def test_bench_answers_with_the_keys_of_the_design(capsys: pytest.CaptureFixture[str]):
    arguments = ["bench", "--shape", "tiny", "--device", "cpu", "--limit", "4"]
    arguments += ["--context-tokens", "256"]
    assert main([*arguments, "--max-new-tokens", "4", "--baseline", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {"p50", "p95", "p99"} <= set(answer["keystroke_ms"])
    assert {"p50", "p99"} <= set(answer["server_ms"])
    assert {"p50", "p95"} <= set(answer["first_token_ms"])
    whole, asked = answer["generate"]["whole_trace"], answer["generate"]["model_asked"]
    assert (whole["keystrokes"], asked["keystrokes"]) == (answer["keystrokes"], answer["asked"])
    assert asked["ours_ms"] == answer["keystroke_ms"]
    assert answer["generate_keystroke_ms"] == whole["other_ms"]
    assert answer["generate_keystroke_ms"]["p50"] > 0
    ratio = whole["other_total_ms"] / whole["ours_total_ms"]
    assert answer["ratio_to_generate"] == whole["ratio_total"] == pytest.approx(ratio)
    assert set(answer["stages_ms"]) == {
        *("sync", "syntax", "context", "prompt", "prefill", "decode", "post"),
    }
    assert answer["prefilled_tokens_median"] >= 1
    assert answer["prefilled_tokens"]["p99"] <= 256
    assert 128 <= answer["prompt_tokens_median"] <= 256
    assert answer["roofline_share"] > 0
    assert answer["decode_tokens_per_second"] > 0 < answer["decode_steps_per_second"]
    assert answer["memory_megabytes"] > 0
    assert (answer["device"], answer["model"]) == ("cpu", "tiny (random)")


def test_bench_refuses_a_trace_that_is_not_there(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "--trace", "nowhere.jsonl"]) == 2
    assert "nowhere.jsonl cannot be read" in capsys.readouterr().err
