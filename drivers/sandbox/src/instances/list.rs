//! Lists instances in the order of their ids, on pages that fit into a frame.

use kdn_protocol::{Instance, ListParams, ListResult};

use super::Instances;
use crate::error::{Error, ErrorKind, Result};

/// How a cursor begins; the last id of the page before follows.
const CURSOR: &str = "after ";

impl Instances {
    /// The states of all instances now, or of those that are asked for: a page of at most `page` bytes, and of one
    /// instance at least.
    pub fn list(&self, params: ListParams, page: usize) -> Result<ListResult> {
        let after = match &params.cursor {
            Some(cursor) => Some(cursor.strip_prefix(CURSOR).ok_or_else(|| {
                let message = format!("cursor {cursor:?} is not of this driver");
                Error::new(ErrorKind::InvalidParams, message).field("cursor")
            })?),
            None => None,
        };
        // Nobody could ask for their removal, since they are no instances.
        if self.hidden().next().is_some() {
            let _guard = self.guard()?;
            self.sweep();
        }
        let mut ids = match params.workspace_ids {
            Some(ids) => ids,
            None => self.ids()?,
        };
        ids.sort_unstable();
        ids.dedup();
        let mut result = ListResult::default();
        let mut size = 0;
        for id in ids.iter().filter(|id| after.is_none_or(|last| id.as_str() > last)) {
            let Some(instance) = self.look(id) else { continue };
            size += size_of(&instance);
            if size > page
                && let Some(last) = result.instances.last()
            {
                result.next_cursor = Some(format!("{CURSOR}{}", last.id));
                break;
            }
            result.instances.push(instance);
        }
        Ok(result)
    }
}

/// The bytes of an instance on a page, with the comma behind it.
fn size_of(instance: &Instance) -> usize {
    serde_json::to_vec(instance).map_or(0, |text| text.len() + 1)
}
