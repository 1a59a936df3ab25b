"""How a model is trained: every value that a user may set."""

from dataclasses import dataclass

from components.contract.errors import StepError

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
ACCELERATORS = ("auto", "cpu", "gpu")


@dataclass(frozen=True)
class Recipe:
    """AdamW, a linear warm-up, then a cosine; with no weight decay it is Adam, with `decay_to` 1 a constant rate.

    Attributes:
        epochs: Passes over the training clips.
        batch_size: Clips per step, over all devices.
        learning_rate: At the end of the warm-up.
        decay_to: Share of the learning rate that the cosine ends at.
        weight_decay: Decoupled, per unit of learning rate.
        warmup_fraction: Share of all steps in which the learning rate grows.
        label_smoothing: Share of the target that goes to all labels alike.
        ema_momentum: Of the moving average of the weights that is validated and kept in their place; 0 is off.
        balance_classes: Whether a rare label's clips weigh more, so that all labels weigh the same.
        horizontal_flip: Whether whole clips are mirrored at random.
        unflipped_labels: Labels whose clips are never mirrored.
        crop_scale: Least share of a frame's area that a random crop keeps; 1 shifts a little in place of cropping.
        colour_jitter: How much the channels' gains and offsets change at random; their order does too. 0 is off.
        mixup: Both parameters of the beta distribution that two mixed clips' shares follow; 0 mixes none.
        early_stopping_patience: Epochs without a lower validation loss after which training stops and the best
            weights are kept; 0 trains to the end and keeps the last, which the cosine made the steadiest.
        precision: Of the arithmetic; see `hardware.resolved_precision`.
        xla: Whether the training step is compiled by XLA on GPUs; on CPUs, where that was seven times slower, never.
        seed: Of weights, order and random changes.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_fraction: float
    label_smoothing: float
    horizontal_flip: bool
    colour_jitter: float
    early_stopping_patience: int
    seed: int
    decay_to: float = 0.0
    ema_momentum: float = 0.0
    balance_classes: bool = False
    unflipped_labels: tuple[str, ...] = ()
    crop_scale: float = 1.0
    mixup: float = 0.0
    precision: str = "auto"
    xla: bool = False

    def check(self) -> None:
        """Refuse values that no training can follow.

        Raises:
            StepError: At the first of them.
        """
        wanted = {
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "learning_rate": self.learning_rate > 0,
            "decay_to": 0 <= self.decay_to <= 1,
            "weight_decay": self.weight_decay >= 0,
            "warmup_fraction": 0 <= self.warmup_fraction < 1,
            "label_smoothing": 0 <= self.label_smoothing < 1,
            "ema_momentum": 0 <= self.ema_momentum < 1,
            "crop_scale": 0 < self.crop_scale <= 1,
            "colour_jitter": 0 <= self.colour_jitter < 1,
            "mixup": self.mixup >= 0,
            "early_stopping_patience": self.early_stopping_patience >= 0,
            "precision": self.precision in PRECISIONS,
        }
        for name, holds in wanted.items():
            if not holds:
                raise StepError(
                    f"{name} is {getattr(self, name)}.", remedy="Give a value in its range: see reelflow step --help."
                )
