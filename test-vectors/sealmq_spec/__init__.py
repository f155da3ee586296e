"""sealmq, version 1, in Python, written from spec/ alone, to be read beside it.

wire      varints, bodies of objects, HKDF, strict Ed25519            envelope.md §1, keys.md §1
hpke      RFC 9180, as sealmq uses it                                 envelope.md §1, §6
xwing     the KEM of suite 2                                          keys.md §10
topics    topic names, filters, names, reserved topics                constants.md §4, keys.md §9
objects   the key objects: decoding and verifying, chunks             keys.md §1–§8, §12
tree      group keys, key tree, covers, following announcements       keys.md §6, §7
kept      kept keys: derivation, chain, which ones a member has       keys.md §6, §7
validity  leases, heartbeats, nonce answers                           keys.md §8
joining   tokens, join requests                                       keys.md §12
audit     the audit log                                               keys.md §13
backup    an authority whose store was put back                       keys.md §13
envelope  plaintext, properties, padding, sessions, sealing           envelope.md §3–§8
reader    the pipeline that opens, replay rules                       envelope.md §9
places    the order of state, marks, numbers of connections           envelope.md §8, §9

files reads the vector files; coverage says what they have to contain; world, examples, selftest and selftest_kept belong to `verify.py --self-test`.

It is made to be compared with, not to be used: nothing here is constant-time or wiped.
"""
