"""Until when a member keeps a package's private key, and when it makes new packages (keys.md §4)."""

MINUTE, DAY = 60, 86400


def lacks_welcome(group):
    """Its newest announcement lists a generation above that of the installed welcome, or there is none."""
    return not group["removed"] and (group["installed"] is None or group["generation"] > group["installed"])


def age(group, made_at):
    """In epochs. Made under a delegation that was replaced, when a higher epoch was known: older than any."""
    return group["newest"] - made_at if made_at <= group["newest"] else 2**64


def ends(group, number, epochs, seconds):
    """A package's welcome could open what has left the window."""
    soon = lacks_welcome(group) or group["installed_package"] > number
    return epochs > group["window"] and seconds >= (MINUTE if soon else 14 * DAY)


def outdated(group, made_at, seconds):
    """Made before the generation began that a welcome is missing to, or soon of no use."""
    epochs = age(group, made_at)
    old = epochs > group["window"] // 2 and seconds >= MINUTE
    return lacks_welcome(group) and (epochs > group["newest"] - group["first_epoch"] or old)


def is_due(groups, newest_set, now):
    if not newest_set:
        return any(lacks_welcome(group) for group in groups)
    for package in newest_set:
        seconds, validity = now - package["issued_at"], package["not_after"] - package["issued_at"]
        if seconds >= 7 * DAY or 2 * seconds >= validity:
            return True
        if any(outdated(group, made_at, seconds) for group, made_at in zip(groups, package["epochs"])):
            return True
    return False


def life(now, groups, packages, refused):
    """`refused`: number of the package whose welcome was just refused as too old, or None."""
    kept = []
    for package in packages:
        ages = [(group, age(group, made_at)) for group, made_at in zip(groups, package["epochs"])]
        over = any(ends(group, package["number"], epochs, now - package["issued_at"]) for group, epochs in ages)
        if not over and package["number"] != refused:
            kept.append(package)
    newest = max((package["set"] for package in packages), default=0)
    due = refused is not None or is_due(groups, [package for package in kept if package["set"] == newest], now)
    numbers = [package["number"] for package in kept]
    return {"kept": numbers, "due": due, "kept_beside_next": [] if refused is not None else numbers}
