"""sealmq, version 1, in Python, written from spec/ alone, to be read beside it.

wire      varints, bodies of objects, HKDF, strict Ed25519            envelope.md §1, keys.md §1
hpke      RFC 9180, the one suite that sealmq uses                    envelope.md §1, §6
topics    topic names, filters, names, reserved topics                constants.md §4, keys.md §9
objects   the key objects: decoding and verifying                     keys.md §1–§7
tree      group keys, key tree, covers, following announcements       keys.md §6, §7
envelope  plaintext, properties, padding, sessions, sealing           envelope.md §3–§8
reader    the pipeline that opens, replay rules                       envelope.md §9

files reads the vector files; world, examples and selftest belong to `verify.py --self-test`.

It is made to be compared with, not to be used: nothing here is constant-time or wiped.
"""
