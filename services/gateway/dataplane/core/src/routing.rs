//! Which version answers a request: pure, and the same on every replica and after every restart.
//!
//! An arm is chosen by weighted rendezvous hashing: arm i with weight w scores -w / ln(u), where u in (0, 1) is a hash of
//! (model, arm, key), and the highest score wins. Shares follow the weights, and a change of weights moves only keys to
//! an arm that grew or away from one that shrank.
//! Source: C. Schindelhauer, G. Schomaker, "Weighted Distributed Hash Tables", SPAA 2005.
//! The hash is BLAKE2b with an 8-byte digest over the UTF-8 parts, each ended by a zero byte; its 64 bits, big-endian,
//! plus one half, over 2^64, are u.

use blake2::digest::consts::U8;
use blake2::{Blake2b, Digest};
use serde::Deserialize;

/// A version that answers; weights need not sum to 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Arm {
    pub version: i64,
    pub weight: f64,
}

/// A version that gets a copy of `fraction` (0 to 1) of the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Mirror {
    pub version: i64,
    pub fraction: f64,
}

/// The serving table of one model; the first arm is the champion.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Table {
    pub model: String,
    pub epoch: i64,
    pub arms: Vec<Arm>,
    pub mirrors: Vec<Mirror>,
    pub sticky_header: String,
    pub sticky_field: String,
}

impl Table {
    /// Version that answers requests with `key`; None if every weight is 0.
    pub fn choose(&self, key: &str) -> Option<i64> {
        let mut candidates = self.arms.iter().filter(|arm| arm.weight > 0.0);
        let first = candidates.next()?;
        let Some(second) = candidates.next() else { return Some(first.version) };
        let score = |arm: &Arm| -arm.weight / unit(&[&self.model, &format!("arm {}", arm.version), key]).ln();
        let mut best = (first, score(first));
        for arm in std::iter::once(second).chain(candidates) {
            let scored = score(arm);
            if scored > best.1 {
                best = (arm, scored);
            }
        }
        Some(best.0.version)
    }

    /// Versions that get a copy of the request with `key`, never the one that answers it.
    pub fn mirrors_of(&self, key: &str, answering: i64) -> Vec<i64> {
        let copied = |mirror: &&Mirror| {
            mirror.version != answering
                && unit(&[&self.model, &format!("mirror {}", mirror.version), key]) < mirror.fraction
        };
        self.mirrors.iter().filter(copied).map(|mirror| mirror.version).collect()
    }

    /// Hash of `key`, never 0, independent of those that choose the version and the mirrors; 0 where there is no choice:
    /// fewer than two arms have a weight.
    pub fn unit_of(&self, key: &str) -> u64 {
        let is_choice = self.arms.iter().filter(|arm| arm.weight > 0.0).nth(1).is_some();
        if is_choice { hash64(&["unit", &self.model, key]).max(1) } else { 0 }
    }
}

/// A hash of the parts as a number in (0, 1).
pub fn unit(parts: &[&str]) -> f64 {
    ((hash64(parts) as f64 + 0.5) / 18_446_744_073_709_551_616.0).min(1.0_f64.next_down())
}

/// A hash of the parts: all 64 bits.
pub fn hash64(parts: &[&str]) -> u64 {
    let mut hash = Blake2b::<U8>::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    u64::from_be_bytes(hash.finalize().into())
}

/// Partition of a key as Kafka's default partitioner places it: murmur2, made positive.
/// Source: org.apache.kafka.common.utils.Utils.murmur2.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash: u32 = 0x9747_b28c ^ key.len() as u32;
    let (chunks, rest) = key.as_chunks::<4>();
    for chunk in chunks {
        let mut word = u32::from_le_bytes(*chunk).wrapping_mul(M);
        word ^= word >> 24;
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    for (position, &byte) in rest.iter().enumerate() {
        hash ^= u32::from(byte) << (8 * position);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    (hash & 0x7fff_ffff) as i32 % partitions.max(1)
}
