"""The image that every step runs in, and the decorator that binds a step to it."""

from collections.abc import Callable
from typing import Any

from kfp import dsl

from components import __version__

IMAGE = f"reelflow:{__version__}"


def component(step: Callable[..., Any]) -> Callable[..., Any]:
    """Make a KFP component of a step; its image holds the package and kfp, so nothing is installed when it starts."""
    return dsl.component(step, base_image=IMAGE, install_kfp_package=False)  # type: ignore[no-any-return] # kfp is untyped
