//! Why a handshake failed, in the words that a person looks for: a status says it, a log, and a command that could not
//! connect.

use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};
use x509_parser::time::ASN1Time;

/// Names of a certificate that are shown when the wanted one is not among them.
const NAMES_SHOWN: usize = 5;

/// What an IO error of a TLS stream says of TLS, if it does.
pub fn words_of_io(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?.downcast_ref::<Error>()?;
    Some(words(inner))
}

/// Does an IO error of a TLS stream say that the peer's certificate is past its time?
pub fn says_expired(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(
        inner,
        Some(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. }
        ))
    )
}

/// What went wrong between us and a peer.
pub fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => certificate(why),
        Error::AlertReceived(alert) => refused(*alert),
        // The first bytes are no record of TLS: most often a server that speaks clear text there.
        Error::InvalidMessage(_) => "the answer is not TLS".into(),
        Error::PeerIncompatible(why) => format!("no version or cipher of TLS in common ({why:?})"),
        Error::NoApplicationProtocol => "HTTP/1.1 is not spoken there (ALPN)".into(),
        other => other.to_string(),
    }
}

fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired => "certificate expired".into(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("certificate expired on {}", date(*not_after))
        }
        CertificateError::NotValidYet => "certificate is not valid yet".into(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("certificate is not valid before {}", date(*not_before))
        }
        CertificateError::NotValidForName => "name not in certificate".into(),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "name {} not in certificate (has {})",
            expected.to_str(),
            names(presented)
        ),
        CertificateError::UnknownIssuer => {
            "certificate not signed by an authority that is trusted".into()
        }
        CertificateError::Revoked => "certificate revoked".into(),
        other => format!("certificate not accepted: {other}"),
    }
}

/// As rustls has them: `DnsName("a.example")`, `IpAddress(10.0.0.1)`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest);
        let inner = inner.trim_end_matches(')').trim_matches('"');
        let plain = inner.chars().map(|c| if c.is_control() { '?' } else { c });
        plain.take(256).collect::<String>()
    };
    let shown: Vec<String> = presented.iter().take(NAMES_SHOWN).map(bare).collect();
    match presented.len() {
        0 => "none".into(),
        n if n > NAMES_SHOWN => format!("{} and {} more", shown.join(", "), n - NAMES_SHOWN),
        _ => shown.join(", "),
    }
}

fn refused(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => "it wants a client certificate".into(),
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => {
            format!("it does not accept our client certificate (alert {alert:?})")
        }
        AlertDescription::CertificateExpired => "to it our client certificate has expired".into(),
        AlertDescription::UnrecognisedName => "it does not know the name that was asked for".into(),
        AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => {
            format!("no version or cipher of TLS in common (alert {alert:?})")
        }
        AlertDescription::NoApplicationProtocol => "HTTP/1.1 is not spoken there (ALPN)".into(),
        other => format!("refused by alert {other:?}"),
    }
}

/// The day of a moment, as `2026-01-31`.
fn date(at: UnixTime) -> String {
    day(i64::try_from(at.as_secs()).unwrap_or(i64::MAX))
}

/// The day (UTC) of seconds since 1970, as `2026-01-31`.
pub fn day(seconds: i64) -> String {
    match ASN1Time::from_timestamp(seconds) {
        Ok(time) => time.to_datetime().date().to_string(),
        Err(_) => "a day beyond all calendars".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::ServerName;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_with_its_facts() {
        let at = |s| UnixTime::since_unix_epoch(std::time::Duration::from_secs(s));
        let expired = CertificateError::ExpiredContext {
            time: at(2_000_000_000),
            not_after: at(1_767_225_600),
        };
        assert_eq!(
            words(&Error::InvalidCertificate(expired)),
            "certificate expired on 2026-01-01"
        );
        let named = |presented: &[&str]| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("app.internal").unwrap(),
            presented: presented.iter().map(ToString::to_string).collect(),
        };
        let one = named(&["DnsName(\"a\\u{1b}.example\")", "IpAddress(10.0.0.1)"]);
        let said = words(&Error::InvalidCertificate(one));
        assert!(
            said.starts_with("name app.internal not in certificate (has a"),
            "{said}"
        );
        assert!(said.ends_with(", 10.0.0.1)"), "{said}");
        let none = words(&Error::InvalidCertificate(named(&[])));
        assert_eq!(none, "name app.internal not in certificate (has none)");
        let many = words(&Error::InvalidCertificate(named(&["DnsName(\"x\")"; 7])));
        assert!(many.ends_with("(has x, x, x, x, x and 2 more)"), "{many}");
    }

    #[test]
    fn an_error_of_a_stream_is_asked_for_the_one_of_tls() {
        let inner = Error::AlertReceived(AlertDescription::CertificateRequired);
        let io = io::Error::new(io::ErrorKind::InvalidData, inner);
        assert_eq!(
            words_of_io(&io).as_deref(),
            Some("it wants a client certificate")
        );
        assert_eq!(words_of_io(&io::Error::other("x")), None);
        assert_eq!(words_of_io(&io::ErrorKind::BrokenPipe.into()), None);
    }

    #[test]
    fn a_day_is_one_at_either_end_of_time() {
        assert_eq!(day(0), "1970-01-01");
        assert!(!day(i64::MAX).is_empty() && !day(i64::MIN).is_empty());
    }
}
