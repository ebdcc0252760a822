//! Compares figures with thresholds: what is this node short of, and how far is it from being short (design.md
//! section 3). Pure: figures and the time come in.

use std::{collections::BTreeMap, time::Duration};

use afc_engine::{
    availability::{Reasons, UnavailableReason},
    priority::Headroom,
};

use super::{
    latch::{Latch, Signal},
    sample::{Memory, Sample},
};

use crate::{
    cluster::record::Limits,
    config::{Amount, Ratio, Threshold, Thresholds},
};

/// What thresholds are about, in the order of [`UnavailableReason::ALL`].
const JUDGED: [UnavailableReason; 4] =
    [UnavailableReason::Memory, UnavailableReason::Cpu, UnavailableReason::Iops, UnavailableReason::Load];
/// Nearer to a threshold than this share of it, headroom is tight,
const TIGHT_BELOW: f64 = 0.2;
/// and farther than this it is ample again.
const AMPLE_ABOVE: f64 = 0.3;
/// Of the time after so many intervals without figures nothing is known: whatever lasted is interrupted.
const MAX_GAP_INTERVALS: u32 = 4;

/// The figures that are known; none where one could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Known {
    /// Memory.
    pub memory: Option<Memory>,
    /// Share of all CPU time used, 0 to 1.
    pub cpu: Option<f64>,
    /// Block I/O operations a second.
    pub iops: Option<f64>,
    /// Load average over one minute.
    pub load: Option<f64>,
}

impl Known {
    /// What a sample says.
    pub fn of(sample: &Sample) -> Self {
        fn known<T: Copy, E>(reading: &Result<Option<T>, E>) -> Option<T> {
            reading.as_ref().ok().copied().flatten()
        }
        Self {
            memory: known(&sample.memory),
            cpu: known(&sample.cpu),
            iops: known(&sample.iops),
            load: known(&sample.load),
        }
    }
}

/// What a node is short of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Of these.
    pub reasons: Reasons,
    /// Since when each of them, by the clock of [`Judge::judge`].
    pub since: BTreeMap<UnavailableReason, u64>,
    /// How far from being short of anything.
    pub headroom: Headroom,
}

/// Thresholds, and what lasts since when.
#[derive(Debug)]
pub struct Judge {
    thresholds: Thresholds,
    lasting_ns: u64,
    max_gap_ns: u64,
    judged_at_ns: Option<u64>,
    memory_total_bytes: Option<u64>,
    short: [Latch; JUDGED.len()],
    tight: Latch,
}

impl Judge {
    /// A judge of a node that is short of nothing, with ample headroom, until figures have said otherwise for as long
    /// as the thresholds want.
    pub fn new(thresholds: Thresholds) -> Self {
        let max_gap = thresholds.lasting.max(thresholds.interval.saturating_mul(MAX_GAP_INTERVALS));
        Self {
            lasting_ns: saturating_ns(thresholds.lasting),
            max_gap_ns: saturating_ns(max_gap),
            thresholds,
            judged_at_ns: None,
            memory_total_bytes: None,
            short: Default::default(),
            tight: Latch::default(),
        }
    }

    /// Takes the figures of one moment. What is unknown speaks for no change, and interrupts one that was under way.
    pub fn judge(&mut self, known: &Known, now_ns: u64) -> Judgement {
        let gap = self.judged_at_ns.replace(now_ns).map(|before_ns| now_ns.checked_sub(before_ns));
        let is_gap = gap.is_some_and(|gap| gap.is_none_or(|gap_ns| gap_ns > self.max_gap_ns));
        if is_gap {
            self.short.iter_mut().chain([&mut self.tight]).for_each(Latch::interrupt);
        }
        self.memory_total_bytes = known.memory.map(|memory| memory.total_bytes).or(self.memory_total_bytes);
        let views = JUDGED.map(|reason| self.view(reason, known));
        for (latch, view) in self.short.iter_mut().zip(&views) {
            latch.look(view.signal(), now_ns, self.lasting_ns);
        }
        self.tight.look(tightness(&views), now_ns, self.lasting_ns);
        self.judgement()
    }

    /// The thresholds in the units of the figures. A share of memory is none until memory was known once.
    pub fn limits(&self) -> Limits {
        let thresholds = &self.thresholds;
        let memory = thresholds.memory_available.map(|memory| memory.enter);
        Limits {
            memory_available_bytes: memory.and_then(|enter| match enter {
                Amount::Bytes(bytes) => Some(bytes),
                Amount::Share(_) => self.memory_total_bytes.map(|total| bytes(enter, total) as u64),
            }),
            cpu: thresholds.cpu.map(|cpu| cpu.enter.0),
            iops: thresholds.iops.map(|iops| iops.enter),
            load: thresholds.load.map(|load| load.enter),
        }
    }

    fn judgement(&self) -> Judgement {
        let since: BTreeMap<_, _> = JUDGED
            .into_iter()
            .zip(&self.short)
            .filter_map(|(reason, latch)| Some((reason, latch.on_since_ns()?)))
            .collect();
        let headroom = if self.tight.on_since_ns().is_some() { Headroom::Tight } else { Headroom::Ample };
        Judgement { reasons: since.keys().copied().collect(), since, headroom }
    }

    fn view(&self, reason: UnavailableReason, known: &Known) -> View {
        let thresholds = &self.thresholds;
        match reason {
            UnavailableReason::Memory => View::of(thresholds.memory_available, known.memory, at_least),
            UnavailableReason::Cpu => {
                View::of(thresholds.cpu, known.cpu, |cpu, used| at_most(cpu.map(|Ratio(share)| share), used))
            }
            UnavailableReason::Iops => View::of(thresholds.iops, known.iops, |iops, rate| {
                at_most(iops.map(|iops| iops as f64), rate)
            }),
            UnavailableReason::Load => View::of(thresholds.load, known.load, at_most),
            UnavailableReason::Serving
            | UnavailableReason::Drained
            | UnavailableReason::Unhealthy
            | UnavailableReason::Dead => View::Unlimited,
        }
    }
}

/// A figure beside its threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
enum View {
    /// There is no threshold.
    Unlimited,
    /// There is one, and no figure.
    Unknown,
    /// There are both.
    Known {
        signal: Signal,
        /// From the threshold, as a share of it; negative beyond it.
        distance: f64,
    },
}

impl View {
    fn of<T, F>(
        threshold: Option<Threshold<T>>,
        figure: Option<F>,
        view: fn(Threshold<T>, F) -> Self,
    ) -> Self {
        let Some(threshold) = threshold else { return Self::Unlimited };
        figure.map_or(Self::Unknown, |figure| view(threshold, figure))
    }

    fn signal(&self) -> Signal {
        match self {
            Self::Unlimited | Self::Unknown => Signal::Stay,
            Self::Known { signal, .. } => *signal,
        }
    }
}

/// Compares what should be low.
fn at_most(Threshold { enter, leave }: Threshold<f64>, figure: f64) -> View {
    let signal = match figure {
        _ if figure > enter => Signal::Enter,
        _ if figure <= leave => Signal::Leave,
        _ => Signal::Stay,
    };
    View::Known { signal, distance: (enter - figure) / enter }
}

/// Compares memory, which should be plenty.
fn at_least(Threshold { enter, leave }: Threshold<Amount>, memory: Memory) -> View {
    let (enter, leave) = (bytes(enter, memory.total_bytes), bytes(leave, memory.total_bytes));
    let available = memory.available_bytes as f64;
    let signal = match available {
        _ if available < enter => Signal::Enter,
        _ if available >= leave => Signal::Leave,
        _ => Signal::Stay,
    };
    // Of a threshold near all memory, what is beyond it is the smaller part and the measure, else nothing were ample.
    let measure = enter.min(memory.total_bytes as f64 - enter).max(1.0);
    View::Known { signal, distance: (available - enter) / measure }
}

/// By the nearest threshold. Ample only where everything is known.
fn tightness(views: &[View]) -> Signal {
    let distances = views.iter().filter_map(|view| match view {
        View::Known { distance, .. } => Some(*distance),
        View::Unlimited | View::Unknown => None,
    });
    let nearest = distances.fold(f64::INFINITY, f64::min);
    if nearest < TIGHT_BELOW {
        Signal::Enter
    } else if nearest > AMPLE_ABOVE && !views.contains(&View::Unknown) {
        Signal::Leave
    } else {
        Signal::Stay
    }
}

fn bytes(amount: Amount, total_bytes: u64) -> f64 {
    match amount {
        Amount::Bytes(bytes) => bytes as f64,
        Amount::Share(Ratio(share)) => share * total_bytes as f64,
    }
}

fn saturating_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl<T> Threshold<T> {
    fn map<U>(self, convert: fn(T) -> U) -> Threshold<U> {
        Threshold { enter: convert(self.enter), leave: convert(self.leave) }
    }
}
