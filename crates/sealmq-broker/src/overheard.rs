//! mqtt5 says in its log only that a write failed, and acknowledges all the same. So what it logs is
//! looked at on the way.

use core::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Beginnings of the lines, and where they come from.
const LINES: [(&str, &str); 3] = [
    ("mqtt5::broker::storage::file_backend", "Failed to persist"),
    ("mqtt5::broker::router", "Failed to store"),
    ("mqtt5::broker::router", "Failed to remove"),
];

/// Writes that failed, since the start.
#[derive(Debug, Default)]
pub(crate) struct Failures(AtomicU64);

impl Failures {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Passes everything on to whoever has the log.
struct Overheard {
    next: Dispatch,
    failures: Arc<Failures>,
}

/// For the broker's threads: what the calling thread has, and counts.
pub(crate) fn listen(failures: Arc<Failures>) -> Dispatch {
    let next = tracing::dispatcher::get_default(Clone::clone);
    Dispatch::new(Overheard { next, failures })
}

/// Lets this thread log to it, for as long as it runs.
pub(crate) fn enter(dispatch: &Dispatch) {
    core::mem::forget(tracing::dispatcher::set_default(dispatch));
}

fn concerns(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN && LINES.iter().any(|(from, _)| metadata.target() == *from)
}

/// Looks for the beginning of a line.
struct Line {
    target: &'static str,
    found: bool,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let text = format!("{value:?}");
            let fits =
                |(from, begins): &(&str, &str)| *from == self.target && text.starts_with(begins);
            self.found = LINES.iter().any(fits);
        }
    }
}

impl Subscriber for Overheard {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if concerns(metadata) {
            return Interest::always();
        }
        self.next.register_callsite(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        concerns(metadata) || self.next.enabled(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        if concerns(metadata) {
            let mut line = Line {
                target: metadata.target(),
                found: false,
            };
            event.record(&mut line);
            if line.found {
                self.failures.0.fetch_add(1, Ordering::AcqRel);
            }
            if !self.next.enabled(metadata) {
                return;
            }
        }
        self.next.event(event);
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.next.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.next.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.next.record_follows_from(span, follows);
    }

    fn enter(&self, span: &Id) {
        self.next.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.next.exit(span);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.next.clone_span(id)
    }

    fn try_close(&self, id: Id) -> bool {
        self.next.try_close(id)
    }
}
