//! Questions to the user at a terminal.

use std::io;

use console::Term;

use super::text;

/// Asks for a text that does not appear on the screen. `None`: the user gave up.
pub async fn hidden(question: String, gives_up: impl Future<Output = ()>) -> io::Result<Option<String>> {
    // What reads ends with kdn, not when the user gives up, and leaves the terminal as it is then.
    let _restored = Restored::new();
    let asking = tokio::task::spawn_blocking(move || {
        let term = Term::stderr();
        term.write_str(&format!("{}: ", text::line(&question)))?;
        term.read_secure_line()
    });
    tokio::select! {
        answer = asking => answer.expect("asking does not panic").map(Some),
        () = gives_up => {
            let _ = Term::stderr().write_line("");
            Ok(None)
        }
    }
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
