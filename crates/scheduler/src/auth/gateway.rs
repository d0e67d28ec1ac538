//! How the machine around a container calls in: a port that is published on the host's loopback reaches the
//! container from its default gateway, which is the host's end of the container's bridge.
//!
//! Only where it is sure to be that: in a container of Docker or Podman whose default route goes through one end of
//! a virtual cable. Otherwise the default gateway is the router of a network, and strangers may come from there.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// What container engines leave in a container.
const MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// Of a route in `/proc/net/route`: it is up, and leads to a gateway.
const UP_AND_GATEWAY: u32 = 3;

/// The address from which the machine around this container calls; `None` outside of one, and when it is not sure.
pub fn of_container() -> Option<IpAddr> {
    if !MARKS.iter().any(|mark| Path::new(mark).exists()) {
        return None;
    }
    let table = std::fs::read_to_string("/proc/net/route").ok()?;
    let (interface, gateway) = default_route(&table)?;
    let about = |what: &str| std::fs::read_to_string(format!("/sys/class/net/{interface}/{what}")).ok();
    is_cable(&about("ifindex")?, &about("iflink")?, &about("uevent")?).then_some(IpAddr::V4(gateway))
}

/// The interface and gateway of the default route that is preferred.
fn default_route(table: &str) -> Option<(&str, Ipv4Addr)> {
    let routes = table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (interface, destination) = (fields.next()?, fields.next()?);
        let gateway = u32::from_str_radix(fields.next()?, 16).ok()?;
        let flags = u32::from_str_radix(fields.next()?, 16).ok()?;
        let metric: u32 = fields.nth(2)?.parse().ok()?;
        let mask = fields.next()?;
        let default =
            destination == "00000000" && mask == "00000000" && flags & UP_AND_GATEWAY == UP_AND_GATEWAY;
        // The kernel writes the four bytes as the number that they are in memory.
        default.then(|| (metric, interface, Ipv4Addr::from(gateway.to_ne_bytes())))
    });
    routes.min_by_key(|(metric, ..)| *metric).map(|(_, interface, gateway)| (interface, gateway))
}

/// Whether an interface is one end of a cable: its other end has another number, and it is no share of a
/// machine's own interface, as macvlan and ipvlan are.
fn is_cable(index: &str, link: &str, uevent: &str) -> bool {
    let kind = uevent.lines().find_map(|line| line.strip_prefix("DEVTYPE="));
    index.trim() != link.trim() && kind.is_none_or(|kind| kind == "veth")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_default_route_that_is_preferred_names_the_gateway() {
        let routes = "eth1\t00000000\t010013AC\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let table = format!("{HEAD}{routes}");
        assert_eq!(default_route(&table), Some(("eth0", Ipv4Addr::new(172, 17, 0, 1))));
        for none in
            ["", HEAD, "x", &format!("{HEAD}eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n")]
        {
            assert_eq!(default_route(none), None, "{none}");
        }
    }

    #[test]
    fn only_the_end_of_a_cable_leads_to_the_machine_around() {
        assert!(is_cable("2\n", "17\n", "INTERFACE=eth0\nIFINDEX=2\n"));
        assert!(!is_cable("2\n", "2\n", "INTERFACE=eth0\nIFINDEX=2\n"), "the machine's own interface");
        assert!(!is_cable("2\n", "3\n", "DEVTYPE=macvlan\nINTERFACE=eth0\n"), "a share of one");
    }
}
