//! `kdn service ...`

pub(crate) mod list;
