"""A service whose task does nothing, for `hulak bench tasks`."""

from hulak.workers.tasks import task

SERVICE, ACTION = "bench", "noop"


@task(SERVICE, ACTION)
def noop(n: int, note: str) -> int:
    """Return a task's number; the note makes its arguments as long as those of a small task."""
    del note
    return n
