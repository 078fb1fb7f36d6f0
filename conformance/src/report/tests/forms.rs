//! What each form looks like.

use super::{Format, everything, rendered, sample};

#[test]
fn human() {
    insta::assert_snapshot!(everything(Format::Human), @r#"
    Testing fake 0.1.0 (Fake), protocol 1: 6 checks
       STALE [   0.012s] core/crlf
        FAIL [   0.012s] core/string-id
      BROKEN [   0.012s] core/blank-line
        WARN [   0.012s] core/stderr-text
        SKIP             ports/listed  "ports" is not declared # \
       XFAIL [   0.012s] ports/kept

    Warnings

        WARN core/stderr-text: stderr is text in UTF-8
             breaks   WIRE-18: A driver SHOULD write text to stderr in UTF-8.
             seen     stderr holds the bytes ff fe
             again    kdn-conformance run ./kdn-runtime-fake --only core/stderr-text --seed 42

    Expected failures

       XFAIL ports/kept: ports are kept
             listed   expected.txt:1 expects a failure until 2027-03-01: ports | are # late

    Expectations that hold no longer

       STALE core/crlf: a line that ends in CRLF is read
             listed   it passes, but expected.txt:2 expects a failure until 2027-06-01: splits at \n

    Checks that the suite itself could not finish

      BROKEN core/blank-line: a blank line is ignored
             seen     failed to create a folder: disk full
             again    kdn-conformance run ./kdn-runtime-fake --only core/blank-line --seed 42

    Failures

        FAIL core/string-id: a string is accepted as id
             breaks   WIRE-20: A driver MUST give the response the id of its request, unchanged.
                      WIRE-21: A driver MUST accept a string of up to 256 bytes as id.
             seen     expected a response with the id "a"
                      got \u{1b}[2J<b>|`x`]]> & #3
             wire        started
                      -> {"id":"a"}
                      
                      <- \u{202e}\u{9b}2J\r
                         stderr: \ # ok 1
             again    kdn-conformance run ./kdn-runtime-fake --only core/string-id --seed 42

    Summary

    driver        fake 0.1.0 (Fake)
                  ./kdn-runtime-fake
    protocol      1
    profiles      core, ports
    capabilities  status, terminal
    timings       start to initialized 3.2 ms, memory 2048 KiB
    skipped       1 check: "ports" is not declared # \
    seed          42

    Could not finish: 6 checks in 3.21 s: 0 passed, 1 failed, 1 stale, 1 broken, 1 warned, 1 expected to fail, 1 skipped
    "#);
}

#[test]
fn json() {
    let mut report = sample::everything();
    let transcript = report.verdicts[1].transcript.clone();
    report.verdicts.drain(..5);
    report.verdicts[0].transcript = transcript;
    insta::assert_snapshot!(rendered(&report, Format::Json), @r#"
    {
      "format": 1,
      "suite": "0.1.0",
      "driver": {
        "type": "fake",
        "displayName": "Fake",
        "version": "0.1.0",
        "path": "./kdn-runtime-fake",
        "capabilities": [
          "status",
          "terminal"
        ]
      },
      "protocolVersion": 1,
      "profiles": [
        "core",
        "ports"
      ],
      "quick": false,
      "strict": false,
      "seed": "42",
      "command": [
        "kdn-conformance",
        "run",
        "./kdn-runtime-fake"
      ],
      "exitCode": 0,
      "elapsedMs": 3210.0,
      "summary": {
        "checks": 1,
        "passed": 0,
        "failed": 0,
        "warned": 0,
        "skipped": 0,
        "broken": 0,
        "expected": 1,
        "stale": 0,
        "expired": 0
      },
      "timings": [
        {
          "name": "start to initialized",
          "value": 3.25,
          "unit": "ms"
        },
        {
          "name": "memory",
          "value": 2048.0,
          "unit": "KiB"
        }
      ],
      "checks": [
        {
          "id": "ports/kept",
          "profile": "ports",
          "title": "ports are kept",
          "required": true,
          "covers": [
            {
              "id": "WIRE-01",
              "text": "A driver MUST NOT write anything but frames to stdout."
            }
          ],
          "outcome": "failed",
          "message": "a port is gone",
          "elapsedMs": 12.345,
          "expectation": {
            "state": "current",
            "until": "2027-03-01",
            "reason": "ports | are # late",
            "line": 1
          },
          "transcript": [
            "   started",
            "-> {\"id\":\"a\"}",
            "",
            "<- \u202e\u009b2J\r",
            "   stderr: \\ # ok 1"
          ],
          "reproduce": "kdn-conformance run ./kdn-runtime-fake --only ports/kept --seed 42"
        }
      ]
    }
    "#);
}

#[test]
fn junit() {
    insta::assert_snapshot!(everything(Format::Junit), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="kdn-conformance" tests="6" failures="2" errors="1" skipped="2" time="3.210">
      <testsuite name="core" tests="4" failures="2" errors="1" skipped="0" time="0.049">
        <properties>
          <property name="driver.type" value="fake"/>
          <property name="driver.version" value="0.1.0"/>
          <property name="protocol.version" value="1"/>
          <property name="suite.version" value="0.1.0"/>
          <property name="seed" value="42"/>
        </properties>
        <testcase name="core/crlf" classname="core" time="0.012">
          <failure message="it passes, but expected.txt:2 expects a failure until 2027-06-01: splits at \n" type="stale"/>
        </testcase>
        <testcase name="core/string-id" classname="core" time="0.012">
          <failure message="expected a response with the id &quot;a&quot;\ngot \u{1b}[2J&lt;b&gt;|`x`]]&gt; &amp; #3" type="failed">a string is accepted as id

    expected a response with the id &quot;a&quot;
    got \u{1b}[2J&lt;b&gt;|`x`]]&gt; &amp; #3

    WIRE-20: A driver MUST give the response the id of its request, unchanged.
    WIRE-21: A driver MUST accept a string of up to 256 bytes as id.

       started
    -&gt; {&quot;id&quot;:&quot;a&quot;}

    &lt;- \u{202e}\u{9b}2J\r
       stderr: \ # ok 1

    kdn-conformance run ./kdn-runtime-fake --only core/string-id --seed 42
    </failure>
        </testcase>
        <testcase name="core/blank-line" classname="core" time="0.012">
          <error message="failed to create a folder: disk full" type="broken">a blank line is ignored

    failed to create a folder: disk full

    kdn-conformance run ./kdn-runtime-fake --only core/blank-line --seed 42
    </error>
        </testcase>
        <testcase name="core/stderr-text" classname="core" time="0.012">
          <system-out>warning: stderr is text in UTF-8

    stderr holds the bytes ff fe

    WIRE-18: A driver SHOULD write text to stderr in UTF-8.

    kdn-conformance run ./kdn-runtime-fake --only core/stderr-text --seed 42
    </system-out>
        </testcase>
      </testsuite>
      <testsuite name="ports" tests="2" failures="0" errors="0" skipped="2" time="0.025">
        <properties>
          <property name="driver.type" value="fake"/>
          <property name="driver.version" value="0.1.0"/>
          <property name="protocol.version" value="1"/>
          <property name="suite.version" value="0.1.0"/>
          <property name="seed" value="42"/>
        </properties>
        <testcase name="ports/listed" classname="ports" time="0.012">
          <skipped message="&quot;ports&quot; is not declared # \"/>
        </testcase>
        <testcase name="ports/kept" classname="ports" time="0.012">
          <skipped message="expected.txt:1 expects a failure until 2027-03-01: ports | are # late" type="expected">ports are kept

    a port is gone

    WIRE-01: A driver MUST NOT write anything but frames to stdout.

    kdn-conformance run ./kdn-runtime-fake --only ports/kept --seed 42
    </skipped>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn tap() {
    insta::assert_snapshot!(everything(Format::Tap), @r#"
    TAP version 14
    1..6
    # driver fake 0.1.0 (Fake), protocol 1, seed 42
    not ok 1 - core/crlf
      ---
      severity: stale
      title: |
        a line that ends in CRLF is read
      expectation: |
        it passes, but expected.txt:2 expects a failure until 2027-06-01: splits at \n
      ...
    not ok 2 - core/string-id
      ---
      severity: fail
      title: |
        a string is accepted as id
      message: |
        expected a response with the id "a"
        got \u{1b}[2J<b>|`x`]]> & #3
      breaks: |
        WIRE-20: A driver MUST give the response the id of its request, unchanged.
        WIRE-21: A driver MUST accept a string of up to 256 bytes as id.
      transcript: |
        started
        -> {"id":"a"}
        <- \u{202e}\u{9b}2J\r
           stderr: \ # ok 1
      reproduce: |
        kdn-conformance run ./kdn-runtime-fake --only core/string-id --seed 42
      ...
    not ok 3 - core/blank-line
      ---
      severity: broken
      title: |
        a blank line is ignored
      message: |
        failed to create a folder: disk full
      reproduce: |
        kdn-conformance run ./kdn-runtime-fake --only core/blank-line --seed 42
      ...
    ok 4 - core/stderr-text
      ---
      severity: warning
      title: |
        stderr is text in UTF-8
      message: |
        stderr holds the bytes ff fe
      breaks: |
        WIRE-18: A driver SHOULD write text to stderr in UTF-8.
      reproduce: |
        kdn-conformance run ./kdn-runtime-fake --only core/stderr-text --seed 42
      ...
    ok 5 - ports/listed # SKIP "ports" is not declared \# \\
    not ok 6 - ports/kept # TODO expected.txt:1 expects a failure until 2027-03-01: ports | are \# late
      ---
      severity: expected
      title: |
        ports are kept
      expectation: |
        expected.txt:1 expects a failure until 2027-03-01: ports | are # late
      message: |
        a port is gone
      breaks: |
        WIRE-01: A driver MUST NOT write anything but frames to stdout.
      reproduce: |
        kdn-conformance run ./kdn-runtime-fake --only ports/kept --seed 42
      ...
    # 0 passed, 1 failed, 1 stale, 1 broken, 1 warned, 1 expected to fail, 1 skipped
    "#);
}

#[test]
fn markdown() {
    insta::assert_snapshot!(everything(Format::Markdown), @r#"
    ### Conformance of fake 0.1.0 (Fake) could not be finished

    Protocol 1, 6 checks in 3.21 s: 0 passed, 1 failed, 1 stale, 1 broken, 1 warned, 1 expected to fail, 1 skipped.

    | profile | passed | failed | warned | expected to fail | skipped | broken |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: |
    | core | 0 | 2 | 1 | 0 | 0 | 1 |
    | ports | 0 | 0 | 0 | 1 | 1 | 0 |
    | **all** | 0 | 2 | 1 | 1 | 1 | 1 |

    Timings: start to initialized 3.2 ms, memory 2048 KiB.

    <details>
    <summary>Stale expectation: <code>core/crlf</code>: a line that ends in CRLF is read</summary>

    it passes, but expected.txt:2 expects a failure until 2027-06-01: splits at \\n

    </details>

    <details>
    <summary>Failure: <code>core/string-id</code>: a string is accepted as id</summary>

    - **WIRE-20** A driver MUST give the response the id of its request, unchanged.
    - **WIRE-21** A driver MUST accept a string of up to 256 bytes as id.

    <pre>expected a response with the id &quot;a&quot;
    got \u{1b}[2J&lt;b&gt;|`x`]]&gt; &amp; #3</pre>

    <pre>   started
    -&gt; {&quot;id&quot;:&quot;a&quot;}

    &lt;- \u{202e}\u{9b}2J\r
       stderr: \ # ok 1</pre>

    <pre>kdn-conformance run ./kdn-runtime-fake --only core/string-id --seed 42</pre>

    </details>

    <details>
    <summary>Broken: <code>core/blank-line</code>: a blank line is ignored</summary>

    <pre>failed to create a folder: disk full</pre>

    <pre>kdn-conformance run ./kdn-runtime-fake --only core/blank-line --seed 42</pre>

    </details>

    <details>
    <summary>Warning: <code>core/stderr-text</code>: stderr is text in UTF-8</summary>

    - **WIRE-18** A driver SHOULD write text to stderr in UTF-8.

    <pre>stderr holds the bytes ff fe</pre>

    <pre>kdn-conformance run ./kdn-runtime-fake --only core/stderr-text --seed 42</pre>

    </details>

    <details>
    <summary>Expected failure: <code>ports/kept</code>: ports are kept</summary>

    expected.txt:1 expects a failure until 2027-03-01: ports \| are \# late

    - **WIRE-01** A driver MUST NOT write anything but frames to stdout.

    <pre>a port is gone</pre>

    <pre>kdn-conformance run ./kdn-runtime-fake --only ports/kept --seed 42</pre>

    </details>

    <details>
    <summary>Skipped</summary>

    - 1 check: "ports" is not declared \# \\

    </details>
    "#);
}
