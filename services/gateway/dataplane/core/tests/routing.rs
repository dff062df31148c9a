//! Which version answers: fixed choices, shares, stability; where Kafka places a key.

mod common;

use common::table;
use tidemill_dataplane_core::routing::{Mirror, Table, hash64, partition_of, unit};

const KEYS: usize = 4_000;

fn keys() -> impl Iterator<Item = String> {
    (0..KEYS).map(|number| format!("key-{number}"))
}

fn with_mirrors(mut table: Table, mirrors: &[(i64, f64)]) -> Table {
    table.mirrors = mirrors.iter().map(|&(version, fraction)| Mirror { version, fraction }).collect();
    table
}

/// Whether `hits` of `KEYS` are within 4 sigma of `share`.
fn fits(hits: usize, share: f64) -> bool {
    let sigma = (KEYS as f64 * share * (1.0 - share)).sqrt();
    (hits as f64 - KEYS as f64 * share).abs() <= 4.0 * sigma
}

#[test]
fn the_hash_is_blake2b_of_the_parts_each_ended_by_zero() {
    // Python: int.from_bytes(hashlib.blake2b(b"taxi\0arm 1\0alice\0", digest_size=8).digest(), "big").
    assert_eq!(unit(&["taxi", "arm 1", "alice"]), 0.9178455137631132);
    assert_eq!(unit(&["taxi", "mirror 2", "ключ"]), 0.7506985460262796);
    assert_eq!(unit(&["log", "p-1"]), 0.15894939802827202);
    assert_ne!(unit(&["a", "b"]), unit(&["ab"]));
    assert_ne!(unit(&["a", ""]), unit(&["a"]));
}

#[test]
fn the_hash_lies_strictly_between_0_and_1() {
    assert!(keys().all(|key| (f64::MIN_POSITIVE..1.0).contains(&unit(&[&key]))));
}

#[test]
fn choices_are_the_same_in_every_build() {
    let table = table(&[(1, 0.7), (2, 0.3)]);
    let chosen: Vec<i64> = (0..20).map(|number| table.choose(&format!("key-{number}")).unwrap()).collect();
    assert_eq!(chosen, [1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 2, 1, 1, 1, 1, 2, 1, 1]);
}

#[test]
fn a_route_without_weight_chooses_nothing() {
    assert_eq!(table(&[]).choose("key"), None);
    assert_eq!(table(&[(1, 0.0), (2, 0.0)]).choose("key"), None);
    assert_eq!(table(&[(1, -1.0), (2, f64::NAN)]).choose("key"), None);
}

#[test]
fn an_arm_that_is_alone_with_weight_answers_everything() {
    let table = table(&[(1, 0.0), (2, 1e-9)]);
    assert!(keys().take(1000).all(|key| table.choose(&key) == Some(2)));
}

#[test]
fn shares_follow_the_weights_whatever_their_sum() {
    for scale in [1.0, 250.0] {
        let table = table(&[(1, 0.6 * scale), (2, 0.3 * scale), (3, 0.1 * scale), (4, 0.0)]);
        let mut hits = [0; 5];
        keys().for_each(|key| hits[table.choose(&key).unwrap() as usize] += 1);
        assert!(fits(hits[1], 0.6) && fits(hits[2], 0.3) && fits(hits[3], 0.1), "{hits:?}");
        assert_eq!(hits[4], 0);
    }
}

#[test]
fn a_key_is_routed_the_same_in_whatever_order_the_arms_stand() {
    let (one, other) = (table(&[(1, 0.5), (2, 0.3), (3, 0.2)]), table(&[(3, 0.2), (1, 0.5), (2, 0.3)]));
    assert!(keys().all(|key| one.choose(&key) == other.choose(&key)));
}

#[test]
fn keys_of_one_model_say_nothing_of_another() {
    let one = table(&[(1, 0.5), (2, 0.5)]);
    let other = Table { model: "rain".to_owned(), ..one.clone() };
    let same = keys().filter(|key| one.choose(key) == other.choose(key)).count();
    assert!(fits(same, 0.5), "{same}");
}

#[test]
fn an_arm_that_grows_only_gains_keys() {
    let mut before = table(&[(1, 0.9), (2, 0.1)]);
    for weight in [0.2, 0.5, 1.0, 9.0] {
        let after = table(&[(1, 0.9), (2, weight)]);
        let mut gained = 0;
        for key in keys() {
            let (was, is) = (before.choose(&key), after.choose(&key));
            assert!(was == is || is == Some(2), "{key} went from {was:?} to {is:?}");
            gained += usize::from(was != is);
        }
        assert!(gained > 0);
        before = after;
    }
}

#[test]
fn a_new_arm_takes_keys_and_moves_no_other() {
    let (before, after) = (table(&[(1, 0.5), (2, 0.5)]), table(&[(1, 0.5), (2, 0.5), (3, 0.5)]));
    assert!(keys().all(|key| [before.choose(&key), Some(3)].contains(&after.choose(&key))));
}

#[test]
fn a_mirror_gets_its_fraction_of_the_traffic() {
    let table = with_mirrors(table(&[(1, 1.0)]), &[(2, 0.25), (3, 0.0), (4, 1.0)]);
    let mut hits = [0; 5];
    for key in keys() {
        table.mirrors_of(&key, 1).into_iter().for_each(|version| hits[version as usize] += 1);
    }
    assert!(fits(hits[2], 0.25), "{hits:?}");
    assert_eq!((hits[3], hits[4]), (0, KEYS));
}

#[test]
fn a_mirror_is_never_the_version_that_answers() {
    let table = with_mirrors(table(&[(1, 0.5), (2, 0.5)]), &[(1, 1.0), (2, 1.0)]);
    for key in keys() {
        let answering = table.choose(&key).unwrap();
        assert_eq!(table.mirrors_of(&key, answering), [3 - answering]);
    }
}

#[test]
fn a_mirror_whose_fraction_grows_keeps_its_keys() {
    let small = with_mirrors(table(&[(1, 1.0)]), &[(2, 0.1)]);
    let large = with_mirrors(table(&[(1, 1.0)]), &[(2, 0.2)]);
    let kept = |key: &String| small.mirrors_of(key, 1).is_empty() || large.mirrors_of(key, 1) == [2];
    assert!(keys().all(|key| kept(&key)));
}

#[test]
fn a_unit_is_a_hash_of_model_and_key() {
    let one = table(&[(1, 0.5), (2, 0.5)]);
    // Python: int.from_bytes(hashlib.blake2b(b"unit\0taxi\0alice\0", digest_size=8).digest(), "big").
    assert_eq!(one.unit_of("alice"), 5_306_626_985_967_175_883);
    assert_eq!(one.unit_of("alice"), hash64(&["unit", "taxi", "alice"]));
    assert_eq!(one.unit_of("alice"), table(&[(1, 0.1), (2, 0.2), (3, 0.7)]).unit_of("alice"));
    assert_ne!(one.unit_of("alice"), Table { model: "rain".to_owned(), ..one }.unit_of("alice"));
}

#[test]
fn units_say_nothing_of_the_arm() {
    let table = table(&[(1, 0.5), (2, 0.5)]);
    let is_low = |key: &String| table.unit_of(key) < u64::MAX / 2;
    assert!(fits(keys().filter(is_low).count(), 0.5));
    let same = keys().filter(|key| is_low(key) == (table.choose(key) == Some(1))).count();
    assert!(fits(same, 0.5), "{same}");
}

#[test]
fn there_is_no_unit_where_there_is_no_choice() {
    for arms in [&[][..], &[(1, 1.0)], &[(1, 1.0), (2, 0.0)], &[(1, -1.0), (2, f64::NAN)]] {
        assert!(keys().take(100).all(|key| table(arms).unit_of(&key) == 0), "{arms:?}");
    }
}

#[test]
fn partitions_are_those_of_kafkas_default_partitioner() {
    // Source: org.apache.kafka.common.utils.UtilsTest.testMurmur2; the partitioner clears the sign bit.
    let known: [(&[u8], i32); 6] = [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ];
    for (key, hash) in known {
        let positive = hash & i32::MAX;
        for partitions in [1, 3, 12, 1000, i32::MAX] {
            assert_eq!(partition_of(key, partitions), positive % partitions);
        }
    }
}

#[test]
fn a_topic_without_partitions_is_taken_to_have_one() {
    assert_eq!(partition_of(b"abc", 0), 0);
    assert_eq!(partition_of(b"abc", -4), 0);
}
