"""What of the lock the image leaves out: run inside its environment, prints the packages that no step needs."""

import re
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

# Large, declared by others, and imported by no step: Vertex AI's client, a compiler's parser, and the client of
# Kubernetes, which KFP's API client has and a step in a cluster does not use.
NOT_IMPORTED = frozenset({"google-cloud-aiplatform", "libclang", "kubernetes"})


def unneeded(project: dict[str, Any], installed: Iterable[metadata.Distribution]) -> list[str]:
    """Return the names of the installed packages that neither Reelflow nor its steps need, directly or by others.

    Args:
        project: pyproject.toml; where it corrects a package's metadata, that holds.
        installed: The environment's packages.
    """
    packages = {_normal(each.metadata["Name"]): each for each in installed}
    corrected = {
        (_normal(entry["name"]), entry["version"]): entry["requires-dist"]
        for entry in project["tool"]["uv"]["dependency-metadata"]
    }
    declared = project["project"]
    waiting = [Requirement(text) for text in declared["dependencies"] + declared["optional-dependencies"]["steps"]]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        needed = waiting.pop()
        name, extras = _normal(needed.name), frozenset(needed.extras)
        if (name, extras) in seen or name not in packages or name in NOT_IMPORTED:
            continue
        seen.add((name, extras))
        package = packages[name]
        requirements = map(Requirement, corrected.get((name, package.version), package.requires or []))
        waiting += [each for each in requirements if _holds(each, extras)]
    return sorted(packages.keys() - {name for name, _ in seen})


def _holds(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def _normal(name: str) -> str:
    """One spelling of a package's name: https://packaging.python.org/en/latest/specifications/name-normalization/."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    print(*unneeded(tomllib.loads(Path("pyproject.toml").read_text()), metadata.distributions()), sep="\n")
