"""What the step's parameters say of the model, as options of the table of models."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from components.contract.errors import StepError
from components.train_model.models import ModelOptions, parsed_widths
from components.train_model.models.pretrained import Pretrained
from components.train_model.pretrained_files import fetched_model


@contextmanager
def chosen_options(
    *, widths: str, blocks_per_stage: int, pretrained_model: str, pretrained_sha256: str, fine_tune: bool
) -> Iterator[ModelOptions]:
    """Give the options in the block; a pretrained model is there for as long.

    Args:
        widths: Channels of stem and stages, `16,32,64`; empty leaves the model's own.
        blocks_per_stage: Residual blocks in a stage; 0 leaves the model's own.
        pretrained_model: A path, gs:// or https:// address; empty is none.
        pretrained_sha256: Its digest.
        fine_tune: Whether it is trained further.

    Raises:
        StepError: If a value makes no sense, or the pretrained model is not the promised one or unsafe.
    """
    if blocks_per_stage < 0:
        raise StepError(f"blocks_per_stage is {blocks_per_stage}.", remedy="Give a whole number from 1 up, or 0.")
    shape = ModelOptions(widths=parsed_widths(widths), blocks_per_stage=blocks_per_stage or None)
    if not pretrained_model:
        yield shape
        return
    with TemporaryDirectory() as folder:
        path = fetched_model(pretrained_model, Path(folder) / "pretrained", sha256=pretrained_sha256)
        yield ModelOptions(shape.widths, shape.blocks_per_stage, Pretrained(path, fine_tune, pretrained_sha256))
