"""Every command of the command line, with the operation of `/api/v1` that reads or does the same, or the reason why none does."""

NEPSE = "nepse "  # each command below it is a call of the service nepse, but for those of `REASONS`

COMMANDS = {
    "status": "status",
    "stats": "stats",
    "top": "stats",
    "check": "check",
    "ping": "ping",
    "sub": "events",
    "pub": "topics.publish",
    "last": "last",
    "replay": "ticks",
    "bars": "bars",
    "topics ls": "topics.list",
    "topics rm": "topics.remove",
    "positions ls": "positions.list",
    "positions rm": "positions.remove",
    "task call": "calls.make",
    "task cancel": "tasks.cancel",
    "task ls": "tasks.list",
    "task post": "tasks.post",
    "task result": "tasks.show",
    "schedule ls": "schedules.list",
    "schedule show": "schedules.list",
    "schedule pause": "schedules.pause",
    "schedule resume": "schedules.resume",
    "schedule rm": "schedules.remove",
    "schedule run": "schedules.run",
    "schedule calendar ls": "calendars.list",
    "schedule calendar rm": "calendars.remove",
    "schedule calendar update": "calendars.set",
    "dead ls": "dead.list",
    "dead show": "tasks.show",
    "dead retry": "dead.retry",
    "dead drop": "dead.drop",
    "feeds ls": "feeds.list",
    "feeds symbols": "feeds.list",
    "feeds add": "feeds.add_symbols",
    "feeds remove": "feeds.remove_symbols",
    "workers ls": "workers.list",
    "workers drain": "workers.drain",
    "workers restart": "workers.drain",
    "scale": "services.scale",
    "displays create": "displays.create",
    "displays ls": "displays.list",
    "displays remove": "displays.remove",
    "displays show": "last",
    "displays stats": "displays.list",
    "displays watch": "events",
    "config get": "config.get",
    "config diff": "config.get",
    "config history": "config.history",
    "config revert": "config.revert",
    "config set": "config.set",
    "config unset": "config.set",
    "key check": "key",
    "key reload": "keys.reload",
    "bridge status": "bridges.list",
}

STARTS = "it starts or stops processes of the machine"
FILES = "it reads or writes files of the machine where it runs"
SECRETS = "it handles files of secret keys, which do not leave the machine"
MEASURES = "it is a measurement, or a judgement of a program, that it starts itself"

REASONS = {
    **dict.fromkeys(
        ("up", "down", "reload", "broker", "feed", "derive", "worker", "scaler", "bridge nats", "sim nepse", "sim venue"), STARTS
    ),
    **dict.fromkeys(("workers add", "workers remove"), STARTS),
    **dict.fromkeys(("service install", "service programs", "service status", "service uninstall"), STARTS),
    **dict.fromkeys(("journal export", "journal info", "journal ls", "journal verify", "query", "doctor", "completion"), FILES),
    **dict.fromkeys(("nepse archive", "nepse archiver"), FILES),
    **dict.fromkeys(("key list", "key new", "key revoke", "key rotate", "key rotate-broker", "key show"), SECRETS),
    **dict.fromkeys(("gateway token list", "gateway token new", "gateway token revoke"), SECRETS),
    **dict.fromkeys(("bench tasks", "bench ticks", "latency"), MEASURES),
    **dict.fromkeys(("conform client", "conform feed", "conform subscriber", "conform worker"), MEASURES),
}
