//! The script: what to do, and what validator and processor do alike.

use std::{hint::black_box, thread, time::Duration};

use postdate_plugin::{
    config,
    serde_json::{self, Value},
};

pub struct Script(Value);

impl Script {
    /// The script under `interface` in the body; an empty one where there is none.
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

    /// The argument `message`, or the value of the config key that `messageFrom` names.
    pub fn message(&self) -> Option<String> {
        self.text("messageFrom").and_then(config).or_else(|| self.text("message").map(str::to_owned))
    }

    /// The argument without which there is nothing to do: under its own name, or under `value`.
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

    /// As many bytes as the argument `bytes` says.
    pub fn filler(&self, around: usize) -> String {
        let bytes = usize::try_from(self.must_number("bytes")).expect("puppet: `bytes` is too large");
        "x".repeat(bytes.saturating_sub(around))
    }

    /// Does what both interfaces know, and says whether that was it.
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
    // A page is resident only once it is written to.
    black_box(vec![1_u8; bytes]);
}
