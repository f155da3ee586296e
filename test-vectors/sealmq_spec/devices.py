"""Two devices with one identity (envelope.md §11)."""

WEEK = 7 * 86400 * 1000


class Heard:
    """What a reader remembers of a sender in a group."""

    def __init__(self, order):
        self.order, self.encs, self.kinds = order, {}, {False: Kind(), True: Kind()}


class Kind:
    """Events, or state."""

    def __init__(self):
        self.newest = None  # sent_at and session
        self.went_back = None  # sent_at of the last one that did

    def went_back_twice(self, sent_at, session):
        before = self.newest
        if before and sent_at <= before[0]:
            return False
        self.newest = sent_at, session
        if before is None or session >= before[1]:
            return False
        first, self.went_back = self.went_back, sent_at
        return first is not None and sent_at - first <= WEEK


def signs(messages):
    """What each message that verified tells: "shared_number", "turns" or None."""
    heard = {}
    return [_sign(heard, **message) for message in messages]


def _sign(heard, group, member, serial, credential_serial, session, enc, sent_at, state, will, retained):
    order = serial, credential_serial
    known = heard.get((group, member))
    if known and order < known.order:
        return None
    if known is None or order > known.order:
        known = heard[group, member] = Heard(order)
    encs = known.encs.setdefault(session, set())
    shared = any(other != enc for other in encs)
    encs.add(enc)
    in_turn = not will and not retained and sent_at is not None and sent_at >= 1000 * session
    turns = in_turn and known.kinds[state].went_back_twice(sent_at, session)
    return "shared_number" if shared else "turns" if turns else None
