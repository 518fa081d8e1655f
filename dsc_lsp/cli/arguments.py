"""Arguments to commands; nothing heavy is imported before a command needs it."""

import argparse
import functools
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from dsc_lsp import __version__
from dsc_lsp.cli.usage import UsageError
from dsc_lsp.models import SHAPES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; bad arguments are one line on stderr and 2."""
    _print_whatever_comes()
    chosen = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        return chosen.run(chosen)
    except UsageError as error:
        print(f"dsc-lsp: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _print_whatever_comes() -> None:
    """Print what the terminal's encoding has not (that of Windows, often) as question marks."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="dsc-lsp", description="Code completion by a model on your machine.")
    parser.add_argument("--version", action="version", version=f"dsc-lsp {__version__}")
    _add_serve_options(parser)
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)

    serve = commands.add_parser("serve", help="serve an editor (the default)")
    _add_serve_options(serve)
    serve.set_defaults(run=_serve)

    demo = commands.add_parser("demo", help="watch a scripted editor get ghost text")
    _add_model_options(demo)
    demo.set_defaults(run=_demo)

    complete = commands.add_parser("complete", help="complete one place in a file")
    complete.add_argument("place", metavar="FILE:LINE:COLUMN", help="line and column from 1")
    complete.add_argument(
        "--workspace",
        type=Path,
        metavar="DIR",
        help="the folder that FILE is relative to; its files are known",
    )
    complete.add_argument("--show-prompt", action="store_true", help="show what the model reads")
    complete.add_argument("--json", action="store_true", help="answer as JSON")
    _add_model_options(complete)
    complete.set_defaults(run=_complete)

    doctor = commands.add_parser("doctor", help="say what is installed, what fits, what to do")
    _add_model_options(doctor)
    doctor.set_defaults(run=_doctor)
    _add_eval(commands.add_parser("eval", help="measure the quality of suggestions"))
    _add_bench(commands.add_parser("bench", help="measure the speed of suggestions"))
    pull = commands.add_parser("pull", help="fetch a model from the hub")
    pull.add_argument("model", metavar="MODEL", help="deepseek-ai/deepseek-coder-6.7b-base, say")
    pull.add_argument(
        "--tokenizer-only", action="store_true", help="for a model that a server serves"
    )
    pull.add_argument(
        "--json", action="store_true", help="progress and the answer as lines of JSON"
    )
    pull.set_defaults(run=_pull)
    return parser


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "datasets",
        nargs="+",
        metavar="DATASET",
        help="JSON lines (HumanEval-infilling, CrossCodeEval), a folder, an installed package",
    )
    parser.add_argument("--limit", type=_positive, help="a sample of so many holes of each")
    parser.add_argument("--seed", type=int, default=0, help="cuts holes and takes samples")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.add_argument(
        "--run-tests", action="store_true", help="run what the model wrote with the task's tests"
    )
    parser.add_argument(
        "--compare",
        action="store_true",
        help="lookup alone, model alone, left to right, and lookup and model together",
    )
    parser.add_argument(
        "--context",
        action="store_true",
        help="how often a name of another file stands in the prompt, by budget, ours and others'",
    )
    parser.add_argument(
        "--retrieved",
        action="store_true",
        help="CrossCodeEval: above the code stands that of other files which it brings along",
    )
    parser.add_argument("--typing", action="store_true", help="type the gold text, accept, count")
    parser.add_argument(
        "--anchors",
        action="store_true",
        help="half of the gold text is typed: where should the prompt's middle begin?",
    )
    parser.add_argument(
        "--seen", type=Path, metavar="FILE", help="lines that the model was trained on"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FILE",
        help="keep each result there; the same command goes on where it was interrupted",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE.png",
        help="draw confidence against precision, and say what each minConfidence would show",
    )
    parser.add_argument("--samples", type=_count, default=0, help="show so many of the holes")
    _add_model_options(parser)
    parser.set_defaults(run=_eval)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trace",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a typing trace as JSON lines; may be repeated (those that ship)",
    )
    parser.add_argument(
        "--shape", choices=tuple(SHAPES), help="random weights of this shape, not a checkpoint"
    )
    parser.add_argument("--limit", type=_positive, help="so many keystrokes of each trace")
    parser.add_argument(
        "--workspace", type=Path, metavar="FOLDER", help="show the model this folder's other files"
    )
    parser.add_argument("--max-new-tokens", type=_positive, help="of each suggestion")
    parser.add_argument("--context-tokens", type=_positive, help="prompt and suggestion together")
    parser.add_argument(
        "--baseline", action="store_true", help="ask transformers' generate the same afterwards"
    )
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the distribution")
    _add_model_options(parser)
    parser.set_defaults(run=_bench)


def _positive(text: str) -> int:
    return _at_least(1, text)


def _count(text: str) -> int:
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if number < least:
        raise argparse.ArgumentTypeError(f"must be {least} or more")
    return number


def _add_serve_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``serve``; none has a default here, because they are added twice.

    A default of the command's parser would undo what was given before the command's name.
    """
    given = functools.partial(parser.add_argument, default=argparse.SUPPRESS)
    given("--stdio", action="store_true", help="speak over stdin and stdout (the default)")
    given("--tcp", action="store_true", help="speak over TCP with one client, for debugging")
    given("--host", help="with --tcp: a loopback address (127.0.0.1)")
    given("--port", type=_port, help="with --tcp: where to listen (any free port)")
    given(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        help="what is written to the log file (info); never code",
    )
    given("--log-file", type=Path, metavar="FILE", help="instead of the user's log directory")
    given(
        "--log-content",
        action="store_true",
        help="write the editor's messages to the log file: YOUR CODE will be in it",
    )
    # Sent by vscode-languageclient beside initialize's processId; that one is watched.
    given("--clientProcessId", type=int, help=argparse.SUPPRESS)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(text)


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="instead of the setting dsc.model")
    parser.add_argument("--device", help="instead of the setting dsc.device")
    parser.add_argument(
        "--remote", metavar="URL", help="ask this server instead of a model on this machine"
    )


def _serve(chosen: argparse.Namespace) -> int:
    from dsc_lsp.pauses import importing_for_good

    with importing_for_good():
        from dsc_lsp.cli import serve

    return serve.run(
        serve.Options(
            stdio=getattr(chosen, "stdio", False),
            tcp=getattr(chosen, "tcp", False),
            host=getattr(chosen, "host", None),
            port=getattr(chosen, "port", None),
            log_level=getattr(chosen, "log_level", "info"),
            log_file=getattr(chosen, "log_file", None),
            log_content=getattr(chosen, "log_content", False),
        )
    )


def _demo(chosen: argparse.Namespace) -> int:
    from dsc_lsp.cli import demo

    return demo.run(model=chosen.model, device=chosen.device, remote=chosen.remote)


def _complete(chosen: argparse.Namespace) -> int:
    from dsc_lsp.cli import complete

    return complete.run(
        chosen.place,
        workspace=chosen.workspace,
        model=chosen.model,
        device=chosen.device,
        remote=chosen.remote,
        show_prompt=chosen.show_prompt,
        as_json=chosen.json,
    )


def _doctor(chosen: argparse.Namespace) -> int:
    from dsc_lsp.cli import doctor

    return doctor.run(model=chosen.model, device=chosen.device, remote=chosen.remote)


def _eval(chosen: argparse.Namespace) -> int:
    from dsc_lsp.cli import evaluate

    options = evaluate.Options(
        limit=chosen.limit,
        seed=chosen.seed,
        as_json=chosen.json,
        run_tests=chosen.run_tests,
        typing=chosen.typing,
        compare=chosen.compare,
        anchors=chosen.anchors,
        seen=chosen.seen,
        samples=chosen.samples,
        context=chosen.context,
        retrieved=chosen.retrieved,
        keep=chosen.keep,
        calibration=chosen.calibration,
    )
    return evaluate.run(
        chosen.datasets,
        options,
        model=chosen.model,
        device=chosen.device,
        remote=chosen.remote,
    )


def _pull(chosen: argparse.Namespace) -> int:
    from dsc_lsp.cli import pull

    return pull.run(chosen.model, tokenizer_only=chosen.tokenizer_only, as_json=chosen.json)


def _bench(chosen: argparse.Namespace) -> int:
    from dsc_lsp.cli import bench

    return bench.run(
        bench.Options(
            traces=tuple(chosen.trace),
            model=chosen.model,
            device=chosen.device,
            remote=chosen.remote,
            shape=chosen.shape,
            limit=chosen.limit,
            max_new_tokens=chosen.max_new_tokens,
            context_tokens=chosen.context_tokens,
            workspace=None if chosen.workspace is None else chosen.workspace.absolute(),
            baseline=chosen.baseline,
            as_json=chosen.json,
            plot=chosen.plot,
        )
    )
