"""The home folder of a command that was given none."""

import os
from pathlib import Path

import pytest

from hulak.bus.errors import ConfigError
from hulak.bus.process.home import default_home, is_for
from hulak.bus.process.lifecycle import make_home

OTHER = 65534


def test_home_is_the_variable_or_the_services_or_the_users_state_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("HULAK_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_home(tmp_path / "none") == Path("/state/hulak")
    assert default_home(tmp_path) == tmp_path
    monkeypatch.setenv("HULAK_HOME", "/srv/hulak")
    assert default_home(tmp_path) == Path("/srv/hulak")


def test_the_home_of_the_service_is_for_its_user_and_for_root(tmp_path):
    owner = tmp_path.stat().st_uid
    assert is_for(tmp_path, owner)
    assert is_for(tmp_path, 0)
    assert not is_for(tmp_path, OTHER)
    assert not is_for(tmp_path / "none", 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_root_starts_nothing_on_the_home_of_the_service(tmp_path):
    service, other = tmp_path / "service", tmp_path / "other"
    for home in (service, other):
        home.mkdir()
        os.chown(home, OTHER, OTHER)
    with pytest.raises(ConfigError, match=r"belongs to the service.*`runuser -u \S+ -- hulak up"):
        make_home(service, service)
    assert list(service.iterdir()) == []
    make_home(other, service)
    assert {path.name for path in other.iterdir()} == {"run", "log"}
