"""Layouts of the page that many people use: their control services. PROTOCOL.md section 7.11.

They are in the store alone. A page asks again with the revision that it has, which is answered from memory.
"""

import time
from functools import partial
from typing import Any

from hulak.bus.broker.storage import layout_rows
from hulak.bus.broker.storage.database import Job
from hulak.bus.broker.store_effects import BrokerEffect, Store, check_stored
from hulak.bus.core.effects import Asker
from hulak.bus.core.layout_requests import (
    LayoutListArguments,
    LayoutNameArguments,
    LayoutPutArguments,
    LayoutRemoveArguments,
)
from hulak.bus.errors import ProtocolError


class LayoutService:
    """All layouts of the broker."""

    def __init__(self) -> None:
        self.revision = time.time_ns() // 1000  # grows with each change, and over restarts

    def rows(self, asker: Asker, args: LayoutListArguments, now: float) -> list[BrokerEffect]:
        """List the layouts without their documents; nil for a client that has this revision."""
        del now
        revision = self.revision
        if args.revision == revision:
            return [asker.reply({"revision": revision, "layouts": None})]
        return [_stored(partial(layout_rows.rows, view=args.view), asker, lambda rows: {"revision": revision, "layouts": rows})]

    def show(self, asker: Asker, args: LayoutNameArguments, now: float) -> list[BrokerEffect]:
        """Answer with a layout and its document."""
        del now
        return [_stored(partial(layout_rows.show, name=args.name), asker)]

    def put(self, asker: Asker, args: LayoutPutArguments, now: float) -> list[BrokerEffect]:
        """Add or replace a layout; answers when it is in the store."""
        del now
        by = args.by if asker.caller is None else asker.caller.name
        job = partial(layout_rows.put, args=args, request=asker.request, by=by, now_ns=time.time_ns())
        return [self._change(job, asker)]

    def remove(self, asker: Asker, args: LayoutRemoveArguments, now: float) -> list[BrokerEffect]:
        """Remove a layout."""
        del now
        return [self._change(partial(layout_rows.remove, args=args), asker)]

    def _change(self, job: Job, asker: Asker) -> Store:
        def changed(row: Any) -> Any:
            self.revision += 1
            return row

        return _stored(job, asker, changed, "nothing was changed")


def _stored(job: Job, asker: Asker, answer: Any = lambda value: value, failed: str = "") -> Store:
    """Return an effect that answers with the value of a job, or with the error that it is."""

    def then(value: Any, why: str) -> list[BrokerEffect]:
        check_stored(why, failed)
        if isinstance(value, ProtocolError):
            raise value
        return [asker.reply(answer(value))]

    return Store(job, then, [asker])
