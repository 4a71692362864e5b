//! The witness as a process at a real socket: statuses, the protocol end to end, crashes, and callers of every kind.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use xacminh_proto::transparency::{
    Hash,
    note::{KeyKind, VerifierKey},
    witness::{AddCheckpoint, Cosigned, Submission, SubmissionError},
};
use xacminh_web::{Answer, Http, SubmitError, submit};

use crate::log::{Log, key_pair};

const WAIT: Duration = Duration::from_secs(30);

/// A witness's folder, and the process that runs on it.
pub(crate) struct Witness {
    folder: tempfile::TempDir,
    pub(crate) key: VerifierKey,
    process: Option<Child>,
    pub(crate) address: SocketAddr,
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xacminh-witness"));
    command.env_clear().stdin(Stdio::null());
    command
}

impl Witness {
    /// A witness of this name that watches the test log, running.
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, "connections_max = 16\nrequest_timeout_s = 10\nidle_timeout_s = 10\n")
    }

    fn with(name: &str, limits: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |file: &str| folder.path().join(file).display().to_string();
        let made = program()
            .args(["keygen", "--name", name, "--key", &path("witness.key"), "--state", &path("state")])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let key = VerifierKey::parse(String::from_utf8(made.stdout).unwrap().trim()).unwrap();
        let log = Log::new(0, 0).key;
        let config = format!(
            "listen = \"127.0.0.1:0\"\nname = \"{name}\"\nkey_file = \"witness.key\"\nstate_dir = \"state\"\n\
             logs = [\"{log}\"]\n[limits]\n{limits}"
        );
        fs::write(folder.path().join("witness.toml"), config).unwrap();
        let nowhere = "127.0.0.1:0".parse().unwrap();
        let mut witness = Self { folder, key, process: None, address: nowhere };
        witness.start();
        witness
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = program();
        command.arg(verb).arg("--config").arg(self.path("witness.toml"));
        command
    }

    fn start(&mut self) {
        let errors = fs::File::create(self.path("errors")).unwrap();
        let mut process = self.command("run").stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ");
        let said = || fs::read_to_string(self.path("errors")).unwrap();
        self.address = address.unwrap_or_else(|| panic!("{line}{}", said())).parse().unwrap();
        self.process = Some(process);
    }

    fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Tries to start and fails: exit code and last words.
    fn refused(&self) -> (i32, String) {
        let Output { status, stderr, .. } = self.command("run").output().unwrap();
        (status.code().unwrap(), String::from_utf8(stderr).unwrap())
    }

    pub(crate) fn prefix(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn post(&self, body: &[u8]) -> Answer {
        let url = format!("{}/add-checkpoint", self.prefix());
        http().post(&url, body.to_vec(), 1 << 20).await.unwrap()
    }

    /// Submits as a log's operator does, who thinks that `last` leaves were cosigned.
    async fn submit(&self, log: &Log, size: u64, last: u64) -> Result<Cosigned, SubmitError<()>> {
        let submission = Submission::new(log.checkpoint(size), vec![self.key.clone()], last).unwrap();
        let prove = |old, new| async move { Ok(log.consistency(old, new)) };
        submit(&http(), &self.prefix(), submission, prove).await
    }

    /// The cosignature of a checkpoint that nothing speaks against.
    pub(crate) async fn cosigned(&self, log: &Log, size: u64) -> Cosigned {
        let cosigned = self.submit(log, size, 0).await.unwrap();
        let note = log.checkpoint(size).with(cosigned.signatures().to_vec()).unwrap();
        assert_eq!(note.open([&self.key]).unwrap().len(), 1);
        cosigned
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

pub(crate) fn http() -> Http {
    Http::new(WAIT, None).unwrap()
}

#[tokio::test]
async fn each_request_gets_its_status() {
    let witness = Witness::new("witness.example/w1");
    let (log, other) = (Log::new(300, 0), Log::new(300, 1));
    let status = async |body: &str| witness.post(body.as_bytes()).await.status;
    assert_eq!(status(&log.request(0, 7).to_string()).await, 200);
    assert_eq!(status(&log.request(7, 300).to_string()).await, 200);
    // "409 Conflict", with the size that was cosigned last.
    assert_eq!(
        witness.post(log.request(7, 200).to_string().as_bytes()).await,
        Answer { status: 409, body: b"300\n".to_vec() }
    );
    assert_eq!(status(&log.request(200, 300).to_string()).await, 409);
    assert_eq!(status(&other.request(300, 300).to_string()).await, 409, "another root of the same size");
    assert_eq!(status(&log.request(300, 300).to_string()).await, 200, "the same again is no conflict");
    assert_eq!(status("old 0\n").await, 400);
    assert_eq!(status(&AddCheckpoint { old: 301, ..log.request(300, 300) }.to_string()).await, 400);
    let foreign = log.request(300, 300).to_string().replace("da-nang", "hue");
    assert_eq!(status(&foreign).await, 404);
    let unsigned = log.request(300, 300).to_string().replace("2027 ", "2026 ");
    assert_eq!(status(&unsigned).await, 403);
    let longer = Log::new(400, 1);
    assert_eq!(status(&longer.request(300, 400).to_string()).await, 422, "a history that forked before");
    // The type is part of the protocol; the client above does not keep it.
    let mut stream = TcpStream::connect(witness.address).unwrap();
    let body = log.request(7, 300).to_string();
    write!(
        stream,
        "POST /add-checkpoint HTTP/1.1\r\nhost: w\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.to_lowercase().contains("content-type: text/x.tlog.size\r\n"), "{answer}");
    let elsewhere = http().get(&format!("{}/add-checkpoint", witness.prefix()), 100).await.unwrap();
    assert_eq!(elsewhere.status, 405);
    assert_eq!(http().get(&format!("{}/metrics", witness.prefix()), 100).await.unwrap().status, 404);
}

#[tokio::test]
async fn a_submission_finds_out_where_the_witness_is() {
    let witness = Witness::new("witness.example/w1");
    let log = Log::new(600, 0);
    let first_s = witness.cosigned(&log, 300).await.time_s();
    assert!(first_s > 1_767_225_600, "real time");
    // Whatever the submitter believes, one answer puts it right.
    for (size, last) in [(301, 0), (400, 300), (600, 9)] {
        assert!(witness.submit(&log, size, last).await.unwrap().time_s() >= first_s);
    }
    let behind = witness.submit(&log, 400, 400).await.unwrap_err();
    assert!(matches!(behind, SubmitError::Submission(SubmissionError::Behind { size: 600 })), "{behind:?}");
    let forked = witness.submit(&Log::new(600, 1), 600, 600).await.unwrap_err();
    assert!(matches!(forked, SubmitError::Submission(SubmissionError::Forked { size: 600 })), "{forked:?}");
    let forked = witness.submit(&Log::new(601, 1), 601, 600).await.unwrap_err();
    assert!(matches!(forked, SubmitError::Submission(SubmissionError::Refused { status: 422 })), "{forked:?}");
    // A witness that answers under another key is not the one that was asked.
    let (_, other) = key_pair("witness.example/w1", KeyKind::CosignatureV1, 9);
    let submission = Submission::new(log.checkpoint(600), vec![other], 600).unwrap();
    let prefix = witness.prefix();
    // In a task of its own, as a node will submit.
    let submitting =
        async move { submit(&http(), &prefix, submission, |_, _| async { Ok::<Vec<Hash>, ()>(vec![]) }).await };
    let answered = tokio::spawn(submitting).await.unwrap();
    assert!(matches!(answered, Err(SubmitError::Submission(SubmissionError::Cosignature))), "{answered:?}");
}

/// Whatever was cosigned before the kill is known after it: the witness answers with its size or a larger one.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_forgets_nothing_it_cosigned() {
    let mut witness = Witness::new("witness.example/w1");
    let log = Arc::new(Log::new(2_000, 0));
    let mut known = 0;
    for round in 0..6 {
        let (cosigned, stopped) = (Arc::new(AtomicU64::new(known)), Arc::new(AtomicBool::new(false)));
        let prefix = witness.prefix();
        let asking: Vec<_> = (0..3)
            .map(|_| {
                let (log, cosigned, stopped) = (Arc::clone(&log), Arc::clone(&cosigned), Arc::clone(&stopped));
                let url = format!("{prefix}/add-checkpoint");
                tokio::spawn(async move {
                    while !stopped.load(Ordering::SeqCst) {
                        let old = cosigned.load(Ordering::SeqCst);
                        let new = (old + 1).min(log.size());
                        let body = log.request(old, new).to_string().into_bytes();
                        if let Ok(Answer { status: 200, .. }) = http().post(&url, body, 1 << 16).await {
                            cosigned.fetch_max(new, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        // Killed after some progress, at another moment each round.
        for _ in 0..3_000 {
            if cosigned.load(Ordering::SeqCst) >= known + 5 + round {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        witness.kill();
        stopped.store(true, Ordering::SeqCst);
        for task in asking {
            task.await.unwrap();
        }
        let at_kill = cosigned.load(Ordering::SeqCst);
        assert!(at_kill > known, "nothing was cosigned");
        witness.start();
        // Asked from a size that it cannot be at, it tells its own.
        let told = witness.post(log.request(log.size(), log.size()).to_string().as_bytes()).await;
        known = String::from_utf8(told.body).unwrap().trim().parse().unwrap();
        assert_eq!(told.status, 409);
        assert!(known >= at_kill, "it cosigned {at_kill} and remembers {known}");
    }
}

#[tokio::test]
async fn it_ends_when_told_and_starts_only_on_a_sound_state() {
    let mut witness = Witness::new("witness.example/w1");
    let log = Log::new(300, 0);
    witness.submit(&log, 7, 0).await.unwrap();
    let (code, said) = witness.refused();
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("in use"), "{said}");
    // A caller that says nothing does not keep it alive.
    let _idle = TcpStream::connect(witness.address).unwrap();
    let mut process = witness.process.take().unwrap();
    kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
    let ended = thread::spawn(move || process.wait().unwrap()).join().unwrap();
    assert_eq!(ended.code(), Some(0));

    let shown = String::from_utf8(witness.command("show").output().unwrap().stdout).unwrap();
    assert!(shown.starts_with(&witness.key.to_string()) && shown.contains("size 7 "), "{shown}");
    let heads = witness.path("state/heads");
    let sound = fs::read(&heads).unwrap();
    fs::write(&heads, &sound[..sound.len() - 1]).unwrap();
    assert_eq!(witness.refused().0, 3);
    fs::remove_file(&heads).unwrap();
    let (code, said) = witness.refused();
    assert!(code == 3 && said.contains("missing"), "{code} {said}");
    fs::write(&heads, sound).unwrap();
    set_mode(&witness.path("witness.key"), 0o644);
    let (code, said) = witness.refused();
    assert!(code == 2 && said.contains("chmod 600"), "{code} {said}");
    set_mode(&witness.path("witness.key"), 0o600);
    witness.start();
    witness.submit(&log, 300, 7).await.unwrap();
}

#[tokio::test]
async fn a_disk_that_fails_ends_it_without_a_cosignature() {
    let mut witness = Witness::new("witness.example/w1");
    fs::remove_dir_all(witness.path("state")).unwrap();
    assert_eq!(witness.post(Log::new(9, 0).request(0, 9).to_string().as_bytes()).await.status, 500);
    assert_eq!(witness.process.take().unwrap().wait().unwrap().code(), Some(4));
}

#[tokio::test]
async fn callers_that_are_slow_or_too_loud_are_turned_away_and_others_served() {
    let witness =
        Witness::with("witness.example/w1", "connections_max = 3\nrequest_timeout_s = 1\nidle_timeout_s = 1\n");
    let log = Log::new(9, 0);
    // All the places are taken: by one who says nothing, one who stops in the head, one who stops in the body.
    let say = |words: &str| {
        let mut stream = TcpStream::connect(witness.address).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        stream.write_all(words.as_bytes()).unwrap();
        stream
    };
    let head = "POST /add-checkpoint HTTP/1.1\r\nhost: w\r\n";
    let slow = [say(""), say(head), say(&format!("{head}content-length: 100\r\n\r\nold 0"))];
    assert_eq!(witness.post(log.request(0, 9).to_string().as_bytes()).await.status, 200, "served after them");
    for (mut stream, status) in slow.into_iter().zip(["", "", "408"]) {
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        assert!(said.contains(status), "{said}");
    }
    // One who was answered and then says nothing more is let go, too.
    let body = log.request(9, 9).to_string();
    let mut lingering = say(&format!("{head}content-length: {}\r\n\r\n{body}", body.len()));
    let mut said = String::new();
    lingering.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    let mut announced = say(&format!("{head}connection: close\r\ncontent-length: 99999999\r\n\r\n"));
    let mut chunk = vec![b'a'; 1 << 16];
    chunk.insert(0, b'\n');
    let _ = (0..16).try_for_each(|_| announced.write_all(&chunk));
    let mut said = String::new();
    let _ = announced.read_to_string(&mut said);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 413"), "{said}");
    let mut many = say(&format!("{head}{}", "x: y\r\n".repeat(100)));
    let mut said = String::new();
    let _ = many.read_to_string(&mut said);
    assert!(said.starts_with("HTTP/1.1 431") || said.starts_with("HTTP/1.1 400"), "{said}");
    assert_eq!(witness.post(log.request(9, 9).to_string().as_bytes()).await.status, 200, "still there");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
