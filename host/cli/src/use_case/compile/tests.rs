use super::*;

#[test]
fn each_result_names_version_architecture_and_what_was_done() {
    let both = |step: Step| (step.text("orders", "v1", Arch::Arm64), step.document("orders", "v1", Arch::Arm64));
    let document = |step: &str| json!({ "useCase": "orders", "version": "v1", "arch": "arm64", "step": step });
    assert_eq!(both(Step::Known), ("known      orders v1 arm64\n".to_owned(), document("known")));
    assert_eq!(both(Step::Missing), ("missing    orders v1 arm64: would be compiled\n".to_owned(), document("missing")));
    let (text, failed) = both(Step::Failed("it is\u{1b} broken".to_owned()));
    assert_eq!(text, "failed     orders v1 arm64: it is\\u{1b} broken\n");
    assert_eq!((&failed["step"], &failed["error"]), (&json!("failed"), &json!("it is\u{1b} broken")));
    let (text, compiled) = both(Step::Compiled(Vec::new()));
    assert_eq!((text.as_str(), &compiled["compiled"]), ("compiled   orders v1 arm64: no plugins\n", &json!([])));
}
