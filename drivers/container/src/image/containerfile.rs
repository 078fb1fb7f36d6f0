//! The text of a Containerfile, in a form that podman, BuildKit and docker's older builder read alike.

use std::fmt::Write as _;

use super::{HOME, Recipe, SOURCES, USER, packages};
use crate::error::{Error, Result};

/// Makes the user. Neither every image has a program for that, nor one that may give an id twice; ids and a name that the
/// image has given away already are taken back, but never those of root.
const MAKE_USER: &str = r#"RUN set -e; touch /etc/passwd /etc/group; \
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
        "\nARG UID=1000\nARG GID=1000\n{MAKE_USER}\nCOPY sudoers /etc/sudoers.d/{USER}\nENV HOME={HOME} PATH={HOME}/.local/bin:/usr/local/bin:/usr/bin:$PATH\n"
    );
    for (index, feature) in features.iter().enumerate() {
        let folder = format!("/tmp/feature-install/feature-{index}");
        let _ = write!(
            text,
            "\n# {}\nCOPY features/feature-{index}/ {folder}/\nRUN cd {folder} && chmod +x install.sh && . ./.kdn-options && ./install.sh && rm -rf {folder}\n",
            feature.id.replace(char::is_control, " "),
        );
        for (name, value) in &feature.container_env {
            let _ = writeln!(
                text,
                "ENV {}",
                variable(name, value).ok_or_else(|| {
                    let message = format!(
                        "feature {:?} sets the variable {name:?} to what no image can hold",
                        feature.id
                    );
                    Error::invalid_workspace(format!("features[{index}].containerEnv"), message)
                })?
            );
        }
    }
    let _ = write!(text, "\nUSER {USER}:{USER}\nWORKDIR {HOME}\n");
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
