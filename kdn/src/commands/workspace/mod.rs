//! `kdn workspace ...`, apart from what has a short form.

pub(crate) mod show;
