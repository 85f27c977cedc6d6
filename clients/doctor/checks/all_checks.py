"""The list of all checks, in the order of the table. Pure."""

from collections.abc import Callable, Iterator

from hulak.clients.doctor.checks import installation, machine
from hulak.clients.doctor.checks.facts import DoctorFacts
from hulak.clients.doctor.checks.result import CheckResult

CHECKS: tuple[Callable[[DoctorFacts], Iterator[CheckResult]], ...] = (
    installation.versions,
    installation.settings,
    installation.home,
    installation.file_system,
    machine.disk,
    installation.addresses,
    machine.clock,
    machine.limits,
    machine.kernel,
    machine.memory,
    machine.shared_memory,
)


def examine(facts: DoctorFacts) -> list[CheckResult]:
    """Return the results of all checks."""
    return [result for check in CHECKS for result in check(facts)]
