"""From pieces to a text within a budget of tokens: the worthiest first, nothing twice."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dsc_lsp.repository.plan import Piece

_PRICE_POWER = 0.7
"""How much a piece's tokens count against its worth; tuned as the worths are."""
_LEAST_PRICE = 4.0
_PRICED_LINES = 8
_CHARACTERS_A_TOKEN = 3.4
_MOST_FAILURES = 40


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a file stands in the context: its lines in order, and why they do."""

    path: str
    lines: tuple[tuple[int, str], ...]
    why: tuple[str, ...]
    worth: float

    @property
    def text(self) -> str:
        """The lines to show."""
        return "".join(line + "\n" for _, line in self.lines)


def choose(
    pieces: Iterable[Piece],
    budget: int,
    header: Callable[[str], str],
    count: Callable[[str], int],
) -> list[Chosen]:
    """Return the files with the lines to show, within ``budget`` tokens, headers included.

    ``count`` counts the tokens of whole lines, which add up (a line break is a token boundary).
    """
    shown: dict[str, dict[int, str]] = {}
    whole: set[str] = set()
    whys: dict[str, list[str]] = {}
    worths: dict[str, float] = {}
    left, failed = budget, 0
    for piece in sorted(pieces, key=_by_worth_and_length):
        there = shown.get(piece.path, {})
        # The lines of a whole file stand for those that were shown of it, headers cut short too.
        known = {} if piece.is_whole else there
        new = {number: line for number, line in piece.lines if number not in known}
        if not new or piece.path in whole:
            continue
        price = _tokens(new, count)
        price += -_tokens(there, count) * piece.is_whole if there else count(header(piece.path))
        if price > left:
            failed += 1
            if failed > _MOST_FAILURES:
                break
            continue
        left -= price
        if piece.is_whole:
            whole.add(piece.path)
            shown[piece.path] = {}
        shown.setdefault(piece.path, {}).update(new)
        whys.setdefault(piece.path, []).append(piece.why)
        worths[piece.path] = worths.get(piece.path, 0.0) + piece.worth
    return [
        Chosen(path, tuple(sorted(lines.items())), tuple(dict.fromkeys(whys[path])), worths[path])
        for path, lines in shown.items()
    ]


def _tokens(lines: Mapping[int, str], count: Callable[[str], int]) -> int:
    return count("".join(line + "\n" for line in lines.values()))


def _by_worth_and_length(piece: Piece) -> float:
    """Return the key that sorts short and worthy pieces first.

    A guess of the tokens is enough here: what is taken is counted.
    """
    last = piece.lines if piece.is_whole else piece.lines[piece.shared :][-_PRICED_LINES:]
    tokens = sum(len(line) for _, line in last) / _CHARACTERS_A_TOKEN
    return -piece.worth / (_LEAST_PRICE + tokens) ** _PRICE_POWER


def in_order(files: Sequence[Chosen], imports: Mapping[str, Sequence[str]]) -> list[Chosen]:
    """Return files in the order in which DeepSeek-Coder was trained: what is imported comes first.

    Topological for each connected part of the graph; where a circle leaves no file without
    imports, the one with fewest comes next (arXiv 2401.14196, algorithm 1). Parts come by their
    worth, the worthiest last, next to the code of the current file.
    """
    by_path = {file.path: file for file in sorted(files, key=lambda file: file.path)}
    needs = {
        path: {other for other in imports.get(path, ()) if other in by_path and other != path}
        for path in by_path
    }
    parts: list[list[Chosen]] = []
    for part in _connected(needs):
        left = {path: set(needs[path]) for path in part}
        ordered: list[Chosen] = []
        while left:
            # Of equals what most others need comes first, then the least worthy.
            needed = Counter(other for others in left.values() for other in others)
            least = min(left, key=lambda p: (len(left[p]), -needed[p], by_path[p].worth, p))
            del left[least]
            for others in left.values():
                others.discard(least)
            ordered.append(by_path[least])
        parts.append(ordered)
    parts.sort(key=lambda part: (sum(file.worth for file in part), part[0].path))
    return [file for part in parts for file in part]


def _connected(needs: Mapping[str, set[str]]) -> list[list[str]]:
    neighbours: dict[str, set[str]] = {path: set(others) for path, others in needs.items()}
    for path, others in needs.items():
        for other in others:
            neighbours[other].add(path)
    parts: list[list[str]] = []
    seen: set[str] = set()
    for path in neighbours:
        if path in seen:
            continue
        part, open_ = [], [path]
        seen.add(path)
        while open_:
            place = open_.pop()
            part.append(place)
            new = neighbours[place] - seen
            seen |= new
            open_.extend(sorted(new))
        parts.append(part)
    return parts


def render(files: Sequence[Chosen], header: Callable[[str], str]) -> str:
    """Return the text of the files in their order."""
    return "".join(header(file.path) + file.text for file in files)
