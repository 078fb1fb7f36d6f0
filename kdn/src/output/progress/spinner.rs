//! Progress on a terminal: a spinner while a step is open, and a line with `✓` or `✖` when it is over.

use std::time::Duration;

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use console::Term;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::event::{Stream, Update};
use super::steps::{Step, View};
use crate::output::text;

/// The last frame is that of a finished spinner, which is never shown.
const FRAMES: &str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ";
const TICK: Duration = Duration::from_millis(100);

pub(super) struct Spinner {
    bar: ProgressBar,
    /// Takes lines that stay. The bar would fill them with blanks, and leave their end to the width of the terminal.
    lines: Box<dyn TermLike>,
    colour: bool,
}

impl Spinner {
    pub(super) fn on_stderr() -> Self {
        let colour = anstream::AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
        Self::on(ProgressDrawTarget::stderr(), Box::new(Term::stderr()), colour)
    }

    fn on(target: ProgressDrawTarget, lines: Box<dyn TermLike>, colour: bool) -> Self {
        let style = ProgressStyle::with_template("{spinner} {wide_msg}").expect("the template is right");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style.tick_chars(FRAMES));
        Self { bar, lines, colour }
    }

    /// Replaces the spinner, if there is one, by a line that stays.
    fn end(&self, style: Style, mark: char, text: &str) {
        let line =
            if self.colour { format!("{style}{mark}{style:#} {text}") } else { format!("{mark} {text}") };
        self.clear();
        self.write(&line);
    }

    /// Writes lines above the spinner, if there is one.
    fn above(&self, text: &str) {
        self.bar.suspend(|| self.write(text));
    }

    fn write(&self, text: &str) {
        for line in text.trim_end_matches('\n').split('\n') {
            // A terminal that is gone takes none.
            let _ = self.lines.write_line(line);
        }
    }

    fn clear(&self) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
    }
}

impl View for Spinner {
    fn start(&mut self, step: &Step) {
        self.bar.set_message(text::line(&step.in_progress).into_owned());
        self.bar.reset();
        self.bar.enable_steady_tick(TICK);
    }

    fn update(&mut self, step: &Step, update: &Update) {
        self.bar.set_message(describe(step, update));
    }

    fn complete(&mut self, step: &Step) {
        self.end(AnsiColor::Green.on_default(), '✓', &text::line(&step.completed));
    }

    fn fail(&mut self, error: &str) {
        self.end(AnsiColor::Red.on_default(), '✖', &text::lines(error));
    }

    fn abort(&mut self, step: &Step) {
        self.end(AnsiColor::Red.on_default(), '✖', &text::line(&step.in_progress));
    }

    fn note(&mut self, text: &str) {
        self.above(&text::lines(text));
    }

    fn log(&mut self, _: Stream, text: &str) {
        self.above(&text::lines(text));
    }
}

/// The text beside the spinner: `Pulling image (3/12 layers): python`.
fn describe(step: &Step, update: &Update) -> String {
    let unit = update.unit.as_deref().unwrap_or_default();
    let amount = |n: u64| if unit == "bytes" { HumanBytes(n).to_string() } else { n.to_string() };
    let unit = if unit.is_empty() || unit == "bytes" { String::new() } else { format!(" {unit}") };
    let done = match (update.current, update.total) {
        (Some(current), Some(total)) => format!(" ({}/{}{unit})", amount(current), amount(total)),
        (Some(current), None) => format!(" ({}{unit})", amount(current)),
        (None, _) => String::new(),
    };
    let message = update.message.as_deref().unwrap_or_default();
    let colon = if message.is_empty() { "" } else { ": " };
    text::line(&format!("{}{done}{colon}{message}", step.in_progress)).into_owned()
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::super::steps::tests::{fail, log, start};
    use super::super::{Event, Progress};
    use super::*;

    fn terminal() -> (InMemoryTerm, Progress) {
        let term = InMemoryTerm::new(10, 30);
        let lines = Box::new(term.clone());
        let target = ProgressDrawTarget::term_like(lines.clone());
        (term, Progress::with(Spinner::on(target, lines, false)))
    }

    #[test]
    fn a_spinner_becomes_a_check_mark() {
        let (term, mut progress) = terminal();
        progress.handle(start("build"));
        assert!(term.contents().ends_with(" building"), "{}", term.contents());
        progress.handle(start("start"));
        progress.finish();
        assert_eq!(term.contents(), "✓ builded\n✓ started");
    }

    #[test]
    fn nothing_of_a_spinner_stays_after_an_error() {
        let (term, mut progress) = terminal();
        progress.handle(start("build"));
        progress.handle(fail("no space\u{1b}[2J"));
        progress.handle(start("clean"));
        drop(progress);
        term.write_line("Error: no space").unwrap();
        assert_eq!(term.contents(), "✖ no space\\u{1b}[2J\n✖ cleaning\nError: no space");
    }

    #[test]
    fn logs_stay_above_the_spinner() {
        let (term, mut progress) = terminal();
        progress.handle(log("before"));
        progress.handle(start("build"));
        progress.handle(log("a\nb\n"));
        progress.handle(Event::Complete);
        progress.handle(log("after"));
        assert_eq!(term.contents(), "before\na\nb\n✓ builded\nafter");
    }

    #[test]
    fn an_update_is_shown_beside_the_step() {
        let step = Step { in_progress: "Pulling".to_owned(), completed: String::new() };
        let update = |current, total, unit: &str, message: &str| {
            let update =
                Update { current, total, unit: Some(unit.to_owned()), message: Some(message.to_owned()) };
            describe(&step, &update)
        };
        assert_eq!(update(Some(3), Some(12), "layers", "python"), "Pulling (3/12 layers): python");
        assert_eq!(update(Some(1536), Some(4096), "bytes", ""), "Pulling (1.50 KiB/4.00 KiB)");
        assert_eq!(update(Some(3), None, "", "a\nb"), "Pulling (3): a\\nb");
        assert_eq!(update(None, None, "", ""), "Pulling");
    }
}
