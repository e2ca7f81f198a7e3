//! The script in the body, and the actions that validator and processor share.

use std::{hint::black_box, thread, time::Duration};

use postdate_plugin::{
    config,
    serde_json::{self, Value},
};

pub struct Script(Value);

impl Script {
    /// Returns the script under `interface` in the body, or an empty script.
    pub fn of(body: &str, interface: &str) -> Self {
        let body: Value = serde_json::from_str(body).expect("the host hands over JSON");
        Self(body.get(interface).cloned().unwrap_or_default())
    }

    pub fn what(&self, default: &'static str) -> &str {
        self.0.get("do").and_then(Value::as_str).unwrap_or(default)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }

    /// Returns the value of the config key that `messageFrom` names, or else the argument `message`.
    pub fn message(&self) -> Option<String> {
        self.text("messageFrom").and_then(config).or_else(|| self.text("message").map(str::to_owned))
    }

    /// Returns a required argument, under its own name or under `value`. Panics if it is missing.
    pub fn must(&self, name: &str) -> &Value {
        let argument = self.0.get(name).or_else(|| self.0.get("value"));
        argument.unwrap_or_else(|| panic!("puppet: `{}` needs `{name}`", self.what("")))
    }

    pub fn must_text(&self, name: &str) -> &str {
        self.must(name).as_str().unwrap_or_else(|| panic!("puppet: `{name}` must be a string"))
    }

    pub fn must_number(&self, name: &str) -> u64 {
        self.must(name).as_u64().unwrap_or_else(|| panic!("puppet: `{name}` must be a whole number"))
    }

    /// Returns a text of the length in the argument `bytes`, less `around`.
    pub fn filler(&self, around: usize) -> String {
        let bytes = usize::try_from(self.must_number("bytes")).expect("puppet: `bytes` is too large");
        "x".repeat(bytes.saturating_sub(around))
    }

    /// Runs an action that both roles share. Returns false if the script's action is none of these.
    pub fn act(&self) -> bool {
        match self.what("") {
            "trap" => panic!("{}", self.message().unwrap_or_else(|| "told to trap".to_owned())),
            "loop" => loop {
                black_box(());
            },
            "sleep" => thread::sleep(Duration::from_millis(self.must_number("ms"))),
            "memory" => touch(self.must_number("mib")),
            "stderr" => (1..=self.must_number("lines")).for_each(|line| eprintln!("line {line}{}", self.message().unwrap_or_default())),
            _ => return false,
        }
        true
    }
}

fn touch(mib: u64) {
    let bytes = usize::try_from(mib).ok().and_then(|mib| mib.checked_mul(1 << 20)).expect("puppet: `mib` is too large to count");
    // A page becomes resident only when it is written.
    black_box(vec![1_u8; bytes]);
}
