//! `make bench-guard`: this program's stages under callgrind, against `benches/guard.csv`.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use xacminh_benches::guard::{Change, Counted, Figures, dumped};

use crate::stages;

/// The word that asks for the comparison.
pub(crate) const GUARD: &str = "guard";

/// The word that asks for the stages alone: what runs under callgrind.
pub(crate) const STAGES: &str = "guard-stages";

/// With the value `write`, the figures are renewed instead of compared.
const MODE: &str = "XACMINH_GUARD";

/// What callgrind empties its counters for, and what it writes a dump for; patterns, since names carry their crate's.
const BEGIN: &str = "*metered_rounds*";
const END: &str = "*metered_end*";

/// Says what differs, and fails if a stage became dearer, or is not compared.
pub(crate) fn compare() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(why) => {
            say(&format!("bench-guard: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/guard.csv"));
    let now = Figures { compiler: compiler()?, stages: measure()? };
    if env::var(MODE).is_ok_and(|mode| mode == "write") {
        fs::write(&file, now.to_string()).map_err(|error| format!("guard.csv: {error}"))?;
        say(&format!("bench-guard: {} figures written", now.stages.len()));
        return Ok(ExitCode::SUCCESS);
    }
    let text = fs::read_to_string(&file).map_err(|error| format!("guard.csv: {error}"))?;
    let before = Figures::parse(&text).map_err(|error| format!("guard.csv: {error}"))?;
    let differences = before.differences(&now);
    for difference in &differences {
        say(&difference.to_string());
    }
    if differences.iter().any(|difference| difference.change == Change::Cheaper) {
        say(
            "bench-guard: what became cheaper stays so once the figures are renewed: XACMINH_GUARD=write make bench-guard",
        );
    }
    let failures = differences.iter().filter(|difference| difference.change.is_failure()).count();
    if failures == 0 {
        say(&format!("bench-guard: ok ({} figures)", now.stages.len()));
        return Ok(ExitCode::SUCCESS);
    }
    if before.compiler != now.compiler {
        say(&format!("bench-guard: the figures are of {}, and this is {}", before.compiler, now.compiler));
    }
    say(&format!(
        "bench-guard: FAILED ({failures} of {} figures); what is dearer on purpose is renewed",
        now.stages.len()
    ));
    Ok(ExitCode::FAILURE)
}

/// Instructions of one round of every stage.
fn measure() -> Result<BTreeMap<String, u64>, String> {
    let stages = stages::all();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let out = folder.path().join("out");
    callgrind(&out)?;
    let counted = dumped(&out, stages.len()).map_err(|error| error.to_string())?;
    let mut figures = BTreeMap::new();
    for (stage, Counted { hashing, rest }) in stages.iter().zip(counted) {
        figures.insert(stage.name.to_owned(), rest / stage.rounds);
        // Told apart: in valgrind hashing outweighs everything beside it.
        if hashing > 0 {
            figures.insert(format!("{} [hashing]", stage.name), hashing / stage.rounds);
        }
    }
    Ok(figures)
}

fn callgrind(out: &Path) -> Result<(), String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--compress-strings=no", "--compress-pos=no"])
        .args([format!("--zero-before={BEGIN}"), format!("--dump-before={END}")])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .arg(STAGES)
        // The environment lies on the program's stack, and would move what follows it.
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        // Valgrind counts every byte that `rep movsb` copies as an instruction: one vector that moved, because its heap
        // had no room behind it, weighed more than the stage.
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM")
        .output()
        .map_err(|error| format!("valgrind: {error}; `.ci/setup test` installs it"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("callgrind ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

fn compiler() -> Result<String, String> {
    let program = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(program).arg("--version").output().map_err(|error| format!("rustc: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn say(text: &str) {
    // A closed pipe loses words, not the exit code.
    let _ = writeln!(io::stdout().lock(), "{text}");
}
