//! What was where, and what became of it: `node/core/data/provinces.csv` and `communes.csv`.
//!
//! A row is a unit under its code from one day until another, and what it became on that day; a code whose meaning
//! changed has several rows. Rules compare codes; names are for those who read the tables, but for the provinces', which
//! stand on cards.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use xacminh_proto::vocab::Date;

const PROVINCES: &str = include_str!("../../../data/provinces.csv");
const COMMUNES: &str = include_str!("../../../data/communes.csv");

/// The tables shipped with the program.
static SHIPPED: LazyLock<Geography> =
    LazyLock::new(|| Geography::read(PROVINCES, COMMUNES).expect("a test reads the tables that are shipped"));

/// Provinces and communes through time.
#[derive(Debug)]
pub struct Geography {
    /// Ascending by code and first day.
    provinces: Vec<Province>,
    /// Those that were, ascending by code.
    former: Vec<FormerCommune>,
    /// Those that are: (code, province), ascending.
    communes: Vec<(u32, u8)>,
    /// (commune of today, place in `former` of one it was made from), ascending.
    made_from: Vec<(u32, usize)>,
    /// (name of a province of any time, folded; code of the province of today that it became), ascending.
    names: Vec<(String, u8)>,
}

/// A province under its code for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Province {
    /// Two digits.
    pub code: u8,
    /// First day.
    pub from: Date,
    /// The day on which it was one no more, and the code of what it became.
    pub end: Option<(Date, u8)>,
}

/// A commune of before July 2025.
#[derive(Debug, PartialEq, Eq)]
pub struct FormerCommune {
    /// Five digits.
    pub code: u32,
    /// Three digits.
    pub district: u16,
    /// Two digits.
    pub province: u8,
    /// The day on which it was one no more.
    pub until: Date,
    /// The communes of today it became, or a part of each if it was divided.
    pub became: Box<[u32]>,
}

/// A line that is no row of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{table}, line {line}: no row of the table")]
pub struct TableError {
    /// The file.
    pub table: &'static str,
    /// Its line, from 1.
    pub line: usize,
}

impl Geography {
    /// The tables shipped with the program.
    #[must_use]
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// Reads tables: `code,name,kind,valid_from,valid_to,became,by` and `code,district,province,valid_to,became`.
    ///
    /// # Errors
    /// [`TableError`], the first line that is wrong.
    pub fn read(provinces: &'static str, communes: &'static str) -> Result<Self, TableError> {
        let mut table = Self {
            provinces: Vec::new(),
            former: Vec::new(),
            communes: Vec::new(),
            made_from: Vec::new(),
            names: Vec::new(),
        };
        let mut named = Vec::new();
        for (line, fields) in rows::<7>("provinces.csv", provinces)? {
            let row = province(&fields).ok_or(TableError { table: "provinces.csv", line })?;
            table.provinces.push(row);
            named.push((folded(fields[1]), row));
        }
        for (line, fields) in rows::<5>("communes.csv", communes)? {
            let wrong = TableError { table: "communes.csv", line };
            if fields[3].is_empty() {
                table.communes.push(today(&fields).ok_or(wrong)?);
            } else {
                table.former.push(former(&fields).ok_or(wrong)?);
            }
        }
        table.provinces.sort_by_key(|row| (row.code, row.from));
        table.former.sort_by_key(|row| row.code);
        table.communes.sort_unstable();
        let pairs = table.former.iter().enumerate();
        table.made_from = pairs.flat_map(|(at, row)| row.became.iter().map(move |new| (*new, at))).collect();
        table.made_from.sort_unstable();
        let leads_to = |(name, row)| table.successor(row).map(|today| (name, today.code));
        table.names = named.into_iter().filter_map(leads_to).collect();
        table.names.sort_unstable();
        table.names.dedup();
        Ok(table)
    }

    /// The code today of a province by any name it had, in any case and with its tone mark on either vowel.
    #[must_use]
    pub fn province_named(&self, name: &str) -> Option<u8> {
        let name = folded(name);
        self.names.binary_search_by(|(known, _)| known.cmp(&name)).ok().map(|at| self.names[at].1)
    }

    /// The province of a code on a day; that of today if none is named.
    #[must_use]
    pub fn province(&self, code: u8, on: Option<Date>) -> Option<Province> {
        let holds = |row: &&Province| match on {
            None => row.end.is_none(),
            Some(day) => row.from <= day && row.end.is_none_or(|(end, _)| day < end),
        };
        self.provinces.iter().filter(|row| row.code == code).find(holds).copied()
    }

    /// The province of today that a province became.
    #[must_use]
    pub fn successor(&self, province: Province) -> Option<Province> {
        let mut row = province;
        // Each step goes forward in time, so it ends; a table that does not lead anywhere gives none.
        while let Some((end, code)) = row.end {
            row = self.provinces.iter().copied().find(|next| next.code == code && next.from == end)?;
        }
        Some(row)
    }

    /// Whether a province of today was made from several that ended on one day.
    #[must_use]
    pub fn is_merged(&self, today: u8) -> bool {
        let ends = self.provinces.iter().filter_map(|row| row.end).filter(|(_, became)| *became == today);
        ends.clone().any(|(day, _)| ends.clone().filter(|(other, _)| *other == day).count() > 1)
    }

    /// The province of a commune of today.
    #[must_use]
    pub fn province_of(&self, commune: u32) -> Option<u8> {
        let at = self.communes.binary_search_by_key(&commune, |(code, _)| *code).ok()?;
        Some(self.communes[at].1)
    }

    /// A commune of before July 2025.
    #[must_use]
    pub fn former(&self, code: u32) -> Option<&FormerCommune> {
        self.former.binary_search_by_key(&code, |row| row.code).ok().map(|at| &self.former[at])
    }

    /// The communes of before July 2025 that a commune of today was made from.
    pub fn made_from(&self, commune: u32) -> impl Iterator<Item = &FormerCommune> {
        let first = self.made_from.partition_point(|(code, _)| *code < commune);
        self.made_from[first..].iter().take_while(move |(code, _)| *code == commune).map(|(_, at)| &self.former[*at])
    }

    /// The provinces of all times.
    #[must_use]
    pub fn provinces(&self) -> &[Province] {
        &self.provinces
    }
}

/// A province's name as names are compared: composed, in small letters, Hoà as Hòa.
fn folded(name: &str) -> String {
    let small: String = name.chars().flat_map(char::to_lowercase).nfc().collect();
    small.replace("oà", "òa").replace("oá", "óa")
}

fn province(fields: &[&str; 7]) -> Option<Province> {
    let [code, _name, _kind, from, to, became, _by] = fields;
    let end = match (to.is_empty(), became.is_empty()) {
        (true, true) => None,
        (false, false) => Some((Date::parse(to).ok()?, became.parse().ok()?)),
        _ => return None,
    };
    Some(Province { code: code.parse().ok()?, from: Date::parse(from).ok()?, end })
}

fn today(fields: &[&str; 5]) -> Option<(u32, u8)> {
    let [code, district, province, _, became] = fields;
    let is_plain = district.is_empty() && became.is_empty();
    if is_plain { Some((code.parse().ok()?, province.parse().ok()?)) } else { None }
}

fn former(fields: &[&str; 5]) -> Option<FormerCommune> {
    let [code, district, province, to, became] = fields;
    let became: Box<[u32]> = became.split(' ').map(|code| code.parse().ok()).collect::<Option<_>>()?;
    Some(FormerCommune {
        code: code.parse().ok()?,
        district: district.parse().ok()?,
        province: province.parse().ok()?,
        until: Date::parse(to).ok()?,
        became,
    })
}

/// The rows below the heading, with their lines. The tables have no quoted fields.
fn rows<const N: usize>(
    table: &'static str,
    text: &'static str,
) -> Result<Vec<(usize, [&'static str; N])>, TableError> {
    let lines = text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty());
    lines
        .map(|(index, line)| {
            let fields = line.split(',').collect::<Vec<_>>().try_into();
            fields.map(|fields| (index + 1, fields)).map_err(|_| TableError { table, line: index + 1 })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn day(text: &str) -> Date {
        Date::parse(text).expect("a day")
    }

    #[test]
    fn sixty_three_provinces_became_thirty_four() {
        let table = Geography::read(PROVINCES, COMMUNES).expect("the tables are sound");
        let count = |on| (1..=99).filter(|code| table.province(*code, on).is_some()).count();
        assert_eq!(count(Some(day("2024-12-31"))), 63);
        assert_eq!(count(Some(day("2025-06-30"))), 63);
        assert_eq!(count(Some(day("2025-07-01"))), 34);
        assert_eq!(count(None), 34);
        assert_eq!(count(Some(day("2008-07-31"))), 0, "the table begins with the merger of Hà Tây");
        for row in table.provinces() {
            assert!(table.successor(*row).is_some_and(|today| today.end.is_none()), "{} leads to today", row.code);
        }
        let merged: Vec<u8> = (1..=99).filter(|code| table.is_merged(*code)).collect();
        assert_eq!(merged.len(), 23, "Resolution 202/2025/QH15 made 23 provinces of 52");
        assert!(!table.is_merged(46), "Huế was renamed");
        assert!(!table.is_merged(1));
    }

    #[test]
    fn every_province_of_every_time_is_known_by_its_name() {
        let table = Geography::shipped();
        assert_eq!(table.names.len(), 64, "the 63, and Huế, which was Thừa Thiên Huế");
        let is_told = |today: &u8| table.names.iter().any(|(_, code)| code == today);
        assert_eq!((1..=99).filter(|code| table.province(*code, None).is_some()).filter(is_told).count(), 34);
        for names in table.names.windows(2) {
            assert_ne!(names[0].0, names[1].0, "one name, two provinces");
        }
        for (name, code) in [("Bình Dương", 79), ("KHÁNH HOÀ", 56), ("thanh hoá", 38), ("Huế", 46), ("Bình Định", 52)]
        {
            assert_eq!(table.province_named(name), Some(code), "{name}");
        }
        assert_eq!(table.province_named("Hà Tây"), None, "the table begins after it");
    }

    #[test]
    fn the_list_keeps_moving() {
        let table = Geography::shipped();
        let hue = table.province(46, Some(day("2024-12-31"))).expect("Thừa Thiên Huế");
        assert_eq!(hue.end, Some((day("2025-01-01"), 46)), "Huế since 1 January 2025");
        let dong_nai = table.province(75, Some(day("2026-04-29"))).expect("the province of Đồng Nai");
        assert_eq!(dong_nai.end, Some((day("2026-04-30"), 75)), "a city since 30 April 2026");
        assert_eq!(table.province(75, None).expect("the city").from, day("2026-04-30"));
    }

    #[test]
    fn every_commune_that_was_leads_to_one_that_is_in_the_province_that_its_province_became() {
        let table = Geography::shipped();
        assert_eq!(table.communes.len(), 3_321);
        assert_eq!(table.former.len(), 10_031);
        let eve = Some(day("2025-06-30"));
        let mut astray = BTreeSet::new();
        for row in &table.former {
            let province = table.province(row.province, eve).expect("a province of then");
            let today = table.successor(province).expect("leads to today").code;
            for new in &row.became {
                if table.province_of(*new).expect("a commune of today") != today {
                    astray.insert(row.code);
                }
            }
        }
        assert_eq!(astray, BTreeSet::new());
    }

    #[test]
    fn a_broken_line_is_named() {
        const GOOD: &str = "code,district,province,valid_to,became\n00004,,01,,\n";
        for (provinces, communes, table, line) in [
            ("h\n01,Hà Nội,thành phố,2008-08-01,2025-02-30,01,x\n", GOOD, "provinces.csv", 2),
            ("h\n01,Hà Nội,thành phố,2008-08-01,,,\n\n02,x\n", GOOD, "provinces.csv", 4),
            ("h\n01,Hà Nội,thành phố,2008-08-01,2025-07-01,,\n", GOOD, "provinces.csv", 2),
            ("h\n", "h\n00004,001,01,2025-07-01,\n", "communes.csv", 2),
            ("h\n", "h\n00004,001,01,,\n", "communes.csv", 2),
        ] {
            assert_eq!(
                Geography::read(provinces, communes).err(),
                Some(TableError { table, line }),
                "{provinces}{communes}"
            );
        }
    }
}
