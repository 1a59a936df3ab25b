"""What a source asks for before it can be read, out of the environment: parameters only name it."""

import os

from components.contract.errors import StepError

_NAMED = "env:"


def address_of(source: str) -> str:
    """Return a source's address: what `env:NAME` names, or the source itself.

    Raises:
        StepError: If the variable is not set.
    """
    return secret(source.removeprefix(_NAMED), parameter="source") if source.startswith(_NAMED) else source


def secret(name: str, *, parameter: str) -> str:
    """Return the value of the environment variable `name`; "" where no name is given.

    Raises:
        StepError: If it is not set, or cannot stand in a request.
    """
    if not name:
        return ""
    value = os.environ.get(name, "").strip()
    if not value:
        raise StepError(
            f"{parameter} names the environment variable {name!r}, which is not set.",
            remedy="Set it where the step runs; on a cluster, from a secret.",
        )
    if not value.isprintable() or not value.isascii():
        raise StepError(
            f"The environment variable {name!r} holds characters that no request can.", remedy="Set it to one line."
        )
    return value
