"""The table of the HTTP interface: it has every control service and every command, or says why not."""

import json

import click
import msgspec
import pytest

from hulak.bus.broker.control_services import SERVICES
from hulak.bus.core.control_requests import NoArguments
from hulak.bus.core.security import needs
from hulak.clients import cli
from hulak.clients.gateway.api import openapi
from hulak.clients.gateway.api.commands import COMMANDS, NEPSE, REASONS
from hulak.clients.gateway.api.operation import BASE
from hulak.clients.gateway.api.operations import EVENTS, NOT_SERVED, OPERATIONS
from hulak.clients.gateway.api.request_reader import arguments_of
from hulak.clients.gateway.tokens import Role

ALL = (*OPERATIONS, EVENTS)
CHANGES = (needs.controller, needs.poster, needs.canceller)  # rules of services that change something


def commands(group, words=()):
    """Yield the words of each command below a group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name))


def test_each_command_has_an_operation_or_a_reason():
    known = set(commands(next(value for value in vars(cli).values() if isinstance(value, click.Group))))
    tabled = COMMANDS.keys() | REASONS.keys()
    assert {command for command in known - tabled if not command.startswith(NEPSE)} == set()
    assert tabled - known == set(), "no such command"
    assert COMMANDS.keys() & REASONS.keys() == set()
    assert set(COMMANDS.values()) <= {operation.name for operation in ALL}


def test_each_control_service_has_an_operation_with_its_arguments_or_a_reason():
    served = {operation.service: operation for operation in OPERATIONS if operation.service}
    assert served.keys() | NOT_SERVED.keys() == SERVICES.keys()
    assert served.keys() & NOT_SERVED.keys() == set()
    for service, operation in served.items():
        assert operation.args in (SERVICES[service].args, NoArguments), service


@pytest.mark.parametrize("operation", [operation for operation in OPERATIONS if operation.service], ids=lambda of: of.name)
def test_what_changes_something_needs_the_role_operate(operation):
    changes = SERVICES[operation.service].needs in CHANGES or operation.method != "GET"
    assert operation.need is (Role.OPERATE if changes else Role.VIEW)


@pytest.mark.parametrize("operation", ALL, ids=lambda of: of.name)
def test_each_example_is_allowed(operation):
    example = dict(operation.example)
    path = {name: str(example.pop(name)) for name in operation.in_path}
    if operation.has_body:
        assert arguments_of(operation.args, path, (), example) == {**operation.example, **_task(path)}
    else:
        query = [(name, str(part)) for name, value in example.items() for part in (value if isinstance(value, list) else [value])]
        arguments_of(operation.args, path, query, {})


def _task(path):
    return {"task": bytes.fromhex(path["task"])} if "task" in path else {}


def test_names_and_paths_are_unique():
    assert len({operation.name for operation in ALL}) == len(ALL)
    assert len({(operation.method, operation.path) for operation in ALL}) == len(ALL)
    for operation in ALL:
        known = {field.encode_name for field in msgspec.structs.fields(operation.args)}
        assert set(operation.in_path) <= known, operation.name


def test_the_document_has_each_operation_with_schemas_that_any_language_reads():
    text = openapi.document().decode()
    document = json.loads(text)
    assert document["openapi"] == "3.1.0"
    assert r"\\A" not in text
    assert r"\\Z" not in text
    described = {
        (method.upper(), path): operation for path, methods in document["paths"].items() for method, operation in methods.items()
    }
    assert described.keys() == {(operation.method, BASE + operation.path) for operation in ALL}
    post = described["POST", f"{BASE}/tasks"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["service"]
    assert schema["properties"]["retries"]["type"] == "integer"
    assert {parameter["name"] for parameter in post["parameters"]} == {"Idempotency-Key"}
    assert "by" not in described["PATCH", f"{BASE}/config"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    (task,) = described["POST", f"{BASE}/tasks/{{task}}/cancel"]["parameters"]
    assert (task["in"], task["required"], task["schema"]["pattern"]) == ("path", True, "^[0-9a-fA-F]{32}$")


def test_the_page_lists_each_operation():
    page = openapi.page()
    assert [operation.path for operation in ALL if f"<code>{BASE}{operation.path}</code>" not in page] == []
