//! Workspaces as kdn remembers them: records, names, reservations and locks.

mod error;
pub mod id;
mod lock;
mod lookup;
pub mod name;
mod pending;
mod record;
mod store;

pub use error::{Error, Result};
pub use lock::WorkspaceLock;
pub use lookup::find;
pub use pending::{Pending, Reservation};
pub use record::{Forward, Paths, Record, Runtime, State};
pub use store::Store;
