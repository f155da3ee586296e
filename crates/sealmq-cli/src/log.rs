//! Where events go. In text, `sealmq authority run` tells its progress on standard output, as
//! commands tell their results; everything else goes to standard error.

use core::fmt;
use std::fmt::Write as _;
use std::io;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, layer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::{LogArgs, LogFormat};
use crate::output::LogLines;

/// The authority's progress and events.
pub(crate) const AUTHORITY: &str = "sealmq::authority";
/// What is wrong between the authority and its broker.
pub(crate) const BROKER: &str = "sealmq::broker";
/// Why the program ends early.
pub(crate) const PROGRAM: &str = "sealmq::program";

/// From here on events are logged: this program's own ones unless the user wants others, those of
/// the authority if it is in the `foreground`.
pub(crate) fn start(args: &LogArgs, foreground: bool) {
    let own = || {
        let authority = if foreground {
            LevelFilter::INFO
        } else {
            LevelFilter::OFF
        };
        Targets::new()
            .with_target("sealmq::", Level::INFO)
            .with_target(AUTHORITY, authority)
    };
    let filter = args.log.clone().unwrap_or_else(own);
    let output = match args.log_format {
        LogFormat::Text => {
            let progress = || LogLines {
                to: io::stdout(),
                json: false,
            };
            let rest = || LogLines {
                to: io::stderr(),
                json: false,
            };
            let progress = progress.with_filter(|event| event.target() == AUTHORITY);
            layer()
                .with_writer(progress.or_else(rest))
                .event_format(Lines)
                .log_internal_errors(false)
                .boxed()
        }
        LogFormat::Json => layer()
            .json()
            .flatten_event(true)
            .with_writer(|| LogLines {
                to: io::stderr(),
                json: true,
            })
            .log_internal_errors(false)
            .boxed(),
    };
    // Fails only if the process has a log already.
    let _present = tracing_subscriber::registry()
        .with(output.with_filter(filter))
        .try_init();
}

/// The program's own events are sentences; those of its parts show where they come from, and
/// their fields.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        let metadata = event.metadata();
        match metadata.target() {
            AUTHORITY => writeln!(writer, "{}", line.message),
            BROKER => writeln!(writer, "sealmq: {}", line.message),
            part => writeln!(
                writer,
                "sealmq: {} {part}: {}{}",
                metadata.level(),
                line.message,
                line.fields
            ),
        }
    }
}

#[derive(Default)]
struct Line {
    message: String,
    /// Each with a space before it.
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
