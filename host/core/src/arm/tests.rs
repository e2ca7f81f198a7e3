use std::sync::Mutex;

use super::*;
use crate::ports::Intake as _;
use crate::request::ScheduleKind;
use crate::testing::{MemoryLedger, block_on, moment, new_request, sample_id};

/// A scheduler whose bus has no room for a rule, and which notes the kind of each schedule that it makes.
#[derive(Default)]
struct FullBus(Mutex<Vec<ScheduleKind>>);

impl Scheduler for FullBus {
    fn serves(&self, _target: &Target) -> Result<(), String> {
        Ok(())
    }

    async fn schedule(&self, Arming { request, .. }: Arming<'_>) -> Result<(), ScheduleError> {
        match request.schedule {
            None | Some(ScheduleKind::Rule) => {
                Err(ScheduleError::NoRoom { message: "300 rules".to_owned(), instead: ScheduleKind::Schedule })
            }
            Some(kind) => {
                self.0.lock().unwrap().push(kind);
                Ok(())
            }
        }
    }

    async fn unschedule(&self, _request: &Request) -> Result<(), ScheduleError> {
        Ok(())
    }
}

#[test]
fn the_other_kind_is_recorded_before_its_schedule_is_made() {
    let (ledger, bus) = (MemoryLedger::default(), FullBus::default());
    let mut new = new_request(sample_id(1), "orders", moment());
    new.request.schedule = Some(ScheduleKind::Rule);
    let request = new.request.clone();
    block_on(ledger.insert(new.into())).unwrap();
    let arming = Arming { request: &request, target: None, before: None, body: None };
    block_on(schedule(&ledger, &bus, arming, moment())).unwrap();
    let (stored, history) = block_on(ledger.find(request.id)).unwrap().unwrap();
    assert_eq!((stored.schedule, history.len()), (Some(ScheduleKind::Schedule), 1));
    assert_eq!(*bus.0.lock().unwrap(), [ScheduleKind::Schedule]);
}

#[test]
fn a_kind_that_cannot_be_recorded_makes_no_schedule() {
    let (ledger, bus) = (MemoryLedger::default(), FullBus::default());
    let new = new_request(sample_id(1), "orders", moment());
    let request = new.request.clone();
    block_on(ledger.insert(new.into())).unwrap();
    let arm = || block_on(schedule(&ledger, &bus, Arming { request: &request, target: None, before: None, body: None }, moment()));
    ledger.fail_changes_with(LedgerError::Unavailable("busy".to_owned()));
    assert!(matches!(arm(), Err(ArmError::Ledger(_))));
    ledger.fail_changes_with(None);
    block_on(ledger.change(request.id, Change::Cancel { by: None }, moment())).unwrap();
    assert!(matches!(arm(), Err(ArmError::Schedule(ScheduleError::Unavailable { .. }))));
    assert!(bus.0.lock().unwrap().is_empty());
}
