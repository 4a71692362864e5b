//! One case: saturation, then a quarter of what that gave, then fixed paces that it can keep.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use xacminh_benches::measure::{Plan, Setting, measure};

use crate::{
    drive::{self, Course, Desk, Seen},
    notes::{Label, Measured, Note, Pace, Row, append, float},
};

/// A pace is tried only where saturation is this much above it.
const ROOM: f64 = 1.2;

/// How a case is measured, and where that is written down.
#[derive(Args, Clone, Debug)]
pub(crate) struct How {
    /// Round of the run; also the seed of its draws.
    #[arg(long, default_value_t = 1)]
    pub(crate) round: u32,
    /// Where to note results.
    #[arg(long)]
    pub(crate) notes: PathBuf,
    /// Measure a quarter of saturation too.
    #[arg(long)]
    pub(crate) quarter: bool,
    /// Measure this many questions a second too, if saturation is well above; repeat it.
    #[arg(long = "paced")]
    pub(crate) paced: Vec<f64>,
}

/// Something that can be asked as fast as it goes, or at a rate.
pub(crate) trait Asked {
    /// Asks for a while; without a rate, as fast as it goes.
    fn ask(&mut self, rate_per_s: Option<f64>) -> impl Future<Output = anyhow::Result<Measured>>;
}

/// Measures a case and notes every part of it as soon as it is there.
///
/// # Errors
/// If the system cannot be asked, or gave nothing but errors.
pub(crate) async fn case(label: &Label, how: &How, asked: &mut impl Asked) -> anyhow::Result<()> {
    let note = |pace, rate_per_s, measured| {
        append(&how.notes, &Note::Row(Row { label: label.clone(), pace, round: how.round, rate_per_s, measured }))
    };
    let most = asked.ask(None).await?;
    anyhow::ensure!(most.answers_per_s > 0.0, "no right answer: {} errors, {} wrong", most.errors, most.wrong);
    note(Pace::Saturation, None, most)?;
    if how.quarter {
        let rate_per_s = Some((most.answers_per_s / 4.0).max(1.0));
        note(Pace::Quarter, rate_per_s, asked.ask(rate_per_s).await?)?;
    }
    for pace in &how.paced {
        if most.answers_per_s > pace * ROOM {
            note(Pace::Paced(*pace), Some(*pace), asked.ask(Some(*pace)).await?)?;
        }
    }
    Ok(())
}

/// Somebody else's system, over connections that stay.
pub(crate) struct Desks<D> {
    /// Those that still work.
    pub(crate) desks: Vec<D>,
    /// How they are asked.
    pub(crate) course: Course,
}

impl<D: Desk> Asked for Desks<D> {
    async fn ask(&mut self, rate_per_s: Option<f64>) -> anyhow::Result<Measured> {
        let desks = std::mem::take(&mut self.desks);
        anyhow::ensure!(!desks.is_empty(), "no connection is left");
        let (desks, seen) = match rate_per_s {
            None => drive::closed(desks, &self.course).await?,
            Some(rate_per_s) => drive::open(desks, &self.course, rate_per_s).await?,
        };
        self.desks = desks;
        Ok(seen.measured(self.course.length.as_secs_f64()))
    }
}

impl Seen {
    fn measured(&self, window_s: f64) -> Measured {
        let Self { tally, load, client_us, server_us } = self;
        let each = |us: u64| if tally.answered == 0 { 0.0 } else { float(us) / float(tally.answered) };
        let at_ms = |quantile: f64| float(tally.latency_us.value_at_quantile(quantile)) / 1_000.0;
        Measured {
            answers_per_s: float(tally.answered) / window_s,
            p50_ms: at_ms(0.5),
            p99_ms: at_ms(0.99),
            client_us: each(*client_us),
            server_us: each(*server_us),
            others: load.foreign,
            contended: load.is_contended(),
            errors: tally.errors.values().sum(),
            wrong: tally.wrong,
        }
    }
}

/// This system, by its own load generator, whose method the other loops copy.
pub(crate) struct Ours {
    /// Where and about whom.
    pub(crate) setting: Arc<Setting>,
    /// How.
    pub(crate) plan: Plan,
}

impl Asked for Ours {
    async fn ask(&mut self, rate_per_s: Option<f64>) -> anyhow::Result<Measured> {
        let report = measure(&self.setting, &Plan { rate_per_s, ..self.plan.clone() }).await?;
        Ok(Measured {
            answers_per_s: report.verify_per_s,
            p50_ms: report.latency_ms.p50,
            p99_ms: report.latency_ms.p99,
            client_us: report.client_us,
            server_us: report.server_us,
            others: report.load.foreign,
            contended: report.contended,
            errors: report.errors.values().sum(),
            wrong: report.unexpected,
        })
    }
}
