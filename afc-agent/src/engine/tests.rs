//! Tests of the engine: the voter's rule as tables, and clusters of engines on one virtual clock.
//!
//! | file | subject |
//! |---|---|
//! | `world` | the simulated cluster: clocks, network, power, and the checker that runs after every step |
//! | `kernel` | the simulated kernel of one machine, on the real `Holding` |
//! | `machine` | one machine: its kernel, its engine, its disk, its process |

mod kernel;
mod machine;
mod random;
mod scenarios;
mod world;
