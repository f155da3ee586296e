"""keys.md §5, constants.md §3: announcements, policies, covers, chunks; the fields of welcomes."""

from .entry import Misreading as M


def policy(name, low, high, line):
    """Both ends of a field's range, one too wide and one too narrow."""
    slug = "policy-" + name.replace("_", "-")
    out = [M(f"{slug}-high", "constants.md §3", f"{name}: at most {high}", "one more", "objects", line, line.replace(f"{high})", f"{high} + 1)")),
           M(f"{slug}-high-less", "constants.md §3", f"{name}: at most {high}", "one less", "objects", line, line.replace(f"{high})", f"{high} - 1)"))]
    if low:
        out += [M(f"{slug}-low", "constants.md §3", f"{name}: at least {low}", "one less", "objects", line, line.replace(f"({low},", f"({low} - 1,")),
                M(f"{slug}-low-more", "constants.md §3", f"{name}: at least {low}", "one more", "objects", line, line.replace(f"({low},", f"({low} + 1,"))]
    return out


LEASE = 'require(f["policy"]["lease"] == 0 or 10 <= f["policy"]["lease"] <= 2**31, "field", "policy lease")'
BUCKET = 'low, high = (16, 65536) if f["policy"]["padding"] == 2 else (0, 0)'
GENERATIONS = 'require(1 <= len(generations) <= 2 and len(generations) == len(f["covers"]), "field", "generations and covers")'
FILTER_REACHES = 'require(not any(topics.overlap(text, prefix + "/#") for text in f["filters"]), "field", "filter reaches the reserved topics")'

MISREADINGS = [
    *policy("window", 0, "16", '"window": (0, 16)'), *policy("grace", 0, "2**31", '"grace": (0, 2**31)'), *policy("freshness", 0, "2**31", '"freshness": (0, 2**31)'),
    *policy("skew", 0, "86400", '"skew": (0, 86400)'), *policy("padding", 0, "2", '"padding": (0, 2)'), *policy("session_messages", 1, "2**21 - 1", '"session_messages": (1, 2**21 - 1)'),
    *policy("session_bytes", 1024, "2**36", '"session_bytes": (1024, 2**36)'), *policy("session_seconds", 60, "604800", '"session_seconds": (60, 604800)'),
    *policy("will_age", 0, "2**31", '"will_age": (0, 2**31)'),
    M("policy-lease-9", "constants.md §3", "lease: 0, or 10 … 2^31", "any", "objects", LEASE, LEASE.replace("10 <=", "9 <=")),
    M("policy-lease-11", "constants.md §3", "lease: 0, or 10 … 2^31", "above 10", "objects", LEASE, LEASE.replace("10 <=", "10 <")),
    M("policy-lease-0", "constants.md §3", "lease: 0 is none", "at least 10", "objects", LEASE, LEASE.replace('f["policy"]["lease"] == 0 or ', "")),
    M("policy-lease-high", "constants.md §3", "lease at most 2^31", "any u32", "objects", LEASE, LEASE.replace(" <= 2**31", "")),
    M("policy-lease-2-31", "constants.md §3", "lease at most 2^31", "below", "objects", LEASE, LEASE.replace("<= 2**31", "< 2**31")),
    M("policy-bucket-15", "constants.md §3", "bucket 16 … 65536", "15", "objects", BUCKET, BUCKET.replace("(16,", "(15,")),
    M("policy-bucket-17", "constants.md §3", "bucket 16 … 65536", "from 17", "objects", BUCKET, BUCKET.replace("(16,", "(17,")),
    M("policy-bucket-65537", "constants.md §3", "bucket 16 … 65536", "65537", "objects", BUCKET, BUCKET.replace("65536)", "65537)")),
    M("policy-bucket-65535", "constants.md §3", "bucket 16 … 65536", "below", "objects", BUCKET, BUCKET.replace("65536)", "65535)")),
    M("policy-bucket-unused", "constants.md §3", "else 0", "ignored", "objects", BUCKET, BUCKET.replace("(0, 0)", "(0, 2**32)")),
    M("epoch-kind-2", "keys.md §5", "0 ordinary, 1 healing", "others are ordinary", "objects", 'require(f["epoch_kind"] <= 1, "field", "epoch_kind")', "pass"),
    M("announcement-name", "keys.md §1", "names of groups", "any text", "objects", '"epoch_kind")\n    require(topics.is_name(f["name"]), "field", "name")\n', '"epoch_kind")\n'),
    M("previous-zeros-1", "keys.md §5", "zeros at epoch 1", "any hash there", "objects", 'require((f["epoch"] == 1) == (f["previous"] == NOBODY), "field", "only the first epoch has no previous")', 'require(f["epoch"] == 1 or f["previous"] != NOBODY, "field")'),
    M("previous-zeros-only", "keys.md §5", "zeros at epoch 1 and only there", "elsewhere, too", "objects", 'require((f["epoch"] == 1) == (f["previous"] == NOBODY), "field", "only the first epoch has no previous")', 'require(f["epoch"] != 1 or f["previous"] == NOBODY, "field")'),
    M("healing-epoch-own", "keys.md §5", "the last healing epoch before this one", "or this one", "objects", 'require(f["healing_epoch"] < f["epoch"], "field", "healing_epoch")', 'require(f["healing_epoch"] <= f["epoch"], "field", "healing_epoch")'),
    M("healing-epoch-later", "keys.md §5", "before this one", "not compared", "objects", 'require(f["healing_epoch"] < f["epoch"], "field", "healing_epoch")', "pass"),
    M("healing-zeros", "keys.md §5", "0 and zeros if none, and only then", "not compared", "objects", 'require((f["healing_epoch"] == 0) == (f["healing"] == NOBODY), "field", "healing")', "pass"),
    M("healing-zeros-only", "keys.md §5", "and only then", "zeros with an epoch", "objects", 'require((f["healing_epoch"] == 0) == (f["healing"] == NOBODY), "field", "healing")', 'require(f["healing_epoch"] or f["healing"] == NOBODY, "field", "healing")'),
    M("healing-hash-without-epoch", "keys.md §5", "0 and zeros if none", "a hash with epoch 0", "objects", 'require((f["healing_epoch"] == 0) == (f["healing"] == NOBODY), "field", "healing")', 'require(not f["healing_epoch"] or f["healing"] != NOBODY, "field", "healing")'),
    M("healing-is-previous", "keys.md §5", "if healing_epoch = epoch − 1, healing = previous", "not compared", "objects", 'require(not 0 < f["healing_epoch"] == f["epoch"] - 1 or f["healing"] == f["previous"], "field", "two hashes for the previous epoch")', "pass"),
    M("filters-none", "keys.md §5", "1 to 32 filters", "or none", "objects", 'require(1 <= len(f["filters"]) <= 32, "field"', 'require(len(f["filters"]) <= 32, "field"'),
    M("filters-33", "keys.md §5", "1 to 32 filters", "33", "objects", 'require(1 <= len(f["filters"]) <= 32, "field"', 'require(1 <= len(f["filters"]) <= 33, "field"'),
    M("filters-31", "keys.md §5", "1 to 32 filters", "31", "objects", 'require(1 <= len(f["filters"]) <= 32, "field"', 'require(1 <= len(f["filters"]) <= 31, "field"'),
    M("filters-invalid", "keys.md §5", "valid MQTT filters", "any text", "objects", '        topics.require_filter(text, "filter")\n', ""),
    M("filters-dollar", "keys.md §5", "none starting with $", "they may", "objects", 'require(not text.startswith("$"), "field", "filter begins with $")', "pass"),
    M("filters-dollar-share", "keys.md §5", "none starting with $", "no shared subscription", "objects", 'require(not text.startswith("$"), "field", "filter begins with $")', 'require(not text.startswith("$share/"), "field")'),
    M("filters-1025", "keys.md §5", "1024 bytes at most as encoded", "1025", "objects", "<= 1024, \"field\", \"filters above 1024 bytes as encoded\")", "<= 1025, \"field\")"),
    M("filters-1023", "keys.md §5", "1024 bytes at most as encoded", "below", "objects", "<= 1024, \"field\", \"filters above 1024 bytes as encoded\")", "< 1024, \"field\")"),
    M("filters-without-lengths", "keys.md §5", "as encoded", "their texts", "objects", 'sum(len(blob(text.encode())) for text in f["filters"])', 'sum(len(text.encode()) for text in f["filters"])'),
    M("filters-reserved", "keys.md §5", "not matching any topic under the reserved prefix", "the broker sees to it", "objects", FILTER_REACHES, "pass"),
    M("filters-reserved-deeper", "keys.md §5", "not matching any topic under the prefix", "any topic right below it", "objects", FILTER_REACHES, FILTER_REACHES.replace('topics.overlap(text, prefix + "/#")', 'topics.overlap(text, prefix + "/+")')),
    M("filters-reserved-prefix", "keys.md §9", "the prefix itself is reserved", "only what is below", "objects", FILTER_REACHES, FILTER_REACHES.replace('topics.overlap(text, prefix + "/#")', 'topics.overlap(text, prefix + "/+/#")')),
    M("filters-reserved-text", "keys.md §5", "not matching any topic under the prefix", "not beginning with it", "objects", FILTER_REACHES, FILTER_REACHES.replace('topics.overlap(text, prefix + "/#")', "text.startswith(prefix)")),
    M("filters-reserved-default", "keys.md §9", "unless configured otherwise", "the default prefix is reserved, too", "objects", '        prefix = prefix or "_sealmq/" + f["domain"].hex()\n', '        prefix = "_sealmq/" + f["domain"].hex()\n'),
    M("generations-none", "keys.md §5", "1 or 2 generations", "or none", "objects", GENERATIONS, GENERATIONS.replace("1 <= len(generations) <= 2", "len(generations) <= 2")),
    M("generations-3", "keys.md §5", "1 or 2 generations", "3", "objects", GENERATIONS, GENERATIONS.replace("<= 2 and", "<= 3 and")),
    M("generations-covers", "keys.md §5", "one cover each", "at least one", "objects", GENERATIONS, 'require(1 <= len(generations) <= 2, "field")'),
    M("generations-order", "keys.md §5", "ascending by number", "in any order", "objects", '    _ascending([generation["number"] for generation in generations], "generations ascending")\n', ""),
    M("generations-equal", "keys.md §5", "ascending by number", "not falling", "objects", '    _ascending([generation["number"] for generation in generations], "generations ascending")\n', '    require([g["number"] for g in generations] == sorted(g["number"] for g in generations), "field")\n'),
    M("deadline-newer", "keys.md §5", "only the older of two may have one", "any", "objects", 'require(not any(generation["deadline"] for generation in generations[-1:]), "field", "a deadline of the newer generation")', "pass"),
    M("deadline-single", "keys.md §5", "only the older of two may have one", "a single one may", "objects", "for generation in generations[-1:]), \"field\"", "for generation in generations[1:]), \"field\""),
    M("deadline-must", "keys.md §5", "the older of two may have one", "must", "objects", 'require(not any(generation["deadline"] for generation in generations[-1:]), "field"', 'require(all(generation["deadline"] for generation in generations[:-1]) and not any(generation["deadline"] for generation in generations[-1:]), "field"'),
    M("depth-1", "keys.md §5", "2 ≤ depth ≤ 24", "1", "objects", 'require(2 <= generation["depth"] <= 24, "field"', 'require(1 <= generation["depth"] <= 24, "field"'),
    M("depth-3", "keys.md §5", "2 ≤ depth ≤ 24", "from 3", "objects", 'require(2 <= generation["depth"] <= 24, "field"', 'require(3 <= generation["depth"] <= 24, "field"'),
    M("depth-25", "keys.md §5", "2 ≤ depth ≤ 24", "25", "objects", 'require(2 <= generation["depth"] <= 24, "field"', 'require(2 <= generation["depth"] <= 25, "field"'),
    M("depth-23", "keys.md §5", "2 ≤ depth ≤ 24", "to 23", "objects", 'require(2 <= generation["depth"] <= 24, "field"', 'require(2 <= generation["depth"] <= 23, "field"'),
    M("first-epoch-0", "keys.md §5", "1 ≤ first_epoch", "0", "objects", 'require(1 <= generation["first_epoch"] <= f["epoch"],', 'require(0 <= generation["first_epoch"] <= f["epoch"],'),
    M("first-epoch-next", "keys.md §5", "first_epoch ≤ epoch", "the next one, too", "objects", 'require(1 <= generation["first_epoch"] <= f["epoch"],', 'require(1 <= generation["first_epoch"] <= f["epoch"] + 1,'),
    M("first-epoch-before", "keys.md §5", "first_epoch ≤ epoch", "below", "objects", 'require(1 <= generation["first_epoch"] <= f["epoch"],', 'require(1 <= generation["first_epoch"] < max(f["epoch"], 2),'),
    # covers
    M("cover-kind-2", "keys.md §1", "an enum that is not known is refused", "others are Inline", "objects", '    require(variant <= 1, "encoding", "unknown kind of cover")\n', ""),
    M("cover-length", "keys.md §5", "52-byte entries", "a rest is ignored", "objects", '    require(len(data) % 52 == 0, "field", "length of the entries")\n    entries, out = Cursor(data), []', "    entries, out = Cursor(data[:len(data) // 52 * 52]), []"),
    M("cover-entry-order", "keys.md §5", "wrapped (32) ‖ tag (16)", "tag first", "objects", '{"node": entries.be(4), "wrapped": entries.take(32), "tag": entries.take(16)}', '{"node": entries.be(4), "tag": entries.take(16), "wrapped": entries.take(32)}'),
    M("cover-empty", "keys.md §5", "an empty cover is rejected", "accepted", "objects", '    require(entries, "field", "empty cover")\n', ""),
    M("cover-node-1", "keys.md §5", "a node outside 2 … is rejected", "1 is the root", "objects", 'require(2 <= node < 2 << depth, "field"', 'require(1 <= node < 2 << depth, "field"'),
    M("cover-node-0", "keys.md §5", "a node outside 2 … is rejected", "from 0", "objects", 'require(2 <= node < 2 << depth, "field"', 'require(0 <= node < 2 << depth, "field"'),
    M("cover-node-deep", "keys.md §5", "… 2^(depth+1) − 1", "deeper nodes cover nobody", "objects", '        require(2 <= node < 2 << depth, "field", "node outside the tree")\n', '        require(2 <= node, "field", "node outside the tree")\n        if node >= 2 << depth:\n            continue\n'),
    M("cover-node-leaf", "keys.md §5", "… 2^(depth+1) − 1", "inner nodes only", "objects", 'require(2 <= node < 2 << depth, "field"', 'require(2 <= node < 1 << depth, "field"'),
    M("cover-overlap", "keys.md §5", "entries that overlap are rejected", "an ancestor may follow", "objects", '        require(node << height >= covered, "field", "entries overlap or are out of order")\n', '        require(not covered or (node + 1) << height > covered, "field")\n'),
    M("cover-node-order", "keys.md §5", "ascending order of the leaves that they cover", "of the node numbers", "objects", '        require(node << height >= covered, "field", "entries overlap or are out of order")\n', '        require(node > max([other["node"] for other in entries[:entries.index(entry)]], default=0), "field")\n'),
    M("cover-leftmost-order", "keys.md §5", "entries that overlap are rejected", "the leftmost leaves ascend", "objects", "        covered = (node + 1) << height\n", "        covered = (node << height) + 1\n"),
    M("cover-one-level", "keys.md §5", "nodes need not be of one level", "they are", "objects", "        height = depth + 1 - node.bit_length()\n", '        height = depth + 1 - node.bit_length()\n        require(height == depth + 1 - entries[0]["node"].bit_length(), "field")\n'),
    M("cover-smallest", "keys.md §5", "what is rejected", "a cover that is not the smallest, too", "objects", "        covered = (node + 1) << height\n", '        covered = (node + 1) << height\n        require(not (node > 3 and node & 1 and any(other["node"] == node - 1 for other in entries)), "field")\n'),
    M("cover-both-halves", "keys.md §6", "a half of which nothing is left is left out", "both are there", "objects", '    require(entries, "field", "empty cover")\n', '    require(entries, "field", "empty cover")\n    require(first_leaf or len(entries) > 1, "field")\n'),
    # chunks
    M("chunks-1", "keys.md §5", "at least 2 chunks", "1", "objects", 'require(len(leaves) >= 2, "field", "at least 2 chunks")', 'require(leaves, "field", "at least 2 chunks")'),
    M("chunks-3", "keys.md §5", "at least 2 chunks", "3", "objects", 'require(len(leaves) >= 2, "field", "at least 2 chunks")', 'require(len(leaves) >= 3, "field", "at least 2 chunks")'),
    M("chunks-order", "keys.md §5", "chunks ascend by first_leaf", "in any order", "objects", '            _ascending(leaves, "chunks ascending by first_leaf")\n', ""),
    M("chunks-equal", "keys.md §5", "chunks ascend by first_leaf", "do not fall", "objects", '            _ascending(leaves, "chunks ascending by first_leaf")\n', '            require(leaves == sorted(leaves), "field")\n'),
    M("chunks-first-leaf", "keys.md §5", "first_leaf is a leaf, as a node number", "its place from 0, or any node", "objects", '            require(all(leaf >> generation["depth"] == 1 for leaf in leaves), "field", "first_leaf is not a leaf")\n', ""),
    M("chunks-first-leaf-high", "keys.md §5", "2^depth … 2^(depth+1) − 1", "2^(depth+1)", "objects", 'all(leaf >> generation["depth"] == 1 for leaf in leaves)', 'all(1 << generation["depth"] <= leaf <= 2 << generation["depth"] for leaf in leaves)'),
    M("chunks-from-first", "keys.md §5", "None, if its leaf is below the first", "the first chunk has to begin the tree", "objects", '            _ascending(leaves, "chunks ascending by first_leaf")\n', '            _ascending(leaves, "chunks ascending by first_leaf")\n            require(leaves[0] == 1 << generation["depth"], "field")\n'),
    M("chunk-first", "keys.md §5", "the last one whose first_leaf is not above its leaf", "the first", "objects", 'return max((n for n, chunk in enumerate(chunks) if', 'return min((n for n, chunk in enumerate(chunks) if'),
    M("chunk-below", "keys.md §5", "not above its leaf", "below its leaf", "objects", 'if chunk["first_leaf"] <= leaf), default=None)', 'if chunk["first_leaf"] < leaf), default=None)'),
    M("chunk-below-first", "keys.md §5", "none, if its leaf is below the first", "the first", "objects", 'if chunk["first_leaf"] <= leaf), default=None)', 'if chunk["first_leaf"] <= leaf), default=0)'),
    M("chunk-long", "keys.md §5", "at most 8216 bytes", "not limited", "objects", "require(len(data) <= MAX_CHUNK and sha256(data)", "require(sha256(data)"),
    M("chunk-hash", "keys.md §5", "refuses a chunk with another hash", "its entries open or not", "objects", 'require(len(data) <= MAX_CHUNK and sha256(data) == chunks[index]["hash"], "serial"', 'require(len(data) <= MAX_CHUNK, "serial"'),
    M("chunk-rules", "keys.md §5", "applies the rules for entries to it", "its hash is enough", "objects", '    cover_rules(entries, depth, chunks[index]["first_leaf"], end)\n', ""),
    M("chunk-bounds", "keys.md §5", "with the bounds first_leaf … the next chunk's", "without bounds", "objects", '    cover_rules(entries, depth, chunks[index]["first_leaf"], end)\n', "    cover_rules(entries, depth)\n"),
    M("chunk-lower-bound", "keys.md §5", "first_leaf is the leftmost leaf of its first entry", "a bound", "objects", 'covered or not first_leaf or node << height == first_leaf, "field"', 'covered or not first_leaf or node << height >= first_leaf, "field"'),
    M("chunk-lower-bound-none", "keys.md §5", "first_leaf is the leftmost leaf of its first entry", "not compared", "objects", '        require(covered or not first_leaf or node << height == first_leaf, "field", "the first entry does not cover first_leaf first")\n', ""),
    M("chunk-upper-bound", "keys.md §5", "… the next chunk's first_leaf", "not compared", "objects", '    require(covered <= (end or covered), "field", "an entry reaches into the next chunk")\n', ""),
    M("chunk-upper-bound-tight", "keys.md §5", "up to the next chunk's first_leaf", "below it", "objects", "require(covered <= (end or covered),", "require(covered < (end or covered + 1),"),
    M("head-hash-form", "keys.md §5", "head_hash = SHA-256(form ‖ kind ‖ head)", "of the head", "objects", "obj.head_hash = sha256(c.data[:c.at])", "obj.head_hash = sha256(c.data[2:c.at])"),
    M("head-hash-covers", "keys.md §5", "the bytes before covers", "of all", "objects", '    obj.head_hash = sha256(c.data[:c.at])', '    obj.head_hash = obj.hash'),
    M("key-id-head", "keys.md §5", "the first 8 bytes of H", "of head_hash", "objects", "obj.key_id = obj.hash[:8]", "obj.key_id = obj.head_hash[:8]"),
    # fields of welcomes
    M("welcome-member", "keys.md §1", "1 to 2^28 − 1 in every object", "not here", "objects", 'def _welcome_rules(f, suite):\n    require(_is_member(f["member"]), "field", "member number")\n', "def _welcome_rules(f, suite):\n"),
    M("welcome-depth-1", "keys.md §5", "2 ≤ depth ≤ 24", "1", "objects", 'require(2 <= f["depth"] <= 24, "field", "depth")', 'require(1 <= f["depth"] <= 24, "field", "depth")'),
    M("welcome-depth-25", "keys.md §5", "2 ≤ depth ≤ 24", "25", "objects", 'require(2 <= f["depth"] <= 24, "field", "depth")', 'require(2 <= f["depth"] <= 25, "field", "depth")'),
    M("welcome-leaf-low", "keys.md §6", "leaves are 2^d … 2^(d+1) − 1", "any node of the tree", "objects", 'require(f["leaf"] >> f["depth"] == 1, "field", "not a leaf")', 'require(1 < f["leaf"] < 2 << f["depth"], "field", "not a leaf")'),
    M("welcome-leaf-high", "keys.md §6", "leaves are 2^d … 2^(d+1) − 1", "and deeper ones", "objects", 'require(f["leaf"] >> f["depth"] == 1, "field", "not a leaf")', 'require(f["leaf"] >> f["depth"] >= 1, "field", "not a leaf")'),
    M("welcome-chain", "keys.md §5", "the same rules hold in welcomes", "in announcements only", "objects", '    require(f["leaf"] >> f["depth"] == 1, "field", "not a leaf")\n    _chain_rules(f)\n', '    require(f["leaf"] >> f["depth"] == 1, "field", "not a leaf")\n'),
    M("welcome-package-0", "keys.md §6", "package_number is at least 1", "0", "objects", '    require(f["package_number"] >= 1, "field", "package numbers begin with 1")\n', ""),
    M("welcome-sealed-size", "keys.md §6", "32·depth bytes", "any size", "objects", 'require(len(f["enc"]) == KEM[suite][2] and len(f["sealed"]) == 32 * f["depth"] + 16, "field"', 'require(len(f["enc"]) == KEM[suite][2], "field"'),
    M("welcome-enc-size", "keys.md §10", "enc has 32 or 1120 bytes", "any size", "objects", 'require(len(f["enc"]) == KEM[suite][2] and len(f["sealed"])', 'require(len(f["sealed"])'),
    M("generation-0", "keys.md §5", "generations: number u32", "from 1", "objects", '    _ascending([generation["number"] for generation in generations], "generations ascending")\n', '    _ascending([generation["number"] for generation in generations], "generations ascending")\n    require(generations[0]["number"] >= 1, "field")\n'),
]
