//! Why each backup of a list stands where it stands: by comparing the list with the configured order.
//!
//! Moves nothing but the chosen primary, to the front.

use afc_ebpf::identity::ServiceId;

use super::{Backup, Why, assignment::Primaries, order::Standing};

/// How the primary came to be the first.
struct Chosen {
    /// Its place in its service's own order: all before it are passed over.
    place: usize,
    /// Whose primary the first of that order is.
    first_is_left_to: Option<ServiceId>,
}

/// A service's list: its primary first, the others in its own order.
pub(super) fn with_primary(
    mut order: Vec<Standing>,
    service: ServiceId,
    primaries: &Primaries,
) -> Vec<Backup> {
    let primary = primaries.of(service);
    let place = primary.and_then(|primary| order.iter().position(|standing| standing.node == primary));
    let place = place.unwrap_or(0);
    let first_is_left_to = order.first().and_then(|first| primaries.first_of(first.node));
    if let Some(up_to_primary) = order.get_mut(..=place) {
        up_to_primary.rotate_right(1);
    }
    explained(&order, &Chosen { place, first_is_left_to }, primaries)
}

/// A list that no other has a say in.
pub(super) fn alone(order: Vec<Standing>) -> Vec<Backup> {
    explained(&order, &Chosen { place: 0, first_is_left_to: None }, &Primaries::default())
}

fn explained(list: &[Standing], chosen: &Chosen, primaries: &Primaries) -> Vec<Backup> {
    let why = |(rank, standing): (usize, &Standing)| {
        let (ahead, behind) = (&list[..rank], &list[rank + 1..]);
        let is_overtaken = ahead.iter().any(|other| other.preference > standing.preference);
        let mut overtaken = behind.iter().filter(|other| other.preference < standing.preference).peekable();
        let why = if is_overtaken {
            // The primary took rank 0, so those passed over stand at ranks 1 to its place.
            match (standing.is_available(), primaries.first_of(standing.node)) {
                (false, _) => Why::BehindUnavailable,
                (true, Some(service)) if rank <= chosen.place => Why::BehindSpread(service),
                (true, _) => Why::BehindTight,
            }
        } else if overtaken.peek().is_none() {
            Why::Preference
        } else {
            match chosen.first_is_left_to {
                Some(service) if rank == 0 && chosen.place > 0 => Why::AheadOfSpread(service),
                Some(_) | None => ahead_of(overtaken),
            }
        };
        standing.because(why)
    };
    list.iter().enumerate().map(why).collect()
}

fn ahead_of<'a>(mut overtaken: impl Iterator<Item = &'a Standing>) -> Why {
    if overtaken.any(|other| !other.is_available()) { Why::AheadOfUnavailable } else { Why::AheadOfTight }
}
