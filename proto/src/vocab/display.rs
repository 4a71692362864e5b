//! What a person at a counter reads: Vietnamese and English texts of what an answer says.
//!
//! Texts may be improved at any time; nothing but people reads them. Programs read numbers and names.

use super::{Attribute, Cause, ClaimKind, Outcome, Reason, Verdict};

impl Verdict {
    /// The verdict in Vietnamese.
    #[must_use]
    pub const fn text_vi(self) -> &'static str {
        match self {
            Self::Match => "Khớp",
            Self::NoMatch => "Không khớp",
            Self::Undetermined(_) => "Chưa xác định được",
        }
    }

    /// The verdict in English.
    #[must_use]
    pub const fn text_en(self) -> &'static str {
        match self {
            Self::Match => "matches",
            Self::NoMatch => "does not match",
            Self::Undetermined(_) => "cannot be told",
        }
    }
}

impl Cause {
    /// The cause in Vietnamese, with what to do: the advice of its number.
    #[must_use]
    pub const fn text_vi(self) -> &'static str {
        self.number().advice_vi()
    }

    /// The cause in English, with what to do: the advice of its number.
    #[must_use]
    pub const fn text_en(self) -> &'static str {
        self.number().advice_en()
    }
}

impl Reason {
    /// The reason in Vietnamese.
    #[must_use]
    pub const fn text_vi(self) -> &'static str {
        match self {
            Self::Equal => "Đúng như dữ liệu đã ghi.",
            Self::EqualFolded => "Giống nhau, chỉ khác chữ hoa, khoảng trắng hoặc bảng mã.",
            Self::Different => "Khác dữ liệu đã ghi.",
            Self::DiacriticsDiffer => "Cùng chữ cái nhưng khác dấu, có thể là người khác; đối chiếu chính tả trên thẻ.",
            Self::YearOnly => "Năm sinh đúng, ngày hoặc tháng khác.",
            Self::ElsewherePlace => "Nơi ở thuộc tỉnh, thành phố khác.",
            Self::OtherCommune => "Đúng tỉnh, thành phố; khác xã, phường, đặc khu.",
            Self::OtherDetail => "Đúng xã, phường, đặc khu; khác số nhà, đường, thôn.",
            Self::OldEnough => "Đủ tuổi.",
            Self::TooYoung => "Chưa đủ tuổi.",
            Self::Related => "Quan hệ có trong dữ liệu.",
            Self::NotRelated => "Quan hệ không có trong dữ liệu.",
            Self::NothingRecorded => "Dữ liệu chưa ghi nhận để so sánh.",
            Self::NotChecked => "Chưa đối chiếu được với cơ sở dữ liệu dân cư; hỏi lại sau.",
            Self::TonePlacement => "Cùng một tên, chỉ khác vị trí đặt dấu thanh (hòa, hoà).",
            Self::IAndY => "Cùng một tên, chỉ khác cách viết i và y (Lý, Lí).",
            Self::Unsigned => "Họ tên nhập không dấu (hoặc D thay Đ); gõ lại có dấu theo thẻ.",
            Self::PartialDiacritics => "Thiếu một số dấu; gõ lại đủ dấu theo thẻ.",
            Self::RegionalVariant => {
                "Biến thể vùng miền hoặc cách viết khác của tên (Hoàng, Huỳnh; Vi, Vy): là họ tên khác trên giấy tờ."
            }
            Self::WordsDiffer => "Khác thứ tự các chữ, hoặc thừa, thiếu một chữ (thường là chữ đệm).",
            Self::Handwriting => "Có chữ dễ nhầm khi đọc chữ viết tay hoặc quét ảnh; xem lại thẻ.",
            Self::MinorityForm => "Thiếu hoặc viết khác tiền tố của tên dân tộc (Y, H', K'...); viết như trên thẻ.",
            Self::DayMonthSwapped => "Ngày và tháng bị đảo cho nhau.",
            Self::FirstOfJanuary => "Đúng năm sinh; một bên là ngày 01/01, thường ghi khi không rõ ngày tháng.",
            Self::YearAlone => "Đúng năm sinh; dữ liệu chỉ ghi năm.",
            Self::SuccessorPlace => "Địa bàn nêu theo thời điểm cũ nay là (hoặc thuộc) nơi đã ghi.",
            Self::YoungEnough => "Chưa quá tuổi.",
            Self::AgeAbove => "Đã quá tuổi.",
            Self::CardInForce => "Có thẻ còn hiệu lực vào ngày đó.",
            Self::CardExpired => "Thẻ đã hết hạn trước ngày đó.",
            Self::CardNotInForce => "Không có thẻ đang có hiệu lực.",
            Self::CardReplaced => "Thẻ cũ đã được thay bằng thẻ mới hơn; hỏi thẻ mới hoặc VNeID.",
            Self::CardAddressAgrees => "Địa chỉ trên thẻ đúng tỉnh và số nhà, đường, thôn với nơi thường trú.",
            Self::CardAddressUnlike => {
                "Không kết luận được từ địa chỉ trên thẻ: thẻ giữ địa chỉ lúc cấp; hỏi nơi thường trú."
            }
        }
    }

    /// The reason in English.
    #[must_use]
    pub const fn text_en(self) -> &'static str {
        match self {
            Self::Equal => "Equal as recorded.",
            Self::EqualFolded => "Equal but for case, spaces or encoding.",
            Self::Different => "Differs from what is recorded.",
            Self::DiacriticsDiffer => {
                "The same letters with other diacritics, perhaps another person; check the spelling on the card."
            }
            Self::YearOnly => "The year agrees, the day or month does not.",
            Self::ElsewherePlace => "The residence lies in another province.",
            Self::OtherCommune => "The province agrees, the commune does not.",
            Self::OtherDetail => "The commune agrees, the street part does not.",
            Self::OldEnough => "Old enough.",
            Self::TooYoung => "Not old enough.",
            Self::Related => "The relation is recorded.",
            Self::NotRelated => "The relation is not recorded.",
            Self::NothingRecorded => "Nothing is recorded to compare with.",
            Self::NotChecked => "Could not be compared with the population database; ask again later.",
            Self::TonePlacement => "The same name; a tone mark stands on another vowel (hòa, hoà).",
            Self::IAndY => "The same name; i and y are written one for the other (Lý, Lí).",
            Self::Unsigned => {
                "Typed without diacritics (or D for Đ), which fits several names; type it as on the card."
            }
            Self::PartialDiacritics => "Some diacritics are missing; type it as on the card.",
            Self::RegionalVariant => "A variant of the name (Hoàng, Huỳnh; Vi, Vy), which is another name in law.",
            Self::WordsDiffer => {
                "The words stand in another order, or one is missing or too many (often a middle name)."
            }
            Self::Handwriting => {
                "A letter looks like one that handwriting or scanning confuses; look at the card again."
            }
            Self::MinorityForm => {
                "A prefix of the name (Y, H', K'…) is missing or written otherwise; write it as on the card."
            }
            Self::DayMonthSwapped => "Day and month are exchanged.",
            Self::FirstOfJanuary => {
                "The year agrees; one side says 1 January, which is often written where the day is unknown."
            }
            Self::YearAlone => "The year agrees; the record holds the year alone.",
            Self::SuccessorPlace => "The place, as of the day it was named, is today the recorded one or a part of it.",
            Self::YoungEnough => "Young enough.",
            Self::AgeAbove => "Not young enough.",
            Self::CardInForce => "A card is in force on that day.",
            Self::CardExpired => "The card had expired before that day.",
            Self::CardNotInForce => "No card is in force.",
            Self::CardReplaced => "An older card, replaced by a newer one; ask for the newer card or VNeID.",
            Self::CardAddressAgrees => {
                "The card's address has the province and street part of the permanent residence."
            }
            Self::CardAddressUnlike => {
                "The card's address tells nothing: cards keep the address they were made with; ask for the residence."
            }
        }
    }
}

impl Outcome {
    /// The outcome in Vietnamese, in one sentence.
    #[must_use]
    pub const fn text_vi(&self) -> &'static str {
        match self {
            Self::Confirmed { reissued: false, .. } => "Đã xác nhận đúng người.",
            Self::Confirmed { reissued: true, .. } => {
                "Đã xác nhận đúng người; số định danh đã hủy và cấp lại, ghi số mới vào hồ sơ."
            }
            Self::NotConfirmed => {
                "Không xác nhận được: số, họ tên và ngày sinh không cùng thuộc một người; kiểm tra lại."
            }
            Self::Undetermined(cause) => cause.text_vi(),
            Self::Refused(number) => number.advice_vi(),
        }
    }

    /// The outcome in English, in one sentence.
    #[must_use]
    pub const fn text_en(&self) -> &'static str {
        match self {
            Self::Confirmed { reissued: false, .. } => "The person is confirmed.",
            Self::Confirmed { reissued: true, .. } => {
                "The person is confirmed; the number was cancelled and re-issued: put the new one in the dossier."
            }
            Self::NotConfirmed => {
                "Not confirmed: number, name and birth date do not name one person; check what was typed."
            }
            Self::Undetermined(cause) => cause.text_en(),
            Self::Refused(number) => number.advice_en(),
        }
    }
}

impl Attribute {
    /// The attribute's name in Vietnamese, as forms write it.
    #[must_use]
    pub const fn text_vi(self) -> &'static str {
        match self {
            Self::FullName => "Họ và tên",
            Self::BirthDate => "Ngày sinh",
            Self::Sex => "Giới tính",
            Self::Nationality => "Quốc tịch",
            Self::CitizenNumber => "Số định danh cá nhân",
            Self::OldNumber => "Số CMND",
            Self::OtherName => "Tên gọi khác",
            Self::CardIssued => "Ngày cấp thẻ",
            Self::CardExpires => "Ngày hết hạn thẻ",
            Self::BirthPlace => "Nơi đăng ký khai sinh",
            Self::HomeTown => "Quê quán",
            Self::PermanentResidence => "Nơi thường trú",
            Self::TemporaryResidence => "Nơi tạm trú",
            Self::CurrentResidence => "Nơi ở hiện tại",
            Self::MaritalStatus => "Tình trạng hôn nhân",
            Self::Father => "Số định danh của cha",
            Self::Mother => "Số định danh của mẹ",
            Self::Spouse => "Số định danh của vợ hoặc chồng",
            Self::RelationToHead => "Quan hệ với chủ hộ",
            Self::LivingStatus => "Tình trạng sống, chết, mất tích",
            Self::Ethnicity => "Dân tộc",
        }
    }

    /// The attribute's name in English.
    #[must_use]
    pub const fn text_en(self) -> &'static str {
        match self {
            Self::FullName => "Full name",
            Self::BirthDate => "Birth date",
            Self::Sex => "Sex",
            Self::Nationality => "Nationality",
            Self::CitizenNumber => "Citizen number",
            Self::OldNumber => "Old number",
            Self::OtherName => "Other name",
            Self::CardIssued => "Card issued on",
            Self::CardExpires => "Card expires on",
            Self::BirthPlace => "Place of birth registration",
            Self::HomeTown => "Home town",
            Self::PermanentResidence => "Permanent residence",
            Self::TemporaryResidence => "Temporary residence",
            Self::CurrentResidence => "Current residence",
            Self::MaritalStatus => "Marital status",
            Self::Father => "Father's citizen number",
            Self::Mother => "Mother's citizen number",
            Self::Spouse => "Spouse's citizen number",
            Self::RelationToHead => "Relation to the head of the household",
            Self::LivingStatus => "Living status",
            Self::Ethnicity => "Ethnicity",
        }
    }
}

impl ClaimKind {
    /// The kind of claim in Vietnamese.
    #[must_use]
    pub const fn text_vi(self) -> &'static str {
        match self {
            Self::FullName => "Họ và tên",
            Self::BirthDate => "Ngày sinh",
            Self::Sex => "Giới tính",
            Self::Nationality => "Quốc tịch",
            Self::AgeAtLeast => "Đủ tuổi",
            Self::Residence => "Nơi cư trú",
            Self::MaritalStatus => "Tình trạng hôn nhân",
            Self::LivingStatus => "Tình trạng sống, chết, mất tích",
            Self::OldNumber => "Số CMND",
            Self::CardIssued => "Ngày cấp thẻ",
            Self::CardExpires => "Ngày hết hạn thẻ",
            Self::ParentOf => "Là cha hoặc mẹ",
            Self::ChildOf => "Là con",
            Self::SpouseOf => "Là vợ hoặc chồng",
            Self::GuardianOf => "Là người giám hộ",
            Self::HeadOfHousehold => "Là chủ hộ",
            Self::SameHousehold => "Cùng hộ",
            Self::AgeAtMost => "Chưa quá tuổi",
            Self::CardNumber => "Số trên thẻ",
            Self::CardValid => "Thẻ còn hiệu lực",
            Self::CardAddress => "Địa chỉ trên thẻ",
        }
    }

    /// The kind of claim in English.
    #[must_use]
    pub const fn text_en(self) -> &'static str {
        match self {
            Self::FullName => "Full name",
            Self::BirthDate => "Birth date",
            Self::Sex => "Sex",
            Self::Nationality => "Nationality",
            Self::AgeAtLeast => "Age at least",
            Self::Residence => "Residence",
            Self::MaritalStatus => "Marital status",
            Self::LivingStatus => "Living status",
            Self::OldNumber => "Old number",
            Self::CardIssued => "Card issued on",
            Self::CardExpires => "Card expires on",
            Self::ParentOf => "Parent of",
            Self::ChildOf => "Child of",
            Self::SpouseOf => "Spouse of",
            Self::GuardianOf => "Guardian of",
            Self::HeadOfHousehold => "Head of the household",
            Self::SameHousehold => "In the same household",
            Self::AgeAtMost => "Age at most",
            Self::CardNumber => "Number on the card",
            Self::CardValid => "Card valid",
            Self::CardAddress => "Address on the card",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use unicode_normalization::is_nfc;

    use super::*;

    fn all_different(texts: impl Iterator<Item = &'static str>) {
        let mut seen = HashSet::new();
        for text in texts {
            assert!(!text.is_empty() && is_nfc(text), "{text}");
            assert!(seen.insert(text), "two meanings read alike: {text}");
        }
    }

    #[test]
    fn two_meanings_never_read_alike() {
        all_different(Attribute::ALL.into_iter().map(Attribute::text_vi));
        all_different(Attribute::ALL.into_iter().map(Attribute::text_en));
        all_different(ClaimKind::ALL.into_iter().map(ClaimKind::text_vi));
        all_different(ClaimKind::ALL.into_iter().map(ClaimKind::text_en));
        all_different(Reason::ALL.into_iter().map(Reason::text_vi));
        all_different(Reason::ALL.into_iter().map(Reason::text_en));
        all_different(Cause::ALL.into_iter().map(Cause::text_vi));
        all_different(Cause::ALL.into_iter().map(Cause::text_en));
    }

    #[test]
    fn every_cause_that_justifies_paper_says_so() {
        // The person can be asked for another number instead; everything else is the ground for paper.
        for cause in Cause::ALL {
            let asks_for_a_number = matches!(cause, Cause::Ambiguous | Cause::NumberReissued);
            assert_eq!(cause.text_en().contains("ground for accepting paper"), !asks_for_a_number, "{cause:?}");
            assert_eq!(cause.text_vi().contains("căn cứ để nhận giấy tờ"), !asks_for_a_number, "{cause:?}");
        }
    }
}
