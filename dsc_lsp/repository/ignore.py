"""What git would not look at: ``.gitignore`` files, nested and negated, and the user's own."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

_EXCLUDES_FILE = re.compile(
    r"^\s*excludesfile\s*=\s*\"?([^\"\n#;]+)", re.IGNORECASE | re.MULTILINE
)
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules that hold in one folder, each with the folder that its paths begin at.

    The last rule decides, and the rules of a deeper folder come after those above it
    (gitignore(5)).
    """

    rules: tuple[tuple[str, GitIgnoreSpec], ...]

    def ignores(self, path: str) -> bool:
        """Whether a path is ignored; ``path`` has ``/`` between its parts, and a folder's ends so.

        Says nothing of the folders above it: whoever walks does not enter those.
        """
        for base, spec in reversed(self.rules):
            if path.startswith(base):
                decided = spec.check_file(path[len(base) :]).include
                if decided is not None:
                    return decided
        return False

    def within(self, folder: str) -> "IgnoreRules":
        """Return the rules in a folder (without a last ``/``): its own ``.gitignore`` is added."""
        spec = _read(Path(folder) / ".gitignore")
        return self if spec is None else IgnoreRules((*self.rules, (_slashed(folder), spec)))


def rules_at(root: str) -> IgnoreRules:
    """Return the rules that hold in a folder: the user's, its repository's, of folders above.

    Paths are absolute, with ``/`` between their parts. A folder that its repository ignores has
    been opened all the same, so then only its own rules hold.
    """
    top = _top_of_repository(Path(root))
    if top is None:
        return _rules(Path(root), (_global_excludes(),)).within(root)
    rules = _rules(top, (_global_excludes(), top / ".git" / "info" / "exclude"))
    for folder in reversed([Path(root), *Path(root).parents]):
        if folder == top or top in folder.parents:
            if rules.ignores(_slashed(folder.as_posix())):
                return _rules(Path(root), (_global_excludes(),)).within(root)
            rules = rules.within(folder.as_posix())
    return rules


def _rules(base: Path, files: tuple[Path, ...]) -> IgnoreRules:
    specs = (_read(file) for file in files)
    return IgnoreRules(tuple((_slashed(base.as_posix()), spec) for spec in specs if spec))


def _top_of_repository(folder: Path) -> Path | None:
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)


def _global_excludes() -> Path:
    """Return where git keeps the user's excludes: as configured, else its default place."""
    home = Path(os.environ.get("HOME") or Path.home())
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "git"
    for file in (home / ".gitconfig", config / "config"):
        try:
            found = _EXCLUDES_FILE.search(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
        if found is not None:
            return Path(found[1].strip()).expanduser()
    return config / "ignore"


def _read(path: Path) -> GitIgnoreSpec | None:
    """Return a file's patterns; ``None`` if there are none. A pattern git would refuse is none."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    try:
        return GitIgnoreSpec.from_lines(lines) if lines else None
    except (ValueError, re.error):
        return GitIgnoreSpec.from_lines([line for line in lines if _is_pattern(line)])


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True


def _slashed(folder: str) -> str:
    return folder if folder.endswith("/") else folder + "/"
