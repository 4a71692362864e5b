//! A receipt that the log alone signed is worth more once a witness of another organisation cosigned: real nodes with their
//! log server, the real witness, the real program.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use xacminh_chaos::{Cluster, Options, cluster::Caller, ledger::Ledger, people, wait};
use xacminh_proto::transparency::{
    Checkpoint, Receipt,
    note::{KeyKind, VerifierKey},
};

const PATIENCE: Duration = Duration::from_secs(30);
const NAME: &str = "witness.thanh-tra.example.vn/w1";

/// The witness's process, which ends with the story.
struct Witness(Child);

impl Drop for Witness {
    fn drop(&mut self) {
        // One that has ended already needs no ending.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_makes_a_receipt_worth_more() {
    Cluster::tell("witness::a_witness_makes_a_receipt_worth_more", Options::default(), async |cluster| {
        let person = cluster.people.people[0].clone();
        let answer = cluster.client(Caller::Office)?.ask(people::right(&person), PATIENCE).await?;
        let receipt = answer.receipt.context("a receipt")?;
        let origin = Checkpoint::parse(Receipt::parse(receipt.as_bytes())?.checkpoint().text())?.origin().to_owned();
        let key = Ledger::read(cluster, 1).await?.log_key.context("a key of the log")?;
        let log = VerifierKey::new(&origin, KeyKind::Ed25519, &key)?.to_string();

        let folder = cluster.files.folder.join("witness");
        let (witness, _running) = witness(cluster, &folder, &log)?;
        let policy = folder.join("policy");
        fs::write(&policy, format!("log {log}\nwitness w1 {witness}\nquorum w1\n"))?;
        let file = folder.join("receipt");
        fs::write(&file, &receipt)?;
        let alone = verify(&file, &policy)?;
        ensure!(!alone.status.success(), "a receipt that nobody cosigned was believed");

        cluster.stop_all().await?;
        for node in cluster.files.nodes.clone() {
            publish(cluster, node, &witness)?;
            cluster.spawn(node, false)?;
        }
        cluster.wait_all_ready().await?;
        let year = origin.rsplit('/').next().context("a year")?;
        let upgraded = folder.join("upgraded");
        wait::until("a cosigned receipt", PATIENCE, || async {
            let mut said = String::new();
            for node in &cluster.files.nodes {
                let output =
                    upgrade(cluster, *node, year, &file, &upgraded, &policy).map_err(|error| error.to_string())?;
                if output.status.success() {
                    return Ok(());
                }
                said = format!("{:?}: {}", output.status.code(), String::from_utf8_lossy(&output.stderr));
            }
            Err(said)
        })
        .await?;
        let verified = verify(&upgraded, &policy)?;
        ensure!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

        // A byte of the cosignature, and nobody believes it.
        let text = fs::read_to_string(&upgraded)?;
        let line = text.lines().find(|line| line.contains(NAME)).context("a cosignature")?;
        let middle = line.len() - 12;
        let spoilt: String = line
            .char_indices()
            .map(|(at, c)| if at == middle { if c == 'A' { 'B' } else { 'A' } } else { c })
            .collect();
        fs::write(&upgraded, text.replace(line, &spoilt))?;
        ensure!(!verify(&upgraded, &policy)?.status.success(), "a spoilt cosignature was believed");
        Ok(())
    })
    .await;
}

/// Makes a witness of the log and starts it; gives its verifier key.
fn witness(cluster: &Cluster, folder: &Path, log: &str) -> Result<(String, Witness)> {
    fs::create_dir_all(folder)?;
    let (key, state) = (folder.join("witness.key"), folder.join("state"));
    let made = Command::new(program("xacminh-witness")?)
        .args(["keygen", "--name", NAME, "--key"])
        .arg(&key)
        .arg("--state")
        .arg(&state)
        .output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let config = folder.join("witness.toml");
    let (key, state, listen) = (key.display(), state.display(), address(cluster));
    fs::write(
        &config,
        format!(
            "listen = \"{listen}\"\nname = \"{NAME}\"\nkey_file = \"{key}\"\nstate_dir = \"{state}\"\nlogs = [\"{log}\"]\n"
        ),
    )?;
    let child = Command::new(program("xacminh-witness")?)
        .arg("run")
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("witness.stderr"))?)
        .spawn()?;
    Ok((String::from_utf8(made.stdout)?.trim().to_owned(), Witness(child)))
}

fn address(cluster: &Cluster) -> String {
    format!("{}:7860", cluster.files.client(1).ip())
}

/// Has a node serve its log, and ask the witness twice a second.
fn publish(cluster: &Cluster, node: u64, witness: &str) -> Result<()> {
    let certs = cluster.files.certs();
    let certs = certs.display();
    let (listen, url) = (server(cluster, node), address(cluster));
    let mut config = fs::OpenOptions::new().append(true).open(cluster.files.config(node))?;
    writeln!(
        config,
        "[log_server]\nlisten = \"{listen}\"\n[log_server.tls]\ncert = \"{certs}/node-{node}.pem\"\n\
         key = \"{certs}/node-{node}.key\"\nca = \"{certs}/client-ca.pem\"\n\
         [[witness]]\nurl = \"http://{url}\"\nvkey = \"{witness}\"\n[cosigning]\nevery_ms = 500"
    )?;
    Ok(())
}

fn server(cluster: &Cluster, node: u64) -> String {
    format!("{}:{}", cluster.files.client(node).ip(), 7700 + node)
}

fn upgrade(cluster: &Cluster, node: u64, year: &str, receipt: &Path, to: &Path, policy: &Path) -> Result<Output> {
    let certs = cluster.files.certs();
    let mut command = Command::new(program("xacminh")?);
    command.args(["receipt", "upgrade", "--force", "--log"]).arg(format!("https://{}/{year}", server(cluster, node)));
    for (option, file) in [("--log-ca", "client-ca.pem"), ("--cert", "portal-1.pem"), ("--key", "portal-1.key")] {
        command.arg(option).arg(certs.join(file));
    }
    Ok(command.arg("--log-policy").arg(policy).arg("--out").arg(to).arg(receipt).output()?)
}

fn verify(receipt: &Path, policy: &Path) -> Result<Output> {
    let mut command = Command::new(program("xacminh")?);
    Ok(command.args(["receipt", "verify"]).arg(receipt).arg("--log-policy").arg(policy).output()?)
}

/// A program of ours, as `cargo build` left it.
fn program(name: &str) -> Result<PathBuf> {
    let program = env::current_exe()?.ancestors().nth(2).context("target/debug")?.join(name);
    ensure!(program.is_file(), "{} is missing: run `cargo build --workspace --bins` first", program.display());
    Ok(program)
}
