//! A report as JUnit XML: a suite for each profile, a case for each check.

use std::{fmt::Write as _, io, time::Duration};

use quick_xml::{Writer, events::BytesText};

use super::{
    shown,
    tally::{Tally, by_profile},
};
use crate::{
    baseline::{Judged, Standing},
    check::Profile,
    outcome::{Outcome, Verdict},
};

type Xml = Writer<Vec<u8>>;

pub(super) fn render(judged: &Judged) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    document(&mut xml, judged).expect("memory takes what is written");
    let text = String::from_utf8(xml.into_inner()).expect("text was written");
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}\n")
}

fn document(xml: &mut Xml, judged: &Judged) -> io::Result<()> {
    let report = judged.report;
    xml.create_element("testsuites")
        .with_attribute(("name", "kdn-conformance"))
        .with_attributes(counts(&Tally::of(judged), report.elapsed).iter().map(as_strs))
        .write_inner_content(|xml| {
            by_profile(judged).iter().try_for_each(|(profile, tally)| suite(xml, judged, *profile, tally))
        })
        .map(drop)
}

fn suite(xml: &mut Xml, judged: &Judged, profile: Profile, tally: &Tally) -> io::Result<()> {
    let of = || judged.verdicts().filter(|(verdict, _)| verdict.check.profile() == profile);
    let elapsed = of().map(|(verdict, _)| verdict.elapsed).sum();
    xml.create_element("testsuite")
        .with_attribute(("name", profile.name()))
        .with_attributes(counts(tally, elapsed).iter().map(as_strs))
        .write_inner_content(|xml| {
            xml.create_element("properties").write_inner_content(|xml| properties(xml, judged))?;
            of().try_for_each(|(verdict, standing)| case(xml, judged, verdict, standing))
        })
        .map(drop)
}

fn counts(tally: &Tally, elapsed: Duration) -> [(&'static str, String); 5] {
    [
        ("tests", tally.checks.to_string()),
        ("failures", (tally.failed + tally.stale + tally.expired).to_string()),
        ("errors", tally.broken.to_string()),
        ("skipped", (tally.skipped + tally.expected).to_string()),
        ("time", time(elapsed)),
    ]
}

fn as_strs<'a>((name, value): &'a (&'static str, String)) -> (&'a str, &'a str) {
    (name, value)
}

fn time(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

fn properties(xml: &mut Xml, judged: &Judged) -> io::Result<()> {
    let report = judged.report;
    let all = [
        ("driver.type", report.subject.r#type.clone()),
        ("driver.version", report.subject.version.clone()),
        ("protocol.version", report.protocol_version.to_string()),
        ("suite.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("seed", report.seed.to_string()),
    ];
    for (name, value) in all {
        let value = attribute(&value);
        xml.create_element("property").with_attributes([("name", name), ("value", &value)]).write_empty()?;
    }
    Ok(())
}

fn case(xml: &mut Xml, judged: &Judged, verdict: &Verdict, standing: Standing) -> io::Result<()> {
    let time = time(verdict.elapsed);
    let case = xml.create_element("testcase").with_attributes([
        ("name", verdict.check.id),
        ("classname", verdict.check.profile().name()),
        ("time", &time),
    ]);
    let seen = shown::seen_line(verdict);
    let expectation = shown::expectation(judged, standing).unwrap_or_default();
    let (element, kind, message) = match standing {
        Standing::Passed => return case.write_empty().map(drop),
        Standing::Warned => {
            let text = format!("warning: {}", body(judged, verdict));
            return case.write_inner_content(|xml| element_text(xml, "system-out", &[], &text)).map(drop);
        }
        Standing::Skipped => ("skipped", "", seen),
        Standing::Expected(_) => ("skipped", "expected", expectation),
        Standing::Stale(_) => ("failure", "stale", expectation),
        Standing::Expired(_) => ("failure", "expired", format!("{seen} ({expectation})")),
        Standing::Failed => ("failure", "failed", seen),
        Standing::Broken => ("error", "broken", seen),
    };
    let message = attribute(&message);
    let attributes: &[(&str, &str)] = match kind {
        "" => &[("message", &message)],
        _ => &[("message", &message), ("type", kind)],
    };
    let body = match verdict.outcome {
        Outcome::Failed(_) | Outcome::Warned(_) | Outcome::Broken(_) => body(judged, verdict),
        _ => String::new(),
    };
    case.write_inner_content(|xml| element_text(xml, element, attributes, &body)).map(drop)
}

fn element_text(xml: &mut Xml, name: &str, attributes: &[(&str, &str)], text: &str) -> io::Result<()> {
    let element = xml.create_element(name).with_attributes(attributes.iter().copied());
    if text.is_empty() {
        return element.write_empty().map(drop);
    }
    element.write_text_content(BytesText::new(&legal(text))).map(drop)
}

/// What was seen, what it breaks, what went over the wire, and how to see it again.
fn body(judged: &Judged, verdict: &Verdict) -> String {
    let mut text = format!("{}\n\n{}\n", verdict.check.title, shown::seen(verdict));
    if !matches!(verdict.outcome, Outcome::Broken(_)) {
        text.push('\n');
        for sentence in verdict.check.sentences() {
            let _ = writeln!(text, "{}: {}", sentence.id, sentence.text);
        }
    }
    let transcript = shown::transcript(verdict);
    if !transcript.is_empty() {
        let _ = writeln!(text, "\n{}", transcript.join("\n"));
    }
    let _ = writeln!(text, "\n{}", shown::again(judged.report, verdict));
    text
}

fn attribute(text: &str) -> String {
    legal(&kdn_protocol::visible::line(text))
}

/// XML has no way to write two characters that are no control characters.
fn legal(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
