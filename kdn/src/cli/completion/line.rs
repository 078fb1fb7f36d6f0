//! One question of a shell, and the answer to it.

use std::{ffi::OsString, io, sync::Arc};

use clap::{CommandFactory as _, ValueEnum as _};
use kdn_protocol::host::InterruptSender;

use super::{Shell, attach::attach, machine::Machine};
use crate::{
    cli::{Cli, driver_flags},
    commands::Context,
    env::{Completing, Env},
};

/// The candidates for one word, in the form that the shell wants. `args` are those of this process.
pub(crate) fn answer(asked: &Completing, env: &Env, args: &[OsString]) -> io::Result<String> {
    let shell = Shell::from_str(&asked.shell, true).map_err(io::Error::other)?;
    let line: Vec<OsString> = args.iter().skip_while(|arg| *arg != "--").skip(1).cloned().collect();
    let words: Vec<&str> = line.iter().skip(1).map_while(|word| word.to_str()).collect();
    let (_sender, interrupts) = InterruptSender::new();
    let context = Context::new(env.clone(), interrupts).map_err(io::Error::other)?;
    let context = match driver_flags::value_of(&words, &["--storage"]) {
        Some(storage) => context.with_storage(storage.as_ref()).map_err(io::Error::other)?,
        None => context,
    };
    let machine = Machine::new(context, &words);
    let mut command = machine.with_driver_flags(Cli::command(), &words);
    command.build();
    let current = line.get(asked.index.unwrap_or(line.len().saturating_sub(1)));
    let wants_flag = current.is_some_and(|word| word.to_string_lossy().starts_with('-'));
    let mut command = attach(command, &Arc::new(machine), wants_flag);
    let mut answer = Vec::new();
    let here = std::env::current_dir().ok();
    shell.adapter().write_complete(&mut command, line, here.as_deref(), &mut answer)?;
    String::from_utf8(answer).map_err(io::Error::other)
}
