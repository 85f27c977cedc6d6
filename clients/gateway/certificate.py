"""TLS of the gateway: its certificate, read again when its files change. Reads files, no other I/O.

A certificate is renewed while clients are connected. New files make a new context: each handshake takes the newest one, and
open connections are not affected. Files that are half written, or do not fit each other, leave the old certificate in place.
"""

import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from hulak.bus.errors import ConfigError
from hulak.clients.gateway.file_stamp import Stamp, stamp

NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the module `ssl` does not name


@dataclass
class Certificate:
    """The certificate of a gateway.

    Args:
        certificate: PEM file: the certificate, followed by those of its chain.
        key: PEM file of its private key, without a passphrase.
    Raises:
        ConfigError: they cannot be read, or do not fit each other.
    """

    certificate: Path
    key: Path
    error: str = ""  # why the newest files are not in use; empty if they are
    ends: float = 0.0  # seconds since 1970 UTC, of the certificate in use

    def __post_init__(self) -> None:
        self._stamps = self._stamp()
        self.context, self.ends = self._load()

    def reload(self) -> bool:
        """Read the files again if they have changed; returns whether a new certificate, or a new error, is there."""
        stamps = self._stamp()
        if stamps == self._stamps:
            return False
        before = self.error
        try:
            self.context, self.ends = self._load()
        except ConfigError as error:
            self.error = str(error)
            if self.error == before:  # files that stay wrong are read again, and reported once
                return False
        else:
            self.error, self._stamps = "", stamps
        return True

    def _stamp(self) -> tuple[Stamp, Stamp]:
        return stamp(self.certificate), stamp(self.key)

    def _load(self) -> tuple[ssl.SSLContext, float]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        where = f"settings gateway.tls_cert {self.certificate} and gateway.tls_key {self.key}"
        try:
            for file in (self.certificate, self.key):
                file.open("rb").close()  # its error names the file, that of OpenSSL does not
            context.load_cert_chain(self.certificate, self.key, password=_no_passphrase)
            return context, _end_of(context, self.certificate)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigError(f"{where}: {_reason(error)}") from error
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from error


def _reason(error: OSError) -> str:
    if not isinstance(error, ssl.SSLError):
        return str(error)
    if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
        return "the key does not belong to the certificate"
    if error.reason is None:  # "[SSL] PEM lib"
        return "a file is not in PEM form, or incomplete"
    return error.reason.lower().replace("_", " ")


def _no_passphrase() -> str:
    """Refuse an encrypted key: OpenSSL would ask on the terminal, and a daemon has none."""
    raise ValueError("the key is encrypted; store it without a passphrase, in a file of mode 0600")


def _end_of(context: ssl.SSLContext, certificate: Path) -> float:
    """Return the end of the certificate, in seconds since 1970 UTC.

    The module `ssl` decodes only certificates that a peer has sent and that are trusted: this one is sent, in memory, to a client
    that trusts exactly it. An expired one is in use all the same: `hulak check` reports it, and a restart must not fail for it.
    Raises:
        ValueError: it cannot be used for a handshake, for example since it is one for clients.
    """
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME
    trusting.load_verify_locations(certificate)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    try:
        for _ in range(3):  # round trips; TLS 1.3 needs one, 1.2 two
            for side in (client, server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
    except ssl.SSLCertVerificationError as error:
        raise ValueError(f"the certificate cannot be used: {error.verify_message}") from error
    ends = (client.getpeercert() or {}).get("notAfter")
    if not isinstance(ends, str):
        raise ValueError("the certificate cannot be used: no handshake succeeds with it")  # noqa: TRY004 - not of a wrong type
    return float(ssl.cert_time_to_seconds(ends))
