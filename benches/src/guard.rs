//! The regression guard: what stages cost in instructions, against figures that are committed.
//!
//! ```text
//! stages (benches/guard.rs) under callgrind ── one dump for each ──▶ instructions of one round ──▶ against benches/guard.csv
//! ```
//!
//! Instructions are counted, not time: a machine that is full, slow or another one counts the same.
//! What is counted depends on the compiler, which the figures therefore name.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

/// A stage may become dearer or cheaper by so much, per cent, before the guard speaks.
pub const CHANGE_PERCENT_MAX: u64 = 10;

/// Below this many instructions a round, one more branch is a tenth: so many may come or go on top.
const SLACK: u64 = 30;

/// What the names of SHA-2's functions contain.
const HASHING: &str = "sha2::sha";

/// The first line of the file of figures.
const HEADER: &str = "stage,instructions";

/// What a line that names the compiler begins with.
const COMPILER: &str = "# compiler: ";

/// What each stage costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Who compiled what was measured, in the words of `rustc --version`.
    pub compiler: String,
    /// Instructions of one round, by the stage's name.
    pub stages: BTreeMap<String, u64>,
}

/// How a stage differs from the committed figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Dearer than it may become: the guard fails.
    Dearer,
    /// So much cheaper that the figures are out of date, and would let it become dear again.
    Cheaper,
    /// Measured, and no figure is committed.
    New,
    /// A figure is committed, and nothing was measured: the guard fails, for a stage that is gone guards nothing.
    Gone,
}

/// One stage that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The stage.
    pub stage: String,
    /// How.
    pub change: Change,
    /// Instructions committed.
    pub before: u64,
    /// Instructions measured.
    pub now: u64,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The committed file is not one of figures.
    #[error("line {line}: `stage,instructions` is needed, and each stage once")]
    Malformed {
        /// The line, from 1.
        line: usize,
    },
    /// A dump of callgrind is missing or not understood.
    #[error("dump {number} of callgrind: {why}")]
    Dump {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// Calls `work` so many times and costs next to nothing itself. Callgrind empties its counters where this begins and writes
/// a dump where `metered_end` does; it knows both functions by their names.
#[inline(never)]
pub fn metered_rounds(rounds: u64, work: &mut dyn FnMut()) {
    for _ in 0..rounds {
        work();
    }
    metered_end(rounds);
}

/// The end of what is metered.
#[inline(never)]
fn metered_end(rounds: u64) {
    std::hint::black_box(rounds);
}

impl Figures {
    /// Reads a file of figures.
    ///
    /// # Errors
    /// [`GuardError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, GuardError> {
        let mut figures = Self::default();
        for (line, text) in text.lines().enumerate() {
            let malformed = || GuardError::Malformed { line: line + 1 };
            if let Some(compiler) = text.strip_prefix(COMPILER) {
                compiler.clone_into(&mut figures.compiler);
            } else if text != HEADER && !text.starts_with('#') {
                let (stage, instructions) = text.rsplit_once(',').ok_or_else(malformed)?;
                let instructions = instructions.parse().map_err(|_| malformed())?;
                if stage.is_empty() || figures.stages.insert(stage.to_owned(), instructions).is_some() {
                    return Err(malformed());
                }
            }
        }
        Ok(figures)
    }

    /// What differs from `self`, the committed figures, in `now`.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut tell = |stage: &String, change, before, now| {
            differences.push(Difference { stage: stage.clone(), change, before, now });
        };
        for (stage, before) in &self.stages {
            match now.stages.get(stage) {
                None => tell(stage, Change::Gone, *before, 0),
                Some(now) if *now > before + slack(*before) => tell(stage, Change::Dearer, *before, *now),
                Some(now) if now + slack(*before) < *before => tell(stage, Change::Cheaper, *before, *now),
                Some(_) => {}
            }
        }
        for (stage, now) in now.stages.iter().filter(|(stage, _)| !self.stages.contains_key(*stage)) {
            tell(stage, Change::New, 0, *now);
        }
        differences
    }
}

impl Change {
    /// Whether the guard fails because of it.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Dearer | Self::Gone | Self::New)
    }
}

fn slack(before: u64) -> u64 {
    before * CHANGE_PERCENT_MAX / 100 + SLACK
}

/// The file of figures.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Instructions of one round of each stage, counted by callgrind; `make bench-guard` compares.")?;
        writeln!(f, "# Renew with: XACMINH_GUARD=write make bench-guard")?;
        writeln!(f, "{COMPILER}{}", self.compiler)?;
        writeln!(f, "{HEADER}")?;
        self.stages.iter().try_for_each(|(stage, instructions)| writeln!(f, "{stage},{instructions}"))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, change, before, now } = self;
        let (before_each, now_each) = (signed(*before), signed(*now));
        let percent = if before_each == 0 { 0 } else { (now_each - before_each) * 100 / before_each };
        match change {
            Change::Dearer => write!(f, "dearer   {stage}: {before} instructions before, {now} now ({percent:+} %)"),
            Change::Cheaper => write!(f, "cheaper  {stage}: {before} instructions before, {now} now ({percent:+} %)"),
            Change::New => write!(f, "new      {stage}: {now} instructions, and no figure is committed"),
            Change::Gone => write!(f, "gone     {stage}: {before} instructions before, and not measured any more"),
        }
    }
}

fn signed(instructions: u64) -> i64 {
    i64::try_from(instructions).unwrap_or(i64::MAX)
}

/// What callgrind counted in one dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Instructions of SHA-2, which valgrind makes dearer than a processor that has instructions for it.
    pub hashing: u64,
    /// All others.
    pub rest: u64,
}

/// What callgrind counted in each call of [`metered_rounds`], from the dumps `<out>.1` to `<out>.<count>`.
///
/// # Errors
/// [`GuardError::Dump`] if one is missing or says nothing.
pub fn dumped(out: &Path, count: usize) -> Result<Vec<Counted>, GuardError> {
    let read = |number: usize| -> io::Result<String> {
        let mut name = out.as_os_str().to_owned();
        name.push(format!(".{number}"));
        fs::read_to_string(Path::new(&name))
    };
    let counted = (1..=count).map(|number| {
        let wrong = |why: String| GuardError::Dump { number, why };
        let text = read(number).map_err(|error| wrong(error.to_string()))?;
        // A dump of another event would be figures of something else.
        if !text.lines().any(|line| line == "events: Ir") {
            return Err(wrong("counts other events than instructions".to_owned()));
        }
        let total =
            text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
        let total = total.and_then(|total| total.trim().parse::<u64>().ok()).filter(|total| *total > 0);
        let total = total.ok_or_else(|| wrong("no total, or nothing was counted".to_owned()))?;
        let hashing = hashing(&text);
        Ok(Counted { hashing, rest: total.saturating_sub(hashing) })
    });
    counted.collect()
}

/// Instructions that SHA-2 itself took: those of its functions without what they call.
fn hashing(dump: &str) -> u64 {
    let (mut instructions, mut is_hashing, mut is_of_callee) = (0, false, false);
    for line in dump.lines() {
        if let Some(function) = line.strip_prefix("fn=") {
            is_hashing = function.contains(HASHING);
        } else if line.starts_with("calls=") {
            // The next line is the cost of what was called, which its own function tells again.
            is_of_callee = true;
        } else if let Some((_, cost)) =
            line.split_once(' ').filter(|(at, _)| at.bytes().all(|byte| byte.is_ascii_digit()))
        {
            if is_hashing && !is_of_callee {
                instructions += cost.parse::<u64>().unwrap_or(0);
            }
            is_of_callee = false;
        }
    }
    instructions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(stages: &[(&str, u64)]) -> Figures {
        let stages = stages.iter().map(|(stage, instructions)| ((*stage).to_owned(), *instructions)).collect();
        Figures { compiler: "rustc 1.95.0".to_owned(), stages }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let written = figures(&[("decide", 1_200), ("names: case, and the ruling", 9_000)]);
        assert_eq!(Figures::parse(&written.to_string()).unwrap(), written);
        for wrong in ["decide", "decide,x", ",3", "a,1\na,2", "a,1\n\nb,2"] {
            assert!(Figures::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_guard_barks_at_what_became_dearer_and_speaks_of_what_became_cheaper() {
        let before = figures(&[("a", 10_000), ("b", 10_000), ("c", 10_000), ("d", 10_000), ("small", 100)]);
        let now = figures(&[("a", 11_031), ("b", 11_030), ("c", 8_969), ("d", 8_970), ("small", 130)]);
        let told = before.differences(&now);
        let told: Vec<_> = told.iter().map(|each| (each.stage.as_str(), each.change.clone())).collect();
        assert_eq!(told, [("a", Change::Dearer), ("c", Change::Cheaper)]);
        assert!(Change::Dearer.is_failure() && !Change::Cheaper.is_failure());
    }

    #[test]
    fn a_stage_cannot_leave_or_come_without_its_figure() {
        let told = figures(&[("a", 100)]).differences(&figures(&[("b", 100)]));
        let told: Vec<_> = told.into_iter().map(|each| each.change).collect();
        assert_eq!(told, [Change::Gone, Change::New]);
        assert!(told.iter().all(Change::is_failure));
    }

    #[test]
    fn dumps_that_are_missing_or_empty_are_no_figures() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let write = |number: usize, text: &str| fs::write(folder.path().join(format!("out.{number}")), text).unwrap();
        let calls = "fn=sha2::sha256::compress256\n0 9\ncfn=memcpy\ncalls=2 0\n0 500\n7 3\nfn=a\n3 4\n";
        write(1, &format!("version: 1\nevents: Ir\n{calls}totals: 41\n"));
        write(2, "events: Ir\nsummary: 7\n");
        assert_eq!(dumped(&out, 2).unwrap(), [Counted { hashing: 12, rest: 29 }, Counted { hashing: 0, rest: 7 }]);
        assert!(dumped(&out, 3).is_err());
        for wrong in ["events: Ir\n", "events: Ir\ntotals: 0\n", "events: Dr\ntotals: 5\n"] {
            write(2, wrong);
            assert!(dumped(&out, 2).is_err(), "{wrong}");
        }
    }
}
