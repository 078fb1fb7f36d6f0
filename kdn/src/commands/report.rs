//! Progress of a command, shared by the calls that it makes and by what drivers print.

use std::sync::{Arc, Mutex, PoisonError};

use kdn_protocol::host::{self, OutputSink};

use super::Context;
use crate::{
    commands::args::{LogArgs, ProgressArgs},
    output::{
        CommandError, Notes,
        progress::{Event, Mode, Progress, Stream},
        stream,
    },
};

/// Progress of a command. Dropped without [`finish`](Self::finish), the command has failed.
#[derive(Debug, Clone)]
pub(crate) struct Report(Arc<Mutex<Option<Progress>>>);

impl Report {
    pub(crate) fn new(
        context: &Context,
        progress: ProgressArgs,
        logs: LogArgs,
        json: bool,
    ) -> Result<Self, CommandError> {
        if json && logs.show_logs {
            return Err(CommandError::usage("--show-logs cannot be used with --output json"));
        }
        let default = if json { Mode::None } else { Mode::Auto };
        let mode = progress.progress.map_or(default, |mode| mode.0);
        let progress = Progress::new(mode, !context.env.dumb_terminal, logs.show_logs);
        Ok(Self(Arc::new(Mutex::new(Some(progress)))))
    }

    /// Where the events of a call go.
    pub(crate) fn observer(&self) -> impl FnMut(host::Event) + Send + use<> {
        let report = self.clone();
        move |event| report.handle(event.into())
    }

    /// Where the stderr of drivers goes. `None`: nobody sees it.
    pub(crate) fn stderr(&self) -> Option<OutputSink> {
        let shown = self.lock().as_ref().is_some_and(Progress::shows_logs);
        let report = self.clone();
        let sink =
            move |text: &str| report.handle(Event::Log { stream: Stream::Stderr, text: text.to_owned() });
        shown.then(|| Arc::new(sink) as OutputSink)
    }

    /// Where what is said beside the result goes.
    pub(crate) fn notes(&self) -> Notes {
        let report = self.clone();
        Notes::new(move |text| match report.lock().as_mut().filter(|progress| progress.is_shown()) {
            Some(progress) => progress.handle(Event::Note { text: text.to_owned() }),
            None => stream::note(text),
        })
    }

    /// Ends with what the command made of it: on success the open step is complete, on failure it is not.
    pub(crate) fn end<T>(self, outcome: Result<T, CommandError>) -> Result<T, CommandError> {
        if let Some(progress) = self.lock().take() {
            match &outcome {
                Ok(_) => progress.finish(),
                Err(_) => drop(progress),
            }
        }
        outcome
    }

    /// Shows something that kdn does itself as a step, which is done when the next one begins, unless it
    /// [failed](Self::fail).
    pub(crate) fn step(&self, in_progress: &str, completed: &str) {
        self.handle(Event::Start { in_progress: in_progress.to_owned(), completed: completed.to_owned() });
    }

    /// Shows that the step failed.
    pub(crate) fn fail(&self, error: &str) {
        self.handle(Event::Fail { error: error.to_owned() });
    }

    fn handle(&self, event: Event) {
        if let Some(progress) = self.lock().as_mut() {
            progress.handle(event);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
