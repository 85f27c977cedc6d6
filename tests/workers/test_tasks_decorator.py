"""`@task`: functions of the user's own as actions."""

import sys

import pytest

from hulak.bus.errors import ConfigError, TaskFailed
from hulak.workers import tasks


@pytest.fixture(autouse=True)
def _none_registered(monkeypatch):
    monkeypatch.setattr(tasks, "REGISTERED", {})


def test_a_function_is_called_with_the_arguments_by_their_names_and_stays_a_function():
    @tasks.task("sums", "add")
    def add(a, b=2):
        return a + b

    assert tasks.REGISTERED["sums"]["add"]({"a": 1}) == 3
    assert add(5, 6) == 11


@pytest.mark.parametrize("args", [{}, {"a": 1, "c": 2}])
def test_arguments_that_do_not_fit_are_refused_with_the_signature(args):
    @tasks.task("sums", "add")
    def add(a, b=2):
        return a + b

    with pytest.raises(TaskFailed, match=r"add\(a, b=2\)") as failed:
        tasks.REGISTERED["sums"]["add"](args)
    assert failed.value.code == "BAD_ARGUMENT"


def test_an_error_inside_the_function_is_not_taken_for_a_wrong_argument():
    @tasks.task("sums", "add")
    def add():
        raise TypeError("inside")

    with pytest.raises(TypeError, match="inside"):
        tasks.REGISTERED["sums"]["add"]({})


@pytest.mark.parametrize(("service", "action"), [("", "a"), ("s", ""), ("hulak.x", "a"), ("mmi.x", "a")])
def test_names_that_are_none_or_the_brokers_are_refused(service, action):
    with pytest.raises(ConfigError):
        tasks.task(service, action)


def test_an_action_that_is_there_twice_is_refused():
    tasks.task("s", "a")(lambda: 1)
    with pytest.raises(ConfigError, match="twice"):
        tasks.task("s", "a")(lambda: 2)


def test_a_module_in_the_current_folder_is_found_behind_everything_else(tmp_path, monkeypatch):
    (tmp_path / "my_sums.py").write_text("from hulak import task\n\n\n@task('sums', 'one')\ndef one():\n    return 1\n")
    (tmp_path / "bus.py").write_text("raise RuntimeError('this hides nothing')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert tasks.load("my_sums", "sums")["one"]({}) == 1
    with pytest.raises(ConfigError, match="no @task of service 'other'"):
        tasks.load("my_sums", "other")
    with pytest.raises(ConfigError, match="cannot be imported"):
        tasks.load("no_such_module", "sums")
    sys.modules.pop("my_sums")
