//! Progress as plain lines, for pipes and log files: what begins, what is done, what went wrong.

use std::io::Write;

use super::event::{Stream, Update};
use super::steps::{Step, View};
use crate::output::text;

pub(super) struct Plain<W>(pub(super) W);

impl<W: Write> Plain<W> {
    fn say(&mut self, text: &str) {
        // In one write, so that lines of several processes do not mix. There is nowhere to tell of a failure.
        let _ = self.0.write_all(format!("{text}\n").as_bytes());
        let _ = self.0.flush();
    }
}

impl<W: Write + Send> View for Plain<W> {
    fn start(&mut self, step: &Step) {
        self.say(&text::line(&step.in_progress));
    }

    fn update(&mut self, _: &Step, _: &Update) {}

    fn complete(&mut self, step: &Step) {
        self.say(&text::line(&step.completed));
    }

    fn fail(&mut self, error: &str) {
        self.say(&text::lines(error));
    }

    fn abort(&mut self, _: &Step) {}

    fn note(&mut self, text: &str) {
        self.say(&text::lines(text));
    }

    fn log(&mut self, _: Stream, text: &str) {
        self.say(text::lines(text).trim_end_matches('\n'));
    }
}

#[cfg(test)]
mod tests {
    use super::super::steps::tests::{Shared, fail, log, start};
    use super::super::{Event, Progress};
    use super::*;

    fn show(events: impl IntoIterator<Item = Event>, success: bool) -> String {
        let out = Shared::default();
        let mut progress = Progress::with(Plain(out.clone()));
        for event in events {
            progress.handle(event);
        }
        if success {
            progress.finish();
        }
        out.text()
    }

    #[test]
    fn a_start_completes_the_step_before() {
        let events = [
            start("build"),
            Event::Update(Update::default()),
            start("start"),
            Event::Complete,
            Event::Complete,
        ];
        assert_eq!(show(events, true), "building\nbuilded\nstarting\nstarted\n");
        assert_eq!(show([start("build")], true), "building\nbuilded\n");
    }

    // SPEC: STEP-13
    #[test]
    fn a_failed_step_is_never_completed() {
        let events = [start("build"), fail("no space"), Event::Complete, start("clean")];
        assert_eq!(show(events, true), "building\nno space\ncleaning\ncleaned\n");
        assert_eq!(show([fail("")], false), "unknown error\n");
    }

    #[test]
    fn an_operation_that_fails_leaves_its_step_uncompleted() {
        assert_eq!(show([start("build")], false), "building\n");
    }

    #[test]
    fn logs_come_between() {
        let events = [start("build"), log("a\r\n\u{1b}[2Jb\n"), Event::Complete];
        assert_eq!(show(events, true), "building\na\n\\u{1b}[2Jb\nbuilded\n");
    }
}
