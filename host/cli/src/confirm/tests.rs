use super::*;

#[test]
fn only_a_yes_confirms() {
    let check = |answer: &str| is_confirmed("cancel 2 requests? [y/N] ", &mut answer.as_bytes()).unwrap();
    assert!(["y\n", "Yes\n", " YES \n", "y"].into_iter().all(check));
    assert!(!["", "\n", "n\n", "yep\n", "cancel\n"].into_iter().any(check));
}
