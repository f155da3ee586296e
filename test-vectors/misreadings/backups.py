"""keys.md §13: the audit log, and an authority whose store was put back."""

from .entry import Misreading as M

HEARTBEAT = 'return found or f["log_size"] >= len(self.heads) or self.heads[f["log_size"]] != f["log_head"]'
CONTRADICTS = "return epoch > own or self.known.get((group, epoch), announcement) != announcement"
NOTES = 'return place["member"] if place["what"] in ("credential", "welcome") else 0'

MISREADINGS = [
    M("audit-label", "keys.md §13", "SHA-256(label ‖ entry)", "of the entry", "audit", 'return sha256(b"sealmq/1 audit", data)', "return sha256(data)"),
    M("audit-member-0", "keys.md §1", "1 to 2^28 − 1 in every object", "not in the log", "audit", '    require(1 <= number <= MAX_NUMBER, "encoding", "member number")\n', ""),
    M("audit-name", "keys.md §1", "names", "any text", "audit", '    require(topics.is_name(name), "encoding", "name")\n', ""),
    M("audit-topic-empty", "keys.md §13", "topic is not empty", "may be", "audit", "require(topic and not any(", "require(not any("),
    M("audit-topic-control", "keys.md §13", "no control characters", "no U+0000", "audit", 'any(unicodedata.category(character) == "Cc" for character in topic)', '("\\0" in topic)'),
    M("audit-entry-2049", "keys.md §13", "an entry has at most 2048 bytes", "2049", "audit", "MAX_ENTRY = 2048", "MAX_ENTRY = 2049"),
    M("audit-entry-2047", "keys.md §13", "an entry has at most 2048 bytes", "below", "audit", "MAX_ENTRY = 2048", "MAX_ENTRY = 2047"),
    M("audit-entry-unknown", "keys.md §13", "entries of six kinds", "unknown ones are skipped", "audit", '    require(variant < len(WHAT), "encoding", "unknown kind of entry")\n    name, fields = WHAT[variant]\n', '    name, fields = WHAT[variant] if variant < len(WHAT) else ("removed", lambda c: {"member": c.take(c.left()) and 1})\n'),
    M("audit-entry-trailing", "keys.md §1", "trailing bytes are rejected", "ignored", "audit", '    out["what"] = {name: fields(c)}\n    c.end()\n', '    out["what"] = {name: fields(c)}\n'),
    M("audit-chain", "keys.md §13", "previous is the head before", "not compared", "audit", '        require(decoded["previous"] == heads[-1], "chain", f"entry {len(entries)} does not continue the one before")\n', ""),
    M("audit-chain-first", "keys.md §13", "previous of entry 0 is zeros", "any", "audit", 'require(decoded["previous"] == heads[-1], "chain"', 'require(not entries or decoded["previous"] == heads[-1], "chain"'),
    M("audit-times", "keys.md §13", "at u64", "times rise", "audit", '        entries.append(decoded)\n', '        require(not entries or decoded["at"] >= entries[-1]["at"], "chain")\n        entries.append(decoded)\n'),
    M("audit-shorter", "keys.md §13", "the log's size at its time", "only the newest heartbeat counts", "audit", '    require(log_size < len(heads), "shorter", "the log was cut")\n', "    if log_size >= len(heads):\n        return\n"),
    M("audit-longer", "keys.md §13", "or continues it", "the same size", "audit", 'require(log_size < len(heads), "shorter"', 'require(log_size == len(heads) - 1, "shorter"'),
    M("audit-other", "keys.md §13", "its head at that size", "not compared", "audit", '    require(heads[log_size] == log_head, "other", "the log was rewritten")\n', ""),
    M("audit-newest-head", "keys.md §13", "the head at that size", "the newest head", "audit", 'require(heads[log_size] == log_head, "other"', 'require(heads[-1] == log_head, "other"'),
    # backups
    M("backup-equal-epoch", "keys.md §13", "an epoch above its own", "or equal", "backup", CONTRADICTS, CONTRADICTS.replace("epoch > own", "epoch >= own")),
    M("backup-higher-epoch", "keys.md §13", "an epoch above its own", "another hash only", "backup", CONTRADICTS, CONTRADICTS.replace("epoch > own or ", "")),
    M("backup-other-hash", "keys.md §13", "another hash for an epoch that it has", "an epoch above only", "backup", CONTRADICTS, "return epoch > own"),
    M("backup-own-any-group", "keys.md §13", "above its own", "of any group", "backup", "own = max((e for g, e in self.known if g == group), default=0)", "own = max((e for g, e in self.known), default=0)"),
    M("backup-delegation-higher", "keys.md §13", "a delegation of a higher serial", "is for the operator", "backup", 'return serial > own.fields["serial"] or (serial == own', "return (serial == own"),
    M("backup-delegation-other", "keys.md §13", "or another one of its own serial", "a higher one only", "backup", 'return serial > own.fields["serial"] or (serial == own.fields["serial"] and seen.hash != own.hash)', 'return serial > own.fields["serial"]'),
    M("backup-delegation-lower", "keys.md §13", "a higher serial or another one of its own", "any other one", "backup", 'return serial > own.fields["serial"] or (serial == own.fields["serial"] and seen.hash != own.hash)', "return seen.hash != own.hash"),
    M("backup-topic-group", "keys.md §13", "stands on its topic", "any announcement", "backup", 'seen = objects.check("announcement", data, authority=self.authority, group=place["group"])', 'seen = objects.check("announcement", data, authority=self.authority)'),
    M("backup-topic-epoch", "keys.md §13", "stands on its topic", "of its group", "backup", '                require(f["epoch"] == place["epoch"], "field", "on another topic")\n', ""),
    M("backup-unsigned", "keys.md §13", "only what is signed by its own keys", "anything that is there", "backup", 'seen = objects.check("announcement", data, authority=self.authority, group=place["group"])', 'seen = objects.check("announcement", data, group=place["group"])'),
    M("backup-heartbeat-log", "keys.md §13", "a heartbeat with a log that is longer", "only its announcement counts", "backup", HEARTBEAT, "return found"),
    M("backup-heartbeat-head", "keys.md §13", "or that its own contradicts", "a longer one only", "backup", HEARTBEAT, 'return found or f["log_size"] >= len(self.heads)'),
    M("backup-heartbeat-newest-head", "keys.md §13", "or that its own contradicts", "another head than its newest", "backup", HEARTBEAT, 'return found or f["log_size"] >= len(self.heads) or self.heads[-1] != f["log_head"]'),
    M("backup-heartbeat-epoch", "keys.md §13", "heartbeats name both, too", "only the log counts", "backup", HEARTBEAT, HEARTBEAT.replace("found or ", "")),
    M("resume-serial-seen", "keys.md §13", "a serial above all seen", "above its own", "backup", 'require(seen.fields["serial"] > self.serial, "serial"', 'require(seen.fields["serial"] > self.delegation.fields["serial"], "serial"'),
    M("resume-serial-equal", "keys.md §13", "a serial above all seen", "or equal", "backup", 'require(seen.fields["serial"] > self.serial, "serial"', 'require(seen.fields["serial"] >= self.serial, "serial"'),
    M("resume-serial-log", "keys.md §13", "the log's entries included", "what the broker has", "backup", '                    self.serial = max(self.serial, f["serial"])\n                elif what == "generation"', '                    pass\n                elif what == "generation"'),
    M("resume-copy-continues", "keys.md §13", "the copy has to continue its own log", "is taken as it is", "backup", "            audit.require_continues(heads, len(self.log), self.heads[-1])\n", ""),
    M("resume-unknown", "keys.md §13", "members enrolled since are unknown to it", "are restored", "backup", '                    unknown.add(f["member"])\n', ""),
    M("resume-removed", "keys.md §13", "members removed since are removed", "an operator removes them", "backup", '                    removed.add(f["member"])\n', "                    pass\n"),
    M("resume-generation-log", "keys.md §13", "its number above all seen", "above those of announcements", "backup", '                    self._raise(f["group"], 0, None, f["number"])\n', "                    pass\n"),
    M("resume-signed-epochs", "keys.md §13", "each group's epoch to the highest one seen", "at the broker", "backup", '            self._raise(place["group"], place["epoch"], object_hash)\n', "            pass\n"),
    M("resume-gap-members", "keys.md §13", "the highest one seen + 1024", "1024 after the next", "backup", '"next_member": highest + GAP', '"next_member": highest + 1 + GAP'),
    M("resume-gap-none", "keys.md §13", "the highest one seen + 1024", "+ 1", "backup", '"next_member": highest + GAP', '"next_member": highest + 1'),
    M("resume-gap-epochs", "keys.md §13", "without a copy it leaves out 1024 epochs", "only members' numbers", "backup", "gap = GAP if log is None else 0", "gap = 0"),
    M("resume-gap-always", "keys.md §13", "without any copy", "always", "backup", "gap = GAP if log is None else 0", "gap = GAP"),
    M("resume-gap-generations", "keys.md §13", "epochs and generations besides", "epochs", "backup", '"generation": generation + gap + 1', '"generation": generation + 1'),
    M("resume-same-generation", "keys.md §13", "a new generation in each group", "the tree goes on", "backup", '"generation": generation + gap + 1', '"generation": generation + gap'),
    M("resume-previous", "keys.md §13", "`previous` names the last one known", "the last one of its store", "backup", 'self.far[group] = max(known[:2], (epoch, announcement), key=lambda place: place[0]) + (max(known[2], generation),)', 'self.far[group] = (max(known[0], epoch), known[1] or announcement) + (max(known[2], generation),)'),
]
