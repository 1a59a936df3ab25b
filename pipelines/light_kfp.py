"""kfp without its API client, which loads the Kubernetes client: 1.3 of the 1.9 seconds that `import kfp` takes."""

import sys
import types


def import_light_kfp() -> None:
    """Import kfp without its client, unless it is imported already; `import kfp.client` later still loads the real one.

    Only what talks to a cluster needs the client. Call this before anything that imports kfp.
    """
    if "kfp" in sys.modules:
        return
    absent = types.ModuleType("kfp.client")
    absent.Client = None  # type: ignore[attr-defined] # kfp's __init__ re-exports this name and no other
    sys.modules["kfp.client"] = absent
    import kfp  # noqa: F401 - imported for its effect

    del sys.modules["kfp.client"]
