"""`python -m hulak.workers SERVICE`: one worker process, the same as `hulak worker SERVICE`."""

import argparse
import sys
from pathlib import Path

from hulak.bus.errors import ConfigError
from hulak.bus.process import load_settings
from hulak.bus.process.home import default_home
from hulak.workers.services import run_worker


def main(arguments: list[str] | None = None) -> int:
    """Run a worker until it is retired or stopped.

    Args:
        arguments: of the command line; the process's own if None.
    Returns:
        the exit code: see `run_worker`; 78 for an invalid setting.
    """

    parser = argparse.ArgumentParser(prog="python -m hulak.workers", description="Run one worker of a service, such as nepse.")
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument("--name", help="unique among living workers; default: the supervisor's slot and the pid")
    parser.add_argument("--module", help="your Python module with functions decorated by workers.tasks.task")
    parser.add_argument(
        "--credit", type=int, help="tasks held at a time, for a module's service; default: depends on their duration"
    )
    parser.add_argument("--home", type=Path, default=default_home(), help="the broker's folder; default: HULAK_HOME")
    parser.add_argument("--config", type=Path, help="settings file; default: HULAK_CONFIG")
    given = parser.parse_args(arguments)
    try:
        home = given.home.absolute()
        return run_worker(
            load_settings.load(home, given.config), home, given.service, given.name, module=given.module, credit=given.credit
        )
    except ConfigError as error:
        print(f"hulak: {error}", file=sys.stderr)  # noqa: T201 - for the user
        return 78


if __name__ == "__main__":
    sys.exit(main())
