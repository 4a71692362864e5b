//! What a verified receipt says, in words: the same on a terminal and on a filed page.

use xacminh_proto::{
    hex,
    transparency::{LeafKind, LeafVerdict, Stated, Statement, Verified},
    vocab::{PersonNumber, Verdict},
};

use crate::cli::{
    report::{advice, moment},
    screen::Lang,
    texts,
};

/// A receipt in words.
pub(super) struct Facts {
    /// That it verifies, and its verdict.
    pub(super) headline: String,
    /// What was answered: claims with their verdicts, values.
    pub(super) statements: Vec<Fact>,
    /// Who, what for, about whom, when, where in the log.
    pub(super) circumstances: Vec<Fact>,
}

/// One line.
pub(super) struct Fact {
    pub(super) label: String,
    pub(super) text: String,
}

impl Facts {
    pub(super) fn of(verified: &Verified, lang: Lang) -> Self {
        let verifies = lang.say("PHIẾU HỢP LỆ", "RECEIPT VERIFIES");
        let headline = format!("{verifies} · {}", verdict(verified.verdict(), lang));
        Self { headline, statements: statements(verified, lang), circumstances: circumstances(verified, lang) }
    }
}

fn fact(label: impl Into<String>, text: impl Into<String>) -> Fact {
    Fact { label: label.into(), text: text.into() }
}

fn statements(verified: &Verified, lang: Lang) -> Vec<Fact> {
    let mut facts: Vec<Fact> = verified
        .statements()
        .iter()
        .map(|statement| match statement {
            Statement::Outcome(stated) => fact(lang.say("Trả lời", "Answer"), outcome(*stated, lang)),
            Statement::Claim { claim, verdict, reason, .. } => {
                let why = match verdict {
                    Verdict::Undetermined(cause) => texts::cause(*cause, lang),
                    Verdict::Match | Verdict::NoMatch => texts::reason(*reason, lang),
                };
                let said = format!("{} ({why})", texts::verdict(*verdict, lang));
                let claimed = texts::argument(claim, lang);
                let text = if claimed.is_empty() { said } else { format!("{claimed}: {said}") };
                fact(texts::claim(claim.kind(), lang), text)
            }
            Statement::Attribute(attribute, value) => {
                fact(texts::attribute(*attribute, lang), texts::value(value, lang))
            }
        })
        .collect();
    if verified.closed() > 0 {
        let left = lang.say("mục trả lời được giữ kín", "statements that this receipt does not show");
        facts.push(fact(lang.say("Không mở", "Left closed"), format!("{} {left}", verified.closed())));
    }
    facts
}

fn circumstances(verified: &Verified, lang: Lang) -> Vec<Fact> {
    let not_shown = || lang.say("(không mở)", "(not shown)").to_owned();
    let mut facts = vec![
        fact(lang.say("Về ai", "About"), verified.subject().map_or_else(not_shown, number)),
        fact(lang.say("Ai hỏi", "Asked by"), asker(verified, lang)),
        fact(
            lang.say("Để làm gì", "For"),
            format!(
                "{} {} · {} {} · {} {}",
                lang.say("mục đích", "purpose"),
                verified.purpose(),
                lang.say("thủ tục số", "procedure number"),
                verified.procedure(),
                lang.say("danh mục bản", "register revision"),
                verified.leaf().register_revision,
            ),
        ),
        fact(lang.say("Hỏi gì", "Asked"), asked(verified, lang)),
    ];
    if let Some(as_of_ms) = verified.as_of_ms() {
        facts.push(fact(lang.say("Dữ liệu lúc", "Data as of"), moment(as_of_ms)));
    }
    facts.extend([
        fact(lang.say("Trả lời lúc", "Answered at"), moment(verified.at_ms())),
        fact(lang.say("Mã yêu cầu", "Request id"), verified.request_id().to_string()),
        fact(lang.say("Sự việc", "Entry"), kind(verified.kind(), lang)),
        fact(
            lang.say("Nhật ký", "Log"),
            format!("{} · {}", verified.origin(), texts::place_in_log(verified.position(), verified.log_size(), lang)),
        ),
        fact(lang.say("Nhân chứng", "Cosigned by"), cosigners(verified, lang)),
    ]);
    facts
}

/// The verdict of the leaf, which stands whatever was closed.
fn verdict(verdict: LeafVerdict, lang: Lang) -> &'static str {
    match verdict {
        LeafVerdict::Match => lang.say("KHỚP", "MATCH"),
        LeafVerdict::NoMatch => lang.say("KHÔNG KHỚP", "NO MATCH"),
        LeafVerdict::Undetermined => lang.say("KHÔNG XÁC ĐỊNH ĐƯỢC", "CANNOT BE TOLD"),
        LeafVerdict::Refused => lang.say("TỪ CHỐI", "REFUSED"),
        LeafVerdict::None => lang.say("KHÔNG CÓ KẾT LUẬN VỀ AI", "NOTHING DECIDED ABOUT ANYBODY"),
    }
}

fn outcome(stated: Stated, lang: Lang) -> String {
    match stated {
        Stated::Confirmed { reissued: true, .. } => lang
            .say(
                "số, họ tên và ngày sinh là của một người; số này đã hủy và cấp lại, trả lời theo số mới",
                "number, name and birth date are one person's; the number was cancelled and re-issued, and the answer is by \
                 the new one",
            )
            .to_owned(),
        Stated::Confirmed { reissued: false, .. } => lang
            .say("số, họ tên và ngày sinh là của một người", "number, name and birth date are one person's")
            .to_owned(),
        Stated::NotConfirmed => lang
            .say(
                "số, họ tên và ngày sinh không cùng chỉ một người",
                "number, name and birth date do not name one person",
            )
            .to_owned(),
        Stated::Undetermined(cause) => advice(cause.number(), lang).to_owned(),
        Stated::Refused(number) => format!("{}: {}", number.number(), advice(number, lang)),
    }
}

fn asker(verified: &Verified, lang: Lang) -> String {
    let portal = match verified.portal().0 {
        0 => lang.say("không cổng nào", "no portal").to_owned(),
        number => format!("{} {number}", lang.say("cổng", "portal")),
    };
    let official = lang.say("cán bộ (mã ẩn danh)", "official (pseudonym)");
    format!("{portal} · {official} {}", hex::text(verified.official()))
}

fn asked(verified: &Verified, lang: Lang) -> String {
    let claims = verified.claims_asked().map(|kind| format!("{}?", texts::claim(kind, lang)));
    let attributes = verified.attributes_asked();
    let names = attributes.iter().map(|attribute| texts::attribute(attribute, lang).to_owned());
    let all: Vec<String> = claims.chain(names).collect();
    if all.is_empty() { lang.say("không gì", "nothing").to_owned() } else { all.join(", ") }
}

fn kind(kind: LeafKind, lang: Lang) -> &'static str {
    match kind {
        LeafKind::Disclosed => lang.say("câu hỏi đã trả lời", "a decided question"),
        LeafKind::Refused => lang.say("câu hỏi bị từ chối", "a refused question"),
        LeafKind::Admin => lang.say("việc quản trị", "an administrative act"),
        LeafKind::Policy => lang.say("thay đổi khóa hoặc danh mục", "a change of keys or of the register"),
        LeafKind::Erased => lang.say("việc xóa dữ liệu", "an erasure"),
        LeafKind::ShardOpen => lang.say("mở nhật ký năm", "the opening of a year's log"),
        LeafKind::Canary => lang.say("thử ghi nhật ký", "a probe of the log"),
    }
}

fn cosigners(verified: &Verified, lang: Lang) -> String {
    let one = |name: &str, time_s: u64| format!("{name} ({})", moment(time_s.saturating_mul(1000)));
    let all: Vec<String> = verified.cosigners().iter().map(|it| one(&it.name, it.time_s)).collect();
    if all.is_empty() {
        return texts::no_witness(lang).to_owned();
    }
    all.join(", ")
}

fn number(number: PersonNumber) -> String {
    match number {
        PersonNumber::Citizen(number) => number.reveal(),
        PersonNumber::Old(number) => number.reveal(),
    }
}
