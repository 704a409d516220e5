//! The kinds of errors, with one table of all facts about them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::report::Error;

/// A fact about every error of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Neither waiting nor another rollout can mend it.
    Permanent,
    /// The same call may succeed when it is repeated.
    Transient,
    /// The same call may succeed when it is repeated, but only if the server says so.
    TransientIfAsked,
    /// Every other item of a batch would fail with it too.
    Shared,
    /// The endpoint is at fault, or the program's rights there: another endpoint may answer.
    Endpoint,
    /// Another model may answer.
    OtherModel,
    /// No model read the request, so it took no tokens.
    Unread,
}

use Fact::*;

/// A row per kind: its name, and the facts.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal [$($fact:ident)*])*) => {
        /// The class of an [`Error`]; needed to make errors, e.g. in your own [`LanguageModel`](crate::LanguageModel).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$kind),*];

            /// Its name in `snake_case`, e.g. `rate_limited`: in recordings, and as `error.type` in telemetry.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            const fn facts(self) -> &'static [Fact] {
                match self {
                    $(Self::$kind => &[$($fact),*],)*
                }
            }
        }
    };
}

kinds! {
    /// The program is set up wrongly: a bad argument, an unknown provider, a name used twice.
    Config "config" [Permanent Shared Unread]
    /// The call's own input cannot be used; another one may: a value of it has no JSON form.
    BadInput "bad_input" [Permanent Unread]
    /// A predictor has no LM and there is no process default.
    NoLm "no_lm" [Permanent Shared Unread]
    /// No API key where the provider needs one.
    MissingKey "missing_key" [Permanent Shared Endpoint OtherModel Unread]
    /// The provider refused the API key, or the key lacks a permission.
    Auth "auth" [Permanent Shared Endpoint OtherModel Unread]
    /// The quota or credit is used up.
    Quota "quota" [Permanent Shared Endpoint OtherModel Unread]
    /// The call's own `Budget` is used up.
    Budget "budget" [Unread]
    /// Too many requests for now.
    RateLimited "rate_limited" [Transient Endpoint OtherModel Unread]
    /// The provider does not know the model.
    UnknownModel "unknown_model" [Permanent TransientIfAsked Shared Endpoint OtherModel Unread]
    /// The provider calls the request wrong.
    BadRequest "bad_request" [Permanent Unread]
    /// The prompt is longer than the model's context.
    ContextLength "context_length" [OtherModel Unread]
    /// The server could not be reached, or the connection broke.
    Connect "connect" [Transient Endpoint OtherModel]
    /// The server's certificate is not trusted.
    Tls "tls" [Permanent Shared Endpoint OtherModel Unread]
    /// A deadline passed.
    Timeout "timeout" [Transient Endpoint OtherModel]
    /// The server failed (5xx).
    Server "server" [Transient Endpoint OtherModel]
    /// The server's answer is not what its API promises.
    BadResponse "bad_response" [TransientIfAsked Endpoint OtherModel]
    /// The server's answer is larger than the cap.
    TooLarge "too_large" [Endpoint OtherModel]
    /// The model stopped at its token limit before the answer was complete.
    Truncated "truncated" []
    /// The model refused to answer.
    Refused "refused" []
    /// The provider's content filter held the answer back.
    Filtered "filtered" []
    /// The model's text could not be read as the signature's output fields.
    Parse "parse" []
    /// The model's answer was read, and a value of it breaks a rule that the signature declares.
    Violation "violation" []
    /// No rollout succeeded, or more of them failed than were tolerated.
    Exhausted "exhausted" []
    /// User code (a module or a reward) panicked; the panic was caught.
    Panic "panic" []
    /// The enclosing work, e.g. a batch, ended before this was done.
    Cancelled "cancelled" []
    /// The reward failed or gave NaN.
    Reward "reward" []
    /// A saved state does not fit the program, or is no state at all.
    State "state" []
    /// A file cannot be read or written.
    Io "io" []
    /// Anything else, e.g. an error of user code.
    Other "other" []
}

/// Its name: `rate_limited`.
impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ErrorKind {
    #[doc(hidden)]
    pub fn is(self, fact: Fact) -> bool {
        self.facts().contains(&fact)
    }
}

/// One predicate per line: its name, and the kinds for which it is true.
macro_rules! predicates {
    ($($(#[$doc:meta])* $name:ident: $($kind:ident)|+;)*) => {
        /// Predicates for the kind of error; several may be true.
        impl Error {
            $($(#[$doc])* pub fn $name(&self) -> bool { matches!(self.0.kind, $(ErrorKind::$kind)|+) })*
        }
    };
}

predicates! {
    /// A deadline passed.
    is_timeout: Timeout;
    /// The provider asks to send less for now (429).
    is_rate_limited: RateLimited;
    /// The API key is missing or refused.
    is_auth: Auth | MissingKey;
    /// The quota or credit is used up.
    is_quota: Quota;
    /// The call's own `Budget` is used up.
    is_budget: Budget;
    /// The provider does not know the model.
    is_unknown_model: UnknownModel;
    /// The provider calls the request wrong, the length of its prompt included.
    is_bad_request: BadRequest | ContextLength;
    /// The prompt is longer than the model's context.
    is_context_length: ContextLength;
    /// The server could not be reached, or the connection broke.
    is_connect: Connect | Tls;
    /// The server's certificate is not trusted.
    is_tls: Tls;
    /// The server failed (5xx).
    is_server: Server;
    /// The server's answer is not what its API promises.
    is_bad_response: BadResponse | TooLarge;
    /// The model stopped at its token limit before the answer was complete.
    is_truncated: Truncated;
    /// The model refused to answer, or the provider's filter held the answer back.
    is_refused: Refused | Filtered;
    /// The provider's content filter held the answer back.
    is_filtered: Filtered;
    /// The model's text could not be read as the signature's output fields, or a value breaks a rule of its field.
    is_parse: Parse | Violation;
    /// The model's answer was read, and a value of it breaks a rule that the signature declares.
    is_violation: Violation;
    /// No rollout succeeded, or more of them failed than were tolerated.
    is_exhausted: Exhausted;
    /// User code panicked; the panic was caught.
    is_panic: Panic;
    /// The enclosing work, e.g. a batch, ended before this was done; the message says why.
    is_cancelled: Cancelled;
    /// The reward failed or gave NaN.
    is_reward: Reward;
    /// A saved state does not fit the program, or is no state at all.
    is_state: State;
    /// A file cannot be read or written; the cause is a [`std::io::Error`].
    is_io: Io;
    /// The call's own input cannot be used; another one may.
    is_bad_input: BadInput;
    /// The program is set up wrongly: no LM, no key, an unknown provider, a bad argument or input.
    is_config: Config | BadInput | NoLm | MissingKey;
}

/// Whether the failure is permanent.
impl Error {
    /// True if neither waiting nor another rollout can mend it: wrong setup or input, missing or refused key, used-up quota, unknown
    /// model, bad request, untrusted certificate.
    pub fn is_permanent(&self) -> bool {
        self.0.kind.is(Permanent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the kinds with this fact.
    fn all(fact: Fact) -> String {
        let kinds = ErrorKind::ALL.iter().filter(|kind| kind.is(fact));
        kinds.map(|kind| kind.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_table_of_kinds() {
        let columns = [
            (Permanent, "config bad_input no_lm missing_key auth quota unknown_model bad_request tls"),
            (Transient, "rate_limited connect timeout server"),
            (TransientIfAsked, "unknown_model bad_response"),
            (Shared, "config no_lm missing_key auth quota unknown_model tls"),
            (
                Endpoint,
                "missing_key auth quota rate_limited unknown_model connect tls timeout server bad_response too_large",
            ),
            (
                OtherModel,
                "missing_key auth quota rate_limited unknown_model context_length connect tls timeout server bad_response \
                 too_large",
            ),
            (
                Unread,
                "config bad_input no_lm missing_key auth quota budget rate_limited unknown_model bad_request context_length tls",
            ),
        ];
        for (fact, kinds) in columns {
            assert_eq!(all(fact), kinds, "{fact:?}");
        }
    }

    #[test]
    fn a_kind_has_the_same_name_everywhere() {
        for kind in ErrorKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn what_may_be_tried_again_is_not_permanent_unless_the_server_asks_for_it() {
        for kind in ErrorKind::ALL {
            assert!(!(kind.is(Permanent) && kind.is(Transient)), "{kind:?}");
            assert!(!kind.is(Endpoint) || kind.is(OtherModel), "{kind:?}");
        }
    }
}
