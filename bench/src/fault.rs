//! What is done to the node that serves: a fault, or a planned move.

pub(crate) use crate::arguments::FaultName as Fault;

impl Fault {
    /// Its name in rows.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::PowerCut => "power cut",
            Self::Kill => "SIGKILL of the daemon",
            Self::Freeze => "frozen host",
            Self::Move => "planned move",
        }
    }
}
