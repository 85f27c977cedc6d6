"""`python -m hulak.bus`: the broker, the same as `hulak broker`."""

import argparse
import sys
from pathlib import Path

from hulak.bus.broker import loop
from hulak.bus.errors import AlreadyRuns, ConfigError, PartEnded
from hulak.bus.process import lifecycle, load_settings, log
from hulak.bus.process.home import default_home


def main(home: Path | None = None, file: Path | None = None) -> int:
    """Run the broker until a signal stops it.

    Args:
        home: the folder of everything written; `HULAK_HOME` or the user's state folder if None.
        file: the settings file, if one was named.
    Returns:
        the exit code: 0 after an orderly stop, 1 if one runs on this home already, 78 for a refused setting, 70 if a part of the
        broker ended by an error.
    """

    try:
        where = home or default_home()
        settings = load_settings.load(where, file)
        lifecycle.make_home(where)
        lifecycle.raise_file_limit()
        stop = lifecycle.Stop()
        lifecycle.end_with_supervisor()
        logger = log.set_up(settings.log, process="broker")
        with lifecycle.only_one(where / "run" / "broker.lock", "a broker"):
            broker = loop.Broker(settings, where, stop, logger)
            lifecycle.on_reload(lambda: _reload(broker, where, file))
            broker.run()
    except ConfigError as error:
        print(f"hulak: {error}", file=sys.stderr)  # noqa: T201 - the message for the user
        return 78
    except AlreadyRuns as error:
        print(f"hulak: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except PartEnded as error:
        print(f"hulak: {error}", file=sys.stderr)  # noqa: T201
        return 70
    return 0


def _reload(broker: loop.Broker, home: Path, file: Path | None) -> None:
    try:
        broker.config.reload(load_settings.load(home, file))
    except ConfigError as error:
        broker.log.error("settings not reloaded", why=str(error))  # noqa: TRY400 - a wrong file is no bug
    else:
        broker.log.info("settings reloaded")


if __name__ == "__main__":
    about = "Run the broker of HULAK_HOME until a signal stops it. `hulak broker` takes options."
    argparse.ArgumentParser(prog="python -m hulak.bus", description=about).parse_args()
    sys.exit(main())
