//! What is believed and what is not.

use super::*;

const SECRET: &str = "whsec_test";
const BODY: &[u8] = br#"{"type":"checkout.session.completed"}"#;
const NOW_S: u64 = 1_700_000_000;

#[test]
fn a_known_vector_fits() {
    // Made with `printf '%s' '1700000000.{"a":1}' | openssl dgst -sha256 -hmac whsec_test`.
    let header = "t=1700000000,v1=38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789";
    assert_eq!(verify(SECRET, header, br#"{"a":1}"#, NOW_S), Ok(()));
    assert_eq!(sign(SECRET, br#"{"a":1}"#, NOW_S), header);
}

#[test]
fn one_altered_byte_of_the_body_is_refused() {
    let header = sign(SECRET, BODY, NOW_S);
    for at in 0..BODY.len() {
        let mut altered = BODY.to_vec();
        altered[at] ^= 1;
        assert_eq!(
            verify(SECRET, &header, &altered, NOW_S),
            Err(SignatureError::Mismatch),
            "byte {at}"
        );
    }
}

#[test]
fn another_secret_and_another_time_in_the_header_are_refused() {
    let header = sign("whsec_other", BODY, NOW_S);
    assert_eq!(
        verify(SECRET, &header, BODY, NOW_S),
        Err(SignatureError::Mismatch)
    );
    let moved = sign(SECRET, BODY, NOW_S).replace("t=1700000000", "t=1700000001");
    assert_eq!(
        verify(SECRET, &moved, BODY, NOW_S),
        Err(SignatureError::Mismatch)
    );
}

#[test]
fn the_clocks_may_differ_by_the_tolerance_and_no_more() {
    let header = sign(SECRET, BODY, NOW_S);
    for now in [NOW_S - TOLERANCE_S, NOW_S + TOLERANCE_S] {
        assert_eq!(verify(SECRET, &header, BODY, now), Ok(()));
    }
    let off = SignatureError::OutsideTolerance {
        off_s: TOLERANCE_S + 1,
    };
    for now in [NOW_S - TOLERANCE_S - 1, NOW_S + TOLERANCE_S + 1] {
        assert_eq!(verify(SECRET, &header, BODY, now), Err(off));
    }
}

#[test]
fn a_forged_old_header_is_called_a_mismatch_not_old() {
    let header = sign("whsec_other", BODY, 0);
    assert_eq!(
        verify(SECRET, &header, BODY, NOW_S),
        Err(SignatureError::Mismatch)
    );
}

#[test]
fn any_of_several_signatures_may_fit() {
    let good = sign(SECRET, BODY, NOW_S);
    let (time, fitting) = good.split_once(',').unwrap();
    let other = format!("v1={}", "ab".repeat(32));
    for header in [
        format!("{time},{other},{fitting}"),
        format!("{time},{fitting},{other}"),
        format!("{time},v0=ff,v1=not-hex,v1=abcd, {fitting}"),
        format!("{fitting},{time}"),
    ] {
        assert_eq!(verify(SECRET, &header, BODY, NOW_S), Ok(()), "{header}");
    }
    let none = format!("{time},{other},{other}");
    assert_eq!(
        verify(SECRET, &none, BODY, NOW_S),
        Err(SignatureError::Mismatch)
    );
}

#[test]
fn a_header_without_time_or_signature_is_malformed() {
    let good = sign(SECRET, BODY, NOW_S);
    let (time, fitting) = good.split_once(',').unwrap();
    for header in ["", "t=", "t=now,v1=ab", "v1", time, fitting, "t=-1,v1=ab"] {
        assert_eq!(
            verify(SECRET, header, BODY, NOW_S),
            Err(SignatureError::Malformed),
            "{header}"
        );
    }
}
