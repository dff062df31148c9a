//! Faults: their statuses, and how callers' texts are shown.

use tidemill_dataplane_core::fault::{Fault, Kind, shown};

#[test]
fn every_fault_has_its_http_and_grpc_status() {
    let statuses = [
        (Kind::InvalidInput, 400, 3),
        (Kind::Unauthenticated, 401, 16),
        (Kind::Forbidden, 403, 7),
        (Kind::NotFound, 404, 5),
        (Kind::MethodNotAllowed, 405, 12),
        (Kind::TooLarge, 413, 8),
        (Kind::RateLimited, 429, 8),
        (Kind::Overloaded, 503, 14),
        (Kind::Unavailable, 503, 14),
        (Kind::DeadlineExceeded, 504, 4),
        (Kind::Cancelled, 499, 1),
        (Kind::Broken, 500, 13),
    ];
    for (kind, http, grpc) in statuses {
        assert_eq!((kind.http(), kind.grpc()), (http, grpc), "{kind:?}");
        assert_eq!(kind.retryable(), matches!(http, 429 | 503), "{kind:?}");
    }
}

#[test]
fn a_fault_reads_as_its_cause() {
    let fault = Fault::invalid("no rows");
    assert_eq!((fault.kind, fault.to_string().as_str()), (Kind::InvalidInput, "no rows"));
    assert_eq!((Fault::deadline().kind, Fault::unavailable().kind), (Kind::DeadlineExceeded, Kind::Unavailable));
}

#[test]
fn a_callers_text_is_quoted_and_cut_between_letters() {
    assert_eq!(shown("taxi", 10), "'taxi'");
    assert_eq!(shown("éééé", 2), "'éé'");
    assert_eq!(shown("", 2), "''");
}
