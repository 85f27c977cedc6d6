"""Where a process runs: with a terminal, with the journal of systemd as its output, on the home of another user."""

import contextlib
import os
import pwd
from pathlib import Path

from hulak.bus.errors import ConfigError


def has_terminal() -> bool:
    """Return whether this process has a controlling terminal, whose end sends SIGHUP."""
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
        return True
    return False


def is_journal(descriptor: int) -> bool:
    """Return whether a descriptor is the journal of systemd: its device and inode are in JOURNAL_STREAM, systemd.exec(5).

    The variable alone says nothing: a terminal inherits it from the service that started it.
    """
    with contextlib.suppress(OSError):
        status = os.fstat(descriptor)
        return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
    return False


def use_runtime_folder(home: Path) -> None:
    """Link run/ of the home to RuntimeDirectory= of the unit, if there is one: sockets and locks then end with the service.

    A run/ with files stays as it is.
    """
    folder, run = os.environ.get("RUNTIME_DIRECTORY", ""), home / "run"
    if not folder or ":" in folder or not home.is_dir():
        return
    with contextlib.suppress(OSError):
        if run.is_symlink():
            run.unlink()
        elif run.exists():
            run.rmdir()
        run.symlink_to(folder)


def refuse_other_owner(home: Path) -> None:
    """Check that root does not start processes on the home of another user, whose files would then be root's.

    Raises:
        ConfigError: the home belongs to another user.
    """
    if os.geteuid() != 0 or not home.exists() or (owner := home.stat().st_uid) == 0:
        return
    name = str(owner)
    with contextlib.suppress(KeyError):
        name = pwd.getpwuid(owner).pw_name
    raise ConfigError(
        f"home {home} belongs to user {name}, and files made by root could not be written by that user; "
        f"use `systemctl start hulak`, or `runuser -u {name} -- hulak up --home {home}`"
    )
