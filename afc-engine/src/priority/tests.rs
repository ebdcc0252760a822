//! What lists promise: on random clusters, on the known story, at full size.

mod bad_input;
pub(crate) mod check;
mod figures;
mod oracle;
mod properties;
mod random;
mod reasons_why;
mod timing;
