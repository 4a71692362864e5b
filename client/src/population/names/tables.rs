//! Weights of Vietnamese names.
//!
//! Surnames: Lê Trung Hoa 2005 for the country, hoten.org samples for Nghệ An and Đắk Lắk; given names: hoten.org samples
//! DKL01 (born 1991–2002) and SG01 (born 2007–2011). Weights are per mille of people where a figure is published; the
//! tails and the older cohorts are estimates that keep the published head in proportion.

/// A name element and its weight.
pub(super) type Weighted = [(&'static str, u32)];

/// The country, as heard in the north: Hoàng and Vũ.
pub(super) const SURNAMES_NORTH: &Weighted = &[
    ("Nguyễn", 384), ("Trần", 121), ("Lê", 95), ("Phạm", 70), ("Hoàng", 51), ("Phan", 45), ("Vũ", 39), ("Đặng", 21),
    ("Bùi", 20), ("Đỗ", 14), ("Hồ", 5), ("Ngô", 13), ("Dương", 10), ("Lý", 5), ("Trịnh", 8), ("Đinh", 9), ("Đào", 8),
    ("Đoàn", 7), ("Mai", 5), ("Lương", 5), ("Hà", 5), ("Tạ", 4), ("Lưu", 4), ("Cao", 4), ("Chu", 4), ("Trương", 6),
    ("Phùng", 4), ("Vương", 3), ("Tô", 3), ("Kiều", 3), ("Nghiêm", 2), ("Quách", 2), ("Khổng", 1), ("Thân", 1),
    ("Bạch", 1), ("Giáp", 1),
];

/// The country, as heard in the centre and south: Huỳnh and Võ.
pub(super) const SURNAMES_SOUTH: &Weighted = &[
    ("Nguyễn", 366), ("Trần", 121), ("Lê", 95), ("Phạm", 62), ("Huỳnh", 48), ("Hoàng", 14), ("Phan", 47), ("Võ", 43),
    ("Vũ", 17), ("Đặng", 20), ("Bùi", 18), ("Đỗ", 14), ("Hồ", 17), ("Ngô", 14), ("Dương", 12), ("Lý", 7), ("Trương", 18),
    ("Đinh", 8), ("Đoàn", 8), ("Mai", 8), ("Lương", 6), ("Hà", 5), ("Trịnh", 5), ("Thái", 5), ("Cao", 5), ("Tô", 4),
    ("Châu", 4), ("Lâm", 6), ("Đào", 4), ("Lưu", 4), ("Văn", 2), ("Tăng", 2), ("Kiều", 2), ("Ông", 1), ("Ung", 1),
    ("La", 1), ("Thân", 1), ("Từ", 1),
];

/// Nghệ An and Hà Tĩnh (38,099 names of Nghệ An).
pub(super) const SURNAMES_NGHE_TINH: &Weighted = &[
    ("Nguyễn", 320), ("Trần", 92), ("Lê", 76), ("Hoàng", 45), ("Phạm", 43), ("Hồ", 42), ("Phan", 39), ("Bùi", 21),
    ("Đặng", 21), ("Lương", 19), ("Ngô", 18), ("Trương", 18), ("Cao", 16), ("Võ", 15), ("Đinh", 12), ("Thái", 12),
    ("Đậu", 11), ("Dương", 9), ("Vũ", 8), ("Đoàn", 6), ("Chu", 6), ("Tạ", 3), ("Biện", 2), ("Uông", 2), ("Phùng", 3),
];

/// The central highlands (207,000 names of Đắk Lắk, born 1991–2002).
pub(super) const SURNAMES_HIGHLANDS: &Weighted = &[
    ("Nguyễn", 296), ("Trần", 101), ("Lê", 84), ("Phạm", 59), ("Hoàng", 41), ("Phan", 32), ("Bùi", 27), ("Võ", 26),
    ("Hồ", 22), ("Vũ", 20), ("Đặng", 19), ("Đỗ", 18), ("Trương", 17), ("Huỳnh", 16), ("Ngô", 16), ("Đinh", 15),
    ("Dương", 12), ("Trịnh", 10), ("Mai", 10), ("Lương", 8), ("Hà", 8), ("Cao", 7), ("Đoàn", 7), ("Thái", 5), ("Lưu", 4),
];

/// Women's middle names other than Thị.
pub(super) const MIDDLE_FEMALE: &Weighted = &[
    ("Ngọc", 170), ("Thanh", 60), ("Kim", 60), ("Thu", 45), ("Phương", 50), ("Bích", 30), ("Mỹ", 45), ("Minh", 50),
    ("Thùy", 45), ("Hồng", 40), ("Bảo", 45), ("Khánh", 40), ("Diệu", 20), ("Tuyết", 15), ("Như", 35), ("Hoài", 25),
    ("Ánh", 20), ("Quỳnh", 40), ("Thảo", 20), ("Gia", 20), ("Hải", 15), ("Xuân", 15), ("Yến", 25), ("Tường", 10),
];

/// Men's middle names other than Văn.
pub(super) const MIDDLE_MALE: &Weighted = &[
    ("Minh", 80), ("Đức", 55), ("Quốc", 60), ("Hoàng", 60), ("Thành", 40), ("Anh", 35), ("Gia", 45), ("Xuân", 30),
    ("Hữu", 45), ("Công", 35), ("Đình", 40), ("Trọng", 25), ("Ngọc", 40), ("Thanh", 45), ("Quang", 40), ("Bá", 20),
    ("Duy", 25), ("Nhật", 25), ("Tuấn", 30), ("Hải", 15), ("Bảo", 20), ("Viết", 15), ("Tấn", 25), ("Phước", 15), ("Thế", 15),
];

/// Mothers' surnames that children carry in the middle.
pub(super) const MIDDLE_OF_MOTHER: &Weighted = &[("Nguyễn", 40), ("Hoàng", 20), ("Lê", 25), ("Trần", 20), ("Huỳnh", 15)];

/// Men born since 1985.
pub(super) const GIVEN_MALE: &Weighted = &[
    ("Tuấn", 27), ("Hoàng", 25), ("Huy", 22), ("Anh", 21), ("Hiếu", 20), ("Hùng", 20), ("Nam", 20), ("Sơn", 19),
    ("Đức", 19), ("Dũng", 17), ("Thành", 16), ("Đạt", 16), ("Cường", 16), ("Long", 16), ("Trung", 15), ("Hải", 14),
    ("Nguyên", 14), ("Thắng", 14), ("Minh", 13), ("Duy", 12), ("Tiến", 11), ("Quang", 11), ("Phúc", 10), ("Trường", 10),
    ("Tài", 10), ("Toàn", 10), ("Hưng", 9), ("Phong", 9), ("Tùng", 9), ("Linh", 9), ("Khánh", 9), ("Bảo", 9), ("Quân", 8),
    ("Dương", 8), ("Nghĩa", 8), ("Lâm", 8), ("Vinh", 8), ("Bình", 8), ("Mạnh", 8), ("Việt", 7), ("Thịnh", 7), ("Hòa", 7),
    ("Khoa", 7), ("Khang", 7), ("Kiên", 6), ("Tú", 6), ("Lộc", 6), ("Thiện", 6), ("Phước", 5), ("Tâm", 5), ("Quý", 5),
    ("Hậu", 5), ("Nhân", 5), ("Trí", 5), ("Tín", 5), ("Vũ", 5), ("Vương", 4), ("Sang", 4), ("Tân", 4), ("Thái", 4),
    ("Đăng", 4), ("Giang", 4), ("Hà", 4), ("Kiệt", 4), ("Thuận", 4), ("Luân", 3), ("Lực", 3), ("Nhật", 3), ("Danh", 3),
];

/// Men born before 1985 (estimate).
pub(super) const GIVEN_MALE_OLDER: &Weighted = &[
    ("Hùng", 40), ("Dũng", 35), ("Sơn", 30), ("Thành", 28), ("Bình", 25), ("Minh", 25), ("Hải", 24), ("Cường", 22),
    ("Hòa", 20), ("Tuấn", 20), ("Thanh", 20), ("Long", 18), ("Tâm", 15), ("Lợi", 15), ("Phước", 14), ("Xuân", 14),
    ("Đức", 14), ("Quang", 14), ("Tiến", 13), ("Thắng", 13), ("Vinh", 12), ("Hưng", 12), ("Phúc", 10), ("Khánh", 9),
    ("Lộc", 9), ("Hiền", 8), ("Thọ", 8), ("Đông", 8), ("Tài", 8), ("Chiến", 8), ("Quý", 7), ("Nghĩa", 7), ("Năm", 6),
    ("Ba", 6), ("Bảy", 5), ("Sáu", 5), ("Tư", 5), ("Hai", 4), ("Liêm", 4), ("Hồng", 6), ("Ngọc", 6), ("Chung", 5), ("Tám", 4),
];

/// Women born since 2003.
pub(super) const GIVEN_FEMALE: &Weighted = &[
    ("Anh", 71), ("Vy", 57), ("Ngọc", 43), ("Nhi", 42), ("Hân", 41), ("Thư", 41), ("Linh", 35), ("Như", 31), ("Ngân", 30),
    ("Phương", 21), ("Thảo", 21), ("My", 21), ("Trân", 18), ("Quỳnh", 18), ("Nghi", 17), ("Trang", 17), ("Trâm", 16),
    ("An", 16), ("Thy", 15), ("Châu", 15), ("Trúc", 15), ("Uyên", 14), ("Yến", 14), ("Ý", 12), ("Tiên", 11), ("Mai", 11),
    ("Vân", 10), ("Nguyên", 9), ("Hương", 9), ("Quyên", 8), ("Duyên", 8), ("Kim", 8), ("Trinh", 7), ("Thanh", 7),
    ("Tuyền", 7), ("Hằng", 7), ("Hà", 6), ("Giang", 6), ("Khánh", 6), ("Ánh", 5), ("Hiền", 5), ("Phượng", 4), ("Thùy", 4),
];

/// Women born before 2003 (older cohorts estimated).
pub(super) const GIVEN_FEMALE_OLDER: &Weighted = &[
    ("Hoa", 30), ("Lan", 30), ("Hương", 35), ("Hồng", 28), ("Nga", 25), ("Thủy", 32), ("Tuyết", 20), ("Mai", 24),
    ("Hạnh", 24), ("Loan", 20), ("Bình", 10), ("Liên", 20), ("Hằng", 22), ("Hà", 22), ("Thu", 18), ("Phương", 24),
    ("Thảo", 20), ("Trang", 22), ("Linh", 18), ("Ngọc", 16), ("Yến", 14), ("Dung", 16), ("Oanh", 12), ("Hiền", 20),
    ("Vân", 18), ("Anh", 18), ("Xuân", 10), ("Cúc", 8), ("Sen", 6), ("Lý", 8), ("Nhung", 14), ("Tâm", 12), ("Thanh", 16),
    ("Lệ", 6), ("Phượng", 12), ("Bé", 4), ("Năm", 3), ("Sáu", 3), ("Gái", 2), ("Út", 2), ("Diệp", 4), ("Trinh", 8), ("Ánh", 6),
];

/// What names look like in a group of birth years.
pub(super) struct Cohort {
    /// First birth year of the group.
    pub from_year: i16,
    /// Percent of women with Thị among names of 3 words, and of 4.
    pub thi_of_3: u32,
    /// See `thi_of_3`.
    pub thi_of_4: u32,
    /// Percent of men with Văn.
    pub van: u32,
    /// Weights of 2, 3, 4 and 5 words in men's names.
    pub words_male: [u32; 4],
    /// The same of women's.
    pub words_female: [u32; 4],
}

/// Newest first. SG01 for the newest row, Đắk Lắk for 1991–2002; the rest is estimated.
pub(super) const COHORTS: [Cohort; 5] = [
    Cohort { from_year: 2007, thi_of_3: 2, thi_of_4: 25, van: 3, words_male: [93, 7_275, 2_615, 17], words_female: [20, 3_474, 6_456, 49] },
    Cohort { from_year: 2003, thi_of_3: 30, thi_of_4: 55, van: 8, words_male: [150, 7_900, 1_940, 10], words_female: [40, 5_000, 4_930, 30] },
    Cohort { from_year: 1985, thi_of_3: 68, thi_of_4: 86, van: 20, words_male: [300, 8_300, 1_400, 0], words_female: [80, 6_700, 3_200, 20] },
    Cohort { from_year: 1960, thi_of_3: 85, thi_of_4: 92, van: 40, words_male: [600, 8_600, 800, 0], words_female: [150, 8_300, 1_550, 0] },
    Cohort { from_year: 0, thi_of_3: 92, thi_of_4: 95, van: 45, words_male: [900, 8_700, 400, 0], words_female: [200, 9_300, 500, 0] },
];
