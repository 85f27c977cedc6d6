"""The HTTP interface of the gateway, `/api/v1`: the command line's reads and changes as JSON. docs/howto/http.md.
Imported by the gateway.
Start with `operations.py`: the table that routes the requests and makes the OpenAPI document.
"""
