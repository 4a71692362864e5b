//! Spellings written down by hand, from dictionaries and from what portals report; not from the tables of the rules.

use super::Kind;

/// oa, oe and uy with each tone, as written before and after 1984's advice on where the mark stands.
pub(super) const TONE_PLACES: [(&str, &str); 15] = [
    ("òa", "oà"),
    ("óa", "oá"),
    ("ỏa", "oả"),
    ("õa", "oã"),
    ("ọa", "oạ"),
    ("òe", "oè"),
    ("óe", "oé"),
    ("ỏe", "oẻ"),
    ("õe", "oẽ"),
    ("ọe", "oẹ"),
    ("ùy", "uỳ"),
    ("úy", "uý"),
    ("ủy", "uỷ"),
    ("ũy", "uỹ"),
    ("ụy", "uỵ"),
];

/// Names in which the mark has two places.
const WITH_TWO_PLACES: [&str; 18] = [
    "Hòa", "Hóa", "Họa", "Thỏa", "Tỏa", "Khỏe", "Hòe", "Thúy", "Thùy", "Thủy", "Thụy", "Tùy", "Túy", "Lũy", "Quý",
    "Quỳ", "Hoà", "Thuỷ",
];

/// Names that dictionaries spell with y and with i.
pub(super) const Y_OR_I: [(&str, &str); 20] = [
    ("Lý", "Lí"),
    ("Ly", "Li"),
    ("Lỵ", "Lị"),
    ("Mỹ", "Mĩ"),
    ("My", "Mi"),
    ("Mỵ", "Mị"),
    ("Kỳ", "Kì"),
    ("Kỷ", "Kỉ"),
    ("Kỹ", "Kĩ"),
    ("Hy", "Hi"),
    ("Hỷ", "Hỉ"),
    ("Sỹ", "Sĩ"),
    ("Tý", "Tí"),
    ("Tỵ", "Tị"),
    ("Tỷ", "Tỉ"),
    ("Quý", "Quí"),
    ("Quỳ", "Quì"),
    ("Quy", "Qui"),
    ("Quỹ", "Quĩ"),
    ("Ý", "Í"),
];

/// Variants that are other names: of regions, of names avoided, and i and y where parents tell them apart.
pub(super) const VARIANTS: [(&str, &str); 44] = [
    ("Hoàng", "Huỳnh"),
    ("Vũ", "Võ"),
    ("Phúc", "Phước"),
    ("Sinh", "Sanh"),
    ("Nhật", "Nhựt"),
    ("Bảo", "Bửu"),
    ("Cảnh", "Kiểng"),
    ("Châu", "Chu"),
    ("Hồng", "Hường"),
    ("Tùng", "Tòng"),
    ("Thái", "Thới"),
    ("Đảm", "Đởm"),
    ("Nghĩa", "Ngãi"),
    ("Nguyên", "Ngươn"),
    ("Nhân", "Nhơn"),
    ("Tính", "Tánh"),
    ("Chính", "Chánh"),
    ("Lĩnh", "Lãnh"),
    ("Trường", "Tràng"),
    ("Toàn", "Tuyền"),
    ("Dũng", "Dõng"),
    ("Phượng", "Phụng"),
    ("Hoa", "Huê"),
    ("An", "Yên"),
    ("Mạnh", "Mệnh"),
    ("Thịnh", "Thạnh"),
    ("Lợi", "Lị"),
    ("Cương", "Cang"),
    ("Đức", "Đước"),
    ("Long", "Luông"),
    ("Minh", "Miêng"),
    ("Bình", "Bường"),
    ("Xuân", "Xoan"),
    ("Quang", "Quơn"),
    ("Thanh", "Thênh"),
    ("Sơn", "San"),
    ("Quý", "Quới"),
    ("Vy", "Vi"),
    ("Thy", "Thi"),
    ("Nhi", "Nhy"),
    ("Chi", "Chy"),
    ("Ni", "Ny"),
    ("Bi", "By"),
    ("Trí", "Trý"),
];

/// What is read for what, as scanners and tired eyes do it.
pub(super) const MISREAD: [(&str, &str); 24] = [
    ("n", "m"),
    ("m", "n"),
    ("m", "rn"),
    ("u", "n"),
    ("n", "u"),
    ("i", "l"),
    ("l", "i"),
    ("o", "a"),
    ("a", "o"),
    ("e", "c"),
    ("c", "e"),
    ("h", "b"),
    ("h", "k"),
    ("t", "l"),
    ("v", "y"),
    ("g", "q"),
    ("ú", "í"),
    ("ư", "u"),
    ("ế", "ệ"),
    ("ạ", "á"),
    ("ọ", "ó"),
    ("ả", "ã"),
    ("ễ", "ể"),
    ("d", "cl"),
];

/// Words put between surname and given name.
pub(super) const MIDDLES: [&str; 8] = ["Văn", "Thị", "Minh", "Ngọc", "Thanh", "Hữu", "Kim", "Quốc"];

/// Peoples of the highlands whose names begin with Y, H', A, K', Ka or Rơ.
pub(super) const PEOPLES_WITH_PREFIXES: [i16; 8] = [10, 12, 13, 14, 16, 20, 27, 28];

/// Words that a name must have one of for a change of the kind; none if any name will do.
pub(super) fn words_of(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::TonePlace => WITH_TWO_PLACES.to_vec(),
        Kind::IAndY => Y_OR_I.iter().flat_map(|(one, other)| [*one, *other]).collect(),
        Kind::Variant => VARIANTS.iter().flat_map(|(one, other)| [*one, *other]).collect(),
        _ => Vec::new(),
    }
}

/// Of those words, the ones that stand first in a name.
pub(super) fn is_surname(word: &str) -> bool {
    matches!(word, "Lý" | "Lí" | "Hoàng" | "Huỳnh" | "Vũ" | "Võ" | "Châu" | "Chu")
}
