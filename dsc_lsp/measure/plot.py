"""A picture of how long keystrokes take."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class PlotError(Exception):
    """No picture can be drawn; the message is for the user."""


def draw_latencies(latencies: Mapping[str, Sequence[float]], title: str, path: Path) -> None:
    """Write a PNG of the share of keystrokes answered within so many ms, a curve for each name.

    Raises:
        PlotError: matplotlib is not installed, or the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise PlotError(
            "--plot needs matplotlib. Install it: pip install 'dsc-lsp[plot]'"
        ) from None
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()
    for name, values in latencies.items():
        ordered = sorted(values)
        shares = [100 * (rank + 1) / len(ordered) for rank in range(len(ordered))]
        axes.step(ordered, shares, where="post", label=name)
    axes.set(title=title, xlabel="ms from the key to the suggestion", xscale="log", ylim=(0, 100))
    axes.set_ylabel("% of keystrokes answered")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(loc="lower right")
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as error:
        raise PlotError(f"{path} cannot be written: {error.strerror}") from None
