//! `kdn runtime ...`

pub(crate) mod list;
pub(crate) mod new;
mod starter;
pub(crate) mod test;
