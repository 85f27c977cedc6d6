"""`hulak derive`: makes topics of ticks."""

import click

from hulak.clients.cli.command import Call, Command
from hulak.clients.cli.help_text import examples


@click.command(
    cls=Command,
    daemon=True,
    short_help="Make bars, conflated ticks and states of ticks.",
    epilog=examples("hulak derive", "HULAK_DERIVE__BARS=1s,1m hulak derive"),
)
@click.pass_context
def derive(ctx: click.Context, call: Call) -> None:
    """Make the topics of the section [derive] of the settings, until SIGTERM or Ctrl-C.

    These are bar.INTERVAL.SYMBOL, every.TIME.SYMBOL and state.SYMBOL, and alert.NAME.SYMBOL for alerts that fire. They are
    numbered and journalled as ticks are, depend on nothing but the ticks in the journal (and the alerts on their definitions),
    and are published exactly once, also when this process or the broker is killed. If the settings ask for any, or for alerts,
    `hulak up` runs this command. One such process runs per home.

    It reads the topic ticks from where it ended, by hulak.replay, and posts as a numbered feed (hulak.feed) with the name derive.
    Its key, if there are keys, needs the roles subscribe:ticks, feed:bar.*, feed:every.* and feed:state.*; for alerts
    also read, feed:alert.* and subscribe:alert.*.
    """
    from hulak.clients.derive.process import run_derive

    ctx.exit(run_derive(call.settings, call.home))
