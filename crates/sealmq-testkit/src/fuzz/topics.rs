use sealmq_core::topic::{Filter, Topic, matches_grant};

/// Topic names and filters against the rules written down once more: three texts, separated by
/// zero bytes (a topic and two filters).
pub fn topics(data: &[u8]) -> bool {
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let mut text = || core::str::from_utf8(parts.next().unwrap_or_default()).ok();
    let (topic, a, b) = (text(), text(), text());
    let topic = topic.and_then(check_topic);
    let (a, b) = (a.and_then(check_filter), b.and_then(check_filter));

    for filter in [a, b].into_iter().flatten() {
        assert!(filter.overlaps(filter));
        if let Some(topic) = topic {
            let expected = naive_matches(filter.as_str(), topic.as_str());
            assert_eq!(filter.matches(topic), expected, "{filter:?} {topic:?}");
            // A name that is no `%c` makes no difference to a filter without one.
            if !filter.as_str().split('/').any(|level| level == "%c") {
                assert_eq!(matches_grant(filter, "name", topic), expected);
            }
        }
    }
    let (Some(a), Some(b)) = (a, b) else {
        return topic.is_some();
    };
    let overlap = a.overlaps(b);
    assert_eq!(overlap, b.overlaps(a), "symmetric: {a:?} {b:?}");
    if let Some(topic) = topic {
        let both = a.matches(topic) && b.matches(topic);
        assert!(overlap || !both, "{a:?} {b:?} {topic:?}");
    }
    if overlap {
        let witness = witness(a.as_str(), b.as_str());
        let topic = Topic::new(&witness).unwrap();
        let both = a.matches(topic) && b.matches(topic);
        assert!(both, "{a:?} {b:?} {witness:?}");
    }
    overlap
}

fn check_topic(text: &str) -> Option<Topic<'_>> {
    let topic = Topic::new(text).ok();
    let allowed = (1..=65535).contains(&text.len()) && !text.contains(['+', '#', '\0']);
    assert_eq!(topic.is_some(), allowed, "{text:?}");
    topic
}

fn check_filter(text: &str) -> Option<Filter<'_>> {
    let filter = Filter::new(text).ok();
    let levels: Vec<&str> = text.split('/').collect();
    let fits = |(i, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => i + 1 == levels.len(),
        level => !level.contains(['+', '#', '\0']),
    };
    let allowed = (1..=65535).contains(&text.len()) && levels.iter().enumerate().all(fits);
    assert_eq!(filter.is_some(), allowed, "{text:?}");
    filter
}

fn naive(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, topic @ ..]) => naive(filter, topic),
        ([level, filter @ ..], [name, topic @ ..]) => level == name && naive(filter, topic),
        _ => false,
    }
}

fn naive_matches(filter: &str, topic: &str) -> bool {
    let filter: Vec<_> = filter.split('/').collect();
    let topic: Vec<_> = topic.split('/').collect();
    let hidden = topic[0].starts_with('$') && matches!(filter[0], "+" | "#");
    !hidden && naive(&filter, &topic)
}

/// A topic that two overlapping filters both match: literal levels where one has them.
fn witness(a: &str, b: &str) -> String {
    let (mut a, mut b) = (a.split('/').peekable(), b.split('/').peekable());
    let mut levels = Vec::new();
    loop {
        let (x, y) = match (a.peek(), b.peek()) {
            (None, None) => break,
            (x, y) => (x.copied(), y.copied()),
        };
        match (x, y) {
            (Some("#"), None | Some("#")) | (None, Some("#")) => {
                if levels.is_empty() {
                    levels.push("x");
                }
                break;
            }
            // The `#` stays for the levels to come.
            (Some("#"), Some(level)) => {
                levels.push(if level == "+" { "x" } else { level });
                b.next();
            }
            (Some(level), Some("#")) => {
                levels.push(if level == "+" { "x" } else { level });
                a.next();
            }
            (x, y) => {
                let literal = [x, y].into_iter().flatten().find(|level| *level != "+");
                levels.push(literal.unwrap_or("x"));
                a.next();
                b.next();
            }
        }
    }
    let topic = levels.join("/");
    // `+` and `/#`-like pairs leave a single empty level, which is no topic by itself.
    if topic.is_empty() {
        "/".to_owned()
    } else {
        topic
    }
}
