"""What one misreading is."""


class Misreading:
    def __init__(self, identity, section, rule, read_as, module, old, new, unobservable=None):
        self.identity, self.section, self.rule, self.read_as = identity, section, rule, read_as
        self.module, self.old, self.new = module, old, new
        self.unobservable = unobservable  # why no input can tell it from the right reading, or None
