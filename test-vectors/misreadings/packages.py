"""keys.md §4: the private keys of packages, and when new ones are made."""

from .entry import Misreading as M

LACKS = 'return not group["removed"] and (group["installed"] is None or group["generation"] > group["installed"])'
ENDS = 'return epochs > group["window"] and seconds >= (MINUTE if soon else 14 * DAY)'
OLD = 'old = epochs > group["window"] // 2 and seconds >= MINUTE'
BEFORE = 'epochs > group["newest"] - group["first_epoch"]'
OUTDATED = f"return lacks_welcome(group) and ({BEFORE} or old)"
AGE = 'return group["newest"] - made_at if made_at <= group["newest"] else 2**64'

MISREADINGS = [
    M("package-kept", "keys.md §4", "its private key is deleted when its age exceeds window", "with its welcome only", "packages", ENDS, "return False"),
    M("package-ends-window", "keys.md §4", "exceeds window", "reaches it", "packages", ENDS, ENDS.replace("> group", ">= group")),
    M("package-ends-late", "keys.md §4", "exceeds window", "window + 1", "packages", ENDS, ENDS.replace(" and seconds", " + 1 and seconds")),
    M("package-ends-at-once", "keys.md §4", "and it is a minute old", "whatever its age in seconds", "packages", ENDS, ENDS.replace("(MINUTE if", "(0 if")),
    M("package-ends-after-minute", "keys.md §4", "a minute old", "older than that", "packages", ENDS, ENDS.replace("seconds >=", "seconds >")),
    M("package-ends-settled", "keys.md §4", "else when it is 14 days old", "after a minute in any case", "packages", ENDS, "return epochs > group[\"window\"] and seconds >= MINUTE"),
    M("package-ends-14-days", "keys.md §4", "its age exceeds window and it is 14 days old", "it is 14 days old", "packages", ENDS, 'return (epochs > group["window"] and seconds >= MINUTE) if soon else seconds >= 14 * DAY'),
    M("package-no-welcome", "keys.md §4", "or there is none", "only a welcome of an older generation", "packages", LACKS, LACKS.replace('group["installed"] is None or ', 'group["installed"] is not None and ')),
    M("package-same-generation", "keys.md §4", "a generation above that of the installed welcome", "or the same", "packages", LACKS, LACKS.replace("> group", ">= group")),
    M("package-removed", "keys.md §4", "a removed member waits for no welcome", "as any other", "packages", LACKS, LACKS.replace('not group["removed"] and ', "")),
    M("package-new-before", "keys.md §4", "before it knew that generation's first epoch", "or in it", "packages", OUTDATED, OUTDATED.replace("epochs >", "epochs >=")),
    M("package-new-never", "keys.md §4", "the newest set was made before it knew that generation's first epoch", "any unused package serves", "packages", OUTDATED, "return lacks_welcome(group) and old"),
    M("package-new-once", "keys.md §4", "and while it is so, whenever that set is more than half a window old", "once for a generation", "packages", OUTDATED, f"return lacks_welcome(group) and {BEFORE}"),
    M("package-half-window", "keys.md §4", "more than ⌊window / 2⌋ epochs", "so many", "packages", OLD, OLD.replace("> group", ">= group")),
    M("package-half-window-up", "keys.md §4", "⌊window / 2⌋", "rounded up", "packages", OLD, OLD.replace('group["window"] // 2', '(group["window"] + 1) // 2')),
    M("package-half-window-at-once", "keys.md §4", "and a minute old", "whatever its age in seconds", "packages", OLD, OLD.replace(" and seconds >= MINUTE", "")),
    M("package-half-window-minute", "keys.md §4", "a minute old", "older than that", "packages", OLD, OLD.replace(">= MINUTE", "> MINUTE")),
    M("package-week", "keys.md §4", "when the newest set is 7 days old", "older than that", "packages", "seconds >= 7 * DAY", "seconds > 7 * DAY"),
    M("package-half-validity", "keys.md §4", "or half of its validity has passed", "all of it", "packages", "2 * seconds >= validity", "seconds >= validity"),
    M("package-any-set", "keys.md §4", "the newest set was made before", "any set", "packages", 'for package in kept if package["set"] == newest]', "for package in kept]"),
    M("package-refused-stays", "keys.md §4", "at once when its welcome is refused as too old", "it stays for another welcome", "packages", 'if not over and package["number"] != refused:', "if not over:"),
    M("package-refused-not-due", "keys.md §4", "published when it refuses a welcome as too old", "by schedule only", "packages", "due = refused is not None or is_due", "due = is_due"),
    M("package-refused-keeps-older", "keys.md §4", "and with the next set those of all older packages", "only the one of the welcome", "packages", "[] if refused is not None else numbers", "numbers"),
    M("package-passed", "keys.md §4", "or if the installed welcome was sealed to a package with a higher number", "with a generation that lacks a welcome only", "packages", ' or group["installed_package"] > number', ""),
    M("package-passed-all", "keys.md §4", "a package with a higher number", "any other", "packages", 'group["installed_package"] > number', 'group["installed_package"] not in (0, number)'),
    M("package-higher-epoch", "keys.md §4", "one made when a higher epoch was known is older than any", "is new", "packages", AGE, 'return max(group["newest"] - made_at, 0)'),
    M("package-higher-epoch-distance", "keys.md §4", "older than any", "as old as the numbers are apart", "packages", AGE, 'return abs(group["newest"] - made_at)'),
    M("package-first-group", "keys.md §4", "its age in a group", "in the first group", "packages", 'zip(groups, package["epochs"])]', 'zip(groups[:1], package["epochs"])]'),
]
