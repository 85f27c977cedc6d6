"""Ticks and tasks with unique, verifiable contents, so that not only numbers are judged."""

import zlib

import bare

from hulak.bus.wire.messages import FIRST_MS

KINDS = ("done", "done", "done", "done", "done", "again", "failed", "expired", "cancelled", "done")
ENDS = {"again": "done"}  # kind of a task -> the state it ends in, where that is not the kind itself
MODULUS = 1_000_003


def proof(source, number):
    """Prove that a tick is what was posted."""
    return zlib.crc32(f"{source} {number}".encode())


def symbol_of(source, number, symbols):
    """Name the symbol of a source's tick; no two sources have the same."""
    return f"{source.upper()}{number % symbols:02d}"


def tick(source, number, symbols, pad=b""):
    """Make a tick: its topic and its body [3.3]."""
    symbol = symbol_of(source, number, symbols)
    quote = {"symbol": symbol, "bid": float(number), "ask": number + 0.5, "timestamp": FIRST_MS + number, "source": source}
    more = {"n": number, "proof": proof(source, number)} | ({"pad": pad} if pad else {})
    return f"tick.{symbol}", bare.pack(quote | more)


def what(body):
    """Return which tick this is, as (source, number); fail if it differs from the posted one."""
    source, number = body["source"], body["n"]
    assert body["proof"] == proof(source, number), f"not as it was posted: {body}"
    assert body["bid"] == number
    return source, number


def kind_of(number):
    """Return how a task ends."""
    return KINDS[number % len(KINDS)]


def answer(number):
    """Return the expected value of a task."""
    return {"n": number, "power": pow(7, number, MODULUS), "text": "x" * (number % 300)}


def do(action, args, attempt):
    """Carry a task out, as a bare worker does it."""
    number = args["n"]
    if action == "failed":
        return False, {"code": "WRONG", "text": f"task {number} never works", "retryable": False}
    if action == "again" and attempt == 1:
        return False, {"code": "LATER", "text": "not yet", "retryable": True, "retry_after_ms": 50}
    return True, answer(number)


def judge_replay(rows, safe):
    """Hold the whole of a journal against what was confirmed.

    Args:
        rows: of `bare.Asker.replay`.
        safe: source -> number up to which its ticks were confirmed as safe.
    Returns:
        a list of faults in words; empty if all is well.
    """
    contents = [what(bare.unpack(body)) for _, _, _, body in rows]
    there = set(contents)
    lost = {source: [n for n in range(1, upto + 1) if (source, n) not in there] for source, upto in safe.items()}
    faults = [f"{len(gone)} confirmed ticks of {source} are gone, {gone[:3]} ..." for source, gone in lost.items() if gone]
    if len(there) < len(contents):
        faults.append(f"{len(contents) - len(there)} ticks are there twice")
    numbers = [row[0] for row in rows]
    if numbers != sorted(set(numbers)):
        faults.append("the numbers do not ascend")
    return faults
