//! Questions to the user at a terminal.

use std::io;

use console::Term;
use dialoguer::{Confirm, Select};

use super::text;

/// Asks for a text that does not appear on the screen. `None`: the user gave up.
pub async fn hidden(question: String, gives_up: impl Future<Output = ()>) -> io::Result<Option<String>> {
    let ask = move || {
        let term = Term::stderr();
        term.write_str(&format!("{}: ", text::line(&question)))?;
        term.read_secure_line()
    };
    asking(ask, gives_up).await
}

/// Asks for a yes, which is what Enter says too, or a no, which is what Escape says too. `None`: the user gave up.
pub async fn confirm(question: &str, gives_up: impl Future<Output = ()>) -> io::Result<Option<bool>> {
    let question = text::line(question).into_owned();
    let ask = move || {
        let answer = Confirm::new().with_prompt(question).default(true).interact_opt();
        Ok(answer.map_err(io::Error::from)?.unwrap_or(false))
    };
    asking(ask, gives_up).await
}

/// Asks for one of these, of which Enter takes the first. The place of the choice, or nothing where the user chose
/// none with Escape. `None`: the user gave up.
pub async fn select(
    question: &str,
    items: &[&str],
    gives_up: impl Future<Output = ()>,
) -> io::Result<Option<Option<usize>>> {
    let question = text::line(question).into_owned();
    let items: Vec<String> = items.iter().map(|item| text::line(item).into_owned()).collect();
    let ask = move || {
        let answer = Select::new().with_prompt(question).items(items).default(0).interact_opt();
        answer.map_err(io::Error::from)
    };
    asking(ask, gives_up).await
}

async fn asking<T: Send + 'static>(
    ask: impl FnOnce() -> io::Result<T> + Send + 'static,
    gives_up: impl Future<Output = ()>,
) -> io::Result<Option<T>> {
    // What reads ends with kdn, not when the user gives up, and leaves the terminal as it is then.
    let _restored = Restored::new();
    let answer = tokio::select! {
        answer = tokio::task::spawn_blocking(ask) => answer.expect("asking does not panic").map(Some),
        () = gives_up => Ok(None),
    };
    if !matches!(answer, Ok(Some(_))) {
        let term = Term::stderr();
        let _ = term.show_cursor();
        let _ = term.write_line("");
    }
    answer
}

/// The settings of the terminal, which are brought back when this is dropped.
#[cfg(unix)]
struct Restored(Option<rustix::termios::Termios>);

#[cfg(unix)]
impl Restored {
    fn new() -> Self {
        Self(rustix::termios::tcgetattr(io::stdin()).ok())
    }
}

#[cfg(unix)]
impl Drop for Restored {
    fn drop(&mut self) {
        if let Some(settings) = &self.0 {
            let now = rustix::termios::OptionalActions::Now;
            let _ = rustix::termios::tcsetattr(io::stdin(), now, settings);
        }
    }
}

/// Windows terminals keep their settings.
#[cfg(not(unix))]
struct Restored;

#[cfg(not(unix))]
impl Restored {
    fn new() -> Self {
        Self
    }
}
