//! Provinces, communes and number prefixes, read from the tables in `data/`.

use std::collections::BTreeMap;

use super::chance::Chance;
use super::person::{Commune, Residence};

const COMMUNES: &str = include_str!("../../data/communes.csv");
const PREFIXES: &str = include_str!("../../data/pin_prefixes.csv");
const PROVINCES: &str = include_str!("../../data/provinces.csv");

/// A ward holds about two and a half times the people of a rural commune.
const WARD_WEIGHT: u32 = 5;
const RURAL_WEIGHT: u32 = 2;

/// Old mountain districts of Quảng Nam, whose communes hold half the people of others.
const MOUNTAIN_DISTRICTS: [i16; 6] = [504, 505, 510, 511, 515, 516];
const MOUNTAIN_WEIGHT: u32 = 1;

/// Streets that nearly every town has; numbers make them addresses.
const STREETS: [&str; 24] = [
    "Lê Lợi",
    "Trần Phú",
    "Nguyễn Huệ",
    "Quang Trung",
    "Hùng Vương",
    "Lê Duẩn",
    "Phan Châu Trinh",
    "Nguyễn Trãi",
    "Hai Bà Trưng",
    "Lý Thường Kiệt",
    "Trần Hưng Đạo",
    "Nguyễn Văn Cừ",
    "Điện Biên Phủ",
    "Lê Hồng Phong",
    "Hoàng Diệu",
    "Phan Đình Phùng",
    "Ngô Quyền",
    "Bà Triệu",
    "Tôn Đức Thắng",
    "Cách Mạng Tháng Tám",
    "Nguyễn Tất Thành",
    "Huỳnh Thúc Kháng",
    "Phạm Văn Đồng",
    "Nguyễn Thị Minh Khai",
];

/// The tables, indexed.
pub struct Places {
    provinces: BTreeMap<i16, Province>,
    prefixes: Vec<Prefix>,
}

/// A province of today with the communes people live in.
pub struct Province {
    /// Two-digit code.
    pub code: i16,
    /// Number prefixes of the provinces merged into it.
    pub prefixes: Vec<i16>,
    population: u32,
    communes: Vec<CommuneRow>,
    weights: Vec<u32>,
}

struct CommuneRow {
    code: i32,
    ward: bool,
    old: Vec<(i16, i16, i32)>,
}

struct Prefix {
    prefix: i16,
    province: i16,
    weight: u32,
}

/// Why a province cannot be populated, or a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PlacesError {
    /// No such province today.
    #[error("{0:02} is no province code since 1 July 2025 (see client/data/provinces.csv)")]
    NoSuchProvince(i16),
    /// The tables name no commune of it, and communes are never invented.
    #[error(
        "client/data/communes.csv has no commune with an old code for province {0:02}: nobody can be settled there"
    )]
    NoCommunes(i16),
    /// A table compiled into this program is broken.
    #[error("table {table}, line {line}: not understood")]
    Table {
        /// The file's name.
        table: &'static str,
        /// Line number, from 1.
        line: usize,
    },
}

impl Places {
    /// Reads the tables.
    ///
    /// # Errors
    /// [`PlacesError::Table`].
    pub fn load() -> Result<Self, PlacesError> {
        let mut provinces = BTreeMap::new();
        for (line, fields) in rows("provinces.csv", PROVINCES, 7)? {
            let broken = || PlacesError::Table { table: "provinces.csv", line };
            let code = fields[0].parse().map_err(|_| broken())?;
            let population = fields[5].parse().map_err(|_| broken())?;
            let prefixes = Vec::new();
            provinces.insert(code, Province { code, prefixes, population, communes: Vec::new(), weights: Vec::new() });
        }
        read_communes(&mut provinces)?;
        let prefixes = read_prefixes(&mut provinces)?;
        Ok(Self { provinces, prefixes })
    }

    /// A province people can be settled in.
    ///
    /// # Errors
    /// [`PlacesError::NoSuchProvince`] or [`PlacesError::NoCommunes`].
    pub fn province(&self, code: i16) -> Result<&Province, PlacesError> {
        let province = self.provinces.get(&code).ok_or(PlacesError::NoSuchProvince(code))?;
        if province.communes.is_empty() { Err(PlacesError::NoCommunes(code)) } else { Ok(province) }
    }

    /// Some prefix of the country, by population, and today's province of it, in which people can be settled.
    pub fn any_prefix(&self, chance: &mut Chance) -> (i16, i16) {
        let drawn = &self.prefixes[chance.weighted(self.prefixes.iter().map(|prefix| prefix.weight))];
        (drawn.prefix, drawn.province)
    }

    /// Today's province of a prefix; none for countries.
    #[must_use]
    pub fn province_of_prefix(&self, prefix: i16) -> Option<i16> {
        self.prefixes.iter().find(|row| row.prefix == prefix).map(|row| row.province)
    }

    /// A commune of a province, if the tables know any.
    pub fn commune_in(&self, province: i16, chance: &mut Chance) -> Option<Commune> {
        let province = self.provinces.get(&province).filter(|province| !province.communes.is_empty())?;
        let row = &province.communes[chance.weighted(province.weights.iter().copied())];
        Some(Commune { province: province.code, commune: row.code })
    }
}

impl Province {
    /// An address, and whether it lies in a ward.
    pub fn residence(&self, chance: &mut Chance) -> (Residence, bool) {
        let row = &self.communes[chance.weighted(self.weights.iter().copied())];
        let old = *chance.one_of(&row.old);
        let detail = if row.ward {
            format!("{} {}", chance.range(1, 600), chance.one_of(&STREETS))
        } else {
            format!("Thôn {}", chance.range(1, 15))
        };
        (Residence { place: Commune { province: self.code, commune: row.code }, detail, old }, row.ward)
    }
}

fn read_communes(provinces: &mut BTreeMap<i16, Province>) -> Result<(), PlacesError> {
    for (line, fields) in rows("communes.csv", COMMUNES, 5)? {
        let broken = || PlacesError::Table { table: "communes.csv", line };
        let code = fields[0].parse().map_err(|_| broken())?;
        let province = fields[3].parse::<i16>().ok().and_then(|code| provinces.get_mut(&code)).ok_or_else(broken)?;
        let old: Option<Vec<_>> = fields[4].split(';').filter(|text| !text.is_empty()).map(old_codes).collect();
        let old = old.ok_or_else(broken)?;
        // Without a known predecessor an address could not keep its old code.
        if old.is_empty() {
            continue;
        }
        let ward = fields[2] == "Phường";
        let mountain = old.iter().any(|(_, district, _)| MOUNTAIN_DISTRICTS.contains(district));
        province.weights.push(match (ward, mountain) {
            (true, _) => WARD_WEIGHT,
            (false, true) => MOUNTAIN_WEIGHT,
            (false, false) => RURAL_WEIGHT,
        });
        province.communes.push(CommuneRow { code, ward, old });
    }
    Ok(())
}

/// The provinces merged into one share its population as weight.
fn read_prefixes(provinces: &mut BTreeMap<i16, Province>) -> Result<Vec<Prefix>, PlacesError> {
    let mut prefixes = Vec::new();
    for (line, fields) in rows("pin_prefixes.csv", PREFIXES, 5)? {
        let broken = || PlacesError::Table { table: "pin_prefixes.csv", line };
        let prefix = fields[0].parse().map_err(|_| broken())?;
        let code = fields[3].parse().map_err(|_| broken())?;
        let province = provinces.get_mut(&code).ok_or_else(broken)?;
        province.prefixes.push(prefix);
        prefixes.push(Prefix { prefix, province: code, weight: province.population });
    }
    prefixes.retain(|row| provinces.get(&row.province).is_some_and(|province| !province.communes.is_empty()));
    for row in &mut prefixes {
        let merged = provinces.get(&row.province).map_or(1, |province| province.prefixes.len());
        row.weight /= 1_000 * u32::try_from(merged).unwrap_or(1);
    }
    Ok(prefixes)
}

fn old_codes(text: &str) -> Option<(i16, i16, i32)> {
    let mut codes = text.split('-');
    Some((codes.next()?.parse().ok()?, codes.next()?.parse().ok()?, codes.next()?.parse().ok()?))
}

type Row = (usize, Vec<&'static str>);

/// The tables have no quoted fields.
fn rows(table: &'static str, text: &'static str, columns: usize) -> Result<Vec<Row>, PlacesError> {
    let lines = text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty());
    lines
        .map(|(index, line)| {
            let fields: Vec<_> = line.split(',').collect();
            if fields.len() == columns {
                Ok((index + 1, fields))
            } else {
                Err(PlacesError::Table { table, line: index + 1 })
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_province_can_be_populated() {
        let places = Places::load().expect("tables are sound");
        assert_eq!(places.provinces.len(), 34);
        assert_eq!(places.prefixes.len(), 63);
        assert_eq!(places.provinces.values().map(|province| province.communes.len()).sum::<usize>(), 3_321 - 6);
        for code in places.provinces.keys() {
            assert!(!places.province(*code).expect("has communes").prefixes.is_empty());
        }
    }

    #[test]
    fn an_abolished_province_is_refused_by_name() {
        let places = Places::load().expect("tables are sound");
        let error = places.province(49).err().expect("Quảng Nam was merged");
        assert_eq!(error.to_string(), "49 is no province code since 1 July 2025 (see client/data/provinces.csv)");
    }
}
