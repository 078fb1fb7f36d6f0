//! `kdn version`

use crate::{
    VERSION,
    output::{CommandError, stream},
};

pub(crate) fn run() -> Result<u8, CommandError> {
    stream::stdout(&format!("kdn version {VERSION}\n"))?;
    Ok(0)
}
