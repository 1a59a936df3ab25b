"""The history of a training for people: TensorBoard's log while it runs, a plot when it is done."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from components.contract.files import replacing
from components.contract.model import HISTORY_PLOT_NAME, TENSORBOARD_NAME
from components.train_model.training import EpochRow

_CURVES = {"loss": ("loss", "val_loss"), "accuracy": ("accuracy", "val_accuracy")}


class HistoryBoard:
    """Writes each epoch into a log that TensorBoard shows.

    Args:
        folder: The model's folder, or None to write nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._writer: Any = None

    def __enter__(self) -> "HistoryBoard":
        """Open the log."""
        if self._folder is not None:
            import tensorflow as tf

            self._writer = tf.summary.create_file_writer(str(self._folder / TENSORBOARD_NAME))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the log."""
        if self._writer is not None:
            self._writer.close()

    def add(self, number: int, row: EpochRow) -> None:
        """Write the row of an epoch, the first of which is 1."""
        if self._writer is None:
            return
        import tensorflow as tf

        # What `tf.summary.scalar` would write, which needs TensorBoard's package.
        plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        metadata = tf.compat.v1.SummaryMetadata(plugin_data=plugin, data_class="DATA_CLASS_SCALAR")
        with self._writer.as_default(step=number):
            for name, value in asdict(row).items():
                if value is not None:
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=metadata)
        self._writer.flush()


def plot_history(folder: Path, history: Sequence[EpochRow]) -> None:
    """Draw loss and accuracy by epoch, in training and validation; the same history gives the same bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    epochs = range(1, len(history) + 1)
    for axes, (title, names) in zip(figure.subplots(1, 2), _CURVES.items(), strict=True):
        for name in names:
            values = [getattr(row, name) for row in history]
            if None not in values:
                axes.plot(epochs, values, marker=".", label="validation" if name.startswith("val") else "training")
        axes.set(title=title, xlabel="epoch")
        axes.legend()
    with replacing(folder / HISTORY_PLOT_NAME) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
