//! Everything that can happen in a state, one step at a time.
//!
//! A step of userspace is a list of [deeds](crate::deed), or none if it cannot happen; a step of the kernel, of time or
//! of a machine changes the state at once.

mod handover;
mod holder;
mod machine;
mod voter;

use afc_ebpf::identity::OwnerWord;

use crate::{
    deed::{Deeds, ordered},
    network::{Ask, Message},
    rule::Rule,
    shape::{Nodes, Shape},
    state::State,
};

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Every clock moves, but these.
    Tick {
        /// Clocks that skip it.
        skipping: Nodes,
    },
    /// A grant of this age arrives in its holder's kernel.
    Grant {
        /// The voter.
        by: u8,
        /// What it answers.
        ask: Ask,
        /// Ticks since that was sent.
        age: u8,
    },
    /// A HANDOVER arrives in the kernel of who asked for it.
    Take {
        /// Who.
        place: u8,
        /// The HANDOVER.
        handover: Message,
    },
    /// An agent does something, all of it or only so many deeds: then it dies.
    Act {
        /// Whose.
        place: u8,
        /// What.
        act: Act,
        /// Deeds done before it dies.
        dies_after: Option<u8>,
    },
    /// An agent comes back to the kernel's maps.
    Adopt {
        /// Whose.
        place: u8,
    },
    /// A machine loses its memory and starts a new session.
    Reboot {
        /// Which.
        place: u8,
        /// How its last session ended.
        end: End,
    },
    /// A node enters the next membership generation.
    Enter {
        /// Which.
        place: u8,
    },
}

/// What an agent can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Claims, with an epoch above all it has on record, or above all that was ever heard of.
    Claim(Knowledge),
    /// Gives up what it holds.
    Release,
    /// Claims a higher epoch while it holds.
    Raise(Knowledge),
    /// Hears that a voter has the raised epoch on record.
    HearRecorded {
        /// The voter.
        by: u8,
    },
    /// Gives a raise up: fences, and claims its epoch like any other.
    StartOver,
    /// Votes on a request, of whatever age: what is granted on one of them can be granted on all.
    Vote {
        /// The request.
        ask: Ask,
    },
    /// Refuses a renewal, because the raised epoch is on record.
    RefuseRenewal,
    /// Hears of a RELEASE.
    HearRelease {
        /// What was held.
        word: u64,
    },
    /// Asks for a handover.
    Ask,
    /// Hands over to who asked.
    HandOver {
        /// The TAKE.
        take: Message,
    },
    /// Hears a TRANSFER.
    HearTransfer {
        /// What was held.
        word: u64,
        /// Who takes it.
        to: u8,
    },
    /// Takes over.
    TakeOver {
        /// The HANDOVER.
        handover: Message,
    },
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order: the exact floor is on disk.
    Stop,
    /// Not: of the floor only the reserved block is known.
    Crash,
}

/// What a candidate has heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// Its own record and floor.
    Own,
    /// Every epoch there is.
    Everything,
}

impl State {
    /// Every step that may be possible now.
    pub fn steps(&self, shape: &Shape, steps: &mut Vec<Step>) {
        self.machine_steps(shape, steps);
        for message in self.network.iter() {
            if let Message::Grant { by, ask, ages } = message {
                let some = (0..shape.lease).filter(|age| ages & (1 << age) != 0);
                steps.extend(some.map(|age| Step::Grant { by, ask, age }));
            }
            if let Message::Handover { to, .. } = message {
                steps.push(Step::Take { place: to, handover: message });
            }
        }
        let mut acts = Vec::new();
        for place in shape.nodes().iter() {
            let Some(_) = self.nodes[place].agent else {
                continue;
            };
            self.acts(place, shape, &mut acts);
            for act in acts.drain(..) {
                let Some(deeds) = self.deeds(place, act, shape) else {
                    continue;
                };
                let step = |dies_after| Step::Act { place: place as u8, act, dies_after };
                steps.push(step(None));
                if self.left.kills > 0 && shape.mortal.contains(place) {
                    steps.extend((0..=deeds.len() as u8).map(|deeds| step(Some(deeds))));
                }
            }
        }
    }

    /// The state after a step; none if it changes nothing.
    pub fn after(&self, step: Step, shape: &Shape) -> Option<Self> {
        let mut next = self.clone();
        match step {
            Step::Tick { skipping } => next.tick(skipping, shape),
            Step::Grant { by, ask, age } => next.receive_grant(usize::from(by), &ask, age, shape),
            Step::Take { place, handover } => {
                next.nodes[usize::from(place)].held =
                    self.kernel_takes(usize::from(place), handover, shape)?;
            }
            Step::Act { place, act, dies_after } => next.act(usize::from(place), act, dies_after, shape)?,
            Step::Adopt { place } => next.adopt(usize::from(place), shape),
            Step::Reboot { place, end } => next.reboot(usize::from(place), end, shape),
            Step::Enter { place } => next.enter(usize::from(place), shape),
        }
        next.forget_what_is_over(shape);
        next.network.normalise();
        next.note_served(shape);
        (next != *self).then_some(next)
    }

    /// What an agent may do now.
    fn acts(&self, place: usize, shape: &Shape, acts: &mut Vec<Act>) {
        if shape.candidates.contains(place) {
            acts.extend([
                Act::Claim(Knowledge::Own),
                Act::Claim(Knowledge::Everything),
                Act::Raise(Knowledge::Own),
                Act::Raise(Knowledge::Everything),
                Act::StartOver,
                Act::Ask,
            ]);
        }
        acts.extend([Act::Release, Act::RefuseRenewal]);
        for message in self.network.iter() {
            match message {
                Message::Ask(ask) => acts.push(Act::Vote { ask }),
                Message::Recorded { by, .. } => acts.push(Act::HearRecorded { by }),
                Message::Release { word } => acts.push(Act::HearRelease { word }),
                Message::Take { .. } => acts.push(Act::HandOver { take: message }),
                Message::Handover { .. } => acts.push(Act::TakeOver { handover: message }),
                Message::Transfer { word, to } => acts.push(Act::HearTransfer { word, to }),
                Message::Grant { .. } => {}
            }
        }
    }

    /// The deeds of an act, none if it is not possible.
    fn deeds(&self, place: usize, act: Act, shape: &Shape) -> Option<Deeds> {
        let mut deeds = match act {
            Act::Claim(knowledge) => self.claim(place, knowledge, shape),
            Act::Release => self.release(place, shape),
            Act::Raise(knowledge) => self.raise(place, knowledge, shape),
            Act::HearRecorded { by } => self.hear_recorded(place, by, shape),
            Act::StartOver => self.start_over(place),
            Act::Vote { ask } => self.vote(place, ask, shape),
            Act::RefuseRenewal => self.refuse_renewal(place),
            Act::HearRelease { word } => self.hear_release(place, word, shape),
            Act::Ask => self.ask_for_handover(place, shape),
            Act::HandOver { take } => self.hand_over(place, take, shape),
            Act::HearTransfer { word, to } => self.hear_transfer(place, word, to, shape),
            Act::TakeOver { handover } => self.take_over(place, handover, shape),
        }?;
        self.take_back(place, &mut deeds, shape);
        Some(ordered(deeds, shape))
    }

    fn act(&mut self, place: usize, act: Act, dies_after: Option<u8>, shape: &Shape) -> Option<()> {
        let deeds = self.deeds(place, act, shape)?;
        self.pay(place, act, shape);
        let done = dies_after.map_or(deeds.len(), usize::from);
        for deed in deeds.into_iter().take(done) {
            self.carry_out(place, deed, shape);
        }
        if dies_after.is_some() {
            self.left.kills -= 1;
            self.nodes[place].agent = None;
        }
        Some(())
    }

    fn pay(&mut self, place: usize, act: Act, shape: &Shape) {
        match act {
            Act::Claim(_) => self.left.claims -= 1,
            Act::Release if self.gives_up_freely(place, shape) => {}
            Act::Release => self.left.releases -= 1,
            Act::Raise(_) => self.left.raises -= 1,
            Act::Ask => self.left.handovers -= 1,
            Act::HearRecorded { .. }
            | Act::StartOver
            | Act::Vote { .. }
            | Act::RefuseRenewal
            | Act::HearRelease { .. }
            | Act::HandOver { .. }
            | Act::HearTransfer { .. }
            | Act::TakeOver { .. } => {}
        }
    }

    /// Remembers the highest epoch served, and whether a lower one came after it.
    fn note_served(&mut self, shape: &Shape) {
        for place in shape.nodes().iter() {
            if self.nodes[place].serves(place, shape) {
                let epoch = OwnerWord(self.nodes[place].held.word).epoch();
                self.went_back |= epoch < self.highest_served;
                self.highest_served = self.highest_served.max(epoch);
            }
        }
    }

    /// Whether a message counts in this node's generation.
    fn is_of_generation(&self, place: usize, generation: u8, shape: &Shape) -> bool {
        self.nodes[place].generation == generation || !shape.has(Rule::OneGeneration)
    }
}
