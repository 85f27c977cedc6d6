"""Which home folder a command uses that was given none; it imports little, since every command does this."""

import os
import pwd
from pathlib import Path

SERVICE_HOME = Path("/var/lib/hulak")  # of the system service


def default_home(service: Path = SERVICE_HOME) -> Path:
    """Return the default folder of everything written.

    It is `HULAK_HOME`; else that of the system service, if there is one, for its user and for root; else the user's state folder.

    Args:
        service: the home of the system service.
    """
    if home := os.environ.get("HULAK_HOME"):
        return Path(home)
    if is_for(service, os.geteuid()):
        return service
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "hulak"


def is_for(service: Path, user: int) -> bool:
    """Return whether the home of the system service exists and is for this user: its owner, or root."""
    try:
        return user in (0, service.stat().st_uid)
    except OSError:
        return False


def user_name(number: int) -> str:
    """Return the name of a user, or the number of one without a name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
