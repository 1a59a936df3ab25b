"""The page: what a person reads of an evaluation, in one file that needs no network and no script."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.contract.clips import Reject
from components.contract.files import write_bytes
from components.contract.model import TrainedModel
from components.contract.verdict import Verdict
from components.contract.videos import SPLITS
from components.evaluate_model import charts
from components.evaluate_model.calibration import Calibration
from components.evaluate_model.controls import Controls
from components.evaluate_model.examples import Example
from components.evaluate_model.layers import Layer
from components.evaluate_model.scores import SplitScores
from components.evaluate_model.slices import Slice
from components.evaluate_model.thumbnails import Strip

_TEMPLATE_NAME = "report.html.jinja"


@dataclass(frozen=True)
class Contents:
    """What the page shows.

    Attributes:
        verdict: The gate's answer.
        test: Scores of the test split.
        train: Scores of the train split.
        calibration: Of the test split.
        slices: Parts of the test split.
        controls: Accuracy without motion, or None where a clip has one frame.
        served_accuracy: Of the served model on the same test videos, or None where there is none to compare with.
        confidence: Of the intervals, 0 to 1.
        labels: Class names.
        history: Values by epoch, by name, as training measured them.
        layers: Of the model.
        n_videos: Number of videos by class and split, in the order of labels and splits.
        n_clips: Number of clips by split.
        rejects: Videos that gave no clip.
        examples: Test videos to look at.
        strips: Their pictures, by video.
        model: What was judged.
    """

    verdict: Verdict
    test: SplitScores
    train: SplitScores
    calibration: Calibration
    slices: Sequence[Slice]
    controls: Controls | None
    served_accuracy: float | None
    confidence: float
    labels: Sequence[str]
    history: Mapping[str, Sequence[float]]
    layers: Sequence[Layer]
    n_videos: Sequence[Sequence[int]]
    n_clips: Sequence[int]
    rejects: Sequence[Reject]
    examples: Sequence[Example]
    strips: Mapping[str, Strip]
    model: TrainedModel


def write_page(path: Path, contents: Contents) -> None:
    """Write the page; the same contents give the same bytes."""
    write_bytes(path, page_of(contents).encode())


def page_of(contents: Contents) -> str:
    """Return the page as HTML; every text that came from outside is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["count"] = lambda number: f"{number:,}"
    template = environment.get_template(_TEMPLATE_NAME)
    return template.render(
        contents=contents,
        splits=SPLITS,
        panels=_panels(contents.history),
        heat_maps=[
            ("Test", contents.test, charts.heat_map(contents.test.confusion, contents.labels)),
            ("Train", contents.train, charts.heat_map(contents.train.confusion, contents.labels)),
        ],
        facts=_facts(contents),
        reliability=charts.reliability(contents.calibration),
        reasons=Counter(reject.reason for reject in contents.rejects).most_common(),
        chart=charts,
    )


def _panels(history: Mapping[str, Sequence[float]]) -> list[charts.Panel]:
    panels = []
    for title, key, as_share in (("Loss", "loss", False), ("Accuracy", "accuracy", True)):
        curves = {"train": history[key], "validation": history[f"val_{key}"]}
        panels.append(charts.panel(title, curves, as_share=as_share))
    return panels


def _facts(contents: Contents) -> list[tuple[str, list[tuple[str, str]]]]:
    model, verdict = contents.model, contents.verdict
    n_frames, height, width, _ = model.geometry.shape
    about = [
        ("Name", model.model),
        ("Parameters", f"{model.n_parameters:,}"),
        ("Operations for a clip", _operations(contents.layers)),
        ("Classes", str(len(model.labels))),
        ("Frames in a clip", str(n_frames)),
        ("Frame, height x width", f"{height} x {width} pixels"),
    ]
    digests = [("Model", model.digest), ("Clips", verdict.clips_digest)]
    recipe = {name: value for name, value in model.training.items() if name != "clips_digest"}
    return [
        ("Model", about),
        ("Frames are prepared so", _told(model.preparation)),
        ("Training", [*_told(recipe), ("time for all epochs", _duration(sum(contents.history["seconds"])))]),
        ("Digests", digests),
    ]


def _operations(layers: Sequence[Layer]) -> str:
    known = [layer.flops for layer in layers if layer.flops is not None]
    return f"{sum(known):,}" if len(known) == len(layers) else f"more than {sum(known):,}: some cannot be counted"


def _told(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), _value(value)) for name, value in sorted(values.items())]


def _value(value: Any) -> str:
    match value:
        case None | "" | []:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case str():
            return value
    return json.dumps(value, sort_keys=True)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def percent(share: float | None) -> str:
    """Return a share as people read it, a dash where there is none."""
    return "\N{EN DASH}" if share is None else f"{share:.1%}"
