//! The rules of the protocol, each with the words of the design. A model can be searched without any one of them: that
//! finds out whether the search would notice.

/// A rule that can be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// "For G the node neither grants nor claims."
    Quarantine,
    /// The quarantine lasts as long as a guard.
    FullQuarantine,
    /// G is no shorter than L.
    GuardCoversLease,
    /// G is longer than L where clocks differ in rate.
    GuardMargin,
    /// "lease = max(…, echoed o_ts + L)", not counted from the grant's arrival.
    EchoedClock,
    /// "RELEASE counts only for exactly that holder and epoch."
    ReleaseExact,
    /// "e is never held again."
    NeverAgain,
    /// "Before a node votes for another it must drop its own holding."
    DropBeforeVote,
    /// "Its own vote follows the voter's rule."
    OwnRecord,
    /// "v grants iff e is at or above its recorded epoch."
    RecordedEpoch,
    /// "v grants iff e is at or above its floor."
    Floor,
    /// "What survives is the floor."
    FloorSurvives,
    /// "On a grant with exactly the epoch it holds."
    GrantMatchesEpoch,
    /// "The grants are its first leases": a new claim starts without those of the one before.
    FreshLeases,
    /// A majority is more than half.
    Majority,
    /// The drop is in the kernel before the grant behind it is on the wire.
    KernelFirst,
    /// "It first records, then grants."
    RecordFirst,
    /// An agent that adopts the maps adopts its records with them.
    RecordsAdopted,
    /// An owner holds a raised epoch only once a majority has it on record.
    RaiseMajority,
    /// "o drops the holding" before it hands over.
    HandoverDrops,
    /// "o sets its own record to (c, e, now + G)."
    HandoverRecords,
    /// That guard is a whole G, not the R that remains.
    HandoverGuard,
    /// "Until c_ts + R/1.25", not counted from the answer's arrival.
    WindowFromAsk,
    /// R/1.25, not R, where clocks differ in rate.
    WindowMargin,
    /// "Answers HANDOVER, once."
    HandoverOnce,
    /// "c takes it only under that session."
    HandoverSession,
    /// It answers what this very agent asked: the one before it may have asked too, and this one released what it was
    /// given.
    HandoverAnswers,
    /// "The epoch (e with hop + 1)": no freely chosen one.
    HandoverEpoch,
    /// "The epoch is above its floor."
    TakeAboveFloor,
    /// What the kernel may take it may take only as long as its agent's vote stands for that owner.
    TakenBack,
    /// "TRANSFER: record exactly (o, e)."
    TransferExact,
    /// "The guard's end unchanged": TRANSFER moves the guard and does not end it.
    TransferKeepsGuard,
    /// "A vote counts only within one generation."
    OneGeneration,
    /// Single votes end with their generation: what a holder carries into the next is the lease that a majority gave it.
    LeaseCarriesOver,
    /// A generation is entered only once a majority is in the one before it,
    GenerationAgreed,
    /// and has been there for G: what its members granted before they came is over.
    GenerationSettles,
    /// Who enters a generation takes over the floors of the majority that agreed: of two generations' majorities only
    /// those of neighbours have a member in common.
    GenerationFloors,
    /// "When it learns of a higher epoch while lapsed or tentative, it must drop its own holding."
    Yields,
    /// "A holding without a majority for L is dropped by the kernel, for good."
    KernelLapses,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 39] = [
        Self::Quarantine,
        Self::FullQuarantine,
        Self::GuardCoversLease,
        Self::GuardMargin,
        Self::EchoedClock,
        Self::ReleaseExact,
        Self::NeverAgain,
        Self::DropBeforeVote,
        Self::OwnRecord,
        Self::RecordedEpoch,
        Self::Floor,
        Self::FloorSurvives,
        Self::GrantMatchesEpoch,
        Self::FreshLeases,
        Self::Majority,
        Self::KernelFirst,
        Self::RecordFirst,
        Self::RecordsAdopted,
        Self::RaiseMajority,
        Self::HandoverDrops,
        Self::HandoverRecords,
        Self::HandoverGuard,
        Self::WindowFromAsk,
        Self::WindowMargin,
        Self::HandoverOnce,
        Self::HandoverSession,
        Self::HandoverAnswers,
        Self::HandoverEpoch,
        Self::TakeAboveFloor,
        Self::TakenBack,
        Self::TransferExact,
        Self::TransferKeepsGuard,
        Self::OneGeneration,
        Self::LeaseCarriesOver,
        Self::GenerationAgreed,
        Self::GenerationSettles,
        Self::GenerationFloors,
        Self::Yields,
        Self::KernelLapses,
    ];
}
