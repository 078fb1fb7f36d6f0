//! Progress for programs: one JSON object a line.

use std::io::Write;

use serde::Serialize;

use super::event::{Stream, Update};
use super::steps::{Step, View};
use crate::output::json;

pub(super) struct Json<W>(pub(super) W);

/// An event of a long operation. A step begins with `start` and ends with `complete` or `fail`, before the next begins.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub(crate) enum Line<'a> {
    /// A step begins.
    Start {
        /// What is being done: `Building image`.
        in_progress: &'a str,
        /// What will have been done: `Image built`.
        completed: &'a str,
    },
    /// The open step goes on.
    Update {
        /// How much is done. Absent when that is not known.
        #[serde(skip_serializing_if = "Option::is_none")]
        current: Option<u64>,
        /// How much there is to do. Absent when that is not known.
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        /// What `current` and `total` count: `bytes`, `layers`. Absent when that is not known.
        #[serde(skip_serializing_if = "Option::is_none")]
        unit: Option<&'a str>,
        /// What is being done just now. Absent when that is not known.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
    },
    /// The open step is done.
    Complete,
    /// The open step went wrong, or there is none and something else did.
    Fail {
        /// Why. Absent when the command ends with an error that says it.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    },
    /// Something to know that is no step, such as a warning.
    Note {
        /// What, maybe in several lines.
        text: &'a str,
    },
    /// With `--show-logs`: a command of the runtime printed something.
    Log {
        /// Where it printed it: `stdout` or `stderr`.
        #[cfg_attr(test, schemars(extend("enum" = ["stdout", "stderr"])))]
        stream: &'static str,
        /// What, maybe in several lines.
        text: &'a str,
    },
}

impl<W: Write> Json<W> {
    fn say(&mut self, line: &Line<'_>) {
        let _ = self.0.write_all(json::line(line).as_bytes());
        let _ = self.0.flush();
    }
}

impl<W: Write + Send> View for Json<W> {
    fn start(&mut self, step: &Step) {
        self.say(&Line::Start { in_progress: &step.in_progress, completed: &step.completed });
    }

    fn update(&mut self, _: &Step, update: &Update) {
        self.say(&Line::Update {
            current: update.current,
            total: update.total,
            unit: update.unit.as_deref(),
            message: update.message.as_deref(),
        });
    }

    fn complete(&mut self, _: &Step) {
        self.say(&Line::Complete);
    }

    fn fail(&mut self, error: &str) {
        self.say(&Line::Fail { error: Some(error) });
    }

    fn abort(&mut self, _: &Step) {
        self.say(&Line::Fail { error: None });
    }

    fn note(&mut self, text: &str) {
        self.say(&Line::Note { text });
    }

    fn log(&mut self, stream: Stream, text: &str) {
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        self.say(&Line::Log { stream, text });
    }
}

#[cfg(test)]
mod tests {
    use super::super::steps::tests::{Shared, fail, log, start};
    use super::super::{Event, Progress};
    use super::*;

    #[test]
    fn each_start_has_one_end() {
        let out = Shared::default();
        let mut progress = Progress::with(Json(out.clone()));
        progress.handle(start("build"));
        progress.handle(Event::Update(Update {
            current: Some(1),
            unit: Some("layers".into()),
            ..Update::default()
        }));
        progress.handle(log("a\nb"));
        progress.handle(start("start"));
        progress.handle(fail("no space"));
        progress.handle(Event::Complete);
        progress.handle(start("clean"));
        drop(progress);
        insta::assert_snapshot!(out.text(), @r#"
        {"event":"start","inProgress":"building","completed":"builded"}
        {"event":"update","current":1,"unit":"layers"}
        {"event":"log","stream":"stderr","text":"a\nb"}
        {"event":"complete"}
        {"event":"start","inProgress":"starting","completed":"started"}
        {"event":"fail","error":"no space"}
        {"event":"start","inProgress":"cleaning","completed":"cleaned"}
        {"event":"fail"}
        "#);
    }
}
