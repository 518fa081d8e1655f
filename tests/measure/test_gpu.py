"""The GPU script, on a CPU with tiny shapes: it measures, goes on where it was, and can fail."""

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from dsc_lsp.engine import proof, roofline
from dsc_lsp.engine.graphs import GraphSteps
from dsc_lsp.measure import gpu
from tests.checkpoints import one_thread
from tests.recorded_graphs import RecordedGraphs

ARGUMENTS = ["--device", "cpu", "--shape", "tiny", "--keys", "6", "--prompt-tokens", "120"]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(proof, "_RUNS", 15)
    monkeypatch.setattr(proof, "_PROMPTS", 2)
    monkeypatch.setattr(proof, "_CAPACITY", 500)
    monkeypatch.setattr(roofline, "_BYTES", {"cpu": 2**24})
    with one_thread():
        yield


def test_it_measures_prints_a_table_and_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "gpu.json"
    arguments = [*ARGUMENTS, "--output", str(output)]
    assert gpu.main(arguments) == 0
    told = capsys.readouterr()
    parts = json.loads(output.read_text())["parts"]
    assert all(one["equal"] == one["compared"] for one in parts["correctness"]["proofs"])
    tiny = parts["tiny"]
    assert [len(keys) for keys in tiny["keys"]] == [6, 2]
    assert tiny["new_tokens_median"] == 16
    assert 0 < tiny["steps_mean"] <= 15
    assert {key["steps"] for key in tiny["keys"][1]} == {15}, "without drafts"
    assert 60 <= tiny["prompt_tokens_median"] <= 120
    assert tiny["roofline_share"] > 0
    apart = parts["tiny, a token taken apart"]
    assert all(part["ms"] > 0 < part["bytes"] for part in apart["products"].values())
    assert apart["operations"][0]["us"] > 0
    generate = parts["tiny, generate"]
    assert len(generate["generate_keystroke_ms_each"]) == 1 + 6
    assert "| | tiny |" in told.out
    rows = [line for line in told.out.splitlines() if line.startswith("| ")]
    assert [row for row in rows if row.endswith("| – |")] == [
        "| a token's graph, ms with whole / split attention | – |"
    ], "a CPU has no graphs, all else is measured"
    for name in parts:
        assert f"\n{name}, " in f"\n{told.err}", "each part is told as soon as it is there"

    def again(*_arguments: Any) -> Any:
        raise AssertionError("it was measured before")

    for part in ("_typed", "_taken_apart", "_generate"):
        monkeypatch.setattr(gpu, part, again)
    monkeypatch.setattr(proof, "proofs", again)
    assert gpu.main(arguments) == 0
    assert capsys.readouterr().out == told.out
    assert gpu.main([*arguments, "--keys", "7"]) == 1, "other numbers are measured anew"
    told = capsys.readouterr()
    assert "tiny failed: AssertionError: it was measured before" in told.out
    assert json.loads(output.read_text())["parts"] == {}


def test_each_shape_may_be_a_run_of_its_own_and_one_that_fails_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "gpu.json"
    arguments = [*ARGUMENTS, "--output", str(output)]
    measured, fits = gpu._typed, False

    def typed(name: str, plan: gpu.Plan) -> Any:
        if name != "tiny" and not fits:
            raise torch.OutOfMemoryError("Tried to allocate 62 GiB")
        return measured("tiny", plan)

    monkeypatch.setattr(gpu, "_typed", typed)
    for part in ("_taken_apart", "_generate"):
        monkeypatch.setattr(gpu, part, lambda _name, _plan: {})
    monkeypatch.setattr(gpu, "_correctness", lambda _plan: {"proofs": []})
    assert gpu.main(arguments) == 0
    large = [*arguments[:2], "--shape", "deepseek-coder-33b", *arguments[4:]]
    assert gpu.main(large) == 1
    printed = capsys.readouterr().out
    assert "| | tiny |" in printed
    assert "deepseek-coder-33b failed: OutOfMemoryError: Tried to allocate 62 GiB" in printed
    fits = True
    assert gpu.main(large) == 0
    assert "| | deepseek-coder-33b | tiny |" in capsys.readouterr().out


def test_a_part_that_is_cut_off_leaves_those_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_arguments: Any) -> Any:
        raise KeyboardInterrupt

    output = tmp_path / "gpu.json"
    monkeypatch.setattr(gpu, "_correctness", lambda _plan: {"proofs": []})
    monkeypatch.setattr(gpu, "_typed", cut_off)
    with pytest.raises(KeyboardInterrupt):
        gpu.main([*ARGUMENTS, "--output", str(output)])
    assert list(json.loads(output.read_text())["parts"]) == ["correctness"]


def test_without_arguments_it_measures_the_three_shapes_as_the_goal_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = list[gpu.Plan]()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gpu, "measure", lambda plan, *_more: plans.append(plan) or {"failed": {}})
    monkeypatch.setattr(gpu, "table", lambda _results: "")
    assert gpu.main([]) == 0
    [plan] = plans
    assert plan == gpu.Plan()
    assert len(plan.shapes) == 3
    assert (plan.prompt_tokens, plan.new_tokens) == (2048, 16)


def test_it_needs_only_what_a_machine_with_torch_and_transformers_has() -> None:
    """Nothing can be fetched where GPUs are lent, and most of our packages are not there."""
    needed = "torch transformers tokenizers safetensors numpy psutil tqdm threadpoolctl dsc_lsp"
    imports = "import dsc_lsp.measure.gpu as gpu, dsc_lsp.engine.token_parts"
    run = f"{imports}, dsc_lsp.engine.proof, dsc_lsp.engine.reference; gpu.Plan().settings"
    told = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", f"{run}; {told}"], capture_output=True, check=True, text=True
    )
    modules = set(loaded.stdout.split()) & set(importlib.metadata.packages_distributions())
    ours = {
        re.split(r"[^\w-]", requirement)[0].lower().replace("-", "_")
        for requirement in importlib.metadata.requires("dsc-lsp") or ()
    }
    assert {name for name in modules if name.lower() in ours} <= set(needed.split())


def test_a_device_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "gpu.json"
    assert gpu.main(["--device", "cuda:99", "--output", str(output)]) == 1
    assert "The device cuda:99 is not there" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize("broken", [False, True])
def test_graphs_that_do_nothing_are_found_out(
    monkeypatch: pytest.MonkeyPatch, *, broken: bool
) -> None:
    """The comparison is not one of a thing with itself: recorded graphs pass, idle ones fail."""

    class Idle(RecordedGraphs):
        def capture(self, work: Callable[[], None]) -> Callable[[], None]:
            work()
            return lambda: None

    backend = Idle if broken else RecordedGraphs
    monkeypatch.setattr(
        proof, "steps_over", lambda model, cache, _how: GraphSteps(model, cache, backend())
    )
    device = torch.device("cpu")
    found = [
        proof._graphs_against_eager(device, torch.float32),
        proof._answers_against_eager(device),
        proof._drafts_against_eager(device),
    ]
    assert found[0].name.startswith("CUDA graphs against eager runs")
    assert [one.equal == one.compared for one in found] == [not broken] * 3
