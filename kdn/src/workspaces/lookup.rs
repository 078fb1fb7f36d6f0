//! Finding the workspace that a user means.

use super::{Error, Record, Result, id};

/// The shortest prefix of an id that is taken for one.
const SHORTEST_PREFIX: usize = 4;

/// Finds a workspace by its id, else by its name, else by a prefix of its id that fits no other.
pub fn find<'a>(records: &'a [Record], wanted: &str) -> Result<&'a Record> {
    let exact = |is: fn(&Record) -> &str| records.iter().find(|record| is(record) == wanted);
    if let Some(record) = exact(|record| &record.id).or_else(|| exact(|record| &record.name)) {
        return Ok(record);
    }
    let by_prefix: Vec<_> = if wanted.len() < SHORTEST_PREFIX {
        Vec::new()
    } else {
        records.iter().filter(|record| record.id.starts_with(wanted)).collect()
    };
    match by_prefix.as_slice() {
        [] => Err(Error::NotFound(wanted.to_owned())),
        [record] => Ok(record),
        several => {
            let matches = several.iter().map(|r| format!("{} ({})", r.name, id::short(&r.id))).collect();
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
