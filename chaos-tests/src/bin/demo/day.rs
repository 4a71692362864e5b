//! The clerk's day: what is asked, and what must come of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{
    evidence::RECEIPT,
    nodes::{IDS, Nodes},
    people::{self, Cast, Person},
    stage::Stage,
    tool::{Told, typed, xacminh},
    watch::Watch,
};

/// Đăng ký thường trú.
const RESIDENCE: &str = "1.004222";
/// Đăng ký thành lập hộ kinh doanh.
const BUSINESS: &str = "1.001612";
/// Cấp bản sao Trích lục hộ tịch.
const EXTRACT: &str = "2.000635";
/// A number nobody has: no citizen of any population is born in that century.
const NOBODYS_NUMBER: &str = "048999999999";

/// How long the survivors may take to elect a leader.
const ELECTION_PATIENCE: Duration = Duration::from_secs(30);

/// Tells the day; an error is a step that did not go as it must.
pub(crate) fn live(nodes: &mut Nodes, watch: &Watch, stage: &Stage) -> Result<()> {
    let cast = people::choose(&nodes.path("population.sqlite"))?;
    stage.scene(1, "Three nodes");
    // The others first: the first one's bootstrap then finds a quorum at once.
    for id in [2, 3, 1] {
        nodes.start(id, id == 1)?;
    }
    for id in IDS {
        nodes.wait_ready(watch, id)?;
        stage.checked(format!("node {id} is ready (process {})", nodes.pid(id)?));
    }
    let mut day = Day { nodes, watch, stage, entries: Vec::new() };
    let first = day.residence(&cast)?;
    day.wrong_mark(&cast)?;
    day.age(&cast.trader)?;
    day.lookup(&cast.resident)?;
    day.refused(&cast.resident)?;
    day.no_oracle(&cast)?;
    day.leader_dies(&cast.resident)?;
    day.retry(&first)?;
    day.receipt(&cast.resident, &first)?;
    day.audit(&cast)?;
    day.trail(&cast)?;
    day.evening()
}

/// The day so far.
pub(crate) struct Day<'a> {
    pub(crate) nodes: &'a mut Nodes,
    watch: &'a Watch,
    pub(crate) stage: &'a Stage,
    /// Every answer given: position of its audit entry, and request id.
    entries: Vec<(u64, String)>,
}

/// A question that was answered, to be asked once more.
pub(crate) struct Asked {
    arguments: Vec<String>,
    position: u64,
    pub(crate) request_id: String,
    substance: String,
}

impl Day<'_> {
    fn residence(&mut self, cast: &Cast) -> Result<Asked> {
        let person = &cast.resident;
        self.stage.scene(2, "Permanent residence: identity and residence match");
        self.stage.say("Before each `$` stands who types: an office, a business office or an auditor, each with a certificate of its own.");
        self.stage.say("The programs answer in Vietnamese, as clerks read it; `--lang en` says the same in English.");
        self.stage.say(&format!("{} is at the counter with an identity card and a form.", person.name));
        self.stage.say("Number, name and birth date are the card's and say who it is; the other options are what is to be checked:");
        let mut arguments = question("verify", "clerk-01", RESIDENCE, person);
        arguments.extend(words(&["--full-name", "--birth-date", "--permanent-province", "48", "--permanent-commune"]));
        arguments.push(person.commune.clone());
        let filed = [&arguments[..], &words(&["--receipt", RECEIPT])].concat();
        let told = self.ask("office", &filed)?;
        told.expect(0, &["XÁC NHẬN", "Họ tên", "Ngày sinh", "Nơi cư trú"], &["KHÔNG"])?;
        ensure!(told.text.matches("KHỚP").count() == 3, "three claims must match: {}", told.text);
        self.stage.checked("three claims match, and no paper is asked for");
        let (position, request_id) = told.entry()?;
        Ok(Asked { arguments, position, request_id, substance: told.substance().to_owned() })
    }

    fn wrong_mark(&mut self, cast: &Cast) -> Result<()> {
        self.stage.scene(3, "A wrong diacritic does not match, and the clerk is told why");
        self.stage.say(&format!("The form says {}; the card says {}.", cast.misspelt, cast.resident.name));
        self.stage.say("`--name` is the card's and names the person, who is confirmed; `--full-name` is the form's and is what is checked:");
        let mut arguments = question("verify", "clerk-01", RESIDENCE, &cast.resident);
        arguments.extend(["--full-name".to_owned(), cast.misspelt.clone()]);
        let told = self.ask("office", &arguments)?;
        told.expect(1, &["Họ tên", "KHÔNG KHỚP", "thiếu một số dấu"], &[&cast.misspelt])?;
        self.stage
            .checked("the person is confirmed, the form's name is not: a mark is missing, so look at the card again");
        Ok(())
    }

    fn age(&mut self, person: &Person) -> Result<()> {
        self.stage.scene(4, "Old enough for a business? Yes; the birth date stays where it is");
        let year = person.birth.get(..4).context("a year")?;
        self.stage.say(&format!(
            "The business office knows {}'s year of birth, and must know only whether the age is 18 or more.",
            person.name
        ));
        let by_year = Person { birth: year.to_owned(), ..person.clone() };
        let mut arguments = question("verify", "clerk-01", BUSINESS, &by_year);
        arguments.extend(words(&["--age-at-least", "18"]));
        let told = self.ask("business", &arguments)?;
        let (month_day, written) = (&person.birth[4..], written_date(&person.birth));
        told.expect(0, &["Đủ tuổi", "KHỚP"], &["KHÔNG", "Ngày sinh", month_day, &written])?;
        self.stage.checked("old enough; neither day nor month in the answer");
        self.stage.say("Asking for the date itself is another matter:");
        let mut arguments = question("lookup", "clerk-01", BUSINESS, &by_year);
        arguments.extend(words(&["--attributes", "birth_date"]));
        let told = self.ask("business", &arguments)?;
        told.expect(4, &["TỪ CHỐI 2008"], &[month_day, &written])?;
        self.stage.checked("refused: this procedure does not need the date, so it may not have it");
        Ok(())
    }

    fn lookup(&mut self, person: &Person) -> Result<()> {
        self.stage.scene(5, "A look-up returns what the procedure needs, and nothing else");
        let mut arguments = question("lookup", "clerk-01", RESIDENCE, person);
        arguments.extend(words(&["--attributes", "full_name,permanent_residence,relation_to_head"]));
        let told = self.ask("office", &arguments)?;
        let absent = ["Ngày sinh", "Tình trạng hôn nhân", "Dân tộc", "Số định danh"];
        told.expect(0, &["Họ tên", &person.name, "Nơi thường trú", "Quan hệ với chủ hộ"], &absent)?;
        self.stage.checked("three values, those that were asked for");
        let mut arguments = question("lookup", "clerk-01", RESIDENCE, person);
        arguments.extend(words(&["--attributes", "full_name,ethnicity"]));
        self.ask("office", &arguments)?.expect(4, &["TỪ CHỐI 2008"], &[&person.name, "Dân tộc"])?;
        self.stage.checked(
            "one value that the procedure may not have, and the whole question is refused: nothing is disclosed",
        );
        Ok(())
    }

    fn refused(&mut self, person: &Person) -> Result<()> {
        self.stage.scene(6, "A procedure that was not given to this official");
        let mut arguments = question("verify", "clerk-02", EXTRACT, person);
        arguments.push("--full-name".to_owned());
        self.ask("office", &arguments)?.expect(4, &["TỪ CHỐI 2006"], &[&person.name])?;
        self.stage.checked("refused, and the refusal has an audit entry of its own");
        Ok(())
    }

    fn no_oracle(&mut self, cast: &Cast) -> Result<()> {
        self.stage.scene(7, "Nobody can find out who exists by guessing");
        let known = &cast.resident;
        let cases = [
            ("A number nobody has:", Person { number: NOBODYS_NUMBER.to_owned(), ..known.clone() }),
            ("A number somebody has, under another name:", Person { name: cast.stranger.clone(), ..known.clone() }),
            ("The right name, born on another day:", Person { birth: "1959-12-31".to_owned(), ..known.clone() }),
        ];
        let mut answers = Vec::new();
        for (what, person) in cases {
            self.stage.say(what);
            let mut arguments = question("verify", "clerk-01", RESIDENCE, &person);
            arguments.push("--full-name".to_owned());
            let told = self.ask("office", &arguments)?;
            told.expect(1, &["KHÔNG XÁC NHẬN"], &[])?;
            answers.push(told.substance().to_owned());
        }
        ensure!(!answers[0].is_empty(), "the answers say something");
        ensure!(answers.iter().all(|answer| *answer == answers[0]), "answers differ: {answers:?}");
        self.stage
            .checked("the same answer three times: it does not say whether the number, the name or the date was wrong");
        Ok(())
    }

    fn leader_dies(&mut self, person: &Person) -> Result<()> {
        self.stage.scene(8, "The leader dies, and the next question is asked at once");
        let leader = self.leader()?;
        self.stage.command("machine", &format!("kill -9 {}    # node {leader}, which leads", self.nodes.pid(leader)?));
        self.nodes.kill(leader)?;
        let mut arguments = question("verify", "clerk-01", RESIDENCE, person);
        arguments.push("--full-name".to_owned());
        let told = self.ask("office", &arguments)?;
        told.expect(0, &["XÁC NHẬN", "KHỚP"], &["KHÔNG"])?;
        let next = self.leader()?;
        ensure!(next != leader, "node {leader} is dead and cannot lead");
        self.stage.checked(format!(
            "answered after {} ms, an election included; node {next} leads now",
            told.took.as_millis()
        ));
        self.nodes.start(leader, false)?;
        self.nodes.wait_ready(self.watch, leader)?;
        self.stage.checked(format!("node {leader} is started again, recovers and catches up"));
        Ok(())
    }

    fn retry(&mut self, first: &Asked) -> Result<()> {
        self.stage.scene(9, "The same request id is the same audit entry, whoever leads");
        self.stage
            .say("The morning's first answer was lost on the way to the portal, which asks again under the same id.");
        let arguments = [&first.arguments[..], &["--request-id".to_owned(), first.request_id.clone()]].concat();
        let told = self.ask("office", &arguments)?;
        told.expect(0, &["XÁC NHẬN"], &[])?;
        let (position, request_id) = told.entry()?;
        ensure!(request_id == first.request_id, "the answer is of another request: {request_id}");
        ensure!(position == first.position, "entry {} before, {position} now", first.position);
        ensure!(told.substance() == first.substance, "another answer: {}", told.text);
        self.stage.checked(format!("entry {position} again, with the same answer; there is no second one"));
        Ok(())
    }

    fn audit(&mut self, cast: &Cast) -> Result<()> {
        self.stage.scene(11, "What the auditor sees: who asked what and when, but no person");
        self.stage.say(
            "Portal and procedure stand there by their numbers in the register; a `?` marks a claim that was checked.",
        );
        let positions = || self.entries.iter().map(|(position, _)| *position);
        let (first, last) = positions().min().zip(positions().max()).context("answers")?;
        let limit = last + 1 - first;
        let arguments = words(&["audit", "list", "--from", &first.to_string(), "--limit", &limit.to_string()]);
        let told = self.show("auditor", &arguments)?;
        let people =
            [&cast.resident, &cast.trader].map(|person| [person.name.as_str(), person.number.as_str()]).concat();
        told.expect(0, &["disclosed", "refused", "age_at_least?"], &people)?;
        for (position, request_id) in &self.entries {
            let begins = |line: &&str| line.split_whitespace().next() == Some(&position.to_string());
            let found: Vec<&str> = told.text.lines().filter(begins).collect();
            let fits = found.len() == 1 && found[0].ends_with(request_id.as_str());
            ensure!(fits, "request {request_id} has no entry at {position}: {found:?}");
        }
        self.stage.checked(format!("all {} answers are in the log, each at the position it named", self.entries.len()));
        self.stage.say("The same from an office:");
        let told = self.show("office", &words(&["audit", "tail", "--limit", "1"]))?;
        told.expect(4, &["1012"], &[])?;
        self.stage.checked("refused: an office may ask questions, and may not read the log");
        Ok(())
    }

    fn evening(&mut self) -> Result<()> {
        self.stage.scene(13, "The nodes stop");
        self.stage.say("How they are before that, all three ready:");
        let told = self.show("auditor", &words(&["cluster", "status"]))?;
        told.expect(0, &[], &["KHÔNG"])?;
        self.nodes.stop(self.watch)?;
        self.stage.checked("all three drained and ended with exit code 0; their folder is removed");
        self.stage.say("");
        self.stage.say("Everything went as it must.");
        Ok(())
    }

    /// Asks, shows question and answer, and keeps the audit entry.
    fn ask(&mut self, caller: &str, arguments: &[String]) -> Result<Told> {
        let told = self.show(caller, arguments)?;
        let entry = told.entry().with_context(|| told.text.clone())?;
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
        Ok(told)
    }

    pub(crate) fn show(&self, caller: &str, arguments: &[String]) -> Result<Told> {
        self.stage.command(caller, &typed(arguments));
        let told = xacminh(self.watch, &self.nodes.path(&format!("{caller}.toml")), arguments)?;
        self.stage.output(&told.text);
        Ok(told)
    }

    /// The node that leads, in the eyes of a node that believes it.
    fn leader(&self) -> Result<u64> {
        let config = self.nodes.path("auditor.toml");
        self.watch.wait("a leader", ELECTION_PATIENCE, || {
            let told = xacminh(self.watch, &config, &words(&["cluster", "status", "--json"]))?;
            let nodes: serde_json::Value = serde_json::from_str(told.text.lines().next().unwrap_or_default())?;
            let itself = |node: &&serde_json::Value| node["leader"].is_u64() && node["leader"] == node["node"];
            Ok(nodes.as_array().and_then(|nodes| nodes.iter().find(itself)).and_then(|node| node["node"].as_u64()))
        })
    }
}

/// A question's command line up to what is asked.
fn question(verb: &str, official: &str, procedure: &str, person: &Person) -> Vec<String> {
    let dossier = "H48.15-261122-0007";
    words(&[verb, "--official", official, "--procedure", procedure, "--dossier", dossier])
        .into_iter()
        .chain(words(&["--number", &person.number, "--name", &person.name, "--birth", &person.birth]))
        // An election fits in.
        .chain(words(&["--deadline", "10s"]))
        .collect()
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// `1990-05-17` as people write it: `17/05/1990`.
fn written_date(date: &str) -> String {
    date.rsplit('-').collect::<Vec<_>>().join("/")
}
