//! `kdn man`

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::{Command, CommandFactory as _};
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

use crate::{
    VERSION,
    cli::Cli,
    files,
    output::{CommandError, stream},
};

/// Print the manual of kdn, or write the manual pages of all commands
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn man
  kdn man ~/man1")]
pub(crate) struct Args {
    /// Folder to write a page for each command to
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    let mut root = Cli::command();
    root.build();
    match &args.dir {
        Some(dir) => {
            files::create_folder(dir, 0o755).and_then(|()| write(&root, dir)).map_err(|error| {
                CommandError::from(error)
                    .context(format_args!("failed to write manual pages to {}", dir.display()))
            })?;
        }
        None => stream::raw(&page(&root)?.1)?,
    }
    Ok(0)
}

/// Writes the pages of a command and of those below it.
fn write(command: &Command, dir: &Path) -> io::Result<()> {
    let (file, page) = page(command)?;
    files::write_atomic(&dir.join(file), page.as_bytes(), 0o644)?;
    let below =
        command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    for command in below {
        write(command, dir)?;
    }
    Ok(())
}

/// The name of the file of a page, and the page.
fn page(command: &Command) -> io::Result<(String, String)> {
    let man = Man::new(command.clone()).manual("kdn").source(format!("kdn {VERSION}"));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(examples) = command.get_after_help().map(ToString::to_string) {
        let mut lines = Roff::new();
        lines.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in examples.lines().skip_while(|line| *line == "Examples:") {
            lines.text([roman(line)]);
        }
        lines.control("fi", []).to_writer(&mut page)?;
    }
    Ok((man.get_filename(), String::from_utf8(page).map_err(io::Error::other)?))
}
