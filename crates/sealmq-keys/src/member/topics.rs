//! Which group a topic belongs to: the filters of all groups, level by level, so that finding it
//! costs the same however many there are.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::topic::{Filter, Topic, levels};

use crate::group::GroupState;

/// The filters of all groups.
#[derive(Default)]
pub(super) struct Topics {
    filters: BTreeMap<GroupId, Vec<String>>,
    root: Level,
}

/// What follows after the levels that lead here.
#[derive(Default)]
struct Level {
    /// The group of a filter that ends here.
    here: Option<GroupId>,
    /// That of one that goes on with `#`.
    below: Option<GroupId>,
    /// What goes on with `+`.
    any: Option<Box<Level>>,
    named: BTreeMap<Box<[u8]>, Level>,
}

impl Topics {
    /// The state of a group changed.
    pub(super) fn set(&mut self, id: GroupId, state: Option<&GroupState>) {
        self.set_filters(id, || state.into_iter().flat_map(GroupState::filters));
    }

    fn set_filters<'f, I>(&mut self, id: GroupId, filters: impl Fn() -> I)
    where
        I: Iterator<Item = Filter<'f>>,
    {
        let known = self.filters.get(&id);
        let known = known.map(Vec::as_slice).unwrap_or_default();
        if filters().map(Filter::as_str).eq(known) {
            return;
        }
        let filters = filters().map(|filter| filter.as_str().to_string());
        self.filters.insert(id, filters.collect());
        self.root = Level::default();
        for (id, filters) in &self.filters {
            for filter in filters {
                self.root.add(filter, *id);
            }
        }
    }

    /// The group whose filters match. An authority sees to it that it is one; otherwise it is that
    /// with the lowest id, for all members alike.
    pub(super) fn group_of(&self, topic: Topic<'_>) -> Option<GroupId> {
        let system = topic.as_str().starts_with('$');
        let found = self.root.find(levels(topic.as_str().as_bytes()), system);
        found.copied()
    }
}

impl Level {
    fn add(&mut self, filter: &str, id: GroupId) {
        let mut level = self;
        for name in levels(filter.as_bytes()) {
            level = match name {
                // The last level of its filter.
                b"#" => {
                    level.below = lower(level.below, Some(id));
                    return;
                }
                b"+" => level.any.get_or_insert_default(),
                name => level.named.entry(name.into()).or_default(),
            };
        }
        level.here = lower(level.here, Some(id));
    }

    /// Each level is looked at once at most. `system`: no wildcard stands for the first name.
    fn find<'t>(
        &self,
        mut names: impl Iterator<Item = &'t [u8]> + Clone,
        system: bool,
    ) -> Option<&GroupId> {
        let below = self.below.as_ref().filter(|_| !system);
        let Some(name) = names.next() else {
            return lower(self.here.as_ref(), below);
        };
        let any = self.any.as_ref().filter(|_| !system);
        let any = any.and_then(|level| level.find(names.clone(), false));
        let named = self.named.get(name);
        let named = named.and_then(|level| level.find(names, false));
        lower(below, lower(any, named))
    }
}

fn lower<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every join of one to three of these levels.
    fn all(levels: &[&str]) -> Vec<String> {
        let two = levels
            .iter()
            .flat_map(|a| levels.iter().map(move |b| [*a, "/", *b].concat()));
        let two: Vec<String> = two.collect();
        let three = two
            .iter()
            .flat_map(|a| levels.iter().map(move |b| [a, "/", *b].concat()));
        let one = levels.iter().map(ToString::to_string);
        one.chain(two.clone()).chain(three).collect()
    }

    fn id(n: usize) -> GroupId {
        GroupId([u8::try_from(n).unwrap(); 16])
    }

    #[test]
    fn the_tree_says_what_the_filters_say() {
        let filters = all(&["", "a", "$b", "+", "#"]);
        let filters: Vec<Filter<'_>> = filters.iter().flat_map(|f| Filter::new(f)).collect();
        let topics = all(&["", "a", "$b", "c"]);
        let topics: Vec<Topic<'_>> = topics.iter().flat_map(|t| Topic::new(t)).collect();
        // Each alone, each with every third other one, and a few groups of many.
        for (n, one) in filters.iter().enumerate() {
            for other in filters.iter().skip(n % 3).step_by(3) {
                let mut tree = Topics::default();
                tree.set_filters(id(9), || [*one].into_iter());
                tree.set_filters(id(4), || [*other].into_iter());
                for topic in &topics {
                    let expected = match (one.matches(*topic), other.matches(*topic)) {
                        (_, true) => Some(id(4)),
                        (true, false) => Some(id(9)),
                        (false, false) => None,
                    };
                    assert_eq!(tree.group_of(*topic), expected, "{one} {other} {topic}");
                }
            }
        }
        let mut tree = Topics::default();
        for (n, some) in filters.chunks(7).enumerate() {
            tree.set_filters(id(n), || some.iter().copied());
        }
        for topic in &topics {
            let mut groups = filters.chunks(7).enumerate();
            let found = groups.find(|(_, some)| some.iter().any(|f| f.matches(*topic)));
            assert_eq!(tree.group_of(*topic), found.map(|(n, _)| id(n)), "{topic}");
        }
    }

    #[test]
    fn filters_that_a_group_no_longer_has_are_gone() {
        let mut tree = Topics::default();
        let (old, new) = (Filter::new("a/+").unwrap(), Filter::new("b/#").unwrap());
        tree.set_filters(id(1), || [old].into_iter());
        tree.set_filters(id(1), || [new].into_iter());
        assert_eq!(tree.group_of(Topic::new("a/x").unwrap()), None);
        assert_eq!(tree.group_of(Topic::new("b").unwrap()), Some(id(1)));
    }
}
