//! What a check has to work with.

/// Where a check works: folders of its own, and the driver under test.
#[derive(Debug)]
pub struct Cx {}

/// Why a check did not go to its end.
#[derive(Debug)]
pub enum Stop {}
