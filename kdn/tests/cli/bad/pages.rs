//! Dashboards that are no pages of the web.

use insta::assert_snapshot;

use super::{with, with_app};

const DASHBOARD: [&str; 2] = ["dashboard", "app"];

// SPEC: DASH-03
#[test]
fn what_is_no_page_is_not_opened() {
    for misdeed in ["file", "javascript", "argument", "escaped-page"] {
        let env = with_app(misdeed);
        env.browser();
        for args in [&DASHBOARD[..], &["dashboard", "app", "--url"], &["dashboard", "app", "-o", "json"]] {
            let run = env.run(args);
            assert_eq!(run.code, Some(1), "{run}");
            assert!(run.to_string().contains("is no http or https URL"), "{run}");
            assert!(!run.to_string().contains('\u{1b}'), "{run}");
        }
        assert_eq!(env.opened(), None);
    }
    assert_snapshot!(with("file", &DASHBOARD), @r#"
    exit code 1
    --- stderr
    Error: runtime "bad" returned a dashboard that is no http or https URL: "file:///etc/passwd"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn a_page_and_none() {
    assert_snapshot!(with("page", &DASHBOARD), @r"
    exit code 0
    --- stdout
    http://127.0.0.1:34871/?a=1
    ");
    assert_snapshot!(with("no-page", &DASHBOARD), @r#"
    exit code 1
    --- stderr
    Error: dashboard not supported for workspace "app"
    "#);
}
