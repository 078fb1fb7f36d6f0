//! The state of an operation: which step is open, and what an event means for it.

use std::fmt;
use std::io::{self, IsTerminal};

use super::event::{Event, Stream, Update};
use super::{json, plain, spinner};

/// How progress is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// A spinner on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// Plain lines.
    Plain,
    /// One JSON object a line.
    Json,
    /// Nothing.
    None,
}

/// A way to show progress. Steps come well-formed: each `start` is followed by one `complete`, `fail` or `abort`,
/// and `update` comes only between them.
pub(super) trait View: Send {
    fn start(&mut self, step: &Step);
    fn update(&mut self, step: &Step, update: &Update);
    fn complete(&mut self, step: &Step);
    /// Outside a step too.
    fn fail(&mut self, error: &str);
    /// The operation ended with an error that is told elsewhere.
    fn abort(&mut self, step: &Step);
    /// Outside a step too.
    fn note(&mut self, text: &str);
    fn log(&mut self, stream: Stream, text: &str);
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) in_progress: String,
    pub(super) completed: String,
}

/// The progress of one operation.
///
/// When it is dropped with a step open, the operation has failed: the step is not shown as completed, and nothing of
/// it stays on the terminal. After a success, call [`finish`](Self::finish).
pub struct Progress {
    view: Option<Box<dyn View>>,
    open: Option<Step>,
    show_logs: bool,
}

impl Progress {
    /// Shows progress on stderr. `can_redraw` is whether the terminal, if there is one, can redraw a line.
    pub fn new(mode: Mode, can_redraw: bool, show_logs: bool) -> Self {
        let view: Option<Box<dyn View>> = match mode {
            Mode::Auto if can_redraw && io::stderr().is_terminal() => {
                Some(Box::new(spinner::Spinner::on_stderr()))
            }
            Mode::Auto | Mode::Plain => Some(Box::new(plain::Plain(anstream::stderr()))),
            Mode::Json => Some(Box::new(json::Json(io::stderr()))),
            Mode::None => None,
        };
        Self { view, open: None, show_logs }
    }

    #[cfg(test)]
    pub(super) fn with(view: impl View + 'static) -> Self {
        Self { view: Some(Box::new(view)), open: None, show_logs: true }
    }

    /// Whether anything is shown.
    pub fn is_shown(&self) -> bool {
        self.view.is_some()
    }

    /// Whether anybody sees what backend commands print.
    pub fn shows_logs(&self) -> bool {
        self.show_logs && self.view.is_some()
    }

    /// Shows what happened.
    pub fn handle(&mut self, event: Event) {
        let Some(view) = &mut self.view else { return };
        match event {
            Event::Start { in_progress, completed } => {
                if let Some(step) = self.open.take() {
                    view.complete(&step);
                }
                view.start(self.open.insert(Step { in_progress, completed }));
            }
            Event::Update(update) => {
                if let Some(step) = &self.open {
                    view.update(step, &update);
                }
            }
            Event::Complete => {
                if let Some(step) = self.open.take() {
                    view.complete(&step);
                }
            }
            Event::Fail { error } => {
                self.open = None;
                view.fail(if error.is_empty() { "unknown error" } else { &error });
            }
            Event::Note { text } => view.note(&text),
            Event::Log { stream, text } => {
                if self.show_logs {
                    view.log(stream, &text);
                }
            }
        }
    }

    /// The operation has succeeded: the open step is completed.
    pub fn finish(mut self) {
        self.handle(Event::Complete);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let (Some(view), Some(step)) = (&mut self.view, self.open.take()) {
            view.abort(&step);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("open", &self.open)
            .field("show_logs", &self.show_logs)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A place to write that can be read after it has been given away.
    #[derive(Debug, Clone, Default)]
    pub(in crate::output::progress) struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Shared {
        pub(in crate::output::progress) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    pub(in crate::output::progress) fn start(name: &str) -> Event {
        Event::Start { in_progress: format!("{name}ing"), completed: format!("{name}ed") }
    }

    pub(in crate::output::progress) fn fail(error: &str) -> Event {
        Event::Fail { error: error.to_owned() }
    }

    pub(in crate::output::progress) fn log(text: &str) -> Event {
        Event::Log { stream: Stream::Stderr, text: text.to_owned() }
    }

    #[test]
    fn without_a_view_nothing_happens() {
        let mut progress = Progress::new(Mode::None, true, true);
        assert!(!progress.is_shown() && !progress.shows_logs());
        progress.handle(start("build"));
        progress.handle(log("x"));
        progress.finish();
    }
}
