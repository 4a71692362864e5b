//! What remains of the day: receipts that stand without the cluster, and the citizen's own view of the log.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::{
    day::{Asked, Day, words},
    people::{Cast, Person},
};

/// Name of the receipt of the morning's first answer.
pub(crate) const RECEIPT: &str = "receipt.tlog-proof";

/// The same, saying less.
const REDACTED: &str = "redacted.tlog-proof";

/// The same, with one character changed.
const TAMPERED: &str = "tampered.tlog-proof";

impl Day<'_> {
    /// The receipt is verified, shortened and tampered with, by a program that knows nothing but the log's public key.
    pub(crate) fn receipt(&mut self, person: &Person, first: &Asked) -> Result<()> {
        self.stage.scene(10, "The receipt is filed instead of a paper copy, and stands without us");
        self.stage
            .say("The public key of the province's log is all that a court, another office or the citizen needs:");
        let key = self.nodes.log_key().to_owned();
        let told = self.verify(RECEIPT, &key)?;
        told.expect(0, &["PHIẾU HỢP LỆ", "KHỚP", &person.number, "Họ tên"], &["KHÔNG"])?;
        self.stage.checked("it verifies offline: who asked, about whom, what was answered, where in the log");

        self.stage.say("Shown to somebody who need not know whom it is about:");
        let redact = ["receipt", "redact", RECEIPT, "--drop", "subject", "claim/0/full_name", "--out", REDACTED];
        self.show("office", &words(&redact))?.expect(0, &[], &[])?;
        let told = self.verify(REDACTED, &key)?;
        told.expect(0, &["PHIẾU HỢP LỆ", "(không mở)"], &[&person.number, &person.name])?;
        self.stage.checked("number and name are closed, everything else is as it was, and it verifies all the same");

        self.stage.say("Somebody changes one character of it:");
        self.tamper()?;
        let told = self.verify(TAMPERED, &key)?;
        told.expect(8, &["KHÔNG HỢP LỆ"], &["KHỚP"])?;
        self.stage.checked("it does not verify (exit code 8): one changed character is enough");

        self.stage.say("And the file was lost. The log makes the same one again, by the request's id:");
        let get = ["receipt", "get", "--request-id", &first.request_id, "--out", "again.tlog-proof"];
        self.show("office", &words(&get))?.expect(0, &[], &[])?;
        let [filed, again] = [RECEIPT, "again.tlog-proof"].map(|name| fs::read(self.nodes.path(name)));
        ensure!(filed? == again?, "the receipt fetched again is another one");
        self.stage.checked("byte for byte the receipt that was filed, though another node leads by now");
        Ok(())
    }

    fn verify(&self, file: &str, key: &str) -> Result<crate::tool::Told> {
        self.show("office", &words(&["receipt", "verify", file, "--log-key", key]))
    }

    /// Changes one character in the middle of what the receipt discloses.
    fn tamper(&self) -> Result<()> {
        let text = fs::read_to_string(self.nodes.path(RECEIPT))?;
        let line = text.lines().nth(1).context("a receipt has a line `extra`")?;
        let at = text.find(line).context("its own line")? + line.len() / 2;
        let changed = if text[at..].starts_with('A') { 'B' } else { 'A' };
        let tampered: String =
            text.char_indices().map(|(place, letter)| if place == at { changed } else { letter }).collect();
        ensure!(tampered != text, "nothing was changed");
        Ok(fs::write(self.nodes.path(TAMPERED), tampered)?)
    }

    /// Every access to one person, with a proof that none was left out.
    pub(crate) fn trail(&mut self, cast: &Cast) -> Result<()> {
        self.stage.scene(12, "The citizen asks who looked");
        self.stage.say("An auditor (or a service for citizens) reads every access to this one person:");
        let (person, key) = (&cast.resident, self.nodes.log_key().to_owned());
        let told = self.show("auditor", &words(&["audit", "trail", "--number", &person.number, "--log-key", &key]))?;
        told.expect(0, &["Đã kiểm chứng", "Đăng ký thường trú", "khớp", "từ chối"], &[&cast.trader.number])?;
        let rows = told.text.lines().count().saturating_sub(2);
        ensure!(rows >= 6, "{rows} accesses are too few for this day: {}", told.text);
        self.stage.checked(format!("{rows} accesses, each with its proof, and the chain shows that none is missing"));
        Ok(())
    }
}
