//! Namespace labs.
