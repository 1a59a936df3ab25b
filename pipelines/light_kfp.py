"""kfp without the Kubernetes client, which its API client loads: 1.3 of the 1.9 seconds that `import kfp` takes."""

import sys
import types


def import_light_kfp() -> None:
    """Import kfp and kfp.kubernetes without the Kubernetes client, unless kfp is imported already.

    Only what talks to a cluster needs that client: `import kfp.client` and `import kubernetes` later still load the
    real ones. Call this before anything that imports kfp.
    """
    if "kfp" in sys.modules:
        return
    api_client = types.ModuleType("kfp.client")
    api_client.Client = None  # type: ignore[attr-defined] # kfp's __init__ re-exports this name and no other
    sys.modules["kfp.client"] = api_client
    absent = "kubernetes" not in sys.modules
    if absent:
        kubernetes_client = types.ModuleType("kubernetes")
        kubernetes_client.client = None  # type: ignore[attr-defined] # kfp.kubernetes uses it in one function, which imports it again
        sys.modules["kubernetes"] = kubernetes_client
    import kfp
    import kfp.kubernetes  # noqa: F401 - both are imported for their effect

    del sys.modules["kfp.client"]
    if absent:
        del sys.modules["kubernetes"]
