"""The file `<home>/derive.ckpt`: where the maker of derived topics goes on after a restart.

Its messages are numbered, as those of each feed, and are the same for the same ticks. So it goes on from the ticks behind its
checkpoint, with the numbers of then, and the broker ignores those that it has already.
"""

import hashlib
from pathlib import Path

import msgspec

from hulak.clients.derive.rules.derivation import DerivationState, Wanted
from hulak.clients.whole_file import whole_file

NAME = "derive.ckpt"
FORMAT = 3  # of the file; another one also where the rules have changed
SUM_BYTES = 16


class Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """All that is needed to go on."""

    format: int
    number: int  # of the last message that was taken, in the global order
    epoch: int  # of that message; 0: none was taken, the first one is behind this number
    time_ns: int  # its stamp
    instance: int  # of the feed
    posted: int  # running number of its last message
    derivation: DerivationState

    def pack(self) -> bytes:
        """Return the file's bytes: a checksum, since numbers that changed on the disk would go into bars, and the values."""
        data = msgspec.msgpack.encode(self)
        return _sum(data) + data


def _sum(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:SUM_BYTES]


def _unpacked(data: bytes) -> Checkpoint:
    if data[:SUM_BYTES] != _sum(data[SUM_BYTES:]):
        raise ValueError("its checksum is wrong")
    return msgspec.msgpack.decode(data[SUM_BYTES:], type=Checkpoint)


def load(home: Path, wanted: Wanted) -> tuple[Checkpoint | None, str]:
    """Read the checkpoint; without one that can be used, say why, and return None."""
    try:
        data = (home / NAME).read_bytes()
    except FileNotFoundError:
        return None, "there is none"
    except OSError as error:
        return None, f"it cannot be read: {error.strerror or error}"
    try:
        kept = _unpacked(data)
    except (msgspec.MsgspecError, ValueError) as error:
        return None, f"it is damaged, or of another version: {error}"
    if kept.format != FORMAT:
        return None, f"it has format {kept.format}, wanted {FORMAT}"
    if kept.derivation.wanted != wanted:
        return None, "the settings of [derive] have changed"
    return kept, ""


def save(home: Path, data: bytes) -> None:
    """Write the bytes of a checkpoint. Raises OSError."""
    with whole_file(home / NAME) as part:
        part.write_bytes(data)


def drop(home: Path) -> None:
    """Remove the checkpoint. Raises OSError."""
    (home / NAME).unlink(missing_ok=True)
