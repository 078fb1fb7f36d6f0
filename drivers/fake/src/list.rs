//! `list`: the instances in the order of their ids, on pages that fit into a frame.

use std::collections::HashSet;

use kdn_protocol::{Error, ErrorKind, ListParams, ListResult};

use crate::store::Store;

/// How a cursor begins; the last id of the page before follows.
const CURSOR: &str = "after ";

/// A page of at most `page` bytes, and of one instance at least.
pub(crate) fn list(store: &Store, params: ListParams, page: usize) -> Result<ListResult, Error> {
    let after = match &params.cursor {
        Some(cursor) => Some(cursor.strip_prefix(CURSOR).ok_or_else(|| {
            Error::new(ErrorKind::InvalidParams, format!("cursor {cursor:?} is not of this driver"))
                .field("cursor")
        })?),
        None => None,
    };
    store.sweep();
    let wanted: Option<HashSet<String>> = params.workspace_ids.map(|ids| ids.into_iter().collect());
    let mut result = ListResult::default();
    let mut size = 0;
    for (id, record) in store.read()?.instances {
        if after.is_some_and(|last| id.as_str() <= last) {
            continue;
        }
        let instance = record.into_instance();
        if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&instance.workspace_id)) {
            continue;
        }
        size += serde_json::to_vec(&instance).map_or(0, |text| text.len() + 1);
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
