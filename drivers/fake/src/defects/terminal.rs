//! Defects of profile `terminal`: plans, and what they run.

use std::path::Path;

use serde_json::Value;

use super::{
    Defect, defect,
    hooks::{Flow, wrap},
    json::{json, kind, list, object, set, succeed, text},
};

pub(super) const TABLE: &[Defect] = &[
    defect("plans-with-itself", "TERM-01", |shim| {
        shim.on_plan(|plan, _, _| {
            wrap(plan, &format!("kill -0 {} 2>/dev/null || exit 125; exec \"$@\"", std::process::id()));
        });
    }),
    defect("names-programs-without-a-folder", "TERM-02", |shim| {
        shim.on_plan(|plan, _, _| {
            let name = Path::new(text(plan, "program")).file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            set(plan, "program", name);
        });
    }),
    defect("names-programs-that-are-not-there", "TERM-02", |shim| {
        shim.on_plan(|plan, _, _| set(plan, "program", "/nowhere/bin/exec"));
    }),
    defect("names-programs-that-are-no-programs", "TERM-02", |shim| {
        shim.on_plan(|plan, _, _| set(plan, "program", "/etc/hostname"));
    }),
    defect("plans-for-stopped-instances", "TERM-03", |shim| {
        shim.on_answer("terminal", |frame, _, _| {
            if kind(&frame["error"]) == "invalid_state" {
                succeed(frame, json!({"program": "/bin/sh", "args": ["-c", "exit 1"]}));
            }
            Flow::Pass
        });
    }),
    defect("takes-no-command-for-a-shell", "TERM-04", |shim| {
        shim.on_params("terminal", |params, _| {
            if params["command"] == json!([]) {
                set(params, "command", json!(["sh"]));
            }
        });
    }),
    defect("puts-a-shell-between", "TERM-05", |shim| {
        shim.on_params("terminal", |params, _| {
            let words = words(params);
            if !words.is_empty() {
                set(params, "command", json!(["sh", "-c", words.join(" ")]));
            }
        });
    }),
    defect("drops-empty-arguments", "TERM-05", |shim| {
        shim.on_params("terminal", |params, _| {
            if let Some(command) = list(params, "command") {
                command.retain(|word| word != "");
            }
        });
    }),
    defect("runs-commands-elsewhere", "TERM-06", |shim| shim.inside("cd / && exec \"$@\"")),
    defect("loses-the-status", "TERM-07", |shim| {
        shim.around_plan("\"$@\"; status=$?; [ $status -lt 126 ] || exit $status; exit 0");
    }),
    defect("takes-every-failure-for-1", "TERM-07", |shim| {
        shim.around_plan(
            "\"$@\"; status=$?; [ $status -lt 126 ] || exit $status; [ $status -eq 0 ] || exit 1",
        );
    }),
    defect("hides-signals", "TERM-08", |shim| {
        shim.around_plan("\"$@\"; status=$?; [ $status -le 128 ] || exit 1; exit $status");
    }),
    defect("does-not-say-what-is-missing", "TERM-09", |shim| {
        shim.around_plan("\"$@\"; status=$?; case $status in 126|127) exit 1;; esac; exit $status");
    }),
    defect("drops-stdin", "TERM-10", |shim| {
        shim.around_plan("[ -t 0 ] && exec \"$@\"; exec \"$@\" </dev/null");
    }),
    defect("never-ends-stdin", "TERM-10", |shim| {
        shim.around_plan("[ -t 0 ] && exec \"$@\"; { cat; sleep 8; } | \"$@\"");
    }),
    defect("adds-to-stdin", "TERM-10", |shim| {
        shim.around_plan("[ -t 0 ] && exec \"$@\"; { cat; echo; } | \"$@\"");
    }),
    defect("merges-stderr-into-stdout", "TERM-11", |shim| {
        shim.around_plan("[ -t 1 ] && exec \"$@\"; exec \"$@\" 2>&1");
    }),
    defect("prints-a-banner", "TERM-11", |shim| {
        shim.around_plan("[ -t 1 ] || echo 'Connecting ...'; exec \"$@\"");
    }),
    defect("writes-crlf", "TERM-11", |shim| {
        shim.around_plan(
            "[ -t 1 ] && exec \"$@\"; f=$(mktemp -u) && mkfifo \"$f\" || exit 125; \
             sed 's/$/\\r/' <\"$f\" & \"$@\" >\"$f\"; s=$?; wait; rm -f \"$f\"; exit $s",
        );
    }),
    defect("has-no-terminal", "TERM-12", |shim| {
        shim.inside("[ -t 0 ] || exec \"$@\"; cat | \"$@\" 2>&1 | cat");
    }),
    defect("lies-about-the-size", "TERM-13", |shim| {
        shim.inside("[ -t 0 ] && stty rows 25 cols 81; exec \"$@\"");
    }),
    defect("keeps-the-first-size", "TERM-13", |shim| {
        shim.inside("[ -t 0 ] && trap '' WINCH; exec \"$@\"");
    }),
    defect("swallows-ctrl-c", "TERM-14", |shim| {
        shim.inside("[ -t 0 ] && stty intr undef; exec \"$@\"");
        shim.around_plan(RESTORED);
    }),
    defect("takes-ctrl-c-for-itself", "TERM-14", |shim| {
        shim.around_plan("[ -t 0 ] || exec \"$@\"; trap 'exit 130' INT; \"$@\" & wait $!");
    }),
    defect("leaves-the-terminal-raw", "TERM-15", |shim| {
        shim.around_plan("[ -t 0 ] || exec \"$@\"; \"$@\"; status=$?; stty raw -echo; exit $status");
    }),
    defect("passes-the-users-environment-on", "TERM-16", |shim| {
        shim.on_plan(|plan, request, _| {
            if let Some(env) = object(plan, "env") {
                env.retain(|name, value| !value.is_null() || name.starts_with("KDN_FAKE_"));
            }
            let count = words(&request.params).len();
            wrap(plan, &PASS_ALL.replace("COUNT", &count.to_string()));
        });
    }),
    defect("runs-one-plan-at-a-time", "TERM-17", |shim| {
        shim.on_plan(|plan, request, wire| {
            let lock = wire.memory().join(format!("plan-{}", request.instance()));
            let script = "lock=$1; shift; mkdir \"$lock\" 2>/dev/null || exit 125; \
                          \"$@\"; status=$?; rmdir \"$lock\"; exit $status";
            wrap(plan, script);
            if let Some(args) = list(plan, "args") {
                args.insert(3, lock.display().to_string().into());
            }
        });
    }),
    defect("outlives-its-plan", "TERM-18", |shim| {
        shim.around_plan("\"$@\"; exit $?");
    }),
];

/// Puts the settings of the terminal back.
const RESTORED: &str =
    "[ -t 0 ] || exec \"$@\"; saved=$(stty -g); \"$@\"; status=$?; stty \"$saved\"; exit $status";

/// Puts `env` with all variables before the command, which is the last `COUNT` words of a plan.
const PASS_ALL: &str = r#"
left=$(($# - COUNT))
[ "$left" -gt 0 ] || exec "$@"
while [ "$left" -gt 0 ]; do set -- "$@" "$1"; shift; left=$((left - 1)); done
set -- "$@" /usr/bin/env
for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
    case $name in
        HOME|PATH|PWD|OLDPWD|SHLVL|_|TERM|COLORTERM|NO_COLOR|LANG|LC_*|TZ|KDN_*) ;;
        *) eval "set -- \"\$@\" \"$name=\$$name\"" ;;
    esac
    :
done
left=COUNT
while [ "$left" -gt 0 ]; do set -- "$@" "$1"; shift; left=$((left - 1)); done
exec "$@"
"#;

/// The command that a plan is asked for.
fn words(params: &Value) -> Vec<&str> {
    params["command"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
