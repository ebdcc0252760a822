//! What must hold in every state that can be reached.

use afc_ebpf::identity::OwnerWord;

use crate::{
    shape::{Nodes, Shape, node},
    state::State,
};

/// "At most one node serves a service at any instant."
pub fn has_at_most_one_server(shape: &Shape, state: &State) -> bool {
    servers(shape, state).len() <= 1
}

/// "No two nodes ever hold one epoch."
pub fn has_one_owner_an_epoch(_: &Shape, state: &State) -> bool {
    let words = || state.network.asks().map(|ask| ask.owner_word());
    words().all(|one| words().all(|other| one.epoch() != other.epoch() || one.owner() == other.owner()))
}

/// Epochs served never go back.
pub fn has_no_way_back(_: &Shape, state: &State) -> bool {
    !state.went_back
}

/// Nothing is served past its lease: while a node serves, a majority with it lets nobody else. (Of which generation, is
/// not to be seen in a state where membership moves.)
pub fn has_guarded_leases(shape: &Shape, state: &State) -> bool {
    shape.generations.len() > 1
        || servers(shape, state).iter().all(|server| {
            let node = &state.nodes[server];
            // Its own vote. An agent that has not heard yet what its kernel took has that dropped before it votes otherwise.
            let own = node.record;
            let is_own = own.owner_word().owner() == crate::shape::node(server) && own.is_guarded();
            let is_unheard =
                node.agent.is_none_or(|agent| agent.holds == 0) && is_of_claim(state, server, server);
            let others = node.voters(shape).iter().filter(|voter| *voter != server);
            let guards = others.filter(|voter| is_guarding(state, *voter, server)).count();
            (is_own || is_unheard) && guards >= node.voters(shape).len() / 2
        })
}

/// Whether a voter lets nobody but this server be granted: its guard runs for it, or for what was handed over to it; or
/// it votes for nobody.
fn is_guarding(state: &State, voter: usize, server: usize) -> bool {
    let is_of_claim = is_of_claim(state, voter, server);
    let voter = &state.nodes[voter];
    let is_for_it = voter.record.owner_word().owner() == node(server) || is_of_claim;
    voter.quarantine > 0 || (is_for_it && voter.record.is_guarded())
}

/// Whether a voter has the claim on record that this server holds, under whatever hop.
fn is_of_claim(state: &State, voter: usize, server: usize) -> bool {
    let held = OwnerWord(state.nodes[server].held.word).epoch();
    let recorded = state.nodes[voter].record.owner_word().epoch();
    (recorded.counter(), recorded.claimer()) == (held.counter(), held.claimer())
}

/// Who serves.
pub fn servers(shape: &Shape, state: &State) -> Nodes {
    let serving = |place: &usize| state.nodes[*place].serves(*place, shape);
    shape.nodes().iter().filter(serving).fold(Nodes(0), Nodes::with)
}
