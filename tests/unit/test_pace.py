"""Chunks of the prompt are as wide as the device reads in 30 ms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.engine.pace import FIRST, LEAST, MOST, MOST_SECONDS, Pace


def settled(fixed: float, per_token: float, chunks: int = 30) -> Pace:
    """Return the pace after many chunks on a device with a fixed cost and one for each token."""
    pace = Pace()
    for _ in range(chunks):
        pace.took(pace.width, fixed + pace.width * per_token)
    return pace


@pytest.mark.parametrize(
    ("fixed", "per_token", "width"),
    [
        pytest.param(0.005, 0.000_02, MOST, id="a large GPU"),
        pytest.param(0.010, 0.000_1, 128, id="a small GPU"),
        pytest.param(0.002, 0.000_3, 64, id="a CPU with the starter"),
        pytest.param(0.500, 0.020, LEAST, id="a CPU with a large model"),
    ],
)
def test_the_width_that_a_device_reads_in_time(fixed: float, per_token: float, width: int) -> None:
    assert settled(fixed, per_token).width == width


@given(
    st.floats(0, 0.02),
    st.floats(1e-6, 0.05),
    st.lists(st.tuples(st.integers(1, MOST), st.floats(0, 2.0)), max_size=5),
)
def test_whatever_came_before_chunks_keep_to_the_time_if_any_width_does(
    fixed: float, per_token: float, before: list[tuple[int, float]]
) -> None:
    pace = Pace()
    for tokens, seconds in before:
        pace.took(tokens, seconds)
        assert LEAST <= pace.width <= MOST
    for _ in range(30):
        pace.took(pace.width, fixed + pace.width * per_token)
    if fixed + LEAST * per_token <= MOST_SECONDS * 0.9:
        assert fixed + pace.width * per_token <= MOST_SECONDS


def test_what_is_typed_says_nothing_of_a_whole_chunk() -> None:
    pace = settled(0.005, 0.000_02)
    for _ in range(10):
        pace.took(3, 0.006)
    assert pace.width == MOST


def test_the_first_run_is_not_taken_for_the_pace() -> None:
    pace = Pace()
    pace.took(64, 3.0)
    assert pace.width == FIRST
