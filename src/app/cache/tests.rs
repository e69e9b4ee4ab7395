use std::{
    cell::Cell,
    collections::HashMap,
    sync::{Arc, Barrier},
};

use proptest::prelude::*;

use super::*;
use crate::{ambient, domain::Error};

const TTL: Duration = Duration::from_mins(1);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn kept(entries: usize, bytes: usize) -> Kept<u8, u32> {
    Kept::new(Bounds { entries, bytes, ttl: TTL })
}

fn cache() -> Cache<u8, u32> {
    Cache::new(Bounds { entries: 10, bytes: 1_000, ttl: TTL })
}

#[test]
fn what_is_kept_is_believed_for_its_time() {
    let mut kept = kept(10, 100);
    kept.put(1, 7, 3, at(5));
    assert_eq!(kept.get(&1, at(64)), Some(&7));
    assert_eq!(kept.get(&1, at(65)), None);
    assert_eq!((kept.len(), kept.bytes), (0, 0));
}

#[test]
fn a_ttl_of_nothing_keeps_nothing() {
    let mut kept = Kept::new(Bounds { entries: 10, bytes: 100, ttl: Duration::ZERO });
    kept.put(1, 7, 3, at(5));
    assert_eq!(kept.get(&1, at(5)), None);
    assert_eq!(kept.len(), 0);
}

#[test]
fn what_was_not_asked_for_the_longest_goes_first() {
    let mut kept = kept(2, 100);
    kept.put(1, 1, 1, at(0));
    kept.put(2, 2, 1, at(0));
    assert_eq!(kept.get(&1, at(1)), Some(&1));
    kept.put(3, 3, 1, at(1));
    assert_eq!([1, 2, 3].map(|key| kept.get(&key, at(1)).copied()), [Some(1), None, Some(3)]);
}

#[test]
fn what_is_too_large_makes_room_or_is_not_kept() {
    let mut kept = kept(10, 10);
    (1..=3).for_each(|key| kept.put(key, key.into(), 3, at(0)));
    kept.put(4, 4, 7, at(0));
    assert_eq!([1, 2, 3, 4].map(|key| kept.contains(&key)), [false, false, true, true]);
    // The one that it would replace is not what was asked for any more.
    kept.put(4, 5, 11, at(0));
    assert_eq!([3, 4].map(|key| kept.contains(&key)), [true, false]);
    assert_eq!(kept.bytes, 3);
}

#[test]
fn an_answer_is_made_once_and_an_error_each_time() {
    let (cache, times) = (cache(), Cell::new(0));
    let make = || {
        times.set(times.get() + 1);
        Ok((7, 1))
    };
    for _ in 0..3 {
        assert_eq!(cache.find(1, at(0), make).unwrap(), 7);
    }
    for _ in 0..2 {
        cache.find(2, at(0), || Err(Error::not_found("it"))).unwrap_err();
    }
    assert_eq!(times.get(), 1);
    assert_eq!(cache.uses(), CacheUse { hits: 2, misses: 3, entries: 1 });
}

#[test]
fn what_was_read_before_a_change_is_not_kept_after_it() {
    for change in
        [|cache: &Cache<u8, u32>| cache.forget(|_| false), |cache: &Cache<u8, u32>| cache.clear()]
    {
        let cache = cache();
        let read = cache.find(1, at(0), || {
            change(&cache);
            Ok((1, 1))
        });
        // Who asked before the change may be told what was then.
        assert_eq!(read.unwrap(), 1);
        assert_eq!(cache.find(1, at(0), || Ok((2, 1))).unwrap(), 2);
        assert_eq!(cache.find(1, at(0), || Ok((3, 1))).unwrap(), 2);
    }
}

#[test]
fn many_at_once_never_see_what_was_before_an_answered_change() {
    let (cache, truth) = (Arc::new(cache()), Arc::new(AtomicU64::new(0)));
    let start = Arc::new(Barrier::new(4));
    let look = |cache: &Cache<u8, u32>, truth: &AtomicU64| {
        let read = || Ok((u32::try_from(truth.load(Ordering::SeqCst)).unwrap(), 1));
        cache.find(1, at(0), read).unwrap()
    };
    let readers = (0..3).map(|_| {
        let (cache, truth, start) = (Arc::clone(&cache), Arc::clone(&truth), Arc::clone(&start));
        ambient::thread("reader", move || {
            start.wait();
            for _ in 0..20_000 {
                look(&cache, &truth);
            }
        })
        .unwrap()
    });
    let readers: Vec<_> = readers.collect();
    start.wait();
    for n in 1..=5_000 {
        // Committed, then signaled, then answered: from here on everybody must see it.
        truth.store(n, Ordering::SeqCst);
        cache.forget(|_| true);
        assert_eq!(u64::from(look(&cache, &truth)), n);
    }
    for reader in readers {
        reader.join().unwrap();
    }
}

/// What may happen to a cache.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Find(u8, usize),
    /// The value of a key changes, and what is kept of it is let go of.
    Change(u8),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u64..40).prop_map(Step::Wait),
        (0_u8..6, 0_usize..60).prop_map(|(key, bytes)| Step::Find(key, bytes)),
        (0_u8..6).prop_map(Step::Change),
        Just(Step::Clear),
    ]
}

proptest! {
    /// The model is the database: whatever happens, the cache says what the database would, keeps to its bounds,
    /// and asks again only for what it may have let go of.
    #[test]
    fn it_says_what_the_database_says(steps in prop::collection::vec(step(), 1..200)) {
        let bounds = Bounds { entries: 4, bytes: 100, ttl: TTL };
        let cache = Cache::new(bounds);
        let (mut now, mut truth) = (Duration::ZERO, HashMap::<u8, u32>::new());
        let mut asked = HashMap::<u8, Duration>::new();
        for step in steps {
            match step {
                Step::Wait(seconds) => now += at(seconds),
                Step::Change(key) => {
                    *truth.entry(key).or_default() += 1;
                    cache.forget(|(of, _): &(u8, u32)| *of == key);
                    asked.remove(&key);
                }
                Step::Clear => {
                    cache.clear();
                    asked.clear();
                }
                Step::Find(key, bytes) => {
                    let (expected, made) = ((key, truth.get(&key).copied().unwrap_or(0)), Cell::new(false));
                    let found = cache.find(key, now, || {
                        made.set(true);
                        Ok((expected, bytes))
                    });
                    prop_assert_eq!(found.unwrap(), expected);
                    if made.get() {
                        asked.insert(key, now);
                    } else {
                        prop_assert!(now < asked[&key] + TTL);
                    }
                }
            }
            let inner = lock(&cache.inner);
            let held: usize = inner.kept.entries.iter().map(|(_, entry)| entry.bytes).sum();
            prop_assert_eq!(inner.kept.bytes, held);
            prop_assert!(held <= bounds.bytes && inner.kept.len() <= bounds.entries);
        }
    }
}
