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
//! | `random` | random plans, seed after seed, for as long as told |
//! | `plan`, `fault`, `generate` | a run written down: cluster and faults; what can go wrong; plans from seeds |
//! | `play`, `promise` | plays a plan; what must hold, and when |
//! | `minimise` | makes a failing plan small |
//! | `mutants` | planted bugs, which the simulation must find |
//! | `failover` | what one failover costs in messages |
//! | `growth` | what a cluster costs as it grows to a thousand nodes |
//! | `world`, `queue` | the simulated cluster on one virtual clock, and what is still to happen there |
//! | `shape`, `links` | how a cluster looks; what its network loses, delays, doubles and cuts |
//! | `machine`, `process`, `kernel` | one machine; what its runtime does in one run; its kernel, on the real `Holding` |
//! | `clock`, `disk` | its clock, which drifts, jumps and stands still; its disk, which fails |
//! | `keeper`, `assessment` | its list keeper, and what lists are made from |

mod assessment;
mod bad_input;
mod clock;
mod conversation;
mod disk;
mod failover;
mod fault;
mod generate;
mod growth;
mod handover;
mod keeper;
mod kernel;
mod links;
mod lists;
mod machine;
mod minimise;
mod mutants;
mod plan;
mod play;
mod process;
mod promise;
mod queue;
mod random;
mod scenarios;
mod shape;
mod voter;
mod world;
