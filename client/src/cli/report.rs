//! An answer for people and for machines. The JSON shape is documented in docs/FORMATS.md and held by a snapshot test.

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use xacminh_proto::{
    vocab::{ErrorNumber, Outcome, Reason, Verdict},
    wire::Answer,
};

use super::{
    exit::{self, CliError, Exit},
    screen::{Lang, Screen, table},
    texts,
};

/// An answer as JSON: one line of `--json`, of a journal and of a `.jsonl` batch result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AnswerJson {
    /// Name of the request.
    pub request_id: String,
    /// `confirmed`, `not_confirmed`, `undetermined` or `refused`.
    pub outcome: String,
    /// Whether the person is confirmed and every claim matches.
    pub all_match: bool,
    /// One for each claim, in the order asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<VerdictJson>,
    /// Disclosed values by attribute name; `null` where nothing is recorded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// When the record was read from the authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of_ms: Option<u64>,
    /// Whether the number asked about was cancelled, and the answer is from the record of the one issued instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reissued: bool,
    /// Why it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorJson>,
    /// Position of the audit entry.
    pub position: u64,
    /// When it was stamped.
    pub at_ms: u64,
}

/// A verdict as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct VerdictJson {
    /// Kind of the claim.
    pub claim: String,
    /// `match`, `no_match` or `undetermined`.
    pub verdict: String,
    /// Why, as a word.
    pub reason: String,
    /// Why, as a number.
    pub reason_number: u16,
    /// Why it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// An error number as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ErrorJson {
    /// The stable number.
    pub number: u16,
    /// What a clerk can do, in English.
    pub advice_en: String,
    /// What a clerk can do, in Vietnamese.
    pub advice_vi: String,
}

impl From<&Answer> for AnswerJson {
    fn from(answer: &Answer) -> Self {
        let mut json = Self {
            request_id: answer.request_id.to_string(),
            outcome: String::new(),
            all_match: exit_of(&answer.outcome) == Exit::Good,
            verdicts: Vec::new(),
            attributes: BTreeMap::new(),
            as_of_ms: None,
            reissued: false,
            cause: None,
            error: None,
            position: answer.position,
            at_ms: answer.at_ms,
        };
        json.outcome = match &answer.outcome {
            Outcome::Confirmed { verdicts, attributes, as_of_ms, reissued } => {
                json.reissued = *reissued;
                json.verdicts = verdicts.iter().map(VerdictJson::from).collect();
                let named = attributes.iter().map(|(name, value)| (name.name().to_owned(), texts::value_json(value)));
                json.attributes = named.collect();
                json.as_of_ms = Some(*as_of_ms);
                "confirmed"
            }
            Outcome::NotConfirmed => "not_confirmed",
            Outcome::Undetermined(cause) => {
                json.cause = Some(texts::cause_code(*cause).to_owned());
                "undetermined"
            }
            Outcome::Refused(number) => {
                json.error = Some(ErrorJson::from(*number));
                "refused"
            }
        }
        .to_owned();
        json
    }
}

impl AnswerJson {
    /// The exit code of one answer.
    #[must_use]
    pub(crate) fn exit(&self) -> Exit {
        let undetermined = |verdict: &VerdictJson| verdict.verdict == "undetermined";
        match self.outcome.as_str() {
            "confirmed" if self.all_match => Exit::Good,
            "confirmed" if self.verdicts.iter().any(|verdict| verdict.verdict == "no_match") => Exit::NoMatch,
            "confirmed" if self.verdicts.iter().any(undetermined) => Exit::Undetermined,
            "undetermined" => Exit::Undetermined,
            "refused" => Exit::Refused,
            _ => Exit::NoMatch,
        }
    }
}

impl From<&xacminh_proto::vocab::ClaimVerdict> for VerdictJson {
    fn from(verdict: &xacminh_proto::vocab::ClaimVerdict) -> Self {
        let cause = if let Verdict::Undetermined(cause) = verdict.verdict { Some(cause) } else { None };
        Self {
            claim: verdict.kind.name().to_owned(),
            verdict: texts::verdict_code(verdict.verdict).to_owned(),
            reason: texts::reason_code(verdict.reason).to_owned(),
            reason_number: verdict.reason.number(),
            cause: cause.map(|cause| texts::cause_code(cause).to_owned()),
        }
    }
}

impl From<ErrorNumber> for ErrorJson {
    fn from(number: ErrorNumber) -> Self {
        Self {
            number: number.number(),
            advice_en: number.advice_en().to_owned(),
            advice_vi: number.advice_vi().to_owned(),
        }
    }
}

/// A claim that does not match weighs more than one that cannot be told.
fn exit_of(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::Confirmed { verdicts, .. } => {
            let of = |verdict: Verdict| match verdict {
                Verdict::Match => Exit::Good,
                Verdict::NoMatch => Exit::NoMatch,
                Verdict::Undetermined(_) => Exit::Undetermined,
            };
            let exits: Vec<Exit> = verdicts.iter().map(|verdict| of(verdict.verdict)).collect();
            let worst = if exits.contains(&Exit::NoMatch) { Some(Exit::NoMatch) } else { exits.into_iter().max() };
            worst.unwrap_or(Exit::Good)
        }
        Outcome::NotConfirmed => Exit::NoMatch,
        Outcome::Undetermined(_) => Exit::Undetermined,
        Outcome::Refused(_) => Exit::Refused,
    }
}

/// Shows an answer and says what the process ends with.
pub(super) fn show(screen: Screen, answer: &Answer) -> io::Result<Exit> {
    if screen.json {
        screen.json(&AnswerJson::from(answer))?;
    } else {
        for line in lines(answer, screen.lang) {
            screen.line(&line)?;
        }
    }
    Ok(exit_of(&answer.outcome))
}

fn lines(answer: &Answer, lang: Lang) -> Vec<String> {
    let mut lines = Vec::new();
    match &answer.outcome {
        Outcome::Confirmed { verdicts, attributes, as_of_ms, reissued } => {
            lines.push(
                lang.say(
                    "XÁC NHẬN: số, họ tên và ngày sinh là của một người.",
                    "CONFIRMED: number, name and birth date are one person's.",
                )
                .to_owned(),
            );
            if *reissued {
                lines.push(
                    lang.say(
                        "  Số định danh này đã hủy và cấp lại; trả lời theo số mới.",
                        "  The number was cancelled and re-issued; the answer is by the new one.",
                    )
                    .to_owned(),
                );
            }
            let verdicts = verdicts.iter().map(|item| {
                let why = match item.verdict {
                    // What the cause says of the record in general, this says of the card.
                    Verdict::Undetermined(_) if item.reason == Reason::CardAddressUnlike => {
                        texts::reason(item.reason, lang)
                    }
                    Verdict::Undetermined(cause) => texts::cause(cause, lang),
                    _ => texts::reason(item.reason, lang),
                };
                let cells = [texts::claim(item.kind, lang), texts::verdict(item.verdict, lang), why];
                cells.map(str::to_owned).to_vec()
            });
            lines.extend(table(&verdicts.collect::<Vec<_>>()).into_iter().map(|line| format!("  {line}")));
            let values = attributes
                .iter()
                .map(|(name, value)| vec![texts::attribute(*name, lang).to_owned(), texts::value(value, lang)]);
            lines.extend(table(&values.collect::<Vec<_>>()).into_iter().map(|line| format!("  {line}")));
            lines.push(format!("  {} {}", lang.say("dữ liệu lúc", "data as of"), moment(*as_of_ms)));
        }
        Outcome::NotConfirmed => lines.push(
            lang.say(
                "KHÔNG XÁC NHẬN: số, họ tên và ngày sinh không cùng chỉ một người; kiểm tra lại cả ba.",
                "NOT CONFIRMED: number, name and birth date do not name one person; check all three.",
            )
            .to_owned(),
        ),
        Outcome::Undetermined(cause) => lines.push(format!(
            "{}: {}",
            lang.say("KHÔNG XÁC ĐỊNH ĐƯỢC; được nhận giấy tờ", "CANNOT BE TOLD; paper may be accepted"),
            texts::cause(*cause, lang)
        )),
        Outcome::Refused(number) => {
            lines.push(format!("{} {}: {}", lang.say("TỪ CHỐI", "REFUSED"), number.number(), advice(*number, lang)));
        }
    }
    lines.push(format!(
        "  {} {} · {} · {} {}",
        lang.say("mục kiểm toán", "audit entry"),
        answer.position,
        moment(answer.at_ms),
        lang.say("mã yêu cầu", "request id"),
        answer.request_id
    ));
    lines
}

pub(super) fn advice(number: ErrorNumber, lang: Lang) -> &'static str {
    lang.say(number.advice_vi(), number.advice_en())
}

/// A moment in Vietnam's time, to the second.
pub(super) fn moment(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX);
    let vietnam = UtcOffset::from_hms(7, 0, 0).unwrap_or(UtcOffset::UTC);
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.to_offset(vietnam).format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{unix_ms} ms"))
}

/// Shows why there is no result.
pub(super) fn show_error(screen: Screen, error: &CliError) -> io::Result<()> {
    // A client's error stands in ours already; its causes do not.
    let message = match error {
        CliError::Client(error) => exit::chain(error),
        CliError::Receipt { path, fault } if !screen.json => format!("{path}: {}", texts::fault(*fault, screen.lang)),
        other => other.to_string(),
    };
    if screen.json {
        let request_id = match error {
            CliError::Client(crate::ClientError::Unknown { request_id, .. }) => request_id.map(|id| id.to_string()),
            _ => None,
        };
        let document = serde_json::json!({"error": {
            "kind": error.kind(),
            "exit": error.exit() as u8,
            "message": message,
            "number": error.number().map(ErrorNumber::number),
            "advice": error.number().map(|number| advice(number, screen.lang)),
            "request_id": request_id,
        }});
        return screen.json(&document);
    }
    let headline = match error.number() {
        Some(number) => match error.detail() {
            // Which line of a register, which field of a question: the number alone tells nobody what to mend.
            Some(detail) => format!("{}: {} ({detail})", number.number(), advice(number, screen.lang)),
            None => format!("{}: {}", number.number(), advice(number, screen.lang)),
        },
        None => message,
    };
    screen.complain(&format!("{}: {headline}", screen.lang.say("lỗi", "error")));
    Ok(())
}
