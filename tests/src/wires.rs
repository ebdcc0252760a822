//! The wires of a lab as lines for `ip`: which namespaces there are, who is plugged in where, who has which address.
//! Pure; [`crate::lab`] runs the lines.

use crate::spec::{CLIENT, GATEWAY, GATEWAY_CLIENT_SIDE, LabSpec, OUTSIDE, PREFIX_LENGTH, Role};

/// A link address.
pub type Mac = [u8; 6];

/// The machine that is the bridge.
pub const SWITCH_MACHINE: &str = "switch";
/// The machine behind the gateway.
pub const CLIENT_MACHINE: &str = "client";
/// The machine on the bridge that is no node.
pub const OUTSIDE_MACHINE: &str = "outside";
/// The gateway, a node like the others.
pub const GATEWAY_MACHINE: &str = "gw";
/// The bridge in the switch.
pub const BRIDGE: &str = "br0";

/// Every machine of the lab: nodes, switch, clients.
pub fn machines(spec: &LabSpec) -> Vec<String> {
    let nodes = spec.nodes.iter().map(|node| node.name.clone());
    nodes.chain([SWITCH_MACHINE, CLIENT_MACHINE, OUTSIDE_MACHINE].map(str::to_owned)).collect()
}

/// The ports of the switch, each named after the machine at its other end.
pub fn ports(spec: &LabSpec) -> Vec<String> {
    let nodes = spec.nodes.iter().map(|node| node.name.clone());
    nodes.chain([OUTSIDE_MACHINE.to_owned()]).collect()
}

/// The ends of wires that need an XDP program so that what the agents transmit gets through: (machine, interface).
pub fn far_ends(spec: &LabSpec) -> Vec<(String, String)> {
    let switch = ports(spec).into_iter().map(|port| (SWITCH_MACHINE.to_owned(), port));
    switch.chain([(CLIENT_MACHINE.to_owned(), "eth0".to_owned())]).collect()
}

/// The link address of `eth0` of a machine on the switch.
///
/// # Panics
/// When there is no such port: a mistake in the test.
pub fn mac(spec: &LabSpec, machine: &str) -> Mac {
    let index = ports(spec).iter().position(|port| port == machine);
    let index = index.unwrap_or_else(|| panic!("no machine {machine} on the switch"));
    [0x02, 0xaf, 0xc0, 0, 0, index as u8 + 1]
}

/// A link address as `ip` writes it.
fn written(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Lines for `ip` outside every namespace: lays the wires. `prefix` begins the namespaces' names.
pub fn links(spec: &LabSpec, prefix: &str) -> Vec<String> {
    let plugged = ports(spec).into_iter().map(|machine| {
        let mac = written(mac(spec, &machine));
        format!(
            "link add name eth0 address {mac} netns {prefix}-{machine} \
             type veth peer name {machine} netns {prefix}-{SWITCH_MACHINE}"
        )
    });
    let behind_the_gateway = format!(
        "link add name eth0 address 02:af:c0:00:01:0a netns {prefix}-{CLIENT_MACHINE} \
         type veth peer name eth1 address 02:af:c0:00:01:01 netns {prefix}-{GATEWAY_MACHINE}"
    );
    plugged.chain([behind_the_gateway]).collect()
}

/// Lines for `ip` inside one machine: addresses, routes, links up.
pub fn inside(spec: &LabSpec, machine: &str) -> Vec<String> {
    let mut lines = vec!["link set lo up".to_owned()];
    match machine {
        SWITCH_MACHINE => {
            lines.push(format!("link add {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"));
            lines.push(format!("link set {BRIDGE} up"));
            lines.extend(ports(spec).iter().map(|port| format!("link set {port} up master {BRIDGE}")));
        }
        CLIENT_MACHINE => {
            lines.push(address(CLIENT, "eth0"));
            lines.push("link set eth0 up".to_owned());
            // On-link, so that the client asks for virtual IPs by ARP on its own wire and the gateway answers.
            lines.push("route add 10.0.0.0/24 dev eth0".to_owned());
        }
        OUTSIDE_MACHINE => {
            lines.push(address(OUTSIDE, "eth0"));
            lines.push("link set eth0 up".to_owned());
        }
        node => lines.extend(inside_node(spec, node)),
    }
    lines
}

/// The lines of a node of the cluster.
fn inside_node(spec: &LabSpec, name: &str) -> Vec<String> {
    let node = spec.node(name);
    let mut lines = vec![address(node.address(), "eth0"), "link set eth0 up".to_owned()];
    match node.role {
        Role::Gateway => {
            lines.push(address(GATEWAY_CLIENT_SIDE, "eth1"));
            lines.push("link set eth1 up".to_owned());
        }
        Role::Member | Role::Witness => lines.push(format!("route add 192.0.2.0/24 via {GATEWAY}")),
    }
    lines
}

/// The line that gives an interface its address.
fn address(address: std::net::Ipv4Addr, interface: &str) -> String {
    format!("address add {address}/{PREFIX_LENGTH} dev {interface}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_but_the_client_is_plugged_into_the_switch() {
        let spec = LabSpec::five_nodes();
        let lines = links(&spec, "afc-1-0");
        let to_the_switch = lines.iter().filter(|line| line.ends_with("netns afc-1-0-switch")).count();
        assert_eq!(to_the_switch, ports(&spec).len());
        assert_eq!(lines.len(), to_the_switch + 1);
        assert_eq!(machines(&spec).len(), 9);
    }

    #[test]
    fn only_nodes_behind_the_bridge_route_to_the_clients_through_the_gateway() {
        let spec = LabSpec::five_nodes();
        let route = "route add 192.0.2.0/24 via 10.0.0.254".to_owned();
        assert!(inside(&spec, "n5").contains(&route));
        assert!(!inside(&spec, "gw").contains(&route));
        assert!(inside(&spec, "gw").contains(&"address add 192.0.2.1/24 dev eth1".to_owned()));
    }

    #[test]
    fn names_of_interfaces_fit_into_the_kernel_limit() {
        let too_long = |port: &String| port.len() > 15;
        assert!(!ports(&LabSpec::five_nodes()).iter().any(too_long));
    }
}
