"""Build the starter model: ``python -m dsc_lsp.starter.build --preset {smoke,cpu,gpu}``.

The steps are corpus, tokenizer, training with export, evaluation and model card. Each leaves
its result in the work directory, and a step whose result is there is not done again, so that an
interrupted build goes on where it stopped. Everything follows from the seed, but for how far
training comes in its time and for the order in which threads add numbers.

A signal to end (Ctrl-C, or that of ``kill``) lets training finish its step and save; another one
ends it at once. The exit code is 128 and the signal's number, as in a shell.
"""

import argparse
import errno
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dsc_lsp.models import STARTER, STARTER_CHECKPOINT, family_of
from dsc_lsp.starter import interruption
from dsc_lsp.starter.corpus import Places
from dsc_lsp.starter.presets import PRESETS, Preset
from dsc_lsp.starter.steps import STEPS, BuildError, Run, build

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    # Before torch is loaded. Threads that wait actively for each other, as is GNU OpenMP's
    # default, slow each other down tenfold as soon as another program wants the processor.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    if parsed.human_eval is not None and not parsed.human_eval.is_file():
        parser.error(f"--human-eval: {parsed.human_eval} is no file")
    work: Path = parsed.work or default_work(parsed.preset)
    output: Path = parsed.output or work / STARTER_CHECKPOINT.name
    if family_of(output.name) != STARTER:  # its name alone tells how to prompt it
        parser.error(f"--output: call it {STARTER.name}, or {STARTER.name} and more")
    preset = _chosen(parsed)
    places = Places(tuple(parsed.site_packages), tuple(parsed.node_modules))
    started = time.monotonic()

    def report(message: str) -> None:
        print(f"[{time.monotonic() - started:7.1f} s] {message}", flush=True)

    run = Run(preset, places, output, work, parsed.seed, report, parsed.until, parsed.human_eval)
    try:
        with interruption.raised():
            build(run)
    except BuildError as error:
        parser.exit(1, f"{error}\n")
    except OSError as error:
        remedy = "make room" if error.errno in _NO_ROOM else "mend this"
        parser.exit(
            1,
            f"the build stopped: {error}\n"
            f"What is done is kept in {work}; {remedy} and repeat the same command.\n",
        )
    except interruption.Interruption as signal:
        message = f"interrupted; the same command goes on from {work}\n"
        parser.exit(signal.exit_code, message)
    return 0


def _chosen(parsed: argparse.Namespace) -> Preset:
    preset = PRESETS[parsed.preset]
    names = ("seconds", "steps", "threads", "device", "timed_steps", "rows")
    given = {name: value for name in names if (value := getattr(parsed, name)) is not None}
    if parsed.rows is not None:
        given["micro_rows"] = min(parsed.rows, preset.micro_rows)
    return replace(preset, **given)


def default_work(preset: str) -> Path:
    """Return the directory where builds of a preset keep their state."""
    import platformdirs

    return platformdirs.user_cache_path("dsc-lsp") / "starter" / preset


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m dsc_lsp.starter.build", description=__doc__)
    parser.add_argument("--preset", choices=sorted(PRESETS), required=True)
    parser.add_argument(
        "--output", type=Path, help="checkpoint directory (dsc-starter in that of --work)"
    )
    parser.add_argument("--work", type=Path, help="caches and resumable state")
    parser.add_argument("--until", choices=STEPS, default=STEPS[-1], help="the last step to do")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=_positive, help="training time (the preset's)")
    parser.add_argument("--steps", type=_count, help="training steps at most (the preset's)")
    parser.add_argument("--threads", type=_count, help="that compute on a CPU (the preset's)")
    parser.add_argument("--device", help="cpu or cuda (the preset's)")
    parser.add_argument("--rows", type=_count, help="rows of a training step (the preset's)")
    parser.add_argument(
        "--timed-steps", type=_count, help="steps to time where their number is not fixed (50)"
    )
    parser.add_argument(
        "--human-eval",
        type=Path,
        metavar="FILE",
        help="HumanEval-SingleLineInfilling.jsonl.gz: evaluate on it, too",
    )
    for name, of_what in (("site-packages", "Python"), ("node-modules", "node")):
        parser.add_argument(
            f"--{name}",
            type=Path,
            action="append",
            default=[],
            metavar="DIRECTORY",
            help=f"take {of_what} packages from here, too; may be given more than once",
        )
    return parser


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be positive")
    return number


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
