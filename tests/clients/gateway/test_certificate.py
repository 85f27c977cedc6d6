"""The certificate, read again when its files change."""

import contextlib
import ssl
import subprocess
import time

import pytest
from tls_files import TlsFiles

from hulak.bus.errors import ConfigError
from hulak.clients.gateway.certificate import Certificate

DAY_S = 86400


@pytest.fixture
def files(tmp_path):
    made = TlsFiles(tmp_path)
    made.write()
    return made


def serial_of(certificate, files, **options):
    """Do a handshake in memory; returns the serial number of the certificate that the client gets."""
    client_side, server_side = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = files.client()
    for name, value in options.items():
        setattr(context, name, value)
    client = context.wrap_bio(client_side, server_side, server_hostname="localhost")
    server = certificate.context.wrap_bio(server_side, client_side, server_side=True)
    for _ in range(3):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return int(client.getpeercert()["serialNumber"], 16)


def test_new_files_are_used_by_new_handshakes(files):
    certificate = Certificate(files.certificate, files.key)
    assert not certificate.reload()
    before = serial_of(certificate, files)
    assert certificate.ends - time.time() == pytest.approx(30 * DAY_S, abs=120)
    files.write(days=60)
    assert certificate.reload()
    assert serial_of(certificate, files) != before
    assert certificate.ends - time.time() == pytest.approx(60 * DAY_S, abs=120)
    assert not certificate.reload()
    files.write()
    assert certificate.reload()
    assert certificate.ends - time.time() == pytest.approx(30 * DAY_S, abs=120)


def test_files_that_do_not_fit_keep_the_old_certificate_and_are_reported_once(files):
    certificate = Certificate(files.certificate, files.key)
    before = serial_of(certificate, files)
    key = files.key.read_bytes()
    issued = files.write()
    files.key.write_bytes(key)
    assert certificate.reload()
    assert "the key does not belong to the certificate" in certificate.error
    assert str(files.certificate) in certificate.error
    assert not certificate.reload()
    assert serial_of(certificate, files) == before
    files.certificate.write_bytes(files.certificate.read_bytes()[:300])
    certificate.reload()
    assert serial_of(certificate, files) == before, "half written"
    files.certificate.unlink()
    assert certificate.reload()
    assert "No such file" in certificate.error
    files.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    files.write_key(issued)
    assert certificate.reload()
    assert certificate.error == ""
    assert serial_of(certificate, files) != before


def test_an_expired_certificate_is_used_and_its_end_known(files):
    files.write(days=-2)
    certificate = Certificate(files.certificate, files.key)
    assert certificate.ends - time.time() == pytest.approx(-2 * DAY_S, abs=120)


def test_tls_1_2_is_the_oldest(files):
    certificate = Certificate(files.certificate, files.key)
    assert serial_of(certificate, files, maximum_version=ssl.TLSVersion.TLSv1_2)
    assert certificate.context.minimum_version is ssl.TLSVersion.TLSv1_2


def encrypt(files):
    command = ["openssl", "pkey", "-in", files.key, "-aes256", "-passout", "pass:x"]
    files.key.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda files: files.key.unlink(), "No such file or directory"),
        (lambda files: files.certificate.write_text(""), "a file is not in PEM form, or incomplete"),
        (lambda files: files.key.write_bytes(files.certificate.read_bytes()), "a file is not in PEM form, or incomplete"),
        (lambda files: files.certificate.write_bytes(b"\xff" * 100), "a file is not in PEM form, or incomplete"),
        (lambda files: TlsFiles(files.key.parent).write_key(files.authority.issue_cert("x")), "does not belong"),
        (encrypt, "the key is encrypted; store it without a passphrase"),
    ],
)
def test_files_that_cannot_be_used_are_refused_with_the_reason(files, spoil, error):
    spoil(files)
    with pytest.raises(ConfigError) as caught:
        Certificate(files.certificate, files.key)
    assert error in str(caught.value)
    assert "settings gateway.tls_cert" in str(caught.value)
