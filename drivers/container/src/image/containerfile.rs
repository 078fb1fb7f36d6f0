//! The text of a Containerfile, in a form that podman, `BuildKit` and docker's older builder read alike.

use std::fmt::Write as _;

use super::{HOME, Recipe, SOURCES, USER, packages};
use crate::error::{Error, Result};

/// Makes the user. Neither every image has a program for that, nor one that may give an id twice; ids and a name that the
/// image has given away already are taken back, but never those of root.
const MAKE_USER: &str = r#"RUN set -e; touch /etc/passwd /etc/group; \
    for file in /etc/passwd /etc/group; do [ -z "$(tail -c 1 $file)" ] || echo >> $file; done; \
    [ "$UID" = 0 ] || sed -i "/^[^:]*:[^:]*:$UID:/d" /etc/passwd; \
    [ "$GID" = 0 ] || sed -i "/^[^:]*:[^:]*:$GID:/d" /etc/group; \
    sed -i '/^agent:/d' /etc/passwd /etc/group; \
    echo "agent:x:$GID:" >> /etc/group; \
    echo "agent:*:$UID:$GID:agent:/home/agent:$(command -v bash || echo /bin/sh)" >> /etc/passwd; \
    mkdir -p /home/agent /workspace/sources; \
    chown "$UID:$GID" /home/agent /workspace /workspace/sources"#;

/// Writes the Containerfile of a recipe.
pub(super) fn render(recipe: &Recipe) -> Result<String> {
    let Recipe { image, agent, features, .. } = recipe;
    let mut text = format!("FROM {}\n\nUSER root\n", image.base());
    if let Some(install) = packages::instruction(recipe) {
        let _ = writeln!(text, "{install}");
    }
    let _ = write!(
        text,
        "\nARG UID=1000\nARG GID=1000\n{MAKE_USER}\nCOPY sudoers /etc/sudoers.d/{USER}\nENV PATH={HOME}/.local/bin:/usr/local/bin:/usr/bin:$PATH\n"
    );
    for (index, feature) in features.iter().enumerate() {
        let folder = format!("/tmp/feature-install/feature-{index}");
        let _ = write!(
            text,
            "\n# {}\nCOPY features/feature-{index}/ {folder}/\nRUN cd {folder} && chmod +x install.sh && sh ./.kdn-install && rm -rf {folder}\n",
            feature.id.replace(char::is_control, " "),
        );
        if !feature.container_env.is_empty() {
            // In one instruction: what stands for a variable is its value before all of them.
            text += "ENV";
            for (name, value) in &feature.container_env {
                let assignment = variable(name, value).ok_or_else(|| {
                    let message = format!(
                        "feature {:?} sets the variable {name:?} to what no image can hold",
                        feature.id
                    );
                    Error::invalid_workspace(format!("features[{index}].containerEnv"), message)
                })?;
                let _ = write!(text, " {assignment}");
            }
            text.push('\n');
        }
    }
    // Not before: what features keep in the home of root would be in that of the agent, and root's.
    let _ = write!(text, "\nUSER {USER}:{USER}\nENV HOME={HOME}\nWORKDIR {HOME}\n");
    for line in image.run_commands.iter().chain(&agent.run_commands) {
        let _ = writeln!(text, "{}", run(line));
    }
    let _ = write!(text, "\nCOPY Containerfile {HOME}/Containerfile\nWORKDIR {SOURCES}\n");
    Ok(text)
}

/// A line of the shell as an instruction: as it is, where that can't be misread.
fn run(line: &str) -> String {
    let plain = !line.contains(['\n', '\r'])
        && !line.contains("<<")
        && !line.ends_with('\\')
        && !line.starts_with(['[', '-', '#'])
        && line.trim() == line
        && !line.is_empty();
    if plain { format!("RUN {line}") } else { format!("RUN {}", serde_json::json!(["/bin/sh", "-c", line])) }
}

/// An assignment of `ENV`, in which `${NAME}` alone keeps its meaning.
fn variable(name: &str, value: &str) -> Option<String> {
    let usable = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !usable || value.contains(['\n', '\r', '\0']) {
        return None;
    }
    let mut quoted = String::new();
    for (at, c) in value.char_indices() {
        if c == '"' || c == '\\' || (c == '$' && !is_reference(&value[at..])) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    Some(format!("{name}=\"{quoted}\""))
}

fn is_reference(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// The content of the file for sudo.
pub(super) fn sudoers(programs: &[String]) -> String {
    if programs.is_empty() {
        return format!("{USER} ALL = !ALL\n");
    }
    let escaped = programs.iter().map(|program| {
        program.chars().fold(String::new(), |text, c| {
            if ",:=\\ ".contains(c) { text + "\\" + &c.to_string() } else { text + &c.to_string() }
        })
    });
    let programs: Vec<String> = escaped.collect();
    format!("Cmnd_Alias ALLOWED = {}\n{USER} ALL = !ALL, NOPASSWD: ALLOWED\n", programs.join(", "))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use insta::assert_snapshot;
    use kdn_protocol::Feature;

    use super::*;
    use crate::config::{Agent, Image};

    fn recipe(image: Image, agent: &str) -> Recipe {
        Recipe { image, agent: Agent::known(agent), features: Vec::new(), uid: 1000, gid: 1000 }
    }

    #[test]
    fn fedora_by_default() {
        assert_snapshot!(render(&recipe(Image::default(), "claude")).unwrap(), @r#"
        FROM registry.fedoraproject.org/fedora:latest

        USER root
        RUN dnf install -y which procps-ng wget2 @development-tools jq gh golang golangci-lint python3 python3-pip && dnf clean all

        ARG UID=1000
        ARG GID=1000
        RUN set -e; touch /etc/passwd /etc/group; \
            for file in /etc/passwd /etc/group; do [ -z "$(tail -c 1 $file)" ] || echo >> $file; done; \
            [ "$UID" = 0 ] || sed -i "/^[^:]*:[^:]*:$UID:/d" /etc/passwd; \
            [ "$GID" = 0 ] || sed -i "/^[^:]*:[^:]*:$GID:/d" /etc/group; \
            sed -i '/^agent:/d' /etc/passwd /etc/group; \
            echo "agent:x:$GID:" >> /etc/group; \
            echo "agent:*:$UID:$GID:agent:/home/agent:$(command -v bash || echo /bin/sh)" >> /etc/passwd; \
            mkdir -p /home/agent /workspace/sources; \
            chown "$UID:$GID" /home/agent /workspace /workspace/sources
        COPY sudoers /etc/sudoers.d/agent
        ENV PATH=/home/agent/.local/bin:/usr/local/bin:/usr/bin:$PATH

        USER agent:agent
        ENV HOME=/home/agent
        WORKDIR /home/agent
        RUN curl -fsSL https://claude.ai/install.sh | bash
        RUN mkdir -p ~/.config

        COPY Containerfile /home/agent/Containerfile
        WORKDIR /workspace/sources
        "#);
    }

    #[test]
    fn debian() {
        let image = Image { base_image: Some("docker.io/library/debian:13".into()), ..Image::default() };
        let mut recipe = recipe(image, "codex");
        recipe.image.run_commands =
            vec!["git config --global pull.rebase true".into(), "cat <<X\nit's\nX".into()];
        let mut go = Feature::new("ghcr.io/devcontainers/features/go:1", PathBuf::from("/features/go"));
        go.container_env =
            [("GOROOT", "/usr/local/go"), ("PATH", "/usr/local/go/bin:${PATH}"), ("ODD", r#"a "b" $c \"#)]
                .map(|(name, value)| (name.into(), value.into()))
                .into();
        recipe.features = vec![go];
        assert_snapshot!(render(&recipe).unwrap(), @r#"
        FROM docker.io/library/debian:13

        USER root
        RUN if command -v dnf >/dev/null; then dnf install -y which procps-ng wget2 @development-tools jq gh golang golangci-lint python3 python3-pip nodejs npm && dnf clean all; \
            elif command -v apt-get >/dev/null; then apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bash ca-certificates curl git sudo procps wget build-essential jq gh golang python3 python3-pip python3-venv nodejs npm && rm -rf /var/lib/apt/lists/*; \
            elif command -v apk >/dev/null; then apk add --no-cache bash ca-certificates curl git sudo procps wget build-base jq github-cli go python3 py3-pip libgcc libstdc++ nodejs npm && true; \
            elif command -v microdnf >/dev/null; then microdnf install -y which procps-ng wget2 @development-tools jq gh golang golangci-lint python3 python3-pip nodejs npm && microdnf clean all; \
            else echo 'The image has no package manager that is known, to install: nodejs npm' >&2; exit 1; fi

        ARG UID=1000
        ARG GID=1000
        RUN set -e; touch /etc/passwd /etc/group; \
            for file in /etc/passwd /etc/group; do [ -z "$(tail -c 1 $file)" ] || echo >> $file; done; \
            [ "$UID" = 0 ] || sed -i "/^[^:]*:[^:]*:$UID:/d" /etc/passwd; \
            [ "$GID" = 0 ] || sed -i "/^[^:]*:[^:]*:$GID:/d" /etc/group; \
            sed -i '/^agent:/d' /etc/passwd /etc/group; \
            echo "agent:x:$GID:" >> /etc/group; \
            echo "agent:*:$UID:$GID:agent:/home/agent:$(command -v bash || echo /bin/sh)" >> /etc/passwd; \
            mkdir -p /home/agent /workspace/sources; \
            chown "$UID:$GID" /home/agent /workspace /workspace/sources
        COPY sudoers /etc/sudoers.d/agent
        ENV PATH=/home/agent/.local/bin:/usr/local/bin:/usr/bin:$PATH

        # ghcr.io/devcontainers/features/go:1
        COPY features/feature-0/ /tmp/feature-install/feature-0/
        RUN cd /tmp/feature-install/feature-0 && chmod +x install.sh && sh ./.kdn-install && rm -rf /tmp/feature-install/feature-0
        ENV GOROOT="/usr/local/go" ODD="a \"b\" \$c \\" PATH="/usr/local/go/bin:${PATH}"

        USER agent:agent
        ENV HOME=/home/agent
        WORKDIR /home/agent
        RUN git config --global pull.rebase true
        RUN ["/bin/sh","-c","cat <<X\nit's\nX"]
        RUN npm install --global --prefix ~/.local @openai/codex

        COPY Containerfile /home/agent/Containerfile
        WORKDIR /workspace/sources
        "#);
    }

    #[test]
    fn own_packages_are_the_same_everywhere() {
        let image = Image {
            base_image: Some("docker.io/library/alpine:3".into()),
            packages: vec!["git".into(), "nodejs>22".into()],
            ..Image::default()
        };
        assert_snapshot!(packages::instruction(&recipe(image, "shell")).unwrap(), @r"
        RUN if command -v dnf >/dev/null; then dnf install -y git 'nodejs>22' && dnf clean all; \
            elif command -v apt-get >/dev/null; then apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends git 'nodejs>22' && rm -rf /var/lib/apt/lists/*; \
            elif command -v apk >/dev/null; then apk add --no-cache git 'nodejs>22' && true; \
            elif command -v microdnf >/dev/null; then microdnf install -y git 'nodejs>22' && microdnf clean all; \
            else echo 'The image has no package manager that is known, to install: git '\''nodejs>22'\''' >&2; exit 1; fi
        ");
        let none = Image { packages: Vec::new(), ..Image::default() };
        assert_eq!(packages::instruction(&recipe(none, "shell")), None);
    }

    #[test]
    fn programs_for_sudo() {
        assert_snapshot!(sudoers(&Image::default().sudo()), @r"
        Cmnd_Alias ALLOWED = /usr/bin/dnf, /bin/nice, /bin/kill, /usr/bin/kill, /usr/bin/killall
        agent ALL = !ALL, NOPASSWD: ALLOWED
        ");
        assert_snapshot!(sudoers(&[]), @r"agent ALL = !ALL");
    }
}
