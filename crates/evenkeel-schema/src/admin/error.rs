//! What the admin API says when it cannot do what was asked: a code for programs, a message and a hint for people.

use serde::{Deserialize, Serialize};

use crate::mistake::Mistake;

/// `{"error":{…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// The only field.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// For programs.
    pub code: ErrorCode,
    /// What was wanted and what was found.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Of a rejected configuration, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
}

impl ErrorAnswer {
    /// An error with a hint.
    pub fn new(
        code: ErrorCode,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> ErrorAnswer {
        ErrorAnswer {
            error: ErrorBody {
                code,
                message: message.into(),
                hint: Some(hint.into()),
                mistakes: Vec::new(),
            },
        }
    }

    /// A configuration was refused, for these reasons.
    pub fn config_rejected(mistakes: Vec<Mistake>) -> ErrorAnswer {
        let message = match mistakes.as_slice() {
            [only] => only.to_string(),
            all => format!("the configuration has {} mistakes", all.len()),
        };
        let mut answer = ErrorAnswer::new(
            ErrorCode::ConfigRejected,
            message,
            "nothing was changed; `evenkeel check FILE` looks without applying",
        );
        answer.error.mistakes = mistakes;
        answer
    }

    /// The HTTP status it is sent with.
    pub fn status(&self) -> u16 {
        self.error.code.status()
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal $status:literal,)*) => {
        /// Every code, with the HTTP status it is sent with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name),*];

            /// The word in the answer.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorCode::$name => $text),* }
            }

            /// The HTTP status it is sent with.
            pub const fn status(self) -> u16 {
                match self { $(ErrorCode::$name => $status),* }
            }
        }
    };
}

codes! {
    /// The body or a parameter cannot be understood.
    BadRequest = "bad_request" 400,
    /// A token is needed, or the one given is wrong.
    Unauthorized = "unauthorized" 401,
    /// This caller may not change anything.
    Forbidden = "forbidden" 403,
    /// There is nothing at this path.
    NotFound = "not_found" 404,
    /// No pool of this name.
    NoSuchPool = "no_such_pool" 404,
    /// The service has no recovery point of this name.
    NoSuchRecoveryPoint = "no_such_recovery_point" 404,
    /// A recovery point is damaged, or could not be put in place.
    RecoveryFailed = "recovery_failed" 409,
    /// No action of this name can be asked for.
    NoSuchAction = "no_such_action" 404,
    /// An action could not be carried out.
    ActionFailed = "action_failed" 409,
    /// The pool's recovery has no `notify`.
    NobodyToTell = "nobody_to_tell" 409,
    /// No endpoint of this name in this pool.
    NoSuchEndpoint = "no_such_endpoint" 404,
    /// No service of this name.
    NoSuchService = "no_such_service" 404,
    /// No stored revision of this number.
    NoSuchRevision = "no_such_revision" 404,
    /// No incident of this number.
    NoSuchIncident = "no_such_incident" 404,
    /// The path exists, not with this method.
    MethodNotAllowed = "method_not_allowed" 405,
    /// `If-Match` names another text than the current one.
    ConfigChanged = "config_changed" 412,
    /// The body is larger than allowed.
    TooLarge = "too_large" 413,
    /// Not `application/toml` or `application/json`.
    WrongMediaType = "wrong_media_type" 415,
    /// The configuration has mistakes.
    ConfigRejected = "config_rejected" 422,
    /// The configuration is right but changes what only a restart can.
    RestartNeeded = "restart_needed" 409,
    /// An address of the configuration is taken.
    AddressTaken = "address_taken" 409,
    /// The configuration file cannot be written.
    FileNotWritable = "file_not_writable" 409,
    /// The pool of this endpoint expects no heartbeats.
    NoHeartbeatExpected = "no_heartbeat_expected" 409,
    /// Another change is being applied.
    Busy = "busy" 409,
    /// `If-Match` is missing.
    IfMatchRequired = "if_match_required" 428,
    /// Something failed on our side.
    Internal = "internal" 500,
    /// What was ordered is in force, but could not be stored: the disk is full or fails.
    NotStored = "not_stored" 507,
    /// Promised, but not in this build.
    NotInThisBuild = "not_in_this_build" 501,
    /// The balancer is shutting down, or its store does not answer.
    Unavailable = "unavailable" 503,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_as_promised_and_read_back() {
        let answer = ErrorAnswer::new(ErrorCode::NoSuchEndpoint, "no a9 in app", "it has a1, a2");
        let json = serde_json::to_string(&answer).unwrap();
        assert_eq!(
            json,
            r#"{"error":{"code":"no_such_endpoint","message":"no a9 in app","hint":"it has a1, a2"}}"#
        );
        assert_eq!(serde_json::from_str::<ErrorAnswer>(&json).unwrap(), answer);
        assert_eq!(answer.status(), 404);
    }

    #[test]
    fn every_code_has_its_own_word_and_an_error_status() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|c| c.name()).collect();
        for code in ErrorCode::ALL {
            assert!((400..600).contains(&code.status()), "{code:?}");
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.name()));
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }
}
