//! What an assignment costs: several sums, of which an earlier one outweighs all later ones.
//!
//! Compared as a vector, so that no weight has to be great enough. With at most six backups a service and
//! `MAX_SERVICES` services, sums stay far within 32 bits, of which a heap moves more a second than of 64.

use std::ops::{Add, Sub};

use pathfinding::num_traits::Zero;

/// A cost, or a difference of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost {
    /// Services that a primary has no room for.
    pub(super) excess: i32,
    /// For each primary of k services 1 + 2 + .. + k: the further one is shared, the more its next service costs.
    pub(super) sharing: i32,
    /// Places of the primaries in their services' own orders.
    pub(super) places: i32,
    /// Places of the primaries in the configured orders.
    pub(super) preferences: i32,
    /// The places again, each weighed the more the lower its service's home is numbered: of two that cannot both have
    /// it, that service keeps its place.
    pub(super) yielding: i32,
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            excess: self.excess + other.excess,
            sharing: self.sharing + other.sharing,
            places: self.places + other.places,
            preferences: self.preferences + other.preferences,
            yielding: self.yielding + other.yielding,
        }
    }
}

impl Sub for Cost {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            excess: self.excess - other.excess,
            sharing: self.sharing - other.sharing,
            places: self.places - other.places,
            preferences: self.preferences - other.preferences,
            yielding: self.yielding - other.yielding,
        }
    }
}

impl Zero for Cost {
    fn zero() -> Self {
        Self::default()
    }

    fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}
