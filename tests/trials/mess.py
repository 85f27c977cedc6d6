"""Remains of other programs, copies and crashes in a home folder: each function makes one mess, drawn from a seed.

Nothing here damages what was confirmed: a broker that starts on it must have all of that still.
"""

import shutil

STRAYS = ("backup.hj", "foo.hj", "0000000001-00000000000000000001 (copy).hj", "1-2-3.hj", ".hj", "notes.txt", "x.hj.part")
MOST_AHEAD = 5  # serials above the newest segment's


def segments(home):
    """List the journal's own files, the oldest first."""
    return sorted(path for path in (home / "journal").glob("??????????-????????????????????.hj") if path.is_file())


def next_name(home, draw):
    """Make up the name of a segment that comes later than all that are there."""
    serial, ticks = (int(part) for part in segments(home)[-1].stem.split("-"))
    return home / "journal" / f"{serial + draw.randint(1, MOST_AHEAD):010d}-{ticks + draw.randint(0, 1000):020d}.hj"


# These need not be reported: they have other names than the broker's files


def stray(home, draw):
    """A file, or a folder, of another name."""
    path = home / "journal" / draw.choice(STRAYS)
    if draw.random() < 0.3:
        path.mkdir(exist_ok=True)
    elif not path.exists():
        path.write_bytes(draw.randbytes(draw.randrange(5000)))


def copy_of_a_file_manager(home, draw):
    """A whole segment again, under the name that a file manager gives it."""
    path = draw.choice(segments(home))
    shutil.copy(path, path.with_name(f"{path.stem} (copy){path.suffix}"))


def foreign_neighbours(home, draw):
    """Files of others in the home folder and in its folders."""
    for place in (home, home / "displays", home / "run", home / "log"):
        place.mkdir(mode=0o700, exist_ok=True)
        (place / draw.choice(("README", "x.ckpt", "tasks.db.bak", "gold.ckpt", "core"))).write_bytes(draw.randbytes(200))


def torn(home, draw):
    """Bytes behind the newest record, as a power cut leaves them."""
    with segments(home)[-1].open("ab") as file:
        file.write(draw.randbytes(draw.randint(1, 300)))


def strange_note(home, draw):
    """The journal's own note is gone, or says something else."""
    path = home / "journal" / "note"
    if draw.random() < 0.5:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(draw.randbytes(17))


# These look like segments of the journal; their names are returned, since they must be reported


def foreign(home, draw):
    """A file of other contents under a segment's name."""
    path = next_name(home, draw)
    path.write_bytes(draw.choice((draw.randbytes(4096), bytes(4096), b"#!/bin/sh\nexit 1\n")))
    return path.name


def folder(home, draw):
    """A folder under a segment's name."""
    path = next_name(home, draw)
    path.mkdir()
    (path / "x").write_bytes(b"x")
    return path.name


def copy(home, draw):
    """A segment again, whole or cut, under a later name."""
    path = next_name(home, draw)
    data = draw.choice(segments(home)).read_bytes()
    path.write_bytes(data if draw.random() < 0.5 else data[: len(data) // 2])
    return path.name


QUIET = (stray, copy_of_a_file_manager, foreign_neighbours, torn, strange_note)
REPORTED = (foreign, folder, copy)


def make(home, draw):
    """Make up to three of them; return the names that must be reported."""
    reported = set()
    for kind in draw.sample((*QUIET, *REPORTED), draw.randint(0, 3)):
        name = kind(home, draw)
        reported |= {name} if name else set()
    return reported


def ruin_store(home, draw):
    """Replace the store by another file; its contents are lost, but the broker starts."""
    for path in home.glob("tasks.db*"):
        path.unlink()
    (home / "tasks.db").write_bytes(
        draw.choice((draw.randbytes(20_000), bytes(20_000), b"SQLite format 3\0" + draw.randbytes(9000)))
    )
