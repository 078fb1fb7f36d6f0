//! What makes a workspace acceptable, for both ends: a host checks before it sends, a driver before it acts.

use std::{collections::HashSet, path::Path};

use crate::{Capabilities, Error, Flag, Instance, NetworkMode, State, Workspace};

impl Workspace {
    /// Whether every field is what it must be; the first that is not is named by `fieldPath`.
    pub fn validate(&self) -> Result<(), Error> {
        if self.workspace_id.len() != 64
            || !self.workspace_id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            let message =
                format!("workspace id {:?} is not 64 lowercase hexadecimal digits", self.workspace_id);
            return Err(Error::invalid_workspace("workspaceId", message));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !self.name.starts_with(plain)
            || !self.name.ends_with(plain)
            || !self.name.chars().all(|c| plain(c) || "._-".contains(c))
        {
            let message = format!(
                "workspace name {:?} is not of lower-case letters, digits, \".\", \"_\" and \"-\", with a letter or digit at both ends",
                self.name
            );
            return Err(Error::invalid_workspace("name", message));
        }
        absolute("sourcePath", &self.source_path)?;
        self.validate_environment()?;
        self.validate_secrets()?;
        self.validate_mounts()?;
        self.validate_ports()?;
        self.validate_files()?;
        for (i, feature) in self.features.iter().enumerate() {
            absolute(&format!("features[{i}].directory"), &feature.directory)?;
        }
        if self.limits.cpus.is_some_and(|cpus| !cpus.is_finite() || cpus <= 0.0) {
            return Err(Error::invalid_workspace("limits.cpus", "the number of processors must be above 0"));
        }
        if self.limits.memory_bytes == Some(0) || self.limits.pids == Some(0) {
            return Err(Error::invalid_workspace("limits", "a limit of 0 leaves nothing to run with"));
        }
        Ok(())
    }

    fn validate_environment(&self) -> Result<(), Error> {
        for (i, variable) in self.environment.iter().enumerate() {
            let name = &variable.name;
            if name.is_empty() || name.contains(['=', '\0']) {
                let message = format!("environment variable name {name:?} is not usable");
                return Err(Error::invalid_workspace(format!("environment[{i}].name"), message));
            }
            if variable.value.is_some() == variable.secret.is_some() {
                let message = format!("environment variable {name:?} must have either value or secret");
                return Err(Error::invalid_workspace(format!("environment[{i}]"), message));
            }
            if variable.value.as_ref().is_some_and(|value| value.contains('\0')) {
                let message = format!("environment variable {name:?} has a value with a NUL byte");
                return Err(Error::invalid_workspace(format!("environment[{i}].value"), message));
            }
        }
        Ok(())
    }

    fn validate_secrets(&self) -> Result<(), Error> {
        let names = self.secrets.iter().map(|secret| secret.name.as_str()).enumerate();
        once("secret", names.map(|(i, name)| (format!("secrets[{i}].name"), name)))?;
        let variables = self.environment.iter().enumerate();
        let variables =
            variables.map(|(i, variable)| (format!("environment[{i}].name"), variable.name.as_str()));
        let placeholders = self.secrets.iter().enumerate().flat_map(|(i, secret)| {
            let names = secret.env_names.iter().enumerate();
            names.map(move |(j, name)| (format!("secrets[{i}].envNames[{j}]"), name.as_str()))
        });
        once("environment variable", variables.chain(placeholders))
    }

    fn validate_mounts(&self) -> Result<(), Error> {
        let targets = self.mounts.iter().enumerate();
        once(
            "mount target",
            targets.map(|(i, mount)| (format!("mounts[{i}].target"), mount.target.as_str())),
        )?;
        for (i, mount) in self.mounts.iter().enumerate() {
            absolute(&format!("mounts[{i}].host"), &mount.host)?;
            let target = &mount.target;
            let climbs = target.split('/').any(|part| part == "..") || target.contains('\0');
            if !target.starts_with('/') || climbs || target.trim_matches('/').is_empty() {
                let message = format!("mount target {target:?} is not an absolute path without \"..\"");
                return Err(Error::invalid_workspace(format!("mounts[{i}].target"), message));
            }
        }
        Ok(())
    }

    fn validate_ports(&self) -> Result<(), Error> {
        let mut seen = HashSet::new();
        for (i, port) in self.ports.iter().enumerate() {
            if port.target == 0 || port.host == Some(0) {
                return Err(Error::invalid_workspace(format!("ports[{i}]"), "port 0 is not a port"));
            }
            if !seen.insert(port.target) {
                let message = format!("port {} is there twice", port.target);
                return Err(Error::invalid_workspace(format!("ports[{i}].target"), message));
            }
        }
        Ok(())
    }

    fn validate_files(&self) -> Result<(), Error> {
        let paths = self.files.iter().enumerate();
        once("file path", paths.map(|(i, file)| (format!("files[{i}].path"), file.path.as_str())))?;
        for (i, file) in self.files.iter().enumerate() {
            let path = &file.path;
            let bad_part = |part: &str| part.is_empty() || part == "." || part == "..";
            if path.split('/').any(bad_part) || path.contains('\0') {
                let message = format!("file path {path:?} is not relative, or climbs");
                return Err(Error::invalid_workspace(format!("files[{i}].path"), message));
            }
            if file.source.is_some() == file.content_base64.is_some() {
                let message = format!("file {path:?} must have either source or contentBase64");
                return Err(Error::invalid_workspace(format!("files[{i}]"), message));
            }
            if let Some(source) = &file.source {
                absolute(&format!("files[{i}].source"), source)?;
            }
            if file.mode & !0o777 != 0 {
                let message =
                    format!("file {path:?} has mode {:o}, which is more than permission bits", file.mode);
                return Err(Error::invalid_workspace(format!("files[{i}].mode"), message));
            }
        }
        Ok(())
    }

    /// Whether the options are those of a driver with these flags, and none that is required is missing.
    pub fn check_options(&self, flags: &[Flag]) -> Result<(), Error> {
        let wrong = |name: &str, message| Err(Error::invalid_workspace(format!("options.{name}"), message));
        if let Some(name) = self.options.keys().find(|name| flags.iter().all(|flag| flag.name != **name)) {
            return wrong(name, format!("there is no option {name:?}"));
        }
        if let Some(flag) = flags.iter().find(|flag| flag.required && !self.options.contains_key(&flag.name))
        {
            return wrong(&flag.name, format!("the option {:?} is required", flag.name));
        }
        Ok(())
    }

    /// Whether everything that it takes from this machine is there.
    pub fn check_host_paths(&self) -> Result<(), Error> {
        let mounts = self.mounts.iter().enumerate().map(|(i, m)| (format!("mounts[{i}].host"), &m.host));
        let features = self.features.iter().enumerate();
        let features = features.map(|(i, f)| (format!("features[{i}].directory"), &f.directory));
        let files = self.files.iter().enumerate();
        let files = files.filter_map(|(i, f)| Some((format!("files[{i}].source"), f.source.as_ref()?)));
        let source = std::iter::once(("sourcePath".to_owned(), &self.source_path));
        for (field, path) in source.chain(mounts).chain(features).chain(files) {
            if let Err(error) = path.metadata() {
                let message = format!("{:?} can't be used: {error}", path.display().to_string());
                return Err(Error::invalid_workspace(field, message));
            }
        }
        Ok(())
    }

    /// Whether a driver of these capabilities can give all that the workspace asks for; if not, the error that
    /// says what is missing.
    pub fn check_needs(&self, capabilities: &Capabilities) -> Result<(), Error> {
        let need = |there: bool, field: &str, what: &str| {
            if there {
                Ok(())
            } else {
                Err(Error::unsupported(format!("{what} is not supported")).field(field))
            }
        };
        need(self.mounts.is_empty() || capabilities.bind_mounts.is_some(), "mounts", "mounting host paths")?;
        need(self.ports.is_empty() || capabilities.ports.is_some(), "ports", "forwarding ports")?;
        for (i, port) in self.ports.iter().enumerate() {
            need(port.protocol == "tcp", &format!("ports[{i}].protocol"), "forwarding anything but TCP")?;
        }
        need(self.features.is_empty() || capabilities.features.is_some(), "features", "installing features")?;
        need(self.secrets.is_empty() || capabilities.secrets.is_some(), "secrets", "injecting secrets")?;
        let secret_environment = self.environment.iter().any(|variable| variable.secret.is_some());
        let secret_source =
            capabilities.secret_environment.is_some() || capabilities.runtime_secrets.is_some();
        need(!secret_environment || secret_source, "environment", "a secret in the environment")?;
        let limits = capabilities.limits.unwrap_or_default();
        need(self.limits.memory_bytes.is_none() || limits.memory, "limits.memoryBytes", "limiting memory")?;
        need(self.limits.cpus.is_none() || limits.cpus, "limits.cpus", "limiting processors")?;
        need(self.limits.pids.is_none() || limits.pids, "limits.pids", "limiting processes")?;
        self.network.check_needs(capabilities)
    }
}

impl crate::Network {
    /// Whether a driver of these capabilities can enforce this policy. `allow` needs no capability.
    pub fn check_needs(&self, capabilities: &Capabilities) -> Result<(), Error> {
        if self.mode == NetworkMode::Allow {
            return Ok(());
        }
        let policy = capabilities.network_policy.as_ref();
        if !policy.is_some_and(|policy| policy.modes.contains(&self.mode)) {
            return Err(Error::unsupported("network mode \"deny\" is not supported").field("network.mode"));
        }
        if !self.hosts.is_empty() && !policy.is_some_and(|policy| policy.hosts) {
            let message = "network mode \"deny\" with hosts that stay reachable is not supported";
            return Err(Error::unsupported(message).field("network.hosts"));
        }
        Ok(())
    }
}

impl Instance {
    /// Whether a host may believe this instance of a driver; if not, why.
    pub fn validate(&self) -> Result<(), String> {
        if !Self::is_valid_id(&self.id) {
            return Err(format!("invalid instance id: {:?}", self.id));
        }
        if let State::Invalid(word) = &self.state {
            return Err(format!(
                "invalid state: invalid runtime state: {word:?} (must be one of: running, stopped, error, unknown)"
            ));
        }
        Ok(())
    }
}

/// Refuses what comes twice.
fn once<'a>(what: &str, fields: impl Iterator<Item = (String, &'a str)>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for (field, value) in fields {
        if !seen.insert(value) {
            return Err(Error::invalid_workspace(field, format!("{what} {value:?} is there twice")));
        }
    }
    Ok(())
}

fn absolute(field: &str, path: &Path) -> Result<(), Error> {
    if path.to_str().is_none() {
        return Err(Error::invalid_workspace(
            field,
            format!("{:?} is not UTF-8", path.display().to_string()),
        ));
    }
    let climbs = path.components().any(|part| part == std::path::Component::ParentDir);
    if !path.is_absolute() || climbs || path.to_str().is_some_and(|path| path.contains('\0')) {
        let message = format!("{:?} is not an absolute path without \"..\"", path.display().to_string());
        return Err(Error::invalid_workspace(field, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Agent, EnvVar, FileEntry, LimitsCapability, Mount, Network, NetworkPolicyCapability, Port,
        SecretSpec, Supported,
    };
    use serde_json::json;

    fn workspace(change: impl FnOnce(&mut Workspace)) -> Workspace {
        let agent = Agent::new("shell", vec!["bash".into()]);
        let mut workspace = Workspace::new("a".repeat(64), "app", "/src/app", agent);
        change(&mut workspace);
        workspace
    }

    fn wrong_field(change: impl FnOnce(&mut Workspace)) -> String {
        workspace(change).validate().unwrap_err().data.field_path.unwrap()
    }

    // SPEC: WORK-14
    #[test]
    fn the_wrong_field_is_named() {
        assert_eq!(workspace(|_| ()).validate(), Ok(()));
        assert_eq!(wrong_field(|w| w.workspace_id = "A".repeat(64)), "workspaceId");
        assert_eq!(wrong_field(|w| w.name = "App".into()), "name");
        assert_eq!(wrong_field(|w| w.name = "app-".into()), "name");
        assert_eq!(wrong_field(|w| w.source_path = "app".into()), "sourcePath");
        assert_eq!(wrong_field(|w| w.environment = vec![EnvVar::value("A", ""); 2]), "environment[1].name");
        assert_eq!(wrong_field(|w| w.environment = vec![EnvVar::value("A=", "")]), "environment[0].name");
        assert_eq!(wrong_field(|w| w.mounts = vec![Mount::new("/x", "/a/../b", false)]), "mounts[0].target");
        assert_eq!(wrong_field(|w| w.ports = vec![Port::new(80), Port::new(80)]), "ports[1].target");
        assert_eq!(wrong_field(|w| w.files = vec![FileEntry::content("../x", "")]), "files[0].path");
        assert_eq!(wrong_field(|w| w.limits.cpus = Some(f64::NAN)), "limits.cpus");
        assert_eq!(wrong_field(|w| w.mounts = vec![Mount::new("/x\0", "/x", false)]), "mounts[0].host");
    }

    // SPEC: WORK-13
    #[test]
    fn a_variable_is_there_once_in_all() {
        let secret = |names: &[&str]| {
            let secret = json!({"name": "s", "header": "x", "envNames": names});
            serde_json::from_value::<SecretSpec>(secret).unwrap()
        };
        let two = wrong_field(|w| w.secrets = vec![secret(&["A", "B", "A"])]);
        assert_eq!(two, "secrets[0].envNames[2]");
        let both = wrong_field(|w| {
            w.environment = vec![EnvVar::value("A", "")];
            w.secrets = vec![secret(&["A"])];
        });
        assert_eq!(both, "secrets[0].envNames[0]");
    }

    // SPEC: FLAG-07
    #[test]
    fn options_are_those_of_the_flags() {
        let mut flags = vec![Flag::new("app-image", "The image")];
        let given = workspace(|w| w.options = [("app-image".to_owned(), String::new())].into());
        assert_eq!(given.check_options(&flags), Ok(()));
        assert_eq!(given.check_options(&[]).unwrap_err().data.field_path.unwrap(), "options.app-image");
        flags[0].required = true;
        let error = workspace(|_| ()).check_options(&flags).unwrap_err();
        assert_eq!(error.message, "the option \"app-image\" is required");
    }

    #[test]
    fn what_is_not_on_this_machine_is_named() {
        let here = workspace(|w| w.source_path = env!("CARGO_MANIFEST_DIR").into());
        assert_eq!(here.check_host_paths(), Ok(()));
        let mut gone = here.clone();
        gone.mounts = vec![Mount::new(here.source_path.join("gone"), "/x", true)];
        assert_eq!(gone.check_host_paths().unwrap_err().data.field_path.unwrap(), "mounts[0].host");
    }

    // SPEC: CAP-02
    #[test]
    fn what_a_driver_does_not_declare_is_refused() {
        let mut all = Capabilities::default();
        let wants = [
            workspace(|w| w.mounts = vec![Mount::new("/x", "/x", true)]),
            workspace(|w| w.ports = vec![Port::new(80)]),
            workspace(|w| w.environment = vec![EnvVar::secret("A", "a")]),
            workspace(|w| w.limits.memory_bytes = Some(1)),
            workspace(|w| w.network = Network::deny(vec!["example.com".into()])),
        ];
        for want in &wants {
            assert_eq!(want.check_needs(&all).unwrap_err().kind(), crate::ErrorKind::Unsupported);
        }
        all.bind_mounts = Supported::YES;
        all.ports = Supported::YES;
        all.secret_environment = Supported::YES;
        all.limits = Some(LimitsCapability::new(true, true, true));
        all.network_policy = Some(NetworkPolicyCapability::new([NetworkMode::Deny], true));
        for want in &wants {
            assert_eq!(want.check_needs(&all), Ok(()));
        }
    }
}
