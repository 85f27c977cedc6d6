"""The files of the systemd service, from the templates in etc/systemd: paths, texts and modes. Pure but for the templates."""

from dataclasses import dataclass
from pathlib import Path

from hulak.bus.process.load_settings import shipped

UNIT = "hulak.service"
SYSTEM_HOME = Path("/var/lib/hulak")  # as StateDirectory= of the unit
SETTINGS = Path("/etc/hulak/hulak.toml")
MARK = "written by `hulak service install"  # in the first line of each unit that `uninstall` may remove
PRIVATE, PUBLIC = 0o640, 0o644


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """A file to install."""

    path: Path  # absolute
    text: str
    mode: int = PUBLIC
    keep: bool = False  # an existing one is the operator's, and stays


def system_files(python: str, *, packaged: bool = False) -> list[ServiceFile]:
    """Return the files of the system service.

    Args:
        python: the interpreter of the service; absolute.
        packaged: at the places for files of packages, below /usr/lib, not those for files of the administrator, below /etc.
    """
    units, users = ("/usr/lib/systemd/system", "/usr/lib/sysusers.d") if packaged else ("/etc/systemd/system", "/etc/sysusers.d")
    return [
        ServiceFile(Path(users) / "hulak.conf", _filled("hulak.sysusers", python, SYSTEM_HOME)),
        ServiceFile(SETTINGS, _filled("hulak.toml", python, SYSTEM_HOME), PRIVATE, keep=True),
        ServiceFile(Path(units) / UNIT, _filled("hulak.service", python, SYSTEM_HOME)),
    ]


def user_files(python: str, home: Path, folder: Path) -> list[ServiceFile]:
    """Return the files of the service of one user.

    Args:
        python: the interpreter of the service; absolute.
        home: its folder; absolute.
        folder: the folder of the user's units, ~/.config/systemd/user.
    """
    return [ServiceFile(folder / UNIT, _filled("hulak-user.service", python, home))]


def _filled(name: str, python: str, home: Path) -> str:
    text = shipped(f"systemd/{name}").read_text(encoding="utf-8")
    if name.endswith(".service"):
        return text.replace("@COMMAND@", f"{unit_word(python)} -P -m hulak").replace("@HOME@", unit_word(str(home)))
    return text.replace("@HOME@", str(home)).replace("@SETTINGS@", str(shipped("hulak.toml")))


def unit_word(text: str) -> str:
    """Quote a path for a command line of a unit, where %, $, quotes and spaces have a meaning: systemd.service(5)."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return plain if plain == text and not any(character.isspace() or character in "';#" for character in text) else f'"{plain}"'


def hidden_part(path: Path, status: "dict[Path, int] | None" = None) -> str:
    """Return why the service's user cannot read a path; empty if it can.

    Args:
        path: absolute.
        status: modes of folders, for tests; read from the disk if None.
    """
    for place in ("/home", "/root", "/run/user", "/tmp", "/var/tmp"):  # noqa: S108 - named, not used
        if path.is_relative_to(place):
            return f"{path} lies below {place}, which the service does not see"
    for folder in reversed(path.parents):
        mode = folder.stat().st_mode if status is None else status.get(folder, 0o755)
        if not mode & 0o001:
            return f"{path} lies in {folder}, which other users cannot enter"
    return ""
