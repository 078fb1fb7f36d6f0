//! Workspaces: how kdn remembers them, and what it does with them through their drivers.

mod create;
mod dashboard;
mod error;
pub mod id;
mod lifecycle;
mod list;
mod live;
mod lock;
mod lookup;
mod manager;
pub mod name;
mod pending;
mod plan;
mod reach;
mod record;
mod recover;
mod secrets;
mod store;
mod terminal;

pub use create::{CREATE, New};
pub use error::{Error, Result};
pub use live::Live;
pub use lock::WorkspaceLock;
pub use lookup::{Named, find};
pub use manager::Manager;
pub(crate) use manager::unfit;
pub use pending::{Pending, Reservation};
pub use plan::{NOT_EXECUTABLE, NOT_FOUND};
pub use record::{Paths, Record, Runtime};
pub use store::Store;
pub use terminal::Entry;
