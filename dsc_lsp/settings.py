"""Settings: one dataclass is the only source of names, defaults, limits and documentation.

On the wire they are camelCase under the prefix ``dsc``. Parsing never fails: an odd value keeps
what was there and yields a message for the user.
"""

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

SECTION = "dsc"


class Scope(Enum):
    """Who may set a setting."""

    ANY = "user or workspace"
    MACHINE = "user only"


@dataclass(frozen=True, slots=True)
class _Rule:
    text: str
    scope: Scope = Scope.ANY
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


def _setting(default: Any, text: str, **limits: Any) -> Any:
    return dataclasses.field(default=default, metadata={"rule": _Rule(text, **limits)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user can choose."""

    enabled: bool = _setting(True, "Whether suggestions are given at all.")
    model: str = _setting(
        "auto",
        "The model: `auto` (the best one on this disk that fits the GPU, else the embedded"
        " starter), `starter`, a hub id that is on this disk, or a directory with"
        " `config.json`, `tokenizer.json` and `*.safetensors`.",
        scope=Scope.MACHINE,
    )
    device: str = _setting(
        "auto",
        "Where the model runs: `auto`, `cpu`, `cuda`, `cuda:1`, `xpu` or `mps`.",
        scope=Scope.MACHINE,
    )
    context_tokens: int = _setting(
        2048,
        "How many tokens of code the model may look at, its answer included.",
        scope=Scope.MACHINE,
        least=128,
        most=16_384,
    )
    dtype: str = _setting(
        "auto",
        "What the model computes in: `auto` takes `bfloat16` on a GPU (`float16` on those that"
        " are older than compute capability 8, and on a Mac) and `float32` on a CPU.",
        scope=Scope.MACHINE,
        choices=("auto", "bfloat16", "float16", "float32"),
    )
    quantization: str = _setting(
        "none",
        "Whether weights are kept in fewer bits, so that a larger model fits: `int8` takes half"
        " the memory and is slower (it needs the processor at each step, so that no CUDA graph"
        " holds it), `nf4` a third. For CUDA, with `pip install 'dsc-lsp[quantization]'`.",
        scope=Scope.MACHINE,
        choices=("none", "int8", "nf4"),
    )
    draft_model: str = _setting(
        "",
        "A smaller checkpoint of the same family, named as in `model`, that guesses what the"
        " model writes (the 1.3B for the 33B): suggestions stay the same, token for token, and"
        " come sooner where its guesses hold. It needs memory of its own; empty for none.",
        scope=Scope.MACHINE,
    )
    idle_unload_minutes: int = _setting(
        0,
        "After so many minutes without a request the model is taken out of memory, and the next"
        " request loads it again; `0` stands for never.",
        scope=Scope.MACHINE,
        least=0,
        most=10_080,
    )
    remote_url: str = _setting(
        "",
        "The address of an OpenAI-compatible server that answers instead of a model on this"
        " machine, such as `http://127.0.0.1:8000/v1`; several, separated by spaces, in the order"
        " in which they are tried. Your code is sent there.",
        scope=Scope.MACHINE,
    )
    remote_model: str = _setting(
        "",
        "The model to ask a server for; empty for the first that it serves.",
        scope=Scope.MACHINE,
    )
    remote_server: str = _setting(
        "auto",
        "What kind of server it is: `auto` (looked at), `vllm`, `llama-server`, `ollama`, `tgi`,"
        " `transformers` or `generic`.",
        scope=Scope.MACHINE,
    )
    remote_tokenizer: str = _setting(
        "",
        "The tokenizer of the served model: a directory, or a hub id after `dsc-lsp pull ID"
        " --tokenizer-only`; empty to look for one that fits. Without any, tokens are estimated.",
        scope=Scope.MACHINE,
    )
    remote_key_variable: str = _setting(
        "",
        "The name of the environment variable that holds the server's key; with several servers"
        " one name for all, or one for each, `-` for none. Keys never stand in settings.",
        scope=Scope.MACHINE,
    )
    remote_plain_http: bool = _setting(
        False,
        "Whether code may go to other machines over `http://`, readable on the way.",
        scope=Scope.MACHINE,
    )
    remote_seconds: int = _setting(
        5,
        "How many seconds a server may say nothing before it is given up.",
        scope=Scope.MACHINE,
        least=1,
        most=120,
    )
    remote_fallback: bool = _setting(
        True,
        "Whether the model on this machine (`dsc.model`) answers while no server does.",
        scope=Scope.MACHINE,
    )
    max_new_tokens: int = _setting(
        64, "How many tokens a suggestion may have at most.", least=1, most=512
    )
    max_lines: int = _setting(
        12, "How many lines a suggestion may have at most.", least=1, most=100
    )
    multiline: str = _setting(
        "auto",
        "How much is suggested at once: what the code at the cursor calls for (`auto`), never"
        " more than a line (`never`), or several lines wherever they can stand (`always`).",
        choices=("auto", "never", "always"),
    )
    comments: bool = _setting(
        True, "Whether suggestions are given in comments, too; docstrings count as code."
    )
    candidates: int = _setting(
        3,
        "How many suggestions are made at most where you ask for them yourself (next and previous"
        " suggestion); while you type it is one. Those that you ask for are shown however unsure"
        " the model is.",
        least=1,
        most=10,
    )
    min_confidence: float = _setting(
        -1.0,
        "Suggestions that are less likely are not shown: the likelihood of the first line with its"
        " end, as the model and the repository see it. `0` shows all; below 0 it is what was"
        " measured to be best for the model, where that is known. A server that tells no"
        " likelihoods is taken at its word.",
        least=-1.0,
        most=1.0,
    )
    min_debounce_milliseconds: int = _setting(
        0, "How long to wait for the next key before the model is asked.", least=0, most=5_000
    )
    max_debounce_milliseconds: int = _setting(
        150,
        "How long to wait at most while you type faster than the model answers.",
        least=0,
        most=5_000,
    )
    deadline_milliseconds: int = _setting(
        3_000,
        "After how long the lines of a suggestion that are complete are shown, while the model"
        " goes on writing the others for your next key; `0` waits for all of it.",
        least=0,
        most=60_000,
    )
    prepare_next: bool = _setting(
        True,
        "Whether the model prepares what follows a suggestion while you look at it, and your next"
        " key while you pause.",
    )
    statistics: bool = _setting(
        True,
        "Whether suggestions shown, accepted and kept are counted, in a file on this machine"
        " that is sent nowhere.",
        scope=Scope.MACHINE,
    )
    repository_context: bool = _setting(
        True,
        "Whether other files of the workspace are indexed and shown to the model. Files that git"
        " ignores, secret files and lines with secrets never are.",
    )
    git_changes: bool = _setting(
        False,
        "Whether lines of other files that the last commit does not have, staged or not, are shown"
        " to the model. Runs `git diff` in the workspace, so a workspace cannot switch it on.",
        scope=Scope.MACHINE,
    )
    clipboard_context: bool = _setting(
        False,
        "Whether what you have copied is shown to the model, where the editor sends it"
        " (`dsc/copied`). Lines that look like secrets never are.",
    )
    diagnostics_context: bool = _setting(
        False,
        "Whether names in the messages of other tools near the cursor bring their definitions"
        " into what the model is shown, where the editor sends them (`dsc/diagnostics`).",
    )
    max_document_characters: int = _setting(
        2_000_000,
        "In files of more characters no suggestions are made.",
        scope=Scope.MACHINE,
        least=1_000,
        most=100_000_000,
    )
    max_message_megabytes: int = _setting(
        64,
        "A longer message of the editor (a whole file, say) is refused.",
        scope=Scope.MACHINE,
        least=1,
        most=1024,
    )
    max_requests: int = _setting(
        256,
        "How many requests may wait for their answer; more are refused.",
        scope=Scope.MACHINE,
        least=1,
        most=10_000,
    )
    max_memory_megabytes: int = _setting(
        0,
        "While the server occupies more main memory than this it makes no suggestions; `0` stands"
        " for nine tenths of the machine's memory.",
        scope=Scope.MACHINE,
        least=0,
        most=16_777_216,
    )


@dataclass(frozen=True, slots=True)
class Parsed:
    """Settings after a change, and what to tell the user about values that were not taken."""

    settings: Settings
    problems: tuple[str, ...]


def merge(base: Settings, raw: object, *, machine: bool) -> Parsed:
    """Return ``base`` changed by what a client or file sent; never fails.

    ``raw`` may be the bare object, ``{"dsc": {...}}`` or ``None``. ``machine`` says whether the
    source may set what only the user may decide; a workspace's may not.
    """
    if raw is None:
        return Parsed(base, ())
    section = raw.get(SECTION, raw) if isinstance(raw, Mapping) else raw
    if section is None:
        return Parsed(base, ())
    if not isinstance(section, Mapping):
        return Parsed(base, (f"The settings under `{SECTION}` must be an object.",))
    changes: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in _flatten(section).items():
        field = _FIELDS.get(key)
        if field is None:
            problems.append(f"Unknown setting `{SECTION}.{key}`; known are {_known()}.")
            continue
        if value is None:
            continue
        problem = _problem(field, value)
        if problem is None and not machine and _refused(field, value, base):
            problem = (
                f"`{SECTION}.{key}` cannot be set by a workspace. Set it in your user"
                " settings as an initialization option, or in the configuration file."
            )
        if problem is None:
            changes[field.name] = type(field.default)(value)
        else:
            problems.append(problem)
    return Parsed(dataclasses.replace(base, **changes), tuple(problems))


def config_file() -> Path:
    """Return where the user's configuration file is looked for."""
    import platformdirs

    return platformdirs.user_config_path("dsc-lsp") / "config.toml"


def read_config_file(path: Path, base: Settings) -> Parsed:
    """Return ``base`` changed by the user's TOML file; a missing file changes nothing."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Parsed(base, ())
    except (OSError, ValueError) as error:
        return Parsed(base, (f"The configuration file {path} was not read: {error}",))
    return merge(base, raw, machine=True)


def schema() -> dict[str, Any]:
    """Return the JSON schema of all settings, as VS Code's ``contributes.configuration``."""
    return {f"{SECTION}.{key}": _schema_of(field) for key, field in _FIELDS.items()}


def documentation() -> str:
    """Return ``docs/settings.md``."""
    lines = [
        "# Settings",
        "",
        "Generated from `dsc_lsp/settings.py` by `pytest --update`; do not edit.",
        "",
        "Each is written `dsc.name`. They are merged in this order, the last one wins:",
        "defaults, the configuration file (`dsc-lsp doctor` names it), initialization options,",
        "`workspace/configuration`, `workspace/didChangeConfiguration`.",
        "A value that is not understood keeps the old one, and the editor says so once.",
        "",
        "| setting | default | allowed | set by | what it does |",
        "|---|---|---|---|---|",
    ]
    for key, field in _FIELDS.items():
        rule = _rule(field)
        default = f"`{json.dumps(field.default)}`"
        lines.append(
            f"| `dsc.{key}` | {default} | {_allowed(field)} | {rule.scope.value} | {rule.text} |"
        )
    return "\n".join(lines) + "\n"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


_FIELDS = {_camel(field.name): field for field in dataclasses.fields(Settings)}


def _rule(field: "dataclasses.Field[Any]") -> _Rule:
    return field.metadata["rule"]


def _known() -> str:
    return ", ".join(f"`{key}`" for key in _FIELDS)


def _flatten(section: Mapping[Any, Any]) -> dict[str, Any]:
    """Accept ``dsc.model`` beside ``model``: some clients send whole dotted names."""
    return {str(key).removeprefix(f"{SECTION}."): value for key, value in section.items()}


def _refused(field: "dataclasses.Field[Any]", value: object, base: Settings) -> bool:
    # Clients that send everything they have (Helix) repeat what is set already: no refusal.
    return _rule(field).scope is Scope.MACHINE and value != getattr(base, field.name)


def _problem(field: "dataclasses.Field[Any]", value: object) -> str | None:
    kind = type(field.default)
    if type(value) is not kind and not (kind is float and type(value) is int):
        return f"`{SECTION}.{_camel(field.name)}` must be {_allowed(field)}."
    rule = _rule(field)
    if rule.choices and value not in rule.choices:
        return f"`{SECTION}.{_camel(field.name)}` must be {_allowed(field)}."
    if not isinstance(value, int | float) or rule.least is None or rule.most is None:
        return None
    if rule.least <= value <= rule.most:
        return None
    return f"`{SECTION}.{_camel(field.name)}` must be {_allowed(field)}, not {value}."


def _allowed(field: "dataclasses.Field[Any]") -> str:
    rule = _rule(field)
    if rule.choices:
        return "one of " + ", ".join(f"`{choice}`" for choice in rule.choices)
    if rule.least is not None:
        number = "a number" if isinstance(field.default, float) else "a whole number"
        return f"{number} from {rule.least} to {rule.most}"
    return {"bool": "true or false", "str": "a text"}[type(field.default).__name__]


def _schema_of(field: "dataclasses.Field[Any]") -> dict[str, Any]:
    rule = _rule(field)
    kinds = {"bool": "boolean", "int": "integer", "str": "string", "float": "number"}
    kind = kinds[type(field.default).__name__]
    limits = {"minimum": rule.least, "maximum": rule.most, "enum": list(rule.choices) or None}
    return {
        "type": kind,
        "default": field.default,
        "markdownDescription": rule.text,
        "scope": "machine" if rule.scope is Scope.MACHINE else "resource",
        **{name: limit for name, limit in limits.items() if limit is not None},
    }
