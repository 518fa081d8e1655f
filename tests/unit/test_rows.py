"""Rows against plain tuples, in pieces and across their edges."""

from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.rows import Rows

Edit = tuple[int, int, list[int]]
EDITS = st.lists(
    st.tuples(
        st.integers(0, 1500), st.integers(0, 300), st.lists(st.integers(0, 1), max_size=300)
    ),
    max_size=8,
)


def edited(rows: Rows[int], edit: Edit) -> tuple[Rows[int], tuple[int, ...]]:
    """Return the rows after an edit, and what a tuple gives."""
    start, removed, new = edit
    start = min(start, len(rows))
    end = min(start + removed, len(rows))
    return rows.replaced(start, end, new), (*rows[:start], *new, *rows[end:])


@given(count=st.integers(0, 1200), edits=EDITS)
def test_edited_rows_are_those_of_a_tuple(count: int, edits: list[Edit]) -> None:
    rows = Rows.of(range(count))
    for edit in edits:
        rows, expected = edited(rows, edit)
        assert tuple(rows) == expected
        assert len(rows) == len(expected)
        assert [rows[number] for number in range(-len(rows), len(rows))] == [*expected, *expected]


@given(count=st.integers(0, 1200), edits=EDITS, data=st.data())
def test_slices_are_those_of_a_tuple(count: int, edits: list[Edit], data: st.DataObject) -> None:
    rows = Rows.of(range(count))
    for edit in edits:
        rows, _ = edited(rows, edit)
    place = data.draw(st.slices(len(rows)))
    assert rows[place] == tuple(rows)[place]


@given(count=st.integers(0, 1200), edits=EDITS)
def test_versions_are_compared_by_what_they_hold(count: int, edits: list[Edit]) -> None:
    first = last = Rows.of([0] * count)
    for edit in edits:
        last, _ = edited(last, edit)
    same = Rows.of(last)
    assert last == same
    assert hash(last) == hash(same)
    for one, other in ((first, last), (last, first), (first, same), (same, last)):
        before, behind = one.alike_before(other), one.alike_behind(other)
        assert before == alike(tuple(one), tuple(other))
        assert behind == alike(tuple(one)[::-1], tuple(other)[::-1])
        assert (one == other) is (tuple(one) == tuple(other))
        shorter = min(len(one), len(other))
        assert one.alike_around(other) == (before, min(behind, shorter - before))


@given(count=st.integers(1, 1200), data=st.data())
def test_single_rows_are_replaced_all_at_once(count: int, data: st.DataObject) -> None:
    changed = data.draw(st.dictionaries(st.integers(0, count - 1), st.just(-1)))
    expected = tuple(changed.get(number, number) for number in range(count))
    rows = Rows.of(range(count))
    assert tuple(rows.with_rows(changed)) == expected
    assert rows.each(lambda row: changed.get(row, row)) == rows.with_rows(changed)


def test_versions_share_all_rows_but_those_near_an_edit() -> None:
    first = Rows.of([str(number) for number in range(100_000)])
    second = first.replaced(50_000, 50_001, ["new"])
    shared = {id(piece) for piece in first._pieces} & {id(piece) for piece in second._pieces}
    assert len(shared) == len(first._pieces) - 1


def alike(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    pairs = zip(one, other, strict=False)
    shorter = min(len(one), len(other))
    return next((n for n, (mine, its) in enumerate(pairs) if mine != its), shorter)
