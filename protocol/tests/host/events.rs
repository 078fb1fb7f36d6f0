//! Steps and logs on their way to the user.

use std::sync::{Arc, Mutex};

use kdn_protocol::{Network, Secret, StartParams, StepEvent, Stream, method::Start};

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

// SPEC: SEC-08
#[tokio::test]
async fn a_secret_is_in_no_error() {
    let start = |value: String| {
        let mut start = StartParams::new("bad-1", Network::allow());
        start.secret_values.insert("token".into(), Secret::new(value));
        start
    };
    for value in ["hunter2".to_owned(), "hunter2".repeat(3 * 1024 * 1024)] {
        for how in ["", "dies"] {
            let test = Test::with(how).await;
            let answer = test.session.call::<Start>(&start(value.clone()), &mut ignore_events).await;
            let error = answer.unwrap_err();
            assert!(!format!("{error} {error:?} {:?}", error.hints()).contains("hunter2"), "{error}");
            test.close().await;
        }
    }
}

// SPEC: SEC-08
#[tokio::test]
async fn a_secret_that_a_driver_quotes_is_not_shown() {
    let mark = mark();
    let mut launch = launch("echoes", &mark);
    let printed = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&printed);
    launch.stderr = Some(Arc::new(move |text| sink.lock().unwrap().push_str(text)));
    let session = connect(&launch, Interrupts::never()).await.unwrap();
    let mut start = StartParams::new("bad-1", Network::allow());
    start.secret_values.insert("token".into(), Secret::new("hunter2".into()));
    let mut said = Vec::new();
    let error = session.call::<Start>(&start, &mut |event| said.push(event)).await.unwrap_err();
    assert_eq!(error.to_string(), "curl -H \"[redacted]\" failed");
    assert_eq!(error.hints(), ["[redacted]"]);
    assert!(matches!(&said[..], [Event::Log(log)] if log.text == "[redacted]"), "{said:?}");
    assert_eq!(session.close().await.stderr, "curl -H \"[redacted]\"\n");
    assert_eq!(*printed.lock().unwrap(), "curl -H \"[redacted]\"\n");
}

// SPEC: SEC-08
#[test]
fn secrets_are_not_shown() {
    let mut start = StartParams::new("bad-1", Network::allow());
    start.secret_values.insert("token".into(), Secret::new("hunter2".into()));
    assert!(!format!("{start:?}").contains("hunter2"));
}
