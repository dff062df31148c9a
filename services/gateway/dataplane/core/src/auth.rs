//! Who calls: API keys, of which only hashes are known, and JSON web tokens; what each may ask, and how often.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use lru::LruCache;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::fault::{Fault, Kind, Result, shown};
use crate::stats::locked;

const REMEMBERED_TOKENS: usize = 10_000;
const ALGORITHMS: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];

/// Requests a second, and how many may come at once.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Rate {
    pub per_second: f64,
    pub burst: f64,
}

/// `sha256` is of the key, in hexadecimal; no `models` means all of them.
#[derive(Debug, Deserialize)]
pub struct KeySpec {
    pub name: String,
    pub sha256: String,
    pub models: Option<HashSet<String>>,
    pub rate: Option<Rate>,
}

/// Tokens of an issuer; `models_claim` names the claim that lists the models, a list or a text with spaces.
#[derive(Debug, Deserialize)]
pub struct TokenSpec {
    pub issuer: String,
    pub audience: String,
    pub models_claim: String,
    /// JSON web keys; those of a kind that is not known are passed over, as RFC 7517 section 5 says.
    pub keys: Vec<serde_json::Value>,
    pub rate: Option<Rate>,
}

/// Everything that is taken as proof; empty means that anyone may call.
#[derive(Debug, Default, Deserialize)]
pub struct AuthSpec {
    pub keys: Vec<KeySpec>,
    pub tokens: Option<TokenSpec>,
}

/// Somebody known.
#[derive(Debug)]
pub struct Caller {
    pub name: String,
    models: Option<HashSet<String>>,
    bucket: Option<Bucket>,
}

impl Caller {
    /// Forbidden unless the caller may use the model.
    pub fn may_use(&self, model: &str) -> Result<()> {
        if self.models.as_ref().is_none_or(|models| models.contains(model)) {
            return Ok(());
        }
        Err(Fault::new(Kind::Forbidden, format!("{} may not use model {}", self.name, shown(model, 100))))
    }

    /// RateLimited where the caller asks too often.
    pub fn spend(&self) -> Result<()> {
        match &self.bucket {
            Some(bucket) if !bucket.take(Instant::now()) => {
                let cause = format!("{} asks too often; at most {} times a second", self.name, bucket.rate.per_second);
                Err(Fault::new(Kind::RateLimited, cause))
            }
            _ => Ok(()),
        }
    }
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    rate: Rate,
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        Bucket { rate, state: Mutex::new((rate.burst, Instant::now())) }
    }

    fn take(&self, now: Instant) -> bool {
        let mut state = locked(&self.state);
        let gained = now.saturating_duration_since(state.1).as_secs_f64() * self.rate.per_second;
        *state = ((state.0 + gained).min(self.rate.burst), now);
        let enough = state.0 >= 1.0;
        if enough {
            state.0 -= 1.0;
        }
        enough
    }
}

/// Callers by the hash of their token, with the second it expires.
type KnownTokens = LruCache<[u8; 32], (u64, Arc<Caller>)>;

struct Tokens {
    validation: Validation,
    models_claim: String,
    rate: Option<Rate>,
    keys: Vec<Jwk>,
    known: Mutex<KnownTokens>,
}

/// Knows callers by what they show.
#[derive(Default)]
pub struct Auth {
    keys: HashMap<[u8; 32], Arc<Caller>>,
    tokens: Option<Tokens>,
}

impl Auth {
    pub fn new(spec: AuthSpec) -> std::result::Result<Self, String> {
        let mut keys = HashMap::new();
        for key in spec.keys {
            let hash =
                hex(&key.sha256).ok_or_else(|| format!("key {}: sha256 is not 64 hexadecimal digits", key.name))?;
            let bucket = key.rate.map(Bucket::new);
            keys.insert(hash, Arc::new(Caller { name: key.name, models: key.models, bucket }));
        }
        Ok(Auth { keys, tokens: spec.tokens.map(Tokens::new) })
    }

    /// Whether callers must show who they are.
    pub fn is_on(&self) -> bool {
        !self.keys.is_empty() || self.tokens.is_some()
    }

    /// Who shows this `authorization` header; None where anyone may call.
    pub fn caller(&self, authorization: Option<&str>) -> Result<Option<Arc<Caller>>> {
        if !self.is_on() {
            return Ok(None);
        }
        let shown = authorization.unwrap_or_default();
        let secret = shown.strip_prefix("Bearer ").or_else(|| shown.strip_prefix("bearer ")).unwrap_or_default().trim();
        if secret.is_empty() {
            let cause = "this needs a key: Authorization: Bearer <key>";
            return Err(Fault::new(Kind::Unauthenticated, cause));
        }
        let hash: [u8; 32] = Sha256::digest(secret).into();
        if let Some(caller) = self.keys.get(&hash) {
            return Ok(Some(caller.clone()));
        }
        match &self.tokens {
            Some(tokens) if secret.bytes().filter(|&byte| byte == b'.').count() == 2 => {
                tokens.caller(secret, hash).map(Some)
            }
            _ => Err(Fault::new(Kind::Unauthenticated, "this key is not known")),
        }
    }
}

impl Tokens {
    fn new(spec: TokenSpec) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.algorithms = ALGORITHMS.to_vec();
        validation.set_issuer(&[&spec.issuer]);
        validation.set_audience(&[&spec.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        let known = Mutex::new(LruCache::new(NonZeroUsize::new(REMEMBERED_TOKENS).unwrap_or(NonZeroUsize::MIN)));
        let keys = spec.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        Tokens { validation, models_claim: spec.models_claim, rate: spec.rate, keys, known }
    }

    fn caller(&self, token: &str, hash: [u8; 32]) -> Result<Arc<Caller>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs());
        if let Some((_, caller)) = locked(&self.known).get(&hash).filter(|(expires, _)| now < *expires) {
            return Ok(caller.clone());
        }
        let refused = |cause: String| Fault::new(Kind::Unauthenticated, format!("this token is not taken: {cause}"));
        let header = decode_header(token).map_err(|error| refused(error.to_string()))?;
        let key = match &header.kid {
            Some(id) => self.keys.iter().find(|key| key.common.key_id.as_ref() == Some(id)),
            None => self.keys.first().filter(|_| self.keys.len() == 1),
        };
        let key = key.ok_or_else(|| refused("its key is not one of the issuer's".to_owned()))?;
        let key = DecodingKey::from_jwk(key).map_err(|error| refused(error.to_string()))?;
        let mut validation = self.validation.clone();
        validation.algorithms.retain(|&algorithm| algorithm == header.alg);
        if validation.algorithms.is_empty() {
            return Err(refused("its algorithm is not taken".to_owned()));
        }
        let claims =
            decode::<serde_json::Value>(token, &key, &validation).map_err(|error| refused(error.to_string()))?;
        let claims = claims.claims;
        let caller = Arc::new(Caller {
            name: claims["sub"].as_str().unwrap_or("the token's bearer").chars().take(100).collect(),
            models: Some(models_of(&claims[&self.models_claim])),
            bucket: self.rate.map(Bucket::new),
        });
        let expires = claims["exp"].as_f64().unwrap_or(0.0) as u64 + self.validation.leeway;
        locked(&self.known).put(hash, (expires, caller.clone()));
        Ok(caller)
    }
}

fn models_of(claim: &serde_json::Value) -> HashSet<String> {
    match claim {
        serde_json::Value::String(text) => text.split(' ').map(str::to_owned).collect(),
        serde_json::Value::Array(items) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => HashSet::new(),
    }
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}
