"""The order of state: places, the marks that a reader keeps of them, and the numbers of connections (envelope.md §8, §9)."""

from .envelope import session_number
from .wire import require


def place_of(credential, m, counter):
    """Of a retained value or a will; `None` of events, and of a will that was published without RETAIN."""
    return _place(credential, m, counter) if m["retain"] else None


def _place(credential, m, counter):
    f = credential.fields
    connection = m["session_number"] if m["will"] else m["connection"]
    return f["serial"], f["credential_serial"], connection, int(m["will"]), m["session_number"], counter


def across(place):
    """As places of different senders compare: no credential_serial, and a session number stands for a connection that is 0."""
    serial, _, connection, will, number, counter = place
    return serial, connection or number, will, number, counter


class Marks:
    """The highest place of each sender on each topic, and what stands for marks that were forgotten."""

    def __init__(self, marks=(), wills=()):
        self.own, self.of_sender, self.of_all = {}, {}, None
        for mark in marks:
            place = tuple(mark.get(name) for name in ("serial", "credential_serial", "connection", "will", "session_number", "counter"))
            if "topic" in mark:
                self.own[mark["sender"], mark["topic"]] = place
            elif "sender" in mark:
                self.of_sender[mark["sender"]] = place
            else:
                self.of_all = across(place)
        self.wills = {will["sender"]: (will["serial"], will["credential_serial"], will["session_number"]) for will in wills}

    def require_new(self, credential, known, m, counter, topic, retained):
        """`credential` is the one under which the state was sealed, `known` the highest known one of the sender."""
        place = place_of(credential, m, counter)
        require(place or not retained, "Replay", "a will that was published without retain")
        if place:
            own = self.own.get((m["sender"], topic))
            if own is None:
                require(place > self.of_sender.get(m["sender"], ()), "Replay", "not above the mark of all topics of the sender")
                self._require_new_to_all(credential, known, m, counter)
            else:
                require(place > own or (retained and place == own), "Replay", "not above its mark")
        if m["will"] and not retained:
            highest = self.wills.get(m["sender"])
            if highest is None:
                self._require_new_to_all(credential, known, m, counter)
            else:
                require(_number(credential, m) > highest, "Replay", "not above the highest will")

    def _require_new_to_all(self, credential, known, m, counter):
        """What was forgotten with its sender has no credential any more: nothing under an older one is above it."""
        if self.of_all is None:
            return
        require(across(_place(credential, m, counter)) > self.of_all, "Replay", "not above the mark of all senders")
        older = credential.hash != known.hash
        require(not older or credential.fields["serial"] > self.of_all[0], "Replay", "an older credential, and no mark of its own")

    def commit(self, credential, m, counter, topic, retained):
        if m["will"] and not retained:
            self.wills[m["sender"]] = _number(credential, m)
        place = place_of(credential, m, counter)
        if place:
            self.own[m["sender"], topic] = max(place, self.own.get((m["sender"], topic), ()))


def _number(credential, m):
    """Wills of a sender that were accepted live are ordered by this."""
    return credential.fields["serial"], credential.fields["credential_serial"], m["session_number"]


class Sender:
    """A sender's session numbers, and what it writes into `connection` (§6, §8)."""

    def __init__(self, previous=0):
        self.number, self.connection, self.sealed_a_will = previous, 0, False

    def session(self, now=None):
        self.number = session_number(self.number, now)
        return self.number

    def connect(self, will, now=None):
        """The session number of the will, or None without one."""
        self.sealed_a_will = self.sealed_a_will or will
        self.connection = self.session(now) if self.sealed_a_will else 0
        return self.connection if will else None

    def renew(self):
        """It has a new credential."""
        self.connection, self.sealed_a_will = 0, False
