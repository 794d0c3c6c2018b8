//! Log lines for the person who reads them at night, in the predecessor's form: `YYYY-MM-DD HH:MM:SS LEVEL text field=value`.

use std::borrow::Cow;
use std::fmt::{self, Write};

use jiff::{Zoned, tz::TimeZone};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// Most detailed level of our own lines. Libraries are one level quieter, and never more detailed than info.
    pub level: LevelFilter,
}

/// Starts logging to standard error. Does nothing when a subscriber is there already, as in tests.
pub fn init(settings: LogSettings) {
    let libraries = settings.level.min(LevelFilter::WARN);
    // It warns of every heartbeat that a member does not answer, twenty a second; the raft module says such things once.
    let raft_library = match settings.level >= LevelFilter::DEBUG {
        true => libraries,
        false => LevelFilter::OFF,
    };
    let targets = Targets::new()
        .with_default(libraries)
        .with_target("openraft", raft_library)
        .with_target("orchestrator", settings.level)
        .with_target("orchestrator_core", settings.level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .event_format(Lines)
        .with_ansi(false);
    // An error means that a subscriber is set: its owner wants the lines instead.
    drop(
        tracing_subscriber::registry()
            .with(targets)
            .with(lines)
            .try_init(),
    );
}

struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        let now = Zoned::now().with_time_zone(TimeZone::system());
        write!(
            out,
            "{} {} {}",
            now.strftime("%Y-%m-%d %H:%M:%S"),
            level_name(*event.metadata().level()),
            line.message
        )?;
        out.write_str(&line.fields)?;
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            let extensions = span.extensions();
            if let Some(fields) = extensions
                .get::<FormattedFields<N>>()
                .filter(|fields| !fields.is_empty())
            {
                write!(out, " {}[{}]", span.name(), fields.fields)?;
            }
        }
        writeln!(out)
    }
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn push(&mut self, field: &Field, value: &str) {
        // A line is a line: whatever came from outside cannot begin another.
        let clean = match value.contains(char::is_control) {
            false => Cow::Borrowed(value),
            true => Cow::Owned(escaped(value)),
        };
        if field.name() == "message" {
            self.message = clean.into_owned();
        } else if !clean.is_empty() {
            let quoted = clean.contains(' ');
            let mark = if quoted { "\"" } else { "" };
            write!(self.fields, " {}={mark}{clean}{mark}", field.name())
                .expect("a string takes all text");
        }
    }
}

fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len() + 16);
    for c in value.chars() {
        match c.is_control() {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    escaped
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_time_level_text_fields_and_cannot_be_forged() {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .event_format(Lines)
            .with_ansi(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _span = tracing::info_span!("probe", instance = "db1:3306").entered();
            tracing::warn!(
                reason = "no\n2026-01-01 00:00:00 FATAL gone",
                code = 7,
                "cannot probe"
            );
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let (time, rest) = text.split_at(19);
        assert!(
            time.as_bytes()[4] == b'-' && time.as_bytes()[13] == b':',
            "{time}"
        );
        assert_eq!(
            rest,
            " WARNING cannot probe reason=\"no\\n2026-01-01 00:00:00 FATAL gone\" code=7 probe[instance=\"db1:3306\"]\n"
        );
    }
}
