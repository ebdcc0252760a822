//! A model of the lease protocol (design.md section 2) for one service, small enough for a search of every state that it
//! can reach.
//!
//! What a record becomes, whether a vote is given and what may be taken over, is the engine's own function
//! ([`afc_engine::record`]); what a grant does to a lease, the kernel's ([`afc_ebpf::lease`]). The model's own is what is
//! around them: in which order an act's deeds are done, clocks, the network, who may die when; and membership, whose
//! rules are here before the engine has them. It does what the engine would not do out of good manners (claim without
//! vacancy, give up without cause, believe a live lease to have lapsed), so that the promise does not rest on manners.
//! Its world is harsh where the real one is not:
//!
//! - a message that was ever sent can arrive at any later time, any number of times, or never;
//! - a holder asks every voter at every instant at which it holds (a superset of every schedule of probes);
//! - what userspace does is a list of deeds, and an agent can die between any two of them while its kernel goes on
//!   (but for coming back, and for entering a membership generation: those are one step).
//!
//! Time is discrete: one tick moves every clock, but for those that may run slow and skip one.
//!
//! | file | subject |
//! |---|---|
//! | [`shape`] | how many nodes, how long a lease, how much may go wrong |
//! | [`rule`] | the rules of the protocol, each of which can be taken out |
//! | [`state`] | the nodes, with times relative to their clocks |
//! | [`network`] | what was sent |
//! | [`deed`] | the single deeds of userspace |
//! | [`step`] | everything that can happen in a state |
//! | [`promise`] | what must hold in every state |
//! | [`fair`] | that a connected majority comes to serve |
//! | [`search`] | the search itself, by stateright |

pub mod deed;
pub mod fair;
pub mod network;
pub mod promise;
pub mod rule;
pub mod search;
pub mod shape;
pub mod state;
pub mod step;
