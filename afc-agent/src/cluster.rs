//! The cluster controller: how nodes learn of each other's states and utilisation (design.md section 3).

pub mod assessment;
pub mod record;
