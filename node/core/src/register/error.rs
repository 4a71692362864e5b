//! What is wrong with a register document, told so that its author can put it right: line, name, and what was meant.

use super::{DELAY_DAYS_MAX, REGISTER_BYTES_MAX};

/// Why a text is not a register. All of it is the author's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The text is longer than a command may carry.
    #[error("a register document has at most {REGISTER_BYTES_MAX} bytes, this one has {0}")]
    TooLarge(usize),
    /// Not TOML, or keys and types that a register does not have.
    #[error("line {line}: {message}")]
    Toml {
        /// The line, counted from 1.
        line: usize,
        /// What the TOML parser says.
        message: String,
    },
    /// Sound TOML that contradicts itself or names something unknown.
    #[error("line {line}: {problem}")]
    Rule {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: Problem,
    },
}

/// What is wrong at a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Revision 0, or more than a leaf can hold.
    #[error("the revision is a number from 1 to 4294967295")]
    Revision,
    /// Number 0 stands for none in leaves.
    #[error("a {what} starts at 1: 0 means none in the audit log")]
    Zero {
        /// Of what.
        what: &'static str,
    },
    /// Two entries with one id.
    #[error("{what} `{id}` is declared twice")]
    Duplicate {
        /// Of what.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// The same name twice in one list.
    #[error("`{0}` stands twice in this list")]
    Repeated(String),
    /// Not an identifier.
    #[error("{what} `{id}`: {why}")]
    Identifier {
        /// Of what.
        what: &'static str,
        /// As written.
        id: String,
        /// What identifiers look like.
        why: String,
    },
    /// A name that is declared nowhere.
    #[error("there is no {what} `{name}`{}", meant(nearest))]
    Unknown {
        /// Of what.
        what: &'static str,
        /// As written.
        name: String,
        /// The nearest name there is, if any is near.
        nearest: Option<String>,
    },
    /// An official of a portal that is not declared.
    #[error("official `{official}` belongs to portal {portal}, which is not declared")]
    PortalUndeclared {
        /// The official.
        official: String,
        /// The portal.
        portal: u32,
    },
    /// A grant that could never be used.
    #[error("official `{official}` is granted `{procedure}`, which portal {portal} may not use")]
    GrantBeyondPortal {
        /// The official.
        official: String,
        /// The procedure.
        procedure: String,
        /// The portal.
        portal: u32,
    },
    /// Procedures that are like each other, around in a circle.
    #[error("`like` leads in a circle: {path}")]
    Cycle {
        /// The codes on the way.
        path: String,
    },
    /// Procedures that are like each other, on and on.
    #[error("procedure `{procedure}` is like another that is like another, more than {most} in a row: say it itself")]
    LikeTooLong {
        /// The procedure.
        procedure: String,
        /// The most there may be.
        most: usize,
    },
    /// A procedure's number given to another: entries of before name the first one by it.
    #[error("procedure number {number} is that of `{before}` in the log: give `{after}` another")]
    NumberReused {
        /// The number.
        number: u32,
        /// The code of the procedure that has it in the register in force.
        before: String,
        /// The code of the one that is to have it.
        after: String,
    },
    /// A procedure that neither says something it must, nor is like one that does.
    #[error("procedure `{procedure}` says no `{key}`, and is like none that does")]
    Missing {
        /// The procedure.
        procedure: String,
        /// The key.
        key: &'static str,
    },
    /// A procedure that discloses what its `values` do not allow.
    #[error(
        "procedure `{procedure}` may not disclose `{attribute}`: `values` says \"none\" for verdicts only, \"own\" for the \
         person's, \"relatives\" for the numbers of relatives too"
    )]
    ValueNotAllowed {
        /// The procedure.
        procedure: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// Not a day on which a grant ends.
    #[error("`{0}` is no day: `until` is the last day of a grant, written YYYY-MM-DD")]
    Until(String),
    /// `*` beside other grants.
    #[error("`*` means every procedure of the portal and stands alone")]
    StarNotAlone,
    /// The procedure asks for a class and does not say how old its record may be.
    #[error("procedure `{procedure}` asks for data of class `{class}`: give max_age_s.{class} in seconds")]
    MaxAgeMissing {
        /// The procedure.
        procedure: String,
        /// The class.
        class: &'static str,
    },
    /// A delayed procedure that does not say for how long.
    #[error("procedure `{procedure}` is delayed: give delay_days, from 1 to {DELAY_DAYS_MAX}")]
    DelayMissing {
        /// The procedure.
        procedure: String,
    },
    /// A delay that is as good as for ever.
    #[error("procedure `{procedure}` delays by {days} days: {DELAY_DAYS_MAX} is the most")]
    DelayTooLong {
        /// The procedure.
        procedure: String,
        /// As written.
        days: u16,
    },
    /// Entries that would be gone before the year's report is inspected, or before they were to be seen.
    #[error("entries are to be kept for {days} days: {least} is the least; leave the line out to keep them for ever")]
    RetentionTooShort {
        /// As written.
        days: u32,
        /// The least this register may say.
        least: u32,
    },
    /// A delay of a procedure that is seen at once.
    #[error("procedure `{procedure}` has delay_days and is not delayed: set visibility = \"delayed\" or leave it out")]
    DelayOfNothing {
        /// The procedure.
        procedure: String,
    },
    /// A wide budget that is smaller than a narrow one.
    #[error("{wide} is {wide_max} and {narrow} {narrow_max}: the wider budget may not be the smaller")]
    BudgetOrder {
        /// The wide one's key.
        wide: &'static str,
        /// Its limit.
        wide_max: u32,
        /// The narrow one's key.
        narrow: &'static str,
        /// Its limit.
        narrow_max: u32,
    },
    /// Not an opening time.
    #[error("office hours are written like \"07:00-18:00\"")]
    OfficeHours,
    /// Not a day of the week.
    #[error("office days are mon, tue, wed, thu, fri, sat, sun")]
    OfficeDay,
    /// Not a mark; perhaps a number in clear, which is not repeated.
    #[error("a citizen number stands here as 64 hexadecimal digits: `xacminh-node mark` makes them")]
    Mark,
    /// More honey numbers than are looked up for every question.
    #[error("at most {0} honey numbers")]
    TooManyHoney(usize),
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

/// The name among `known` that is fewest edits away, if it is near enough to be a slip of the finger.
pub(super) fn nearest(name: &str, known: impl Iterator<Item: AsRef<str>>) -> Option<String> {
    let edits_max = name.chars().count().div_ceil(3);
    known
        .map(|candidate| (edits(name, candidate.as_ref()), candidate.as_ref().to_owned()))
        .filter(|(edits, _)| *edits <= edits_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, left) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, right) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_slip_away_or_none() {
        let known = ["residence", "age_at_least", "full_name"];
        let near = |name| nearest(name, known.into_iter());
        assert_eq!(near("residense").as_deref(), Some("residence"));
        assert_eq!(near("age_atleast").as_deref(), Some("age_at_least"));
        assert_eq!(near("Full_Name").as_deref(), Some("full_name"));
        assert_eq!(near("blood_type"), None);
        assert_eq!(near(""), None);
    }
}
