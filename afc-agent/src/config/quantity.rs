//! Converters from TOML values to typed quantities: durations, sizes, ratios, addresses, names.
//!
//! Each looks at one value alone; whether values fit each other is checked by the readers.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use toml::de::DeValue;

use super::{Amount, ListMode, Ratio, Safety, VirtualAddress, XdpMode, document::Problem};
use crate::config::Role;

/// Bytes in the name of a cluster, node or service, at most (a host name has 64).
pub(super) const MAX_NAME_BYTES: usize = 64;
/// Bytes in an interface's name, at most (`IFNAMSIZ` less the final zero).
const MAX_INTERFACE_BYTES: usize = 15;
/// IPv4 addresses have this many bits.
const ADDRESS_BITS: u8 = 32;

/// Any string but the empty one.
pub(super) fn text(value: &DeValue<'_>) -> Result<String, Problem> {
    let Some(text) = value.as_str() else {
        return Err(Problem::new(format!("is {}, not a string", a_kind(value)), "put it into quotes"));
    };
    if text.is_empty() {
        return Err(Problem::new("is empty", "write a value, or leave the setting out"));
    }
    if text.contains('\0') {
        return Err(Problem::new("contains a NUL character", "leave it out"));
    }
    Ok(text.to_owned())
}

/// The name of a cluster, node or service: it becomes part of paths, metrics and messages.
pub(super) fn name(value: &DeValue<'_>) -> Result<String, Problem> {
    let name = text(value)?;
    if name.len() > MAX_NAME_BYTES {
        let problem = format!("has {} bytes", name.len());
        return Err(Problem::new(problem, format!("use at most {MAX_NAME_BYTES}")));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.chars().all(fits) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        let fix = "use letters, digits, - _ and . and begin with a letter or a digit";
        return Err(Problem::new(format!("{name:?} cannot be a name"), fix));
    }
    Ok(name)
}

/// The name of a network interface.
pub(super) fn interface(value: &DeValue<'_>) -> Result<String, Problem> {
    let name = text(value)?;
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace();
    if name.len() > MAX_INTERFACE_BYTES || name.contains(bad) || name == "." || name == ".." {
        return Err(Problem::new(
            format!("{name:?} cannot be an interface"),
            "see `ip link` for their names",
        ));
    }
    Ok(name)
}

/// A path; relative ones are resolved by the caller.
pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, Problem> {
    text(value).map(PathBuf::from)
}

/// A path from the root, so that it means the same wherever the file lies.
pub(super) fn absolute_path(value: &DeValue<'_>) -> Result<PathBuf, Problem> {
    let path = path(value)?;
    if path.is_absolute() {
        return Ok(path);
    }
    Err(Problem::new(format!("{path:?} is not an absolute path"), "write it out from the root, from / on"))
}

/// `true` or `false`.
pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| Problem::new(format!("is {}", a_kind(value)), "write true or false"))
}

/// A whole number from 0 up.
pub(super) fn whole(value: &DeValue<'_>) -> Result<u64, Problem> {
    let Some(number) = value.as_integer() else {
        return Err(Problem::new(
            format!("is {}, not a whole number", a_kind(value)),
            "write it without quotes",
        ));
    };
    let parsed = u64::from_str_radix(number.as_str(), number.radix());
    parsed.map_err(|_| Problem::new(format!("{number} is out of range"), "write a number from 0 up"))
}

/// A number above 0, whole or not.
pub(super) fn positive(value: &DeValue<'_>) -> Result<f64, Problem> {
    let number = match (value.as_integer(), value.as_float()) {
        (Some(_), _) => Some(whole(value)? as f64),
        (None, Some(float)) => float.as_str().replace('_', "").parse().ok(),
        (None, None) => None,
    };
    let number = number.filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| Problem::new("is not a number above 0", "write one, without quotes"))
}

/// A port: 1 to 65535.
pub(super) fn port(value: &DeValue<'_>) -> Result<u16, Problem> {
    let number = whole(value)?;
    let port = u16::try_from(number).ok().filter(|&port| port != 0);
    port.ok_or_else(|| Problem::new(format!("{number} is no port"), "write a number from 1 to 65535"))
}

/// A duration as in `"5ms"` or `"2s"`.
pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration, Problem> {
    let fix = "write a number and a unit, for example \"5ms\" or \"2s\"";
    let Some(text) = value.as_str() else {
        return Err(Problem::new(format!("is {}, not a duration", a_kind(value)), fix));
    };
    let duration = humantime::parse_duration(text);
    let duration = duration.map_err(|_| Problem::new(format!("{text:?} is not a duration"), fix))?;
    if duration.is_zero() {
        return Err(Problem::new("is zero", "write a longer time"));
    }
    Ok(duration)
}

/// A share as in `"85%"`: above 0, up to 100 %.
pub(super) fn ratio(value: &DeValue<'_>) -> Result<Ratio, Problem> {
    let text = text(value)?;
    let wrong =
        || Problem::new(format!("{text:?} is no share"), "write more than 0% and up to 100%, as in \"85%\"");
    let percent: f64 =
        text.strip_suffix('%').and_then(|digits| digits.trim().parse().ok()).ok_or_else(wrong)?;
    if !(percent > 0.0 && percent <= 100.0) {
        return Err(wrong());
    }
    Ok(Ratio(percent / 100.0))
}

/// An amount of memory: `"512MiB"`, or a share of it as in `"10%"`.
pub(super) fn amount(value: &DeValue<'_>) -> Result<Amount, Problem> {
    let written = text(value)?;
    if written.ends_with('%') {
        return ratio(value).map(Amount::Share);
    }
    let fix = "write it as in \"512MiB\", or as in \"10%\"";
    size(&written).map(Amount::Bytes).ok_or_else(|| Problem::new(format!("{written:?} is no size"), fix))
}

/// A size: `"512MiB"`.
pub(super) fn bytes(value: &DeValue<'_>) -> Result<u64, Problem> {
    let written = text(value)?;
    let wrong = || Problem::new(format!("{written:?} is no size"), "write it as in \"512MiB\"");
    size(&written).ok_or_else(wrong)
}

fn size(written: &str) -> Option<u64> {
    let digits = written.find(|c: char| !c.is_ascii_digit()).unwrap_or(written.len());
    let (number, unit) = written.split_at(digits);
    let shift = match unit.trim() {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    number.checked_mul(1 << shift).filter(|&bytes| bytes > 0)
}

/// An IPv4 address of one host.
pub(super) fn address(value: &DeValue<'_>) -> Result<Ipv4Addr, Problem> {
    let written = text(value)?;
    if written.contains('/') {
        return Err(Problem::new(format!("{written:?} has a prefix length"), "write the address alone"));
    }
    host_address(&written)
}

/// A virtual IP with its prefix length, as in `"10.0.0.101/24"`.
pub(super) fn virtual_address(value: &DeValue<'_>) -> Result<VirtualAddress, Problem> {
    let written = text(value)?;
    let Some((address, prefix)) = written.split_once('/') else {
        let fix = "write it with the prefix length of its network, as in \"10.0.0.101/24\"";
        return Err(Problem::new(format!("{written:?} has no prefix length"), fix));
    };
    let address = host_address(address)?;
    let prefix: u8 =
        prefix.parse().ok().filter(|prefix| (1..=ADDRESS_BITS).contains(prefix)).ok_or_else(|| {
            Problem::new(
                format!("{prefix:?} is no prefix length"),
                "write a number from 1 to 32 behind the slash",
            )
        })?;
    let host_mask = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    let host = address.to_bits() & host_mask;
    if prefix < ADDRESS_BITS - 1 && (host == 0 || host == host_mask) {
        let kind = if host == 0 { "network" } else { "broadcast" };
        return Err(Problem::new(format!("{written} is the {kind} address of its network"), "take another"));
    }
    Ok(VirtualAddress { address, prefix })
}

fn host_address(written: &str) -> Result<Ipv4Addr, Problem> {
    match written.parse() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() => {
            Err(Problem::new(
                format!("{ip} is not an address of one host"),
                "write an address such as \"10.0.0.1\"",
            ))
        }
        Ok(IpAddr::V4(ip)) => Ok(ip),
        Ok(IpAddr::V6(ip)) => {
            Err(Problem::new(format!("{ip}: IPv6 is not supported by this version"), "write an IPv4 address"))
        }
        Err(_) => {
            Err(Problem::new(format!("{written:?} is not an IPv4 address"), "write one such as \"10.0.0.1\""))
        }
    }
}

/// An address and a port, as in `"127.0.0.1:9947"`.
pub(super) fn socket_address(value: &DeValue<'_>) -> Result<SocketAddr, Problem> {
    let written = text(value)?;
    let wrong = || {
        Problem::new(format!("{written:?} is not an address and a port"), "write it as in \"127.0.0.1:9947\"")
    };
    let address: SocketAddr = written.parse().map_err(|_| wrong())?;
    if address.port() == 0 { Err(wrong()) } else { Ok(address) }
}

/// The address of an HTTP server.
pub(super) fn url(value: &DeValue<'_>) -> Result<String, Problem> {
    let url = text(value)?;
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('/') && !host.contains(char::is_whitespace) => {
            Ok(url)
        }
        Some(_) | None => {
            Err(Problem::new(format!("{url:?} is no URL"), "write it as in \"http://10.0.0.9:2379\""))
        }
    }
}

/// The command of a task: a program's absolute path and its arguments.
pub(super) fn command(value: &DeValue<'_>) -> Result<Vec<String>, Problem> {
    let Some(items) = value.as_array() else {
        let fix = "write it as a list, as in [\"/usr/lib/app/start\", \"argument\"]";
        return Err(Problem::new(format!("is {}, not a command", a_kind(value)), fix));
    };
    let arguments: Result<Vec<_>, _> = items.iter().map(|item| text(item.get_ref())).collect();
    let arguments = arguments?;
    match arguments.first() {
        Some(program) if program.starts_with('/') => Ok(arguments),
        Some(program) => {
            let problem = format!("{program:?} is not an absolute path");
            Err(Problem::new(problem, "write it out; there is no shell and no PATH to look it up"))
        }
        None => Err(Problem::new("is an empty command", "leave the setting out, or name a program")),
    }
}

/// `safety`.
pub(super) fn safety(value: &DeValue<'_>) -> Result<Safety, Problem> {
    choice(value, &[("quorum", Safety::Quorum), ("best-effort", Safety::BestEffort)])
}

/// `lists`.
pub(super) fn list_mode(value: &DeValue<'_>) -> Result<ListMode, Problem> {
    choice(value, &[("adaptive", ListMode::Adaptive), ("static", ListMode::Static)])
}

/// `xdp_mode`.
pub(super) fn xdp_mode(value: &DeValue<'_>) -> Result<XdpMode, Problem> {
    choice(value, &[("auto", XdpMode::Auto), ("native", XdpMode::Native), ("generic", XdpMode::Generic)])
}

/// `role`.
pub(super) fn role(value: &DeValue<'_>) -> Result<Role, Problem> {
    choice(value, &[("member", Role::Member), ("witness", Role::Witness), ("gateway", Role::Gateway)])
}

fn choice<T: Copy>(value: &DeValue<'_>, choices: &[(&str, T)]) -> Result<T, Problem> {
    let written = value.as_str();
    if let Some(&(_, choice)) = choices.iter().find(|&&(name, _)| written == Some(name)) {
        return Ok(choice);
    }
    let names: Vec<_> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
    let problem = match written {
        Some(written) => format!("{written:?} is not one of the choices"),
        None => format!("is {}, not one of the choices", a_kind(value)),
    };
    Err(Problem::new(problem, format!("write {}", names.join(" or "))))
}

fn a_kind(value: &DeValue<'_>) -> String {
    let kind = value.type_str();
    let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {kind}")
}
