"""Steps in containers on this machine: which image, what it sees of the machine, and how a container ends with us."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contract.code_digest import all_code_digest
from pipelines.workspace import Workspace, WorkspaceError

CODE_LABEL = "reelflow.code"
RUN_LABEL = "reelflow.run"
STEP_LABEL = "reelflow.step"
SECRET_ENDING = "_env"  # of a parameter that names the environment variable which holds a secret
_FROM_VARIABLE = "env:"  # begins a value that names such a variable
_END_WITHIN_S = 10

# What a step needs of the caller's environment to reach the network and its clouds; nothing else is passed on.
_PASSED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "STORAGE_EMULATOR_HOST")
_CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS"


@dataclass(frozen=True)
class Image:
    """An image that is on this machine.

    Attributes:
        name: As people write it, e.g. `reelflow:0.1.0`.
        digest: Of its content; the same name may mean another image tomorrow.
        code_digest: Of the code it was built from, or "" where it does not say.
    """

    name: str
    digest: str
    code_digest: str

    @property
    def is_of_this_code(self) -> bool:
        """Whether it was built from the steps as they are here now."""
        return self.code_digest == all_code_digest()


@dataclass(frozen=True)
class Containers:
    """How the steps of a run are put into containers.

    Attributes:
        image: The image they run in.
        writable: Folders that steps write to; they have the same paths inside.
        readable: Files and folders that steps only read, likewise.
        secrets: Names of the variables that steps take secrets from.
    """

    image: Image
    writable: tuple[Path, ...]
    readable: tuple[Path, ...]
    secrets: tuple[str, ...] = ()

    def volumes(self, given: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
        """Return all volumes of a container: kfp's own, with whose mode (SELinux wants another) ours are mounted."""
        mode = next(iter(given.values()))["mode"]
        only_read = mode.replace("rw", "ro")
        return {
            **{str(path): {"bind": str(path), "mode": only_read} for path in self.readable},
            **{str(path): {"bind": str(path), "mode": mode} for path in self.writable},
            **{host: dict(volume) for host, volume in given.items()},
        }

    def environment(self) -> dict[str, str]:
        """Return what a step in a container is told; Docker gets it over its API, so it is on no command line."""
        names = (*_PASSED_ON, _CREDENTIALS, *self.secrets)
        passed = {name: os.environ[name] for name in names if name in os.environ}
        return {**passed, "REELFLOW_IMAGE": f"{self.image.name}@{self.image.digest}"}


def find_image(name: str) -> Image:
    """Look an image up in this machine's Docker.

    Raises:
        WorkspaceError: If docker's Python package is missing, no daemon answers, or there is no such image.
    """
    try:
        import docker
    except ModuleNotFoundError as error:
        raise WorkspaceError(
            "The Python package docker is missing. Run `make setup`, or install reelflow[docker]."
        ) from error
    try:
        client = docker.from_env()
    except docker.errors.DockerException as error:
        raise WorkspaceError(
            "No Docker daemon answers. Start one, or set DOCKER_HOST to where it listens; `docker info` tells more."
        ) from error
    with contextlib.closing(client):
        try:
            found = client.images.get(name)
        except docker.errors.ImageNotFound as error:
            raise WorkspaceError(f"There is no image {name} on this machine. `make images` builds it.") from error
    return Image(name=name, digest=found.id, code_digest=(found.labels or {}).get(CODE_LABEL, ""))


def containers_for(workspace: Workspace, parameters: Mapping[str, Any], image: Image) -> Containers:
    """Return how to run a pipeline with these parameters in containers.

    The store and the serving directory are made if they are not there: Docker would make them, but as root's. Every
    other parameter that names something on this machine is mounted to be read.
    """
    store, serving = (str(parameters[name]) for name in ("store_dir", "serving_dir"))
    writable = [workspace.root]
    # the accepted records lie beside the serving directory
    writable += [
        folder for name, folder in ((store, Path(store)), (serving, Path(serving).parent)) if "://" not in name
    ]
    for folder in writable:
        folder.mkdir(parents=True, exist_ok=True)
    texts = [value for value in parameters.values() if isinstance(value, str) and value not in ("", store, serving)]
    readable = [_with_its_folder(Path(text)) for text in texts if _exists(text)]
    if (credentials := os.environ.get(_CREDENTIALS)) and _exists(credentials):
        readable.append(Path(credentials))
    named = [str(value) for name, value in parameters.items() if name.endswith(SECRET_ENDING)]
    named += [text.removeprefix(_FROM_VARIABLE) for text in texts if text.startswith(_FROM_VARIABLE)]
    return Containers(
        image=image,
        writable=tuple(sorted({folder.absolute() for folder in writable})),
        readable=tuple(sorted({path.absolute() for path in readable})),
        secrets=tuple(sorted({name for name in named if name})),
    )


def _with_its_folder(path: Path) -> Path:
    """Return what to mount so that a list's files, which lie beside it, are there too."""
    beside = path.absolute().parent
    return beside if path.is_file() and beside != beside.parent else path


def remove_left_behind(run_name: str) -> None:
    """Remove the containers of a run that was killed before it could end them."""
    import docker

    with contextlib.closing(docker.from_env()) as client:
        for container in client.containers.list(all=True, filters={"label": f"{RUN_LABEL}={run_name}"}):
            container.remove(force=True)


def run_container(
    client: Any,
    *,
    containers: Containers,
    command: list[str],
    volumes: Mapping[str, Mapping[str, str]],
    environment: Mapping[str, str],
    labels: Mapping[str, str],
    on_line: Callable[[str], None],
) -> int:
    """Run a command in a new container until it ends, and return its exit code, negative for a signal.

    The container has the caller's user number, so that what it writes is the caller's, and the machine's own network,
    since sources may be served on this machine. It is ended when an exception comes, and removed in any case, though
    never by Docker itself: a container that is gone before it was asked for its exit code counts as a success in kfp
    (kubeflow/pipelines#13332).

    Args:
        client: docker's client.
        containers: How steps are put into containers.
        command: The whole command.
        volumes: kfp's volumes.
        environment: What the component declares.
        labels: By which `docker ps` finds the container.
        on_line: Called with each line of output.

    Raises:
        WorkspaceError: If Docker cannot start it.
    """
    import docker

    try:
        container = client.containers.create(
            image=containers.image.digest,
            command=command,
            volumes=containers.volumes(volumes),
            environment={**environment, **containers.environment()},
            working_dir=str(Path.cwd()),
            user=f"{os.getuid()}:{os.getgid()}",
            network_mode="host",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            labels=dict(labels),
        )
    except docker.errors.APIError as error:
        raise WorkspaceError(f"Docker cannot make the step's container: {error.explanation}") from error
    try:
        try:
            container.start()
        except docker.errors.APIError as error:
            raise WorkspaceError(f"Docker cannot start the step's container: {error.explanation}") from error
        for line in _lines(container.logs(stream=True)):
            on_line(line)
        code = int(container.wait()["StatusCode"])
    except BaseException:
        _end(container)
        raise
    finally:
        container.remove(force=True)
    return 128 - code if code > 128 else code


def _end(container: Any) -> None:
    """Tell every process of a container to end, and wait a while.

    Docker would tell the first alone, which is KFP's shell: it hears nothing, and the step would be killed unheard.
    """
    import docker
    import requests

    with contextlib.suppress(docker.errors.APIError, requests.RequestException):
        container.exec_run(["sh", "-c", "kill -s TERM -- -1"])
        container.wait(timeout=_END_WITHIN_S)


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Docker streams what was written at a time: parts of lines, or several."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace") + "\n"
    if rest:
        yield rest.decode(errors="replace") + "\n"


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long for a name, or with a null byte: not a path
        return False
