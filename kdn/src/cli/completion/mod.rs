//! What a shell offers when the user asks it to complete a word of kdn's.
//!
//! The script of `kdn completion` calls kdn with the words of the line, and with the shell in [`VARIABLE`].

mod attach;
mod line;
mod machine;
mod shell;

pub(super) use line::answer;
pub(crate) use shell::{Shell, script};

/// The variable by which a script asks for candidates.
pub(crate) use crate::env::COMPLETE as VARIABLE;
