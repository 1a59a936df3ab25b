"""The page for a person: findings first, then counts, then how the numbers are distributed per split.

One file without scripts, fonts or anything else from elsewhere.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.accepted import Accepted
from components.contract.videos import SPLITS
from components.validate_clips.contact_sheet import Strip
from components.validate_clips.findings import Finding

if TYPE_CHECKING:
    import pyarrow

_TEMPLATE = Path(__file__).with_name("page.html.jinja")
_N_BINS = 24
_MOST_CLASSES_SHOWN = 300  # keeps the page light; the statistics hold them all


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in the units of its drawing (100 wide, 40 high)."""

    x: float
    y: float
    width: float
    height: float
    tip: str


@dataclass(frozen=True)
class Histogram:
    """One quantity in one split."""

    split: str
    bars: tuple[Bar, ...]
    summary: str


@dataclass(frozen=True)
class Quantity:
    """One quantity in every split, on the same axes."""

    title: str
    unit: str
    least: str
    greatest: str
    histograms: tuple[Histogram, ...]


@dataclass(frozen=True)
class ClassRow:
    """One class: its clips per split."""

    label: str
    counts: tuple[int, ...]
    total: int


# Column of the clip table, title, unit.
_QUANTITIES = (
    ("duration_s", "Duration", "s"),
    ("fps", "Frame rate", "frames/s"),
    ("luma", "Brightness", "luma, 0 to 255"),
    ("contrast", "Contrast", "luma deviation, 0 to 127.5"),
    ("sharpness", "Sharpness", "Laplacian variance"),
    ("motion", "Motion", "luma difference, 0 to 255"),
    ("video_height", "Height", "pixels"),
    ("video_width", "Width", "pixels"),
)


def page_text(
    table: "pyarrow.Table",
    *,
    labels: Sequence[str],
    findings: Sequence[Finding],
    accepted: Accepted | None,
    strips: Sequence[Strip] = (),
) -> str:
    """Return the page as HTML; names from the data are escaped.

    Args:
        table: The clip table.
        labels: The class names.
        findings: Errors first.
        accepted: The version that was compared with, or None.
        strips: Pictures of sampled clips.
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text())
    rows = _class_rows(table, labels)
    return template.render(
        splits=SPLITS,
        strips=strips,
        findings=findings,
        n_errors=sum(finding.severity == "error" for finding in findings),
        n_warnings=sum(finding.severity == "warning" for finding in findings),
        n_clips=table.num_rows,
        totals=[sum(row.counts[place] for row in rows) for place in range(len(SPLITS))],
        rows=rows[:_MOST_CLASSES_SHOWN],
        n_rows_left_out=max(0, len(rows) - _MOST_CLASSES_SHOWN),
        largest=max((count for row in rows for count in row.counts), default=1) or 1,
        quantities=[_quantity(table, column, title, unit) for column, title, unit in _QUANTITIES],
        compared_with=accepted.version if accepted else None,
    )


def _class_rows(table: "pyarrow.Table", labels: Sequence[str]) -> list[ClassRow]:
    counts = Counter(zip(table["label"].to_pylist(), table["split"].to_pylist(), strict=True))
    others = sorted({label for label, _ in counts} - set(labels))
    per_class = {label: tuple(counts[label, split] for split in SPLITS) for label in [*labels, *others]}
    return [ClassRow(label=label, counts=found, total=sum(found)) for label, found in per_class.items()]


def _quantity(table: "pyarrow.Table", column: str, title: str, unit: str) -> Quantity:
    import numpy
    import pyarrow.compute

    def values_of(split: str) -> "numpy.ndarray[tuple[int], numpy.dtype[numpy.float64]]":
        rows = table.filter(pyarrow.compute.equal(table["split"], split))
        values = numpy.asarray(rows[column].to_numpy(), dtype=numpy.float64)
        return values[numpy.isfinite(values)]

    values = {split: values_of(split) for split in SPLITS}
    everything = numpy.concatenate(list(values.values()))
    least, greatest = (float(everything.min()), float(everything.max())) if everything.size else (0.0, 0.0)
    margin = 0.5 if least == greatest else 0.0
    edges = numpy.linspace(least - margin, greatest + margin, _N_BINS + 1)
    shares = {split: numpy.histogram(found, bins=edges)[0] / max(1, found.size) for split, found in values.items()}
    highest = max(float(share.max()) for share in shares.values()) or 1.0
    histograms = tuple(
        Histogram(
            split=split,
            bars=tuple(_bars(shares[split].tolist(), edges.tolist(), highest)),
            summary=f"median {_short(float(numpy.median(found)))}" if found.size else "no clip",
        )
        for split, found in values.items()
    )
    return Quantity(title=title, unit=unit, least=_short(least), greatest=_short(greatest), histograms=histograms)


def _bars(shares: Sequence[float], edges: Sequence[float], highest: float) -> list[Bar]:
    width = 100 / len(shares)
    return [
        Bar(
            x=round(place * width + 0.3, 2),
            y=round(40 - 40 * share / highest, 2),
            width=round(width - 0.6, 2),
            height=round(40 * share / highest, 2),
            tip=f"{_short(edges[place])} to {_short(edges[place + 1])}: {share:.1%}",
        )
        for place, share in enumerate(shares)
        if share > 0
    ]


def _short(value: float) -> str:
    digits = 0 if value == 0 or abs(value) >= 100 else max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
