//! Who answers the questions: the user at a terminal, or `--yes`.

use std::io::{self, IsTerminal as _};

use super::target::Target;
use crate::{
    commands::Context,
    output::{CommandError, prompt},
};

/// The answers to questions.
pub(super) struct Answers<'a> {
    yes: bool,
    context: &'a Context,
}

impl<'a> Answers<'a> {
    pub(super) fn new(yes: bool, context: &'a Context) -> Result<Self, CommandError> {
        let is_anybody_there = io::stdin().is_terminal() && io::stderr().is_terminal();
        if !yes && !is_anybody_there {
            let error = CommandError::new("there is no terminal to ask at");
            return Err(error.with_hint("Use --yes to add all that is found without questions"));
        }
        Ok(Self { yes, context })
    }

    pub(super) async fn confirm(&self, question: &str) -> Result<bool, CommandError> {
        if self.yes {
            return Ok(true);
        }
        self.given(prompt::confirm(question, self.gives_up()).await)
    }

    /// One of these, the first with `--yes`. `None`: none of them.
    pub(super) async fn choose<'t>(
        &self,
        question: &str,
        targets: &[&'t Target],
    ) -> Result<Option<&'t Target>, CommandError> {
        if self.yes {
            return Ok(targets.first().copied());
        }
        let items: Vec<&str> = targets.iter().map(|target| &*target.choice).collect();
        let chosen = self.given(prompt::select(question, &items, self.gives_up()).await)?;
        Ok(chosen.and_then(|at| targets.get(at)).copied())
    }

    /// The same after a yes to a first question. `None`: none of them, or a no.
    pub(super) async fn confirm_and_choose<'t>(
        &self,
        first: &str,
        question: &str,
        targets: &[&'t Target],
    ) -> Result<Option<&'t Target>, CommandError> {
        if self.confirm(first).await? { self.choose(question, targets).await } else { Ok(None) }
    }

    async fn gives_up(&self) {
        self.context.interrupts.clone().next().await;
    }

    fn given<T>(&self, answer: io::Result<Option<T>>) -> Result<T, CommandError> {
        // At Ctrl-C the question and the signal come to their ends in any order.
        match answer {
            Ok(Some(answer)) if self.context.interrupts.count() == 0 => Ok(answer),
            Ok(_) => Err(CommandError::interrupted()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(CommandError::interrupted()),
            Err(error) => Err(CommandError::from(error).context("failed to ask")),
        }
    }
}
