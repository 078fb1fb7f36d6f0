//! Steps and logs on their way to the user.

use kdn_protocol::{Network, Secret, StartParams, StepEvent, Stream};

use super::*;

// SPEC: STEP-14, STEP-16, LOG-04
#[tokio::test]
async fn events_come_in_order_and_before_the_result() {
    let test = Test::with("few steps").await;
    let mut events = Vec::new();
    test.session.call::<Create>(&workspace(), &mut |event| events.push(event)).await.unwrap();
    let numbers: Vec<u64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Step(step) => {
                assert_eq!(step.event, StepEvent::Update, "what a word means that the host does not know");
                step.current
            }
            _ => None,
        })
        .collect();
    assert_eq!(numbers, (0..10).collect::<Vec<u64>>());
    let texts: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::Log(log) => {
                assert_eq!(log.stream, Stream::Stdout);
                Some(log.text.as_str())
            }
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["of nobody in particular\n", "of the request\n"]);
    test.close().await;
}

#[test]
fn secrets_are_not_shown() {
    let mut start = StartParams::new("bad-1", Network::allow());
    start.secret_values.insert("token".into(), Secret::new("hunter2".into()));
    assert!(!format!("{start:?}").contains("hunter2"));
}
