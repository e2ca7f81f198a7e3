use super::*;

#[track_caller]
fn check(stderr: &str, expected: Option<&str>) {
    let stderr = stderr.lines().map(str::to_owned).collect();
    let reason = Stopped::Trap("unreachable".into());
    let error = PluginError { use_case: "x".into(), role: Role::Process, version: "v".into(), reason, stderr };
    assert_eq!(error.panic_message().as_deref(), expected);
}

#[test]
fn panic_message_has_the_message_and_the_place() {
    check("", None);
    check("one\ntwo\n\n", Some("two"));
    check(
        "before\n\nthread '<unnamed>' (1) panicked at src/lib.rs:12:9:\nno stock\nnote: run with `RUST_BACKTRACE=1`",
        Some("thread '<unnamed>' (1) panicked at src/lib.rs:12:9: no stock"),
    );
    let python = "Traceback (most recent call last):\n  File \"app.py\", line 3, in process\n    ship(job)\n  \
                  File \"ship.py\", line 12, in ship\n    raise ValueError(\"no stock\")\nValueError: no stock";
    check(python, Some("File \"ship.py\", line 12, in ship: ValueError: no stock"));
    let componentized = "Traceback (most recent call last):\n  File \"/0/validate.py\", line 25, in validate\n\
                         LookupError: no config\n\nthread '<unnamed>' (1) panicked at runtime/src/lib.rs:1293:29:\n\
                         Python function threw an unexpected exception\nnote: run with `RUST_BACKTRACE=1`";
    check(componentized, Some("File \"/0/validate.py\", line 25, in validate: LookupError: no config"));
    let v8 = "Error: no stock\n    at ship (ship.js:12:9)\n    at process (app.js:3:5)";
    check(v8, Some("Error: no stock at ship (ship.js:12:9)"));
    let spidermonkey = "log\nError: no stock\nStack:\n  ship@ship.js:12:9\n  process@app.js:3:5\n";
    check(spidermonkey, Some("Error: no stock ship@ship.js:12:9"));
    check("write to me@example.com\nat 12:30", Some("at 12:30"));
}
