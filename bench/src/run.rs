//! A run: what is to be measured how often, what all sections need, and what it says while it goes on.

use std::{
    ops::Range,
    path::PathBuf,
    time::{Duration, Instant},
};

use afc_lab::{clock::now_ns, pulse::Pulse};
use anyhow::{Context, Result};

use crate::{
    arguments::{Arguments, SectionName, SystemName},
    circumstances::Circumstances,
    fault::Fault,
    load::Load,
    row::Row,
    section,
    system::System,
};

/// How much of everything.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Sections in their order.
    pub(crate) sections: Vec<SectionName>,
    /// Systems in their order.
    pub(crate) systems: Vec<SystemName>,
    /// Faults in their order.
    pub(crate) faults: Vec<Fault>,
    /// What starves the processors, in order.
    pub(crate) loads: Vec<Load>,
    /// Samples of each scenario.
    pub(crate) count: usize,
    /// Time for each load without a fault.
    pub(crate) steady: Duration,
    /// The timeout of `afc-short` if it is given.
    pub(crate) short: Option<Duration>,
    /// Time for each candidate in the search for it.
    pub(crate) search: Duration,
    /// What the engine's growth simulation printed.
    pub(crate) growth: Option<PathBuf>,
    /// Whether this is the short form.
    pub(crate) form: Form,
}

/// How long a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Hours.
    Full,
    /// Minutes.
    Quick,
}

/// A run that goes on.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) pulse: Pulse,
    /// The timeout of `afc-short`, once it is known.
    short: Option<Duration>,
    started: Instant,
}

impl Plan {
    /// What the arguments ask for.
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let form = if arguments.quick { Form::Quick } else { Form::Full };
        let (count, minutes, search) = match form {
            Form::Full => (30, 10.0, Duration::from_secs(60)),
            Form::Quick => (5, 0.5, Duration::from_secs(10)),
        };
        let minutes = arguments.minutes.unwrap_or(minutes).clamp(0.05, 600.0);
        Self {
            sections: chosen(&arguments.only),
            systems: chosen(&arguments.systems),
            faults: chosen(&arguments.faults),
            loads: chosen(&arguments.loads).into_iter().map(Load::Starving).collect(),
            count: arguments.count.map_or(count, |count| count as usize),
            steady: Duration::from_secs_f64(minutes * 60.0),
            short: arguments.short,
            search,
            growth: arguments.growth.clone(),
            form,
        }
    }

    /// About how long all of it takes.
    pub(crate) fn estimate(&self) -> Duration {
        let sections: Duration = self.sections.iter().map(|section| section::estimate(*section, self)).sum();
        let searches = self.short.is_none() && self.systems.contains(&SystemName::AfcShort);
        if searches { sections + section::shortest::estimate(self.search) } else { sections }
    }
}

impl Run {
    /// Begins.
    ///
    /// # Errors
    /// When the machine's pulse can't be felt: that needs root.
    pub(crate) fn new(plan: Plan) -> Result<Self> {
        let pulse = Pulse::start().context("the benchmark needs root")?;
        Ok(Self { short: plan.short, plan, pulse, started: Instant::now() })
    }

    /// Every section, one after the other, with what is measured so far handed to `keep` after each. One that fails is said and
    /// left out; the others go on.
    ///
    /// # Errors
    /// That of `keep`.
    pub(crate) fn measure(&mut self, mut keep: impl FnMut(&[Row]) -> Result<()>) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let all = self.plan.sections.clone();
        for (index, section) in all.iter().enumerate() {
            let left: Duration = all[index..].iter().map(|it| section::estimate(*it, &self.plan)).sum();
            let title = section::title(*section);
            let minutes = left.as_secs().div_ceil(60);
            self.say(&format!("[{}/{}] {title}; about {minutes} min left", index + 1, all.len()));
            match section::run(*section, self) {
                Ok(found) => {
                    rows.extend(found);
                    keep(&rows)?;
                }
                Err(error) => self.say(&format!("{title} FAILED: {error:#}")),
            }
        }
        Ok(rows)
    }

    /// The systems that were chosen. The timeout of `afc-short` is searched for when it is first needed.
    ///
    /// # Errors
    /// When no lab can be built for the search.
    pub(crate) fn systems(&mut self) -> Result<Vec<System>> {
        if self.short.is_none() && self.plan.systems.contains(&SystemName::AfcShort) {
            self.short = Some(section::shortest::search(self)?);
        }
        let short = self.short.unwrap_or_default();
        Ok(self.plan.systems.iter().map(|&name| System::new(name, short)).collect())
    }

    /// A line on what happens now.
    pub(crate) fn say(&self, what: &str) {
        eprintln!("{:>7.1} s  {what}", self.started.elapsed().as_secs_f64());
    }

    /// What was seen since a time of [`now_ns`].
    pub(crate) fn circumstances_since(&self, since_ns: u64) -> Circumstances {
        let window: Range<u64> = since_ns..now_ns();
        let mut circumstances = Circumstances::default();
        circumstances.add(&self.pulse, &window);
        circumstances
    }
}

/// What was chosen, in order; everything if nothing was.
fn chosen<T: clap::ValueEnum + Ord>(wanted: &[T]) -> Vec<T> {
    let all = T::value_variants().iter().filter(|it| wanted.is_empty() || wanted.contains(it));
    let mut chosen: Vec<T> = all.cloned().collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::LoadName;

    fn plan(words: &str) -> Plan {
        Plan::new(&Arguments::parse_from(format!("bench {words}").split_whitespace()))
    }

    #[test]
    fn without_arguments_everything_is_measured_in_the_full_form() {
        let plan = plan("");
        assert_eq!((plan.form, plan.count, plan.steady), (Form::Full, 30, Duration::from_secs(600)));
        assert_eq!(plan.sections.first(), Some(&SectionName::Lists));
        assert_eq!(plan.systems.len(), 4);
        assert!(plan.estimate() > super::tests::plan("--quick").estimate());
    }

    #[test]
    fn arguments_choose_what_is_measured_and_how_often() {
        let plan =
            plan("--quick --only steady,gap --systems keepalived --loads fifo100 --count 7 --short 8ms");
        assert_eq!(plan.sections, [SectionName::Gap, SectionName::Steady]);
        assert_eq!(plan.systems, [SystemName::Keepalived]);
        assert_eq!((plan.faults.len(), plan.loads), (4, vec![Load::Starving(LoadName::Fifo100)]));
        assert_eq!((plan.count, plan.short), (7, Some(Duration::from_millis(8))));
    }

    #[test]
    fn a_timeout_that_is_none_is_refused() {
        assert!(Arguments::try_parse_from(["bench", "--short", "0ms"]).is_err());
        assert!(Arguments::try_parse_from(["bench", "--only", "everything"]).is_err());
    }
}
