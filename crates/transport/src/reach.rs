//! Which addresses may be dialled for somebody else. A worker says where it is to be reached, and whoever can say that
//! could make a coordinator knock at doors that are closed to himself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All: an operator named them.
    Anywhere,
    /// Those where a worker can be. Its own machine only if it spoke from there.
    Worker {
        /// Whether it is on this machine.
        here: bool,
    },
}

impl Reach {
    /// Why `address` is not dialled; none when it is.
    pub fn refusal(self, address: IpAddr) -> Option<&'static str> {
        match self {
            Self::Anywhere => None,
            Self::Worker { here } => refusal(address, here),
        }
    }
}

/// Where clouds answer machines about themselves, beside 169.254.169.254.
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

fn refusal(address: IpAddr, here: bool) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refusal_v4(address, here),
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => refusal_v4(address, here),
            None => refusal_v6(address, here),
        },
    }
}

fn refusal_v4(address: Ipv4Addr, here: bool) -> Option<&'static str> {
    if address.is_loopback() {
        (!here).then_some("it is a loopback address, and the worker is not on this machine")
    } else if address.octets()[0] == 0 {
        Some("it is unspecified")
    } else if address.is_link_local() {
        Some("it is link-local")
    } else if address == METADATA_V4 {
        Some("it is a cloud's metadata service")
    } else if address.is_multicast() {
        Some("it is multicast")
    } else if address.is_broadcast() {
        Some("it is broadcast")
    } else {
        None
    }
}

fn refusal_v6(address: Ipv6Addr, here: bool) -> Option<&'static str> {
    if address.is_loopback() {
        (!here).then_some("it is a loopback address, and the worker is not on this machine")
    } else if address.is_unspecified() {
        Some("it is unspecified")
    } else if address.is_unicast_link_local() {
        Some("it is link-local")
    } else if METADATA_V6.contains(&address) {
        Some("it is a cloud's metadata service")
    } else if address.is_multicast() {
        Some("it is multicast")
    } else {
        None
    }
}

/// The IPv4 address in one that stands for it: mapped, compatible, translated (RFC 6052) or 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if address.is_loopback() || address.is_unspecified() {
        return None;
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(of(g, h)),
        // The prefix of networks that translate on their own (RFC 8215), in the layout of 96 bits.
        [0x64, 0xff9b, 1, ..] => Some(of(g, h)),
        [0x2002, ..] => Some(of(b, c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, here: bool) -> bool {
        Reach::Worker { here }.refusal(address.parse().unwrap()).is_some()
    }

    #[test]
    fn an_address_where_no_worker_can_be_is_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.0.1",
            "169.254.169.254",
            "100.100.100.200",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "fd20:ce::254",
            "64:ff9b:1::a9fe:a9fe",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "::ffff:0.0.0.0",
            "::ffff:224.0.0.1",
        ] {
            assert!(refused(address, false), "{address}");
            assert!(refused(address, true), "{address} from this machine");
        }
    }

    #[test]
    fn this_machine_is_dialled_for_those_only_who_are_on_it() {
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"] {
            assert!(refused(address, false), "{address}");
            assert!(!refused(address, true), "{address}");
        }
    }

    #[test]
    fn an_address_where_a_worker_can_be_is_dialled() {
        for address in
            ["10.0.0.1", "172.18.0.4", "192.168.1.9", "100.64.0.1", "203.0.113.7", "fd00::1", "2001:db8::1"]
        {
            assert!(!refused(address, false), "{address}");
        }
        assert_eq!(Reach::Anywhere.refusal("127.0.0.1".parse().unwrap()), None);
    }
}
