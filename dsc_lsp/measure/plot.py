"""Pictures: how long keystrokes take, and how far confidence can be trusted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dsc_lsp.measure.calibration import Calibration


class PlotError(Exception):
    """No picture can be drawn; the message is for the user."""


def check_picture(option: str, path: Path) -> None:
    """Make sure, as far as it can be known, that a picture can be drawn before it is measured.

    Raises:
        PlotError: matplotlib is not installed, or there is no such folder.
    """
    _figure(option, size=(1, 1))
    if not path.parent.is_dir():
        raise PlotError(f"{option} {path}: there is no folder {path.parent}")


def draw_latencies(latencies: Mapping[str, Sequence[float]], title: str, path: Path) -> None:
    """Write a PNG of the share of keystrokes answered within so many ms, a curve for each name.

    Raises:
        PlotError: matplotlib is not installed, or the file cannot be written.
    """
    figure, axes = _figure("--plot", size=(8, 4.5))
    for name, values in latencies.items():
        ordered = sorted(values)
        shares = [100 * (rank + 1) / len(ordered) for rank in range(len(ordered))]
        axes.step(ordered, shares, where="post", label=name)
    axes.set(title=title, xlabel="ms from the key to the suggestion", xscale="log", ylim=(0, 100))
    axes.set_ylabel("% of keystrokes answered")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(loc="lower right")
    _save(figure, path)


def draw_calibration(calibrations: Mapping[str, Calibration], title: str, path: Path) -> None:
    """Write a PNG of precision against confidence, a curve for each name, dots by their number.

    Raises:
        PlotError: matplotlib is not installed, or the file cannot be written.
    """
    figure, axes = _figure("--calibration", size=(6, 6))
    axes.plot((0, 1), (0, 1), linestyle=":", color="grey", label="as sure as right")
    for name, one in calibrations.items():
        sure = [each.confidence for each in one.bins]
        right = [each.precision for each in one.bins]
        label = f"{name}: {one.suggestions} suggestions, ECE {one.expected_error:.3f}"
        [line] = axes.plot(sure, right, label=label)
        sizes = [10 + 300 * each.count / one.suggestions for each in one.bins]
        axes.scatter(sure, right, s=sizes, color=line.get_color(), alpha=0.5)
    axes.set(title=title, xlabel="confidence", xlim=(0, 1), ylim=(0, 1))
    axes.set_ylabel("share that is exact")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="upper left")
    _save(figure, path)


def _figure(option: str, *, size: tuple[float, float]) -> tuple[Any, Any]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise PlotError(
            f"{option} needs matplotlib. Install it: pip install 'dsc-lsp[plot]'"
        ) from None
    figure: Any = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as error:
        raise PlotError(f"{path} cannot be written: {error.strerror}") from None
