//! Who may change something: who has the token; who shows a client certificate of `admin.client_ca`; who reaches the unix
//! socket (0600); or, on loopback where neither token nor `client_ca` is set, the user evenkeel runs as, and root. Who only
//! reads needs nothing of it.
//!
//! A browser on this machine is also the same user on loopback, and any page it shows can send requests. So a request that
//! a page of another origin sent is refused, and so is one whose `Host` is a name that somebody else's DNS could point
//! here.

use std::net::IpAddr;

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use evenkeel_schema::admin::{ErrorAnswer, ErrorCode};
use evenkeel_schema::config::Secret;

use super::Peer;
use crate::ask::{Access, Outcome};

/// Refuses who may not.
pub(super) async fn may_change(parts: &Parts, settings: &Access) -> Outcome<()> {
    let peer = parts.extensions.get::<Peer>();
    same_origin(parts)?;
    if matches!(peer, Some(Peer::Unix)) {
        return Ok(());
    }
    if settings.client_ca
        && let Some(Peer::Tcp {
            certified: true, ..
        }) = peer
    {
        return Ok(());
    }
    if let Some(token) = &settings.token {
        return has_token(parts, token);
    }
    if settings.client_ca {
        return Err(forbidden(
            "this call changes something and needs a client certificate",
        ));
    }
    let Some(Peer::Tcp { peer, local, .. }) = peer else {
        return Err(forbidden("it is not known where this call comes from"));
    };
    if !peer.ip().to_canonical().is_loopback() {
        return Err(forbidden("this call comes from another machine"));
    }
    own_name(parts, &settings.node)?;
    let (peer, local) = (*peer, *local);
    let uid = tokio::task::spawn_blocking(move || super::peer::uid(peer, local)).await;
    let own = rustix::process::geteuid().as_raw();
    match uid.ok().flatten() {
        Some(uid) if uid == own || uid == 0 => Ok(()),
        Some(uid) => Err(forbidden(&format!(
            "this call comes from user {uid}, evenkeel runs as user {own}"
        ))),
        None => Err(forbidden("the user behind this connection is not known")),
    }
}

fn forbidden(message: &str) -> ErrorAnswer {
    ErrorAnswer::new(
        ErrorCode::Forbidden,
        message,
        "changing calls need admin.token, a certificate of admin.client_ca (--certificate and --key), the unix socket, or, with neither set, the user evenkeel runs as on this machine",
    )
}

fn has_token(parts: &Parts, token: &Secret) -> Outcome<()> {
    let wrong = |message: &str| {
        let hint =
            "send Authorization: Bearer TOKEN; on the command line --token-file or EVENKEEL_TOKEN";
        Err(ErrorAnswer::new(ErrorCode::Unauthorized, message, hint))
    };
    let Some(given) = parts.headers.get(AUTHORIZATION) else {
        return wrong("this call changes something and needs the token");
    };
    let given = given.to_str().unwrap_or_default();
    match given.split_once(' ') {
        Some((scheme, given))
            if scheme.eq_ignore_ascii_case("bearer") && token.matches(given.trim()) =>
        {
            Ok(())
        }
        _ => wrong("the token is not the right one"),
    }
}

/// A browser says which page sent a changing request; it must be one of ours.
fn same_origin(parts: &Parts) -> Outcome<()> {
    let Some(origin) = parts.headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let host = host(parts).unwrap_or_default();
    let ours = ["http://", "https://"]
        .iter()
        .any(|scheme| origin.strip_prefix(scheme) == Some(host));
    match ours && !host.is_empty() {
        true => Ok(()),
        false => Err(forbidden(&format!(
            "a page of {origin:.100} may not change anything here"
        ))),
    }
}

/// Only an address, `localhost` or the node's own name: what a foreign DNS cannot have pointed here.
fn own_name(parts: &Parts, node: &str) -> Outcome<()> {
    let host = host(parts).unwrap_or_default();
    let name = without_port(host);
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let ours = address.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || name.eq_ignore_ascii_case(node);
    match ours {
        true => Ok(()),
        false => Err(forbidden(&format!(
            "{host:.100} is none of this machine's names"
        ))),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn host(parts: &Parts) -> Option<&str> {
    parts.headers.get(HOST)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::post("/v1/reload");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Secret::new("s3cret".into());
        let ok = |value| has_token(&parts(&[("authorization", value)]), &token).is_ok();
        assert!(ok("Bearer s3cret"));
        assert!(ok("bearer  s3cret"));
        let wrong = [
            "Bearer s3cre",
            "Bearer s3crets",
            "Bearer s3crett3crets",
            "Bearer ",
            "Bearer",
            "Basic s3cret",
            "s3cret",
            "Bearer S3cret",
        ];
        for value in wrong {
            assert!(!ok(value), "{value}");
        }
        assert!(has_token(&parts(&[]), &token).is_err());
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let ok = |origin| {
            let parts = parts(&[("host", "127.0.0.1:9440"), ("origin", origin)]);
            same_origin(&parts).is_ok()
        };
        assert!(ok("http://127.0.0.1:9440"));
        for origin in [
            "http://evil.example",
            "null",
            "",
            "http://127.0.0.1:80",
            "127.0.0.1:9440",
        ] {
            assert!(!ok(origin), "{origin}");
        }
        assert!(same_origin(&parts(&[("host", "x")])).is_ok());
        assert!(same_origin(&parts(&[("origin", "http://")])).is_err());
    }

    #[test]
    fn a_name_that_a_foreign_dns_could_point_here_is_refused() {
        let ok = |host| own_name(&parts(&[("host", host)]), "lb-1").is_ok();
        for host in [
            "127.0.0.1:9440",
            "[::1]:9440",
            "[::1]",
            "localhost",
            "LB-1:80",
            "10.0.0.1",
        ] {
            assert!(ok(host), "{host}");
        }
        for host in [
            "evil.example:9440",
            "",
            "127.0.0.1.evil.example",
            "localhost.evil",
        ] {
            assert!(!ok(host), "{host}");
        }
        assert!(own_name(&parts(&[]), "lb-1").is_err());
    }

    #[tokio::test]
    async fn another_machine_without_a_token_may_change_nothing() {
        let settings = Access {
            token: None,
            client_ca: false,
            node: "lb-1".into(),
        };
        let mut parts = parts(&[("host", "127.0.0.1")]);
        assert!(may_change(&parts, &settings).await.is_err());
        parts.extensions.insert(Peer::Tcp {
            peer: "10.0.0.9:1".parse().unwrap(),
            local: "10.0.0.1:1".parse().unwrap(),
            // Of an authority that is not asked for any more.
            certified: true,
        });
        assert!(may_change(&parts, &settings).await.is_err());
        parts.extensions.insert(Peer::Unix);
        assert!(may_change(&parts, &settings).await.is_ok());
    }
}
