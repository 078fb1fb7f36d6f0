//! The keychain of the system, under the names that every version of kdn uses. It is opened only when a value is needed.

use std::time::Duration;

use kdn_protocol::host::{Interrupts, Stopwatch};
use keyring_core::{CredentialStore, Entry, Error};
use tokio::sync::oneshot;

use super::Problem;
use super::values::Value;
use crate::output::Notes;

type Result<T, E = Problem> = std::result::Result<T, E>;

const SERVICE: &str = "kdn";

/// How long the user has to unlock the keychain, if it asks.
const PATIENCE: Duration = Duration::from_mins(1);
/// After which time without an answer it probably asks.
const SOON: Duration = Duration::from_secs(2);

/// The keychain of the system.
#[derive(Debug, Clone)]
pub(super) struct Keychain {
    interrupts: Interrupts,
    notes: Notes,
    patience: Duration,
}

impl Keychain {
    pub(super) fn new(interrupts: Interrupts, notes: Notes) -> Self {
        Self { interrupts, notes, patience: PATIENCE }
    }

    pub(super) async fn get(&self, names: Vec<String>) -> Result<Vec<Option<Value>>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(move || {
            let keychain = system::open().map_err(problem)?;
            names.iter().map(|name| read(&entry(&*keychain, name)?)).collect()
        })
        .await
    }

    pub(super) async fn swap(&self, name: String, value: Option<Value>) -> Result<Option<Value>> {
        self.ask(move || {
            let keychain = system::open().map_err(problem)?;
            let entry = entry(&*keychain, &name)?;
            let old = read(&entry)?;
            match value {
                Some(value) => entry.set_secret(&system::encode(value.expose())).map_err(problem)?,
                None => delete(&entry)?,
            }
            Ok(old)
        })
        .await
    }

    /// Has a thread of its own ask, as the keychain may ask the user first, or not answer at all.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, mut answer) = oneshot::channel();
        let thread = std::thread::Builder::new().name("keychain".to_owned());
        thread.spawn(move || drop(sender.send(question())))?;
        let mut interrupts = self.interrupts.clone();
        interrupts.acknowledge();
        let patience = async {
            let mut time = Stopwatch::start();
            time.reach(SOON.min(self.patience)).await;
            self.notes.say("Waiting for the keychain, which may ask you to unlock it");
            time.reach(self.patience).await;
        };
        tokio::select! {
            biased;
            answer = &mut answer => {
                answer.unwrap_or_else(|_| Err(Problem::NoKeychain("it failed unexpectedly".to_owned())))
            }
            _ = interrupts.next() => Err(Problem::Interrupted),
            () = patience => Err(Problem::NoAnswer(self.patience.as_secs())),
        }
    }
}

fn entry(keychain: &CredentialStore, name: &str) -> Result<Entry> {
    keychain
        .build(SERVICE, name, Some(&system::modifiers(name).iter().map(|(k, v)| (*k, &**v)).collect()))
        .map_err(problem)
}

fn read(entry: &Entry) -> Result<Option<Value>> {
    let bytes = match entry.get_secret() {
        Ok(bytes) => bytes,
        Err(Error::NoEntry) => return Ok(None),
        Err(Error::Ambiguous(entries)) => match entries.first() {
            Some(first) => return read(first),
            None => return Ok(None),
        },
        Err(error) => return Err(problem(error)),
    };
    let text = system::decode(bytes).ok_or(Problem::NotText)?;
    Ok(Some(Value::new(text)))
}

fn delete(entry: &Entry) -> Result<()> {
    match entry.delete_credential() {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(Error::Ambiguous(entries)) => entries.iter().try_for_each(delete),
        Err(error) => Err(problem(error)),
    }
}

/// Takes over the text alone: some errors hold the value.
fn problem(error: Error) -> Problem {
    match error {
        Error::PlatformFailure(why) => Problem::NoKeychain(why.to_string()),
        Error::NoStorageAccess(why) => Problem::NoAccess(why.to_string()),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => Problem::NotText,
        Error::TooLong(_, limit) => Problem::Refused(format!("the value is longer than {limit} bytes")),
        Error::Ambiguous(_) => Problem::Refused("the keychain has several values of this name".to_owned()),
        other => Problem::Refused(other.to_string()),
    }
}

/// A Secret Service, found by its attributes `service` and `username`.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
mod system {
    use std::sync::Arc;

    use keyring_core::{CredentialStore, Result};

    pub(super) fn open() -> Result<Arc<CredentialStore>> {
        Ok(zbus_secret_service_keyring_store::Store::new()?)
    }

    pub(super) fn modifiers(name: &str) -> Vec<(&'static str, String)> {
        vec![("label", format!("Password for '{name}' on '{}'", super::SERVICE))]
    }

    pub(super) fn encode(value: &str) -> Vec<u8> {
        value.as_bytes().to_vec()
    }

    pub(super) fn decode(bytes: Vec<u8>) -> Option<String> {
        String::from_utf8(bytes).ok()
    }
}

/// The login keychain. Other versions of kdn go through `/usr/bin/security`, which needs values in ASCII.
#[cfg(target_os = "macos")]
mod system {
    use std::sync::Arc;

    use data_encoding::BASE64;
    use keyring_core::{CredentialStore, Result};

    const ENCODED: &str = "go-keyring-base64:";

    pub(super) fn open() -> Result<Arc<CredentialStore>> {
        Ok(apple_native_keyring_store::keychain::Store::new()?)
    }

    pub(super) fn modifiers(_name: &str) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    pub(super) fn encode(value: &str) -> Vec<u8> {
        format!("{ENCODED}{}", BASE64.encode(value.as_bytes())).into_bytes()
    }

    pub(super) fn decode(bytes: Vec<u8>) -> Option<String> {
        let text = String::from_utf8(bytes).ok()?;
        match text.strip_prefix(ENCODED) {
            Some(encoded) => String::from_utf8(BASE64.decode(encoded.trim().as_bytes()).ok()?).ok(),
            None => Some(text),
        }
    }
}

/// The Credential Manager.
#[cfg(windows)]
mod system {
    use std::sync::Arc;

    use keyring_core::{CredentialStore, Result};

    pub(super) fn open() -> Result<Arc<CredentialStore>> {
        Ok(windows_native_keyring_store::Store::new()?)
    }

    pub(super) fn modifiers(name: &str) -> Vec<(&'static str, String)> {
        vec![("target", format!("{}:{name}", super::SERVICE))]
    }

    pub(super) fn encode(value: &str) -> Vec<u8> {
        value.as_bytes().to_vec()
    }

    pub(super) fn decode(bytes: Vec<u8>) -> Option<String> {
        String::from_utf8(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use kdn_protocol::host::InterruptSender;

    use super::*;

    fn keychain(patience: Duration) -> (InterruptSender, Keychain) {
        let (sender, interrupts) = InterruptSender::new();
        (sender, Keychain { interrupts, notes: Notes::new(|_| {}), patience })
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn a_keychain_that_hangs_is_waited_for_no_longer_than_that() {
        let (_hangs, end) = mpsc::channel::<()>();
        let (_sender, keychain) = keychain(Duration::from_millis(1));
        let answer = run(keychain.ask(move || Ok(end.recv().is_ok())));
        assert!(matches!(answer, Err(Problem::NoAnswer(_))));
    }

    #[test]
    fn waiting_can_be_interrupted() {
        let (_hangs, end) = mpsc::channel::<()>();
        let (sender, keychain) = keychain(PATIENCE);
        let (asked, is_asked) = oneshot::channel();
        let answer = run(async {
            let asking = keychain.ask(move || Ok((asked.send(()), end.recv()).1.is_ok()));
            let interrupting = async {
                is_asked.await.unwrap();
                sender.interrupt();
            };
            tokio::join!(asking, interrupting).0
        });
        assert!(matches!(answer, Err(Problem::Interrupted)));
    }

    #[test]
    fn an_error_holds_no_value() {
        let bytes = b"canary".to_vec();
        for error in [Error::BadEncoding(bytes.clone()), Error::BadDataFormat(bytes, "x".into())] {
            let problem = problem(error);
            assert_eq!(format!("{problem} {problem:?}"), "the value is not UTF-8 text NotText");
        }
    }
}
