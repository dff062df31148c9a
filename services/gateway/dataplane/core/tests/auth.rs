//! Who may call: keys, tokens, their models, and how often.

mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tidemill_dataplane_core::auth::{Auth, AuthSpec, Caller, KeySpec, Rate};
use tidemill_dataplane_core::fault::{Kind, Result};

/// SHA-256 of "key-1".
const HASH: &str = "be2974546978e3739e6d6da85c4be9f334ce32df2b9fd4b6ff1b55c0d57e9d44";
/// The key pair of RFC 8037, appendix A.1.
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const PRIVATE: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5,
    0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
/// What makes a private key of PKCS #8 of the 32 bytes that follow.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

fn with_key(models: Option<&[&str]>, rate: Option<Rate>) -> Auth {
    let models = models.map(|models| models.iter().map(|model| (*model).to_owned()).collect::<HashSet<_>>());
    let key = KeySpec { name: "shop".to_owned(), sha256: HASH.to_owned(), models, rate };
    Auth::new(AuthSpec { keys: vec![key], tokens: None }).unwrap()
}

fn kind(result: Result<Option<Arc<Caller>>>) -> Kind {
    result.unwrap_err().kind
}

fn known(auth: &Auth, authorization: &str) -> Arc<Caller> {
    auth.caller(Some(authorization)).unwrap().unwrap()
}

#[test]
fn anyone_may_call_where_nothing_is_taken_as_proof() {
    let auth = Auth::new(AuthSpec::default()).unwrap();
    assert!(!auth.is_on());
    assert!(auth.caller(None).unwrap().is_none());
    assert!(auth.caller(Some("Bearer whatever")).unwrap().is_none());
}

#[test]
fn a_known_key_says_who_calls() {
    let auth = with_key(None, None);
    assert!(auth.is_on());
    for shown in ["Bearer key-1", "bearer key-1", "Bearer  key-1 "] {
        assert_eq!(known(&auth, shown).name, "shop", "{shown:?}");
    }
}

#[test]
fn a_caller_without_a_key_is_told_how_to_show_one() {
    let auth = with_key(None, None);
    for shown in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic key-1"), Some("key-1")] {
        let fault = auth.caller(shown).unwrap_err();
        assert_eq!(fault.kind, Kind::Unauthenticated, "{shown:?}");
        assert_eq!(fault.message, "this needs a key: Authorization: Bearer <key>");
    }
}

#[test]
fn an_unknown_key_is_refused_and_not_shown() {
    let auth = with_key(None, None);
    for shown in ["key-2", "KEY-1", "key-1x", HASH, "a.b.c"] {
        let fault = auth.caller(Some(&format!("Bearer {shown}"))).unwrap_err();
        assert_eq!((fault.kind, fault.message.as_str()), (Kind::Unauthenticated, "this key is not known"));
    }
}

#[test]
fn a_key_may_use_the_models_it_was_given() {
    let caller = known(&with_key(Some(&["taxi"]), None), "Bearer key-1");
    assert!(caller.may_use("taxi").is_ok());
    let fault = caller.may_use("rain").unwrap_err();
    assert_eq!((fault.kind, fault.message.as_str()), (Kind::Forbidden, "shop may not use model 'rain'"));
    let all = known(&with_key(None, None), "Bearer key-1");
    assert!(all.may_use("taxi").is_ok() && all.may_use("rain").is_ok());
    let none = known(&with_key(Some(&[]), None), "Bearer key-1");
    assert!(none.may_use("taxi").is_err());
}

#[test]
fn a_key_is_given_by_64_hexadecimal_digits() {
    let with = |sha256: &str| {
        let key = KeySpec { name: "shop".to_owned(), sha256: sha256.to_owned(), models: None, rate: None };
        Auth::new(AuthSpec { keys: vec![key], tokens: None })
    };
    assert!(with(&HASH.to_uppercase()).is_ok());
    for wrong in ["", "be29", &HASH[1..], &format!("{HASH}00"), &HASH.replace('b', "g"), &"é".repeat(32)] {
        assert_eq!(with(wrong).err().unwrap(), "key shop: sha256 is not 64 hexadecimal digits");
    }
}

#[test]
fn a_caller_without_a_rate_may_ask_as_often_as_it_likes() {
    let caller = known(&with_key(None, None), "Bearer key-1");
    assert!((0..10_000).all(|_| caller.spend().is_ok()));
}

#[test]
fn a_rate_lets_a_burst_in_and_refills() {
    let auth = with_key(None, Some(Rate { per_second: 2.0, burst: 3.0 }));
    for _ in 0..3 {
        known(&auth, "Bearer key-1").spend().unwrap();
    }
    let fault = known(&auth, "Bearer key-1").spend().unwrap_err();
    assert_eq!(
        (fault.kind, fault.message.as_str()),
        (Kind::RateLimited, "shop asks too often; at most 2 times a second")
    );
    assert!(fault.kind.retryable());
    std::thread::sleep(Duration::from_millis(600));
    assert!(known(&auth, "Bearer key-1").spend().is_ok());
    assert!(known(&auth, "Bearer key-1").spend().is_err());
}

#[test]
fn idle_time_gathers_no_more_than_a_burst() {
    let caller = known(&with_key(None, Some(Rate { per_second: 20.0, burst: 2.0 })), "Bearer key-1");
    std::thread::sleep(Duration::from_millis(300));
    let passed = (0..100).filter(|_| caller.spend().is_ok()).count();
    assert!((2..=4).contains(&passed), "{passed}");
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn with_tokens() -> Auth {
    let spec = json!({
        "keys": [],
        "tokens": {
            "issuer": "https://issuer",
            "audience": "tidemill",
            "models_claim": "models",
            "keys": [
                {"kty": "FUTURE", "kid": "k-0"},
                {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k-1", "x": PUBLIC},
            ],
            "rate": {"per_second": 0.001, "burst": 2.0},
        },
    });
    Auth::new(serde_json::from_value(spec).unwrap()).unwrap()
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer", "aud": "tidemill", "sub": "alice", "exp": now() + 300, "models": ["taxi", "rain"],
    })
}

fn signed(claims: &Value, kid: Option<&str>) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = kid.map(str::to_owned);
    let key = EncodingKey::from_ed_der(&[&PKCS8[..], &PRIVATE].concat());
    format!("Bearer {}", encode(&header, claims, &key).unwrap())
}

#[test]
fn a_token_of_the_issuer_says_who_calls_and_what_it_may_use() {
    let auth = with_tokens();
    for kid in [Some("k-1"), None] {
        let caller = known(&auth, &signed(&claims(), kid));
        assert_eq!(caller.name, "alice");
        assert!(caller.may_use("taxi").is_ok() && caller.may_use("rain").is_ok());
        assert_eq!(caller.may_use("snow").unwrap_err().kind, Kind::Forbidden);
    }
}

#[test]
fn the_models_of_a_token_may_be_a_text_and_are_none_where_it_has_none() {
    let mut claims = claims();
    claims["models"] = json!("taxi rain");
    let caller = known(&with_tokens(), &signed(&claims, None));
    assert!(caller.may_use("rain").is_ok() && caller.may_use("taxi rain").is_err());
    claims.as_object_mut().unwrap().remove("models");
    assert!(known(&with_tokens(), &signed(&claims, None)).may_use("taxi").is_err());
}

#[test]
fn a_token_that_does_not_hold_is_refused() {
    let auth = with_tokens();
    let wrong = [
        ("exp", json!(now() - 300)),
        ("nbf", json!(now() + 300)),
        ("iss", json!("https://other")),
        ("aud", json!("other")),
    ];
    for (claim, value) in wrong {
        let mut claims = claims();
        claims[claim] = value;
        let fault = auth.caller(Some(&signed(&claims, None))).unwrap_err();
        assert_eq!(fault.kind, Kind::Unauthenticated, "{claim}");
        assert!(fault.message.starts_with("this token is not taken: "), "{fault}");
    }
    for claim in ["exp", "iss", "aud"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);
        assert_eq!(kind(auth.caller(Some(&signed(&claims, None)))), Kind::Unauthenticated, "without {claim}");
    }
    assert_eq!(kind(auth.caller(Some(&signed(&claims(), Some("k-2"))))), Kind::Unauthenticated);
    assert_eq!(kind(auth.caller(Some("Bearer a.b.c"))), Kind::Unauthenticated);
}

#[test]
fn a_token_that_was_changed_is_refused() {
    let auth = with_tokens();
    let token = signed(&claims(), None);
    assert!(auth.caller(Some(&token)).is_ok());
    let parts: Vec<&str> = token.split('.').collect();
    let mut other = claims();
    other["models"] = json!(["everything"]);
    let forged = signed(&other, None);
    let body = forged.split('.').nth(1).unwrap();
    assert_eq!(kind(auth.caller(Some(&[parts[0], body, parts[2]].join(".")))), Kind::Unauthenticated);
    assert_eq!(kind(auth.caller(Some(&format!("{}.{}.", parts[0], parts[1])))), Kind::Unauthenticated);
}

#[test]
fn a_token_signed_with_the_public_key_as_a_secret_is_refused() {
    let key = EncodingKey::from_secret(PUBLIC.as_bytes());
    let token = encode(&Header::new(Algorithm::HS256), &claims(), &key).unwrap();
    assert_eq!(kind(with_tokens().caller(Some(&format!("Bearer {token}")))), Kind::Unauthenticated);
    // No signature at all.
    let none = "eyJhbGciOiJub25lIn0";
    let body = token.split('.').nth(1).unwrap();
    assert_eq!(kind(with_tokens().caller(Some(&format!("Bearer {none}.{body}.")))), Kind::Unauthenticated);
}

#[test]
fn a_token_has_one_rate_however_often_it_is_shown() {
    let auth = with_tokens();
    let token = signed(&claims(), None);
    assert!(known(&auth, &token).spend().is_ok());
    assert!(known(&auth, &token).spend().is_ok());
    assert_eq!(known(&auth, &token).spend().unwrap_err().kind, Kind::RateLimited);
}

#[test]
fn a_token_has_one_rate_whatever_its_time_of_expiry() {
    for expires in [json!(now() as f64 + 300.5), json!(now() - 20)] {
        let auth = with_tokens();
        let mut claims = claims();
        claims["exp"] = expires;
        let token = signed(&claims, None);
        let passed = (0..10).filter(|_| known(&auth, &token).spend().is_ok()).count();
        assert_eq!(passed, 2);
    }
}
