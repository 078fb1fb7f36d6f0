//! A driver for the tests of the driver's side: its `create` does what the option `do` says.

use std::{
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use kdn_protocol::{
    Capabilities, Error, Flag, InitializeParams, Instance, ListParams, ListResult, Manifest, RemoveParams,
    StartParams, State, Status, StopParams, Stream, Supported, Workspace,
    driver::{Context, Driver, Progress, serve},
};

struct Good {
    /// The context of a request that was answered.
    late: Mutex<Option<Context>>,
}

fn instance(id: &str, state: State) -> Instance {
    Instance::new(id, "a".repeat(64), "good", state)
}

impl Driver for Good {
    fn manifest() -> Manifest {
        let mut manifest = Manifest::new("good", "Good", "1.2.3");
        let mut capabilities = Capabilities::default();
        capabilities.status = Supported::YES;
        capabilities.cancellation = Supported::YES;
        manifest.capabilities = capabilities;
        manifest
    }

    fn flags() -> Vec<Flag> {
        vec![Flag::new("do", "What create does"), Flag::new("size", "How large the answer of create is")]
    }

    async fn open(_: InitializeParams) -> Result<Self, Error> {
        Ok(Self { late: Mutex::default() })
    }

    async fn create(&self, workspace: Workspace, context: &Context) -> Result<Instance, Error> {
        let option = |name| workspace.options.get(name).map_or("", String::as_str);
        match option("do") {
            "print" => print(),
            "panic" => panic!("no luck"),
            "step" => {
                context.steps().start("Pulling", "Pulled");
                context.steps().update(Progress { current: Some(1), ..Progress::default() });
                context.steps().start("Building", "Built");
                context.log().write(Stream::Stdout, "layer 1\n");
            }
            "fail" => {
                context.steps().start("Pulling", "Pulled");
                return Err(Error::unsupported("no such thing").hint("do without"));
            }
            "wait" => {
                context.steps().start("Waiting", "Waited");
                context.cancellation().cancelled().await;
                return Err(Error::cancelled());
            }
            _ => {}
        }
        *self.late.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.clone());
        let mut created = instance("good-1", State::Stopped);
        created.reason = Some("x".repeat(option("size").parse().unwrap_or_default()));
        Ok(created)
    }

    async fn start(&self, params: StartParams, _: &Context) -> Result<Instance, Error> {
        Ok(instance(&params.id, State::Running))
    }

    async fn stop(&self, params: StopParams, _: &Context) -> Result<Instance, Error> {
        Ok(instance(&params.id, State::Stopped))
    }

    async fn remove(&self, _: RemoveParams, _: &Context) -> Result<(), Error> {
        Ok(())
    }

    /// Goes on telling about the last `create`, which is answered.
    async fn info(&self, id: String) -> Result<Instance, Error> {
        if let Some(context) = &*self.late.lock().unwrap_or_else(PoisonError::into_inner) {
            context.steps().start("Lingering", "Lingered");
            context.log().write(Stream::Stdout, "late\n");
        }
        Ok(instance(&id, State::Stopped))
    }

    async fn list(&self, _: ListParams) -> Result<ListResult, Error> {
        Ok(ListResult::default())
    }

    async fn status(&self) -> Result<Status, Error> {
        Ok(Status::ready())
    }
}

/// What a careless driver does: prints, and runs a child that reads and prints.
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it is careless")]
fn print() {
    println!("printed by the driver");
    let child = std::process::Command::new("sh").args(["-c", "cat; echo printed by a child"]).status();
    assert!(child.is_ok_and(|status| status.success()));
}

fn main() -> ExitCode {
    serve::<Good>()
}
