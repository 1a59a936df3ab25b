import pytest
from kfp.dsl import Artifact, Dataset, Output

from components.image import component
from pipelines.settings import Settings, pipeline


@component
def first(source: str, out: Output[Dataset], seed: int = 1) -> str:
    """First.

    Args:
        source: Where from.
        out: What comes out.
        seed: Of everything drawn.
    """
    return source


@component
def second(text: str, text_digest: str, out: Output[Artifact], seed: int = 1, size: float = 0.5) -> str:
    """Second.

    Args:
        text: What first said.
        text_digest: Its digest.
        out: What comes out.
        seed: Of everything drawn.
        size: How large.
    """
    return text


@component
def quarrelsome(seed: int = 2) -> str:
    """Third.

    Args:
        seed: Another seed.
    """
    return str(seed)


def test_parameters_of_the_steps_become_the_pipelines_with_defaults_and_meanings() -> None:
    @pipeline(name="both", steps=[first, second], wired=("text",))
    def both(settings: Settings) -> None:
        """Both."""
        said = first(**settings.of(first))
        second(text=said.outputs["Output"], text_digest=settings.beyond(first), **settings.of(second))

    inputs = both.component_spec.inputs
    assert list(inputs) == ["source", "seed", "size"]
    assert inputs["seed"].default == 1
    assert inputs["size"].default == 0.5
    assert inputs["size"].description == "How large."
    assert inputs["source"].optional is False


def test_two_steps_that_disagree_about_a_default_are_refused() -> None:
    with pytest.raises(ValueError, match="seed different defaults"):
        pipeline(name="both", steps=[first, quarrelsome], wired=())
