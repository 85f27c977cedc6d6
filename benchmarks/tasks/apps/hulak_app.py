"""The module of `hulak worker benchmark --module benchmarks.tasks.apps.hulak_app`."""

from benchmarks.tasks import work
from hulak.workers.tasks import task


@task("benchmark", "noop")
def noop(n: int, note: str) -> int:
    """Run a task."""
    return work.noop({"n": n, "note": note})
