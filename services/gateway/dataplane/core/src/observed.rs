//! Counts a request by its outcome, whatever becomes of it.

use std::sync::Arc;

use crate::fault::{Fault, Kind};
use crate::model::Version;
use crate::plane::Plane;
use crate::stats::Protocol;

/// One request; dropped before it has ended, its caller went away. `answering` is the version that answers.
pub struct Observed<'a> {
    plane: &'a Plane,
    pub protocol: Protocol,
    pub answering: Option<Arc<Version>>,
    ended: bool,
    is_part: bool,
}

impl<'a> Observed<'a> {
    pub fn new(plane: &'a Plane, protocol: Protocol) -> Self {
        Observed { plane, protocol, answering: None, ended: false, is_part: false }
    }

    /// Do not count it: it is a part of another request.
    pub fn leave_out(&mut self) {
        self.is_part = true;
    }

    pub fn end(&mut self, fault: Option<&Fault>) {
        self.count(fault.map(|fault| fault.kind));
    }

    fn count(&mut self, kind: Option<Kind>) {
        self.ended = true;
        if self.is_part {
            return;
        }
        let outcomes = match &self.answering {
            Some(version) => &version.stats.outcomes,
            None => &self.plane.stats.unanswered,
        };
        outcomes.count(self.protocol, kind);
    }
}

impl Drop for Observed<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.count(Some(Kind::Cancelled));
        }
    }
}
