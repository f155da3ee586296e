"""envelope.md §12: the short form and the records of its sessions."""

from .entry import Misreading as M

MISREADINGS = [
    M("short-tag-6", "envelope.md §12", "a session tag of 8 bytes", "of 6", "envelope", "+ be(4, sender))[:8]", "+ be(4, sender))[:6]"),
    M("short-tag-sender", "envelope.md §12", "the sender enters the tag", "enc alone", "envelope", '+ enc + be(4, sender))[:8]', "+ enc)[:8]"),
    M("short-tag-mac", "envelope.md §12", "a label of its own", "the mac's", "envelope", 'b"sealmq/1 session tag"', 'b"sealmq/1 session mac"'),
    M("short-smallest-90", "envelope.md §12", "fewer than 91 bytes are rejected", "90 are enough", "envelope", "SMALLEST_SHORT = 0x91, 91", "SMALLEST_SHORT = 0x91, 90"),
    M("short-smallest-92", "envelope.md §12", "the smallest has 91 bytes", "92", "envelope", "SMALLEST_SHORT = 0x91, 91", "SMALLEST_SHORT = 0x91, 92"),
    M("short-age-bias", "envelope.md §12", "2^31 is added to the age", "nothing is", "envelope", "* m[\"session_number\"] + 2**31", "* m[\"session_number\"]"),
    M("short-age-bias-back", "envelope.md §12", "2^31 is taken from the age", "nothing is", "envelope", "c.be(4) - 2**31", "c.be(4)"),
    M("short-age-absolute", "envelope.md §12", "the age, in 4 bytes", "sent_at as in the full form", "envelope", 'be(4, session_age(m)) if m.get("short") else varint(m["sent_at"])', 'varint(m["sent_at"])'),
    M("short-transcript-as-full", "envelope.md §12", "the transcript begins with suite + 0x80", "with the suite", "envelope", "(SUITE + 0x80, be(8, short_number))", "(SUITE, be(8, short_number))"),
    M("short-number-unsigned", "envelope.md §12", "the session number is signed", "it is not in the transcript", "envelope", "(SUITE + 0x80, be(8, short_number))", '(SUITE + 0x80, b"")'),
    M("short-flags", "envelope.md §12", "CREDENTIAL, RETAIN and WILL are rejected", "they are as in the full form", "envelope",
      '        require(not flags & (CREDENTIAL | RETAIN | WILL), "field", "state, or a credential, in the short form")\n', "",
      unobservable="a body with one of these flags parses differently or is state under the keys of an epoch; either way its signature is not that of a vector"),
    M("short-unknown-rejected", "envelope.md §12", "no session with the tag: UnknownSession", "Rejected", "reader", 'require(tag in self.sessions, "UnknownSession")', 'require(tag in self.sessions, "Rejected")'),
    M("short-record-only", "envelope.md §12", "an event of the full form tells of its session, too", "only the record", "reader", "            self._know_session(keys, enc, m)\n            self._keep", "            self._keep"),
    M("short-known-replaced", "envelope.md §12", "what is known of a session stays as it is", "the last record counts", "reader",
      'self.sessions.setdefault(session_tag(keys.psk, enc, m["sender"]), (keys.h, enc, told))', 'self.sessions[session_tag(keys.psk, enc, m["sender"])] = keys.h, enc, told'),
    M("record-of-anybody", "envelope.md §12", "what stands on the topic of a member is of that member", "of anybody", "reader", 'require(m["sender"] == sender, "Rejected", "another member\'s")', "sender = m[\"sender\"]"),
    M("record-unsigned", "envelope.md §12", "records are verified", "the AEAD is enough", "reader",
      'require(verify(credential.fields["key"], LABEL, sha256(signed), plaintext[-64:]), "Rejected", "signature of a record")', "pass"),
    M("record-of-state", "envelope.md §12", "state is no record", "a retained value is one", "reader", 'require(not is_state(m), "Rejected", "state is no record")', "pass"),
    M("record-short", "envelope.md §12", "the short form is no record", "it waits for the session", "reader", 'require(envelope[:1] != bytes([SHORT_FORM]), "Rejected", "a record has the full form")', "pass"),
    M("record-inside-unkept", "envelope.md §12", "the credential in a record is used", "only the known one", "reader", "        self.credentials[sender] = known\n        self._know", "        self._know"),
]
