//! Where the dashboard of a running workspace is.

use kdn_protocol::{
    DashboardParams, ErrorKind, State,
    host::{HostError, Session, ignore_events},
    method::Dashboard,
};

use super::{Manager, Record, manager::failed};
use crate::{config::localhost::Url, output::CommandError, runtimes::at_fault};

impl Manager {
    /// The URL of a workspace's dashboard, fit to be given to a browser.
    pub async fn dashboard(&self, wanted: &str) -> Result<String, CommandError> {
        let record = self.find(wanted)?;
        let session = self.session(&record).await?;
        let url = self.dashboard_in(&session, &record, wanted).await;
        self.close(session).await;
        url
    }

    async fn dashboard_in(
        &self,
        session: &Session,
        record: &Record,
        wanted: &str,
    ) -> Result<String, CommandError> {
        let unsupported = || CommandError::new(format!("dashboard not supported for workspace {wanted:?}"));
        if session.manifest().capabilities.dashboard.is_none() {
            return Err(unsupported());
        }
        let params = DashboardParams::new(&record.runtime.instance_id);
        match session.call::<Dashboard>(&params, &mut ignore_events).await {
            Ok(result) if is_web(&result.url) => Ok(result.url),
            Ok(result) => {
                let kind = &record.runtime.kind;
                let message = format!(
                    "runtime {kind:?} returned a dashboard that is no http or https URL: {:?}",
                    result.url
                );
                Err(at_fault(kind, message))
            }
            Err(error) if refused_as(&error, ErrorKind::Unsupported) => Err(unsupported()),
            Err(error) if refused_as(&error, ErrorKind::InvalidState) => {
                match self.inspect(session, record).await? {
                    Some(instance) if instance.state != State::Running => {
                        Err(not_running(&instance.state, wanted))
                    }
                    _ => Err(failed(&self.host, "failed to get dashboard URL", error)),
                }
            }
            Err(error) => Err(failed(&self.host, "failed to get dashboard URL", error)),
        }
    }
}

fn refused_as(error: &HostError, kind: ErrorKind) -> bool {
    error.refusal().is_some_and(|refusal| refusal.kind() == kind)
}

fn not_running(state: &State, wanted: &str) -> CommandError {
    let error = CommandError::new(format!("workspace is not running (state: {state})"));
    error.with_hint(format!("Start it with 'kdn start {wanted}'"))
}

/// Whether a driver's text is a web page. The program that opens URLs would also open files, and run programs.
fn is_web(url: &str) -> bool {
    let is_part_of_urls = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    ["http", "https"].iter().any(|web| web.eq_ignore_ascii_case(scheme))
        && Url::split(url).is_some_and(|url| !url.host.is_empty())
        && url.bytes().all(is_part_of_urls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_web_are_opened() {
        for url in ["http://127.0.0.1:34871/", "HTTPS://[::1]:8/a?b=%20#c", "http://me@host"] {
            assert!(is_web(url), "{url}");
        }
        for url in [
            "",
            "http",
            "http:/host",
            "http://",
            "http://:80/",
            "file:///etc/passwd",
            "javascript://host/%0aalert(1)",
            "-http://host",
            " http://host",
            "http://host/\"&calc",
            "http://host/\u{1b}[2J",
            "http://host\\@other",
            "http://h\u{f6}st",
        ] {
            assert!(!is_web(url), "{url}");
        }
    }
}
