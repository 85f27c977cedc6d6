"""The certificate is checked, and a file of trusted certificates can replace the default ones."""

import http.server
import shutil
import ssl
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from hulak.bus.errors import ConfigError, TaskFailed
from hulak.workers.nepse.faults import HttpRequest
from hulak.workers.nepse.http import HttpFetch, check_ca_file


@dataclass
class Settings:
    base_url: str
    ca_file: Path | None
    rate_per_s: float = 1e6
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 10.0
    cache_s: float = 0.0


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """Serve HTTPS on loopback; yields the URL and the PEM file of its own certificate."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    make = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {certificate}"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, *make.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    server.handle_error = lambda *_: None  # the refused handshake is what a test wants
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}", certificate
    server.shutdown()
    server.server_close()


def test_an_untrusted_certificate_is_a_tls_error_that_names_the_setting(secured):
    url, _ = secured
    with pytest.raises(TaskFailed, match=r"nepse\.ca_file") as caught:
        HttpFetch(Settings(url, None))(HttpRequest("GET", "/"))
    assert caught.value.code == "TLS"
    assert not caught.value.retryable


def test_a_file_of_trusted_certificates_overrides_the_environment(secured, monkeypatch, tmp_path):
    url, certificate = secured
    empty = tmp_path / "empty.pem"
    empty.touch()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(empty))
    assert HttpFetch(Settings(url, certificate))(HttpRequest("GET", "/")).status == 200


def test_a_missing_file_of_certificates_is_refused_before_anything_is_sent(tmp_path):
    with pytest.raises(ConfigError, match=r"nepse\.ca_file"):
        HttpFetch(Settings("https://127.0.0.1:1", tmp_path / "missing.pem"))


def test_a_file_without_certificates_is_refused_at_the_start(tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate", encoding="ascii")
    with pytest.raises(ConfigError, match=r"setting nepse.ca_file is '.*broken.pem', must be a file of PEM certificates"):
        HttpFetch(Settings("https://127.0.0.1", broken))
    with pytest.raises(ConfigError, match="No such file or directory"):
        check_ca_file(tmp_path / "missing.pem")
    check_ca_file(None)
