"""Addresses of sources, and how they may be shown."""

from urllib.parse import urlsplit


def scheme_of(source: str) -> str:
    """Return the scheme of an address in lower case (`https`), or "" for a path."""
    scheme, separator, _ = source.partition("://")
    return scheme.lower() if separator else ""


def shown(source: str) -> str:
    """Return an address as logs, errors and records may hold it: without query, fragment, user and password.

    What a signed URL is signed with stands in its query. A path is returned as it is.
    """
    if not scheme_of(source):
        return source
    bare = source.partition("?")[0].partition("#")[0]
    scheme, _, rest = bare.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def suffix_of(source: str) -> str:
    """Return the suffix of a source's last part in lower case, e.g. `.zip`."""
    path = urlsplit(source).path if scheme_of(source) else source
    _, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return f".{suffix.lower()}" if dot else ""
