"""What was answered, what of it was accepted, and why the last position got nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from cachetools import LRUCache

from dsc_lsp.document import Cursor, Document
from dsc_lsp.suggestions import Suggestion, as_accepted, is_taken, loose_rest_of, rest_of

_REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class Offer:
    """A suggestion as it was answered, with the number by which its acceptance is told.

    ``first`` is what was answered when it had got its number; the suggestion may be its rest.
    """

    number: int
    suggestion: Suggestion
    first: Suggestion


class Offers:
    """The last suggestions answered, the one accepted last, and what the last position got."""

    def __init__(self) -> None:
        self.explanation = "No suggestion has been asked for yet."
        self.accepted_last: Cursor | None = None
        self._numbers = count(1)
        self._offers: LRUCache[int, Offer] = LRUCache(_REMEMBERED)
        self._accepted: LRUCache[int, bool] = LRUCache(_REMEMBERED)
        self._last: tuple[Offer, ...] = ()

    def add(self, suggestions: Iterable[Suggestion]) -> tuple[tuple[Offer, ...], bool]:
        """Return the offers of what is shown, and whether the first is no rest of the last."""
        before = self._last
        self._last = tuple(self._offer_of(suggestion, before) for suggestion in suggestions)
        for offer in self._last:
            self._offers[offer.number] = offer
        known = {offer.number for offer in before}
        return self._last, bool(self._last) and self._last[0].number not in known

    def taken_by(self, document: Document) -> Offer | None:
        """Return which of the last offers a document has taken, if any.

        A rest of one letter has rather been typed; who accepts it tells so by the command.
        """
        for offer in self._last:
            suggestion = offer.suggestion
            if len(suggestion.text) == 1:
                continue
            if suggestion.cursor.document.uri == document.uri and is_taken(suggestion, document):
                return offer
        return None

    def accept(self, number: int) -> Offer | None:
        """Return an offer that is accepted for the first time."""
        offer = self._offers.get(number)
        if offer is None or number in self._accepted:
            return None
        self._accepted[number] = True
        self.accepted_last = as_accepted(offer.suggestion)
        return offer

    def _offer_of(self, suggestion: Suggestion, before: Iterable[Offer]) -> Offer:
        for last in before:
            if _is_same(last.first, suggestion):
                return Offer(last.number, suggestion, last.first)
        return Offer(next(self._numbers), suggestion, suggestion)

    def get(self, number: int) -> Offer | None:
        """Return an offer by its number."""
        return self._offers.get(number)


def _is_same(first: Suggestion, now: Suggestion) -> bool:
    """Whether both give the same document: the user typed along, or asked again."""
    if first.cursor.document.uri != now.cursor.document.uri:
        return False
    return now.text in {rest_of(first, now.cursor), loose_rest_of(first, now.cursor)}
