//! Merging of two levels: what the higher one says wins, and nothing that only one of them says is lost.

use super::file::{Limits, Mcp, Mount, Network, WorkspaceConfig};

impl WorkspaceConfig {
    /// This configuration with `over` laid over it.
    ///
    /// Lists keep the order of first mention: this configuration's, then what is new in `over`. An entry of `over`
    /// replaces the one of the same name (of the same host and target, for mounts) as a whole, where that one stands.
    /// A list that only one of them has stays as it is.
    #[must_use]
    pub fn merge(self, over: Self) -> Self {
        // Taken apart without `..`, so that a new field cannot be forgotten.
        let Self { environment, mut features, limits, mcp, mounts, network, ports, secrets, skills } = self;
        features.extend(over.features);
        Self {
            environment: by(environment, over.environment, |a, b| a.name == b.name),
            features,
            limits: limits.merge(over.limits),
            mcp: mcp.merge(over.mcp),
            mounts: merge_mounts(mounts, over.mounts),
            network: network.merge(over.network),
            ports: union(ports, over.ports),
            secrets: union(secrets, over.secrets),
            skills: union(skills, over.skills),
        }
    }
}

impl Limits {
    fn merge(self, over: Self) -> Self {
        let Self { cpus, memory, pids } = over;
        Self { cpus: cpus.or(self.cpus), memory: memory.or(self.memory), pids: pids.or(self.pids) }
    }
}

impl Mcp {
    /// A name is a command or a server: when the kinds differ, that of `over` counts.
    fn merge(self, over: Self) -> Self {
        let Self { mut commands, mut servers } = self;
        commands.retain(|command| over.servers.iter().all(|server| server.name != command.name));
        servers.retain(|server| over.commands.iter().all(|command| command.name != server.name));
        Self {
            commands: by(commands, over.commands, |a, b| a.name == b.name),
            servers: by(servers, over.servers, |a, b| a.name == b.name),
        }
    }
}

impl Network {
    fn merge(self, over: Self) -> Self {
        let Self { hosts, mode } = self;
        Self { hosts: union(hosts, over.hosts), mode: over.mode.or(mode) }
    }
}

fn merge_mounts(base: Vec<Mount>, over: Vec<Mount>) -> Vec<Mount> {
    let is_same = |a: &Mount, b: &Mount| (&a.host, &a.target) == (&b.host, &b.target);
    // Of those of one level that are the same, one is kept, and it must not be the one that lets more happen.
    let is_strict = |all: &[Mount], one: &Mount| all.iter().any(|it| is_same(it, one) && it.ro == Some(true));
    let strict = |mut all: Vec<Mount>| {
        for i in 0..all.len() {
            if is_strict(&all, &all[i]) {
                all[i].ro = Some(true);
            }
        }
        all
    };
    if base.is_empty() || over.is_empty() {
        by(base, over, is_same)
    } else {
        by(strict(base), strict(over), is_same)
    }
}

/// Lays a list over another, if both have something. In each of them by itself, of those that are the same, `base` keeps
/// the first and `over` the last.
fn by<T>(base: Vec<T>, over: Vec<T>, same: impl Fn(&T, &T) -> bool) -> Vec<T> {
    if over.is_empty() {
        return base;
    } else if base.is_empty() {
        return over;
    }
    let mut merged: Vec<T> = Vec::with_capacity(base.len() + over.len());
    for item in base {
        if merged.iter().all(|there| !same(there, &item)) {
            merged.push(item);
        }
    }
    for item in over {
        match merged.iter_mut().find(|there| same(there, &item)) {
            Some(there) => *there = item,
            None => merged.push(item),
        }
    }
    merged
}

fn union<T: PartialEq>(base: Vec<T>, over: Vec<T>) -> Vec<T> {
    by(base, over, T::eq)
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::file::{EnvVar, McpCommand, McpServer};
    use super::super::memory::Memory;
    use super::*;

    fn config(json: serde_json::Value) -> WorkspaceConfig {
        serde_json::from_value(json).unwrap()
    }

    /// A list without two of one name, in any order.
    fn named<T: std::fmt::Debug + Clone + 'static>(
        item: impl Strategy<Value = T> + 'static,
        same: fn(&T, &T) -> bool,
    ) -> impl Strategy<Value = Vec<T>> {
        vec(item, 0..4)
            .prop_map(move |items| items.into_iter().fold(Vec::new(), |all, item| by(all, vec![item], same)))
    }

    fn env_var() -> impl Strategy<Value = EnvVar> {
        ("[A-D]", "[xy]", any::<bool>()).prop_map(|(name, text, is_secret)| {
            let (secret, value) = if is_secret { (Some(text), None) } else { (None, Some(text)) };
            EnvVar { name, secret, value }
        })
    }

    fn mount() -> impl Strategy<Value = Mount> {
        (r"\$HOME/[ab]", r"\$HOME/[ab]", option::of(any::<bool>())).prop_map(|(host, target, ro)| Mount {
            host,
            ro,
            target,
        })
    }

    fn mcp() -> impl Strategy<Value = Mcp> {
        named(("[a-d]", "[xy]", any::<bool>()), |a, b| a.0 == b.0).prop_map(|all| {
            let mut mcp = Mcp::default();
            for (name, text, is_command) in all {
                if is_command {
                    mcp.commands.push(McpCommand { name, command: text, ..McpCommand::default() });
                } else {
                    mcp.servers.push(McpServer { name, url: text, ..McpServer::default() });
                }
            }
            mcp
        })
    }

    fn limits() -> impl Strategy<Value = Limits> {
        (option::of(1..9_u32), option::of(1..9_u64), option::of(1..9_u64)).prop_map(|(cpus, memory, pids)| {
            Limits { cpus: cpus.map(f64::from), memory: memory.map(Memory), pids }
        })
    }

    fn texts(pattern: &'static str) -> impl Strategy<Value = Vec<String>> {
        named(pattern, String::eq)
    }

    prop_compose! {
        fn any_config()(
            environment in named(env_var(), |a, b| a.name == b.name),
            features in btree_map("[ab]", btree_map("[xy]", "[12]".prop_map(|value| json!(value)), 0..2), 0..2),
            limits in limits(),
            mcp in mcp(),
            mounts in named(mount(), |a, b| (&a.host, &a.target) == (&b.host, &b.target)),
            hosts in texts("[a-d]"),
            mode in option::of("allow|deny"),
            ports in named(1..5_i64, i64::eq),
            secrets in texts("[a-d]"),
            skills in texts(r"\$HOME/[a-d]"),
        ) -> WorkspaceConfig {
            let features = features.into_iter().map(|(id, options)| (id, options.into_iter().collect())).collect();
            let network = Network { hosts, mode };
            WorkspaceConfig { environment, features, limits, mcp, mounts, network, ports, secrets, skills }
        }
    }

    fn without_order(mut mcp: Mcp) -> Mcp {
        mcp.commands.sort_by(|a, b| a.name.cmp(&b.name));
        mcp.servers.sort_by(|a, b| a.name.cmp(&b.name));
        mcp
    }

    proptest! {
        #[test]
        fn nothing_changes_nothing(c in any_config()) {
            prop_assert_eq!(WorkspaceConfig::default().merge(c.clone()), c.clone());
            prop_assert_eq!(c.clone().merge(WorkspaceConfig::default()), c.clone());
            prop_assert_eq!(c.clone().merge(c.clone()), c);
        }

        /// Apart from the order of MCP servers, see `a_name_that_changes_its_kind_twice_moves`.
        #[test]
        fn levels_can_be_merged_from_either_end(a in any_config(), b in any_config(), c in any_config()) {
            let mut left = a.clone().merge(b.clone()).merge(c.clone());
            let mut right = a.merge(b.merge(c));
            left.mcp = without_order(left.mcp);
            right.mcp = without_order(right.mcp);
            prop_assert_eq!(left, right);
        }

        #[test]
        fn valid_levels_make_a_valid_whole(a in any_config(), b in any_config()) {
            prop_assert_eq!(a.validate(), Ok(()));
            prop_assert_eq!(a.merge(b).validate(), Ok(()));
        }

        #[test]
        fn base_comes_first_and_over_wins(a in any_config(), b in any_config()) {
            let names = |variables: &[EnvVar]| variables.iter().map(|it| it.name.clone()).collect();
            let order: Vec<String> = names(&a.environment);
            let new = names(&b.environment).into_iter().filter(|name| !order.contains(name));
            let order: Vec<String> = order.iter().cloned().chain(new).collect();
            let merged = a.clone().merge(b.clone());
            prop_assert_eq!(names(&merged.environment), order);
            prop_assert!(b.environment.iter().all(|it| merged.environment.contains(it)));
            prop_assert!(b.mounts.iter().all(|it| merged.mounts.contains(it)));
            prop_assert!(b.mcp.commands.iter().all(|it| merged.mcp.commands.contains(it)));
            prop_assert!(b.mcp.servers.iter().all(|it| merged.mcp.servers.contains(it)));
            prop_assert!(b.features.iter().all(|(id, options)| merged.features.get(id) == Some(options)));
            prop_assert!(merged.ports.starts_with(&a.ports) && b.ports.iter().all(|it| merged.ports.contains(it)));
            prop_assert_eq!(merged.network.mode, b.network.mode.or(a.network.mode));
        }
    }

    #[test]
    fn a_name_that_changes_its_kind_twice_moves() {
        let [a, b, c] = [
            json!({"mcp": {"commands": [{"name": "x", "command": "1"}, {"name": "y", "command": "1"}]}}),
            json!({"mcp": {"servers": [{"name": "x", "url": "2"}]}}),
            json!({"mcp": {"commands": [{"name": "x", "command": "3"}]}}),
        ]
        .map(config);
        let names = |it: WorkspaceConfig| it.mcp.commands.into_iter().map(|it| it.name).collect::<String>();
        assert_eq!(names(a.clone().merge(b.clone()).merge(c.clone())), "yx");
        assert_eq!(names(a.merge(b.merge(c))), "xy");
    }

    #[test]
    fn no_field_is_dropped() {
        let full = WorkspaceConfig::full();
        assert_eq!(full.clone().merge(WorkspaceConfig::default()), full);
        assert_eq!(WorkspaceConfig::default().merge(full.clone()), full);
    }

    #[test]
    fn entries_are_replaced_as_a_whole_and_in_place() {
        let base = config(json!({
            "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
            "features": {"f": {"old": 1}},
            "mcp": {"commands": [{"name": "x", "command": "c", "args": ["a"]}], "servers": [{"name": "s", "url": "u"}]},
            "mounts": [{"host": "/h", "target": "/t", "ro": true}, {"host": "/i", "target": "/t"}],
            "network": {"mode": "deny", "hosts": ["a", "b"]},
        }));
        let over = config(json!({
            "environment": [{"name": "C", "value": "2"}, {"name": "A", "secret": "s"}],
            "features": {"f": {"new": 2}},
            "mcp": {"commands": [{"name": "s", "command": "d"}, {"name": "x", "command": "d"}]},
            "mounts": [{"host": "/h", "target": "/t"}],
            "network": {"mode": "allow", "hosts": ["c", "b"]},
        }));
        let merged = config(json!({
            "environment": [{"name": "A", "secret": "s"}, {"name": "B", "value": "1"}, {"name": "C", "value": "2"}],
            "features": {"f": {"new": 2}},
            "mcp": {"commands": [{"name": "x", "command": "d"}, {"name": "s", "command": "d"}]},
            "mounts": [{"host": "/h", "target": "/t"}, {"host": "/i", "target": "/t"}],
            "network": {"mode": "allow", "hosts": ["a", "b", "c"]},
        }));
        assert_eq!(base.merge(over), merged);
    }

    #[test]
    fn of_the_same_mounts_of_one_level_the_read_only_one_is_kept() {
        let mounts = |ro: &[Option<bool>]| {
            let all = ro.iter().map(|ro| json!({"host": "/h", "target": "/t", "ro": ro}));
            config(json!({"mounts": all.collect::<Vec<_>>()}))
        };
        let two = mounts(&[Some(true), None]);
        let other = config(json!({"mounts": [{"host": "/i", "target": "/t"}]}));
        let first = |it: WorkspaceConfig| it.mounts.into_iter().map(|it| it.ro).collect::<Vec<_>>();
        assert_eq!(two.clone().merge(WorkspaceConfig::default()), two);
        assert_eq!(WorkspaceConfig::default().merge(two.clone()), two);
        assert_eq!(first(two.clone().merge(other.clone())), [Some(true), None]);
        assert_eq!(first(mounts(&[None, Some(true)]).merge(other.clone())), [Some(true), None]);
        assert_eq!(first(other.merge(two.clone())), [None, Some(true)]);
        assert_eq!(first(two.merge(mounts(&[None]))), [None], "a higher level may say otherwise");
    }
}
