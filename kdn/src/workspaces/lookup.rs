//! Finding the workspace that a user means.

use super::{Error, Pending, Record, Result, id};

/// The shortest prefix of an id that is taken for one.
const SHORTEST_PREFIX: usize = 4;

/// What users know a workspace by.
pub trait Named {
    /// Its id.
    fn id(&self) -> &str;
    /// Its name.
    fn name(&self) -> &str;
}

impl Named for Record {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for Pending {
    fn id(&self) -> &str {
        &self.reservation().workspace_id
    }

    fn name(&self) -> &str {
        &self.reservation().name
    }
}

/// Finds a workspace by its id, else by its name, else by a prefix of its id that fits no other.
pub fn find<'a, T: Named>(workspaces: &'a [T], wanted: &str) -> Result<&'a T> {
    let exact = |is: fn(&T) -> &str| workspaces.iter().find(|workspace| is(workspace) == wanted);
    if let Some(workspace) = exact(T::id).or_else(|| exact(T::name)) {
        return Ok(workspace);
    }
    let by_prefix: Vec<_> = if wanted.len() < SHORTEST_PREFIX {
        Vec::new()
    } else {
        workspaces.iter().filter(|workspace| workspace.id().starts_with(wanted)).collect()
    };
    match by_prefix.as_slice() {
        [] => Err(Error::NotFound(wanted.to_owned())),
        [workspace] => Ok(workspace),
        several => {
            let matches = several.iter().map(|w| format!("{} ({})", w.name(), id::short(w.id()))).collect();
            Err(Error::Ambiguous { wanted: wanted.to_owned(), matches })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_beats_name_beats_prefix() {
        let records = [
            Record::sample("aaaa1111", "bbbb2222"),
            Record::sample("bbbb2222", "aaaa"),
            Record::sample("bbbb3333", "app"),
        ];
        let found = |wanted| find(&records, wanted).map(|record| record.id.as_str());
        assert_eq!(found("bbbb2222").unwrap(), "bbbb2222");
        assert_eq!(found("aaaa").unwrap(), "bbbb2222");
        assert_eq!(found("app").unwrap(), "bbbb3333");
        assert_eq!(found("aaaa1").unwrap(), "aaaa1111");
        assert_eq!(found("aaa").unwrap_err().to_string(), "workspace not found: aaa");
        assert_eq!(found("").unwrap_err().to_string(), "workspace not found: ");
        assert_eq!(
            found("bbbb").unwrap_err().to_string(),
            r#""bbbb" matches several workspaces: aaaa (bbbb2222), app (bbbb3333)"#
        );
    }
}
