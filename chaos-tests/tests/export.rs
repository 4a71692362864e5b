//! A log that real nodes wrote and the real program exported, read by software that is not ours: the Go program of
//! `proto/tests/go`, over `golang.org/x/mod/sumdb/{note,tlog}`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use xacminh_chaos::{Cluster, Options, cluster::Caller, ledger::Ledger, people};
use xacminh_client::Client;
use xacminh_proto::{
    transparency::{
        Checkpoint, Hash, Receipt,
        note::{KeyKind, Note, VerifierKey},
    },
    wire::ConsistencyWish,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Questions: a full bundle of 256 entries and one that is not, and both again in a later export.
const QUESTIONS: [usize; 2] = [280, 300];

/// Where Debian puts Go packages, and what is needed of them (`golang-golang-x-mod-dev`).
const GO_PACKAGES: &str = "/usr/share/gocode";
const SUMDB: &str = "src/golang.org/x/mod/sumdb";

#[tokio::test(flavor = "multi_thread")]
async fn go_reads_what_was_exported() {
    if Command::new("go").arg("version").output().is_err() || !Path::new(GO_PACKAGES).join(SUMDB).exists() {
        assert!(env::var_os("CI").is_none(), "`.ci/setup test` installs Go and sumdb, and CI must not skip this");
        eprintln!("skipped: Go or its package sumdb is not installed (.ci/setup test installs them)");
        return;
    }
    Cluster::tell("export::go_reads_what_was_exported", Options::default(), async |cluster| {
        let oracle = cluster.files.folder.join("oracle");
        let (office, auditor) = (cluster.client(Caller::Office)?, cluster.client(Caller::Auditor)?);
        let key = Ledger::read(cluster, 1).await?.log_key.context("a key of the log")?;
        let mut receipts = Vec::new();
        for questions in QUESTIONS {
            receipts.extend(ask(cluster, &office, questions).await?);
            let origin = origin(&receipts[0])?;
            let vkey = VerifierKey::new(&origin, KeyKind::Ed25519, &key)?.to_string();
            write(&oracle.join("vkeys"), format!("{vkey}\n").as_bytes())?;
            let log = export(cluster, &oracle.join("exported"), &vkey, &origin)?;
            // A receipt of before is of the tree that was exported, and Go checks that, too.
            lay_out(&oracle, &log, &receipts, &auditor).await?;
            check(&oracle)?;
        }
        Ok(())
    })
    .await;
}

/// Asks, and gives the first and the last receipt.
async fn ask(cluster: &Cluster, office: &Client, questions: usize) -> Result<[String; 2]> {
    let mut receipts = Vec::new();
    for at in 0..questions {
        let person = &cluster.people.people[at % cluster.people.people.len()];
        receipts.push(office.ask(people::right(person), PATIENCE).await?.receipt.context("a receipt")?);
    }
    let last = receipts.pop().context("many were asked")?;
    Ok([receipts.swap_remove(0), last])
}

fn origin(receipt: &str) -> Result<String> {
    let receipt = Receipt::parse(receipt.as_bytes())?;
    Ok(Checkpoint::parse(receipt.checkpoint().text())?.origin().to_owned())
}

/// `xacminh audit export`, as an auditor types it; gives the year's folder.
fn export(cluster: &Cluster, directory: &Path, vkey: &str, origin: &str) -> Result<PathBuf> {
    let program = env::current_exe()?.ancestors().nth(2).context("target/debug")?.join("xacminh");
    ensure!(program.is_file(), "{} is missing: run `cargo build --workspace --bins` first", program.display());
    let certs = cluster.files.certs();
    let mut command = Command::new(program);
    command.arg("audit").arg("export").arg(directory).args([
        "--log-key",
        vkey,
        "--cluster",
        xacminh_chaos::cluster::CLUSTER,
    ]);
    for (option, file) in [("--cert", "auditor.pem"), ("--key", "auditor.key"), ("--ca", "client-ca.pem")] {
        command.arg(option).arg(certs.join(file));
    }
    for node in &cluster.files.nodes {
        command.args(["--endpoint", &cluster.files.client(*node).to_string()]);
    }
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(directory.join(origin.rsplit('/').next().context("an origin ends in its year")?))
}

/// Puts everything where the Go program looks for it.
async fn lay_out(oracle: &Path, log: &Path, receipts: &[String], auditor: &Client) -> Result<()> {
    for (number, receipt) in receipts.iter().enumerate() {
        write(&oracle.join(format!("good/{number}.tlog-proof")), receipt.as_bytes())?;
    }
    let copy = oracle.join("log");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    xacminh_chaos::cluster::copy_folder(log, &copy)?;
    let head = Note::parse(&fs::read(copy.join("checkpoint"))?)?;
    let new = Checkpoint::parse(head.text())?;
    let year = new.origin().rsplit('/').next().context("a year")?.parse()?;
    for (number, receipt) in receipts.iter().enumerate() {
        let old = Checkpoint::parse(Receipt::parse(receipt.as_bytes())?.checkpoint().text())?;
        let wish = ConsistencyWish { year, old: old.size(), new: new.size() };
        let proof = auditor.consistency(wish, PATIENCE).await?;
        let mut file = format!("{}\n{}\n{}\n{}\n", old.size(), base64(old.root())?, new.size(), base64(new.root())?);
        for hash in &proof {
            file.push_str(&format!("{}\n", base64(hash)?));
        }
        write(&oracle.join(format!("consistency/{number}")), file.as_bytes())?;
    }
    let mut files = Vec::new();
    paths_below(&copy, &copy, &mut files)?;
    files.retain(|path| path != "checkpoint" && is_in_force(path, new.size()));
    ensure!(files.iter().any(|path| path.contains(".p/")) && files.len() >= 5, "{files:?}");
    write(&oracle.join("spoil"), files.join("\n").as_bytes())
}

/// Whether a file is of the newest tree: earlier exports leave their narrower tiles behind.
fn is_in_force(path: &str, size: u64) -> bool {
    xacminh_proto::transparency::tiles::tiles_of(size).any(|tile| tile.path() == path)
}

fn base64(hash: &Hash) -> Result<String> {
    // A checkpoint writes its root so.
    Ok(Checkpoint::new("a/log", 1, *hash)?.text().lines().nth(2).context("a root")?.to_owned())
}

fn paths_below(root: &Path, folder: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            paths_below(root, &path, found)?;
        } else {
            found.push(path.strip_prefix(root)?.to_str().context("a path of digits")?.to_owned());
        }
    }
    Ok(())
}

/// Builds the Go program and lets it read everything: it also changes a byte of each file, and wants that to show.
fn check(oracle: &Path) -> Result<()> {
    let program = oracle.join("check");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/tests/go");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(source)
        .env("GO111MODULE", "off")
        .env("GOPATH", GO_PACKAGES)
        .env("GOCACHE", oracle.join("cache"))
        .output()?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let run = Command::new(&program).arg(oracle).output()?;
    ensure!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let count = |folder: &str| fs::read_dir(oracle.join(folder)).map(Iterator::count);
    let start = format!("ok good {} bad 0 consistency {} entries ", count("good")?, count("consistency")?);
    ensure!(said.starts_with(&start) && !said.contains("changed 0"), "{said}");
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(path.parent().context("a folder")?)?;
    Ok(fs::write(path, bytes)?)
}
