"""Opening: the pipeline and the replay rules of a reader (envelope.md §9)."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import hpke, objects, topics, tree
from .envelope import LABEL, decode_body, decode_header, nonce, session_info, session_keys, transcript
from .wire import Refused, require, sha256, verify

WINDOW = 1024  # hosts; devices have 128, and no vector tells the two apart
PUBLISH = 1


class Session:
    def __init__(self, number):
        self.number, self.top, self.seen = number, -1, set()


def order(credential):
    """Credentials of a member are ordered by this."""
    return credential.fields["serial"], credential.fields["credential_serial"]


class SenderState:
    """Replay state of one sender in one group. It belongs to one credential: `order` is (delegation's serial, credential_serial)."""

    def __init__(self, order, floor=0):
        self.order, self.floor = order, floor
        self.sessions = {}       # enc → Session
        self.highest_will = -1
        self.retained = {}       # topic → (session number, counter, enc if it was shown and live would be accepted)


class Reader:
    def __init__(self, authority, group, filters, policy, issued_at, not_after, epochs, credentials, number, refused=(), own_messages=False,
                 delegation_not_after=2**64, floors=(), sessions=4):
        self.authority, self.group, self.filters, self.policy = authority, group, filters, policy
        self.issued_at, self.not_after, self.delegation_not_after = issued_at, min(not_after, delegation_not_after), delegation_not_after
        self.epochs = {epoch["hash"][:8]: (epoch, tree.GroupKeys(epoch["reader_secret"])) for epoch in epochs}
        known = [objects.check("credential", data, authority=authority) for data in credentials]
        self.credentials = {credential.fields["member"]: credential for credential in known}
        self.number, self.own_messages, self.capacity = number, own_messages, sessions
        self.lowest_serial = None if refused is None else {entry["member"]: entry["lowest_serial"] for entry in refused}
        self.states = {}
        for entry in floors:
            belongs_to = entry.get("serial", authority["serial"]), entry["credential_serial"]
            self.states[entry["sender"]] = SenderState(belongs_to, entry["floor"])

    def open(self, topic, retained, now_ms, envelope):
        """Returns (message, plaintext). Raises Refused with a reason of §10, and changes nothing then."""
        # 1 header, 2 key
        key_id, enc, counter, header_length = decode_header(envelope)
        require(key_id in self.epochs, "UnknownKey")
        epoch, keys = self.epochs[key_id]
        self._require_keys_fresh(now_ms)
        # 3 session keys, 4 AEAD, 5 plaintext
        header, sealed, topic_hash = envelope[:header_length], envelope[header_length:], sha256(topic.encode())
        plaintext = self._decrypt(epoch["hash"], keys, enc, counter, sealed, header + topic_hash)
        try:
            m = decode_body(plaintext[:-64])
        except Refused as refused:
            raise Refused("Rejected", str(refused)) from None
        require(m["sender"] != self.number or self.own_messages, "Own")
        # 6 sender
        credential = self._credential(m)
        require(self.lowest_serial is not None, "UnknownList")
        state = self._state(credential)
        self._require_allowed(credential, state.order, m, topic, now_ms)
        # 7 freshness
        self._require_fresh(m, retained, now_ms)
        # 8 replay pre-check
        self._require_new(state, m, topic, retained, enc, counter)
        # 9 signature
        signed = transcript(epoch["hash"], enc, counter, topic_hash, credential.hash, plaintext[:-64])
        require(verify(credential.fields["key"], LABEL, sha256(signed), plaintext[-64:]), "Rejected", "signature")
        # 10 commit
        self.credentials[m["sender"]], self.states[m["sender"]] = credential, state
        self._commit(state, m, topic, retained, enc, counter)
        message = {"epoch": epoch["epoch"], "name": credential.fields["name"], "credential_serial": credential.fields["credential_serial"], "counter": counter, **m}
        del message["hint"]
        message.pop("credential", None)
        return message, plaintext

    def _decrypt(self, announcement_hash, keys, enc, counter, sealed, aad):
        try:
            context = hpke.setup_receiver(keys.secret_key, enc, session_info(announcement_hash), keys.session_psk, announcement_hash)
            message_key, base_nonce = session_keys(context)
            plaintext = AESGCM(message_key).decrypt(nonce(base_nonce, counter), sealed, aad)
        except (Refused, InvalidTag) as fault:
            raise Refused("Rejected", str(fault)) from None
        require(len(plaintext) >= 64, "Rejected", "no room for a signature")
        return plaintext

    # --- sender ---

    def _credential(self, m):
        """The known credential, or the one inside the message if that verifies and is newer."""
        known = self.credentials.get(m["sender"])
        if "credential" in m:
            try:
                inside = objects.check("credential", m["credential"], authority=self.authority, member=m["sender"])
                if known is None or (order(inside) > order(known) and inside.fields["key"] == known.fields["key"]):
                    return inside
            except Refused:
                pass
        require(known is not None, "UnknownSender")
        return known

    def _state(self, credential):
        """The sender's replay state, a fresh one for a higher credential."""
        state = self.states.get(credential.fields["member"])
        return state if state and state.order >= order(credential) else SenderState(order(credential))

    def _require_allowed(self, credential, lowest, m, topic, now_ms):
        """`lowest` is the order of the credential that the replay state belongs to: a lower one is refused from then on."""
        f = credential.fields
        ahead = (m["hint"] - f["credential_serial"]) % 128
        require(not 1 <= ahead < 64, "UnknownSender", "made under a newer credential")
        require(ahead < 64, "Revoked", "made under an older credential")
        require(order(credential) >= lowest and f["credential_serial"] >= self.lowest_serial.get(f["member"], 0), "Revoked")
        if now_ms is None:  # without a clock it is at least the time of the newest announcement
            require(f["not_after"] >= self.issued_at, "Revoked", "a credential that has expired by then")
        else:
            now = now_ms // 1000
            ends = min(f["not_after"], self.delegation_not_after)
            require(f["issued_at"] <= now + self.policy["skew"] and now <= ends, "Stale", "credential")
        require(any(topics.matches(text, topic) for text in self.filters), "NotAllowed", "not a topic of the group")
        grant = next((grant for grant in f["grants"] if grant["group"] == self.group), None)
        require(grant and grant["access"] & PUBLISH, "NotAllowed", "no grant")
        narrowed = grant["publish_filter"]
        require(not narrowed or topics.matches(topics.own_filter(narrowed, f["name"]), topic), "NotAllowed", "publish filter")

    # --- replay ---

    def _require_new(self, state, m, topic, retained, enc, counter):
        number = m["session_number"]
        if m["will"]:
            require(counter == 0, "Rejected", "the counter of a will is 0")
        if retained:
            require(m["retain"], "Replay", "was not published with retain")
            if m["will"]:
                require(number >= state.highest_will, "Replay", "an older will")
            else:
                require((number, counter) >= state.retained.get(topic, (-1, -1, None))[:2], "Replay", "an older retained value")
        elif m["will"]:
            require(number > state.highest_will, "Replay", "a will again")
        else:
            self._require_new_live(state, number, enc, counter)
            shown = state.retained.get(topic, (-1, -1, None))
            require(not m["retain"] or shown[2] is None or shown[:2] != (number, counter), "Replay", "shown as retained before")

    def _require_new_live(self, state, number, enc, counter):
        if enc in state.sessions:
            session = state.sessions[enc]
            require(session.number == number, "Replay", "another session number")
            require(counter not in session.seen, "Replay")
            require(counter > session.top - WINDOW, "Replay", "below the window")
            if 128 <= session.top - counter < 1024:
                raise ValueError("this vector depends on the size of the replay window")
        else:
            require(number > state.floor, "Replay", "at or below the floor")
            require(all(session.number != number for session in state.sessions.values()), "Replay", "a session number twice")

    def _commit(self, state, m, topic, retained, enc, counter):
        number = m["session_number"]
        if m["will"]:
            state.highest_will = max(state.highest_will, number)
            return
        if not retained:
            self._mark(state, number, enc, counter)
        if m["retain"]:
            self._raise_mark(state, topic, number, counter, self._show(state, number, enc, counter) if retained else None)

    def _show(self, state, number, enc, counter):
        """Counts a retained delivery in its window if that moves nothing; else the mark has to remember the enc."""
        try:
            self._require_new_live(state, number, enc, counter)
        except Refused:
            return None
        session = state.sessions.get(enc)
        if session and counter <= session.top:
            session.seen.add(counter)
            return None
        return enc

    def _raise_mark(self, state, topic, number, counter, shown):
        old = state.retained.get(topic, (-1, -1, None))
        if (number, counter) == old[:2]:
            state.retained[topic] = (number, counter, old[2] or shown)
        if (number, counter) > old[:2]:
            state.retained[topic] = (number, counter, shown)
            if old[2] is not None:
                try:
                    self._require_new_live(state, old[0], old[2], old[1])
                    self._mark(state, old[0], old[2], old[1])
                except Refused:
                    pass  # refused already

    def _mark(self, state, number, enc, counter):
        if enc not in state.sessions:
            if len(state.sessions) == self.capacity:
                lowest = min(state.sessions, key=lambda known: state.sessions[known].number)
                state.floor = max(state.floor, state.sessions.pop(lowest).number)
            state.sessions[enc] = Session(number)
        session = state.sessions[enc]
        session.seen.add(counter)
        session.top = max(session.top, counter)

    # --- time ---

    def _require_keys_fresh(self, now_ms):
        last = self.not_after + self.policy["grace"] + self.policy["skew"]
        require(now_ms is None or now_ms // 1000 <= last, "Stale", "the keys ran out")

    def _require_fresh(self, m, retained, now_ms):
        sent_at, policy = m.get("sent_at"), self.policy
        if m["will"]:
            require(sent_at is not None and policy["will_age"] > 0, "Stale", "a will without sent_at, or no wills here")
        if now_ms is None:
            return  # a reader without a clock
        if sent_at is not None:
            require(sent_at <= now_ms + policy["skew"] * 1000, "Stale", "from the future")
            for name, value in m.get("properties", []):
                require(name != "message_expiry" or now_ms <= sent_at + value * 1000, "Stale", "expired")
        if m["will"]:
            require(now_ms - sent_at <= (policy["will_age"] + policy["skew"]) * 1000, "Stale", "an old will")
        elif policy["freshness"] and not retained:
            age = (policy["freshness"] + policy["skew"]) * 1000
            require(sent_at is not None and now_ms - sent_at <= age, "Stale", "not fresh")
