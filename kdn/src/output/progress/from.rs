//! From what a driver says to what is shown.

use kdn_protocol::{StepEvent, host};

use super::event::{Event, Stream, Update};

impl From<host::Event> for Event {
    fn from(event: host::Event) -> Self {
        match event {
            host::Event::Step(step) => match step.event {
                StepEvent::Start => Self::Start {
                    in_progress: step.in_progress.unwrap_or_default(),
                    completed: step.completed.unwrap_or_default(),
                },
                StepEvent::Complete => Self::Complete,
                StepEvent::Fail => Self::Fail { error: step.error.unwrap_or_default() },
                _ => Self::Update(Update {
                    current: step.current,
                    total: step.total,
                    unit: step.unit,
                    message: step.message,
                }),
            },
            host::Event::Log(log) => Self::Log {
                stream: match log.stream {
                    kdn_protocol::Stream::Stderr => Stream::Stderr,
                    _ => Stream::Stdout,
                },
                text: log.text,
            },
            _ => Self::Update(Update::default()),
        }
    }
}
