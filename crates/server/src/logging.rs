//! The log: pretty on a terminal, one JSON object a line elsewhere, to standard error or a file.

use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::Context;
use node::settings::{LogFormat, LogLevel, Settings};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::log_file::LogFile;

/// The running log.
#[derive(Clone, Debug)]
pub struct Logging {
    level: reload::Handle<LevelFilter, Registry>,
    /// None for standard error.
    file: Option<LogFile>,
}

impl Logging {
    /// Changes the level from now on (`CONFIG SET loglevel`).
    pub fn set_level(&self, level: LogLevel) {
        // Fails only if the log is gone, and then nothing is logged anyway.
        let _ = self.level.reload(filter(level));
    }

    /// Says where the file of a log is that waits to be told. One that has its place keeps it.
    pub(crate) fn put(&self, path: &Path) -> anyhow::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.put(path))
    }
}

/// Starts the log of this process; once. If it `waits`, the place of its file is still to be said.
pub(crate) fn init(settings: &Settings, waits: bool) -> anyhow::Result<Logging> {
    let (level, handle) = reload::Layer::new(filter(settings.loglevel));
    let file = settings.logfile.as_deref().map(|path| {
        let file = LogFile::waiting();
        if waits { Ok(file) } else { file.put(path).map(|()| file) }
    });
    let file = file.transpose()?;
    let on_terminal = file.is_none() && io::stderr().is_terminal();
    let form = Form::of(settings.logformat, on_terminal);
    let layer = match file.clone() {
        Some(file) => form.layer(file),
        None => form.layer(io::stderr),
    };
    tracing_subscriber::registry().with(level).with(layer).try_init().context("start the log")?;
    Ok(Logging { level: handle, file })
}

/// Whether colours are welcome on a terminal.
pub fn colour_is_welcome() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Pretty { colour: bool },
    Json,
}

impl Form {
    fn of(format: LogFormat, on_terminal: bool) -> Form {
        match (format, on_terminal) {
            (LogFormat::Auto, false) | (LogFormat::Json, _) => Form::Json,
            (LogFormat::Auto, true) | (LogFormat::Pretty, _) => {
                Form::Pretty { colour: on_terminal && colour_is_welcome() }
            }
        }
    }

    fn layer<S, W>(self, writer: W) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
        W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    {
        let layer = tracing_subscriber::fmt::layer().with_writer(writer);
        match self {
            Form::Pretty { colour } => layer.compact().with_target(false).with_ansi(colour).boxed(),
            Form::Json => {
                layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::{Arc, Mutex};

    /// A place to log to that a test can read.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(form: Form, level: LogLevel) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = form.layer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(filter(level)).with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(partition = 7, "became leader");
            tracing::debug!("too fine");
        });
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_with_fields_at_the_top() {
        let text = logged(Form::Json, LogLevel::Info);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("\"level\":\"INFO\""), "{text}");
        assert!(text.contains("\"message\":\"became leader\",\"partition\":7"), "{text}");
    }

    #[test]
    fn pretty_without_colour_has_no_escapes() {
        let text = logged(Form::Pretty { colour: false }, LogLevel::Info);
        assert!(text.trim_end().ends_with("INFO became leader partition=7"), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
    }

    #[test]
    fn the_level_decides_what_is_logged() {
        assert_eq!(logged(Form::Json, LogLevel::Warn), "");
        assert_eq!(logged(Form::Json, LogLevel::Debug).lines().count(), 2);
    }

    #[test]
    fn auto_is_pretty_on_a_terminal_only() {
        assert_eq!(Form::of(LogFormat::Auto, false), Form::Json);
        assert_eq!(Form::of(LogFormat::Json, true), Form::Json);
        assert_eq!(Form::of(LogFormat::Pretty, false), Form::Pretty { colour: false });
        assert!(matches!(Form::of(LogFormat::Auto, true), Form::Pretty { .. }));
    }
}
