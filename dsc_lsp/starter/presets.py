"""What there is to build: a tiny model for tests, one for a CPU and one for a GPU."""

from dataclasses import dataclass

from dsc_lsp.starter.corpus import Selection


@dataclass(frozen=True, slots=True)
class Preset:
    """Everything that a build depends on, but for the seed and the packages that there are.

    ``steps`` is ``None`` where ``timed_steps`` are timed first, to fix how many fit into
    ``seconds``.
    Products of ``rows`` and ``row_tokens`` are the tokens of a step, of which ``micro_rows``
    are computed at a time. ``storage`` is how weights are written: ``bfloat16`` or ``int8``.
    ``gate`` is by how many nats a token the right prompt must beat another one after a fifth of
    the training. ``served_holes`` is how many holes are completed as editors are served in each of
    ``served_packages``, which are held out and always installed beside this one;
    ``human_eval_holes`` how many of HumanEval's 1,033 single lines.
    """

    name: str
    selection: Selection
    vocabulary_size: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    device: str
    steps: int | None
    seconds: float
    rows: int
    micro_rows: int
    row_tokens: int
    long_row_tokens: int
    matrix_rate: float
    other_rate: float
    threads: int
    bfloat16: bool
    storage: str
    gate: float
    probe_seconds: float
    probe_holes: int
    test_holes: int
    windows: int
    prompt_tokens: int
    timed_steps: int = 50
    served_packages: tuple[str, ...] = ("click", "jinja2", "cattrs", "pygls", "huggingface_hub")
    served_holes: int = 200
    human_eval_holes: int = 1033


PRESETS = {
    "smoke": Preset(
        name="smoke",
        selection=Selection(
            share=0.5,
            packages=frozenset({"attrs", "packaging", "platformdirs", "pluggy", "cattrs"}),
            limit=200_000,
        ),
        vocabulary_size=1024,
        hidden=64,
        layers=2,
        heads=1,
        intermediate=128,
        device="cpu",
        steps=20,
        seconds=30.0,
        rows=4,
        micro_rows=4,
        row_tokens=256,
        long_row_tokens=512,
        matrix_rate=0.02,
        other_rate=4e-3,
        threads=1,
        bfloat16=False,
        storage="bfloat16",
        gate=0.0,
        probe_seconds=600.0,
        probe_holes=4,
        test_holes=8,
        windows=4,
        prompt_tokens=256,
        served_packages=("cattrs",),
        served_holes=2,
        human_eval_holes=2,
    ),
    "cpu": Preset(
        name="cpu",
        selection=Selection(limit=72_000_000),
        vocabulary_size=6144,
        hidden=192,
        layers=6,
        heads=3,
        intermediate=512,
        device="cpu",
        steps=9000,
        seconds=5280.0,
        rows=8,
        micro_rows=8,
        row_tokens=512,
        long_row_tokens=1024,
        matrix_rate=0.01,
        other_rate=3e-3,
        threads=1,
        bfloat16=True,
        storage="bfloat16",
        gate=1.0,
        probe_seconds=1200.0,
        probe_holes=100,
        test_holes=600,
        windows=150,
        prompt_tokens=480,
    ),
    "gpu": Preset(
        name="gpu",
        selection=Selection(limit=180_000_000),
        vocabulary_size=16_384,
        hidden=512,
        layers=6,
        heads=8,
        intermediate=1376,
        device="cuda",
        steps=None,
        seconds=1260.0,
        rows=256,
        micro_rows=32,
        row_tokens=1024,
        long_row_tokens=2048,
        matrix_rate=0.02,
        other_rate=3e-3,
        threads=1,
        bfloat16=True,
        storage="int8",
        gate=1.0,
        probe_seconds=300.0,
        probe_holes=40,
        test_holes=600,
        windows=150,
        prompt_tokens=480,
    ),
}
