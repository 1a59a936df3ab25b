"""kfp without its API client.

`import kfp` loads the Kubernetes client, 1.3 of its 1.9 seconds, which only talking to a cluster needs. Import this
module before anything that imports kfp and it is left out; `import kfp.client` afterwards still loads the real one.
"""

import sys
import types

if "kfp" not in sys.modules:
    _absent = types.ModuleType("kfp.client")
    _absent.Client = None  # type: ignore[attr-defined] # kfp's __init__ only re-exports this name
    sys.modules["kfp.client"] = _absent
    import kfp  # noqa: F401 - imported for its effect: kfp is now loaded without the client

    del sys.modules["kfp.client"]
