"""A service whose task does nothing: what `hulak bench tasks` has its workers offer."""

from hulak.workers.tasks import task

SERVICE, ACTION = "bench", "noop"


@task(SERVICE, ACTION)
def noop(n: int, note: str) -> int:
    """Give a task's number back; the note makes its argument as long as a small task's is."""
    del note
    return n
