//! A request's body as bytes, within a limit of size and of time.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderMap, Request};
use futures_util::StreamExt;

use crate::error::ApiError;

/// How long a body may take to arrive whole.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// How many times the limit is read and thrown away, so that a client that is still writing gets
/// to read why it was refused.
const DISCARD_FACTOR: usize = 4;

/// Reads the whole body, never holding more than `limit` bytes of it.
pub(crate) async fn read(request: Request<Body>, limit: usize) -> Result<Vec<u8>, ApiError> {
    let headers = request.headers();
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        // Unpacking is where small bodies become large ones.
        return Err(ApiError::BodyEncoded);
    }
    let announced = announced(headers);
    let waits_for_a_word = headers.contains_key(EXPECT);
    if announced.is_some_and(|bytes| bytes > limit) && waits_for_a_word {
        return Err(ApiError::BodyTooLarge { limit });
    }
    let reading = collect(request.into_body(), limit, announced.unwrap_or(0));
    let limit_s = ARRIVES_WITHIN.as_secs();
    tokio::time::timeout(ARRIVES_WITHIN, reading)
        .await
        .map_err(|_| ApiError::BodySlow { limit_s })?
}

async fn collect(body: Body, limit: usize, announced: usize) -> Result<Vec<u8>, ApiError> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::with_capacity(announced.min(limit));
    let mut arrived = 0_usize;
    while let Some(part) = stream.next().await {
        let part = part.map_err(|_| ApiError::BodyCut)?;
        arrived = arrived.saturating_add(part.len());
        if arrived > limit {
            bytes = Vec::new();
            if arrived > limit.saturating_mul(DISCARD_FACTOR) {
                break;
            }
        } else {
            bytes.extend_from_slice(&part);
        }
    }
    if arrived > limit {
        return Err(ApiError::BodyTooLarge { limit });
    }
    Ok(bytes)
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;
    use futures_util::stream;

    async fn read_parts(parts: &[&'static [u8]], limit: usize) -> Result<Vec<u8>, ApiError> {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| Ok::<_, std::io::Error>(Bytes::from_static(part)))
            .collect();
        let request = Request::new(Body::from_stream(stream::iter(parts)));
        read(request, limit).await
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read_whole() {
        assert_eq!(read_parts(&[b"abc", b"de"], 5).await, Ok(b"abcde".to_vec()));
    }

    #[tokio::test]
    async fn a_body_without_a_length_is_refused_once_it_is_over_the_limit() {
        let refused = Err(ApiError::BodyTooLarge { limit: 4 });
        assert_eq!(read_parts(&[b"abc", b"de"], 4).await, refused);
    }

    #[tokio::test]
    async fn an_announced_length_over_the_limit_is_refused_before_the_client_sends() {
        let mut request = Request::new(Body::from_stream(
            stream::pending::<std::io::Result<Bytes>>(),
        ));
        request.headers_mut().insert(CONTENT_LENGTH, 5.into());
        request
            .headers_mut()
            .insert(EXPECT, "100-continue".parse().unwrap());
        assert_eq!(
            read(request, 4).await,
            Err(ApiError::BodyTooLarge { limit: 4 })
        );
    }

    #[tokio::test]
    async fn a_packed_body_is_refused() {
        let mut request = Request::new(Body::from("x"));
        request
            .headers_mut()
            .insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        assert_eq!(read(request, 4).await, Err(ApiError::BodyEncoded));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let request = Request::new(Body::from_stream(
            stream::pending::<std::io::Result<Bytes>>(),
        ));
        let limit_s = ARRIVES_WITHIN.as_secs();
        assert_eq!(read(request, 4).await, Err(ApiError::BodySlow { limit_s }));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_body() {
        let parts = vec![
            Ok(Bytes::from_static(b"{")),
            Err(std::io::Error::other("reset")),
        ];
        let request = Request::new(Body::from_stream(stream::iter(parts)));
        assert_eq!(read(request, 40).await, Err(ApiError::BodyCut));
    }
}
