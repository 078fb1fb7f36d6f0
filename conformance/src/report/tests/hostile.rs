//! Nothing that a driver says can break a report.

use kdn_protocol::visible::is_active;
use proptest::prelude::*;

use super::{Format, rendered, sample};
use crate::outcome::{Outcome, Report};

/// Text with much of what has a meaning somewhere.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("\n"),
        Just("\r\n"),
        Just("\t"),
        Just(" "),
        Just("#"),
        Just("\\"),
        Just("|"),
        Just("`"),
        Just("]]>"),
        Just("<!--"),
        Just("</pre></details>"),
        Just("</failure>"),
        Just("&#0;"),
        Just("&"),
        Just("\n  ...\n"),
        Just("\nok 7 - x # TODO"),
        Just("\n1..9"),
        Just("Bail out!"),
        Just("\nBail out!\n"),
        Just(" # SKIP"),
        Just("\u{1b}[31m"),
        Just("\u{0}"),
        Just("\u{9b}"),
        Just("\u{202e}"),
        Just("\u{2028}"),
        Just("\u{fffe}"),
        Just("\u{ffff}"),
        Just("\""),
        Just("'"),
        Just("- "),
        Just("{"),
        Just("\n\n<x>"),
    ];
    let part = prop_oneof![3 => part.prop_map(str::to_owned), 1 => any::<String>()];
    proptest::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

fn report() -> impl Strategy<Value = Report> {
    let transcript = proptest::collection::vec(text(), 0..4);
    (text(), text(), transcript, text()).prop_map(|(seen, why, transcript, name)| {
        let mut report = sample::everything();
        report.verdicts[1].outcome = Outcome::Failed(seen.clone());
        report.verdicts[1].transcript = transcript;
        report.verdicts[3].outcome = Outcome::Warned(seen);
        report.verdicts[4].outcome = Outcome::Skipped(why);
        report.subject.display_name.clone_from(&name);
        report.subject.version.clone_from(&name);
        report.command.push(name);
        report
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn every_form_keeps_its_shape(report in report()) {
        let json = rendered(&report, Format::Json);
        let document: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(document["checks"].as_array().unwrap().len(), 6);
        let Outcome::Failed(seen) = &report.verdicts[1].outcome else { unreachable!() };
        prop_assert_eq!(document["checks"][1]["message"].as_str(), Some(seen.as_str()));

        let junit = rendered(&report, Format::Junit);
        let xml = roxmltree::Document::parse(&junit).unwrap();
        let count = |name: &str| xml.descendants().filter(|node| node.has_tag_name(name)).count();
        let counts = ["testcase", "failure", "error", "skipped", "system-out"].map(count);
        prop_assert_eq!(counts, [6, 2, 1, 2, 1]);

        // Outside the blocks of YAML, which are indented, every line is one of ours.
        let tap = rendered(&report, Format::Tap);
        let points = tap.lines().filter(|line| line.starts_with("ok ") || line.starts_with("not ok ")).count();
        prop_assert_eq!(points, 6);
        let known = |line: &str| ["TAP version 14", "1..6", "# ", "ok ", "not ok ", "  "].iter().any(|start| line.starts_with(start));
        prop_assert!(tap.lines().all(known), "{}", tap);
        prop_assert_eq!(tap.lines().filter(|line| *line == "  ...").count(), tap.lines().filter(|line| *line == "  ---").count());

        let markdown = rendered(&report, Format::Markdown);
        for (tag, number) in [("<details>", 6), ("</details>", 6), ("<pre>", 9), ("</pre>", 9)] {
            prop_assert!(markdown.matches(tag).count() <= number, "{}", markdown);
        }
        prop_assert!(!markdown.contains("<x>") && !markdown.contains("<!--"));

        for text in [json, junit, tap, markdown, rendered(&report, Format::Human)] {
            prop_assert!(!text.contains(|c| is_active(c) && c != '\n' && c != '\t'), "{}", text);
        }
    }
}
