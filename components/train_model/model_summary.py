"""What a model is made of: its layers with shapes, parameters and floating-point operations."""

import html
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras  # noqa: TID253 - only training imports this module

from components.contract.files import write_bytes, write_json
from components.contract.model import MODEL_DIAGRAM_NAME, MODEL_SUMMARY_NAME
from components.train_model.layers import Conv2Plus1D, Project, ResidualMain, Shape
from components.train_model.saved_model_layer import SavedModelFeatures

_WEIGHTED = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D, keras.layers.Dense)


@dataclass(frozen=True)
class LayerRow:
    """One layer.

    Attributes:
        name: In the model.
        kind: Its class.
        inputs: Names of the layers that it takes from.
        output_shape: For one clip, with the batch of 1 or of its frames where they are merged with the batch.
        n_parameters: Trainable or not.
        n_trainable: Of them, trainable.
        flops: Floating-point operations for one clip, see `flops`; None where nobody can say.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    output_shape: tuple[int, ...]
    n_parameters: int
    n_trainable: int
    flops: int | None


@dataclass(frozen=True)
class ModelSummary:
    """A model, layer by layer, and the sums."""

    name: str
    layers: tuple[LayerRow, ...]
    n_parameters: int
    n_trainable: int
    flops: int


def summarized(model: Any) -> ModelSummary:
    """Return the summary of a functional model with one input of a known shape."""
    rows = tuple(_row(*call) for call in _calls(model, (1, *model.inputs[0].shape[1:])))
    return ModelSummary(
        name=model.name,
        layers=rows,
        n_parameters=model.count_params(),
        n_trainable=_size(model.trainable_variables),
        flops=sum(row.flops or 0 for row in rows),
    )


def write_summary(folder: Path, summary: ModelSummary) -> None:
    """Write the summary as JSON, and as a page that draws it."""
    write_json(folder / MODEL_SUMMARY_NAME, asdict(summary))
    write_bytes(folder / MODEL_DIAGRAM_NAME, _page(summary).encode())


def flops(layer: Any, input_shape: Shape) -> int | None:
    """Return the floating-point operations of a layer's forward pass for one clip.

    A convolution or dense layer multiplies and adds once per weight (biases aside) and place of its output: two
    operations, which is how TensorFlow's profiler counts them. Everything else (normalizing, adding, pooling,
    resizing) takes a few per value and counts as 0.

    Args:
        layer: The layer.
        input_shape: With the batch of one clip, or of its frames where they are merged with the batch.
    """
    if isinstance(layer, SavedModelFeatures):
        return None
    if isinstance(layer, keras.Model):
        return sum(flops(inner, tensors[0].shape) or 0 for inner, tensors, _ in _calls(layer, input_shape))
    if isinstance(layer, (Conv2Plus1D, ResidualMain, Project)):
        return sum(flops(part, shape) or 0 for part, shape in _parts(layer, input_shape))
    if isinstance(layer, _WEIGHTED):
        places = math.prod(layer.compute_output_shape(input_shape)[:-1])
        return int(2 * places * math.prod(layer.kernel.shape))
    return 0


def _parts(layer: Any, shape: Shape) -> Iterator[tuple[Any, Shape]]:
    """Yield the layers inside one of the tutorial's, and what they take."""
    if isinstance(layer, Conv2Plus1D):
        yield layer.spatial, shape
        yield layer.temporal, (*shape[:-1], layer.filters)
    elif isinstance(layer, ResidualMain):
        yield layer.first, shape
        yield layer.second, (*shape[:-1], layer.filters)
    else:
        yield layer.dense, shape


def _calls(model: Any, input_shape: Shape) -> list[tuple[Any, list[Any], Any]]:
    """Return (layer, what it takes, what it gives) for each layer in order, for a batch of a known size."""
    calls: list[tuple[Any, list[Any], Any]] = []

    def called(layer: Any, *arguments: Any, **options: Any) -> Any:
        given = layer(*arguments, **options)
        if isinstance(layer, keras.layers.Layer):
            calls.append((layer, keras.tree.flatten(arguments), given))
        return given

    inputs = keras.Input(batch_shape=input_shape, dtype=model.inputs[0].dtype)
    # The same layers, called once more with a known batch: a view that merges frames with it has a known size then.
    keras.models.clone_model(model, input_tensors=inputs, clone_function=lambda layer: layer, call_function=called)
    return calls


def _row(layer: Any, taken: list[Any], given: Any) -> LayerRow:
    return LayerRow(
        name=layer.name,
        kind=type(layer).__name__,
        inputs=tuple(name for tensor in taken for name in _sources(tensor)),
        output_shape=tuple(given.shape),
        n_parameters=layer.count_params(),
        n_trainable=_size(layer.trainable_variables),
        flops=flops(layer, taken[0].shape),
    )


def _sources(tensor: Any) -> list[str]:
    """Names of the layers that a tensor comes from; reshaping and slicing are looked through."""
    operation, node, _ = tensor._keras_history
    if isinstance(operation, keras.layers.InputLayer):
        return ["clips"]
    if isinstance(operation, keras.layers.Layer):
        return [operation.name]
    return [name for before in operation._inbound_nodes[node].input_tensors for name in _sources(before)]


def _size(variables: Any) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{name}</title>
<style>
body {{ font: 14px system-ui, sans-serif; margin: 2em; color: #222 }}
table {{ border-collapse: collapse }}
td, th {{ padding: 3px 10px; border-bottom: 1px solid #ddd; text-align: left }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums }}
i {{ display: inline-block; height: 9px; background: #3b6fb6; vertical-align: middle }}
</style>
<h1>{name}</h1>
<p>{n_parameters:,} parameters, {n_trainable:,} of them trainable · {giga:.3f} GFLOP per clip
(two operations per multiply-add of convolutions and dense layers{unknown}).</p>
<table><tr><th>layer</th><th>kind</th><th>takes</th><th>gives</th><th class="n">parameters</th><th class="n">MFLOP</th><th>share of FLOPs</th></tr>
{rows}
</table></html>
"""  # noqa: E501 - a row of a table is a line


def _page(summary: ModelSummary) -> str:
    unknown = "; those of a SavedModel are not known" if any(row.flops is None for row in summary.layers) else ""
    return _PAGE.format(
        name=html.escape(summary.name),
        n_parameters=summary.n_parameters,
        n_trainable=summary.n_trainable,
        giga=summary.flops / 1e9,
        unknown=unknown,
        rows="\n".join(_page_row(row, summary.flops) for row in summary.layers),
    )


def _page_row(row: LayerRow, total: int) -> str:
    shape = ", ".join(str(size) for size in row.output_shape)
    share = (row.flops or 0) / total if total else 0
    texts = (row.name, row.kind, ", ".join(row.inputs), shape)
    cells = "".join(f"<td>{html.escape(text)}</td>" for text in texts)
    mega = "?" if row.flops is None else f"{row.flops / 1e6:,.1f}"
    bar = f'<td><i style="width:{200 * share:.0f}px"></i></td>'
    return f'<tr>{cells}<td class="n">{row.n_parameters:,}</td><td class="n">{mega}</td>{bar}</tr>'
