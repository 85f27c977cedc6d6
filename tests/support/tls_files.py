"""Certificates for tests: an authority, and the files of certificates that it has signed."""

import datetime as dt
import ssl

import trustme

EARLIER = dt.timedelta(days=400)  # of its start, so that one can have expired


class TlsFiles:
    """The two files that a server is given, and what its clients trust.

    Args:
        folder: of the files.
    """

    def __init__(self, folder):
        self.authority = trustme.CA()
        self.certificate, self.key = folder / "fullchain.pem", folder / "privkey.pem"

    def write(self, *names, days=30.0):
        """Issue a certificate for these host names and addresses, and write both files; returns it."""
        now = dt.datetime.now(dt.UTC)
        issued = self.authority.issue_cert(
            *(names or ("127.0.0.1", "localhost")), not_after=now + dt.timedelta(days=days), not_before=now - EARLIER
        )
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        self.write_key(issued)
        return issued

    def write_key(self, issued):
        """Write the file of the key of `issued`."""
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.key.chmod(0o600)

    def client(self):
        """Make the context of a client that trusts the authority."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def settings(self):
        """Return the gateway's settings for them."""
        return {"tls_cert": self.certificate, "tls_key": self.key}
