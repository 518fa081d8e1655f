"""What was answered, what of it was accepted, and why the last position got nothing."""

from dataclasses import dataclass
from itertools import count

from cachetools import LRUCache

from dsc_lsp.document import Cursor, Document
from dsc_lsp.suggestions import Suggestion, as_accepted, is_taken, rest_of

_REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class Offer:
    """A suggestion as it was answered, with the number by which its acceptance is told."""

    number: int
    suggestion: Suggestion


class Offers:
    """The last suggestions answered, the one accepted last, and what the last position got."""

    def __init__(self) -> None:
        self.explanation = "No suggestion has been asked for yet."
        self.accepted_last: Cursor | None = None
        self._numbers = count(1)
        self._offers: LRUCache[int, Offer] = LRUCache(_REMEMBERED)
        self._accepted: LRUCache[int, bool] = LRUCache(_REMEMBERED)
        self._last: Offer | None = None

    def add(self, suggestion: Suggestion) -> tuple[Offer, bool]:
        """Return the offer of a suggestion, and whether it is new: not the rest of the last."""
        last = self._last
        if last is not None and _is_same(last.suggestion, suggestion):
            offer, new = Offer(last.number, suggestion), False
        else:
            offer, new = Offer(next(self._numbers), suggestion), True
        self._offers[offer.number] = self._last = offer
        return offer, new

    def taken_by(self, document: Document) -> Offer | None:
        """Return the last offer, if a document is what accepting it gives."""
        last = self._last
        if last is None or last.suggestion.cursor.document.uri != document.uri:
            return None
        return last if is_taken(last.suggestion, document) else None

    def accept(self, number: int) -> Offer | None:
        """Return an offer that is accepted for the first time."""
        offer = self._offers.get(number)
        if offer is None or number in self._accepted:
            return None
        self._accepted[number] = True
        self.accepted_last = as_accepted(offer.suggestion)
        return offer

    def get(self, number: int) -> Offer | None:
        """Return an offer by its number."""
        return self._offers.get(number)


def _is_same(before: Suggestion, now: Suggestion) -> bool:
    """Whether both give the same document: the user typed along, or asked again."""
    same_file = before.cursor.document.uri == now.cursor.document.uri
    return same_file and rest_of(before, now.cursor) == now.text
