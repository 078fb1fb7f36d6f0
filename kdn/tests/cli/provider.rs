//! `kdn provider`.

use std::fs;

use insta::assert_snapshot;

use crate::support::Env;

const CREATE: [&str; 2] = ["provider", "create"];
const HOUSE: [&str; 7] =
    ["house", "--type", "anthropic", "--token", "x", "--url", "https://llm.example.com/v1"];
const CLOUD: [&str; 11] =
    ["cloud", "--type", "vertexai", "--project", "p", "--region", "r", "--credentials", "/c", "-o", "json"];

fn env() -> Env {
    Env::with_drivers(&[]).with_values_file()
}

#[test]
fn create_and_list() {
    let env = env();
    assert_snapshot!(env.run(&["provider", "list"]), @r"
    exit code 0
    --- stdout
    No providers found
    ");
    assert!(!env.storage().exists(), "reading creates nothing");
    assert_snapshot!(env.run_with_stdin(&[&CREATE[..], &["work", "--type", "anthropic"]].concat(), "canary\n"), @r#"
    exit code 0
    --- stdout
    Provider "work" created successfully
    "#);
    env.ok(&[&CREATE[..], &HOUSE].concat());
    assert_snapshot!(env.run(&[&CREATE[..], &CLOUD].concat()), @r#"
    exit code 0
    --- stdout
    {
      "name": "cloud"
    }
    "#);
    assert_snapshot!(env.run(&["provider", "list"]), @r"
    exit code 0
    --- stdout
    NAME   TYPE       PARAMS
    cloud  vertexai   project=p, region=r, credentials=/c
    house  anthropic  token=house/token, url=https://llm.example.com/v1
    work   anthropic  token=work/token
    ");
    assert_snapshot!(env.run(&["provider", "list", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "items": [
        {
          "name": "cloud",
          "params": [
            {
              "name": "project",
              "value": "p"
            },
            {
              "name": "region",
              "value": "r"
            },
            {
              "name": "credentials",
              "value": "/c"
            }
          ],
          "type": "vertexai"
        },
        {
          "name": "house",
          "params": [
            {
              "name": "token",
              "value": "house/token"
            },
            {
              "name": "url",
              "value": "https://llm.example.com/v1"
            }
          ],
          "type": "anthropic"
        },
        {
          "name": "work",
          "params": [
            {
              "name": "token",
              "value": "work/token"
            }
          ],
          "type": "anthropic"
        }
      ]
    }
    "#);
    assert_snapshot!(env.run(&["secret", "list"]), @r"
    exit code 0
    --- stdout
    NAME         TYPE       DESCRIPTION
    house/token  other      Token of the provider house
    work/token   anthropic  Token of the provider work
    ");
    let file = fs::read_to_string(env.storage().join("providers.json")).unwrap();
    assert!(!file.contains("canary"), "{file}");
}

#[test]
fn remove() {
    let env = env();
    env.ok(&[&CREATE[..], &CLOUD].concat());
    env.ok(&[&CREATE[..], &HOUSE].concat());
    assert_snapshot!(env.run(&[&CREATE[..], &CLOUD].concat()), @r#"
    exit code 1
    --- stdout
    {
      "error": "failed to create provider: provider \"cloud\": provider already exists",
      "hints": [
        "Remove it first: 'kdn provider remove cloud'"
      ]
    }
    "#);
    assert_snapshot!(env.run(&["provider", "remove", "cloud"]), @r#"
    exit code 0
    --- stdout
    Provider "cloud" removed successfully
    "#);
    assert_snapshot!(env.run(&["provider", "remove", "cloud"]), @r#"
    exit code 1
    --- stderr
    Error: failed to remove provider: provider "cloud": provider not found
    'kdn provider list' shows those that are there
    "#);
    env.ok(&["secret", "remove", "house/token"]);
    assert_snapshot!(env.run(&["provider", "remove", "house", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "name": "house"
    }
    "#);
    assert_eq!(fs::read_to_string(env.root().join("values")).unwrap(), "{}\n");
    fs::write(env.storage().join("providers.json"), "{").unwrap();
    assert_snapshot!(env.run(&["provider", "list"]), @r"
    exit code 1
    --- stderr
    Error: failed to list providers: failed to parse providers file: [ROOT]/home/.kdn/providers.json: EOF while parsing an object at line 1 column 1
    Correct [ROOT]/home/.kdn/providers.json
    ");
}

#[test]
fn wrong_usage() {
    let env = env();
    let error = |args: &[&str]| {
        let run = env.run(&[&["provider", "create", "x"], args].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
        let lines: Vec<&str> = run.stderr.lines().collect();
        assert_eq!(lines[1..], ["Run 'kdn provider create --help' for its usage"], "{run}");
        lines[0].strip_prefix("Error: ").unwrap().to_owned()
    };
    assert_eq!(error(&[]), "--type is required");
    assert_eq!(error(&["--type", "x"]), r#"invalid --type "x": must be one of anthropic, vertexai"#);
    assert_eq!(error(&["--type", "anthropic"]), "--token is required when --type=anthropic");
    assert_eq!(
        error(&["--type", "anthropic", "--token", "t", "--url", "nope"]),
        r#"invalid --url "nope": must be an http or https URL with the name of a host"#
    );
    assert_eq!(
        error(&["--type", "anthropic", "--region", "r"]),
        "--region is only valid when --type=vertexai"
    );
    assert_eq!(error(&["--type", "vertexai", "--region", "r"]), "--project is required when --type=vertexai");
    assert_eq!(error(&["--type", "vertexai", "--token", "t"]), "--token is only valid when --type=anthropic");
    assert!(!env.storage().exists());
}
