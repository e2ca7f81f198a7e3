//! Places for running requests, shared among use cases by the rule of [`postdate_core::fair`]. Processors and deliveries have places
//! apart: a delivery needs no plugin.

use postdate_core::fair::Shares;

use crate::ledger::Lane;

/// The kind of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptKind {
    Processor,
    Delivery,
}

impl AttemptKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Delivery => "delivery",
        }
    }
}

#[derive(Debug)]
pub struct AttemptPlaces {
    processors: Shares<String>,
    deliveries: Shares<String>,
}

impl AttemptPlaces {
    /// Makes `each` places of each kind.
    pub fn new(each: u64) -> Self {
        Self { processors: Shares::new(each), deliveries: Shares::new(each) }
    }

    pub fn is_full(&self) -> bool {
        self.processors.free() == 0 && self.deliveries.free() == 0
    }

    /// Takes a place for the lane whose turn it is, and returns the lane's index and the place's kind. The turn is of the use case that
    /// holds least; among lanes of one use case, of the oldest request. Returns `None` if no lane may have another place. `kind` is `None`
    /// for a lane that must not begin for another reason.
    pub fn pick(&mut self, due: &[Lane], mut kind: impl FnMut(&Lane) -> Option<AttemptKind>) -> Option<(usize, AttemptKind)> {
        let lanes = due.iter().enumerate().filter_map(|(index, lane)| Some((index, kind(lane)?, lane)));
        let open = lanes.filter(|(_, kind, lane)| self.of(*kind).may_take(&lane.use_case, 1));
        let (index, kind, lane) = open.min_by_key(|(_, kind, lane)| (self.of(*kind).rank(&lane.use_case), lane.due_at))?;
        self.of_mut(kind).take(&lane.use_case, 1).then_some((index, kind))
    }

    pub fn give_back(&mut self, kind: AttemptKind, use_case: &str) {
        self.of_mut(kind).give_back(&use_case.to_owned(), 1);
    }

    fn of(&self, kind: AttemptKind) -> &Shares<String> {
        match kind {
            AttemptKind::Processor => &self.processors,
            AttemptKind::Delivery => &self.deliveries,
        }
    }

    fn of_mut(&mut self, kind: AttemptKind) -> &mut Shares<String> {
        match kind {
            AttemptKind::Processor => &mut self.processors,
            AttemptKind::Delivery => &mut self.deliveries,
        }
    }
}

#[cfg(test)]
mod tests;
