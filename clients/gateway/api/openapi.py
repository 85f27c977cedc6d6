"""The OpenAPI 3.1 document of `/api/v1`, and a page that lists it, made of the table that routes the requests. Pure."""

import html
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from hulak.bus.core.control_arguments import TaskId
from hulak.bus.version import VERSION
from hulak.clients.gateway.api.commands import COMMANDS
from hulak.clients.gateway.api.operation import BASE, Operation
from hulak.clients.gateway.api.operations import BY, EVENTS, OPERATIONS
from hulak.clients.gateway.api.problems import MEDIA
from hulak.clients.json_text import to_json

ABOUT = (
    "The reads and changes of the command line of Hulak, as JSON. Whole numbers are exact. Epochs and sequences are below 2^53; "
    "times in ns and whole numbers of programs need a decoder with 64 bits. NaN and infinity become null, bytes become "
    "hexadecimal text. Errors are problems of RFC 9457, with the code of the bus in `code`. A token is sent as "
    "`Authorization: Bearer`; the owner of the gateway needs none on the loopback while no token was made."
)
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "one sentence: the value seen, and the value wanted"},
        "code": {"type": "string", "description": "PROTOCOL.md section 8", "examples": ["BAD_ARGUMENT"]},
    },
}
TASK = {"type": "string", "pattern": "^[0-9a-fA-F]{32}$", "description": "32 hexadecimal digits"}


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the schema of an argument's type, in the dialect of JSON Schema 2020-12."""
    if kind is TaskId:
        return TASK
    schema: dict[str, Any] = _plain(msgspec.json.schema(kind))
    options = [
        option for option in schema.get("anyOf", ()) if option != {"type": "null"}
    ]  # an argument without value is left out
    if len(options) == 1:
        named = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
        return {**options[0], **named}
    return schema


def _plain(value: Any) -> Any:
    """Replace the anchors of Python's expressions by those of ECMA 262."""
    if isinstance(value, dict):
        return {name: _pattern(item) if name == "pattern" else _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _pattern(text: str) -> str:
    return text.replace(r"\A", "^").replace(r"\Z", "$")


def _arguments(operation: Operation) -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """Yield name, whether it is required, and schema of each argument."""
    for field in msgspec.structs.fields(operation.args):
        if field.encode_name != BY:
            yield field.encode_name, field.required, schema_of(field.type)


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    for name, required, schema in _arguments(operation):
        place = "path" if name in operation.in_path else "query"
        if place == "query" and operation.has_body:
            continue
        parameter = {"name": name, "in": place, "required": required or place == "path", "schema": schema}
        if name in operation.example:
            parameter["example"] = operation.example[name]
        parameters.append(parameter)
    if operation.name == "tasks.post":
        text = "a name for the task, as the argument key"
        parameters.append({"name": "Idempotency-Key", "in": "header", "description": text, "schema": {"type": "string"}})
    if operation is EVENTS:
        text = "the id of the last event that the client has"
        parameters.append({"name": "Last-Event-ID", "in": "header", "description": text, "schema": {"type": "string"}})
    return parameters


def _body(operation: Operation) -> dict[str, Any]:
    members = [(name, required, schema) for name, required, schema in _arguments(operation) if name not in operation.in_path]
    if not operation.has_body or not members:
        return {}
    required = [name for name, is_required, _ in members if is_required]
    schema = {"type": "object", "properties": {name: schema for name, _, schema in members}, "additionalProperties": False}
    if required:
        schema["required"] = required
    example = {name: value for name, value in operation.example.items() if name not in operation.in_path}
    return {"requestBody": {"required": bool(required), "content": {"application/json": {"schema": schema, "example": example}}}}


def _described(operation: Operation) -> dict[str, Any]:
    commands = [f"hulak {command}" for command, name in COMMANDS.items() if name == operation.name]
    service = f" Control service: {operation.service}." if operation.service else ""
    like = f" As {', '.join(commands)}." if commands else ""
    media = "text/event-stream" if operation is EVENTS else "application/json"
    problem = {"description": "a problem", "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    done = {
        "description": operation.status.phrase,
        "content": {media: {"schema": {"type": "string"} if operation is EVENTS else {}}},
    }
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"Role: {operation.need}.{service}{like}{f' {operation.detail}' if operation.detail else ''}",
        "tags": [operation.name.partition(".")[0]],
        "parameters": _parameters(operation),
        **_body(operation),
        "responses": {str(operation.status.value): done, "default": problem},
    }


@cache
def document() -> bytes:
    """Return the document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in (*OPERATIONS, EVENTS):
        paths.setdefault(BASE + operation.path, {})[operation.method.lower()] = _described(operation)
    schemes = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "a token of `hulak gateway token new`"},
        "login": {"type": "apiKey", "in": "cookie", "name": "hulak-5570", "description": "of POST /login; by the gateway's port"},
    }
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Hulak", "version": VERSION, "summary": "The HTTP interface of the gateway", "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"login": []}, {}],
        "paths": paths,
        "components": {"schemas": {"Problem": PROBLEM}, "securitySchemes": schemes},
    }
    return to_json(whole).encode()


@cache
def page() -> str:
    """Return a page that lists the operations."""
    rows = "".join(
        f"<tr><td>{operation.method}<td><code>{html.escape(BASE + operation.path)}</code><td>{html.escape(operation.summary)}"
        f"<td>{operation.need}<td>{html.escape(', '.join(name for name, _, _ in _arguments(operation)))}"
        for operation in (*OPERATIONS, EVENTS)
    )
    style = "body{font:15px sans-serif;margin:2em}td,th{text-align:left;padding:.2em 1em .2em 0;vertical-align:top}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Hulak: {BASE}</title><style>{style}</style>'
        f"<h1>{BASE}</h1><p>{html.escape(ABOUT)}</p><p>OpenAPI: <code>{BASE}/openapi.json</code></p>"
        f"<table><tr><th>method<th>path<th>summary<th>role<th>arguments{rows}</table></html>"
    )
