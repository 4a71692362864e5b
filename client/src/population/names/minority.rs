//! Ethnic minorities: who lives where, and how they name their children.
//!
//! Names of minorities do not take the Kinh form: prefixes (Y, H', K', A), clans at the end, a single word.
//! Codes of ethnic groups after Decision 121-TCTK/PPCĐ 1979. Shares are estimates from the census of 2019.

use crate::population::chance::Chance;

/// How a group forms full names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Surname, middle, given: as the Kinh do, with surnames of their own.
    Kinh,
    /// Clan, given; women's given names begin with H' (Gia-rai).
    ClanFirst,
    /// Y or H' before the given name, the clan last (Ê-đê, Mnông).
    ClanLast,
    /// A (men) or Y (women) and a given name, no clan (Xơ-đăng, Gié-Triêng, Ba-na).
    NoClan,
    /// One word, K' or Ka joined to it (Cơ-ho, Mạ).
    OneWord,
    /// Điểu for men, Thị for women (Xtiêng).
    BySex,
}

/// A group and its names.
pub(super) struct Group {
    code: i16,
    pub(super) form: Form,
    pub(super) clans: &'static [&'static str],
    pub(super) given: &'static [&'static str],
}

const NORTHERN_GIVEN: &[&str] =
    &["Páo", "Sùng", "Dế", "Chứ", "Say", "Pàng", "Tủa", "Dở", "Mỷ", "Sua", "Dua", "Chía", "Chá", "Lử", "Xía"];
const HIGHLAND_GIVEN: &[&str] = &[
    "Nhun", "Blơng", "Bia", "Hen", "Bhăm", "Krơn", "Thuk", "Đim", "Nhăn", "Bút", "Lai", "Hlơi", "Jôn", "Phương",
    "Brêu", "Tèo", "Kim", "Mlô", "Thương", "Dơn",
];
const KATU_GIVEN: &[&str] = &[
    "Nhơ",
    "Pring",
    "Mia",
    "Nghĩa",
    "Bông",
    "Plênh",
    "Ngước",
    "Đhơr",
    "Thị Hoa",
    "Văn Bình",
    "Crói",
    "Trơn",
    "Hiền",
    "Vinh",
    "Ly",
];
const KINH_LIKE: &[&str] = &[];

const GROUPS: [Group; 24] = [
    Group {
        code: 2,
        form: Form::Kinh,
        clans: &["Nông", "Hoàng", "Lương", "Hà", "Triệu", "Đàm", "Bế", "Ma", "Lý", "Vi"],
        given: KINH_LIKE,
    },
    Group {
        code: 3,
        form: Form::Kinh,
        clans: &["Lò", "Cầm", "Quàng", "Lường", "Tòng", "Cà", "Vi", "Lô", "Lữ", "Lương", "Sầm"],
        given: KINH_LIKE,
    },
    Group {
        code: 4,
        form: Form::Kinh,
        clans: &["Lý", "Trần", "Lâm", "Quách", "Tăng", "Vương", "Châu", "Mã", "Hứa", "Huỳnh"],
        given: KINH_LIKE,
    },
    Group {
        code: 5,
        form: Form::Kinh,
        clans: &["Thạch", "Sơn", "Kim", "Danh", "Lâm", "Kiên", "Châu", "Chau", "Néang"],
        given: KINH_LIKE,
    },
    Group {
        code: 6,
        form: Form::Kinh,
        clans: &["Bùi", "Quách", "Đinh", "Hà", "Bạch", "Phạm", "Trương"],
        given: KINH_LIKE,
    },
    Group {
        code: 7,
        form: Form::Kinh,
        clans: &["Nông", "Hoàng", "Lương", "Lục", "Vi", "Triệu", "Mông", "Chu"],
        given: KINH_LIKE,
    },
    Group {
        code: 8,
        form: Form::Kinh,
        clans: &["Giàng", "Vàng", "Sùng", "Thào", "Lý", "Mùa", "Vừ", "Lầu", "Hạng", "Cứ", "Xồng"],
        given: NORTHERN_GIVEN,
    },
    Group {
        code: 9,
        form: Form::Kinh,
        clans: &["Triệu", "Bàn", "Đặng", "Phùng", "Lý", "Chảo", "Tẩn", "Phàn"],
        given: NORTHERN_GIVEN,
    },
    Group {
        code: 10,
        form: Form::ClanFirst,
        clans: &["Rơ Châm", "Rmah", "Ksor", "Siu", "Kpă", "Nay", "Puih", "Ksor-Krơn"],
        given: HIGHLAND_GIVEN,
    },
    Group {
        code: 12,
        form: Form::ClanLast,
        clans: &["Niê", "Mlô", "Ayun", "Êban", "Kbuôr", "Byă", "Niê Kdăm"],
        given: HIGHLAND_GIVEN,
    },
    Group { code: 13, form: Form::NoClan, clans: &[], given: HIGHLAND_GIVEN },
    Group { code: 14, form: Form::NoClan, clans: &[], given: HIGHLAND_GIVEN },
    Group { code: 16, form: Form::OneWord, clans: &[], given: HIGHLAND_GIVEN },
    Group {
        code: 17,
        form: Form::Kinh,
        clans: &["Đàng", "Thành", "Bá", "Quảng", "Kiều", "Châu", "Báo"],
        given: KINH_LIKE,
    },
    Group { code: 19, form: Form::Kinh, clans: &["Phạm", "Đinh"], given: KINH_LIKE },
    Group {
        code: 20,
        form: Form::ClanLast,
        clans: &["Bkrông", "Êung", "Rtung", "Bdơng", "Kđoh"],
        given: HIGHLAND_GIVEN,
    },
    Group {
        code: 21,
        form: Form::ClanFirst,
        clans: &["Chamaléa", "Katơr", "Pinăng", "Cao", "Mấu", "Tro"],
        given: HIGHLAND_GIVEN,
    },
    Group { code: 22, form: Form::BySex, clans: &[], given: HIGHLAND_GIVEN },
    Group { code: 23, form: Form::Kinh, clans: &["Hồ"], given: KINH_LIKE },
    Group {
        code: 26,
        form: Form::ClanFirst,
        clans: &["Alăng", "A Lăng", "Bhnướch", "Bríu", "Bhling", "Arất", "Zơ Râm", "Coor", "Pơloong", "Hôih"],
        given: KATU_GIVEN,
    },
    Group { code: 27, form: Form::NoClan, clans: &[], given: HIGHLAND_GIVEN },
    Group { code: 28, form: Form::OneWord, clans: &[], given: HIGHLAND_GIVEN },
    Group { code: 30, form: Form::Kinh, clans: &["Hồ", "Đinh"], given: KINH_LIKE },
    Group { code: 31, form: Form::Kinh, clans: &["Hồ", "A Viết", "Lê"], given: KINH_LIKE },
];

/// A place, the percent of minorities among its people, and their groups by weight.
type Settlement = (i16, u32, &'static [(i16, u32)]);

/// Percent of minorities among people of rural communes, by today's province, and which groups.
const BY_PROVINCE: [Settlement; 22] = [
    (4, 95, &[(2, 41), (7, 30), (8, 11), (9, 10)]),
    (8, 75, &[(2, 26), (8, 34), (9, 15), (7, 10)]),
    (11, 83, &[(3, 36), (8, 38)]),
    (12, 85, &[(3, 31), (8, 23), (9, 13)]),
    (14, 85, &[(3, 54), (8, 16), (6, 7)]),
    (15, 65, &[(2, 17), (8, 24), (9, 14), (3, 8)]),
    (19, 45, &[(2, 52), (7, 20), (9, 18)]),
    (20, 85, &[(7, 43), (2, 36), (9, 4)]),
    (22, 25, &[(9, 60), (2, 35)]),
    (25, 40, &[(6, 95), (9, 5)]),
    (38, 22, &[(6, 60), (3, 35), (8, 3)]),
    (40, 17, &[(3, 80), (8, 8)]),
    (44, 12, &[(23, 90), (31, 10)]),
    (46, 8, &[(31, 60), (26, 30), (23, 10)]),
    (51, 40, &[(14, 30), (13, 15), (19, 35), (27, 10), (30, 7)]),
    (52, 35, &[(10, 60), (13, 35)]),
    (56, 20, &[(21, 65), (17, 35)]),
    (66, 38, &[(12, 55), (7, 12), (2, 8), (20, 10), (8, 6)]),
    (68, 35, &[(16, 40), (28, 10), (20, 20), (7, 10), (2, 8), (17, 8)]),
    (75, 20, &[(22, 45), (4, 20), (2, 10), (7, 10)]),
    (86, 25, &[(5, 98), (4, 2)]),
    (92, 25, &[(5, 90), (4, 10)]),
];

/// The mountain districts of former Quảng Nam (old district codes), where the minorities of province 48 live.
const QUANG_NAM_DISTRICTS: [Settlement; 6] = [
    (504, 93, &[(26, 1)]),
    (505, 75, &[(26, 1)]),
    (510, 80, &[(26, 60), (27, 40)]),
    (511, 65, &[(14, 55), (27, 40), (26, 5)]),
    (515, 50, &[(14, 60), (30, 30), (13, 2)]),
    (516, 96, &[(14, 90), (30, 4)]),
];

/// Kinh.
pub(crate) const KINH: i16 = 1;

/// The ethnic group of a household by where it lives.
pub(crate) fn group_at(province: i16, ward: bool, old_district: i16, chance: &mut Chance) -> i16 {
    let row = if province == 48 {
        QUANG_NAM_DISTRICTS.iter().find(|row| row.0 == old_district)
    } else {
        BY_PROVINCE.iter().find(|row| row.0 == province && !ward)
    };
    match row {
        Some((_, percent, groups)) if chance.percent(*percent) => chance.pick(groups),
        _ => KINH,
    }
}

/// The naming of a group; none for the Kinh and for groups that name as the Kinh do.
pub(super) fn naming(code: i16) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.code == code)
}

/// A full name in a form the Kinh do not use.
pub(super) fn full_name(group: &Group, clan: &str, female: bool, chance: &mut Chance) -> String {
    let given = *chance.one_of(group.given);
    match (group.form, female) {
        (Form::ClanFirst, true) if group.code == 10 => format!("{clan} H'{given}"),
        (Form::Kinh | Form::ClanFirst, _) => format!("{clan} {given}"),
        (Form::ClanLast, true) => format!("H'{given} {clan}"),
        (Form::ClanLast, false) => format!("Y {given} {clan}"),
        (Form::NoClan, true) => format!("Y {given}"),
        (Form::NoClan, false) => format!("A {given}"),
        (Form::OneWord, true) => format!("Ka{}", given.to_lowercase()),
        (Form::OneWord, false) => format!("K'{given}"),
        (Form::BySex, true) => format!("Thị {given}"),
        (Form::BySex, false) => format!("Điểu {given}"),
    }
}
