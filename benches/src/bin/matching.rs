//! Writes the figures of `docs/MATCHING.md` and its plot, and says on what the rules erred.
//!
//! `cargo run -p xacminh-benches --bin matching -- [--seed N] [--pairs N]`; with a seed or a number of pairs of one's own it
//! prints the tables and writes nothing.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use clap::Parser;
use xacminh_benches::matching::{PAIRS_EACH, SEED, classes_table, errors_table, measure, page, plot};

#[derive(Parser)]
struct Arguments {
    /// Another seed gives other pairs.
    #[arg(long)]
    seed: Option<u64>,
    /// Pairs of each kind.
    #[arg(long)]
    pairs: Option<u64>,
}

#[expect(clippy::print_stdout, reason = "a program that prints tables")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let rows = measure(arguments.seed.unwrap_or(SEED), arguments.pairs.unwrap_or(PAIRS_EACH));
    println!("{}\n{}", errors_table(&rows), classes_table(&rows));
    for row in &rows {
        for pair in &row.errors {
            println!("wrong, {}: {} | {}", row.kind.text(), pair.asked, pair.recorded);
        }
    }
    if arguments.seed.is_none() && arguments.pairs.is_none() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let path = docs.join("MATCHING.md");
        let old = fs::read_to_string(&path).context("docs/MATCHING.md")?;
        let new = page(&old, &rows).context("docs/MATCHING.md has lost the comments around its tables")?;
        fs::write(&path, new).context("docs/MATCHING.md")?;
        fs::write(docs.join("matching.svg"), plot(&rows)).context("docs/matching.svg")?;
    }
    Ok(())
}
