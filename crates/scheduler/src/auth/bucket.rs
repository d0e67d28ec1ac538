//! So much a second and no more: a bucket that fills with time and is emptied by use.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How fast a bucket fills, and how much it holds: a second's worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    per_second: u32,
}

impl Rate {
    /// So many a second; none for 0, which is no limit.
    pub(super) fn new(per_second: u32) -> Option<Self> {
        (per_second > 0).then_some(Self { per_second })
    }

    fn period(self) -> Duration {
        Duration::from_secs(1) / self.per_second
    }
}

/// One bucket, full at the start. Knows only when it is full again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes one; `false` if the bucket is empty.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        if self.is_empty(rate, now) {
            return false;
        }
        self.full_at = Some(self.full_at.map_or(now, |at| at.max(now)) + rate.period());
        true
    }

    /// Whether there is nothing to be taken.
    pub(super) fn is_empty(self, rate: Rate, now: Instant) -> bool {
        let missing = self.full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        missing + rate.period() > rate.period() * rate.per_second
    }

    fn is_full(self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }
}

/// A bucket for each of many, but only for so many: who comes after them shares one.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    rate: Rate,
    most: usize,
    each: HashMap<K, Bucket>,
    shared: Bucket,
}

impl<K: Eq + Hash> Buckets<K> {
    /// Buckets for `most` at once.
    pub(super) fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most, each: HashMap::new(), shared: Bucket::default() }
    }

    /// Takes one of this one's; `false` if there is none.
    pub(super) fn take(&mut self, key: K, now: Instant) -> bool {
        if self.each.len() >= self.most && !self.each.contains_key(&key) {
            self.each.retain(|_, bucket| !bucket.is_full(now));
            if self.each.len() >= self.most {
                return self.shared.take(self.rate, now);
            }
        }
        self.each.entry(key).or_default().take(self.rate, now)
    }

    /// Whether this one's is empty.
    pub(super) fn is_empty(&self, key: &K, now: Instant) -> bool {
        let others = || if self.each.len() >= self.most { self.shared } else { Bucket::default() };
        self.each.get(key).copied().unwrap_or_else(others).is_empty(self.rate, now)
    }
}

/// The network that one person has: an address of IPv4, and of IPv6 the half that is not theirs to choose.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, rate: Rate, now: Instant) -> usize {
        (0..1000).take_while(|_| bucket.take(rate, now)).count()
    }

    #[test]
    fn a_bucket_gives_a_seconds_worth_at_once_and_then_as_fast_as_it_fills() {
        let (rate, start) = (Rate::new(10).unwrap(), Instant::now());
        let mut bucket = Bucket::default();
        assert_eq!(taken(&mut bucket, rate, start), 10);
        let later = |millis| start + Duration::from_millis(millis);
        assert_eq!(taken(&mut bucket, rate, later(99)), 0);
        assert_eq!(taken(&mut bucket, rate, later(300)), 3);
        assert_eq!(taken(&mut bucket, rate, later(60_000)), 10, "and holds no more than it did");
        assert!(Rate::new(0).is_none());
        let one = Rate::new(1).unwrap();
        assert_eq!(taken(&mut Bucket::default(), one, start), 1);
    }

    #[test]
    fn whoever_comes_after_too_many_shares_a_bucket_until_one_is_full_again() {
        let start = Instant::now();
        let mut buckets = Buckets::new(Rate::new(2).unwrap(), 3);
        assert!((0..3).all(|key| buckets.take(key, start)));
        assert!(buckets.take(3, start) && buckets.take(4, start));
        assert!(!buckets.take(5, start), "they share two");
        assert!(buckets.is_empty(&6, start) && !buckets.is_empty(&0, start));
        assert!(buckets.take(0, start) && !buckets.take(0, start));
        assert_eq!(buckets.each.len(), 3);
        let later = start + Duration::from_secs(2);
        assert!((7..10).all(|key| buckets.take(key, later)));
        assert_eq!(buckets.each.len(), 3);
    }

    #[test]
    fn one_network_of_ipv6_is_one_caller() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::9"));
        assert_ne!(network("2001:db8:1:3::"), network("2001:db8:1:2::"));
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }
}
