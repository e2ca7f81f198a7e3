use super::*;

const NOW: Duration = Duration::from_millis(5);

fn plugin(use_case: &str, role: Role) -> Identity {
    Identity { use_case: use_case.into(), role }
}

#[tokio::test]
async fn validators_of_one_use_case_take_at_most_half_of_the_slots() {
    let slots = Slots::new(4);
    let (greedy, other) = (plugin("greedy", Role::Validate), plugin("other", Role::Validate));
    let taken = [slots.take(&greedy, NOW).await.unwrap(), slots.take(&greedy, NOW).await.unwrap()];
    let refused = slots.take(&greedy, NOW).await.err().unwrap();
    assert_eq!(refused.to_string(), "all 2 slots that the validators of one use case may take were busy");
    let others = [slots.take(&other, NOW).await.unwrap(), slots.take(&plugin("greedy", Role::Process), NOW).await.unwrap()];
    assert_eq!(slots.take(&plugin("third", Role::Validate), NOW).await.err().unwrap().to_string(), "all 4 slots for plugins were busy");
    drop(taken);
    assert!(slots.take(&greedy, NOW).await.is_ok());
    drop(others);
}

#[tokio::test]
async fn a_runtime_with_one_slot_runs_validators_and_processors() {
    let slots = Slots::new(1);
    for role in [Role::Validate, Role::Process] {
        assert!(slots.take(&plugin("x", role), NOW).await.is_ok());
    }
}
