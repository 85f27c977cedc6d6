"""Certificates of the simulated exchange, with the best-known fault of the real one: it does not send the intermediate one.

A root signs an intermediate authority, which signs the server's certificate. The real exchange sends the last of the three only,
so that a client which trusts the root cannot verify it; it needs a file with the intermediate and the root.
"""

import ssl
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal

Chain = Literal["leaf-only", "chain"]

ROOT, TRUSTED = "root.pem", "intermediate-and-root.pem"


class NoTrustme(Exception):
    """The package that makes certificates is not installed."""


def make_context(folder: Path, chain: Chain, *names: str) -> ssl.SSLContext:
    """Make certificates, and the context of a server that has them.

    Args:
        folder: where the files for clients are written: `root.pem`, and `intermediate-and-root.pem`, which verifies either chain.
        chain: "leaf-only": the server sends its own certificate only; "chain": the intermediate one too.
        names: host names and addresses of the server.
    Raises:
        NoTrustme: the package trustme is not installed.
        OSError: a file cannot be written.
    """
    try:
        import trustme  # noqa: PLC0415 - only this option needs it
    except ImportError as error:
        raise NoTrustme("certificates need the package trustme: pip install trustme") from error
    root = trustme.CA(organization_name="Simulated exchange")
    between = root.create_child_ca()
    leaf = between.issue_cert(*names)
    folder.mkdir(parents=True, exist_ok=True)
    root_pem, between_pem = root.cert_pem.bytes(), between.cert_pem.bytes()
    (folder / ROOT).write_bytes(root_pem)
    (folder / TRUSTED).write_bytes(between_pem + root_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    sent = leaf.cert_chain_pems if chain == "chain" else leaf.cert_chain_pems[:1]
    with NamedTemporaryFile(suffix=".pem") as file:  # a context takes its key from a file only
        file.write(leaf.private_key_pem.bytes() + b"".join(pem.bytes() for pem in sent))
        file.flush()
        context.load_cert_chain(file.name)
    return context
