use tokio::task::JoinHandle;

use super::*;

const NOW: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_mins(1);

fn plugin(use_case: &str, role: Role) -> Identity {
    crate::testing::identity(use_case, role)
}

/// Takes slots until none is left for this plugin.
async fn take_all(slots: &Slots, plugin: &Identity, memory: u64) -> Vec<Slot> {
    let mut taken = Vec::new();
    while let Ok(slot) = slots.take(plugin, memory, NOW).await {
        taken.push(slot);
    }
    taken
}

async fn refused(slots: &Slots, plugin: &Identity, memory: u64) -> String {
    slots.take(plugin, memory, NOW).await.err().unwrap().to_string()
}

#[tokio::test]
async fn a_use_case_takes_at_most_what_is_free_for_the_others() {
    let slots = Slots::new(8, 1 << 30);
    let [greedy, other, third] = ["greedy", "other", "third"].map(|name| plugin(name, Role::Validate));
    let taken = take_all(&slots, &greedy, 1).await;
    assert_eq!(taken.len(), 4);
    assert!(refused(&slots, &greedy, 1).await.contains("had as many of the 8 slots as were free for all others"));
    let others = [take_all(&slots, &other, 1).await, take_all(&slots, &third, 1).await];
    assert_eq!(others.each_ref().map(Vec::len), [2, 1]);
    drop(taken);
    assert_eq!(take_all(&slots, &greedy, 1).await.len(), 3, "five are free");
}

#[tokio::test]
async fn validators_and_processors_have_slots_apart() {
    let slots = Slots::new(1, 1 << 30);
    let _validator = slots.take(&plugin("x", Role::Validate), 1, NOW).await.unwrap();
    let _processor = slots.take(&plugin("x", Role::Process), 1, NOW).await.unwrap();
    let refused = refused(&slots, &plugin("y", Role::Process), 1).await;
    assert_eq!(refused, "all 1 slots for process plugins were busy");
}

#[tokio::test]
async fn a_call_waits_for_its_memory() {
    let slots = Slots::new(16, 100);
    let [one, two] = ["one", "two"].map(|name| plugin(name, Role::Process));
    let whole = slots.take(&one, 100, NOW).await.unwrap();
    let refused = refused(&slots, &two, 1).await;
    assert!(refused.contains("needs 1 bytes of memory; 0 of the host's 100 bytes were free"), "{refused}");
    let waiting = spawn(&slots, &two, 60);
    drop(whole);
    let held = waiting.await.unwrap();
    assert!(slots.take(&one, 29, NOW).await.is_err() && slots.take(&one, 28, NOW).await.is_ok(), "an eighth of the memory stays free");
    drop(held);
    assert_eq!(take_all(&slots, &one, 10).await.len(), 5, "half of the memory");
}

#[tokio::test]
async fn two_large_calls_leave_memory_for_a_small_one() {
    let slots = Slots::new(16, 512);
    let [large, other, small] = ["large", "other", "small"].map(|name| plugin(name, Role::Validate));
    let _large = slots.take(&large, 256, NOW).await.unwrap();
    assert!(slots.take(&other, 256, NOW).await.is_err());
    assert!(slots.take(&small, 64, NOW).await.is_ok());
}

#[tokio::test]
async fn both_roles_of_a_use_case_share_its_memory() {
    let slots = Slots::new(16, 512);
    let _validator = slots.take(&plugin("one", Role::Validate), 192, NOW).await.unwrap();
    assert!(slots.take(&plugin("one", Role::Process), 192, NOW).await.is_err());
    assert!(slots.take(&plugin("two", Role::Process), 192, NOW).await.is_ok());
}

#[tokio::test]
async fn a_call_above_the_whole_budget_runs_alone() {
    let slots = Slots::new(4, 100);
    let (one, two) = (plugin("one", Role::Process), plugin("two", Role::Process));
    let large = slots.take(&one, 1_000, NOW).await.unwrap();
    assert!(slots.take(&two, 1, NOW).await.is_err());
    drop(large);
    let _small = slots.take(&two, 1, NOW).await.unwrap();
    assert!(slots.take(&one, 1_000, NOW).await.is_err());
}

fn spawn(slots: &Slots, plugin: &Identity, memory: u64) -> JoinHandle<Slot> {
    let (slots, plugin) = (slots.clone(), crate::testing::identity(&plugin.use_case, plugin.role));
    tokio::spawn(async move { slots.take(&plugin, memory, LONG).await.unwrap() })
}

#[tokio::test]
async fn a_free_slot_goes_to_the_waiting_use_case_that_holds_least() {
    let slots = Slots::new(4, 1 << 30);
    let [greedy, other, third] = ["greedy", "other", "third"].map(|name| plugin(name, Role::Validate));
    let mut taken = take_all(&slots, &greedy, 1).await;
    let _others = [take_all(&slots, &other, 1).await, take_all(&slots, &third, 1).await];
    let (first, waiting, newcomer) =
        (spawn(&slots, &greedy, 1), spawn(&slots, &other, 1), spawn(&slots, &plugin("new", Role::Validate), 1));
    tokio::task::yield_now().await;
    taken.pop();
    newcomer.await.unwrap();
    assert!(!first.is_finished() && !waiting.is_finished());
}

#[tokio::test]
async fn a_call_that_gave_up_gets_no_slot() {
    let slots = Slots::new(1, 1 << 30);
    let [one, two] = ["one", "two"].map(|name| plugin(name, Role::Process));
    let held = slots.take(&one, 1, NOW).await.unwrap();
    let (gone, stays) = (spawn(&slots, &one, 1), spawn(&slots, &two, 1));
    tokio::task::yield_now().await;
    gone.abort();
    assert!(gone.await.is_err());
    drop(held);
    drop(stays.await.unwrap());
    assert!(slots.take(&one, 1, NOW).await.is_ok());
    assert!(slots.state().waiting.values().all(VecDeque::is_empty));
}

#[tokio::test]
async fn usage_shows_slots_and_memory_until_they_are_given_back() {
    let slots = Slots::new(4, 100);
    let taken = slots.take(&plugin("x", Role::Validate), 30, NOW).await.unwrap();
    let usage = || [slots.usage(Role::Validate), slots.usage(Role::Process), slots.memory_usage()].map(|usage| (usage.used, usage.total));
    assert_eq!(usage(), [(1, 4), (0, 4), (30, 100)]);
    drop(taken);
    assert_eq!(usage(), [(0, 4), (0, 4), (0, 100)]);
}
