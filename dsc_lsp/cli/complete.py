"""``dsc-lsp complete FILE:LINE:COLUMN``: one suggestion, by the pipeline that serves editors."""

import json
import sys
from pathlib import Path

from dsc_lsp import context
from dsc_lsp.cancel import CancelToken
from dsc_lsp.cli.configuration import chosen_settings
from dsc_lsp.cli.usage import UsageError
from dsc_lsp.completion import Completion, complete, context_at, prompt_at
from dsc_lsp.context import Context
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine, EngineError, Prompt
from dsc_lsp.languages import identifier_of
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings


def run(
    place: str,
    *,
    workspace: Path | None,
    model: str | None,
    device: str | None,
    remote: str | None,
    show_prompt: bool,
    as_json: bool,
) -> int:
    """Print the suggestion at a place; 0 also if there is none, 1 if the model failed."""
    cursor = _cursor_of(place, workspace)
    settings = chosen_settings(model=model, device=device, remote=remote)
    repository = Repository(context.plan)
    if workspace is not None and settings.repository_context:
        repository.read_folder(workspace.absolute())
    try:
        engine = open_engine(settings, lambda _message, _percent: None)
        result = complete(cursor, repository, settings, engine, CancelToken())
    except EngineError as error:
        print(f"dsc-lsp: {error}", file=sys.stderr)
        return 1
    if show_prompt:
        shown = context_at(cursor, settings, engine, repository)
        print(_files(shown, engine), file=sys.stderr)
        print(_readable(prompt_at(cursor, settings, engine, repository)), file=sys.stderr)
    if as_json:
        print(json.dumps(_as_json(result, engine, settings), ensure_ascii=False))
        return 0
    print(result.text)
    print(_summary(result, engine), file=sys.stderr)
    return 0


def _cursor_of(place: str, workspace: Path | None) -> Cursor:
    name, _, numbers = place.rpartition(":")
    name, _, line_number = name.rpartition(":")
    if not (name and line_number.isdecimal() and numbers.isdecimal()):
        raise UsageError(f"{place!r} is not FILE:LINE:COLUMN, such as src/main.py:10:5")
    line, column = int(line_number) - 1, int(numbers) - 1
    if workspace is not None and not workspace.is_dir():
        raise UsageError(f"the workspace {workspace} is not a directory")
    path = (workspace or Path()) / name
    document = Document.of(_read(path), uri=path.absolute().as_uri(), language=identifier_of(path))
    if not 0 <= line < len(document.lines):
        raise UsageError(f"{path} has {len(document.lines)} lines; there is no line {line + 1}")
    width = len(document.line(line))
    if not 0 <= column <= width:
        raise UsageError(
            f"line {line + 1} of {path} has {width} characters, so its columns go from 1 to"
            f" {width + 1}; there is no column {column + 1}"
        )
    return Cursor(document, Position(line, column))


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text in UTF-8") from None
    if "\0" in text:
        raise UsageError(f"{path} is a binary file")
    return text


def _readable(prompt: Prompt) -> str:
    return "".join(
        f"\n[{part.text}]" if part.control else f"\n[{len(part.ids)} tokens]\n{part.text}"
        for part in prompt.parts
    )


def _files(shown: Context, engine: Engine) -> str:
    """Return what is shown of other files: tokens, lines and reasons, a file a line."""
    lines = ["[other files, first to last]"]
    for file in shown.files:
        text = engine.family.file_header.format(path=file.path) + file.text
        numbers = [number for number, _ in file.lines]
        lines.append(
            f"{len(engine.tokenizer.encode(text)):5} tokens  {file.path}:{numbers[0] + 1}"
            f"-{numbers[-1] + 1} ({len(numbers)} lines): {'; '.join(file.why[:4])}"
        )
    return "\n".join(lines)


def _as_json(result: Completion, engine: Engine, settings: Settings) -> dict[str, object]:
    return {
        "text": result.text,
        "ms": round(result.total_ms, 1),
        "tokens": result.new_tokens,
        "prompt_tokens": result.prompt_tokens,
        "reused_tokens": result.reused_tokens,
        "confidence": None if result.confidence is None else round(result.confidence, 4),
        "model": engine.name,
        "device": settings.device,
    }


def _summary(result: Completion, engine: Engine) -> str:
    sure = "unknown" if result.confidence is None else f"{result.confidence:.2f}"
    said = f"confidence {sure}" if result.text else "nothing to suggest here"
    return (
        f"{engine.name}: {said}; {result.prompt_tokens} tokens read, {result.new_tokens} written"
        f" in {result.total_ms:.0f} ms"
    )
