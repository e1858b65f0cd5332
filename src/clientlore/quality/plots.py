"""Plots as PNG, by matplotlib, which is imported only when one is drawn."""

from __future__ import annotations

import io

from clientlore.quality.outcome import Plot

_COLOURS = ("#2f5d9b", "#d08b2c", "#5b8c5a", "#a2455f", "#6b6f7a", "#8a6fb0")
_HATCHES = ("", "//", "..", "xx", "\\\\", "oo")
MOST_BARS = 30
FEW_BARS = 5


def draw(plot: Plot) -> bytes | None:
    """The plot as PNG; None where matplotlib is not installed or there is nothing to show.

    Series differ by hatching too, so that the picture can be read without colour.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return None
    if not plot.labels or not any(any(values) for values in plot.series.values()):
        return None
    figure = Figure(figsize=(7.2, 2.8), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    labels = list(plot.labels)[:MOST_BARS]
    base = [0.0] * len(labels)
    for number, (name, values) in enumerate(plot.series.items()):
        shown = [float(v) for v in values[: len(labels)]]
        axes.bar(
            range(len(labels)),
            shown,
            bottom=base,
            label=name,
            color=_COLOURS[number % len(_COLOURS)],
            hatch=_HATCHES[number % len(_HATCHES)],
            edgecolor="white",
            width=1.0 if plot.kind == "histogram" else 0.8,
        )
        base = [low + high for low, high in zip(base, shown, strict=True)]
    axes.set_xticks(
        range(len(labels)),
        labels,
        rotation=30 if len(labels) > 6 else 0,
        ha="right" if len(labels) > 6 else "center",
    )
    if len(labels) < FEW_BARS:
        # A single bar as wide as the picture would look like a background.
        spare = (FEW_BARS - len(labels)) / 2 + 0.5
        axes.set_xlim(-spare, len(labels) - 1 + spare)
    axes.set_title(plot.title, fontsize=10)
    axes.set_ylabel(plot.unit)
    axes.spines[["top", "right"]].set_visible(False)
    if len(plot.series) > 1:
        # Beside the bars: inside, it would lie over them.
        figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
