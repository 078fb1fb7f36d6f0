//! Runtime drivers: where they are found, what is known of them, how they are started.

mod advice;
mod cache;
mod catalog;
mod connect;
mod search;

pub use advice::at_fault;
pub use catalog::{Catalog, Described};
pub use connect::Host;
pub(crate) use search::is_type;
pub use search::{Driver, Rejected, Search, Why};
