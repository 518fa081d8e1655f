"""``dsc-lsp pull MODEL``: fetch a model, or its tokenizer alone, from the hub into its cache."""

import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

from dsc_lsp.cli.download import Damaged, HubFile, fetch
from dsc_lsp.cli.usage import UsageError
from dsc_lsp.engine.checkpoint import FILES

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
_WEIGHTS = "*.safetensors"
# What is needed to run it and nothing else: pickled weights are never loaded.
_MODEL = (*FILES, *_TOKENIZER, "generation_config.json", "LICENSE*", "README.md")
_TOKEN_HELP = "run `hf auth login`, or set HF_TOKEN"  # noqa: S105 - words, no secret
_GO_ON = "Run the command again: it goes on from there."


def run(model: str, *, tokenizer_only: bool, as_json: bool) -> int:
    """Download what is not here yet, with progress; 1 and one line on stderr if it cannot be.

    An interrupted download goes on where it stopped, and nothing is taken for the model before
    all of it is here and has the hub's checksums. With ``as_json`` standard output has lines of
    JSON: ``done`` and ``total`` in bytes, ``waiting`` for another program, ``path`` at the end.
    ``HF_ENDPOINT``, ``HF_HOME``, ``HF_TOKEN`` and proxies of the environment are honoured.
    """
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        example = "deepseek-ai/deepseek-coder-6.7b-base"
        raise UsageError(f"{model!r} is not a hub id, such as {example}")
    progress = _Lines() if as_json else _Bar(model)
    try:
        path = _pull(model, _TOKENIZER if tokenizer_only else _MODEL, progress)
    except _PullError as error:
        print(f"dsc-lsp: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"dsc-lsp: interrupted. {_GO_ON}", file=sys.stderr)
        raise
    finally:
        progress.close()
    if as_json:
        _print_json(path=path)
        return 0
    print(path)
    setting = "remoteTokenizer" if tokenizer_only else "model"
    print(f'Use it with `dsc.{setting} = "{model}"`.', file=sys.stderr)
    return 0


class _PullError(Exception):
    """It cannot be downloaded; the message is for the user."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The files of a model that are wanted, at one commit; ``folder`` is the model's cache."""

    commit: str
    folder: Path
    files: Sequence[HubFile]

    def blob(self, file: HubFile) -> Path:
        return self.folder / "blobs" / file.etag

    def place(self, file: HubFile) -> Path:
        return self.folder / "snapshots" / self.commit / file.name

    def lock(self, file: HubFile) -> Path:
        return self.folder.parent / ".locks" / self.folder.name / f"{file.etag}.lock"

    def missing(self) -> list[HubFile]:
        return [
            file
            for file in self.files
            if not (self.place(file).exists() or self.blob(file).exists())
        ]


def _pull(model: str, patterns: Sequence[str], progress: "_Progress") -> str:
    import httpx2
    from huggingface_hub import errors, snapshot_download
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.utils import disable_progress_bars

    hub = os.environ.get("HF_ENDPOINT") or ENDPOINT
    snapshot: _Snapshot | None = None
    try:
        snapshot = _look_up(model, patterns, hub)
        _check(model, snapshot, patterns)
        _fetch_missing(snapshot, progress)
        # All of it is here; the library gives it its names.
        disable_progress_bars()
        path = snapshot_download(model, allow_patterns=list(patterns), endpoint=hub)
        _remove_copies(snapshot)
        return str(path)
    except Damaged as error:
        raise _PullError(
            f"{error} of {model} arrived damaged and was thrown away. Run the command again; if a"
            " proxy on the way changes downloads, HF_ENDPOINT names a mirror."
        ) from None
    except errors.GatedRepoError:
        raise _PullError(
            f"{model} wants you to accept its terms on the hub, and to be known: {_TOKEN_HELP}."
        ) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise _PullError(
            f"the hub has no model {model}; if it is private, {_TOKEN_HELP}."
        ) from None
    except errors.OfflineModeIsEnabled:
        raise _PullError(
            "HF_HUB_OFFLINE is set, so nothing is downloaded. Unset it and run the command again."
        ) from None
    except (errors.LocalEntryNotFoundError, httpx2.TransportError):
        raise _PullError(_unreachable(hub, snapshot)) from None
    except errors.HfHubHTTPError as error:
        code = error.response.status_code
        raise _PullError(f"the hub ({hub}) answers with HTTP {code}. Try again.") from None
    except OSError as error:
        raise _PullError(_unwritable(error, snapshot)) from None


def _look_up(model: str, patterns: Sequence[str], hub: str) -> _Snapshot:
    from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(HF_HUB_CACHE).expanduser() / repo_folder_name(repo_id=model, repo_type="model")
    info = HfApi(endpoint=hub).model_info(model)
    commit = info.sha or "main"
    names = [file.rfilename for file in info.siblings or ()]
    files: list[HubFile] = []
    for name in names:
        if not any(fnmatch(name, pattern) for pattern in patterns):
            continue
        url = hf_hub_url(model, name, revision=commit, endpoint=hub)
        seen = get_hf_file_metadata(url)
        if seen.size is None or not re.fullmatch(r"[\w-]+", seen.etag or ""):
            raise _PullError(
                f"the hub ({hub}) gives no size and checksum of {name}. HF_ENDPOINT names another."
            )
        files.append(HubFile(name, url, str(seen.etag), seen.size))
    return _Snapshot(commit, folder, files)


def _check(model: str, snapshot: _Snapshot, patterns: Sequence[str]) -> None:
    """Say what will be downloaded, or raise where that would be of no use."""
    names = [file.name for file in snapshot.files]
    if "tokenizer.json" not in names:
        raise _PullError(f"{model} has no tokenizer.json, so it is of no use here")
    if _WEIGHTS in patterns and not any(fnmatch(name, _WEIGHTS) for name in names):
        raise _PullError(
            f"{model} has no *.safetensors; weights in other formats can run code and are not"
            " loaded. Look for a safetensors copy of it"
        )
    cache = snapshot.folder.parent
    missing = sum(file.size - _begun(snapshot.blob(file)) for file in snapshot.missing())
    print(f"{model}: {missing / 1e9:.2f} GB to download into {cache}", file=sys.stderr)
    free = shutil.disk_usage(_existing(cache)).free
    if missing > free:
        raise _PullError(
            f"{model} needs {missing / 1e9:.1f} GB and {free / 1e9:.1f} GB are free in {cache}."
            " Make room, or set HF_HOME to another disk"
        )


def _fetch_missing(snapshot: _Snapshot, progress: "_Progress") -> None:
    missing = snapshot.missing()
    progress.begin(sum(file.size for file in missing))
    for file in missing:
        blob, lock = snapshot.blob(file), snapshot.lock(file)
        fetch(file, blob, lock, progress.advance, progress.wait)


def _remove_copies(snapshot: _Snapshot) -> None:
    """Where there are no symbolic links, the library has copied the files to their places."""
    for file in snapshot.files:
        if not snapshot.place(file).is_symlink():
            snapshot.blob(file).unlink(missing_ok=True)


def _unreachable(hub: str, snapshot: _Snapshot | None) -> str:
    if snapshot is not None:
        return f"the connection to the hub ({hub}) broke at {_share(snapshot)}. {_GO_ON}"
    return (
        f"the hub ({hub}) cannot be reached. Check the network and proxies; HF_ENDPOINT names a"
        " mirror. A model can also be copied here by hand: `dsc.model` may be a directory."
    )


def _unwritable(error: OSError, snapshot: _Snapshot | None) -> str:
    is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    if is_full and snapshot is not None:
        return (
            f"the disk is full ({snapshot.folder.parent}) at {_share(snapshot)}."
            f" Make room, or set HF_HOME to another disk. {_GO_ON}"
        )
    return (
        f"the model cannot be written: {error.strerror or error}."
        " HF_HOME names another folder to write to."
    )


def _share(snapshot: _Snapshot) -> str:
    total = sum(file.size for file in snapshot.files)
    missing = sum(file.size - _begun(snapshot.blob(file)) for file in snapshot.missing())
    return f"{(total - missing) / 1e9:.2f} of {total / 1e9:.2f} GB"


def _begun(blob: Path) -> int:
    try:
        return blob.with_name(f"{blob.name}.incomplete").stat().st_size
    except OSError:
        return 0


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


class _Progress(Protocol):
    def begin(self, total: int) -> None: ...
    def advance(self, count: int) -> None: ...
    def wait(self) -> None: ...
    def close(self) -> None: ...


class _Bar:
    """Progress for people: a bar on a terminal, and nothing where stderr is none."""

    def __init__(self, model: str) -> None:
        from tqdm import tqdm

        self._bar = tqdm(desc=model, unit="B", unit_scale=True, disable=None, total=0)

    def begin(self, total: int) -> None:
        self._bar.reset(total)

    def advance(self, count: int) -> None:
        self._bar.update(count)

    def wait(self) -> None:
        print("Another program is fetching it; waiting for that.", file=sys.stderr)

    def close(self) -> None:
        self._bar.close()


class _Lines:
    """Progress for programs: a line of JSON for each thousandth."""

    def __init__(self) -> None:
        self._done = 0
        self._total = 0
        self._told = -1

    def begin(self, total: int) -> None:
        self._total = total
        self.advance(0)

    def advance(self, count: int) -> None:
        self._done += count
        thousandths = 1000 * self._done // max(1, self._total)
        if thousandths != self._told:
            self._told = thousandths
            _print_json(done=self._done, total=self._total)

    def wait(self) -> None:
        _print_json(waiting=True)

    def close(self) -> None: ...


def _print_json(**values: object) -> None:
    print(json.dumps(values), flush=True)
