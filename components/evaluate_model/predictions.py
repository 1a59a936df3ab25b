"""What the model said of each test video, as a table for whoever wants to look further."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from components.contract.files import write_bytes
from components.evaluate_model.scores import ScoredVideos

PREDICTIONS_NAME = "predictions.csv"


def write_predictions(folder: Path, scored: ScoredVideos, *, labels: Sequence[str]) -> None:
    """Write one row per test video: its group, the true and the predicted label, and each label's probability."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["video", "group", "true", "predicted", *labels])
    rows = zip(scored.videos, scored.groups, scored.true, scored.predicted, scored.probabilities, strict=True)
    for video, group, true, predicted, probabilities in rows:
        table.writerow([video, group, labels[true], labels[predicted], *(f"{value:.6f}" for value in probabilities)])
    write_bytes(folder / PREDICTIONS_NAME, text.getvalue().encode())
