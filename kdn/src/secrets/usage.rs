//! How a secret is used: what a driver is told of it, and the hosts that have to be reached with it.

use kdn_protocol::{Network, NetworkMode, SecretSpec};

use super::{Definition, Error, OTHER, Result, Secrets, Service};
use crate::config::host;

impl Definition {
    /// What a driver has to know to put the secret into requests.
    pub fn spec(&self) -> Result<SecretSpec> {
        let unusable = |problem: String| Error::Unusable { name: self.name.clone(), problem };
        let own = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (hosts, path, header, template, variables) = if self.r#type == OTHER {
            let template = own(&self.header_template);
            (self.hosts.clone(), own(&self.path), self.header.clone(), template, self.envs.clone())
        } else {
            let Some(service) = Service::of(&self.r#type) else {
                return Err(unusable(format!(
                    "unknown secret type {:?}: secret service not found",
                    self.r#type
                )));
            };
            let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
            let template = service.template.map(str::to_owned);
            (owned(service.hosts), None, service.header.to_owned(), template, owned(service.variables))
        };
        if hosts.is_empty() {
            return Err(unusable("it names no host, and no secret goes to every host".to_owned()));
        }
        if header.is_empty() {
            return Err(unusable("it has no header".to_owned()));
        }
        let mut spec = SecretSpec::new(&self.name, header);
        for host in hosts {
            let normal = host::normalize(&host)
                .ok_or_else(|| unusable(format!("host {host:?} is not a host name or IP address")))?;
            if !spec.hosts.contains(&normal) {
                spec.hosts.push(normal);
            }
        }
        spec.path = path;
        if let Some(template) = template {
            spec.header_template = template;
        }
        spec.env_names = variables;
        Ok(spec)
    }
}

impl Secrets {
    /// What a driver is told of these secrets of a workspace, whose own variables are `taken`: a variable that is set
    /// already keeps its value.
    pub fn specs(&self, names: &[String], taken: &[&str]) -> Result<Vec<SecretSpec>, (usize, Error)> {
        let mut taken: Vec<String> = taken.iter().map(|&name| name.to_owned()).collect();
        let mut specs = Vec::with_capacity(names.len());
        for (i, name) in names.iter().enumerate() {
            let mut spec = self.find(name).and_then(|found| found.spec()).map_err(|error| (i, error))?;
            spec.env_names.retain(|name| {
                let is_new = !taken.contains(name);
                if is_new {
                    taken.push(name.clone());
                }
                is_new
            });
            specs.push(spec);
        }
        Ok(specs)
    }

    /// Lets a policy reach the hosts of these secrets. What is not there any more has none.
    pub fn allow(&self, network: &mut Network, names: &[String]) -> Result<()> {
        if network.mode != NetworkMode::Deny || names.is_empty() {
            return Ok(());
        }
        for definition in self.list()?.into_iter().filter(|one| names.contains(&one.name)) {
            for host in definition.spec().map(|spec| spec.hosts).unwrap_or_default() {
                if !network.hosts.contains(&host) {
                    network.hosts.push(host);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kdn_protocol::host::Interrupts;

    use super::*;
    use crate::{env::Env, output::Notes};

    #[test]
    fn a_service_knows_where_its_secrets_go() {
        for service in super::super::SERVICES {
            let definition =
                Definition { name: "x".to_owned(), r#type: service.name.to_owned(), ..Definition::default() };
            let spec = definition.spec().unwrap();
            assert_eq!(spec.hosts, service.hosts);
            assert!(spec.header_template.contains("${value}"));
        }
    }

    #[test]
    fn a_workspace_keeps_its_variables_and_reaches_the_hosts_of_its_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let list = r#"{"secrets": [{"name": "a", "type": "github"}, {"name": "b", "type": "github"}]}"#;
        crate::files::write_atomic(&dir.path().join("secrets.json"), list.as_bytes(), 0o600).unwrap();
        let secrets = Secrets::new(dir.path(), &Env::default(), &Interrupts::never(), &Notes::default());
        let names = ["a", "b", "gone"].map(str::to_owned);
        let specs = secrets.specs(&names[..2], &["GH_TOKEN"]).unwrap();
        assert_eq!(specs[0].env_names, ["GITHUB_TOKEN"]);
        assert!(specs[1].env_names.is_empty());
        let (at, error) = secrets.specs(&names, &[]).unwrap_err();
        assert_eq!((at, error.to_string().as_str()), (2, r#"secret "gone": secret not found"#));

        let mut network = Network::deny(vec!["example.com".to_owned()]);
        secrets.allow(&mut network, &names).unwrap();
        assert_eq!(network.hosts, ["example.com", "api.github.com"]);
        let mut network = Network::allow();
        secrets.allow(&mut network, &names).unwrap();
        assert!(network.hosts.is_empty());
    }

    #[test]
    fn others_say_it_themselves_or_are_refused() {
        let other = Definition {
            name: "x".to_owned(),
            r#type: OTHER.to_owned(),
            hosts: vec!["API.example.com".to_owned(), "api.example.com.".to_owned()],
            header: "X-Key".to_owned(),
            ..Definition::default()
        };
        let spec = other.spec().unwrap();
        assert_eq!(
            (&spec.hosts[..], &*spec.header_template),
            (&["api.example.com".to_owned()][..], "${value}")
        );
        let problem = |change: fn(&mut Definition)| {
            let mut other = other.clone();
            change(&mut other);
            other.spec().unwrap_err().to_string()
        };
        for (text, end) in [
            (problem(|one| one.hosts.clear()), "it names no host, and no secret goes to every host"),
            (problem(|one| one.hosts.push("*".to_owned())), r#"host "*" is not a host name or IP address"#),
            (problem(|one| one.header.clear()), "it has no header"),
            (
                problem(|one| one.r#type = "x".to_owned()),
                r#"unknown secret type "x": secret service not found"#,
            ),
        ] {
            assert_eq!(text, end);
        }
    }
}
