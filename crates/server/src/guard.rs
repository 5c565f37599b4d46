//! Who may use the operator routes: whoever shows the token, or, when none is set, this machine.
//!
//! Without a token the peer must be on loopback *and* have asked for a loopback name, so that a
//! page in somebody's browser cannot reach the engine by pointing its own name at 127.0.0.1. A
//! request from a page of another origin is refused as well. No CORS header is ever sent.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::keys::Token;

/// The address a request came from; put into a request's extensions by whoever accepted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Lets a request through to the operator routes, or answers for them.
pub(crate) async fn operators_only(
    State(token): State<Option<Arc<Token>>>,
    request: Request,
    next: Next,
) -> Response {
    match admit(token.as_deref(), &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn admit(token: Option<&Token>, request: &Request) -> Result<(), ApiError> {
    let headers = request.headers();
    if let Some(token) = token {
        let shown = bearer(headers).ok_or(ApiError::OperatorTokenNeeded)?;
        return if token.accepts(shown) {
            Ok(())
        } else {
            Err(ApiError::OperatorTokenNeeded)
        };
    }
    let peer = request.extensions().get::<Peer>();
    let near = peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback());
    let host = headers.get(HOST).map_or_else(
        || request.uri().authority().map(ToString::to_string),
        |host| host.to_str().ok().map(str::to_owned),
    );
    let by_own_name = host.is_some_and(|host| is_loopback_name(&host));
    let changes = request.method() != Method::GET && request.method() != Method::HEAD;
    let foreign_page = changes
        && headers
            .get(ORIGIN)
            .is_some_and(|origin| !same_machine(origin.as_bytes()));
    if near && by_own_name && !foreign_page {
        Ok(())
    } else {
        Err(ApiError::OperatorRoutesClosed)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a `Host` value names this machine: `localhost`, or a loopback address, with any port.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn same_machine(origin: &[u8]) -> bool {
    let uri = std::str::from_utf8(origin)
        .ok()
        .and_then(|text| text.parse::<Uri>().ok());
    uri.and_then(|uri| uri.authority().map(|host| is_loopback_name(host.as_str())))
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(peer: &str, headers: &[(&str, &str)]) -> Request {
        let mut builder = Request::builder().method(Method::POST).uri("/v1/runs");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let mut request = builder.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        request
    }

    const NEAR: &str = "127.0.0.1:5000";
    const FAR: &str = "10.1.2.3:5000";

    #[test]
    fn without_a_token_this_machine_is_let_in_by_its_own_names() {
        for host in [
            "localhost:8288",
            "LOCALHOST",
            "127.0.0.1:8288",
            "[::1]:8288",
            "127.9.9.9",
        ] {
            assert_eq!(
                admit(None, &request(NEAR, &[("host", host)])),
                Ok(()),
                "{host}"
            );
        }
        let mapped = request("[::ffff:127.0.0.1]:5000", &[("host", "localhost")]);
        assert_eq!(admit(None, &mapped), Ok(()));
    }

    #[test]
    fn without_a_token_everybody_else_is_refused() {
        let closed = Err(ApiError::OperatorRoutesClosed);
        for (peer, headers) in [
            (FAR, vec![("host", "localhost")]),
            (NEAR, vec![("host", "evil.example")]),
            (NEAR, vec![("host", "localhost.evil.example")]),
            (NEAR, vec![]),
            (
                NEAR,
                vec![("host", "localhost"), ("origin", "https://evil.example")],
            ),
            (NEAR, vec![("host", "localhost"), ("origin", "null")]),
        ] {
            assert_eq!(
                admit(None, &request(peer, &headers)),
                closed,
                "{peer} {headers:?}"
            );
        }
        let mut unknown = request(NEAR, &[("host", "localhost")]);
        unknown.extensions_mut().clear();
        assert_eq!(admit(None, &unknown), closed);
    }

    #[test]
    fn with_a_token_only_the_token_counts() {
        let token = Token::new("open-sesame");
        let needed = Err(ApiError::OperatorTokenNeeded);
        for (peer, headers, expected) in [
            (FAR, vec![("authorization", "Bearer open-sesame")], Ok(())),
            (FAR, vec![("authorization", "bearer open-sesame")], Ok(())),
            (NEAR, vec![("host", "localhost")], needed.clone()),
            (
                NEAR,
                vec![("authorization", "Bearer open-sesam")],
                needed.clone(),
            ),
            (NEAR, vec![("authorization", "open-sesame")], needed),
        ] {
            assert_eq!(
                admit(Some(&token), &request(peer, &headers)),
                expected,
                "{headers:?}"
            );
        }
    }
}
