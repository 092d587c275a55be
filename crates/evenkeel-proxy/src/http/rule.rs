//! What may be tried again: CONTRACT section 3's rule, in one place and without anything around it.

use evenkeel_core::observe::FailureKind;
use evenkeel_core::settings::RetrySettings;

/// What is known of a request when a try of it has failed and not a byte of an answer went to the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tried {
    /// The method may be done twice (RFC 9110 section 9.2.2).
    pub(crate) idempotent: bool,
    /// All of the request that was read so far is still held.
    pub(crate) replayable: bool,
    /// At least one byte of it was written to a connection.
    pub(crate) written: bool,
    /// Tries made, with the one that failed.
    pub(crate) tries: u32,
}

/// May it be tried again after this failure, as far as the request goes? The budget and whether there is an endpoint left
/// are asked elsewhere.
pub(crate) fn may_retry(settings: &RetrySettings, failure: FailureKind, tried: &Tried) -> bool {
    let on = &settings.on;
    let listed = match failure {
        FailureKind::Connect
        | FailureKind::Unreachable
        | FailureKind::ConnectTimeout
        | FailureKind::Tls(_) => on.connect,
        FailureKind::Reset => on.reset,
        FailureKind::Timeout => on.timeout,
        FailureKind::Garbage => on.garbage,
        FailureKind::Status(500) => on.status_500,
        FailureKind::Status(502) => on.status_502,
        FailureKind::Status(503) => on.status_503,
        FailureKind::Status(504) => on.status_504,
        FailureKind::Status(_) => false,
    };
    listed && tried.tries <= settings.retries && may_replay(settings, tried)
}

/// Is an answer with this status a failure of the endpoint? Its 500 is one only where the operator has said that it may be
/// tried again: elsewhere it is taken to be about the request.
pub(crate) fn is_failure(settings: &RetrySettings, status: u16) -> bool {
    matches!(status, 502..=504) || (status == 500 && settings.on.status_500)
}

/// May it be sent to another endpoint at all?
pub(crate) fn may_replay(settings: &RetrySettings, tried: &Tried) -> bool {
    if !tried.written {
        return true;
    }
    tried.replayable && (tried.idempotent || settings.non_idempotent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_core::observe::TlsFailure;

    const KINDS: [FailureKind; 9] = [
        FailureKind::Tls(TlsFailure::Expired),
        FailureKind::Connect,
        FailureKind::Unreachable,
        FailureKind::ConnectTimeout,
        FailureKind::Reset,
        FailureKind::Timeout,
        FailureKind::Garbage,
        FailureKind::Status(502),
        FailureKind::Status(503),
    ];

    fn tried(idempotent: bool, written: bool) -> Tried {
        Tried {
            idempotent,
            written,
            replayable: true,
            tries: 1,
        }
    }

    #[test]
    fn a_post_of_which_a_byte_was_written_is_never_sent_again() {
        let settings = RetrySettings::default();
        for kind in KINDS {
            assert!(!may_retry(&settings, kind, &tried(false, true)), "{kind:?}");
            assert!(may_retry(&settings, kind, &tried(false, false)), "{kind:?}");
            assert!(may_retry(&settings, kind, &tried(true, true)), "{kind:?}");
        }
    }

    #[test]
    fn a_body_that_was_let_go_is_never_sent_again_once_written() {
        let settings = RetrySettings {
            non_idempotent: true,
            ..RetrySettings::default()
        };
        for kind in KINDS {
            let mut large = tried(true, true);
            large.replayable = false;
            assert!(!may_retry(&settings, kind, &large));
        }
        assert!(may_retry(
            &settings,
            FailureKind::Reset,
            &tried(false, true)
        ));
    }

    #[test]
    fn only_listed_failures_within_the_number_of_retries_are_tried_again() {
        let mut settings = RetrySettings::default();
        let mut last = tried(true, true);
        last.tries = settings.retries + 1;
        assert!(!may_retry(&settings, FailureKind::Reset, &last));
        settings.on.status_503 = false;
        assert!(!may_retry(
            &settings,
            FailureKind::Status(503),
            &tried(true, true)
        ));
        assert!(!may_retry(
            &settings,
            FailureKind::Status(500),
            &tried(true, true)
        ));
        assert!(may_retry(
            &settings,
            FailureKind::Status(502),
            &tried(true, true)
        ));
    }

    #[test]
    fn an_endpoints_500_is_its_failure_only_where_it_may_be_tried_again() {
        let mut settings = RetrySettings::default();
        assert!(!is_failure(&settings, 500) && is_failure(&settings, 503));
        settings.on.status_500 = true;
        assert!(is_failure(&settings, 500) && !is_failure(&settings, 501));
        let (failure, tried) = (FailureKind::Status(500), tried(true, true));
        assert!(may_retry(&settings, failure, &tried));
    }
}
