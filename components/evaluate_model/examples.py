"""Which test videos are worth looking at: the worst confusions, and some that were named rightly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.evaluate_model.scores import ScoredVideos

MOST_CONFUSIONS = 8
MOST_RIGHT = 6


@dataclass(frozen=True)
class Example:
    """One test video and what the model says of it.

    Attributes:
        video: Name.
        true: Class that it has.
        predicted: Class that it was given.
        probability: Of the class given.
        n_alike: Videos of the same true class that were given the same one.
    """

    video: str
    true: str
    predicted: str
    probability: float
    n_alike: int

    @property
    def is_right(self) -> bool:
        """Whether it was given the class that it has."""
        return self.true == self.predicted


def worst_confusions(scored: ScoredVideos, labels: Sequence[str]) -> list[Example]:
    """Return the surest mistake of each pair of classes, the commonest pairs first."""
    return _surest_of_each_pair(scored, labels, np.flatnonzero(~scored.is_right))[:MOST_CONFUSIONS]


def right_ones(scored: ScoredVideos, labels: Sequence[str]) -> list[Example]:
    """Return the surest right answer of some classes, spread evenly over them."""
    of_each_class = _surest_of_each_pair(scored, labels, np.flatnonzero(scored.is_right))
    of_each_class.sort(key=lambda example: labels.index(example.true))
    places = np.linspace(0, len(of_each_class) - 1, num=min(len(of_each_class), MOST_RIGHT)).round().astype(int)
    return [of_each_class[place] for place in places]


def _surest_of_each_pair(
    scored: ScoredVideos, labels: Sequence[str], places: "np.typing.NDArray[np.intp]"
) -> list[Example]:
    pairs: dict[tuple[int, int], list[int]] = {}
    predicted = scored.predicted
    for place in places.tolist():
        pairs.setdefault((int(scored.true[place]), int(predicted[place])), []).append(place)
    examples = []
    for (true, given), members in pairs.items():
        surest = max(members, key=lambda place: (scored.probabilities[place, given], -place))
        examples.append(
            Example(
                video=scored.videos[surest],
                true=labels[true],
                predicted=labels[given],
                probability=float(scored.probabilities[surest, given]),
                n_alike=len(members),
            )
        )
    return sorted(examples, key=lambda example: (-example.n_alike, -example.probability, example.video))
