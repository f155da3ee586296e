"""How long an announcement is good for: leases, heartbeats, nonce answers (keys.md §8)."""

from . import objects
from .tree import Member
from .wire import Refused, require

GROUPS = 2  # the role that signs announcements


def good_until(issued_at, not_after, policy_lease, heartbeats):
    """`heartbeats`: (issued_at, lease) of those that name the announcement."""
    if not policy_lease:
        return not_after
    return min(not_after, max([issued_at + policy_lease, *(issued + min(lease, policy_lease) for issued, lease in heartbeats)]))


class Lease:
    """The validity of a member's newest announcement."""

    def __init__(self, authority, group, skew, member, member_number):
        self.authority, self.group, self.skew, self.number = authority, group, skew, member_number
        self.member = Member(authority, group, **member)
        self.newest = None      # the decoded announcement
        self.heartbeats = []    # (announcement, issued_at, lease), those that were ahead included
        self.held = None        # (epoch, issued_at, announcement, lease) of the highest that is ahead
        self.uptime = None      # ms, from nonce answers
        self.used = set()       # nonces that have served
        self.answers = []       # (announcement, made_at, lease) of those that are ahead

    def state(self):
        if self.newest is None:
            return {"good_until": None, "good_until_uptime": self.uptime}
        f = self.newest.fields
        mine = [(issued, lease) for named, issued, lease in self.heartbeats if named == self.newest.hash]
        return {"good_until": good_until(f["issued_at"], f["not_after"], f["policy"]["lease"], mine), "good_until_uptime": self.uptime}

    def announce(self, data, now, chunk=None):
        new = self.member.follow(data, now, self.skew, chunk)
        announcement = objects.Object("announcement", data)
        if new and (self.newest is None or announcement.fields["epoch"] > self.newest.fields["epoch"]):
            if self.newest is not None and self.newest.fields["serial"] != announcement.fields["serial"]:
                self.uptime = None
            self.newest = announcement
            if self.held and self.held[0] <= announcement.fields["epoch"]:
                _, issued_at, named, lease = self.held
                self.heartbeats.append((named, issued_at, lease))
                self.held = None
            for named, made_at, lease in self.answers:
                if named == announcement.hash:
                    self._count(made_at, lease)
        return new

    def _count(self, made_at, lease):
        if not self.newest.fields["policy"]["lease"]:
            return False  # answers are not in use
        until = made_at + 1000 * min(lease, self.newest.fields["policy"]["lease"])
        if self.uptime is None or until > self.uptime:
            self.uptime = until
            return True
        return False

    def _counts(self, successor):
        """Whether the newest announcement counts under a delegation that was taken after it (keys.md §3)."""
        key = self.authority["keys"][self.newest.fields["signer"]]["key"]
        return any(entry["key"] == key and entry["roles"] & GROUPS for entry in successor["keys"])

    def may(self, at, uptime, delegation_not_after=None, successor=None, successor_not_after=None):
        """Whether the member may seal, and read: `at` in seconds by its clock, else `uptime` in milliseconds.
        `successor`: the delegation that it has taken since; `delegation_not_after` is the end of the one before."""
        policy = self.newest.fields["policy"]
        if successor is not None and not self._counts(successor):
            return {"seal": False, "read": False}  # its key was replaced
        ends = [end for end in (delegation_not_after, successor_not_after) if end is not None]
        delegation_not_after = min(ends, default=None)
        late = policy["grace"] + policy["skew"]
        if at is not None:
            until = self.state()["good_until"]
            until = until if delegation_not_after is None else min(until, delegation_not_after)
            return {"seal": at <= until, "read": at <= until + late}
        if not policy["lease"]:
            return {"seal": False, "read": False}  # nothing would bound a withheld removal
        if uptime is None or self.uptime is None:
            return {"seal": False, "read": False}
        return {"seal": uptime <= self.uptime, "read": uptime <= self.uptime + 1000 * late}

    def _require_newest(self, f):
        """The heartbeat or answer names the newest announcement."""
        epoch = self.newest.fields["epoch"] if self.newest else self.member.base - 1
        if f["epoch"] > epoch:
            raise Refused("ahead", ask_epoch=f["epoch"])
        slot = self.member.slots.get(f["epoch"])
        require(slot is None or slot.hash == f["announcement"], "fork", "another announcement of that epoch")
        require(f["epoch"] == epoch, "too_old", "of an older announcement")

    def heartbeat(self, data, now):
        f = objects.check("heartbeat", data, authority=self.authority, group=self.group, now=now, skew=self.skew).fields
        before = self.state()
        try:
            self._require_newest(f)
        except Refused as refused:
            if refused.reason == "ahead":  # kept until that announcement was followed
                ahead = f["epoch"], f["issued_at"], f["announcement"], f["lease"]
                self.held = ahead if self.held is None or ahead[:2] > self.held[:2] else self.held
            raise
        self.heartbeats.append((f["announcement"], f["issued_at"], f["lease"]))
        return self.state() != before

    def answer(self, data, nonce, made_at):
        f = objects.check("nonce_answer", data, authority=self.authority, group=self.group, member=self.number, nonce=nonce).fields
        require(nonce not in self.used, "nonce", "has served before")
        self.used.add(nonce)
        try:
            self._require_newest(f)
        except Refused as refused:
            if refused.reason == "ahead":
                self.answers.append((f["announcement"], made_at, f["lease"]))
            raise
        return self._count(made_at, f["lease"])
