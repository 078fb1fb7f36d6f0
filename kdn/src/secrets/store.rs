//! The secrets: a list in the storage folder, and a value for each of its entries elsewhere. A change of both is made
//! whole or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kdn_protocol::host::Interrupts;

use super::file::ValuesFile;
use super::keychain::Keychain;
use super::list::{Held, List};
use super::values::{Value, Values};
use super::{Definition, Error, Result};
use crate::{env::Env, output::Notes};

const LIST: &str = "secrets";
pub(super) const WHAT: &str = "secret";

/// The secrets of a storage folder. Any number of processes may use them at the same time.
#[derive(Debug, Clone)]
pub struct Secrets {
    pub(super) storage: PathBuf,
    values: Values,
    interrupts: Interrupts,
    notes: Notes,
}

impl Secrets {
    /// The secrets of this storage folder. Opens and creates nothing.
    pub fn new(storage: &Path, env: &Env, interrupts: &Interrupts, notes: &Notes) -> Self {
        let values = match &env.secrets_file {
            Some(path) => Values::File(ValuesFile::new(path.clone())),
            None => Values::Keychain(Keychain::new(interrupts.clone(), notes.clone())),
        };
        let (interrupts, notes) = (interrupts.clone(), notes.clone());
        Self { storage: storage.to_owned(), values, interrupts, notes }
    }

    /// All secrets, sorted by name. Does not look at values.
    pub fn list(&self) -> Result<Vec<Definition>> {
        let mut all = self.read()?.items;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// The secret of this name. Does not look at its value.
    pub fn find(&self, name: &str) -> Result<Definition> {
        let found = self.read()?.items.into_iter().find(|one| one.name == name);
        found.ok_or_else(|| Error::Missing(name.to_owned()))
    }

    /// Makes sure that there are secrets of these names. Does not look at their values.
    pub fn check(&self, names: &[String]) -> Result<()> {
        let list = self.read()?.items;
        let missing = names.iter().find(|name| !list.iter().any(|one| one.name == **name));
        missing.map_or(Ok(()), |name| Err(Error::Missing(name.clone())))
    }

    /// The values of these secrets, all of which have to be there.
    pub async fn values(&self, names: &[String]) -> Result<BTreeMap<String, Value>> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.check(names)?;
        let found = self.values.get(names.to_vec()).await?;
        let pairs = names.iter().zip(found).map(|(name, value)| match value {
            Some(value) => Ok((name.clone(), value)),
            None => Err(Error::NoValue(name.clone())),
        });
        pairs.collect()
    }

    /// Adds a secret.
    pub async fn create(&self, definition: Definition, value: Value) -> Result<()> {
        let held = self.hold().await?;
        self.create_held(&held, definition, value).await
    }

    /// Removes a secret.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let held = self.hold().await?;
        self.remove_held(&held, name).await.map(drop)
    }

    /// The value comes first: what is on the list has one, also after a crash.
    pub(super) async fn create_held(&self, held: &Held, definition: Definition, value: Value) -> Result<()> {
        let mut list = self.read()?;
        let name = definition.name.clone();
        if list.items.iter().any(|other| other.name == name) {
            return Err(Error::Exists { what: WHAT, name });
        }
        let old = self.values.swap(&name, Some(value)).await?;
        list.items.push(definition);
        self.write(held, &list, &name, old).await
    }

    /// What was removed. The value goes first: none is left that no list names.
    pub(super) async fn remove_held(&self, held: &Held, name: &str) -> Result<(Definition, Option<Value>)> {
        let mut list = self.read()?;
        let Some(at) = list.items.iter().position(|one| one.name == name) else {
            return Err(Error::NotFound { what: WHAT, name: name.to_owned() });
        };
        let definition = list.items.remove(at);
        let old = self.values.swap(name, None).await?;
        self.write(held, &list, name, old.clone()).await?;
        Ok((definition, old))
    }

    /// Writes the list; if that fails, the value becomes what it was.
    async fn write(
        &self,
        held: &Held,
        list: &List<Definition>,
        name: &str,
        old: Option<Value>,
    ) -> Result<()> {
        let Err(failed) = list.write(held) else { return Ok(()) };
        match self.values.swap(name, old).await {
            Ok(_) => Err(failed),
            Err(undo) => Err(Error::half(failed, undo)),
        }
    }

    /// Waits until this process alone may change the lists.
    pub(super) async fn hold(&self) -> Result<Held> {
        if let Some(held) = Held::try_new(&self.storage)? {
            return Ok(held);
        }
        self.notes.say("Waiting for another kdn to finish with the secrets");
        let storage = self.storage.clone();
        let locking = tokio::task::spawn_blocking(move || Held::new_blocking(&storage));
        let mut interrupts = self.interrupts.clone();
        tokio::select! {
            held = locking => held.expect("locking does not panic"),
            _ = interrupts.next() => Err(Error::Interrupted),
        }
    }

    fn read(&self) -> Result<List<Definition>> {
        List::read(&self.storage, LIST)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fmt;
    use std::fs;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::secrets::{Problem, Provider};

    /// Values that a test can look at and break.
    #[derive(Clone, Default)]
    pub(in crate::secrets) struct Memory(Arc<Mutex<Inner>>);

    #[derive(Default)]
    struct Inner {
        values: BTreeMap<String, Value>,
        is_broken: bool,
        after: Option<After>,
    }

    /// What happens after the next change; it may break the values.
    type After = Box<dyn FnOnce(&mut bool) + Send>;

    impl fmt::Debug for Memory {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Memory")
        }
    }

    impl Memory {
        pub(in crate::secrets) fn get(&self, names: &[String]) -> Result<Vec<Option<Value>>, Problem> {
            let inner = self.0.lock().unwrap();
            if inner.is_broken {
                return Err(Problem::Refused("broken".to_owned()));
            }
            Ok(names.iter().map(|name| inner.values.get(name).cloned()).collect())
        }

        pub(in crate::secrets) fn swap(
            &self,
            name: &str,
            value: Option<Value>,
        ) -> Result<Option<Value>, Problem> {
            let mut inner = self.0.lock().unwrap();
            if inner.is_broken {
                return Err(Problem::Refused("broken".to_owned()));
            }
            let old = match value {
                Some(value) => inner.values.insert(name.to_owned(), value),
                None => inner.values.remove(name),
            };
            if let Some(after) = inner.after.take() {
                after(&mut inner.is_broken);
            }
            Ok(old)
        }

        fn names(&self) -> Vec<String> {
            self.0.lock().unwrap().values.keys().cloned().collect()
        }

        fn set_broken(&self, is_broken: bool) {
            self.0.lock().unwrap().is_broken = is_broken;
        }

        fn after_a_change(&self, after: impl FnOnce(&mut bool) + Send + 'static) {
            self.0.lock().unwrap().after = Some(Box::new(after));
        }
    }

    struct World {
        dir: tempfile::TempDir,
        memory: Memory,
        secrets: Secrets,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let memory = Memory::default();
            let secrets = Secrets {
                storage: dir.path().join("kdn"),
                values: Values::Memory(memory.clone()),
                interrupts: Interrupts::never(),
                notes: Notes::default(),
            };
            Self { dir, memory, secrets }
        }

        fn create(&self, name: &str, text: &str) -> Result<()> {
            let definition =
                Definition { name: name.to_owned(), r#type: "github".to_owned(), ..Definition::default() };
            run(self.secrets.create(definition, Value::new(text.to_owned())))
        }

        fn value(&self, name: &str) -> Result<String> {
            let values = run(self.secrets.values(&[name.to_owned()]))?;
            Ok(values[name].expose().clone())
        }

        fn names(&self) -> Vec<String> {
            self.secrets.list().unwrap().into_iter().map(|one| one.name).collect()
        }

        /// Takes the list's folder away after the next change of a value, so that the list can't be written.
        fn no_folder_after_a_change(&self, values_break_too: bool) {
            let (from, to) = (self.secrets.storage.clone(), self.dir.path().join("away"));
            self.memory.after_a_change(move |is_broken| {
                fs::rename(from, to).unwrap();
                *is_broken = values_break_too;
            });
        }

        fn bring_folder_back(&self) {
            fs::rename(self.dir.path().join("away"), &self.secrets.storage).unwrap();
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn what_is_created_is_there_until_it_is_removed() {
        let world = World::new();
        world.create("b", "2").unwrap();
        world.create("a", "1").unwrap();
        assert_eq!(
            (world.names(), world.value("b").unwrap()),
            (vec!["a".to_owned(), "b".to_owned()], "2".to_owned())
        );
        assert_eq!(world.create("a", "3").unwrap_err().to_string(), r#"secret "a": secret already exists"#);
        assert_eq!(world.value("a").unwrap(), "1");
        run(world.secrets.remove("a")).unwrap();
        assert_eq!((world.names(), world.memory.names()), (vec!["b".to_owned()], vec!["b".to_owned()]));
        assert_eq!(
            run(world.secrets.remove("a")).unwrap_err().to_string(),
            r#"secret "a": secret not found"#
        );
        assert_eq!(world.value("a").unwrap_err().to_string(), r#"secret "a": secret not found"#);
    }

    #[test]
    fn a_value_that_is_gone_is_an_error_and_can_be_removed() {
        let world = World::new();
        world.create("a", "1").unwrap();
        world.memory.swap("a", None).unwrap();
        assert_eq!(world.value("a").unwrap_err().to_string(), r#"secret "a" has no value"#);
        run(world.secrets.remove("a")).unwrap();
        assert!(world.names().is_empty());
    }

    #[test]
    fn a_value_that_can_not_be_stored_or_deleted_changes_nothing() {
        let world = World::new();
        world.create("a", "1").unwrap();
        world.memory.set_broken(true);
        assert_eq!(world.create("b", "2").unwrap_err().to_string(), "failed to store secret in memory");
        assert_eq!(
            run(world.secrets.remove("a")).unwrap_err().to_string(),
            "failed to delete secret from memory"
        );
        assert_eq!(world.value("a").unwrap_err().to_string(), "failed to get secret from memory");
        world.memory.set_broken(false);
        assert_eq!((world.names(), world.value("a").unwrap()), (vec!["a".to_owned()], "1".to_owned()));
    }

    #[test]
    fn a_list_that_can_not_be_written_changes_nothing() {
        let world = World::new();
        world.create("a", "1").unwrap();
        world.memory.swap("other", Some(Value::new("of another folder".to_owned()))).unwrap();
        for change in ["create", "create over", "remove"] {
            world.no_folder_after_a_change(false);
            let done = match change {
                "create" => world.create("b", "2"),
                "create over" => world.create("other", "2"),
                _ => run(world.secrets.remove("a")),
            };
            assert!(matches!(done, Err(Error::Write { .. })), "{change}: {done:?}");
            world.bring_folder_back();
            assert_eq!(
                (world.names(), world.value("a").unwrap()),
                (vec!["a".to_owned()], "1".to_owned()),
                "{change}"
            );
            assert_eq!(world.memory.names(), ["a", "other"], "{change}");
        }
        let other = world.memory.get(&["other".to_owned()]).unwrap();
        assert_eq!(other, [Some(Value::new("of another folder".to_owned()))]);
    }

    #[test]
    fn what_can_not_be_undone_is_said() {
        let world = World::new();
        world.create("a", "1").unwrap();
        world.no_folder_after_a_change(true);
        let error = world.create("b", "canary").unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(
            text.contains("could not be put back as it was: failed to store secret in memory")
                || text.contains("could not be put back as it was: failed to delete secret from memory"),
            "{text}"
        );
        assert!(!text.contains("canary"));
        world.bring_folder_back();
        assert_eq!(world.names(), ["a"]);
    }

    #[test]
    fn a_rewrite_keeps_what_it_does_not_know() {
        let world = World::new();
        world.create("a", "1").unwrap();
        let path = world.secrets.storage.join("secrets.json");
        let old = r#"{"version": 2, "secrets": [{"name": "x", "type": "other", "hosts": ["h"], "headerTemplate": "${value}", "color": "red"}]}"#;
        crate::files::write_atomic(&path, old.as_bytes(), 0o600).unwrap();
        world.create("b", "2").unwrap();
        let new: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let mut wanted: serde_json::Value = serde_json::from_str(old).unwrap();
        wanted["secrets"].as_array_mut().unwrap().push(serde_json::json!({"name": "b", "type": "github"}));
        assert_eq!(new, wanted);
    }

    #[test]
    fn a_provider_comes_and_goes_with_its_secrets() {
        let world = World::new();
        let provider = || Provider::anthropic("work", Value::new("1".to_owned()), None).unwrap();
        run(world.secrets.create_provider(provider())).unwrap();
        assert_eq!(
            (world.names(), world.value("work/token").unwrap()),
            (vec!["work/token".to_owned()], "1".to_owned())
        );
        assert_eq!(
            run(world.secrets.create_provider(provider())).unwrap_err().to_string(),
            r#"provider "work": provider already exists"#
        );
        // In the way of the list of providers.
        let path = world.secrets.storage.join("providers.json");
        world.memory.after_a_change({
            let path = path.clone();
            move |_| {
                fs::remove_file(&path).unwrap();
                fs::create_dir(path).unwrap();
            }
        });
        assert!(matches!(
            run(world.secrets.remove_provider("work")),
            Err(Error::Write { list: "providers", .. })
        ));
        assert_eq!(world.value("work/token").unwrap(), "1");
        fs::remove_dir(&path).unwrap();

        world.memory.after_a_change({
            let path = path.clone();
            move |_| fs::create_dir(path).unwrap()
        });
        let other = Provider::anthropic("home", Value::new("2".to_owned()), None).unwrap();
        assert!(matches!(
            run(world.secrets.create_provider(other)),
            Err(Error::Write { list: "providers", .. })
        ));
        assert_eq!(world.names(), ["work/token"]);
        assert_eq!(world.memory.names(), ["work/token"]);
    }
}
