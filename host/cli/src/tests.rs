use super::*;

#[test]
fn clap_accepts_the_command_line() {
    Cli::command().debug_assert();
}

/// Commands without `--json`: they run until they are stopped, or write a text for another program.
const WITHOUT_JSON: [&str; 7] = ["serve", "ui", "listen", "compile-plugin", "schema", "completions", "man-pages"];

/// Adds the commands below `command` that have no command below them and no `--json`.
fn without_json(command: &clap::Command, name: &str, found: &mut Vec<String>) {
    let inherits = command.get_arguments().any(|argument| argument.get_id() == "json" && argument.is_global_set());
    if inherits {
        return;
    }
    if !command.has_subcommands() && !command.get_arguments().any(|argument| argument.get_id() == "json") {
        found.push(name.to_owned());
    }
    for child in command.get_subcommands() {
        without_json(child, format!("{name} {}", child.get_name()).trim(), found);
    }
}

#[test]
fn every_command_has_json_but_those_that_serve_or_write_for_another_program() {
    let mut found = Vec::new();
    without_json(&Cli::command(), "", &mut found);
    found.sort();
    let mut expected = WITHOUT_JSON.map(str::to_owned);
    expected.sort();
    assert_eq!(found, expected);
}
