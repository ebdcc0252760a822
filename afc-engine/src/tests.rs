//! Tests of the engine: the voter's rule as tables, and clusters of engines on one virtual clock.
//!
//! | file | subject |
//! |---|---|
//! | `voter` | the voter's rule, row by row |
//! | `conversation` | what one engine says, effect by effect |
//! | `bad_input` | whatever comes in |
//! | `scenarios` | one fault each on a simulated cluster |
//! | `handover` | a service goes to the node that asks for it |
//! | `lists` | what the lists, resources and the operator change |
//! | `random` | many faults, thousands of seeds, and planted bugs |
//! | `world` | the simulated cluster: clocks, network, power, and the checker that runs after every step |
//! | `queue` | what is still to happen there |
//! | `shape` | how such a cluster looks, and the bugs that can be planted in it |
//! | `machine` | one machine: its clock, its process, its disk |
//! | `kernel` | the machine's kernel, on the real `Holding` |

mod bad_input;
mod conversation;
mod handover;
mod kernel;
mod lists;
mod machine;
mod queue;
mod random;
mod scenarios;
mod shape;
mod voter;
mod world;
