//! `kdn config ...`

pub(crate) mod schema;
