use super::*;

#[test]
fn clap_accepts_the_command_line() {
    Cli::command().debug_assert();
}
