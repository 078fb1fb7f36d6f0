//! The one place that writes to stdout and, apart from progress, to stderr.
//!
//! Styles in the text are taken out where they should not be: off a terminal, with `NO_COLOR`, on a dumb terminal.

use std::io::{self, ErrorKind, Write};

use super::text;

/// Prints a result. A reader that has gone away, as `head` does, is no error.
pub fn stdout(text: &str) -> io::Result<()> {
    quiet_when_closed(write(&mut anstream::stdout().lock(), text))
}

/// Prints what another program reads, as it is.
pub fn raw(text: &str) -> io::Result<()> {
    quiet_when_closed(write(&mut io::stdout().lock(), text))
}

/// Prints a message. There is nowhere to tell of a failure.
pub fn stderr(text: &str) {
    let _ = write(&mut anstream::stderr().lock(), text);
}

/// Says something beside the result, on stderr. The text may come from a driver.
pub fn note(message: &str) {
    stderr(&format!("{}\n", text::lines(message)));
}

fn write(stream: &mut impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

fn quiet_when_closed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_pipe_is_quiet() {
        assert!(quiet_when_closed(Err(ErrorKind::BrokenPipe.into())).is_ok());
        assert!(quiet_when_closed(Err(ErrorKind::StorageFull.into())).is_err());
    }
}
