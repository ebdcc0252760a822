//! The text of the file of floors: a head, what is known of unlisted services, one line a service, a checksum.
//!
//! ```text
//! afc floors 1
//! unlisted zero
//! 5f3a9c01 reserved 4096
//! 77aa0011 exact 0000000700401000
//! blake3 9c56...
//! ```

use std::{collections::BTreeMap, fmt::Write};

use afc_ebpf::identity::{OwnerWord, ServiceId};
use thiserror::Error;

use super::{Floor, Table, Unlisted};

/// The first line: what it is, in which version.
const HEAD: &str = "afc floors 1";
/// What stands before the checksum of all lines above it.
const CHECKSUM: &str = "blake3 ";
/// Far more than any number of services needs.
const MAX_FILE_BYTES: usize = 1 << 20;

/// What is wrong with a file of floors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// It is too long, or no text.
    #[error("it is no text of floors")]
    NotText,
    /// The last line is no checksum: it was cut off.
    #[error("its end is missing")]
    CutOff,
    /// The checksum does not fit.
    #[error("its checksum is wrong")]
    Checksum,
    /// A line is not understood: it is of another version.
    #[error("line {line} is not understood")]
    Line {
        /// The line.
        line: usize,
    },
}

/// The text that says `table`.
pub(super) fn render(table: &Table) -> String {
    let unlisted = match table.unlisted {
        Unlisted::Zero => "zero",
        Unlisted::Unknown => "unknown",
    };
    let mut text = format!("{HEAD}\nunlisted {unlisted}\n");
    for (service, floor) in &table.floors {
        let written = match floor {
            Floor::Reserved(counter) => writeln!(text, "{:08x} reserved {counter}", service.0),
            Floor::Exact(word) => writeln!(text, "{:08x} exact {:016x}", service.0, word.0),
        };
        written.expect("a string takes everything");
    }
    let checksum = blake3::hash(text.as_bytes());
    format!("{text}{CHECKSUM}{checksum}\n")
}

/// The table that a file says.
pub(super) fn parse(bytes: &[u8]) -> Result<Table, Damage> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(Damage::NotText);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Damage::NotText)?;
    let whole = text.strip_suffix('\n').ok_or(Damage::CutOff)?;
    let (_, last) = whole.rsplit_once('\n').ok_or(Damage::CutOff)?;
    let checksum = last.strip_prefix(CHECKSUM).ok_or(Damage::CutOff)?;
    let body = &whole[..whole.len() - last.len()];
    if blake3::hash(body.as_bytes()).to_hex().as_str() != checksum {
        return Err(Damage::Checksum);
    }
    let mut lines = body.lines();
    if lines.next() != Some(HEAD) {
        return Err(Damage::Line { line: 1 });
    }
    let unlisted = match lines.next() {
        Some("unlisted zero") => Unlisted::Zero,
        Some("unlisted unknown") => Unlisted::Unknown,
        Some(_) | None => return Err(Damage::Line { line: 2 }),
    };
    let mut floors = BTreeMap::new();
    for (index, line) in lines.enumerate() {
        let (service, floor) = parse_line(line).ok_or(Damage::Line { line: index + 3 })?;
        floors.insert(service, floor);
    }
    Ok(Table { unlisted, floors })
}

fn parse_line(line: &str) -> Option<(ServiceId, Floor)> {
    let mut words = line.split(' ');
    let service = ServiceId(u32::from_str_radix(words.next()?, 16).ok()?);
    let (kind, value) = (words.next()?, words.next()?);
    let floor = match kind {
        "reserved" => Floor::Reserved(value.parse().ok()?),
        "exact" => Floor::Exact(OwnerWord(u64::from_str_radix(value, 16).ok()?)),
        _ => return None,
    };
    words.next().is_none().then_some((service, floor))
}
