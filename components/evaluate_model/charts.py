"""Where the lines, ticks and cells of the page's drawings go; the template draws them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.evaluate_model.calibration import Calibration

PANEL_WIDTH, PANEL_HEIGHT = 420, 246
LEFT, RIGHT, TOP, BOTTOM = 46, 404, 10, 200
_MOST_CLASSES_WITH_COUNTS = 30  # more, and the cells are too small for a number
_LONGEST_LABEL = 20
_PIXELS_PER_CHARACTER = 7.6


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, in pixels, and what it reads."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """One curve of a panel.

    Attributes:
        name: What it shows.
        points: SVG points, `x,y x,y`.
        end: Its last point, (x, y).
        last: Its last value, as text.
    """

    name: str
    points: str
    end: tuple[float, float]
    last: str


@dataclass(frozen=True)
class Panel:
    """One chart of values by epoch, in a box of PANEL_WIDTH by PANEL_HEIGHT pixels."""

    title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Cell:
    """One cell of a heat map that is not zero: its place, its count, and its share of its row, 0 to 1."""

    row: int
    column: int
    count: int
    share: float


@dataclass(frozen=True)
class HeatMap:
    """A confusion matrix as a drawing.

    Attributes:
        labels: Class names, whole.
        short_labels: Class names as they fit.
        cell: Side of a cell in pixels.
        font: Size of labels and counts in pixels.
        left: Room for the rows' names, in pixels.
        top: Room for the columns' names, in pixels.
        width: Of the drawing, in pixels.
        height: Of the drawing, in pixels.
        has_counts: Whether a cell has room for its count.
        cells: Cells that are not zero.
    """

    labels: tuple[str, ...]
    short_labels: tuple[str, ...]
    cell: float
    font: float
    left: float
    top: float
    width: float
    height: float
    has_counts: bool
    cells: tuple[Cell, ...]


def panel(title: str, curves: Mapping[str, Sequence[float]], *, as_share: bool) -> Panel:
    """Lay out curves by epoch.

    Args:
        title: What the vertical axis shows.
        curves: Values of each curve, from epoch 1; those that are not finite are left out.
        as_share: Whether values are shares of one: the axis is then 0 to 100 %.
    """
    n_epochs = max((len(values) for values in curves.values()), default=1)
    finite = [value for values in curves.values() for value in values if math.isfinite(value)]
    y_marks = (0.0, 0.25, 0.5, 0.75, 1.0) if as_share else round_marks(max(finite, default=1.0))
    top_value = y_marks[-1]

    def x_of(epoch: float) -> float:
        return (LEFT + RIGHT) / 2 if n_epochs == 1 else LEFT + (RIGHT - LEFT) * (epoch - 1) / (n_epochs - 1)

    def y_of(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * min(max(value / top_value, 0.0), 1.0)

    placed = {
        name: [(x_of(epoch), y_of(value)) for epoch, value in enumerate(values, start=1) if math.isfinite(value)]
        for name, values in curves.items()
    }
    placed = {name: points for name, points in placed.items() if points}
    return Panel(
        title=title,
        x_ticks=tuple(Tick(x_of(epoch), str(epoch)) for epoch in epoch_marks(n_epochs)),
        y_ticks=tuple(Tick(y_of(mark), f"{mark:.0%}" if as_share else f"{mark:g}") for mark in y_marks),
        lines=tuple(
            Line(
                name=name,
                points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points),
                end=points[-1],
                last=_last(curves[name], as_share=as_share),
            )
            for name, points in placed.items()
        ),
    )


def round_marks(largest: float) -> tuple[float, ...]:
    """Return three to six evenly spaced round numbers from 0 to at least `largest`."""
    if largest <= 0:
        return (0.0, 1.0)
    raw = largest / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    return tuple(round(index * step, 12) for index in range(math.ceil(largest / step - 1e-9) + 1))


def epoch_marks(n_epochs: int) -> list[int]:
    """Return the first, the last and a few round epochs between them."""
    if n_epochs <= 5:
        return list(range(1, n_epochs + 1))
    step = int(round_marks(n_epochs)[1]) or 1
    between = [epoch for epoch in range(step, n_epochs, step) if 1 < epoch <= n_epochs - step / 2]
    return [1, *between, n_epochs]


def heat_map(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> HeatMap:
    """Lay out a confusion matrix; a cell's shade is its share of the videos of its row."""
    n = len(labels)
    cell, font = (32.0, 12.0) if n <= 12 else (26.0, 11.0) if n <= _MOST_CLASSES_WITH_COUNTS else (13.0, 9.0)
    short = tuple(label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…" for label in labels)
    label_room = max(map(len, short)) * _PIXELS_PER_CHARACTER * font / 13
    left, top = label_room + 26, label_room * 0.75 + 30
    totals = [sum(row) for row in confusion]
    return HeatMap(
        labels=tuple(labels),
        short_labels=short,
        cell=cell,
        font=font,
        left=round(left, 1),
        top=round(top, 1),
        width=round(left + n * cell + label_room * 0.6, 1),
        height=round(top + n * cell + 4, 1),
        has_counts=n <= _MOST_CLASSES_WITH_COUNTS,
        cells=tuple(
            Cell(row, column, count, round(count / totals[row], 3))
            for row, counts in enumerate(confusion)
            for column, count in enumerate(counts)
            if count
        ),
    )


@dataclass(frozen=True)
class Bar:
    """One bin of a reliability diagram.

    Attributes:
        x: Left edge in pixels.
        y: Top, in pixels.
        width: In pixels.
        height: In pixels.
        meant_y: Where its top were if the model were as right as it is sure.
        title: What it says in words.
    """

    x: float
    y: float
    width: float
    height: float
    meant_y: float
    title: str


def reliability(calibration: Calibration) -> tuple[Bar, ...]:
    """Lay out a reliability diagram, accuracy over confidence, in a box of PANEL_WIDTH by PANEL_HEIGHT pixels."""

    def x_of(share: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * share, 1)

    def y_of(share: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * share, 1)

    return tuple(
        Bar(
            x=x_of(each.low),
            y=y_of(each.accuracy),
            width=round(x_of(each.high) - x_of(each.low) - 1, 1),
            height=round(BOTTOM - y_of(each.accuracy), 1),
            meant_y=y_of(each.confidence),
            title=f"{each.n_videos} videos, {each.confidence:.0%} sure, {each.accuracy:.0%} right",
        )
        for each in calibration.bins
    )


def _last(values: Sequence[float], *, as_share: bool) -> str:
    last = next(value for value in reversed(values) if math.isfinite(value))
    return f"{last:.1%}" if as_share else f"{last:.3g}"
