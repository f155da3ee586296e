"""The audit log (keys.md §13)."""

import unicodedata

from . import topics
from .objects import MAX_NUMBER
from .wire import Cursor, require, sha256

ZEROS = bytes(32)


MAX_ENTRY = 2048


def _member(c):
    number = c.u32()
    require(1 <= number <= MAX_NUMBER, "encoding", "member number")
    return number


def _name(c):
    name = c.text()
    require(topics.is_name(name), "encoding", "name")
    return name


def _topic(c):
    topic = c.text()
    require(topic and not any(unicodedata.category(character) == "Cc" for character in topic), "encoding", "topic")
    return topic


WHAT = [
    ("signed", lambda c: {"topic": _topic(c), "hash": c.take(32)}),
    ("enrolled", lambda c: {"member": _member(c), "key": c.take(32), "name": _name(c)}),
    ("removed", lambda c: {"member": _member(c)}),
    ("delegation", lambda c: {"serial": c.u32(), "hash": c.take(32)}),
    ("generation", lambda c: {"group": c.take(16), "number": c.u32(), "epoch": c.u64()}),
    ("resumed", lambda c: {"serial": c.u32(), "log_size": c.u64(), "log_head": c.take(32)}),
    ("two_devices", lambda c: {"member": _member(c), "by": _member(c)}),
]


def entry(data):
    require(len(data) <= MAX_ENTRY, "encoding", "above 2048 bytes")
    c = Cursor(data)
    out = {"previous": c.take(32), "at": c.u64()}
    variant = c.u32()
    require(variant < len(WHAT), "encoding", "unknown kind of entry")
    name, fields = WHAT[variant]
    out["what"] = {name: fields(c)}
    c.end()
    return out


def head_after(data):
    return sha256(b"sealmq/1 audit", data)


def log_file(data):
    """The encoded entries of a log file (the armour SEALMQ AUDIT LOG)."""
    c = Cursor(data)
    encoded = c.list(Cursor.blob)
    c.end()
    return encoded


def heads_of(encoded):
    """The entries decoded, and the heads: heads[n] is that of the first n entries, zeros of none."""
    heads, entries = [ZEROS], []
    for one in encoded:
        decoded = entry(one)
        require(decoded["previous"] == heads[-1], "chain", f"entry {len(entries)} does not continue the one before")
        entries.append(decoded)
        heads.append(head_after(one))
    return entries, heads


def require_continues(heads, log_size, log_head):
    """This log is the one, or continues the one, that a heartbeat names."""
    require(log_size < len(heads), "shorter", "the log was cut")
    require(heads[log_size] == log_head, "other", "the log was rewritten")


def piece(data):
    """A piece of a copy (the armour SEALMQ AUDIT LOG PIECE)."""
    c = Cursor(data)
    out = {"log_size": c.u64(), "log_head": c.take(32), "first": c.u64(), "entries": c.list(Cursor.blob)}
    c.end()
    require(all(1 <= len(one) <= MAX_ENTRY for one in out["entries"]), "encoding", "length of an entry")
    require(out["first"] + len(out["entries"]) <= out["log_size"], "encoding", "behind the log's end")
    require(bool(out["entries"]) == bool(out["log_size"]), "encoding", "no entries")
    require(out["log_size"] or out["log_head"] == ZEROS, "encoding", "the head of no entries")
    return out


def together(pieces):
    """The encoded entries of a copy from its pieces, in order."""
    encoded, heads, said = [], [ZEROS], []
    for one in pieces:
        require(one["first"] == len(encoded), "missing", "another piece comes next")
        said.append((one["log_size"], one["log_head"]))
        for n, data in enumerate(one["entries"]):
            previous = entry(data)["previous"]
            seam = encoded and n == 0
            require(previous == heads[-1], "other" if seam else "chain", f"entry {len(encoded)}")
            encoded.append(data)
            heads.append(head_after(data))
            require(all(head == heads[-1] for size, head in said if size == len(encoded)), "other", "of another log")
    require(pieces, "missing", "no piece")
    require(all(size <= len(encoded) for size, _ in said), "missing", "the last pieces")
    return encoded
