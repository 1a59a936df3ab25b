"""How a command line names the API of a cluster; nothing is imported or read before it is needed."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from pipelines.cluster.client import Api

HOST_VARIABLES = ["REELFLOW_KFP_HOST", "KF_PIPELINES_ENDPOINT"]
TOKEN_VARIABLE = "REELFLOW_KFP_TOKEN"
NAMESPACE_VARIABLE = "REELFLOW_KFP_NAMESPACE"
IN_CLUSTER_HOST = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
TIMEOUT_S = 30.0

# Where a pod finds its token for the API (kubeflow.org, "Connect to the API": a projected service account token).
_TOKEN_PATH_VARIABLE = "KF_PIPELINES_SA_TOKEN_PATH"
_TOKEN_PATH = "/var/run/secrets/kubeflow/pipelines/token"


@dataclass(frozen=True)
class Connection:
    """The API that the options of a command name.

    Attributes:
        host: Its address; empty where none was given.
        namespace: The user's namespace; empty where the cluster has one user.
        token_file: File of the bearer token, if one was named.
        timeout_s: For one answer.
    """

    host: str
    namespace: str
    token_file: Path | None
    timeout_s: float

    def api(self) -> "Api":
        """Return the API.

        Raises:
            UsageError: If no host was given.
        """
        from pipelines.cluster.client import Api, Patience

        host = self.host or default_host()
        if not host:
            raise click.UsageError(f"Name the KFP API with --host, or with the variable {HOST_VARIABLES[0]}.")
        return Api(
            host,
            token=token_source(self.token_file),
            namespace=self.namespace,
            patience=Patience(timeout_s=self.timeout_s),
        )


def connected(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name the API; it gets them as `connection`."""

    @click.option("--host", default="", envvar=HOST_VARIABLES, show_envvar=True, help="Address of the KFP API.")
    @click.option(
        "--namespace",
        default="",
        envvar=NAMESPACE_VARIABLE,
        show_envvar=True,
        help="Your namespace, where the cluster has several users.",
    )
    @click.option(
        "--token-file",
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"File of the bearer token, read anew each time. Without it: the variable {TOKEN_VARIABLE}, or the "
        "token that a pod is given.",
    )
    @click.option(
        "--timeout", "timeout_s", default=TIMEOUT_S, show_default=True, help="Seconds to wait for one answer."
    )
    @functools.wraps(command)
    def call(*, host: str, namespace: str, token_file: Path | None, timeout_s: float, **others: Any) -> Any:
        connection = Connection(host=host, namespace=namespace, token_file=token_file, timeout_s=timeout_s)
        return command(connection=connection, **others)

    return call


def asks_cluster() -> bool:
    """Whether the command line names a host: one in the environment does not hide what ran on this machine."""
    return click.get_current_context().get_parameter_source("host") is ParameterSource.COMMANDLINE


def default_host() -> str | None:
    """Return where a pod finds the API, or None outside a cluster."""
    return IN_CLUSTER_HOST if "KUBERNETES_SERVICE_HOST" in os.environ else None


def token_source(token_file: Path | None) -> Callable[[], str | None]:
    """Return what gives the token: the file, else the environment, else the file that a pod is given."""
    if token_file is None and os.environ.get(TOKEN_VARIABLE):
        return lambda: os.environ[TOKEN_VARIABLE].strip()
    in_pod = Path(os.environ.get(_TOKEN_PATH_VARIABLE, _TOKEN_PATH))
    path = token_file or (in_pod if in_pod.is_file() else None)
    return (lambda: _token_of(path)) if path else (lambda: None)


def _token_of(path: Path) -> str:
    from pipelines.cluster.client import ApiError

    try:
        return path.read_text().strip()
    except OSError as error:
        raise ApiError(
            f"The token file {path} cannot be read: {error.strerror}.", remedy="Name another with --token-file."
        ) from error
