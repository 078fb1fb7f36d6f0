//! `info` and `list`: what the engine says of the containers now.

use std::collections::HashSet;

use kdn_protocol::{Instance, ListParams, ListResult, State};

use super::{Found, INSTANCE, Instances, WORKSPACE, instance};
use crate::engine::{Container, Status};
use crate::error::{Error, ErrorKind, Result};

/// How a cursor begins; the last id of the page before follows.
const CURSOR: &str = "after ";
/// The exit code of what SIGKILL ended: also by the kernel, when memory was short.
const KILLED: i32 = 137;

/// The state of an instance whose container is in this one, and what it does not say.
pub(super) fn state(status: &Status) -> (State, Option<String>) {
    let (state, reason) = match status {
        Status::Running => (State::Running, None),
        Status::Paused => (State::Stopped, Some("paused".to_owned())),
        Status::Initialized | Status::Stopped(None | Some(0)) => (State::Stopped, None),
        // Without the engine's own record, it can't be told which.
        Status::Stopped(Some(KILLED)) => (State::Stopped, Some("killed, or out of memory".to_owned())),
        Status::Stopped(Some(code)) => (State::Stopped, Some(format!("exit code {code}"))),
        Status::Dead => (State::Error, Some("the container is dead".to_owned())),
        Status::Unknown => (State::Unknown, Some("the engine tells a state that is not known".to_owned())),
    };
    (state, reason)
}

impl Instances {
    /// The state of one instance now.
    pub async fn info(&self, id: &str) -> Result<Instance> {
        let found = self.find(id).await?;
        self.see(id, &found);
        let asked = may_have_lacked_memory(&found);
        let mut seen = self.tell(found).ok_or_else(|| Error::instance_not_found(id))?;
        self.tell_memory(asked.then_some(&mut seen).into_iter().collect()).await;
        Ok(seen)
    }

    /// The states of all instances now, or of those that are asked for: a page of at most `page` bytes, and of one
    /// instance at least.
    pub async fn list(&self, params: ListParams) -> Result<ListResult> {
        let after = match &params.cursor {
            Some(cursor) => Some(cursor.strip_prefix(CURSOR).ok_or_else(|| {
                let message = format!("cursor {cursor:?} is not of this driver");
                Error::new(ErrorKind::InvalidParams, message).field("cursor")
            })?),
            None => None,
        };
        if params.workspace_ids.as_ref().is_some_and(Vec::is_empty) || !self.storage.exists() {
            return Ok(ListResult::default());
        }
        self.sweep().await;
        let mut all = self.all().await?;
        if all.iter().any(|found| matches!(found, Found::Unfinished(_))) {
            // One may have been completed since, and its lock be gone.
            all = self.all().await?;
        }
        self.forget_others(&all.iter().map(|found| found.container().id.as_str()).collect::<Vec<_>>());
        let asked: HashSet<String> = all
            .iter()
            .filter(|found| may_have_lacked_memory(found))
            .map(|found| found.container().id.clone())
            .collect();
        let mut all: Vec<Instance> = all.into_iter().filter_map(|found| self.tell(found)).collect();
        if let Some(wanted) = &params.workspace_ids {
            all.retain(|instance| wanted.contains(&instance.workspace_id));
        }
        all.retain(|instance| after.is_none_or(|last| instance.id.as_str() > last));
        all.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        self.tell_memory(all.iter_mut().filter(|instance| asked.contains(&instance.id)).collect()).await;
        let mut result = ListResult::default();
        let mut size = 0;
        for instance in all {
            size += serde_json::to_vec(&instance).map_or(0, |bytes| bytes.len() + 1);
            if size > self.page
                && let Some(last) = result.instances.last()
            {
                result.next_cursor = Some(format!("{CURSOR}{}", last.id));
                break;
            }
            result.instances.push(instance);
        }
        Ok(result)
    }

    /// What the protocol says of a container; nothing of one that is being made right now.
    fn tell(&self, found: Found) -> Option<Instance> {
        match found {
            Found::Ours { container, facts } => Some(instance(&container, &facts)),
            Found::Unfinished(container) => self.tell_unfinished(&container),
            Found::Foreign(container) => Some(tell_foreign(&container)),
        }
    }

    fn tell_unfinished(&self, container: &Container) -> Option<Instance> {
        let workspace = container.labels.get(WORKSPACE).cloned().unwrap_or_default();
        if self.is_locked(&workspace) {
            return None;
        }
        let facts = container.labels.get(INSTANCE).and_then(|label| serde_json::from_str(label).ok());
        let mut instance = match facts {
            Some(facts) => instance(container, &facts),
            None => Instance::new(&container.id, workspace, &container.name, State::Error),
        };
        instance.state = State::Error;
        instance.reason = Some("its creation was cut short".to_owned());
        Some(instance)
    }

    /// Asks about instances whether they had too little memory.
    async fn tell_memory(&self, mut instances: Vec<&mut Instance>) {
        if instances.is_empty() {
            return;
        }
        let args = ["container", "inspect", "--format", "{{.Id}} {{.State.OOMKilled}}"].map(str::to_owned);
        let ids: Vec<String> = instances.iter().map(|instance| instance.id.clone()).collect();
        // Those that are gone by now make it fail, and are told as before.
        let printed = self.engine().ask("failed to inspect containers", args.into_iter().chain(ids)).await;
        let lines = printed.iter().flat_map(|text| text.lines()).filter_map(|line| line.split_once(' '));
        for (id, lacked) in lines {
            let instance = instances.iter_mut().find(|instance| instance.id == id);
            match instance {
                Some(instance) if lacked.trim() == "true" => {
                    instance.reason = Some("out of memory".to_owned());
                }
                Some(instance) if instance.reason == state(&Status::Stopped(Some(KILLED))).1 => {
                    instance.reason = Some(format!("exit code {KILLED}"));
                }
                _ => {}
            }
        }
    }
}

/// Whether only the engine's own record tells if this container had too little memory. It does so also where the process that
/// was killed was not the first one.
fn may_have_lacked_memory(found: &Found) -> bool {
    match (&found.container().status, found) {
        (Status::Stopped(Some(KILLED)), _) => true,
        (Status::Stopped(Some(_)), Found::Ours { facts, .. }) => facts.limits_memory,
        _ => false,
    }
}

fn tell_foreign(container: &Container) -> Instance {
    let (state, reason) = state(&container.status);
    let mut instance = Instance::new(&container.id, "", &container.name, state);
    instance.reason = reason;
    let info = [("container_id", &container.id), ("image_name", &container.image)];
    instance.info = info.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    instance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_container_ended_is_told() {
        let told = |word, code| state(&Status::new(word, code));
        assert_eq!(told("exited", Some(0)), (State::Stopped, None));
        assert_eq!(told("exited", Some(3)), (State::Stopped, Some("exit code 3".to_owned())));
        assert_eq!(told("paused", None), (State::Stopped, Some("paused".to_owned())));
        assert_eq!(told("created", Some(0)), (State::Stopped, None));
        assert_eq!(told("dead", None).0, State::Error);
        assert_eq!(told("on fire", None).0, State::Unknown);
    }
}
