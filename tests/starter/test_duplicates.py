"""Which files count as copies of others."""

from random import Random

from dsc_lsp.starter import duplicates

WORDS = [f"word{number}" for number in range(500)]


def text(seed: int, words: int = 400) -> str:
    return " ".join(Random(seed).choices(WORDS, k=words))


def with_changes(original: str, count: int) -> str:
    words = original.split()
    for place in range(0, len(words), len(words) // count):
        words[place] = "changed"
    return " ".join(words)


def test_copies_that_differ_in_white_space_are_dropped():
    seen = duplicates.SeenTexts()
    assert seen.add("x = 1\n")
    assert not seen.add("x  =  1\n\n")
    assert seen.add("x = 2\n")


def test_near_copies_are_dropped_and_texts_alike_only_in_their_words_are_not():
    seen = duplicates.SeenTexts()
    assert seen.add(text(1))
    assert not seen.add(with_changes(text(1), 8))
    assert seen.add(with_changes(text(1), 100))
    assert seen.add(text(2))


def test_the_estimate_is_near_the_true_similarity():
    first, second = text(1, words=2000), with_changes(text(1, words=2000), 40)
    shingles = [
        {tuple(words[place : place + 5]) for place in range(len(words) - 4)}
        for words in (first.split(), second.split())
    ]
    true = len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])
    signatures = duplicates.minima(first), duplicates.minima(second)
    assert signatures[0] is not None
    assert signatures[1] is not None
    assert abs(duplicates.similarity(*signatures) - true) < 0.15


def test_short_texts_are_compared_only_as_wholes():
    assert duplicates.minima("x = 1\n" * 3) is None
