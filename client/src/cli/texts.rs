//! What a clerk reads: every word of an answer in Vietnamese and English, and its stable code for machines.

use xacminh_proto::{
    transparency::ReceiptError,
    vocab::{
        Address, AsOf, Attribute, Cause, Claim, ClaimKind, Date, Living, Marital, Place, Reason, ResidenceKind, Sex,
        Value, Verdict,
    },
};

use super::screen::Lang;

pub(super) fn claim(kind: ClaimKind, lang: Lang) -> &'static str {
    match kind {
        ClaimKind::FullName => lang.say("Họ tên", "Full name"),
        ClaimKind::BirthDate => lang.say("Ngày sinh", "Birth date"),
        ClaimKind::Sex => lang.say("Giới tính", "Sex"),
        ClaimKind::Nationality => lang.say("Quốc tịch", "Nationality"),
        ClaimKind::AgeAtLeast => lang.say("Đủ tuổi", "Old enough"),
        ClaimKind::Residence => lang.say("Nơi cư trú", "Residence"),
        ClaimKind::MaritalStatus => lang.say("Tình trạng hôn nhân", "Marital status"),
        ClaimKind::LivingStatus => lang.say("Tình trạng sống", "Living status"),
        ClaimKind::OldNumber => lang.say("Số CMND", "Old number"),
        ClaimKind::CardIssued => lang.say("Ngày cấp thẻ", "Card issued"),
        ClaimKind::CardExpires => lang.say("Ngày hết hạn thẻ", "Card expires"),
        ClaimKind::ParentOf => lang.say("Là cha/mẹ của", "Parent of"),
        ClaimKind::ChildOf => lang.say("Là con của", "Child of"),
        ClaimKind::SpouseOf => lang.say("Là vợ/chồng của", "Spouse of"),
        ClaimKind::GuardianOf => lang.say("Là người giám hộ của", "Guardian of"),
        ClaimKind::HeadOfHousehold => lang.say("Là chủ hộ", "Head of household"),
        ClaimKind::SameHousehold => lang.say("Cùng hộ với", "Same household as"),
        ClaimKind::AgeAtMost => lang.say("Chưa quá tuổi", "Young enough"),
        ClaimKind::CardNumber => lang.say("Số trên thẻ", "Number on the card"),
        ClaimKind::CardValid => lang.say("Thẻ còn hiệu lực", "Card valid"),
        ClaimKind::CardAddress => lang.say("Địa chỉ trên thẻ", "Address on the card"),
    }
}

pub(super) fn attribute(attribute: Attribute, lang: Lang) -> &'static str {
    match attribute {
        Attribute::FullName => lang.say("Họ tên", "Full name"),
        Attribute::BirthDate => lang.say("Ngày sinh", "Birth date"),
        Attribute::Sex => lang.say("Giới tính", "Sex"),
        Attribute::Nationality => lang.say("Quốc tịch", "Nationality"),
        Attribute::CitizenNumber => lang.say("Số định danh", "Citizen number"),
        Attribute::OldNumber => lang.say("Số CMND", "Old number"),
        Attribute::OtherName => lang.say("Tên gọi khác", "Other name"),
        Attribute::CardIssued => lang.say("Ngày cấp thẻ", "Card issued"),
        Attribute::CardExpires => lang.say("Ngày hết hạn thẻ", "Card expires"),
        Attribute::BirthPlace => lang.say("Nơi đăng ký khai sinh", "Birth registered at"),
        Attribute::HomeTown => lang.say("Quê quán", "Home town"),
        Attribute::PermanentResidence => lang.say("Nơi thường trú", "Permanent residence"),
        Attribute::TemporaryResidence => lang.say("Nơi tạm trú", "Temporary residence"),
        Attribute::CurrentResidence => lang.say("Nơi ở hiện tại", "Current residence"),
        Attribute::MaritalStatus => lang.say("Tình trạng hôn nhân", "Marital status"),
        Attribute::Father => lang.say("Số định danh của cha", "Father's number"),
        Attribute::Mother => lang.say("Số định danh của mẹ", "Mother's number"),
        Attribute::Spouse => lang.say("Số định danh của vợ/chồng", "Spouse's number"),
        Attribute::RelationToHead => lang.say("Quan hệ với chủ hộ", "Relation to head of household"),
        Attribute::LivingStatus => lang.say("Tình trạng sống", "Living status"),
        Attribute::Ethnicity => lang.say("Dân tộc", "Ethnicity"),
    }
}

pub(super) fn verdict(verdict: Verdict, lang: Lang) -> &'static str {
    match verdict {
        Verdict::Match => lang.say("KHỚP", "MATCH"),
        Verdict::NoMatch => lang.say("KHÔNG KHỚP", "NO MATCH"),
        Verdict::Undetermined(_) => lang.say("KHÔNG XÁC ĐỊNH ĐƯỢC", "CANNOT BE TOLD"),
    }
}

pub(super) fn verdict_code(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Match => "match",
        Verdict::NoMatch => "no_match",
        Verdict::Undetermined(_) => "undetermined",
    }
}

pub(super) fn reason(reason: Reason, lang: Lang) -> &'static str {
    match reason {
        Reason::Equal => lang.say("đúng như đã ghi", "as recorded"),
        Reason::EqualFolded => lang.say("đúng, chỉ khác cách viết", "as recorded but for spelling form"),
        Reason::Different => lang.say("khác với dữ liệu", "differs from the record"),
        Reason::DiacriticsDiffer => {
            lang.say("chỉ khác dấu; xem lại chữ trên thẻ", "differs in diacritics only; check the card")
        }
        Reason::YearOnly => lang.say("đúng năm, khác ngày hoặc tháng", "year agrees, day or month does not"),
        Reason::ElsewherePlace => lang.say("ở nơi khác", "elsewhere"),
        Reason::OtherCommune => {
            lang.say("đúng tỉnh, khác huyện hoặc xã/phường", "province agrees, district or commune does not")
        }
        Reason::OtherDetail => lang.say("đúng xã/phường, khác số nhà/đường", "commune agrees, street part does not"),
        Reason::OldEnough => lang.say("đủ tuổi", "old enough"),
        Reason::TooYoung => lang.say("chưa đủ tuổi", "not old enough"),
        Reason::Related => lang.say("có quan hệ này", "the relation is recorded"),
        Reason::NotRelated => lang.say("không ghi quan hệ này", "the relation is not recorded"),
        Reason::NothingRecorded => lang.say("không có dữ liệu để so", "nothing recorded to compare with"),
        Reason::NotChecked => lang.say("chưa đối chiếu được", "could not be compared"),
        Reason::TonePlacement => lang.say("cùng tên, khác vị trí dấu thanh", "same name, tone mark placed otherwise"),
        Reason::IAndY => lang.say("cùng tên, khác cách viết i và y", "same name, i and y differ"),
        Reason::Unsigned => lang.say("nhập không dấu, hoặc D thay Đ", "typed without diacritics, or D for Đ"),
        Reason::PartialDiacritics => lang.say("thiếu một số dấu", "some diacritics are missing"),
        Reason::RegionalVariant => lang.say("biến thể của tên (Hoàng, Huỳnh)", "a variant of the name (Hoàng, Huỳnh)"),
        Reason::WordsDiffer => {
            lang.say("khác thứ tự hoặc thừa, thiếu chữ", "words in another order, missing or too many")
        }
        Reason::Handwriting => lang.say("chữ dễ nhầm khi đọc hoặc quét", "a letter easily misread"),
        Reason::MinorityForm => {
            lang.say("khác tiền tố của tên (Y, H', K')", "a prefix of the name (Y, H', K') differs")
        }
        Reason::DayMonthSwapped => lang.say("đảo ngày và tháng", "day and month exchanged"),
        Reason::FirstOfJanuary => lang.say("đúng năm; một bên ghi 01/01", "year agrees; one side says 1 January"),
        Reason::YearAlone => lang.say("đúng năm; dữ liệu chỉ ghi năm", "year agrees; only the year is recorded"),
        Reason::SuccessorPlace => {
            lang.say("địa bàn cũ, nay là nơi đã ghi", "the former place is today the recorded one")
        }
        Reason::YoungEnough => lang.say("chưa quá tuổi", "young enough"),
        Reason::AgeAbove => lang.say("đã quá tuổi", "not young enough"),
        Reason::CardInForce => lang.say("có thẻ còn hiệu lực", "a card is in force"),
        Reason::CardExpired => lang.say("thẻ đã hết hạn", "the card had expired"),
        Reason::CardNotInForce => lang.say("không có thẻ đang có hiệu lực", "no card is in force"),
        Reason::CardReplaced => lang.say("thẻ cũ, đã có thẻ mới hơn", "an older card, replaced by a newer one"),
        Reason::CardAddressAgrees => lang.say("đúng tỉnh và số nhà, đường", "province and street part agree"),
        Reason::CardAddressUnlike => {
            lang.say("không kết luận được từ địa chỉ trên thẻ", "the card's address tells nothing")
        }
    }
}

pub(super) fn reason_code(reason: Reason) -> &'static str {
    match reason {
        Reason::Equal => "equal",
        Reason::EqualFolded => "equal_folded",
        Reason::Different => "different",
        Reason::DiacriticsDiffer => "diacritics_differ",
        Reason::YearOnly => "year_only",
        Reason::ElsewherePlace => "elsewhere_place",
        Reason::OtherCommune => "other_commune",
        Reason::OtherDetail => "other_detail",
        Reason::OldEnough => "old_enough",
        Reason::TooYoung => "too_young",
        Reason::Related => "related",
        Reason::NotRelated => "not_related",
        Reason::NothingRecorded => "nothing_recorded",
        Reason::NotChecked => "not_checked",
        Reason::TonePlacement => "tone_placement",
        Reason::IAndY => "i_and_y",
        Reason::Unsigned => "unsigned",
        Reason::PartialDiacritics => "partial_diacritics",
        Reason::RegionalVariant => "regional_variant",
        Reason::WordsDiffer => "words_differ",
        Reason::Handwriting => "handwriting",
        Reason::MinorityForm => "minority_form",
        Reason::DayMonthSwapped => "day_month_swapped",
        Reason::FirstOfJanuary => "first_of_january",
        Reason::YearAlone => "year_alone",
        Reason::SuccessorPlace => "successor_place",
        Reason::YoungEnough => "young_enough",
        Reason::AgeAbove => "age_above",
        Reason::CardInForce => "card_in_force",
        Reason::CardExpired => "card_expired",
        Reason::CardNotInForce => "card_not_in_force",
        Reason::CardReplaced => "card_replaced",
        Reason::CardAddressAgrees => "card_address_agrees",
        Reason::CardAddressUnlike => "card_address_unlike",
    }
}

pub(super) fn cause(cause: Cause, lang: Lang) -> &'static str {
    match cause {
        Cause::AuthorityUnavailable => {
            lang.say("chưa tra cứu được CSDL quốc gia", "the national database cannot be reached")
        }
        Cause::TooOld => lang.say("dữ liệu đã lưu cũ hơn mức cho phép", "the data held is older than allowed"),
        Cause::Ambiguous => lang.say("số CMND trùng nhiều người", "several people share the old number"),
        Cause::UnderCorrection => lang.say("dữ liệu đang được điều chỉnh", "the record is being corrected"),
        Cause::NumberReissued => lang.say("số định danh đã hủy và cấp lại", "the number was cancelled and re-issued"),
        Cause::NotRecorded => {
            lang.say("CSDL quốc gia không có thông tin này", "the national database has nothing recorded")
        }
        Cause::DayUnknown => lang.say("chỉ có năm sinh", "only the birth year is recorded"),
        Cause::NumberCancelled => {
            lang.say("số định danh đã bị hủy", "the number was cancelled and no other is on record")
        }
    }
}

pub(super) fn cause_code(cause: Cause) -> &'static str {
    match cause {
        Cause::AuthorityUnavailable => "authority_unavailable",
        Cause::TooOld => "too_old",
        Cause::Ambiguous => "ambiguous",
        Cause::UnderCorrection => "under_correction",
        Cause::NumberReissued => "number_reissued",
        Cause::NotRecorded => "not_recorded",
        Cause::DayUnknown => "day_unknown",
        Cause::NumberCancelled => "number_cancelled",
    }
}

/// What is wrong with a receipt, in the language of the clerk; for English the fault has words of its own.
pub(super) const fn fault_vi(fault: ReceiptError) -> &'static str {
    match fault {
        ReceiptError::Malformed | ReceiptError::TooLarge => "không phải phiếu, hoặc phiếu bị hỏng",
        ReceiptError::Note(_) => "phần chữ ký bị hỏng",
        ReceiptError::Checkpoint(_) => "mốc nhật ký bị hỏng",
        ReceiptError::Policy(_) => "chữ ký không được chính sách này chấp nhận",
        ReceiptError::Proof(_) => "phiếu không có trong nhật ký ở vị trí này",
        ReceiptError::Disclosure(_) => "nội dung không phải là nội dung đã ghi nhật ký",
        ReceiptError::Contradiction(_) => "nội dung mâu thuẫn với mục nhật ký",
    }
}

/// What is wrong with a receipt, for people: in Vietnamese the exact words in English follow, for whoever is asked.
pub(super) fn fault(fault: ReceiptError, lang: Lang) -> String {
    match lang {
        Lang::Vi => format!("{} ({fault})", fault_vi(fault)),
        Lang::En => fault.to_string(),
    }
}

/// Where an entry stands in its year's log: an index counts from 0, as in RFC 9162 (`leaf_index`, `tree_size`) and C2SP
/// tlog-proof, so that nobody takes it for the so-manieth of so many.
pub(super) fn place_in_log(index: u64, size: u64, lang: Lang) -> String {
    match lang {
        Lang::Vi => format!("chỉ số {index} trong nhật ký {size} mục (đếm từ 0)"),
        Lang::En => {
            let entries = if size == 1 { "entry" } else { "entries" };
            format!("index {index} in a log of {size} {entries} (counted from 0)")
        }
    }
}

/// Who cosigned, if none did whom the policy counts.
pub(super) const fn no_witness(lang: Lang) -> &'static str {
    lang.say("chưa có nhân chứng nào mà chính sách nêu tên", "no witness that the policy names")
}

/// What was claimed, for people; nothing if the kind says it all.
pub(super) fn argument(claim: &Claim, lang: Lang) -> String {
    match claim {
        Claim::FullName(name) => name.reveal().to_owned(),
        Claim::BirthDate(birth) => birth.reveal(),
        Claim::Sex(sex) => lang_sex(*sex, lang).to_owned(),
        Claim::Nationality(letters) => String::from_utf8_lossy(letters).into_owned(),
        Claim::AgeAtLeast { years, on } => on_day(&format!("≥ {years}"), *on, lang),
        Claim::AgeAtMost { years, on } => on_day(&format!("≤ {years}"), *on, lang),
        Claim::CardValid(on) => on_day("", *on, lang),
        Claim::CardAddress(address) => address.reveal().to_owned(),
        Claim::Residence { kind, place, as_of, detail } => {
            let kind = match kind {
                ResidenceKind::Permanent => lang.say("thường trú", "permanent"),
                ResidenceKind::Temporary => lang.say("tạm trú", "temporary"),
                ResidenceKind::Current => lang.say("nơi ở hiện tại", "current"),
            };
            let then = as_of.as_ref().map(|as_of| as_of_text(as_of, lang)).unwrap_or_default();
            format!("{kind}, {}{then}", place_text(*place, detail.as_deref().unwrap_or_default(), lang))
        }
        Claim::MaritalStatus(marital) => lang_marital(*marital, lang).to_owned(),
        Claim::LivingStatus(living) => lang_living(*living, lang).to_owned(),
        Claim::OldNumber(number) => number.reveal(),
        Claim::CardIssued(day) | Claim::CardExpires(day) => day.to_string(),
        Claim::ParentOf(number)
        | Claim::ChildOf(number)
        | Claim::SpouseOf(number)
        | Claim::GuardianOf(number)
        | Claim::SameHousehold(number)
        | Claim::CardNumber(number) => number.reveal(),
        Claim::HeadOfHousehold => String::new(),
    }
}

/// What is claimed of a day, and the day if one was named.
fn on_day(claimed: &str, on: Option<Date>, lang: Lang) -> String {
    let on = on.map(|day| format!("{} {day}", lang.say("vào ngày", "on")));
    [Some(claimed.to_owned()).filter(|claimed| !claimed.is_empty()), on]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

/// A disclosed value for people. The caller was found entitled to it.
pub(super) fn value(value: &Value, lang: Lang) -> String {
    match value {
        Value::Absent => lang.say("(không có dữ liệu)", "(nothing recorded)").to_owned(),
        Value::Text(text) => text.clone(),
        Value::Birth(birth) => birth.reveal(),
        Value::Day(day) => day.to_string(),
        Value::Sex(sex) => lang_sex(*sex, lang).to_owned(),
        Value::Marital(marital) => lang_marital(*marital, lang).to_owned(),
        Value::Living(living) => lang_living(*living, lang).to_owned(),
        Value::Citizen(number) => number.reveal(),
        Value::Old(number) => number.reveal(),
        Value::Address(Address { place, detail, .. }) => place_text(*place, detail, lang),
    }
}

/// A disclosed value for machines.
pub(super) fn value_json(value: &Value) -> serde_json::Value {
    use serde_json::json;
    match value {
        Value::Absent => serde_json::Value::Null,
        Value::Sex(sex) => json!(match sex {
            Sex::Male => "male",
            Sex::Female => "female",
            Sex::Unknown => "unknown",
        }),
        Value::Marital(marital) => json!(match marital {
            Marital::Unknown => "unknown",
            Marital::Single => "single",
            Marital::Married => "married",
            Marital::DivorcedOrWidowed => "divorced_or_widowed",
        }),
        Value::Living(living) => json!(match living {
            Living::Alive => "alive",
            Living::Dead => "dead",
            Living::Missing => "missing",
        }),
        Value::Address(address) => json!({
            "province": format!("{:02}", address.place.province),
            "commune": address.place.commune.map(|code| format!("{code:05}")),
            "detail": address.detail,
            "commune_before_2025": address.commune_before_2025.map(|code| format!("{code:05}")),
        }),
        plain => json!(self::value(plain, Lang::En)),
    }
}

fn place_text(place: Place, detail: &str, lang: Lang) -> String {
    let province = format!("{} {:02}", lang.say("tỉnh", "province"), place.province);
    let commune = place.commune.map(|code| format!("{} {code:05}", lang.say("xã", "commune")));
    let detail = Some(detail.to_owned()).filter(|detail| !detail.is_empty());
    [detail, commune, Some(province)].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What follows the name of a place that is named as of a day.
fn as_of_text(AsOf { on, district }: &AsOf, lang: Lang) -> String {
    let district = district.map(|code| format!(", {} {code:03}", lang.say("huyện", "district"))).unwrap_or_default();
    format!("{district}, {} {on}", lang.say("theo địa giới ngày", "as of"))
}

fn lang_sex(sex: Sex, lang: Lang) -> &'static str {
    match sex {
        Sex::Male => lang.say("nam", "male"),
        Sex::Female => lang.say("nữ", "female"),
        Sex::Unknown => lang.say("không rõ", "unknown"),
    }
}

fn lang_marital(marital: Marital, lang: Lang) -> &'static str {
    match marital {
        Marital::Unknown => lang.say("không rõ", "unknown"),
        Marital::Single => lang.say("chưa kết hôn", "single"),
        Marital::Married => lang.say("đang có vợ/chồng", "married"),
        Marital::DivorcedOrWidowed => lang.say("đã ly hôn hoặc góa", "divorced or widowed"),
    }
}

fn lang_living(living: Living, lang: Lang) -> &'static str {
    match living {
        Living::Alive => lang.say("còn sống", "alive"),
        Living::Dead => lang.say("đã chết", "dead"),
        Living::Missing => lang.say("mất tích", "missing"),
    }
}
