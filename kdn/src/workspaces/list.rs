//! The instances that a driver has, over all pages of `list`.

use std::collections::HashSet;

use kdn_protocol::{
    Instance, ListParams,
    host::{Deadline, Session, ignore_events},
    method::List,
};

use crate::{output::CommandError, runtimes::at_fault};

/// How many pages a driver may give.
const MAX_PAGES: usize = 1000;

/// Asks for all pages, each within `deadline`. What makes no sense as a whole is an error, so that nobody takes an
/// instance for gone that was only not listed.
pub(super) async fn list(
    session: &Session,
    mut params: ListParams,
    deadline: Deadline,
) -> Result<Vec<Instance>, CommandError> {
    let driver = &session.manifest().r#type;
    let (mut all, mut cursors, mut ids) = (Vec::new(), HashSet::new(), HashSet::new());
    loop {
        let page = session.call_within::<List>(&params, deadline, &mut ignore_events).await?;
        if let Some(twice) = page.instances.iter().find(|instance| !ids.insert(instance.id.clone())) {
            return Err(at_fault(
                driver,
                format!("runtime {driver:?} listed the instance {:?} twice", twice.id),
            ));
        }
        all.extend(page.instances);
        let Some(cursor) = page.next_cursor else { return Ok(all) };
        if cursors.len() == MAX_PAGES || !cursors.insert(cursor.clone()) {
            let pages = cursors.len() + 1;
            let message = format!(
                "runtime {driver:?} lists without end: there is a cursor {cursor:?} after {pages} pages"
            );
            return Err(at_fault(driver, message));
        }
        params.cursor = Some(cursor);
    }
}
