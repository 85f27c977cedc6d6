"""`hulak service`: Hulak as a service of systemd, or under a supervisord of the machine."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from hulak.bus.errors import BusTimeout, ConfigError, HulakError
from hulak.bus.process.load_settings import shipped
from hulak.clients.cli import service_files
from hulak.clients.cli.command import FAILED, Call, Command, print_json
from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.service_files import SYSTEM_HOME, UNIT, ServiceFile

BOOTED = Path("/run/systemd/system")  # exists where systemd runs: sd_booted(3)
START_S = 120.0  # to start or stop the service
SHOWN = ("LoadState", "ActiveState", "SubState", "UnitFileState", "MainPID", "NRestarts", "StatusText", "FragmentPath")
scope = click.option(
    "--system/--user", "system", default=None, help="The service of the machine, or of this user; as root --system by default."
)


@click.group(
    cls=Group,
    short_help="Run Hulak as a service of systemd.",
    epilog=examples("hulak service install --system", "hulak service status", "hulak service uninstall"),
)
def service() -> None:
    """Install, show and remove the systemd service; or print the programs for a supervisord of yours."""


@service.command(
    cls=Command,
    short_help="Install and start the service.",
    timeout_help=f"Seconds to wait for the start; {START_S:g} by default.",
    epilog=examples("hulak service install", "hulak service install --user", "hulak service install --system --dry-run"),
)
@scope
@click.option("--dry-run", is_flag=True, help="Print the files; write nothing.")
@click.option("--no-start", is_flag=True, help="Write and enable the unit; do not start it.")
@click.option("--python", metavar="FILE", help="Interpreter of the service that has Hulak installed; this one by default.")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the files of a package below DIR, at /usr/lib and /etc; call nothing.",
)
def install(call: Call, system: bool | None, dry_run: bool, no_start: bool, python: str | None, root: Path | None) -> None:
    """Write the unit of systemd, enable and start it.

    The system service runs as user hulak on home /var/lib/hulak, with settings in /etc/hulak/hulak.toml, and starts at boot. The
    one of a user runs as the user on --home. An existing settings file is kept. Sends nothing to the broker.
    """
    system = _is_system(system) or root is not None
    python = _absolute(python)
    if system and call.named and call.home != SYSTEM_HOME:
        raise ConfigError(
            f"home {call.home} is not {SYSTEM_HOME}, which a system service has; to use another disk, mount it there; "
            "else leave out --home, and unset HULAK_HOME"
        )
    files = _files(call, python, system=system, packaged=root is not None)
    if dry_run:
        _print_files(call, files)
        with contextlib.suppress(OSError):  # the files are for another machine
            if system and root is None and (hidden := _hidden(python)):
                click.echo(f"hulak: here this unit would not start: {hidden}", err=True)
        return
    if root is not None:
        _write([ServiceFile(_below(root, row.path), row.text, row.mode, row.keep) for row in files])
        _report(call, {"installed": [str(row.path) for row in files]}, f"files of the service are below {root}")
        return
    _refuse_impossible(system=system)
    if system and (hidden := _hidden(python)):
        raise ConfigError(f"{hidden}; install Hulak for all users, such as in /opt/hulak, or use `hulak service install --user`")
    _write(files)
    if system:
        _run(["systemd-sysusers"])
        shutil.chown(service_files.SETTINGS, "root", "hulak")
    _systemctl(call, system, "daemon-reload")
    runs = _show(system)["ActiveState"] == "active"
    _systemctl(call, system, "enable", *([] if no_start else ["--now"]), UNIT)
    _report(call, {"installed": [str(row.path) for row in files], "was_running": runs}, _installed_text(system, runs, no_start))


def _installed_text(system: bool, runs: bool, no_start: bool) -> str:
    ctl = f"systemctl{'' if system else ' --user'}"
    if runs:
        return f"service installed; it runs with its former unit until `{ctl} restart hulak`"
    if no_start:
        return f"service installed and enabled; start it with `{ctl} start hulak`"
    log = f"journalctl{'' if system else ' --user'} -u hulak"
    more = "" if system else "; `loginctl enable-linger` keeps it running after you log out"
    return f"service installed and started; `hulak service status` shows it, `{log}` its log{more}"


@service.command(
    cls=Command,
    short_help="Show the state of the service.",
    epilog=examples("hulak service status", "hulak service status --user --json"),
)
@scope
@click.pass_context
def status(ctx: click.Context, call: Call, system: bool | None) -> None:
    """Show whether the service is installed, enabled and running, and what it reports of itself.

    The exit code is 0 if it runs, else 1.
    """
    system = _is_system(system)
    _refuse_impossible(system=system, root=False)
    shown = _show(system)
    if call.as_json:
        print_json({**shown, "scope": "system" if system else "user"})
    elif shown["LoadState"] == "not-found":
        click.echo("the service is not installed; `hulak service install` does it")
    else:
        click.echo(f"unit    {shown['FragmentPath']}, {shown['UnitFileState'] or 'not enabled'}")
        click.echo(
            f"state   {shown['ActiveState']} ({shown['SubState']}), process {shown['MainPID']}, {shown['NRestarts']} restarts"
        )
        if shown["StatusText"]:
            click.echo(f"health  {shown['StatusText']}")
    ctx.exit(0 if shown["ActiveState"] == "active" else FAILED)


@service.command(
    cls=Command,
    short_help="Stop and remove the service.",
    timeout_help=f"Seconds to wait for the stop; {START_S:g} by default.",
    epilog=examples("hulak service uninstall", "hulak service uninstall --user"),
)
@scope
def uninstall(call: Call, system: bool | None) -> None:
    """Stop the service, and remove its unit. Home folder, settings and user stay: they hold your data."""
    system = _is_system(system)
    _refuse_impossible(system=system)
    shown = _show(system)
    if shown["LoadState"] == "not-found":
        _report(call, {"removed": []}, "the service is not installed")
        return
    unit, files = Path(shown["FragmentPath"]), _files(call, sys.executable, system=system)
    is_ours = unit in [row.path for row in files] and service_files.MARK in unit.read_text(encoding="utf-8").partition("\n")[0]
    if not is_ours:
        raise HulakError(f"unit {unit} was not written by `hulak service install`; remove it with the package that it came with")
    _systemctl(call, system, "disable", "--now", UNIT)
    removed = [row.path for row in files if not row.keep and row.path.exists()]
    for path in removed:
        path.unlink()
    _systemctl(call, system, "daemon-reload")
    kept = f"{SYSTEM_HOME}, {service_files.SETTINGS.parent} and user hulak" if system else f"home {call.home}"
    _report(call, {"removed": [str(path) for path in removed]}, f"service stopped and removed; {kept} stay")


@service.command(
    cls=Command,
    short_help="Print the programs for a supervisord of yours.",
    epilog=examples("hulak service programs --socket /run/supervisor.sock --run-as hulak"),
)
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    default=Path("/run/supervisor.sock"),
    show_default=True,
    metavar="FILE",
    help="Socket of that supervisord: `file` of its [unix_http_server].",
)
@click.option("--run-as", metavar="USER", help="User of the programs; that of supervisord by default.")
@click.option("--python", metavar="FILE", help="Interpreter that has Hulak installed; this one by default.")
@click.option("--demo", is_flag=True, help="Also the simulated venue and the simulated exchange.")
def programs(call: Call, socket: Path, run_as: str | None, python: str | None, demo: bool) -> None:
    """Print a file with Hulak's programs for [include] of an existing supervisord, which keeps its socket, log and pid file.

    Start and stop the programs with `supervisorctl`; `hulak up` and `hulak down` refuse to touch them. The feed starts if [feed]
    url is set. Sends nothing.
    """
    from hulak.clients import supervisord
    from hulak.clients.cli.supervisor_programs import programs as written

    if not socket.is_absolute():
        raise ConfigError(f"socket {socket} must be an absolute path")
    text = written(
        shipped("supervisord.conf").read_text(encoding="utf-8"),
        home=call.home,
        python=_absolute(python),
        socket=socket,
        switches=supervisord.switches_of(call.settings, demo=demo),
        variables={
            **({"HULAK_CONFIG": str(call.file.absolute())} if call.file else {}),
            **(supervisord.demo_variables(call.settings) if demo else {}),
        },
        user=run_as or "",
    )
    if call.as_json:
        print_json({"text": text})
    else:
        click.echo(text, nl=False)


def _files(call: Call, python: str, *, system: bool, packaged: bool = False) -> list[ServiceFile]:
    if system:
        return service_files.system_files(python, packaged=packaged)
    config = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return service_files.user_files(python, call.home, config / "systemd" / "user")


def _is_system(given: bool | None) -> bool:
    return os.geteuid() == 0 if given is None else given


def _refuse_impossible(*, system: bool, root: bool = True) -> None:
    """Check that systemd runs here, and that this user may change its units.

    Raises:
        HulakError: it does not, or may not.
    """
    if not BOOTED.exists() or shutil.which("systemctl") is None:
        raise HulakError(
            "systemd does not run on this machine; start Hulak with `hulak up --detach`, or under your own supervisor"
        )
    if system and root and os.geteuid() != 0:
        raise HulakError("only root may change the service of the machine; use sudo, or `--user` for a service of your own")


def _absolute(python: str | None) -> str:
    if python and not Path(python).is_absolute():
        raise ConfigError(f"interpreter {python} must be an absolute path, such as {sys.executable}")
    return python or sys.executable


def _hidden(python: str) -> str:
    """Return why the service's user cannot read what it needs; empty if it can."""
    return next(filter(None, map(service_files.hidden_part, _needed(python))), "")


def _needed(python: str) -> list[Path]:
    """Return the paths that the service's user must be able to read."""
    return [Path(python), Path(python).resolve(), shipped("hulak.toml")]


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _write(files: Sequence[ServiceFile]) -> None:
    for row in files:
        row.path.parent.mkdir(parents=True, exist_ok=True)
        if row.keep and row.path.exists():
            continue
        new = row.path.with_name(row.path.name + ".new")
        new.write_text(row.text, encoding="utf-8")
        new.chmod(row.mode)
        new.replace(row.path)


def _print_files(call: Call, files: Sequence[ServiceFile]) -> None:
    if call.as_json:
        print_json({"files": [{"path": str(row.path), "mode": f"{row.mode:04o}", "text": row.text} for row in files]})
        return
    for row in files:
        click.echo(f"# {row.path}, mode {row.mode:04o}{', unless it exists' if row.keep else ''}\n{row.text}")


def _report(call: Call, values: dict[str, object], text: str) -> None:
    if call.as_json:
        print_json(values)
    else:
        click.echo(text)


def _show(system: bool) -> dict[str, str]:
    words = ["systemctl", *([] if system else ["--user"]), "show", UNIT, f"--property={','.join(SHOWN)}"]
    lines = dict(line.partition("=")[::2] for line in _run(words).splitlines())
    return {name: lines.get(name, "") for name in SHOWN}


def _systemctl(call: Call, system: bool, *words: str) -> None:
    try:
        _run(["systemctl", *([] if system else ["--user"]), *words], call.timeout_s or START_S)
    except HulakError as error:
        raise HulakError(f"{error}; see `journalctl{'' if system else ' --user'} -u hulak`") from error


def _run(words: Sequence[str], timeout_s: float = START_S) -> str:
    """Run a program of systemd; returns its output.

    Raises:
        HulakError: it failed.
        BusTimeout: it did not end in time.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise HulakError(f"{words[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise BusTimeout(f"`{' '.join(words)}` did not end within {timeout_s:g} s; it goes on in the background") from error
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip() and not line.startswith("Created ")]
        raise HulakError(f"`{' '.join(words)}` failed: {lines[0] if lines else f'exit code {done.returncode}'}")
    return done.stdout
