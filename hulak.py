"""Where every entry point comes in: makes sure that `bus`, `workers`, `clients` and `sim` are ours.

The names are common words. Where another package of the same name comes first on the import path, or was installed over
ours, the failure would otherwise appear deep inside, as a missing module; here it is one sentence with the paths.
"""

import importlib.util
import sys
from pathlib import Path

PACKAGES = ("bus", "workers", "clients", "sim")


def hidden_packages() -> list[str]:
    """Say which of our packages another one hides or has overwritten: one sentence each, empty if none."""
    here = Path(__file__).resolve().parent
    said = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        wanted = here / name / "__init__.py"
        found = spec.origin if spec is not None else None
        if not wanted.is_file():
            said.append(f"package '{name}': {wanted} is missing: it came with Hulak, and went with another distribution")
        elif found is None or Path(found).resolve() != wanted:
            said.append(f"package '{name}' is found at {found}, Hulak's own is {wanted}: the first one hides ours")
        elif wanted.stat().st_size:  # ours are empty
            said.append(f"package '{name}': {wanted} is not Hulak's: another distribution has overwritten it")
    return said


def check_packages() -> None:
    """End the process with exit code 78 (EX_CONFIG) and a sentence if another package hides one of ours."""
    said = hidden_packages()
    if said:
        for line in said:
            print(f"hulak: {line}", file=sys.stderr)  # noqa: T201 - nothing of ours can be imported yet
        print("hulak: install Hulak again, in a virtual environment of its own, or start it elsewhere", file=sys.stderr)  # noqa: T201
        sys.exit(78)


def main() -> None:
    """Run the command line (console script `hulak`)."""
    check_packages()
    from clients.cli import main as command_line  # noqa: PLC0415 - only after the check

    command_line()


if __name__ == "__main__":
    main()
