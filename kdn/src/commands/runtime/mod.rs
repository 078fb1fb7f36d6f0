//! `kdn runtime ...`

pub(crate) mod list;
