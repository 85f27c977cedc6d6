"""A posted task with all that is known of it, as lines for people."""

from typing import Any

from hulak.clients.cli import table

LEFT_OUT = ("task", "trouble", "error", "kept", "runs", "args", "args_bytes", "answer_bytes", "running_s", "value")


def readable(row: dict[str, Any], task: str) -> dict[str, Any]:
    """Return a task of `hulak.task.show` for people: its id first, times in the local zone, one line per attempt."""
    lines: dict[str, Any] = {"task": task}
    for name, value in row.items():
        if name.endswith("_ns"):
            lines[name.removesuffix("_ns")] = None if value is None else table.moment(value)
        elif name == "retried_as":
            lines["retried as"] = value and bytes(value).hex()
        elif name not in LEFT_OUT:
            lines[name] = value
    args = row.get("args")
    lines["arguments"] = f"{row.get('args_bytes', 0)} bytes, not shown" if args is None else args
    if row.get("running_s") is not None:
        lines["running for"] = f"{row['running_s']:.3g} s"
    if "value" in row:
        lines["result"] = row["value"]
    return {**lines, **_failure(row), **_runs(row)}


def _failure(row: dict[str, Any]) -> dict[str, Any]:
    """Return the lines about how a task failed; none for one that has not."""
    if row["state"] == "done" or row["ended_ns"] is None:
        return {"trouble": row["trouble"]} if row["trouble"] else {}
    error = row.get("error") or {"code": "", "text": row["trouble"], "details": {}}
    details = dict(error["details"])
    troubles = details.pop("troubles", [])  # of the last attempts
    first = details.pop("attempts", len(troubles)) - len(troubles) + 1
    traceback = details.pop("traceback", "")
    lines = {"code": error["code"], "text": error["text"]}
    lines |= {f"attempt {number}": text for number, text in enumerate(troubles, first)}
    return {**lines, **({"details": details} if details else {}), **({"traceback": traceback.rstrip()} if traceback else {})}


def _runs(row: dict[str, Any]) -> dict[str, str]:
    return {
        f"run of attempt {run['attempt']}": f"{'lost' if run['run_s'] is None else format(run['run_s'], '.3g') + ' s'}"
        f" on {run['worker']}, begun after {run['after_s']:.3g} s"
        for run in row.get("runs", [])
    }
